/** Mining on an embedded ledger: real answers, judged in the contract's words, in a journal that gives the same state again. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { PoraAnswer } from '../../../../src/native/addon.js';
import { EmbeddedSettlement } from '../../../../src/settlement/embedded/embedded-settlement.js';
import { decodeState, encodeState, type LedgerState } from '../../../../src/settlement/embedded/ledger-state.js';
import { Ledger } from '../../../../src/settlement/embedded/ledger.js';
import { miningParams } from '../../../../src/settlement/embedded/mining/params.js';
import { decodeLedgerEntry, JOURNAL_RECORDS } from '../../../../src/settlement/journal-records.js';
import { Journal } from '../../../../src/settlement/journal.js';
import type { MiningSettlement } from '../../../../src/settlement/mining.js';
import { hexOf, SEGMENT_SECTORS, type FlowId } from '../../../../src/units.js';
import { mineAnswer, submissionOfContent, type PlacedContent } from '../../../support/flow-miner.js';
import { Prng } from '../../../support/prng.js';
import { SeededRandomness, SimulatedClock } from '../../../support/simulated-clock.js';
import { useTestStores } from '../../../support/test-store.js';
import { hashing, MemoryLane, RecordingSink, testGenesis } from '../support.js';

const stores = useTestStores();
const genesis = { ...testGenesis, pricePerSector: 3n };
const PARAMS = {
	...miningParams({ difficulty: 300n, mineBlocks: 6, targetSubmissions: 2, maxShards: 4, baseReward: 1_000n }),
	subtasks: 2,
	subtaskBlocks: 3,
};
const { blockIntervalMs: BLOCK_MS, blocksPerEpoch: EPOCH_BLOCKS } = genesis;

interface Opened {
	readonly settlement: EmbeddedSettlement;
	readonly mining: MiningSettlement;
	readonly lane: MemoryLane;
	readonly clock: SimulatedClock;
	readonly contents: PlacedContent[];
	add(content: Uint8Array): Promise<void>;
	/** Time goes on by so many ticks. */
	blocks(count: number): void;
	answer(minerId: Uint8Array): Promise<PoraAnswer>;
	stateHash(): string;
	close(): Promise<void>;
}

async function open(
	lane = new MemoryLane(),
	clock = new SimulatedClock(genesis.timeMs),
	withMining = true,
): Promise<Opened> {
	const sink = new RecordingSink();
	const journal = new Journal({ write: lane.write, sink: sink.take });
	const settlement = new EmbeddedSettlement({
		journal,
		clock,
		hashing,
		genesis,
		...(withMining && { mining: { params: PARAMS, randomness: new SeededRandomness(3) } }),
	});
	await lane.replay(journal.consume);
	lane.consumer = journal.consume;
	await settlement.start();
	const prng = new Prng(0xe3b);
	const path = join(await stores.newDirectory(), 'sealed');
	const contents: PlacedContent[] = [];
	const { mining } = settlement;
	assert.ok(mining || !withMining);
	return {
		settlement,
		mining: mining as MiningSettlement,
		lane,
		clock,
		contents,
		async add(content) {
			const { startSector } = await settlement.submit(submissionOfContent(content));
			contents.push({ start: Number(startSector), content });
		},
		blocks: (count) => clock.advance(count * BLOCK_MS),
		async answer(minerId) {
			const now = await (mining as MiningSettlement).work(minerId);
			assert.ok('work' in now);
			const ownerOf = (sector: bigint) => (mining as MiningSettlement).sealOwner(sector);
			return mineAnswer({ work: now.work, minerId, contents, ownerOf, path, prng });
		},
		stateHash: () => hexOf(settlement.flow().stateHash),
		close: () => settlement.close(),
	};
}

/** A ledger with two files, and one epoch over them; the miner's turn may be the first or the second of it. */
async function mined(): Promise<{ readonly node: Opened; readonly minerId: Uint8Array }> {
	const node = await open();
	const prng = new Prng(5);
	await node.add(prng.bytes(300_000));
	await node.add(prng.bytes(600_000));
	const minerId = await node.mining.register();
	node.blocks(EPOCH_BLOCKS);
	await turn(node, minerId);
	return { node, minerId };
}

/** Goes on until the miner may answer. */
async function turn({ mining, blocks }: Opened, minerId: Uint8Array): Promise<void> {
	for (let tries = 0; !('work' in (await mining.work(minerId))); tries++) {
		assert.ok(tries < 3 * EPOCH_BLOCKS);
		blocks(1);
	}
}

/** The state after every entry of the journal, applied one by one by a machine that knows nothing else. */
function replayed(lane: MemoryLane): LedgerState | undefined {
	const ledger = new Ledger(0 as FlowId, hashing);
	let state: LedgerState | undefined;
	for (const record of lane.groups.flat()) {
		if (record.type !== JOURNAL_RECORDS.ledgerEntry) continue;
		const body = record.ext.length > 0 ? record.ext : record.payload;
		assert.ok(body);
		state = ledger.apply(state, decodeLedgerEntry(body).entry).state;
	}
	return state;
}

describe('mining on an embedded ledger', () => {
	it('takes an answer, pays for it, and comes to the same state from its journal', async () => {
		const { node, minerId } = await mined();
		const { mining } = node;
		const answer = await node.answer(minerId);
		assert.deepEqual(await mining.answer(answer), { kind: 'accepted', epochIndex: 0n, reward: 1_000n, gasSpent: 0n });
		assert.deepEqual(await mining.answer(answer), {
			kind: 'refused',
			reason: 'Answer has been submitted',
			gasSpent: 0n,
		});
		assert.deepEqual(await mining.rewards(minerId), { waiting: 1_000n, credited: 1_000n });
		assert.deepEqual(await mining.beneficiary(minerId), mining.account);
		const state = replayed(node.lane);
		assert.ok(state?.mining);
		assert.equal(hexOf(state.stateHash), node.stateHash());
		assert.ok(
			[...state.mining.pools.values()].some(({ locked }) => locked > 0n),
			'the fees wait in the pools',
		);
		assert.deepEqual(decodeState(encodeState(state), hashing), state);
		await node.close();
		const again = await open(node.lane, node.clock);
		assert.equal(again.stateHash(), node.stateHash());
		assert.deepEqual(await again.mining.rewards(minerId), { waiting: 1_000n, credited: 1_000n });
		await again.close();
	});

	it('refuses in the words of the contract, and nothing is left of what it refuses', async () => {
		const { node, minerId } = await mined();
		const { mining } = node;
		const good = await node.answer(minerId);
		const before = node.stateHash();
		const flipped = (bytes: Uint8Array): Uint8Array => bytes.map((byte, at) => (at === 0 ? byte ^ 1 : byte));
		const wrong: readonly (readonly [string, Partial<PoraAnswer>])[] = [
			['MinerId cannot be zero', { minerId: new Uint8Array(32) }],
			['MinerId does not registered', { minerId: flipped(minerId) }],
			['Inconsistent mining digest', { contextDigest: flipped(good.contextDigest) }],
			['Mining range too short', { range: { ...good.range, mineLength: good.range.mineLength - 1024n } }],
			['Invalid sealed context digest', { sealedContextDigest: flipped(good.sealedContextDigest) }],
			['Exceeding the allowed number of shards', { range: { ...good.range, shardMask: good.range.shardMask - 7n } }],
			['Inconsistent merkle root', { sealedData: flipped(good.sealedData) }],
			['Incorrect recall position', { nonce: flipped(good.nonce) }],
			['The answer has no shape that a block can hold', { sealedData: good.sealedData.subarray(1) }],
			['The answer has no shape that a block can hold', { merkleProof: new Uint8Array(65 * 32) }],
		];
		for (const [reason, change] of wrong)
			assert.deepEqual(await mining.answer({ ...good, ...change }), { kind: 'refused', reason, gasSpent: 0n }, reason);
		assert.equal(node.stateHash(), before);
		assert.equal((await mining.answer(good)).kind, 'accepted');
		await node.close();
	});

	it('has a window for each miner, a quota for each epoch, and a difficulty that follows', async () => {
		const { node, minerId } = await mined();
		const { mining, settlement } = node;
		const first = await mining.work(minerId);
		assert.ok('work' in first);
		const early = await node.answer(minerId);
		for (let answers = 0n; answers < 4n; answers++) {
			const outcome = await mining.answer(await node.answer(minerId));
			assert.ok(outcome.kind === 'accepted' && outcome.epochIndex === answers);
		}
		assert.deepEqual(await mining.answer(early), {
			kind: 'refused',
			reason: 'Epoch has enough submissions',
			gasSpent: 0n,
		});
		const full = await mining.work(minerId);
		assert.ok('none' in full && full.none === 'quota');
		node.blocks(PARAMS.mineBlocks);
		const late = await mining.work(minerId);
		assert.ok('none' in late && late.none === 'noWindow');
		assert.deepEqual(await mining.answer(early), { kind: 'refused', reason: 'Mine deadline exceed', gasSpent: 0n });
		node.blocks(EPOCH_BLOCKS);
		await turn(node, minerId);
		const next = await mining.work(minerId);
		assert.ok('work' in next);
		assert.ok(next.work.poraTarget < first.work.poraTarget, 'twice as many answers as wanted: it becomes harder');
		assert.deepEqual(await mining.answer(early), {
			kind: 'refused',
			reason: 'Inconsistent mining digest',
			gasSpent: 0n,
		});
		assert.equal((await mining.answer(await node.answer(minerId))).kind, 'accepted');
		assert.equal(hexOf(replayed(node.lane)?.stateHash ?? new Uint8Array(0)), hexOf(settlement.flow().stateHash));
		await node.close();
	});

	it('gives each miner its own turn', async () => {
		const { node } = await mined();
		const miners: Uint8Array[] = [];
		for (let count = 0; count < 12; count++) miners.push(await node.mining.register());
		const turns = async (): Promise<readonly boolean[]> =>
			Promise.all(miners.map(async (id) => 'work' in (await node.mining.work(id))));
		node.blocks(EPOCH_BLOCKS);
		while (!(await turns()).includes(true)) node.blocks(1);
		const first = await turns();
		assert.ok(first.includes(false), 'some have to wait for the second subtask');
		node.blocks(PARAMS.subtaskBlocks);
		assert.ok((await turns()).every((isOn) => isOn));
		node.blocks(PARAMS.mineBlocks - PARAMS.subtaskBlocks);
		assert.deepEqual(
			await turns(),
			first.map((isOn) => !isOn),
			'who came first is over first',
		);
		await node.close();
	});

	it('is not hurried by uploads, which close blocks as fast as they come', async () => {
		const { node, minerId } = await mined();
		const before = await node.mining.work(minerId);
		const prng = new Prng(77);
		for (let uploads = 0; uploads < 3 * EPOCH_BLOCKS; uploads++) await node.add(prng.bytes(300));
		assert.deepEqual(await node.mining.work(minerId), before);
		assert.equal((await node.mining.answer(await node.answer(minerId))).kind, 'accepted');
		// Epochs that nobody saw are passed over: the newest one owns what came.
		node.blocks(20 * EPOCH_BLOCKS);
		await turn(node, minerId);
		const after = await node.mining.work(minerId);
		assert.ok('work' in after && 'work' in before);
		assert.ok(after.work.context.epoch >= before.work.context.epoch + 20);
		const owner = await node.mining.sealOwner(before.work.context.flowLength);
		assert.deepEqual(owner?.digest, after.work.context.digest);
		assert.equal((await node.mining.answer(await node.answer(minerId))).kind, 'accepted');
		assert.equal(hexOf(replayed(node.lane)?.stateHash ?? new Uint8Array(0)), node.stateHash());
		await node.close();
	});

	it('hands out nothing that a crash could take back, and writes nothing while nothing is new', async () => {
		const { node, minerId } = await mined();
		const { mining, lane } = node;
		node.blocks(EPOCH_BLOCKS);
		await turn(node, minerId);
		const now = await mining.work(minerId);
		assert.ok('work' in now);
		const groups = lane.groups.length;
		for (let asked = 0; asked < 5; asked++) await mining.work(minerId);
		assert.equal(lane.groups.length, groups);
		// A process that ends without a word, and another one much later.
		const again = await open(lane, new SimulatedClock(node.clock.nowMs()));
		const same = await again.mining.work(minerId);
		assert.deepEqual(same, now);
		await again.close();
		await node.close();
	});

	it('owns all that was there before with its first epoch, and each part with its own', async () => {
		const lane = new MemoryLane();
		const clock = new SimulatedClock(genesis.timeMs);
		const plain = await open(lane, clock, false);
		assert.equal(plain.settlement.mining, undefined);
		await plain.add(new Prng(1).bytes(300_000));
		plain.blocks(3 * EPOCH_BLOCKS);
		await plain.add(new Prng(2).bytes(300_000));
		await plain.close();
		const node = await open(lane, clock);
		assert.equal(await node.mining.sealOwner(15n), undefined);
		node.blocks(EPOCH_BLOCKS + 1);
		const owner = await node.mining.sealOwner(15n);
		assert.ok(owner);
		assert.deepEqual([owner.start, owner.end], [0n, await node.mining.sealableLength()]);
		await node.add(new Prng(3).bytes(300_000));
		assert.equal(await node.mining.sealOwner(owner.end + 1024n), undefined);
		node.blocks(EPOCH_BLOCKS);
		const next = await node.mining.sealOwner(owner.end + 1024n);
		assert.equal(next?.start, owner.end);
		assert.ok((next?.end ?? 0n) >= owner.end + BigInt(SEGMENT_SECTORS));
		assert.deepEqual(await node.mining.sealOwner(15n), owner);
		await node.close();
		// Other parameters than those it is mined by are told, and count for nothing.
		const told: string[] = [];
		const journal = new Journal({ write: lane.write, sink: new RecordingSink().take });
		const params = { ...PARAMS, difficulty: 7n, maxShards: 2 };
		const other = new EmbeddedSettlement({
			journal,
			clock,
			hashing,
			genesis,
			mining: { params, randomness: new SeededRandomness(3) },
			observer: {
				committed: () => undefined,
				idleFailed: () => undefined,
				miningDiffers: (differences) => told.push(...differences.map(({ choice, inForce }) => `${choice} ${inForce}`)),
			},
		});
		await lane.replay(journal.consume);
		await other.start();
		assert.deepEqual(told, ['difficulty 300', 'maxShards 4']);
		await other.close();
		// Without mining the same journal is read all the same.
		const after = await open(lane, clock, false);
		assert.equal(after.stateHash(), node.stateHash());
		await after.close();
	});

	it('replays no answer that breaks a rule', async () => {
		const { node, minerId } = await mined();
		await node.mining.answer(await node.answer(minerId));
		await node.close();
		const last = node.lane.groups.flat().findLast(({ type }) => type === JOURNAL_RECORDS.ledgerEntry);
		const body = last?.payload;
		assert.ok(body);
		// Somewhere in the sealed data.
		body[body.length - 3000] = (body[body.length - 3000] ?? 0) ^ 1;
		assert.throws(() => replayed(node.lane), { code: 'FORMAT_UNKNOWN', message: /Inconsistent merkle root/ });
	});
});
