import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const CHECKOUT = join(import.meta.dirname, '..', '..', '..');
const OWN = join(CHECKOUT, 'test', 'vectors');
const ORIGINAL = join(CHECKOUT, '..', 'shared', 'vectors');
const REASON = `the originals are not beside this checkout (${join('..', 'shared', 'vectors')})`;

test('every vector file equals its original', { skip: existsSync(ORIGINAL) ? false : REASON }, () => {
	const names = readdirSync(OWN);
	assert.ok(names.length > 0, 'there are vectors to compare');
	for (const name of names) {
		assert.ok(
			readFileSync(join(OWN, name)).equals(readFileSync(join(ORIGINAL, name))),
			`${name} differs from its original`,
		);
	}
});
