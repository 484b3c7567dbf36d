import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { DELETED_BECAUSE } from '../../../src/log-layer/records.js';
import { decodeRootRow, rowKeys } from '../../../src/log-layer/rows.js';
import { fileRoot } from '../../../src/native/addon.js';
import { type DataRoot, rootFromBytes, SEGMENT_BYTES, type TxSeq } from '../../../src/units.js';
import { checkProof } from '../../crash/proofs.js';
import { damageContent, logFiles } from '../../support/damage.js';
import { Prng } from '../../support/prng.js';
import { dumpView, endInLane, put, readBack, type TestStore, useTestStores } from '../../support/test-store.js';

const stores = useTestStores();
const SMALL = new Prng(1).bytes(50_000);
const LARGE = new Prng(2).bytes(5 * SEGMENT_BYTES + 1000);
const KEPT = new Prng(3).bytes(20_000);
const rootOf = (content: Uint8Array): DataRoot => rootFromBytes(fileRoot(content).root);
const TABLES_OF_OBJECTS = ['0x04', '0x05', '0x06', '0x0c'];

async function assertGone(store: TestStore, content: Uint8Array, txSeq: TxSeq): Promise<void> {
	for (const file of [await store.files.fileByRoot(rootOf(content)), await store.files.fileBySeq(txSeq)]) {
		assert.ok(file);
		assert.deepEqual(
			[file.txSeq, file.sizeBytes, file.name, file.deleted, file.finalized, file.heldSegments],
			[txSeq, content.length, 'first', true, false, 0],
		);
		await assert.rejects(readBack(store, file), { code: 'GONE' });
		await assert.rejects(store.files.readSmall(file, 0, 10), { code: 'GONE' });
		await assert.rejects(store.files.segmentProof(file, 0), { code: 'GONE' });
		await assert.rejects(store.files.sectorProof(file.startSector), { code: 'GONE' });
		const { availability } = await store.files.flowSegment(file.startSector / 1024n);
		assert.equal(availability & (1n << ((file.startSector % 1024n) / 16n)), 0n);
	}
}

/** Closes the store, opens it again, and once more with its view thrown away; the rows are the same each time. */
async function assertLasts(store: TestStore, check: (store: TestStore) => Promise<void>): Promise<void> {
	const dumps: unknown[] = [];
	for (const options of [{}, { rebuild: true }, {}]) {
		await store.settle();
		await store.close();
		dumps.push(await dumpView(store.dataDir));
		store = await stores.open(options, store.dataDir);
		await check(store);
	}
	await store.settle();
	await store.close();
	dumps.push(await dumpView(store.dataDir));
	for (const dump of dumps.slice(1)) assert.deepEqual(dump, dumps[0]);
}

for (const { size, content } of [
	{ size: 'one record', content: SMALL },
	{ size: 'several segments', content: LARGE },
]) {
	describe(`deleting a file of ${size}`, () => {
		it('ends its reads and keeps what is known of it, for good', async () => {
			const store = await stores.open();
			await put(store, KEPT);
			const { txSeq } = await put(store, content, { name: 'first' });
			await store.files.deleteFile(rootOf(content));
			await assertGone(store, content, txSeq);
			await assertLasts(store, async (again) => {
				await assertGone(again, content, txSeq);
				assert.ok((await readBack(again, { txSeq: 0 as TxSeq })).equals(KEPT));
			});
		});

		it('twice changes nothing; what was never here cannot be deleted', async () => {
			const store = await stores.open();
			await put(store, content);
			await store.files.deleteFile(rootOf(content));
			await store.files.deleteFile(rootOf(content));
			await Promise.all([store.files.deleteFile(rootOf(content)), store.files.deleteFile(rootOf(content))]);
			await assert.rejects(store.files.deleteFile(rootOf(KEPT)), { code: 'NOT_FOUND' });
			const foreign = fileRoot(KEPT);
			const submitter = new Uint8Array(20).fill(7);
			await store.settlement.submit({ lengthBytes: 20_000n, tags: new Uint8Array(1), nodes: foreign.nodes, submitter });
			await assert.rejects(store.files.deleteFile(rootOf(KEPT)), { code: 'NOT_HELD' });
			await store.close();
		});

		it('a later upload brings it back under the same submission, in a new object; so does it after a restart', async () => {
			let store = await stores.open();
			const first = await put(store, content, { name: 'first' });
			for (const options of [undefined, {}, { rebuild: true }]) {
				await store.files.deleteFile(first.root);
				if (options) {
					await store.close();
					store = await stores.open(options, store.dataDir);
				}
				const again = await put(store, content, { name: 'again' });
				assert.deepEqual([again.txSeq, again.existed], [first.txSeq, false]);
				assert.equal(store.files.flow().submissions, 1);
				assert.ok((await readBack(store, again)).equals(content));
				const file = await store.files.fileByRoot(first.root);
				assert.deepEqual([file?.deleted, file?.finalized, file?.name], [false, true, 'again']);
			}
			await assertLasts(store, async (reopened) => {
				assert.ok((await readBack(reopened, first)).equals(content));
			});
		});

		it('gives a damaged file up without a trace in the health', async () => {
			const store = await stores.open();
			const { root } = await put(store, content);
			await damageContent(store.dataDir, content === SMALL ? 'small' : 'bulk', content, 9000);
			const file = await store.files.fileByRoot(root);
			assert.ok(file);
			await assert.rejects(readBack(store, file), { code: 'DATA_DAMAGED' });
			await store.files.deleteFile(root);
			assert.deepEqual(store.files.health(), []);
			await store.close();
		});

		it('a crash before the journal knows of it leaves it deleted; the next call tells the journal', async () => {
			const store = await stores.open();
			const { root, txSeq } = await put(store, content, { name: 'first' });
			await endInLane(store, root, DELETED_BECAUSE.unwanted);
			await assertGone(store, content, txSeq);
			await assertLasts(store, (again) => assertGone(again, content, txSeq));
			const again = await stores.open({}, store.dataDir);
			await again.files.deleteFile(root);
			await again.settle();
			await again.checkpoint();
			const row = await again.kv.get(rowKeys.root(root));
			const { ended, deletion } = decodeRootRow(row ?? new Uint8Array(0));
			assert.deepEqual([ended, deletion?.isDeleted], [undefined, true]);
			await assertLasts(again, (reopened) => assertGone(reopened, content, txSeq));
		});

		it('a crash before the journal knows that all was dropped leaves it not held, whatever was deleted before', async () => {
			const store = await stores.open();
			const { root, txSeq } = await put(store, content);
			await store.files.deleteFile(root);
			await put(store, content);
			await endInLane(store, root, DELETED_BECAUSE.dropped);
			await assertLasts(store, async (again) => {
				const file = await again.files.fileBySeq(txSeq);
				assert.deepEqual([file?.deleted, file?.heldSegments], [false, 0]);
				await assert.rejects(readBack(again, { txSeq }), { code: 'NOT_HELD' });
			});
		});

		it('and sent again is missing, not deleted, while the log file with its new bytes is away', async () => {
			const lane = content === SMALL ? 'small' : 'bulk';
			let store = await stores.open();
			const { root, txSeq } = await put(store, content, { name: 'first' });
			await store.files.deleteFile(root);
			await store.close();
			store = await stores.open({}, store.dataDir);
			await put(store, content, { name: 'again' });
			await store.close();
			const path = (await logFiles(store.dataDir, lane)).at(-1) as string;
			await rename(path, `${path}.away`);
			store = await stores.open({ rebuild: true }, store.dataDir);
			assert.equal((await store.files.fileBySeq(txSeq))?.deleted, false);
			await assert.rejects(readBack(store, { txSeq }), { code: 'NOT_HELD' });
			await store.close();
			await rename(`${path}.away`, path);
			store = await stores.open({}, store.dataDir);
			assert.ok((await readBack(store, { txSeq })).equals(content));
			await store.files.deleteFile(root);
			await assertLasts(store, async (again) => {
				assert.equal((await again.files.fileBySeq(txSeq))?.deleted, true);
			});
		});

		it('leaves no row of its object behind', async () => {
			const store = await stores.open();
			const before = async (): Promise<string[]> =>
				[...(await dumpView(store.dataDir)).keys()].filter((key) => TABLES_OF_OBJECTS.includes(key.slice(0, 4)));
			const { root } = await put(store, content);
			await store.files.deleteFile(root);
			await store.settle();
			assert.equal(store.waiting.purges, 0);
			await store.close();
			assert.deepEqual(await before(), []);
		});
	});
}

describe('deleting while others are at work', () => {
	it('a reader on its way ends whole, or with an error, never with other bytes', async () => {
		const store = await stores.open();
		const content = new Prng(4).bytes(40 * SEGMENT_BYTES);
		const { root } = await put(store, content);
		const ends = new Set<string>();
		for (let round = 0; round < 12; round++) {
			const file = await store.files.fileByRoot(root);
			assert.ok(file);
			let at = 0;
			let deleting: Promise<void> | undefined;
			try {
				for await (const piece of store.files.read(file, 0, file.sizeBytes)) {
					assert.ok(Buffer.from(piece.bytes).equals(content.subarray(at, at + piece.bytes.length)));
					at += piece.bytes.length;
					piece.release();
					if (at > round * SEGMENT_BYTES) deleting ??= store.files.deleteFile(root).then(() => store.settle());
					// The slowest reader: everything that follows the deletion happens first.
					if (round % 2 === 1) await deleting;
				}
				assert.equal(at, content.length);
				ends.add('whole');
			} catch (error) {
				ends.add((error as { code: string }).code);
			}
			await deleting;
			await put(store, content);
		}
		assert.ok(ends.has('GONE'), [...ends].join());
		for (const end of ends) assert.ok(['whole', 'GONE'].includes(end), end);
		await store.close();
	});

	it('a reader goes on with the object that has taken the place of its own', async () => {
		const store = await stores.open();
		const content = new Prng(5).bytes(60 * SEGMENT_BYTES);
		const { root } = await put(store, content);
		const file = await store.files.fileByRoot(root);
		assert.ok(file);
		let at = 0;
		for await (const piece of store.files.read(file, 0, file.sizeBytes)) {
			assert.ok(Buffer.from(piece.bytes).equals(content.subarray(at, at + piece.bytes.length)));
			if (at === 0) {
				await store.files.deleteFile(root);
				await store.settle();
				await put(store, content);
			}
			at += piece.bytes.length;
			piece.release();
		}
		assert.equal(at, content.length);
		await store.close();
	});

	it('uploads and deletions of one root take turns: each answer is true when nothing follows it', async () => {
		const store = await stores.open();
		for (const content of [SMALL, LARGE]) {
			const { root, txSeq } = await put(store, content);
			for (let round = 0; round < 10; round++) {
				const done: string[] = [];
				await Promise.all([
					put(store, content).then(() => done.push('upload')),
					store.files.deleteFile(root).then(() => done.push('deletion')),
					put(store, content).then(() => done.push('upload')),
				]);
				const file = await store.files.fileBySeq(txSeq);
				assert.ok(file);
				assert.equal(file.finalized, !file.deleted);
				if (file.finalized) assert.ok((await readBack(store, file)).equals(content));
				await put(store, content);
				assert.ok((await readBack(store, { txSeq })).equals(content));
			}
			assert.equal(store.files.flow().submissions, content === SMALL ? 1 : 2);
		}
		await assertLasts(store, async (again) => {
			assert.ok((await readBack(again, { txSeq: 1 as TxSeq })).equals(LARGE));
		});
	});
});

describe('dropping segments', () => {
	async function assertDropped(store: TestStore, dropped: readonly number[]): Promise<void> {
		const file = await store.files.fileBySeq(0 as TxSeq);
		assert.ok(file);
		assert.deepEqual([file.finalized, file.deleted, file.heldSegments], [false, false, 6 - dropped.length]);
		for (let segment = 0; segment < 6; segment++) {
			const from = segment * SEGMENT_BYTES;
			const to = Math.min(from + SEGMENT_BYTES, LARGE.length);
			if (dropped.includes(segment)) {
				await assert.rejects(readBack(store, file, from, to), { code: 'NOT_HELD' });
				await assert.rejects(store.files.readSmall(file, to - 1, to), { code: 'NOT_HELD' });
				await assert.rejects(store.files.segmentProof(file, segment), { code: 'NOT_HELD' });
				continue;
			}
			assert.ok((await readBack(store, file, from, to)).equals(LARGE.subarray(from, to)));
			await checkProof(store, file, segment);
		}
		await assert.rejects(readBack(store, file), { code: 'NOT_HELD' });
	}

	it('takes them from readers for good, and leaves the others with their proofs', async () => {
		const store = await stores.open();
		const { root } = await put(store, LARGE);
		await store.files.dropSegments(root, 1, 2);
		await assertDropped(store, [1, 2]);
		await store.files.dropSegments(root, 2, 1);
		await store.files.dropSegments(root, 5, 1);
		await assertDropped(store, [1, 2, 5]);
		await assertLasts(store, (again) => assertDropped(again, [1, 2, 5]));
	});

	it('is healed by the next upload of the same content, under the same submission', async () => {
		const store = await stores.open();
		const { root, txSeq } = await put(store, LARGE);
		await store.files.dropSegments(root, 0, 5);
		const again = await put(store, LARGE);
		assert.deepEqual([again.txSeq, again.existed], [txSeq, false]);
		await assertLasts(store, async (reopened) => {
			assert.ok((await readBack(reopened, again)).equals(LARGE));
		});
	});

	it('of all segments leaves a file that is known and not held, whether it was one record or several', async () => {
		const store = await stores.open();
		const large = await put(store, LARGE);
		const small = await put(store, SMALL);
		await store.files.dropSegments(large.root, 0, 3);
		await store.files.dropSegments(large.root, 3, 3);
		await store.files.dropSegments(small.root, 0, 1);
		await assertLasts(store, async (again) => {
			for (const { txSeq } of [large, small]) {
				const file = await again.files.fileBySeq(txSeq);
				assert.deepEqual([file?.finalized, file?.deleted, file?.heldSegments], [false, false, 0]);
				await assert.rejects(readBack(again, { txSeq }), { code: 'NOT_HELD' });
			}
		});
	});

	it('that do not exist is refused, and changes nothing', async () => {
		const store = await stores.open();
		const { root } = await put(store, LARGE);
		for (const [first, count] of [
			[0, 0],
			[0, 7],
			[6, 1],
		] as const)
			await assert.rejects(store.files.dropSegments(root, first, count), { code: 'BAD_REQUEST' });
		await assert.rejects(store.files.dropSegments(rootOf(SMALL), 0, 1), { code: 'NOT_FOUND' });
		assert.ok((await readBack(store, { txSeq: 0 as TxSeq })).equals(LARGE));
		await store.files.deleteFile(root);
		await assert.rejects(store.files.dropSegments(root, 0, 1), { code: 'GONE' });
		await store.close();
	});
});
