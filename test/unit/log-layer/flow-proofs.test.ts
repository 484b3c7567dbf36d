import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SectorProof } from '../../../src/log-layer/types.js';
import { fileRoot, keccak256, verifyFlowProof } from '../../../src/native/addon.js';
import { hexOf, type SectorIndex, type TxSeq } from '../../../src/units.js';
import { NaiveFlow } from '../../support/naive-flow.js';
import { placedSubmission } from '../../support/placed.js';
import { Prng } from '../../support/prng.js';
import { put, type TestStore, useTestStores } from '../../support/test-store.js';

const stores = useTestStores();
const sectorOf = (sector: number | bigint): SectorIndex => BigInt(sector) as SectorIndex;

interface Placed {
	readonly start: number;
	readonly end: number;
	readonly content: Uint8Array;
}

async function upload(store: TestStore, contents: readonly Uint8Array[]): Promise<Placed[]> {
	const placed: Placed[] = [];
	for (const content of contents) {
		const file = await store.files.fileBySeq((await put(store, content)).txSeq);
		assert.ok(file);
		placed.push({ start: Number(file.startSector), end: Number(file.startSector + file.paddedSectors), content });
	}
	return placed;
}

/** The flow after submission `seq`. */
function naiveAt(placed: readonly Placed[], seq: number): NaiveFlow {
	return new NaiveFlow(placed[seq]?.end ?? 1, placed.slice(0, seq + 1));
}

/** The proof is that of the naive tree, and verifies; so does the root. */
async function assertProofs(
	store: TestStore,
	naive: NaiveFlow,
	seq: number,
	sectors: Iterable<number>,
): Promise<number> {
	const flowRoot = await store.files.flowRoot(seq as TxSeq);
	assert.equal(hexOf(flowRoot), hexOf(naive.root), `root after ${seq}`);
	let count = 0;
	for (const sector of sectors) {
		const proof = await store.files.sectorProof(sectorOf(sector), seq as TxSeq);
		const of = `sector ${sector} after submission ${seq}`;
		assert.deepEqual(proof.lemma.map(hexOf), naive.lemma(sector).map(hexOf), of);
		assert.equal(verdict(proof, sector), null, of);
		count++;
	}
	return count;
}

function verdict(proof: SectorProof, sector: number): string | null {
	const leaf = sector === 0 ? proof.data : keccak256(proof.data);
	const path = Uint8Array.from(proof.path, Number);
	const lemma = Buffer.concat(proof.lemma);
	return verifyFlowProof(proof.flowRoot, proof.flowLengthSectors, BigInt(sector), leaf, lemma, path);
}

describe('proofs of sectors, against a tree over every sector', () => {
	for (const seed of [1, 2]) {
		it(`all sectors of small files at all lengths of the flow (seed ${seed})`, async () => {
			const prng = new Prng(seed);
			const store = await stores.open();
			const contents = Array.from({ length: 7 }, () => prng.bytes(1 + prng.below(prng.pick([300, 2000, 9000]))));
			const placed = await upload(store, contents);
			for (let seq = 0; seq < placed.length; seq++) {
				const naive = naiveAt(placed, seq);
				const sectors = Array.from({ length: naive.lengthSectors }, (_, sector) => sector);
				assert.ok((await assertProofs(store, naive, seq, sectors)) > 1);
			}
			await store.close();
		});
	}

	it('edges and samples of a flow with files of many segments and gaps, also after a restart', async () => {
		const prng = new Prng(4);
		let store = await stores.open();
		const sizes = [300, 787_209, 1, 4_194_304, 262_144, 5_242_893, 77, 262_145];
		const placed = await upload(
			store,
			sizes.map((size) => prng.bytes(size)),
		);
		await store.close();
		store = await stores.open({}, store.dataDir);
		for (const seq of [1, 5, placed.length - 1]) {
			const naive = naiveAt(placed, seq);
			const sectors = new Set([0, 1, 1023, 1024]);
			for (const { start, end } of placed.slice(0, seq + 1)) {
				for (const sector of [start - 1, start, start + 1024, end - 1, end]) sectors.add(sector);
			}
			for (let i = 0; i < 12; i++) sectors.add(prng.below(naive.lengthSectors));
			await assertProofs(
				store,
				naive,
				seq,
				[...sectors].filter((sector) => sector < naive.lengthSectors),
			);
		}
		await store.close();
	});
});

describe('a flow with submissions whose data is not here', () => {
	const foreign = new Prng(5).bytes(3000);
	const own = new Prng(6).bytes(2000);

	async function open(): Promise<{ store: TestStore; naive: NaiveFlow; foreignStart: number; ownStart: number }> {
		const store = await stores.open();
		const submission = { lengthBytes: 3000n, tags: new Uint8Array(0), submitter: new Uint8Array(20).fill(1) };
		const { nodes } = fileRoot(foreign);
		const { startSector } = placedSubmission(await store.settlement.submit({ ...submission, nodes }));
		const ownFile = await store.files.fileBySeq((await put(store, own)).txSeq);
		assert.ok(ownFile);
		const files = [
			{ start: Number(startSector), content: foreign },
			{ start: Number(ownFile.startSector), content: own },
		];
		const naive = new NaiveFlow(Number(store.files.flow().lengthSectors), files);
		return { store, naive, foreignStart: Number(startSector), ownStart: Number(ownFile.startSector) };
	}

	it('proves the sectors of its own files and of the gaps', async () => {
		const { store, naive, ownStart } = await open();
		await assertProofs(store, naive, 1, [0, 1, 7, ownStart, ownStart + 7]);
		await store.close();
	});

	it('answers NOT_HELD for sectors of the others', async () => {
		const { store, foreignStart } = await open();
		for (let sector = foreignStart; sector < foreignStart + 12; sector++) {
			await assert.rejects(store.files.sectorProof(sectorOf(sector)), { code: 'NOT_HELD' });
		}
		await store.close();
	});

	it('says that the file is known and not held, and takes its bytes without another submission', async () => {
		const { store, naive, foreignStart } = await open();
		const file = await store.files.fileBySeq(0 as TxSeq);
		assert.ok(file);
		assert.equal(file.finalized, false);
		assert.equal(file.heldSegments, 0);
		await assert.rejects(store.files.readSmall(file, 0, 10), { code: 'NOT_HELD' });
		await assert.rejects(store.files.segmentProof(file, 0), { code: 'NOT_HELD' });
		const result = await put(store, foreign);
		assert.equal(result.txSeq, 0);
		assert.equal(result.existed, false);
		assert.equal(store.files.flow().submissions, 2);
		assert.equal((await store.files.fileBySeq(0 as TxSeq))?.finalized, true);
		await assertProofs(store, naive, 1, [foreignStart, foreignStart + 8, foreignStart + 11]);
		await store.close();
	});
});

describe('what lies outside the flow', () => {
	it('sector 0 of an empty flow is its root', async () => {
		const store = await stores.open();
		const proof = await store.files.sectorProof(sectorOf(0));
		assert.deepEqual(proof.lemma.map(hexOf), [hexOf(new Uint8Array(32)), hexOf(new Uint8Array(32))]);
		assert.deepEqual(proof.path, []);
		assert.equal(verdict(proof, 0), null);
		await store.close();
	});

	it('sectors behind the end and submissions that are not there are NOT_FOUND', async () => {
		const store = await stores.open();
		await put(store, new Uint8Array(256).fill(1));
		for (const sector of [2, 3, 2 ** 40]) {
			await assert.rejects(store.files.sectorProof(sectorOf(sector)), { code: 'NOT_FOUND' });
		}
		await assert.rejects(store.files.sectorProof(sectorOf(0), 1 as TxSeq), { code: 'NOT_FOUND' });
		await assert.rejects(store.files.flowRoot(1 as TxSeq), { code: 'NOT_FOUND' });
		await put(store, new Uint8Array(512).fill(2));
		await assert.rejects(store.files.sectorProof(sectorOf(2), 0 as TxSeq), { code: 'NOT_FOUND' });
		await store.close();
	});
});
