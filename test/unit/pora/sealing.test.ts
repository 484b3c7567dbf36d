/** Sealing on a real store: what becomes of the copies when contexts, contents, files and bytes change. */
import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../../../src/io/clock.js';
import { Pacer } from '../../../src/log-layer/pacer.js';
import type { SealedCopy } from '../../../src/log-layer/sealed-segments.js';
import { transformSeals } from '../../../src/native/addon.js';
import { MiningPool } from '../../../src/native/mining-pool.js';
import { SlabRing } from '../../../src/native/slab-ring.js';
import { SealMap } from '../../../src/pora/seal-map.js';
import { SealOwners } from '../../../src/pora/seal-owners.js';
import { Sealer } from '../../../src/pora/sealer.js';
import type { SealOwner } from '../../../src/settlement/mining.js';
import { BLOCK_BYTES, SECTOR_BYTES, SEGMENT_BYTES, SEGMENT_SECTORS } from '../../../src/units.js';
import { logFiles } from '../../support/damage.js';
import { MINER, ownerOf, testMining, type TestMining } from '../../support/mining-settlement.js';
import { Prng } from '../../support/prng.js';
import { dumpView, put, readBack, useTestStores, type TestStore } from '../../support/test-store.js';

const stores = useTestStores();
const ALL_SEALS = 0xffff_ffff_ffff_ffffn;
const SECTORS = BigInt(SEGMENT_SECTORS);
const slab = new SlabRing(1).bytes;
let pool: MiningPool;
before(() => {
	pool = new MiningPool(1);
});
after(() => pool.close());

/** A sealer at work on a store, until `stop`. */
interface Running {
	readonly sealer: Sealer;
	readonly map: SealMap;
	readonly outdated: number[];
	readonly sealed: number[];
	stop(): Promise<void>;
}

function start(
	store: TestStore,
	mining: TestMining,
	options: { readonly sealsZeros?: boolean; readonly minerId?: Uint8Array } = {},
): Running {
	const { sealsZeros = true, minerId = MINER } = options;
	const stop = new AbortController();
	const { sealed } = store;
	const map = new SealMap({
		open: (fileNo) => sealed.open(fileNo),
		find: (indices) => sealed.find(indices),
		minerId,
		quiet: () => Promise.resolve(),
	});
	const outdated: number[] = [];
	const sealedCounts: number[] = [];
	const sealer = new Sealer({
		sealed,
		map,
		owners: new SealOwners(mining),
		pool,
		clock: systemClock,
		pacer: new Pacer(systemClock, () => 0, stop.signal),
		shard: store.files.shard,
		minerId,
		sealsZeros,
		slab,
		observer: {
			sealed: (segments) => void sealedCounts.push(segments),
			outdated: (segments) => void outdated.push(segments),
			trouble: (message) => assert.equal(message, undefined),
		},
	});
	const end = store.compaction.addHolder(map);
	sealer.reach(mining.owners.at(-1)?.end ?? 0n);
	const running = sealer.run(stop.signal).catch((error: unknown) => {
		if (!stop.signal.aborted) throw error;
	});
	return {
		sealer,
		map,
		outdated,
		sealed: sealedCounts,
		async stop() {
			stop.abort(new Error('the test has seen enough'));
			await running;
			end();
			await map.close();
		},
	};
}

async function settled({ sealer }: Running): Promise<void> {
	for (let quiet = 0; quiet < 5; ) {
		await new Promise((resolve) => setTimeout(resolve, 20));
		quiet = sealer.backlog === 0 ? quiet + 1 : 0;
	}
}

async function sealAll(store: TestStore, mining: TestMining, options?: Parameters<typeof start>[2]): Promise<Running> {
	const running = start(store, mining, options);
	await settled(running);
	await running.stop();
	return running;
}

/** The flow's plain bytes. */
async function flowBytes(store: TestStore, segments: number): Promise<Buffer> {
	const bytes = Buffer.alloc(segments * SEGMENT_BYTES);
	for (let index = 0; index < segments; index++) {
		const plain = await store.sealed.plain(BigInt(index));
		await plain.fill(bytes.subarray(index * SEGMENT_BYTES, (index + 1) * SEGMENT_BYTES));
	}
	return bytes;
}

async function copies(store: TestStore, segments: number): Promise<readonly (SealedCopy | undefined)[]> {
	return store.sealed.find(Array.from({ length: segments }, (_, index) => BigInt(index)));
}

/** Each copy, unsealed with the digests of those owners, is the plain data where it says that it has a seal, and zeros elsewhere. */
async function assertCopies(
	store: TestStore,
	owners: readonly SealOwner[],
	expected: readonly bigint[],
): Promise<void> {
	const plain = await flowBytes(store, expected.length);
	const found = await copies(store, expected.length);
	assert.deepEqual(
		found.map((copy) => copy?.seals ?? 0n),
		expected,
	);
	for (const [index, copy] of found.entries()) {
		if (!copy) continue;
		assert.deepEqual(Buffer.from(copy.minerId), Buffer.from(MINER));
		const bytes = await store.sealed.read(copy);
		for (let seal = 0; seal < 64; seal++) {
			const at = seal * BLOCK_BYTES;
			const sector = BigInt(index) * SECTORS + BigInt(seal) * 16n;
			const one = bytes.subarray(at, at + BLOCK_BYTES);
			if (((copy.seals >> BigInt(seal)) & 1n) === 0n) {
				assert.ok(one.every((byte) => byte === 0));
				continue;
			}
			const owner = owners.find(({ start: from, end }) => from <= sector + 15n && sector + 15n < end);
			assert.ok(owner);
			transformSeals(one, false, MINER, owner.digest, sector);
			assert.ok(
				one.equals(plain.subarray(index * SEGMENT_BYTES + at, index * SEGMENT_BYTES + at + BLOCK_BYTES)),
				`seal ${seal} of ${index}`,
			);
		}
	}
}

describe('sealing', () => {
	const prng = new Prng(0x5ea1);

	/** Seven flow segments and a bit: small files that share one, a large file, a tail, gaps. */
	async function filled(store: TestStore) {
		const contents = [prng.bytes(1000), prng.bytes(70_000), prng.bytes(600_000), prng.bytes(300), prng.bytes(400_000)];
		for (const content of contents) await put(store, content);
		const { lengthSectors } = store.files.flow();
		return { contents, length: lengthSectors, segments: Number(lengthSectors / SECTORS) };
	}

	it('seals what contexts own, for the context of each seal, and leaves what is read as it is', async () => {
		const store = await stores.open();
		const { contents, length, segments } = await filled(store);
		const mining = testMining();
		const middle = SECTORS + 500n;
		mining.owners = [ownerOf(0n, middle), ownerOf(middle, length)];
		await sealAll(store, mining);
		const expected = Array.from({ length: segments }, (_, index) => (index === 0 ? ALL_SEALS - 1n : ALL_SEALS));
		await assertCopies(store, mining.owners, expected);
		for (const [txSeq, content] of contents.entries())
			assert.ok((await readBack(store, { txSeq: txSeq as never })).equals(content));
		const again = await sealAll(store, mining);
		assert.deepEqual([again.sealed, again.outdated], [[], []], 'a second look finds all right');
		await store.close();
		const dump = await dumpView(store.dataDir);
		const reopened = await stores.open({ rebuild: true }, store.dataDir);
		await assertCopies(reopened, mining.owners, expected);
		const after = start(reopened, mining);
		await settled(after);
		assert.deepEqual([after.sealed, after.map.counts.segments], [[], segments]);
		await after.stop();
		await reopened.close();
		assert.deepEqual(await dumpView(reopened.dataDir), dump, 'the log alone gives the same rows');
	});

	it('seals no further than contexts reach, and no zeros where they are not wanted', async () => {
		const store = await stores.open();
		const { length, segments } = await filled(store);
		const mining = testMining();
		mining.owners = [ownerOf(0n, 2n * SECTORS - 1n)];
		await sealAll(store, mining);
		await assertCopies(store, mining.owners, [ALL_SEALS - 1n, ...Array.from({ length: segments - 1 }, () => 0n)]);
		mining.owners = [ownerOf(0n, length)];
		const empty = await Promise.all(
			Array.from({ length: segments }, async (_, index) => (await store.sealed.plain(BigInt(index))).isEmpty),
		);
		assert.ok(empty.includes(true), 'the flow has a gap of a whole segment');
		await sealAll(store, mining, { sealsZeros: false });
		await assertCopies(
			store,
			mining.owners,
			empty.map((isEmpty, index) => (isEmpty ? 0n : index === 0 ? ALL_SEALS - 1n : ALL_SEALS)),
		);
	});

	it('seals anew what a context that is none any more has owned, and nothing else', async () => {
		const store = await stores.open();
		const { length, segments } = await filled(store);
		const mining = testMining();
		mining.owners = [ownerOf(0n, 3n * SECTORS), ownerOf(3n * SECTORS, length)];
		const running = start(store, mining);
		await settled(running);
		const before = await copies(store, segments);
		mining.owners = [mining.owners[0] as SealOwner, ownerOf(3n * SECTORS, length, 1)];
		running.sealer.lookAtAll();
		await running.stop();
		const again = await sealAll(store, mining);
		assert.equal(
			again.outdated.reduce((sum, count) => sum + count, 0),
			segments - 3,
		);
		const now = await copies(store, segments);
		for (let index = 0; index < segments; index++)
			assert.equal(now[index]?.place.offset === before[index]?.place.offset, index < 3, `segment ${index}`);
		await assertCopies(
			store,
			mining.owners,
			Array.from({ length: segments }, (_, index) => (index === 0 ? ALL_SEALS - 1n : ALL_SEALS)),
		);
	});

	it('gives up the seals of content that is deleted, and seals it again when it is back', async () => {
		const store = await stores.open();
		const { contents, length, segments } = await filled(store);
		const mining = testMining();
		mining.owners = [ownerOf(0n, length)];
		const running = start(store, mining);
		await settled(running);
		const file = await store.files.fileBySeq(1 as never);
		assert.ok(file);
		const heard: string[] = [];
		const end = store.changes.listen((root) => {
			heard.push(root);
			void store.sealed.placesOf(root).then(({ ranges }) => ranges.forEach((range) => running.sealer.look(range)));
		});
		await store.files.deleteFile(file.root);
		await settled(running);
		assert.deepEqual(new Set(heard), new Set([file.root]));
		const lost = (await store.sealed.plain(0n)).seals;
		assert.notEqual(lost, ALL_SEALS - 1n);
		const full = Array.from({ length: segments }, (_, index) => (index === 0 ? ALL_SEALS - 1n : ALL_SEALS));
		await assertCopies(store, mining.owners, [lost, ...full.slice(1)]);
		await put(store, contents[1] as Buffer);
		await settled(running);
		await assertCopies(store, mining.owners, full);
		end();
		await running.stop();
	});

	it('seals anew what has come again while nothing was sealed', async () => {
		const store = await stores.open();
		const { contents, length, segments } = await filled(store);
		const mining = testMining();
		mining.owners = [ownerOf(0n, length)];
		await sealAll(store, mining);
		const file = await store.files.fileBySeq(1 as never);
		assert.ok(file);
		await store.files.deleteFile(file.root);
		await put(store, contents[1] as Buffer);
		const again = await sealAll(store, mining);
		assert.deepEqual(again.outdated, [1]);
		await assertCopies(
			store,
			mining.owners,
			Array.from({ length: segments }, (_, index) => (index === 0 ? ALL_SEALS - 1n : ALL_SEALS)),
		);
	});

	it('makes a copy with a flipped bit anew once the scrub has met it', async () => {
		const store = await stores.open();
		const { length, segments } = await filled(store);
		const mining = testMining();
		mining.owners = [ownerOf(0n, length)];
		const running = start(store, mining);
		await settled(running);
		const [, copy] = await copies(store, segments);
		assert.ok(copy);
		const [path] = await logFiles(store.dataDir, 'sealed');
		assert.ok(path);
		const file = await open(path, 'r+');
		const at = copy.place.offset + 5 * SECTOR_BYTES;
		const byte = Buffer.alloc(1);
		await file.read(byte, 0, 1, at);
		await file.write(Buffer.of((byte[0] ?? 0) ^ 1), 0, 1, at);
		await file.close();
		await assert.rejects(store.sealed.read(copy), { code: 'DATA_DAMAGED' });
		const end = store.sealed.onDamage((index) => running.sealer.look({ first: index, end: index + 1n }));
		store.scrub.start();
		while (store.scrub.status().state === 'running') await new Promise((resolve) => setTimeout(resolve, 20));
		await settled(running);
		await assertCopies(
			store,
			mining.owners,
			Array.from({ length: segments }, (_, index) => (index === 0 ? ALL_SEALS - 1n : ALL_SEALS)),
		);
		assert.deepEqual(store.damage.stretches, [], 'nothing is lost by it');
		end();
		await running.stop();
	});

	it('moves copies with compaction, and the map with them', async () => {
		const store = await stores.open({ rollBytes: 2 ** 20 });
		const { length, segments } = await filled(store);
		const mining = testMining();
		mining.owners = [ownerOf(0n, length)];
		await sealAll(store, mining);
		// Every second copy is written again, so that the first files are half dead.
		for (let index = 0n; index < BigInt(segments); index += 2n) await store.sealed.drop(index);
		const running = start(store, mining);
		await settled(running);
		const [first] = await logFiles(store.dataDir, 'sealed');
		await store.compaction.start({ everything: true });
		await store.compaction.settled();
		assert.ok(first !== undefined && !(await logFiles(store.dataDir, 'sealed')).includes(first));
		await assertCopies(
			store,
			mining.owners,
			Array.from({ length: segments }, (_, index) => (index === 0 ? ALL_SEALS - 1n : ALL_SEALS)),
		);
		const words = new DataView(running.map.places.slice().buffer);
		for (const [index, copy] of (await copies(store, segments)).entries()) {
			const place = words.getBigUint64(16 * index, true);
			assert.equal(place & ((1n << 48n) - 1n), BigInt(copy?.place.offset ?? -1));
			assert.equal(words.getBigUint64(16 * index + 8, true), copy?.seals);
		}
		await running.stop();
	});

	it('seals all anew for another miner', async () => {
		const store = await stores.open();
		const { length, segments } = await filled(store);
		const mining = testMining();
		mining.owners = [ownerOf(0n, length)];
		await sealAll(store, mining, { minerId: new Uint8Array(32).fill(9) });
		const again = await sealAll(store, mining);
		assert.equal(
			again.outdated.reduce((sum, count) => sum + count, 0),
			segments,
		);
		await assertCopies(
			store,
			mining.owners,
			Array.from({ length: segments }, (_, index) => (index === 0 ? ALL_SEALS - 1n : ALL_SEALS)),
		);
	});
});
