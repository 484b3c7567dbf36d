/** Answers of the kernels, judged by a contract on a real EVM with the real flow contract; the native verifier says what it says, in its words. */
import assert from 'node:assert/strict';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
	mine,
	poraThreshold,
	transformSeals,
	verifyAnswer,
	type MineFind,
	type MineRange,
	type PoraAnswer,
	type PoraTerms,
} from '../../../src/native/addon.js';
import { BLOCK_BYTES, hexOf, SECTOR_BYTES, SEGMENT_BYTES, SEGMENT_SECTORS } from '../../../src/units.js';
import { MOST_SHARDS, startMineChain, type MineChain, type SealOwner, type Work } from '../../support/mine-chain.js';
import { NaiveFlow } from '../../support/naive-flow.js';
import { Prng } from '../../support/prng.js';
import { useTestStores } from '../../support/test-store.js';

const SEAL_SECTORS = 16;
const ALL_SEALS = 0xffff_ffff_ffff_ffffn;
const NOT_HELD = 0xffffn << 48n;
const EASIEST = new Uint8Array(32).fill(0xff);
const DIFFICULTY = 40n;

const stores = useTestStores();
const prng = new Prng(0x90aa);

describe('a miner on a chain', () => {
	let mining: MineChain;
	let minerId: Uint8Array;
	let plain: Buffer;
	let owners: readonly SealOwner[];
	let tree: NaiveFlow;
	let file: FileHandle;
	let work: Work;

	before(async () => {
		mining = await startMineChain(DIFFICULTY);
		const contents = [prng.bytes(700_000), prng.bytes(1000), prng.bytes(2_100_000), prng.bytes(300_000)];
		await mining.chain.submit(contents.slice(0, 2));
		await mining.nextEpoch();
		await mining.chain.submit(contents.slice(2));
		minerId = await mining.newMinerId();
		await mining.nextEpoch();
		const found = await mining.work(minerId);
		assert.ok(found);
		work = found;
		const starts = await mining.places();
		const files = contents.map((content, index) => ({ start: starts[index] as number, content }));
		tree = new NaiveFlow(Number(work.flowLength), files);
		assert.equal(hexOf(tree.root), hexOf(work.flowRoot), 'the flow of the chain');
		const loads = Math.floor(Number(work.flowLength) / SEGMENT_SECTORS);
		plain = Buffer.alloc(loads * SEGMENT_BYTES);
		for (const { start, content } of files)
			plain.set(content.subarray(0, plain.length - start * SECTOR_BYTES), start * SECTOR_BYTES);
		const lasts = Array.from({ length: plain.length / BLOCK_BYTES }, (_, seal) => (seal + 1) * SEAL_SECTORS - 1);
		owners = await Promise.all(lasts.map((sector) => mining.ownerOf(sector)));
		assert.equal(new Set(owners.map(({ digest }) => hexOf(digest))).size, 2, 'two contexts own seals');
		const sealed = Buffer.from(plain);
		transformSeals(sealed, true, minerId, Buffer.concat(owners.map(({ digest }) => digest)), 0n);
		file = await open(join(await stores.newDirectory(), 'sealed'), 'w+');
		await file.write(sealed);
	});
	after(async () => {
		await file.close();
		await mining.stop();
	});

	const loads = (): number => plain.length / SEGMENT_BYTES;
	const rangeOf = (shardId = 0n, shards = 1n): MineRange => ({
		startPosition: 0n,
		mineLength: BigInt(loads() * SEGMENT_SECTORS),
		shardId,
		shardMask: BigInt.asUintN(64, ~(shards - 1n)),
	});

	/** A map of the flow segments that `isHeld`; of the first one the seal that no proof can show is not there. */
	function places(isHeld: (load: number) => boolean = () => true): Buffer {
		const map = Buffer.from(new SharedArrayBuffer(16 * loads()));
		for (let load = 0; load < loads(); load++) {
			map.writeBigUInt64LE(isHeld(load) ? BigInt(load * SEGMENT_BYTES) : NOT_HELD, 16 * load);
			map.writeBigUInt64LE(load === 0 ? ALL_SEALS - 1n : ALL_SEALS, 16 * load + 8);
		}
		return map;
	}

	function finds(threshold: Uint8Array, range = rangeOf(), map = places()): readonly MineFind[] {
		const task = { minerId, subtaskDigest: work.subtaskDigest, range, threshold };
		const found = mine(task, prng.bytes(32), 5000, map, Uint32Array.of(file.fd));
		assert.equal(found.failures, 0n);
		return found.finds;
	}

	function answerOf({ nonce, recallPosition, sealOffset, sealedData }: MineFind, range = rangeOf()): PoraAnswer {
		const sector = Number(recallPosition);
		const siblings = tree.lemma(sector).slice(1, -1).slice(4);
		return {
			contextDigest: work.contextDigest,
			nonce,
			minerId,
			range,
			recallPosition,
			sealOffset,
			sealedContextDigest: (owners[sector / SEAL_SECTORS] as SealOwner).digest,
			sealedData,
			merkleProof: Buffer.concat(siblings),
		};
	}

	/** What the native verifier is told about an answer. */
	function terms(answer: PoraAnswer): PoraTerms {
		const owner = owners.find(({ digest }) => hexOf(digest) === hexOf(answer.sealedContextDigest));
		return { ...work, sealedStart: owner?.start ?? 0n, sealedEnd: owner?.end ?? 0n, isFull: false };
	}

	/** Both say the same. */
	async function refusal(answer: PoraAnswer): Promise<string | undefined> {
		const said = await mining.refusal(answer);
		assert.equal(verifyAnswer(answer, terms(answer)).refusal, said);
		return said;
	}

	const threshold = (shards = 1n): Uint8Array => poraThreshold(work.poraTarget, work.flowLength, shards);

	it('unseals what it has sealed, also from the middle on', () => {
		const from = 5 * BLOCK_BYTES;
		const sealed = Buffer.from(plain);
		const digests = Buffer.concat(owners.map(({ digest }) => digest));
		transformSeals(sealed, true, minerId, digests, 0n);
		assert.notDeepEqual(sealed, plain);
		transformSeals(sealed.subarray(from), false, minerId, digests.subarray(5 * 32), BigInt(5 * SEAL_SECTORS));
		assert.deepEqual(sealed.subarray(from), plain.subarray(from));
	});

	it('refuses in the words of the contract whatever is wrong with an answer', async () => {
		const [find] = finds(threshold());
		assert.ok(find);
		const good = answerOf(find);
		assert.equal(await refusal(good), undefined);
		const { range } = good;
		const flipped = (bytes: Uint8Array, at: number): Uint8Array => {
			const copy = Uint8Array.from(bytes);
			copy[at] = (copy[at] ?? 0) ^ 1;
			return copy;
		};
		const other = owners.find(({ digest }) => hexOf(digest) !== hexOf(good.sealedContextDigest)) as SealOwner;
		const wrong: readonly (readonly [string, Partial<PoraAnswer>])[] = [
			['Inconsistent mining digest', { contextDigest: flipped(good.contextDigest, 3) }],
			['Start position is not aligned', { range: { ...range, startPosition: 1024n } }],
			['Mining range overflow', { range: { ...range, mineLength: range.mineLength + 1024n } }],
			['Mining range overflow', { range: { ...range, startPosition: 1n << 25n } }],
			['Mining range too short', { range: { ...range, mineLength: range.mineLength - 1024n } }],
			['Masked bits should be zero', { range: { ...range, shardId: 1n } }],
			['Invalid sealed context digest', { sealedContextDigest: other.digest }],
			['Invalid sealed context digest', { sealedContextDigest: flipped(good.sealedContextDigest, 31) }],
			[
				'Exceeding the allowed number of shards',
				{ range: { ...range, shardMask: BigInt.asUintN(64, ~(2n * MOST_SHARDS - 1n)) } },
			],
			['Inconsistent merkle root', { sealedData: flipped(good.sealedData, 4095) }],
			['Inconsistent merkle root', { merkleProof: flipped(good.merkleProof, 0) }],
			['Inconsistent merkle root', { merkleProof: good.merkleProof.subarray(32) }],
			['Incorrect recall position', { nonce: flipped(good.nonce, 0) }],
			['Incorrect recall position', { sealOffset: good.sealOffset + 1n }],
		];
		for (const [words, change] of wrong) assert.equal(await refusal({ ...good, ...change }), words, words);
	});

	it('finds what the threshold lets pass, and nothing above it', async () => {
		const limit = Buffer.from(threshold());
		let above = 0;
		for (const find of finds(EASIEST).slice(0, 12)) {
			const isAnswer = Buffer.compare(find.quality, limit) <= 0;
			above += isAnswer ? 0 : 1;
			assert.equal(await refusal(answerOf(find)), isAnswer ? undefined : 'Do not reach target quality');
		}
		assert.ok(above > 0);
	});

	it('goes only where its shard leads, and reads nothing that it does not hold', async () => {
		const range = rangeOf(1n, 4n);
		const isHeld = (load: number): boolean => load % 4 === 1;
		const [find] = finds(threshold(4n), range, places(isHeld));
		assert.ok(find);
		assert.ok(isHeld(Math.floor(Number(find.recallPosition) / SEGMENT_SECTORS)));
		assert.equal(await refusal(answerOf(find, range)), undefined);
		const task = { minerId, subtaskDigest: work.subtaskDigest, range: rangeOf(), threshold: EASIEST };
		const none = mine(
			task,
			prng.bytes(32),
			20,
			places(() => false),
			Uint32Array.of(file.fd),
		);
		assert.deepEqual([none.reads, none.finds.length], [0n, 0]);
		assert.ok(none.nonces > 0n);
	});

	it('counts what it cannot read, and goes on', () => {
		const map = places();
		for (let load = 1; load < loads(); load++) map.writeBigUInt64LE(1n << 40n, 16 * load);
		const task = { minerId, subtaskDigest: work.subtaskDigest, range: rangeOf(), threshold: new Uint8Array(32) };
		const tally = mine(task, prng.bytes(32), 100, map, Uint32Array.of(file.fd));
		assert.ok(tally.failures > 0n);
		assert.equal(tally.nonces, tally.reads + tally.failures);
	});

	it('is paid for each answer once, until the epoch has enough', async () => {
		let first: PoraAnswer | undefined;
		for (let index = 0n; await mining.canSubmit(); index++) {
			const [find] = finds(threshold());
			assert.ok(find);
			const answer = answerOf(find);
			assert.equal(await mining.submit(answer), index);
			first ??= answer;
			if (index === 0n) assert.equal(await mining.refusal(first), 'Answer has been submitted');
		}
		assert.ok(first);
		assert.equal(await mining.refusal(first), 'Epoch has enough submissions');
		assert.equal(verifyAnswer(first, { ...terms(first), isFull: true }).refusal, 'Epoch has enough submissions');
		assert.equal(await mining.work(minerId), undefined);
		await mining.nextEpoch();
		assert.equal(await mining.refusal(first), 'Inconsistent mining digest');
	});
});
