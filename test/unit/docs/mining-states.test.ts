import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { MINING_STATES } from '../../../src/pora/mining-status.js';

test('docs/mining.md tells what each state of mining means, and of no other', () => {
	const text = readFileSync(join(import.meta.dirname, '..', '..', '..', '..', 'docs', 'mining.md'), 'utf8');
	const [, table = ''] = text.split('| state |');
	const listed = [...table.split('\n\n')[0]!.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name);
	assert.deepEqual(listed.toSorted(), [...MINING_STATES].toSorted());
});
