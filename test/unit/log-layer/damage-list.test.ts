import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { StorageFile, StorageIo } from '../../../src/io/storage-io.js';
import { LIMITS } from '../../../src/limits.js';
import { DamageList } from '../../../src/log-layer/damage.js';
import { type DataRoot, SEGMENT_BYTES, type TxSeq } from '../../../src/units.js';
import { damageContent } from '../../support/damage.js';
import { Prng } from '../../support/prng.js';
import { SimulatedClock } from '../../support/simulated-clock.js';
import { put, readBack, useTestStores } from '../../support/test-store.js';

const stores = useTestStores();
const CONTENT = new Prng(7).bytes(3 * SEGMENT_BYTES + 1000);
const FIRST = 0 as TxSeq;

describe('known damage', () => {
	it('is known after a restart without a read, until the same upload has healed it', async () => {
		const first = await stores.open();
		const { root } = await put(first, CONTENT);
		await damageContent(first.dataDir, 'bulk', CONTENT, 2 * SEGMENT_BYTES + 9);
		const file = await first.files.fileBySeq(FIRST);
		assert.ok(file);
		await assert.rejects(readBack(first, file), { code: 'DATA_DAMAGED' });
		const found = first.damage.entries(0, 10);
		assert.equal(found.length, 1);
		await first.close();

		const second = await stores.open({}, first.dataDir);
		assert.deepEqual(second.damage.entries(0, 10), found);
		assert.equal((await second.files.fileByRoot(root))?.finalized, false);
		assert.deepEqual(
			second.files.health().map(({ code }) => code),
			['DATA_DAMAGED'],
		);
		assert.ok(!second.told.includes('damage found'), 'it is no news');
		assert.equal((await put(second, CONTENT)).existed, false);
		assert.equal(second.damage.count, 0);
		await second.close();

		const third = await stores.open({}, first.dataDir);
		assert.deepEqual([third.damage.count, third.files.health()], [0, []]);
		assert.ok((await readBack(third, file)).equals(CONTENT));
		await third.close();
	});

	it('is known after the process was killed, and does not outlive a healing that the kill kept from being written down', async () => {
		const first = await stores.open();
		await put(first, CONTENT);
		await damageContent(first.dataDir, 'bulk', CONTENT, 9);
		const file = await first.files.fileBySeq(FIRST);
		assert.ok(file);
		await assert.rejects(readBack(first, file), { code: 'DATA_DAMAGED' });
		await first.close();
		const saved = await readFile(join(first.dataDir, 'damage.list'));
		const second = await stores.open({}, first.dataDir);
		await put(second, CONTENT);
		await second.close();
		await writeFile(join(first.dataDir, 'damage.list'), saved);
		const third = await stores.open({}, first.dataDir);
		assert.equal(third.damage.count, 0);
		assert.ok((await third.files.fileBySeq(FIRST))?.finalized);
		await third.close();
	});

	it('whose list cannot be read any more lets nothing pass for checked', async () => {
		const first = await stores.open();
		await put(first, CONTENT);
		await first.close();
		await writeFile(join(first.dataDir, 'damage.list'), '{"format":1}\ncrc32c=00000000\n');
		const second = await stores.open({}, first.dataDir);
		assert.ok(second.damage.hasOverflowed);
		assert.equal((await put(second, CONTENT)).existed, true);
		// It was read through a moment ago, and is read again all the same.
		await damageContent(first.dataDir, 'bulk', CONTENT, 9);
		assert.equal((await put(second, CONTENT)).existed, false);
		await second.close();
	});
});

describe('a disk that answers reads with errors', () => {
	/** Reads of the lane `bulk` fail while `left` is above zero. */
	function failing(faults: { left: number }): (io: StorageIo) => StorageIo {
		const wrap = (file: StorageFile): StorageFile =>
			new Proxy(file, {
				get(target, name) {
					if (name === 'readRight') return undefined;
					if (name === 'read' && target.path.includes('bulk-'))
						return (buffer: Uint8Array, position: number) =>
							faults.left-- > 0
								? Promise.reject(Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' }))
								: target.read(buffer, position);
					const value = Reflect.get(target, name, target) as unknown;
					return typeof value === 'function' ? (value.bind(target) as unknown) : value;
				},
			});
		return (io) => ({ ...io, open: async (path, mode) => wrap(await io.open(path, mode)) });
	}

	it('once: is read again and nobody notices', async () => {
		const faults = { left: 0 };
		const store = await stores.open({ wrapIo: failing(faults) });
		const result = await put(store, CONTENT);
		faults.left = 1;
		assert.ok((await readBack(store, result)).equals(CONTENT));
		assert.equal(store.damage.count, 0);
		await store.close();
	});

	it('for a while: is an error for its readers and no damage', async () => {
		const faults = { left: 0 };
		const clock = new SimulatedClock();
		const store = await stores.open({ wrapIo: failing(faults), clock });
		const result = await put(store, CONTENT);
		faults.left = 1000;
		for (let i = 0; i < 3; i++) await assert.rejects(readBack(store, result), { code: 'READ_FAILED' });
		assert.equal(store.damage.count, 0);
		assert.ok((await store.files.fileBySeq(result.txSeq))?.finalized);
		faults.left = 0;
		assert.ok((await readBack(store, result)).equals(CONTENT));
		clock.advance(LIMITS.suspectMs);
		faults.left = 2;
		await assert.rejects(readBack(store, result), { code: 'READ_FAILED' });
		assert.equal(store.damage.count, 0, 'it was readable in between');
		await store.close();
	});

	it('again after a while: is damage, which the same upload heals', async () => {
		const faults = { left: 0 };
		const clock = new SimulatedClock();
		const store = await stores.open({ wrapIo: failing(faults), clock });
		const result = await put(store, CONTENT);
		faults.left = Number.POSITIVE_INFINITY;
		await assert.rejects(readBack(store, result, 0, 10), { code: 'READ_FAILED' });
		clock.advance(LIMITS.suspectMs);
		await assert.rejects(readBack(store, result, 0, 10), { code: 'DATA_DAMAGED' });
		const [entry] = store.damage.entries(0, 10);
		assert.ok(entry && 'segment' in entry);
		assert.deepEqual([entry.segment.segment, entry.segment.reason], [0, 'unreadable']);
		assert.equal((await put(store, CONTENT)).existed, false);
		faults.left = 0;
		assert.ok((await readBack(store, result)).equals(CONTENT));
		assert.equal(store.damage.count, 0);
		await store.close();
	});
});

describe('the list of damage', () => {
	const damaged = (objectId: bigint, segment: number) =>
		({
			root: `0x${'00'.repeat(32)}` as DataRoot,
			objectId,
			segment,
			reason: 'checksum',
			lane: 'bulk',
			fileNo: 1,
			offset: 4096,
			foundBy: 'scrub',
		}) as const;

	it('pages by ids, which are never given twice', () => {
		const list = new DamageList(new SimulatedClock(), { found: () => undefined });
		for (let i = 0; i < 5; i++) list.add(damaged(BigInt(1 + (i % 2)), i));
		const page = list.entries(0, 3);
		assert.deepEqual(
			page.map(({ id }) => id),
			[1, 2, 3],
		);
		list.forget(1n);
		list.add(damaged(1n, 9));
		assert.deepEqual(
			list.entries(3, 3).map(({ id }) => id),
			[4, 6],
		);
	});

	it('says so when there is more than it can hold', () => {
		const list = new DamageList(new SimulatedClock(), { found: () => undefined });
		for (let i = 0; i < LIMITS.damagedSegments; i++) assert.ok(list.add(damaged(1n, i)));
		assert.ok(!list.hasOverflowed);
		assert.ok(!list.add(damaged(2n, 0)));
		assert.ok(list.hasOverflowed);
		assert.equal(list.count, LIMITS.damagedSegments);
	});
});
