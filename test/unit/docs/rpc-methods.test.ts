import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ADMIN_METHODS, MINER_METHODS } from '../../../src/api/admin/rpc-methods.js';
import { PUBLIC_METHODS } from '../../../src/api/rpc/methods/index.js';

test('docs/rpc.md lists every method, and no other', () => {
	const text = readFileSync(join(import.meta.dirname, '..', '..', '..', '..', 'docs', 'rpc.md'), 'utf8');
	const listed = [...text.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name);
	assert.deepEqual(
		listed.toSorted(),
		Object.keys({ ...PUBLIC_METHODS, ...ADMIN_METHODS, ...MINER_METHODS }).toSorted(),
	);
});
