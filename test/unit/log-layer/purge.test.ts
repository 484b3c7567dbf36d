/** Deleting a file of many segments: at once for its readers, in the background for its rows, over stops. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KvEngine } from '../../../src/db/kv-engine.js';
import { TABLES } from '../../../src/db/tables.js';
import { SEGMENT_BYTES } from '../../../src/units.js';
import { Prng } from '../../support/prng.js';
import { makeSyntheticFile, type SyntheticFile } from '../../support/synthetic-file.js';
import {
	dumpView,
	put,
	readBack,
	type TestStore,
	type TestStoreOptions,
	useTestStores,
} from '../../support/test-store.js';

const stores = useTestStores();
const SEGMENTS = 12_500;
const SMALL = new Prng(1).bytes(5000);

/** Rows of objects, segments, nodes and purges in the view of a closed store. */
async function objectRows(dataDir: string): Promise<number> {
	const keys = [...(await dumpView(dataDir)).keys()];
	return keys.filter((key) => ['0x04', '0x05', '0x06', '0x0c'].includes(key.slice(0, 4))).length;
}

function engineOf(kv: KvEngine): KvEngine {
	return {
		get: (key) => kv.get(key),
		getMany: (keys) => kv.getMany(keys),
		batch: (operations) => kv.batch(operations),
		scan: (range) => kv.scan(range),
		flush: () => kv.flush(),
		close: () => kv.close(),
	};
}

describe('a file of many segments', () => {
	async function openNew(options: TestStoreOptions = {}): Promise<{ store: TestStore; file: SyntheticFile }> {
		const directory = await stores.newDirectory();
		const file = await makeSyntheticFile(directory, SEGMENTS);
		return { store: await stores.open(options, directory), file };
	}

	it('is gone for its readers at once; its rows go while others work, also over a stop in between', async () => {
		// However quick the machine: the removal gets no further than this before the stop.
		let chunksLeft = 2;
		const breaksOff = (kv: KvEngine): KvEngine => ({
			...engineOf(kv),
			getMany(keys) {
				const isOfSegments = keys.length > 1 && keys.every((key) => key[0] === TABLES.segment);
				if (isOfSegments && chunksLeft-- <= 0) return Promise.reject(new Error('the engine is held up'));
				return kv.getMany(keys);
			},
		});
		const { store, file } = await openNew({ wrapKv: breaksOff });
		await store.files.deleteFile(file.root);
		await assert.rejects(readBack(store, file, 0, 10), { code: 'GONE' });
		assert.ok(store.waiting.purges > 0);
		assert.ok((await readBack(store, await put(store, SMALL))).equals(SMALL));
		await store.close();
		assert.ok((await objectRows(store.dataDir)) > 1000);
		const again = await stores.open({}, store.dataDir);
		await assert.rejects(readBack(again, file, 0, 10), { code: 'GONE' });
		await again.settle();
		await again.close();
		assert.equal(await objectRows(store.dataDir), 0);
	});

	it('loses a long range in steps, and keeps the rest', async () => {
		const { store, file } = await openNew();
		await store.files.dropSegments(file.root, 100, 9_000);
		const known = await store.files.fileByRoot(file.root);
		assert.deepEqual([known?.heldSegments, known?.finalized], [SEGMENTS - 9_000, false]);
		assert.ok(known);
		for (const segment of [100, 4_099, 4_100, 9_099])
			await assert.rejects(store.files.segmentProof(known, segment), { code: 'NOT_HELD' });
		for (const segment of [0, 99, 9_100, SEGMENTS - 1]) await store.files.segmentProof(known, segment);
		await store.close();
	});

	it('is pruned and removed by the keys of its rows, without a scan of segments', async () => {
		const wrapKv = (kv: KvEngine): KvEngine => ({
			...engineOf(kv),
			scan(range) {
				assert.notEqual(range.from[0], TABLES.segment, 'rows of segments are scanned');
				return kv.scan(range);
			},
		});
		const store = await stores.open({ wrapKv });
		const file = await put(store, new Prng(2).bytes(20 * SEGMENT_BYTES));
		await store.files.dropSegments(file.root, 3, 2);
		await store.files.deleteFile(file.root);
		await store.settle();
		await store.checkpoint();
		await store.close();
		assert.equal(await objectRows(store.dataDir), 0);
	});
});
