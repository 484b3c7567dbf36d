/** One content in several submissions, each of which gives a shard its own part of it, and uploads on the way when shards double (spec log-layer §2.9, §7). */
import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import type { Shard } from '../../../src/config/shard-position.js';
import { TABLES } from '../../../src/db/tables.js';
import type { ProvedSegment } from '../../../src/log-layer/proved-segment.js';
import type { StoredFile } from '../../../src/log-layer/types.js';
import { proofRefusal } from '../../../src/native/segment-proof.js';
import { SEGMENT_BYTES, SEGMENT_SECTORS, type DataRoot, type TxSeq } from '../../../src/units.js';
import { startChain, type TestChain } from '../../support/chain.js';
import { caughtUp, openChainStore, type ChainStore } from '../../support/chain-store.js';
import { endingIo } from '../../support/ending-io.js';
import { Prng } from '../../support/prng.js';
import { provedSegmentsOf } from '../../support/segments.js';
import { dumpView, put, readBack, useTestStores } from '../../support/test-store.js';

const stores = useTestStores();
const prng = new Prng(83);
const SUBMITTED = { isSubmitted: true, skipRepeated: true };

interface Content {
	readonly bytes: Uint8Array;
	readonly root: DataRoot;
	readonly segments: readonly ProvedSegment[];
}

function contentOf(size: number): Content {
	const bytes = prng.bytes(size);
	const segments = provedSegmentsOf(bytes);
	return { bytes, segments, root: segments[0]?.root as DataRoot };
}

async function fileOf(store: ChainStore, txSeq: number): Promise<StoredFile> {
	const file = await store.files.fileBySeq(txSeq as TxSeq);
	assert.ok(file);
	return file;
}

/** Its rows, but those of uploads that are over, which go with time. */
async function viewOf({ dataDir }: ChainStore): Promise<ReadonlyMap<string, unknown>> {
	const isOver = ([key]: readonly [string, unknown]): boolean => key.startsWith(`0x0${TABLES.resumable.toString(16)}`);
	return new Map([...(await dumpView(dataDir))].filter((row) => !isOver(row)));
}

/** Segments that the shard owns by this submission. */
function ownOf({ id, count }: Shard, { startSector }: StoredFile, { segments }: Content): readonly ProvedSegment[] {
	const first = Number(startSector) / SEGMENT_SECTORS;
	return segments.filter(({ index }) => (Math.floor(first) + index) % count === id);
}

async function assertHeld(store: ChainStore, file: StoredFile, content: Content): Promise<void> {
	assert.equal((await fileOf(store, file.txSeq)).isShardHeld, true);
	for (const { index } of ownOf(store.files.shard, file, content)) {
		const { data, proof } = await store.files.segmentProof(file, index);
		const expected = content.bytes.subarray(index * SEGMENT_BYTES, (index + 1) * SEGMENT_BYTES);
		assert.ok(Buffer.from(data.subarray(0, expected.length)).equals(expected));
		assert.equal(proofRefusal({ root: content.root, sizeBytes: content.bytes.length }, index, data, proof, true), null);
	}
}

describe('one content in several submissions', () => {
	let chain: TestChain;
	before(async () => {
		chain = await startChain();
	});
	after(() => chain.stop());

	/** Submits the content at several places, so many segments behind each other; answers the numbers of the submissions. */
	async function submitted({ bytes }: Content, gaps: readonly number[]): Promise<readonly number[]> {
		const from = await chain.submissions();
		await chain.submit([bytes, ...gaps.flatMap((segments) => [prng.bytes(segments * SEGMENT_BYTES), bytes])]);
		return [from, ...gaps.map((_, at) => from + 2 * (at + 1))];
	}

	for (const [shard, size, gaps] of [
		[{ id: 0, count: 2 }, SEGMENT_BYTES + 1, [1]],
		[{ id: 2, count: 4 }, 3 * SEGMENT_BYTES, [2]],
		[{ id: 5, count: 8 }, 6 * SEGMENT_BYTES + 700, [4]],
		[{ id: 0, count: 8 }, SEGMENT_BYTES + 5000, [1, 2, 1, 1]],
	] as const) {
		it(`shard ${shard.id}/${shard.count}, ${size} bytes: of each submission its own part alone is sent, and finishes it`, async () => {
			const content = contentOf(size);
			const seqs = await submitted(content, gaps);
			let store = await openChainStore(stores, chain, { shard });
			await caughtUp(store, chain);
			const parts = await Promise.all(seqs.map(async (txSeq) => ownOf(shard, await fileOf(store, txSeq), content)));
			assert.ok(new Set(parts.map((part) => part[0]?.index)).size > 1, 'parts differ');
			for (const [at, txSeq] of seqs.entries()) {
				await store.files.segmentUploads.put(ownOf(shard, await fileOf(store, txSeq), content), SUBMITTED);
				for (const earlier of seqs.slice(0, at + 1)) await assertHeld(store, await fileOf(store, earlier), content);
				if (at === 0) {
					await store.close();
					store = await openChainStore(stores, chain, { shard }, store.dataDir);
				}
			}
			await store.settle();
			assert.deepEqual([store.waiting.resumables, store.damage.count, store.log.damage.length], [0, 0, 0]);
			await store.close();
			const kept = await viewOf(store);
			store = await openChainStore(stores, chain, { shard, rebuild: true }, store.dataDir);
			for (const txSeq of seqs) await assertHeld(store, await fileOf(store, txSeq), content);
			await store.close();
			assert.deepEqual(await viewOf(store), kept);
		});
	}

	it('an end of the process at any write of the second part: the first one stays, and the second can be sent again', async () => {
		const shard = { id: 0, count: 2 };
		const content = contentOf(SEGMENT_BYTES + 1);
		const seqs = await submitted(content, [1]);
		const begun = await openChainStore(stores, chain, { shard });
		await caughtUp(begun, chain);
		const files = await Promise.all(seqs.map((txSeq) => fileOf(begun, txSeq)));
		const [first, second] = files.map((file) => ownOf(shard, file, content)) as [ProvedSegment[], ProvedSegment[]];
		await begun.files.segmentUploads.put(first, SUBMITTED);
		await begun.close();
		for (let writes = 0, isOver = false; !isOver; writes++) {
			const dataDir = await stores.newDirectory();
			await cp(begun.dataDir, dataDir, { recursive: true });
			const ending = endingIo();
			let store = await openChainStore(stores, chain, { shard, wrapIo: ending.wrapIo }, dataDir);
			ending.left = writes;
			isOver = await store.files.segmentUploads.put(second, SUBMITTED).then(
				() => ending.left >= 0,
				() => false,
			);
			await store.close().catch(() => undefined);
			store = await openChainStore(stores, chain, { shard }, dataDir);
			await assertHeld(store, files[0] as StoredFile, content);
			await store.files.segmentUploads.put(second, SUBMITTED);
			for (const file of files) await assertHeld(store, file, content);
			await store.settle();
			assert.deepEqual([store.waiting.resumables, store.log.damage.length], [0, 0], `after ${writes} writes`);
			await store.close();
			assert.ok(writes < 100);
		}
	});

	it('segments of both parts come in turns: the content is whole when both are', async () => {
		const shard = { id: 6, count: 8 };
		const content = contentOf(7 * SEGMENT_BYTES);
		const seqs = await submitted(content, [4]);
		const store = await openChainStore(stores, chain, { shard });
		await caughtUp(store, chain);
		const files = await Promise.all(seqs.map((txSeq) => fileOf(store, txSeq)));
		const own = new Set(files.flatMap((file) => ownOf(shard, file, content)));
		for (const segment of content.segments.filter((one) => own.has(one)))
			await store.files.segmentUploads.put([segment], SUBMITTED);
		for (const file of files) await assertHeld(store, file, content);
		await store.settle();
		assert.equal(store.waiting.resumables, 0);
		await store.close();
	});

	it('the shards double while a client is away: it goes on where it is told to, with what is its own', async () => {
		const content = contentOf(16 * SEGMENT_BYTES + 3);
		const filler = contentOf(12 * SEGMENT_BYTES);
		const from = await chain.submissions();
		await chain.submit([content.bytes, filler.bytes]);
		const maxSectors = Math.floor((12 * SEGMENT_SECTORS) / 0.9);
		let store = await openChainStore(stores, chain, { maxSectors });
		await caughtUp(store, chain);
		await store.files.segmentUploads.put(content.segments.slice(0, 7), SUBMITTED);
		await store.settle();
		assert.equal(store.files.shard.count, 1);
		await store.files.segmentUploads.put(filler.segments, SUBMITTED);
		await store.settle();
		assert.equal(store.files.shard.count, 2);
		for (const isRestarted of [false, true]) {
			if (isRestarted) {
				await store.close();
				store = await openChainStore(stores, chain, { maxSectors }, store.dataDir);
			}
			const { segmentUploads, shard } = store.files;
			const own = ownOf(shard, await fileOf(store, from), content);
			const next = await segmentUploads.progress(content.root, content.bytes.length);
			const left = own.filter(({ index }) => index >= next);
			await segmentUploads.put(isRestarted ? left : left.slice(0, 2), SUBMITTED);
		}
		await assertHeld(store, await fileOf(store, from), content);
		await store.close();
	});

	it('files of REST near the limit: a small file of a client does not make the shards double for nothing', async () => {
		const rest = prng.bytes(9 * SEGMENT_BYTES);
		const client = contentOf(5000);
		const store = await openChainStore(stores, chain, { maxSectors: Math.floor((9 * SEGMENT_SECTORS) / 0.9) });
		await chain.submit([rest, client.bytes]);
		await caughtUp(store, chain);
		const { root } = await put(store, rest);
		await store.files.segmentUploads.put(client.segments, SUBMITTED);
		for (let pass = 0; pass < 2; pass++) await store.settle();
		assert.deepEqual(store.files.shard, { id: 0, count: 1 });
		assert.equal(store.told.filter((text) => text === 'limit filled').length, 1);
		const file = await store.files.fileByRoot(root);
		assert.ok(file && (await readBack(store, file)).equals(rest));
		assert.equal((await store.files.fileByRoot(client.root))?.finalized, true);
		await store.close();
	});

	it('what came whole and is submitted where another submission was taken back is narrowed like any other', async () => {
		const content = contentOf(SEGMENT_BYTES);
		const open = (dataDirs: readonly string[] = []): Promise<ChainStore[]> =>
			Promise.all([0, 1].map((id) => openChainStore(stores, chain, { shard: { id, count: 2 } }, dataDirs[id])));
		let pair = await open();
		for (const { files } of pair)
			await files.segmentUploads.put(content.segments, { isSubmitted: false, skipRepeated: true });
		for (const store of pair) await store.close();
		pair = await open(pair.map(({ dataDir }) => dataDir));
		await chain.submit([prng.bytes(300)]);
		for (const store of pair) {
			await caughtUp(store, chain);
			await store.settle();
		}
		await chain.rollBack(1);
		const txSeq = await chain.submissions();
		await chain.submit([content.bytes]);
		await chain.mine(1);
		let held = 0;
		for (const store of pair) {
			await caughtUp(store, chain);
			await store.settle();
			const file = await fileOf(store, txSeq);
			held += file.heldSegments;
			await assertHeld(store, file, content);
			await store.close();
		}
		assert.equal(held, 1);
	});
});
