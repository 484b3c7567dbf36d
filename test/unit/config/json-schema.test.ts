import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Type as TypeBox } from 'typebox';
import { Check } from 'typebox/value';
import { Type } from '../../../src/config/json-schema.js';

/** Everything that is used, built with one of the two. */
function sample(type: typeof Type | typeof TypeBox) {
	const built = type as typeof TypeBox;
	return built.Object(
		{
			text: built.String({ pattern: '^a', description: 'd' }),
			count: built.Integer({ minimum: 1 }),
			whatever: built.Optional(built.Any({ description: 'a' })),
			flag: built.Optional(built.Boolean()),
			list: built.Array(built.Object({ inner: built.Literal('x') }), { description: 'l' }),
			either: built.Union([built.Integer(), built.String()], { default: 5 }),
			empty: built.Object({ maybe: built.Optional(built.String()) }, { additionalProperties: false }),
		},
		{ additionalProperties: false },
	);
}

/** All properties, also those that JSON leaves out. */
function allOf(value: unknown): unknown {
	if (Array.isArray(value)) return value.map(allOf);
	if (typeof value !== 'object' || value === null) return value;
	return Object.fromEntries(
		Object.getOwnPropertyNames(value).map((name) => [name, allOf((value as Record<string, unknown>)[name])]),
	);
}

test('schemas equal those of TypeBox, marks included', () => {
	assert.deepEqual(allOf(sample(Type)), allOf(sample(TypeBox)));
	assert.equal(JSON.stringify(sample(Type)), JSON.stringify(sample(TypeBox)));
});

test('TypeBox checks values against them', () => {
	const schema = sample(Type);
	const good = { text: 'abc', count: 1, list: [{ inner: 'x' }], either: 'y', empty: {} };
	assert.equal(Check(schema, good), true);
	for (const bad of [
		{ text: 'b' },
		{ count: 0 },
		{ flag: 1 },
		{ list: [{ inner: 'y' }] },
		{ either: null },
		{ extra: 1 },
		{ empty: { x: 1 } },
	]) {
		assert.equal(Check(schema, { ...good, ...bad }), false, JSON.stringify(bad));
	}
});
