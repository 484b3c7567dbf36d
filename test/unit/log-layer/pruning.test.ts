/** A node that has come near its limit owns half as much, and drops the rest of what came over the 0G protocol (spec log-layer §2.9). */
import assert from 'node:assert/strict';
import { cp, stat } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { PerigeeError } from '../../../src/errors.js';
import { proofRefusal } from '../../../src/native/segment-proof.js';
import { SEGMENT_BYTES, SEGMENT_SECTORS, type DataRoot } from '../../../src/units.js';
import { startChain, type TestChain } from '../../support/chain.js';
import { caughtUp, openChainStore, until, type ChainStore } from '../../support/chain-store.js';
import { logFiles } from '../../support/damage.js';
import { endingIo } from '../../support/ending-io.js';
import { Prng } from '../../support/prng.js';
import { provedSegmentsOf } from '../../support/segments.js';
import { dumpView, put, readBack, useTestStores } from '../../support/test-store.js';

const stores = useTestStores();
const prng = new Prng(79);
const SUBMITTED = { isSubmitted: true, skipRepeated: true };
const SIZES = [300, 5000, SEGMENT_BYTES, 2 * SEGMENT_BYTES, 787_209, 18 * SEGMENT_BYTES + 1, 40 * SEGMENT_BYTES];
const ROLL_BYTES = 4 * 2 ** 20;

interface Content {
	readonly root: DataRoot;
	readonly bytes: Uint8Array;
}

async function logBytes(dataDir: string): Promise<number> {
	let bytes = 0;
	for (const lane of ['small', 'bulk'])
		for (const path of await logFiles(dataDir, lane)) bytes += (await stat(path)).size;
	return bytes;
}

/** Everything that is owned is held and proved, everything else is not; what came over REST is whole. */
async function assertNarrowed(store: ChainStore, protocol: readonly Content[], rest: Content): Promise<void> {
	const { id, count } = store.files.shard;
	for (const { root, bytes } of protocol) {
		const file = await store.files.fileByRoot(root);
		assert.ok(file);
		const first = Math.floor(Number(file.startSector) / SEGMENT_SECTORS);
		let owned = 0;
		for (let at = 0; at < file.segments; at++) {
			const proved = store.files.segmentProof(file, at);
			if ((first + at) % count !== id) {
				await assert.rejects(proved, (error) => error instanceof PerigeeError && error.code === 'NOT_HELD');
				continue;
			}
			owned++;
			const { data, proof } = await proved;
			const expected = bytes.subarray(at * SEGMENT_BYTES, (at + 1) * SEGMENT_BYTES);
			assert.ok(Buffer.from(data.subarray(0, expected.length)).equals(expected));
			assert.equal(proofRefusal({ root, sizeBytes: bytes.length }, at, data, proof, true), null);
		}
		assert.deepEqual([file.isShardHeld, file.heldSegments], [true, owned]);
	}
	const file = await store.files.fileByRoot(rest.root);
	assert.ok(file?.finalized);
	assert.ok((await readBack(store, file)).equals(rest.bytes));
}

describe('a limit of what is held', () => {
	let chain: TestChain;
	/** A store of all segments, closed. */
	let filled: string;
	let protocol: readonly Content[];
	let rest: Content;
	let sectors: number;
	before(async () => {
		chain = await startChain();
		const store = await openChainStore(stores, chain, { rollBytes: ROLL_BYTES });
		const contents = SIZES.map((size) => prng.bytes(size));
		const whole = prng.bytes(5 * SEGMENT_BYTES + 7);
		await chain.submit([...contents, whole]);
		await caughtUp(store, chain);
		protocol = await Promise.all(
			contents.map(async (bytes) => {
				const segments = provedSegmentsOf(bytes);
				await store.files.segmentUploads.put(segments, SUBMITTED);
				return { root: segments[0]?.root as DataRoot, bytes };
			}),
		);
		rest = { root: (await put(store, whole)).root, bytes: whole };
		filled = store.dataDir;
		sectors = [...contents, whole].reduce((sum, { length }) => sum + Math.ceil(length / 256), 0);
		await store.close();
	});
	after(() => chain.stop());

	async function copy(): Promise<string> {
		const directory = await stores.newDirectory();
		await cp(filled, directory, { recursive: true });
		return directory;
	}

	it('is far: nothing changes', async () => {
		const store = await openChainStore(stores, chain, { maxSectors: Math.ceil(sectors / 0.89) }, await copy());
		await store.settle();
		assert.deepEqual(store.files.shard, { id: 0, count: 1 });
		for (const { root } of protocol) assert.ok((await store.files.fileByRoot(root))?.finalized);
		await store.close();
	});

	it('is near: the shards double, half of what came over the protocol goes, also from the disk, and stays gone', async () => {
		const options = { rollBytes: ROLL_BYTES, maxSectors: Math.floor(sectors / 0.91) };
		let store = await openChainStore(stores, chain, options, await copy());
		const { dataDir } = store;
		const before = await logBytes(dataDir);
		await store.settle();
		assert.equal(store.files.shard.count, 2);
		assert.deepEqual(
			store.told.filter((text) => text.startsWith('shard')),
			[`shard ${store.files.shard.id}/2`],
		);
		await assertNarrowed(store, protocol, rest);
		for (let pass = 0; pass < 2; pass++) {
			await store.settle();
			await store.compaction.start({ everything: true });
			await store.compaction.settled();
		}
		assert.ok((await logBytes(dataDir)) < 0.75 * before);
		await assertNarrowed(store, protocol, rest);
		store.scrub.start();
		await store.scrub.idle();
		assert.equal(store.damage.count, 0);
		await store.close();
		store = await openChainStore(stores, chain, options, dataDir);
		assert.ok(store.told.includes(`shard ${store.files.shard.id}/2, not 0/1`));
		await store.settle();
		await assertNarrowed(store, protocol, rest);
		await store.close();
		const kept = await dumpView(dataDir);
		store = await openChainStore(stores, chain, { ...options, rebuild: true }, dataDir);
		await assertNarrowed(store, protocol, rest);
		await store.close();
		assert.deepEqual(await dumpView(dataDir), kept);
	});

	it('is passed several times: the shards double until little enough is left', async () => {
		const maxSectors = Math.floor(sectors / 2.5);
		const store = await openChainStore(stores, chain, { maxSectors }, await copy());
		await store.settle();
		assert.ok(store.files.shard.count >= 4);
		await assertNarrowed(store, protocol, rest);
		await store.close();
	});

	it('is passed by what came over REST alone: nothing can go, so nothing changes', async () => {
		const store = await openChainStore(stores, chain, { maxSectors: 100 });
		await caughtUp(store, chain);
		await put(store, rest.bytes);
		await store.settle();
		assert.deepEqual(store.files.shard, { id: 0, count: 1 });
		assert.ok((await store.files.fileByRoot(rest.root))?.finalized);
		await store.close();
	});

	it('uploads that run when the shards double end well, begun before and behind', async () => {
		const bytes = prng.bytes(9 * SEGMENT_BYTES + 4);
		const segments = provedSegmentsOf(bytes);
		const root = segments[0]?.root as DataRoot;
		const other = prng.bytes(2 * SEGMENT_BYTES);
		await chain.submit([bytes, other]);
		const maxSectors = Math.floor((sectors + SEGMENT_SECTORS) / 0.9);
		const store = await openChainStore(stores, chain, { maxSectors }, await copy());
		await caughtUp(store, chain);
		const { segmentUploads } = store.files;
		await segmentUploads.put(segments.slice(3, 6), SUBMITTED);
		await store.settle();
		assert.equal(store.files.shard.count, 1);
		await segmentUploads.put(provedSegmentsOf(other), SUBMITTED);
		await store.settle();
		assert.equal(store.files.shard.count, 2);
		await segmentUploads.put([...segments.slice(0, 3), ...segments.slice(6)], SUBMITTED);
		await assertNarrowed(store, [...protocol, { root, bytes }], rest);
		await store.close();
	});

	it('a stop on the way: the next start drops what is left', async () => {
		const options = { maxSectors: Math.floor(sectors / 0.91) };
		const store = await openChainStore(stores, chain, options, await copy());
		await until('another shard', () => store.files.shard.count === 2);
		await store.close();
		const again = await openChainStore(stores, chain, {}, store.dataDir);
		await again.settle();
		assert.equal(again.files.shard.count, 2);
		await assertNarrowed(again, protocol, rest);
		await again.close();
	});

	it('an end of the process at any write: the next start drops what is left, and loses nothing else', async () => {
		const options = { maxSectors: Math.floor(sectors / 0.91) };
		for (let writes = 0, isOver = false; !isOver; writes++) {
			const ending = endingIo(writes);
			const dataDir = await copy();
			try {
				const dying = await openChainStore(stores, chain, { ...options, wrapIo: ending.wrapIo }, dataDir);
				await dying.settle().catch(() => undefined);
				await dying.close();
			} catch {
				// It died at its start.
			}
			isOver = ending.left >= 0;
			const store = await openChainStore(stores, chain, options, dataDir);
			await store.settle();
			assert.equal(store.files.shard.count, 2, `after ${writes} writes`);
			await assertNarrowed(store, protocol, rest);
			assert.deepEqual(store.log.damage, []);
			await store.close();
			assert.ok(writes < 200);
		}
	});
});
