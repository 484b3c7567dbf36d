/** The edge to the native code: whatever is handed over, it is taken or refused, and nothing beside the arrays is touched. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Prng } from '../support/prng.js';
import { ADDON_CALLS, hostile, isGuardIntact, wrongReadArguments } from './addon-calls.js';
import type { FuzzTarget } from './inputs.js';

/** How refusals begin: with the argument, or with what it would make. A panic of the native code comes as an error too, with a sentence of Rust's. */
const REFUSAL = new RegExp(
	[
		'^(?!copy_from_slice)[a-zA-Z]+(\\[\\d+\\])?( is \\d+)?: ',
		'^an? (flow|submission|tree|empty file) ',
		'^\\d+ (bytes|heights|sectors|segment roots) ',
		"^(frontier of|flow length|leaf|length|level|the last segment's bytes) ",
		'^(Expected Uint8Array|Get TypedArray info failed|Failed to create reference from TypedArray)',
	].join('|'),
);

/** What the call threw, which must be a refusal in words; undefined when it was taken. */
function refusalOf(call: (...args: never[]) => unknown, args: readonly unknown[]): Error | undefined {
	try {
		call(...(args as never[]));
		return undefined;
	} catch (error) {
		assert.ok(error instanceof Error);
		assert.match(error.message, REFUSAL);
		return error;
	}
}

/** The bytes of the arrays that are not shared and not large. */
function contents(args: readonly unknown[]): string[] {
	const arrays = args.filter(
		(arg): arg is Uint8Array => ArrayBuffer.isView(arg) && arg.byteLength > 0 && arg.byteLength < 10_000,
	);
	return arrays.map((array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('latin1'));
}

export const ADDON_TARGETS: readonly FuzzTarget[] = [
	{
		name: 'arguments of native calls',
		property: fc.property(fc.nat(), (seed) => {
			const prng = new Prng(seed);
			const { name, call, args: make } = prng.pick(ADDON_CALLS);
			const right = make(prng);
			const args = [...right];
			const watched = right.filter((arg) => ArrayBuffer.isView(arg) && arg.byteOffset > 0) as ArrayBufferView[];
			for (let changes = prng.below(3); changes > 0; changes--) {
				const at = prng.below(args.length + 1);
				if (at === args.length) args.pop();
				else args[at] = hostile(prng, right, at);
				if (args.length === 0) break;
			}
			const before = contents(args);
			const refusal = refusalOf(call, args);
			if (name !== 'gather' && name !== 'freeMemory' && refusal) assert.deepEqual(contents(args), before, name);
			for (const array of watched) assert.ok(array.byteLength === 0 || isGuardIntact(array), name);
		}),
	},
	{
		name: 'arguments of native reads',
		property: fc.property(fc.nat(), (seed) => {
			const { call, args } = wrongReadArguments(new Prng(seed));
			assert.ok(refusalOf(call, args), 'a read began');
		}),
	},
];
