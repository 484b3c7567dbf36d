import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RowCache } from '../../../src/log-layer/row-cache.js';
import { Prng } from '../../support/prng.js';

describe('the cache of rows', () => {
	it('answers what was put last, or that it does not know', () => {
		const cache = new RowCache(20, 1000);
		const truth = new Map<string, Uint8Array | null>();
		const prng = new Prng(1);
		let hits = 0;
		for (let step = 0; step < 5000; step++) {
			const key = `row ${prng.below(40)}`;
			if (prng.chance(0.5)) {
				const row = prng.chance(0.2) ? null : prng.bytes(prng.below(prng.chance(0.05) ? 700 : 90));
				cache.set(key, row);
				truth.set(key, row);
			}
			const found = cache.get(key);
			if (found === undefined) continue;
			hits++;
			assert.deepEqual(found && Buffer.from(found), truth.get(key) && Buffer.from(truth.get(key) as Uint8Array));
		}
		assert.ok(hits > 1000, `${hits} hits`);
	});

	it('keeps the rows used last, as many as it may', () => {
		const cache = new RowCache(20, 1_000_000);
		for (let row = 0; row < 100; row++) cache.set(`row ${row}`, Buffer.of(row));
		const known = Array.from({ length: 100 }, (_, row) => row).filter((row) => cache.get(`row ${row}`) !== undefined);
		assert.ok(known.length > 10 && known.length <= 20 && known.every((row) => row >= 80), String(known));
	});

	it('keeps no memory of the blocks that rows come in, and no row larger than it may hold', () => {
		const cache = new RowCache(20, 100);
		const block = Buffer.alloc(8192, 7);
		cache.set('row', block.subarray(10, 20));
		block.fill(0);
		assert.deepEqual(cache.get('row'), Buffer.alloc(10, 7));
		assert.ok((cache.get('row')?.buffer.byteLength ?? 0) <= 50);
		cache.set('row', block);
		assert.equal(cache.get('row'), undefined);
	});
});
