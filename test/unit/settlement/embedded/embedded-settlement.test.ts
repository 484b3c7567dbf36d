import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import type { LanePosition } from '../../../../src/append-log/types.js';
import { PerigeeError } from '../../../../src/errors.js';
import { LIMITS } from '../../../../src/limits.js';
import {
	EmbeddedSettlement,
	type EmbeddedSettlementOptions,
} from '../../../../src/settlement/embedded/embedded-settlement.js';
import { createGenesis } from '../../../../src/settlement/embedded/genesis.js';
import { Journal } from '../../../../src/settlement/journal.js';
import type { PlacedSubmission } from '../../../../src/settlement/settlement.js';
import { hexOf } from '../../../../src/units.js';
import { SeededRandomness, SimulatedClock } from '../../../support/simulated-clock.js';
import { hashing, MemoryLane, RecordingSink, submissionOf, testGenesis } from '../support.js';

interface Opened {
	readonly journal: Journal;
	readonly settlement: EmbeddedSettlement;
	readonly sink: RecordingSink;
}

let lane: MemoryLane;
let clock: SimulatedClock;
let node: Opened;
let committed: [number, number][];
let idleFailures: unknown[];
/** Resolves at the next call of the observer. */
let observed: Promise<void>;
let wake: () => void;

const observer = {
	committed: (submissions: number, blocks: number) => {
		committed.push([submissions, blocks]);
		wake();
	},
	idleFailed: (error: unknown) => {
		idleFailures.push(error);
		wake();
	},
};

function renewObserved(): void {
	observed = new Promise((resolve) => {
		wake = resolve;
	});
}

/** Moves time on and waits for what the ledger does about it. */
async function advance(byMs: number): Promise<void> {
	renewObserved();
	clock.advance(byMs);
	await observed;
}

async function open(
	saved?: ReturnType<Journal['saveState']>,
	options: Partial<EmbeddedSettlementOptions> = {},
): Promise<Opened> {
	const sink = new RecordingSink();
	const journal = new Journal({ write: lane.write, sink: sink.take });
	const settlement = new EmbeddedSettlement({ journal, clock, hashing, genesis: testGenesis, observer, ...options });
	if (saved) journal.restoreState(saved);
	await lane.replay(journal.consume, saved?.end);
	lane.consumer = journal.consume;
	await settlement.start();
	return { journal, settlement, sink };
}

beforeEach(async () => {
	lane = new MemoryLane();
	clock = new SimulatedClock(testGenesis.timeMs);
	committed = [];
	idleFailures = [];
	renewObserved();
	node = await open();
});

afterEach(() => node.settlement.close());

const stateHash = (of: Opened) => hexOf(of.settlement.flow().stateHash);
const invalid = { ...submissionOf([0]), lengthBytes: 0n };
const HALF_HOUR_MS = 30 * 60_000;
const plain = { name: 'a.txt', contentType: 'text/plain' };

test('an empty journal gets a genesis; a second start reads it and ignores other parameters', async () => {
	assert.equal(lane.groups.length, 1);
	assert.equal(node.settlement.flow().blockNumber, 0);
	assert.equal(node.settlement.flow().lengthSectors, 1n);
	const identity = node.settlement.identity();
	assert.equal(identity.flowAddress.length, 20);
	const other = { ...testGenesis, chainId: 1n, pricePerSector: 9n, salt: new Uint8Array(32) };
	const again = await open(undefined, { genesis: other });
	assert.equal(lane.groups.length, 1);
	assert.deepEqual(again.settlement.identity(), identity);
	assert.deepEqual(again.settlement.flow(), node.settlement.flow());
	const flowSetting = Buffer.from(again.journal.setting('flow/0') ?? []);
	assert.equal(flowSetting.readBigUInt64LE(0), testGenesis.chainId);
	assert.deepEqual(Uint8Array.from(flowSetting.subarray(8)), identity.flowAddress);
	await again.settlement.close();
});

test('two new ledgers have different flow addresses', () => {
	const choices = { chainId: 1n, blocksPerEpoch: 10, blockIntervalMs: 5_000, pricePerSector: 0n };
	const randomness = new SeededRandomness(1);
	const addresses = [1, 2].map(() => {
		const genesis = createGenesis(choices, clock, randomness);
		const journal = new Journal({ write: lane.write, sink: node.sink.take });
		return hexOf(new EmbeddedSettlement({ journal, clock, hashing, genesis }).identity().flowAddress);
	});
	assert.notEqual(addresses[0], addresses[1]);
});

test('a submission is answered with its place once it is durable and the view has it', async () => {
	lane.hold();
	let answered = false;
	const submitting = node.settlement.submit(submissionOf([3, 1]), plain).then((placed) => {
		answered = true;
		return placed;
	});
	await new Promise(setImmediate);
	assert.equal(answered, false);
	assert.equal(node.settlement.flow().submissions, 0);
	lane.release();
	const placed = await submitting;
	const submitted = node.sink.items.flatMap((item) =>
		'event' in item && item.event.kind === 'submission' ? [item.event.submission] : [],
	);
	assert.deepEqual(submitted, [placed]);
	assert.deepEqual([placed.flowId, placed.txSeq, placed.startSector, placed.lengthAfter], [0, 0, 8n, 18n]);
	assert.deepEqual(placed.flowRoot, node.settlement.flow().root);
	const uploads = node.sink.items.flatMap((item) => ('upload' in item ? [item.upload] : []));
	assert.deepEqual(uploads, [{ flowId: 0, txSeq: 0, root: placed.dataRoot, timeMs: placed.timeMs, ...plain }]);
});

test('all that came while a group was on its way share the next block and group, with their uploads', async () => {
	lane.hold();
	const first = node.settlement.submit(submissionOf([0], 'first'));
	await new Promise(setImmediate);
	const rest = Array.from({ length: 50 }, (_, index) => node.settlement.submit(submissionOf([2], `${index}`), plain));
	lane.release();
	const placed = await Promise.all([first, ...rest]);
	assert.deepEqual(
		placed.map((one) => one.txSeq),
		Array.from({ length: 51 }, (_, index) => index),
	);
	assert.deepEqual(new Set(placed.slice(1).map((one) => one.blockNumber)), new Set([2]));
	assert.deepEqual(
		lane.groups.map((group) => group.length),
		[2, 1, 51],
	);
	assert.deepEqual(committed, [
		[1, 1],
		[50, 1],
	]);
});

test('a block holds no more than the limits allow; the rest follows in further blocks', async () => {
	const many = LIMITS.ledgerBlockSubmissions + 7;
	await Promise.all(
		Array.from({ length: many }, (_, index) => node.settlement.submit(submissionOf([0], `${index}`), plain)),
	);
	const tags = new Uint8Array(60_000);
	await Promise.all(
		Array.from({ length: 10 }, (_, index) => node.settlement.submit({ ...submissionOf([1], `${index}`), tags })),
	);
	assert.deepEqual(
		committed.map(([submissions]) => submissions),
		[1000, 7, 4, 4, 2],
	);
	for (const group of lane.groups) {
		assert.ok(group.length <= LIMITS.groupRecords);
		for (const { payload } of group) assert.ok((payload?.length ?? 0) <= LIMITS.recordPayloadBytes);
	}
});

test('an invalid submission, or one with an unusable name, is refused alone', async () => {
	const results = await Promise.allSettled([
		node.settlement.submit(submissionOf([0], 'a'), plain),
		node.settlement.submit(invalid, plain),
		node.settlement.submit(submissionOf([0], 'b'), { ...plain, name: 'x'.repeat(LIMITS.nameBytes + 1) }),
		node.settlement.submit(submissionOf([0], 'c')),
	]);
	const outcomes = results.map((result) =>
		result.status === 'fulfilled' ? result.value.txSeq : (result.reason as PerigeeError).code,
	);
	assert.deepEqual(outcomes, [0, 'SUBMISSION_INVALID', 'BAD_NAME', 1]);
	assert.deepEqual(committed, [[2, 1]]);
});

test('a submission that only the flow itself has no room for is refused alone', async () => {
	// Alignment leaves no room for another one of them behind the small one.
	const huge = { ...submissionOf([56]), lengthBytes: (1n << 64n) - 1n };
	const results: PromiseSettledResult<PlacedSubmission>[] = [];
	for (let round = 0; round < 126; round++) results.push(...(await Promise.allSettled([node.settlement.submit(huge)])));
	results.push(...(await Promise.allSettled([node.settlement.submit(submissionOf([1]))])));
	assert.ok(results.every((result) => result.status === 'fulfilled'));
	const outcomes = await Promise.allSettled([node.settlement.submit(huge), node.settlement.submit(submissionOf([1]))]);
	assert.deepEqual(
		outcomes.map((outcome) => outcome.status),
		['rejected', 'fulfilled'],
	);
	const [refused] = outcomes;
	assert.match(String(refused?.status === 'rejected' ? refused.reason : ''), /no room for 72057594037927936 sectors/);
});

test('when a group cannot be written all its submitters get that error and the ledger goes on as if they had never come', async () => {
	await node.settlement.submit(submissionOf([0], 'before'));
	const before = node.settlement.flow();
	for (const code of ['DISK_FULL', 'READ_ONLY'] as const) {
		lane.failNext(new PerigeeError(code));
		const results = await Promise.allSettled([
			node.settlement.submit(submissionOf([5], 'lost')),
			node.settlement.submit(submissionOf([6], 'lost')),
		]);
		for (const result of results)
			assert.ok(result.status === 'rejected' && (result.reason as PerigeeError).code === code);
		assert.deepEqual(node.settlement.flow(), before);
	}
	const placed = await node.settlement.submit(submissionOf([0], 'after'));
	assert.equal(placed.txSeq, 1);
	assert.equal(placed.startSector, 2n);
	const replayed = await open();
	assert.equal(stateHash(replayed), stateHash(node));
	await replayed.settlement.close();
});

test('the queue is bounded', async () => {
	lane.hold();
	const first = node.settlement.submit(submissionOf([0]));
	await new Promise(setImmediate);
	const waiting = Array.from({ length: LIMITS.ledgerQueueSubmissions }, () =>
		node.settlement.submit(submissionOf([0])),
	);
	await assert.rejects(node.settlement.submit(submissionOf([0])), { code: 'OVERLOADED' });
	lane.release();
	await Promise.all([first, ...waiting]);
	assert.equal((await node.settlement.submit(submissionOf([0]))).txSeq, LIMITS.ledgerQueueSubmissions + 1);
});

test('the queue is bounded in bytes', async () => {
	lane.hold();
	const tagged = { ...submissionOf([0]), tags: new Uint8Array(65_535) };
	const first = node.settlement.submit(tagged);
	await new Promise(setImmediate);
	const waiting: Promise<PlacedSubmission>[] = [];
	const most = Math.floor(LIMITS.ledgerQueueBytes / (65_535 + 64));
	for (let index = 0; index < most; index++) waiting.push(node.settlement.submit(tagged));
	await assert.rejects(node.settlement.submit(tagged), { code: 'OVERLOADED' });
	lane.release();
	await Promise.all([first, ...waiting]);
	assert.equal((await node.settlement.submit(tagged)).txSeq, most + 1);
});

test('close waits for what is under way and refuses what comes later', async () => {
	lane.hold();
	const first = node.settlement.submit(submissionOf([0], 'a'));
	await new Promise(setImmediate);
	const second = node.settlement.submit(submissionOf([0], 'b'));
	let settled = 0;
	for (const submission of [first, second]) void submission.then(() => settled++);
	const closing = node.settlement.close();
	await assert.rejects(node.settlement.submit(submissionOf([0], 'c')), { code: 'SHUTTING_DOWN' });
	lane.release();
	await closing;
	assert.equal(settled, 2);
	assert.deepEqual([(await first).txSeq, (await second).txSeq], [0, 1]);
	assert.equal(clock.scheduled, 0);
});

test('an idle ledger writes one entry for each half hour, with a block for each interval and its epochs', async () => {
	for (let round = 1; round <= 4; round++) {
		await advance(HALF_HOUR_MS);
		assert.equal(lane.groups.length, 1 + round);
		assert.equal(node.settlement.flow().blockNumber, 360 * round);
		assert.equal(node.settlement.flow().context.epoch, 36 * round - 1);
	}
	assert.deepEqual(new Set(committed.map(String)), new Set(['0,360']));
	assert.equal(lane.groups.at(-1)?.[0]?.ext.length, 60);
	assert.equal(node.sink.kinds.filter((kind) => kind === 'epoch').length, 143);
});

test('a submission first closes the idle time before it, and idle time counts from the last block', async () => {
	await Promise.resolve(clock.advance(12_500));
	const placed = await node.settlement.submit(submissionOf([0]));
	assert.equal(placed.blockNumber, 2);
	assert.equal(placed.timeMs, testGenesis.timeMs + 12_500);
	clock.advance(HALF_HOUR_MS - 12_500);
	assert.equal(committed.length, 1);
	await advance(12_500);
	assert.equal(node.settlement.flow().blockNumber, 2 + 360);
	clock.advance(3_600_000 - 10);
	const later = await node.settlement.submit(submissionOf([0]));
	assert.ok(later.blockNumber >= 362 + 719);
});

test('the rest of an interval is not lost between idle entries', async () => {
	await node.settlement.close();
	node = await open(undefined, { idleEntryMs: 7_000 });
	await advance(7_000);
	assert.equal(node.settlement.flow().blockNumber, 1);
	await advance(5_000);
	assert.equal(node.settlement.flow().blockNumber, 2);
});

test('after a year of silence one entry of bounded size and work catches up', async () => {
	clock.advance(0);
	await node.settlement.close();
	clock.advance(365 * 86_400_000);
	node = await open();
	await advance(1);
	assert.deepEqual(committed, [[0, 10_240]]);
	assert.equal(node.settlement.flow().context.epoch, 1023);
	const placed = await node.settlement.submit(submissionOf([0]));
	assert.equal(placed.blockNumber, 10_241);
	assert.equal(placed.timeMs, clock.nowMs());
});

test('idle entries that cannot be written are reported and tried again later, once', async () => {
	lane.failNext(new PerigeeError('DISK_FULL'));
	await advance(HALF_HOUR_MS);
	assert.equal(idleFailures.length, 1);
	assert.equal(clock.scheduled, 1);
	await advance(HALF_HOUR_MS);
	assert.deepEqual(committed, [[0, 720]]);
});

test('an interval longer than the idle time makes no empty entries and no busy timer', async () => {
	await node.settlement.close();
	lane = new MemoryLane();
	node = await open(undefined, { genesis: { ...testGenesis, blockIntervalMs: 3_600_000 } });
	clock.advance(3_599_999);
	assert.equal(committed.length, 0);
	await advance(1);
	assert.deepEqual(committed, [[0, 1]]);
});

test('a clock that was set back does not turn the ledger back', async () => {
	clock.advance(60_000);
	const first = await node.settlement.submit(submissionOf([0]));
	await node.settlement.close();
	clock = new SimulatedClock(testGenesis.timeMs - 86_400_000);
	const delays: number[] = [];
	const schedule = clock.schedule.bind(clock);
	clock.schedule = (delayMs, callback) => {
		delays.push(delayMs);
		return schedule(delayMs, callback);
	};
	node = await open();
	assert.deepEqual(delays, [HALF_HOUR_MS]);
	const second = await node.settlement.submit(submissionOf([0]));
	assert.equal(second.timeMs, first.timeMs);
	assert.equal(second.blockNumber, first.blockNumber + 1);
});

test('a restart from any checkpoint comes to the same state, and goes on from there', async () => {
	const checkpoints: ReturnType<Journal['saveState']>[] = [];
	for (let round = 0; round < 12; round++) {
		clock.advance(round * 9_000);
		await Promise.all(
			[0, 1, 2].map((index) =>
				node.settlement.submit(submissionOf([(round + index) % 11], `${round}/${index}`), plain),
			),
		);
		checkpoints.push(node.journal.saveState());
	}
	const full = await open();
	assert.deepEqual(full.sink.items, node.sink.items);
	for (const checkpoint of checkpoints) {
		const again = await open(checkpoint);
		assert.equal(stateHash(again), stateHash(node));
		assert.deepEqual(again.settlement.flow(), full.settlement.flow());
		assert.deepEqual(again.settlement.identity(), full.settlement.identity());
		assert.deepEqual(again.journal.saveState(), node.journal.saveState());
		assert.deepEqual(again.sink.items, node.sink.items.slice(node.sink.items.length - again.sink.items.length));
		await again.settlement.close();
	}
	await full.settlement.close();
});

test('a state that is ahead of or behind the position it is replayed from is refused', async () => {
	await node.settlement.submit(submissionOf([0], 'a'));
	const saved = node.journal.saveState();
	await node.settlement.submit(submissionOf([0], 'b'));
	await node.settlement.submit(submissionOf([0], 'c'));
	const moved = (by: number): LanePosition => ({ fileNo: 1, offset: (saved.end?.offset ?? 0) + by });
	const refused = { code: 'FORMAT_UNKNOWN' };
	await assert.rejects(open({ ...saved, end: moved(-1) }), refused);
	await assert.rejects(open({ ...saved, end: moved(1) }), refused);
	await (await open(saved)).settlement.close();
});

test('a fault inside the ledger reaches everyone who waits, and the next submission is tried again', async () => {
	const faulty = (run: () => Promise<unknown>) => assert.rejects(run, /fault/);
	const fault = (): never => {
		throw new Error('fault');
	};
	const parts = { ...hashing };
	await node.settlement.close();
	node = await open(undefined, { hashing: parts });
	parts.flowAppend = fault;
	await faulty(() => node.settlement.submit(submissionOf([0])));
	parts.flowAppend = hashing.flowAppend;
	parts.keccak256 = (data) => (data.length > 200 ? fault() : hashing.keccak256(data));
	await faulty(() => node.settlement.submit(submissionOf([0])));
	parts.keccak256 = hashing.keccak256;
	const nowMs = clock.nowMs.bind(clock);
	clock.nowMs = fault;
	await Promise.all([0, 1].map(() => faulty(() => node.settlement.submit(submissionOf([0])))));
	clock.nowMs = nowMs;
	assert.equal((await node.settlement.submit(submissionOf([0]))).txSeq, 0);
});

test('a submission before the start is refused', async () => {
	const journal = new Journal({ write: lane.write, sink: node.sink.take });
	const settlement = new EmbeddedSettlement({ journal, clock, hashing, genesis: testGenesis });
	await assert.rejects(settlement.submit(submissionOf([0])), /not started/);
});
