import assert from 'node:assert/strict';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { KvEngine } from '../../../src/db/kv-engine.js';
import { PerigeeError } from '../../../src/errors.js';
import { createNodeIo } from '../../../src/io/node-io.js';
import { systemRandomness } from '../../../src/io/randomness.js';
import type { StorageIo } from '../../../src/io/storage-io.js';
import { LIMITS } from '../../../src/limits.js';
import { Ballast } from '../../../src/log-layer/ballast.js';
import { rootFromBytes, SEGMENT_BYTES } from '../../../src/units.js';
import { fileRoot } from '../../../src/native/addon.js';
import { Prng } from '../../support/prng.js';
import { SimulatedClock } from '../../support/simulated-clock.js';
import { put, readBack, type TestStore, useTestStores } from '../../support/test-store.js';

const stores = useTestStores();

/** An engine whose disk may be full. */
function fillable(): { isFull: boolean; readonly wrapKv: (kv: KvEngine) => KvEngine } {
	const disk = {
		isFull: false,
		wrapKv: (kv: KvEngine): KvEngine => ({
			get: (key) => kv.get(key),
			getMany: (keys) => kv.getMany(keys),
			scan: (range) => kv.scan(range),
			flush: () => kv.flush(),
			close: () => kv.close(),
			batch: (operations) =>
				disk.isFull ? Promise.reject(new PerigeeError('DISK_FULL', 'no space')) : kv.batch(operations),
		}),
	};
	return disk;
}

describe('an index whose disk is full', () => {
	for (const sizeBytes of [5000, 3_000_000]) {
		it(`refuses uploads, serves reads, and goes on by itself once there is room (${sizeBytes} bytes)`, async () => {
			const disk = fillable();
			const clock = new SimulatedClock();
			const store = await stores.open({ wrapKv: disk.wrapKv, clock });
			const prng = new Prng(1);
			const kept = { content: prng.bytes(400_000), result: await put(store, prng.bytes(1)) };
			const before = await put(store, kept.content);
			disk.isFull = true;
			const content = prng.bytes(sizeBytes);
			await assert.rejects(put(store, content), { code: 'DISK_FULL' });
			assert.deepEqual(
				store.files.health().map(({ code, ready }) => ({ code, ready })),
				[{ code: 'DISK_FULL', ready: false }],
			);
			assert.throws(() => store.files.beginUpload({ name: '', contentType: '' }), { code: 'DISK_FULL' });
			assert.ok((await readBack(store, before)).equals(kept.content));
			// Another try, and there is still no room.
			clock.advance(LIMITS.viewRetryMs);
			assert.throws(() => store.files.beginUpload({ name: '', contentType: '' }), { code: 'DISK_FULL' });
			disk.isFull = false;
			while (!store.told.includes('goes on')) {
				clock.advance(LIMITS.viewRetryMs);
				await new Promise((resolve) => setImmediate(resolve));
			}
			const result = await put(store, content);
			assert.ok((await readBack(store, result)).equals(content));
			assert.equal(store.log.failure, undefined);
			assert.deepEqual(store.files.health(), []);
			await store.close();
		});
	}

	it('lets the store close, and the next open takes what was durable', async () => {
		const disk = fillable();
		const store = await stores.open({ wrapKv: disk.wrapKv, clock: new SimulatedClock() });
		const content = new Prng(2).bytes(7000);
		disk.isFull = true;
		// It is durable, and its rows wait in memory: nothing else is known of the disk yet.
		const taken = await put(store, content);
		while (store.files.health().length === 0) await new Promise((resolve) => setImmediate(resolve));
		await assert.rejects(async () => put(store, new Prng(3).bytes(7000)), { code: 'DISK_FULL' });
		assert.ok((await readBack(store, taken)).equals(content));
		await store.close();
		const again = await stores.open({}, store.dataDir);
		assert.ok((await readBack(again, taken)).equals(content));
		assert.equal((await put(again, content)).existed, true);
		assert.equal((await again.files.fileByRoot(rootFromBytes(fileRoot(content).root)))?.finalized, true);
		await again.close();
	});
});

describe('a disk without room for uploads', () => {
	const codes = (store: TestStore) => store.files.health().map(({ code, ready }) => [code, ready]);

	it('is not ready when a segment finds no room beside the reserve', async () => {
		const clock = new SimulatedClock();
		const space = { freeBytes: 1_000_000 + SEGMENT_BYTES - 1, totalBytes: 100_000_000 };
		const wrapIo = (io: StorageIo): StorageIo => ({ ...io, space: () => Promise.resolve(space) });
		const store = await stores.open({ reserveBytes: 1_000_000, clock, wrapIo });
		await assert.rejects(put(store, new Prng(1).bytes(3 * SEGMENT_BYTES)), { code: 'DISK_FULL' });
		assert.deepEqual(codes(store), [['DISK_FULL', false]]);
		space.freeBytes = 50_000_000;
		clock.advance(LIMITS.diskLookMs);
		store.files.health();
		await new Promise((resolve) => setImmediate(resolve));
		assert.deepEqual(codes(store), []);
		await store.close();
	});

	it('is not ready when writes find no room, whatever seems free, and is again once some time has passed', async () => {
		const clock = new SimulatedClock();
		const quota = { isReached: false };
		const wrapIo = (io: StorageIo): StorageIo => ({
			...io,
			async open(path, mode, hints) {
				const file = await io.open(path, mode, hints);
				const writev: typeof file.writev = (buffers, at) =>
					quota.isReached
						? Promise.reject(Object.assign(new Error('quota exceeded'), { code: 'EDQUOT' }))
						: file.writev(buffers, at);
				return new Proxy(file, {
					get(target, name) {
						if (name === 'writev') return writev;
						const value = Reflect.get(target, name, target) as unknown;
						return typeof value === 'function' ? (value.bind(target) as unknown) : value;
					},
				});
			},
		});
		const store = await stores.open({ clock, wrapIo });
		const kept = new Prng(1).bytes(5000);
		const result = await put(store, kept);
		quota.isReached = true;
		for (const sizeBytes of [5000, 3 * SEGMENT_BYTES]) {
			await assert.rejects(put(store, new Prng(sizeBytes).bytes(sizeBytes)), { code: 'DISK_FULL' });
			assert.deepEqual(codes(store), [['DISK_FULL', false]]);
		}
		assert.ok((await readBack(store, result)).equals(kept));
		quota.isReached = false;
		clock.advance(LIMITS.volumeRetryMs);
		while (codes(store).length > 0) {
			clock.advance(LIMITS.diskLookMs);
			await new Promise((resolve) => setImmediate(resolve));
		}
		const more = new Prng(2).bytes(3 * SEGMENT_BYTES);
		assert.ok((await readBack(store, await put(store, more))).equals(more));
		await store.close();
	});
});

describe('the ballast', () => {
	/** The file system of this machine with other figures of its room. */
	function withSpace(space: { freeBytes: number; totalBytes: number }): StorageIo {
		return { ...createNodeIo(), space: () => Promise.resolve(space) };
	}

	it('is taken when there is room for two, given up when there is less than one, and taken again', async () => {
		const dataDir = await stores.newDirectory();
		const space = { freeBytes: 10_000_000, totalBytes: 64_000_000 };
		const ballast = new Ballast({
			io: withSpace(space),
			randomness: systemRandomness,
			dataDir,
			bytes: 3_000_000,
		});
		const path = join(dataDir, 'ballast');
		await ballast.restore();
		assert.equal((await stat(path)).size, 3_000_000);
		space.freeBytes = 3_000_000;
		await ballast.releaseIfShort();
		assert.equal((await stat(path)).size, 3_000_000);
		space.freeBytes = 2_999_999;
		await ballast.releaseIfShort();
		await assert.rejects(stat(path), { code: 'ENOENT' });
		await ballast.restore();
		await assert.rejects(stat(path), { code: 'ENOENT' });
		space.freeBytes = 6_000_000;
		// What a crash left of it.
		await writeFile(path, 'x');
		await ballast.restore();
		assert.equal((await stat(path)).size, 3_000_000);
	});

	it('takes no more than a twentieth of the file system, and none when none is wanted', async () => {
		const dataDir = await stores.newDirectory();
		const io = withSpace({ freeBytes: 2_000_000, totalBytes: 2_000_000 });
		await new Ballast({ io, randomness: systemRandomness, dataDir, bytes: 0 }).restore();
		await assert.rejects(stat(join(dataDir, 'ballast')), { code: 'ENOENT' });
		await new Ballast({ io, randomness: systemRandomness, dataDir, bytes: 3_000_000 }).restore();
		assert.equal((await stat(join(dataDir, 'ballast'))).size, 100_000);
	});
});
