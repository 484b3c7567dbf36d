import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import type { LanePosition } from '../../../src/append-log/types.js';
import { PerigeeError } from '../../../src/errors.js';
import { LIMITS } from '../../../src/limits.js';
import { Journal, type JournalDriver, type JournalItem } from '../../../src/settlement/journal.js';
import { decodeSetting, type UploadRecord } from '../../../src/settlement/journal-records.js';
import type { SettlementEvent } from '../../../src/settlement/settlement.js';
import { type FlowId, rootFromBytes, type TxSeq } from '../../../src/units.js';
import { MemoryLane, RecordingSink } from './support.js';

/** A driver whose entries are numbers and whose state is their sum. */
class SummingDriver implements JournalDriver {
	readonly flowId: FlowId;
	taken = 0;
	confirmed = 0;

	constructor(flowId: number) {
		this.flowId = flowId as FlowId;
	}

	take(entry: Uint8Array): readonly SettlementEvent[] {
		this.taken += entry[0] ?? 0;
		return [{ kind: 'progress', flowId: this.flowId, blockNumber: this.taken, timeMs: 0 }];
	}

	confirm(): void {
		this.confirmed = this.taken;
	}

	saveState(): Uint8Array {
		return Uint8Array.of(this.confirmed);
	}

	restoreState(saved: Uint8Array): void {
		this.taken = this.confirmed = saved[0] ?? 0;
	}
}

let lane: MemoryLane;
let sink: RecordingSink;
let driver: SummingDriver;
let journal: Journal;

function open(take: (items: readonly JournalItem[], end: LanePosition) => Promise<void> = sink.take): Journal {
	const opened = new Journal({ write: lane.write, sink: take });
	driver = new SummingDriver(0);
	opened.register(driver);
	lane.consumer = opened.consume;
	return opened;
}

beforeEach(() => {
	lane = new MemoryLane();
	sink = new RecordingSink();
	journal = open();
});

const entryOf = (value: number, flowId = 0) => ({ flowId: flowId as FlowId, entry: Uint8Array.of(value) });
const uploadOf = (name: string): UploadRecord => ({
	flowId: 0 as FlowId,
	txSeq: 0 as TxSeq,
	root: rootFromBytes(new Uint8Array(32)),
	timeMs: 5,
	name,
	contentType: '',
});
const setting = (key: string, ...value: number[]) => ({ key, value: Uint8Array.from(value) });
const headOf = (of: Journal) => of.headRecords().map((record) => decodeSetting(record.payload ?? record.ext));

test('an entry, its uploads and settings are written as one group and reach the sink in order with their lsn', async () => {
	await journal.append({ entry: entryOf(3), uploads: [uploadOf('a'), uploadOf('b')], settings: [setting('k', 1)] });
	await journal.recordUpload(uploadOf('c'));
	assert.deepEqual(
		lane.groups.map((group) => group.length),
		[4, 1],
	);
	assert.deepEqual(sink.kinds, ['progress', 'upload', 'upload', 'upload']);
	assert.deepEqual(
		sink.items.map((item) => item.lsn),
		[1n, 2n, 3n, 5n],
	);
	assert.deepEqual(sink.ends.at(-1), { fileNo: 1, offset: 2 });
});

test('a replay gives the sink the same items as the live way, whatever is read at once', async () => {
	const uploads = Array.from({ length: 40 }, (_, index) => uploadOf(`${index}`.repeat(40)));
	for (let value = 1; value <= 90; value++) {
		await journal.append({ entry: entryOf(value % 3), uploads: uploads.slice(0, value % 5 === 0 ? 40 : 3) });
	}
	const live = sink;
	for (const groupsAtOnce of [1, 7, 100]) {
		sink = new RecordingSink();
		const replayed = open();
		await lane.replay(replayed.consume, undefined, groupsAtOnce);
		assert.deepEqual(sink.items, live.items);
		assert.deepEqual(replayed.saveState(), journal.saveState());
	}
	// Only the long groups have payloads.
	assert.equal(lane.groups.filter((group) => group.some((record) => record.payload)).length, 18);
});

test('the saved state is that of the last step the sink has taken, never ahead of it', async () => {
	await journal.append({ entry: entryOf(1) });
	let saved: ReturnType<Journal['saveState']> | undefined;
	let inSink: ReturnType<Journal['saveState']> | undefined;
	const replayed = open(() => {
		inSink = replayed.saveState();
		return Promise.resolve();
	});
	saved = replayed.saveState();
	assert.equal(saved.end, undefined);
	await lane.replay(replayed.consume);
	assert.equal(driver.taken, 1);
	assert.deepEqual(inSink, saved);
	assert.deepEqual(replayed.saveState(), journal.saveState());
	saved = replayed.saveState();
	lane.consumer = replayed.consume;
	await replayed.append({ entry: entryOf(1) });
	assert.deepEqual(inSink, saved);
});

test('after a sink that fails neither state nor settings nor position have moved', async () => {
	await journal.append({ entry: entryOf(1), settings: [setting('k', 1)] });
	const before = journal.saveState();
	const failing = open(() => Promise.reject(new Error('view')));
	failing.restoreState(before);
	lane.consumer = failing.consume;
	await assert.rejects(failing.append({ entry: entryOf(1), settings: [setting('k', 2)] }), /view/);
	assert.deepEqual(failing.saveState(), before);
});

test('a saved state restores settings, drivers and position', async () => {
	await journal.append({ entry: entryOf(3), settings: [setting('a', 1), setting('b', 2)] });
	await journal.append({ entry: entryOf(4) });
	const saved = journal.saveState();
	await journal.putSettings([setting('a')]);
	const restored = open();
	restored.restoreState(saved);
	assert.equal(driver.confirmed, 7);
	assert.deepEqual(
		[...restored.settings()],
		[
			...new Map([
				['a', Uint8Array.of(1)],
				['b', Uint8Array.of(2)],
			]),
		],
	);
	await lane.replay(restored.consume, saved.end);
	assert.deepEqual([...restored.settings().keys()], ['b']);
	assert.deepEqual(restored.saveState(), journal.saveState());
});

test('a damaged saved state is refused and changes nothing', async () => {
	await journal.append({ entry: entryOf(3), settings: [setting('a', 1)] });
	const { end, state } = journal.saveState();
	for (let length = 0; length < state.length; length++) {
		const fresh = open();
		assert.throws(() => fresh.restoreState({ end, state: state.subarray(0, length) }), { code: 'FORMAT_UNKNOWN' });
		assert.equal(driver.confirmed, 0);
		assert.equal(fresh.settings().size, 0);
	}
});

test('a group that could not be written leaves no trace, and its error reaches the caller', async () => {
	await journal.putSettings([setting('k', 1)]);
	const before = journal.saveState();
	lane.failNext(new PerigeeError('DISK_FULL'));
	await assert.rejects(journal.append({ entry: entryOf(1), settings: [setting('k', 2)] }), { code: 'DISK_FULL' });
	assert.deepEqual(journal.saveState(), before);
	assert.deepEqual(headOf(journal), [setting('k', 1)]);
	await journal.append({ entry: entryOf(1) });
	assert.equal(driver.confirmed, 1);
});

test('the head of a file repeats every last value, also those on their way, and no deleted key', async () => {
	await journal.putSettings([setting('a', 1), setting('b', 1)]);
	await journal.putSettings([setting('a', 2), setting('c', 3)]);
	await journal.putSettings([setting('b')]);
	assert.deepEqual(headOf(journal), [setting('a', 2), setting('c', 3)]);
	lane.hold();
	const put = journal.putSettings([setting('a', 9)]);
	assert.deepEqual(headOf(journal), [setting('a', 9), setting('c', 3)]);
	assert.deepEqual(journal.setting('a'), Uint8Array.of(2));
	lane.release();
	await put;
	assert.deepEqual(journal.setting('a'), Uint8Array.of(9));
});

test('settings are bounded in number and in bytes', async () => {
	const many = Array.from({ length: LIMITS.settings }, (_, index) => setting(`k${index}`, 1));
	await journal.putSettings(many);
	await assert.rejects(journal.putSettings([setting('one more', 1)]), { code: 'BAD_REQUEST' });
	await journal.putSettings(many.map(({ key }) => setting(key)));
	const large = Array.from({ length: 17 }, (_, index) => ({ key: `k${index}`, value: new Uint8Array(65_536) }));
	await assert.rejects(journal.putSettings(large), { code: 'BAD_REQUEST' });
	assert.equal(headOf(journal).length, 0);
});

test('entries of a flow without a driver and records of an unknown type stop a replay', async () => {
	await journal.append({ entry: entryOf(1) });
	const fresh = new Journal({ write: lane.write, sink: sink.take });
	await assert.rejects(lane.replay(fresh.consume), /flow 0, which has no settlement/);
	const [record] = lane.groups[0] ?? [];
	assert.ok(record);
	await assert.rejects(journal.consume('journal', [{ ...record, type: 0x99 }], { fileNo: 1, offset: 9 }), {
		code: 'FORMAT_UNKNOWN',
	});
});

test('two drivers of one journal get their own entries, and one flow has one driver', async () => {
	const other = new SummingDriver(1);
	journal.register(other);
	await journal.append({ entry: entryOf(1) });
	await journal.append({ entry: entryOf(5, 1) });
	assert.deepEqual([driver.confirmed, other.confirmed], [1, 5]);
	assert.throws(() => journal.register(new SummingDriver(1)), /driver already/);
});
