/** docs/format.md §7: what a recovery takes, what it calls damage and what it doubts. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encodeGroup } from '../../../src/append-log/format.js';
import type { Lane } from '../../../src/append-log/types.js';
import { SEGMENT_BYTES, type Lsn } from '../../../src/units.js';
import { Prng } from '../../support/prng.js';
import { SeededRandomness } from '../../support/simulated-clock.js';
import { faultAt, type SimulatedIo } from '../../support/simulated-io.js';
import {
	bytesOf,
	checksums,
	newDisk,
	openLog,
	pathOf,
	payloadOf,
	record,
	TYPE,
	textsOf,
	type TestLog,
} from './support.js';

/** Header, payload and trailer of the groups below take one step of 512 each. */
const GROUP_BYTES = 1536;
const BULK_GROUP_BYTES = 4096;
const FIRST = 4096;

/** A lane with groups a, b, c … of 1,536 bytes each, left open or closed. */
async function written(lane: Lane, texts: string, closed: boolean, payloadBytes = 400): Promise<SimulatedIo> {
	const io = await newDisk();
	const { log } = await openLog(io);
	for (const text of texts) await log.write(lane, [record(text, bytesOf(payloadBytes, text.charCodeAt(0)))]).applied;
	if (closed) await log.close();
	return io.kill();
}

/** Makes `bytes` bytes at an offset of a file unreadable. */
function spoil(io: SimulatedIo, path: string, offset: number, bytes: number): void {
	for (let at = offset; at < offset + bytes; at++) io.corrupt(path, at, at % 8);
}

async function healthyPayloads(test: TestLog, lane: Lane): Promise<boolean> {
	for (const call of test.taken) {
		if (call.lane !== lane) continue;
		for (const each of call.records)
			if (checksums.firstBadBlock(await payloadOf(test, each), each.blockCrcs) >= 0) return false;
	}
	return true;
}

describe('recovery', () => {
	it('reads a group by its trailer when its header is damaged, and by its header when its trailer is', async () => {
		for (const at of [0, 1024]) {
			const io = await written('small', 'abc', true);
			spoil(io, pathOf('small', 1), FIRST + GROUP_BYTES + at, 512);
			const test = await openLog(io);
			assert.deepEqual(textsOf(test.taken, 'small'), ['a', 'b', 'c']);
			assert.deepEqual([test.damaged, test.told.inDoubt], [[], 0]);
			assert.ok(await healthyPayloads(test, 'small'));
		}
	});

	it('reads a file whose header is damaged by its copy, and one whose both headers are by its first group', async () => {
		for (const spoiled of [[0], [0, 2048]]) {
			const io = await written('small', 'abc', true);
			for (const at of spoiled) spoil(io, pathOf('small', 1), at, 512);
			const test = await openLog(io);
			assert.deepEqual(textsOf(test.taken, 'small'), ['a', 'b', 'c']);
			assert.deepEqual(test.damaged, []);
		}
	});

	it('reports a group before a close mark that cannot be read as damage, and goes on behind it', async () => {
		const io = await written('small', 'abcd', true);
		spoil(io, pathOf('small', 1), FIRST + GROUP_BYTES, GROUP_BYTES);
		const test = await openLog(io);
		assert.deepEqual(textsOf(test.taken, 'small'), ['a', 'c', 'd']);
		assert.deepEqual(test.damaged, [
			{ lane: 'small', fileNo: 1, from: FIRST + GROUP_BYTES, to: FIRST + 2 * GROUP_BYTES },
		]);
	});

	it('reports a group that a later one confirms as damage, also without a close mark', async () => {
		const io = await written('small', 'abcd', false);
		spoil(io, pathOf('small', 1), FIRST + GROUP_BYTES, GROUP_BYTES);
		const test = await openLog(io);
		assert.deepEqual(textsOf(test.taken, 'small'), ['a', 'c', 'd']);
		assert.equal(test.damaged.length, 1);
	});

	it('doubts what nothing confirms: unreadable groups behind the last sync are counted, not reported', async () => {
		const io = await newDisk();
		const { log } = await openLog(io);
		await log.write('bulk', [record('a', bytesOf(400))]).applied;
		// Written side by side and never synced: nothing confirms them.
		for (const text of 'bcd') await log.write('bulk', [record(text, bytesOf(400))], false).written;
		const left = io.kill();
		spoil(left, pathOf('bulk', 1), FIRST + 2 * BULK_GROUP_BYTES, BULK_GROUP_BYTES);
		const test = await openLog(left);
		assert.deepEqual(textsOf(test.taken, 'bulk'), ['a', 'b', 'd']);
		assert.deepEqual(test.damaged, []);
		assert.ok(test.told.inDoubt > 0);
	});

	it('leaves out a record whose payload is torn, keeps its neighbours, and needs the block checksums for that', async () => {
		const io = await newDisk();
		const { log } = await openLog(io);
		await log.write('bulk', [record('a', bytesOf(400))]).applied;
		await log.write('bulk', [record('whole', bytesOf(400, 1)), record('torn', bytesOf(400, 2)), record('fact')], false)
			.written;
		const left = io.kill();
		spoil(left, pathOf('bulk', 1), FIRST + BULK_GROUP_BYTES + 512 + 400 + 8, 4);
		const test = await openLog(left);
		assert.deepEqual(textsOf(test.taken, 'bulk'), ['a', 'whole', 'fact']);
		assert.deepEqual([test.damaged, test.told.inDoubt], [[], 1]);
		const careless = await openLog(await tornCopy(), { checksums: { ...checksums, firstBadBlock: () => -1 } });
		assert.deepEqual(
			textsOf(careless.taken, 'bulk'),
			['a', 'torn'],
			'without the check the torn record passes: the check is what keeps it out',
		);
	});

	it('comes to the same verdict at every later open, also in a rebuild from the start', async () => {
		let io = await tornCopy();
		const texts: string[][] = [];
		for (let life = 0; life < 4; life++) {
			const test = await openLog(io);
			texts.push(textsOf(test.taken, 'bulk'));
			assert.deepEqual(test.damaged, [], `open ${life}`);
			await test.log.write('bulk', [record(`life ${life}`)]).applied;
			if (life === 2) await test.log.close();
			io = io.kill();
		}
		assert.deepEqual(texts.at(-1), ['a', 'life 0', 'life 1', 'life 2']);
	});

	it('takes zeros at the end of a file for its end, and doubts what stands among them', async () => {
		for (const lane of ['small', 'journal'] as const) {
			const io = await written(lane, 'abc', false);
			const path = pathOf(lane, 1);
			const file = await io.open(path, 'write');
			const size = await file.size();
			await file.writev([new Uint8Array(100_000)], size);
			const test = await openLog(io.fork(1).kill());
			assert.deepEqual(textsOf(test.taken, lane), ['a', 'b', 'c']);
			assert.deepEqual([test.damaged, test.told.inDoubt], [[], 0]);
			await file.writev([bytesOf(700, 9)], size + 10_240);
			const torn = await openLog(io);
			assert.deepEqual(textsOf(torn.taken, lane), ['a', 'b', 'c']);
			assert.deepEqual([torn.damaged, torn.told.inDoubt], [[], 1]);
		}
	});

	it('calls zeros damage where a checkpoint vouches for groups', async () => {
		const io = await written('small', 'abc', false);
		const path = pathOf('small', 1);
		const file = await io.open(path, 'write');
		await file.writev([new Uint8Array(GROUP_BYTES)], FIRST + 2 * GROUP_BYTES);
		const test = await openLog(io, { from: { small: { fileNo: 1, offset: FIRST + 3 * GROUP_BYTES } } });
		const end = FIRST + 3 * GROUP_BYTES;
		assert.deepEqual(test.damaged, [{ lane: 'small', fileNo: 1, from: end - 1024, to: end }]);
		const rebuilt = await openLog(io.kill());
		assert.deepEqual(textsOf(rebuilt.taken, 'small'), ['a', 'b']);
		assert.deepEqual(rebuilt.damaged, [
			{ lane: 'small', fileNo: 1, from: FIRST + 2 * GROUP_BYTES, to: FIRST + 3 * GROUP_BYTES },
		]);
	});

	it('states its verdict before a checkpoint may pass what is in doubt, also when the disk is full at the open', async () => {
		const io = await tornCopy();
		io.capacityBytes = 1;
		const full = await openLog(io);
		await assert.rejects(full.log.stateVerdicts(), { code: 'DISK_FULL' });
		io.capacityBytes = 2 ** 30;
		await full.log.stateVerdicts();
		const end = full.taken.findLast(({ lane }) => lane === 'bulk')?.end;
		assert.ok(end);
		await openLog(io.kill(), { from: { bulk: end } });
		const rebuilt = await openLog(io.kill());
		assert.deepEqual(textsOf(rebuilt.taken, 'bulk'), ['a']);
		assert.deepEqual(rebuilt.damaged, []);
	});

	it('begins a new file after an unclean stop and leaves every byte of the old one', async () => {
		const io = await written('small', 'ab', false);
		const before = io.contents(pathOf('small', 1));
		const test = await openLog(io);
		await test.log.write('small', [record('c')]).applied;
		assert.deepEqual(io.contents(pathOf('small', 1)), before);
		assert.ok(io.files().includes(pathOf('small', 2)));
	});

	it('begins no new file and doubts nothing after a clean close', async () => {
		const io = await written('small', 'ab', true);
		const files = io.files();
		const test = await openLog(io);
		assert.deepEqual(io.files(), files);
		assert.deepEqual([test.damaged, test.told.inDoubt], [[], 0]);
	});

	it('names a log file that its successor or the position of a checkpoint proves, and that is missing', async () => {
		const io = await newDisk();
		const { log } = await openLog(io, { rollBytes: 5000 });
		for (const text of 'abc') await log.write('small', [record(text, bytesOf(400))]).applied;
		await log.close();
		const left = io.kill();
		await left.unlink(pathOf('small', 2));
		const bySuccessor = await openLog(left);
		assert.deepEqual(bySuccessor.log.missing, [{ lane: 'small', fileNo: 2 }]);
		assert.deepEqual(textsOf(bySuccessor.taken, 'small'), ['a', 'c']);
		const byCheckpoint = await openLog(left.kill(), { from: { small: { fileNo: 2, offset: FIRST } } });
		assert.deepEqual(byCheckpoint.log.missing, [{ lane: 'small', fileNo: 2 }]);
		assert.deepEqual([bySuccessor.damaged, byCheckpoint.damaged], [[], []]);
	});

	it('goes on from a position and hands over only what comes behind it', async () => {
		const io = await written('small', 'abcd', false);
		const test = await openLog(io, { from: { small: { fileNo: 1, offset: FIRST + 2 * GROUP_BYTES } } });
		assert.deepEqual(textsOf(test.taken, 'small'), ['c', 'd']);
	});

	it('misses no file whose name a crash took away before anything in it counted', async () => {
		for (let seed = 1; seed <= 60; seed++) {
			let io = await newDisk();
			const { log } = await openLog(io);
			await log.write('small', [record('a')]).applied;
			io = io.kill();
			// Twice a process is killed before the name of its new file is durable; then the power fails.
			for (const fileNo of [2, 3]) {
				io.hook = (call) =>
					call.kind === 'fdatasync' && call.path === pathOf('small', fileNo) ? { type: 'crash' } : undefined;
				await assert.rejects(openLog(io));
				io = fileNo === 2 ? io.kill() : io.crash(new Prng(seed));
			}
			const test = await openLog(io);
			assert.deepEqual([test.damaged, test.log.missing], [[], []], `seed ${seed}`);
			assert.deepEqual(textsOf(test.taken, 'small'), ['a']);
		}
	});

	it('gives no sequence number twice, whatever a crash took away', async () => {
		let io = await newDisk();
		let highest = 0n;
		for (let life = 0; life < 8; life++) {
			const test = await openLog(io);
			const records = await test.log.write('bulk', [record('x'), record('y'), record('z', bytesOf(50))], false).written;
			for (const { lsn } of records) {
				assert.ok(lsn > highest, `${lsn} after ${highest}`);
				highest = lsn;
			}
			// What was written and not synced may be gone, and its number with it.
			io = io.crash(new Prng(life));
		}
	});
});

describe('the journal', () => {
	it('heals a flipped bit of a payload from its second copy', async () => {
		for (let offset = FIRST; offset < FIRST + 3 * 2048; offset += 61) {
			const io = await written('journal', 'abc', true, 700);
			io.corrupt(pathOf('journal', 1), offset, offset % 8);
			const test = await openLog(io);
			assert.deepEqual(textsOf(test.taken, 'journal'), ['a', 'b', 'c'], `offset ${offset}`);
			assert.deepEqual(test.damaged, []);
			for (const call of test.taken)
				for (const each of call.records) assert.deepEqual(Buffer.from(each.payload ?? []), bytesOf(700, each.ext[0]));
		}
	});

	it('takes no group behind one that is in doubt', async () => {
		const io = await newDisk();
		const test = await openLog(io);
		await test.log.write('journal', [record('a')]).applied;
		io.hook = faultAt('fdatasync', 0, { type: 'crash' });
		test.log.write('journal', [record('b')]);
		await new Promise((resolve) => setImmediate(resolve));
		// Behind the unsynced group b lies a whole one, as if the system had written it first.
		const left = io.kill();
		const bytes = left.contents(pathOf('journal', 1));
		const incarnation = Uint8Array.from(bytes.subarray(FIRST + 48, FIRST + 64));
		const group = encodeGroup(
			{ lane: 'journal', fileNo: 1, incarnation },
			bytes.length,
			9n as Lsn,
			FIRST,
			[{ type: TYPE, ext: Buffer.from('c') }],
			checksums,
		);
		const file = await left.open(pathOf('journal', 1), 'write');
		await file.writev(group.buffers, bytes.length);
		await file.close();
		spoil(left, pathOf('journal', 1), bytes.length - 1024, 1024);
		const again = await openLog(left);
		assert.deepEqual(textsOf(again.taken, 'journal'), ['a']);
		assert.deepEqual(again.damaged, []);
		assert.ok(again.told.inDoubt >= 1);
	});
});

describe('uploaded bytes that look like groups', () => {
	/** Payload of `SEGMENT_BYTES` full of groups that are right in everything for the place where they will lie. */
	function hostile(incarnation: Uint8Array, payloadOffset: number): Buffer {
		const payload = Buffer.alloc(SEGMENT_BYTES);
		for (let at = 0; at + 1024 <= payload.length; at += 1024) {
			const group = encodeGroup(
				{ lane: 'small', fileNo: 1, incarnation },
				payloadOffset + at,
				77n as Lsn,
				payloadOffset + at,
				[{ type: TYPE, ext: Buffer.from('evil') }],
				checksums,
			);
			Buffer.concat(group.buffers).copy(payload, at);
		}
		return payload;
	}

	async function attack(guessed: Uint8Array, seed: number): Promise<TestLog> {
		const io = await newDisk();
		const { log } = await openLog(io, { randomness: new SeededRandomness(seed) });
		await log.write('small', [record('upload', hostile(guessed, 8192))]).applied;
		await log.write('small', [record('next')]).applied;
		await log.close();
		const left = io.kill();
		// Header and trailer of the upload's own group are lost, so that recovery must search its way through the payload.
		spoil(left, pathOf('small', 1), FIRST, 512);
		const { length } = left.contents(pathOf('small', 1));
		spoil(left, pathOf('small', 1), length - 1024 - 1024 - 1024, 1024);
		return openLog(left);
	}

	it('never pass, even at the right offsets with right checksums: nobody knows the incarnation', async () => {
		const test = await attack(new Uint8Array(16).fill(3), 500);
		assert.ok(!textsOf(test.taken, 'small').includes('evil'));
		assert.ok(textsOf(test.taken, 'small').includes('next'));
	});

	it('would pass for whoever knew it: the incarnation is what protects', async () => {
		const test = await attack(new SeededRandomness(501).bytes(16), 501);
		assert.ok(textsOf(test.taken, 'small').includes('evil'));
	});

	it('never pass when they are copies of the log itself', async () => {
		const io = await newDisk();
		const { log } = await openLog(io);
		await log.write('small', [record('secret', bytesOf(400))]).applied;
		const copied = Buffer.alloc(SEGMENT_BYTES);
		copied.set(io.contents(pathOf('small', 1)));
		await log.write('small', [record('backup', copied)]).applied;
		await log.close();
		const test = await openLog(io.kill());
		assert.deepEqual(textsOf(test.taken, 'small'), ['secret', 'backup']);
	});
});

/** A closed-off disk with group a, and an unsynced group behind it whose only payload is torn. */
async function tornCopy(): Promise<SimulatedIo> {
	const io = await newDisk();
	const { log } = await openLog(io);
	await log.write('bulk', [record('a', bytesOf(400))]).applied;
	await log.write('bulk', [record('torn', bytesOf(400, 2))], false).written;
	const left = io.kill();
	spoil(left, pathOf('bulk', 1), FIRST + BULK_GROUP_BYTES + 512 + 100, 4);
	return left;
}
