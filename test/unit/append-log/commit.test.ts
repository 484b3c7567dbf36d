import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { deferred } from '../../../src/deferred.js';
import { PerigeeError, type ErrorCode } from '../../../src/errors.js';
import type { OpenMode, StorageFile, StorageIo } from '../../../src/io/storage-io.js';
import { LIMITS } from '../../../src/limits.js';
import { SEGMENT_BYTES } from '../../../src/units.js';
import { Prng } from '../../support/prng.js';
import { faultAt, type SimulatedIo } from '../../support/simulated-io.js';
import { bytesOf, newDisk, openLog, pathOf, payloadOf, record, textsOf } from './support.js';

async function codeOf(work: Promise<unknown>): Promise<ErrorCode | undefined> {
	try {
		await work;
	} catch (error) {
		if (error instanceof PerigeeError) return error.code;
		throw error;
	}
	return undefined;
}

/** A disk whose syncs can be held back. */
function slowSyncs(io: SimulatedIo): { readonly io: StorageIo; hold(): void; release(): void } {
	let gate = deferred();
	gate.resolve();
	const open = async (path: string, mode: OpenMode): Promise<StorageFile> => {
		const file = await io.open(path, mode);
		return new Proxy(file, {
			get(_, name) {
				if (name === 'fdatasync') return () => gate.promise.then(() => file.fdatasync());
				const value: unknown = Reflect.get(file, name, file);
				return typeof value === 'function' ? (value.bind(file) as unknown) : value;
			},
		});
	};
	const proxy = new Proxy(io, {
		get(_, name) {
			if (name === 'open') return open;
			const value: unknown = Reflect.get(io, name, io);
			return typeof value === 'function' ? (value.bind(io) as unknown) : value;
		},
	});
	return {
		io: proxy,
		hold() {
			gate = deferred();
		},
		release: () => gate.resolve(),
	};
}

describe('commit', () => {
	it('shares one group and one sync among writers that wait together, in the order of their calls', async () => {
		const test = await openLog(await newDisk());
		const first = test.log.write('small', [record('0', bytesOf(10))]);
		const others = Array.from({ length: 50 }, (_, index) =>
			test.log.write('small', [record(String(index + 1), bytesOf(100, index))]),
		);
		await Promise.all([first, ...others].map((ticket) => ticket.applied));
		assert.ok(test.commits.length <= 2, JSON.stringify(test.commits));
		assert.deepEqual(
			textsOf(test.taken, 'small'),
			Array.from({ length: 51 }, (_, index) => String(index)),
		);
	});

	it('answers applied only after a sync and after the consumer has taken the records', async () => {
		const events: string[] = [];
		const io = await newDisk();
		const test = await openLog(io, {
			consumer: async (_lane, records) => {
				await Promise.resolve();
				events.push(`taken ${records.length}`);
			},
		});
		await test.log.write('small', [record('begin')]).applied;
		events.length = 0;
		io.hook = ({ kind }) => {
			if (kind === 'fdatasync' || kind === 'writev') events.push(kind);
			return undefined;
		};
		const ticket = test.log.write('small', [record('a')]);
		void ticket.written.then(() => events.push('written'));
		void ticket.durable.then(() => events.push('durable'));
		await ticket.applied;
		events.push('applied');
		assert.deepEqual(events.toSorted(), ['applied', 'durable', 'fdatasync', 'taken 1', 'writev', 'written']);
		for (const [before, after] of [
			['writev', 'written'],
			['fdatasync', 'durable'],
			['durable', 'taken 1'],
			['taken 1', 'applied'],
		] as const) {
			assert.ok(
				events.indexOf(before) < events.indexOf(after) || before === 'durable',
				`${before} before ${after}: ${events.join(', ')}`,
			);
		}
	});

	it('gives consecutive sequence numbers to the records of one write and never the same twice', async () => {
		const test = await openLog(await newDisk());
		const lsns: bigint[] = [];
		for (const lane of ['small', 'bulk', 'journal', 'small'] as const) {
			const records = await test.log.write(lane, [record('a'), record('b', bytesOf(5)), record('c')]).applied;
			assert.deepEqual(
				records.map(({ lsn }) => lsn - (records[0]?.lsn ?? 0n)),
				[0n, 1n, 2n],
			);
			lsns.push(...records.map(({ lsn }) => lsn));
		}
		assert.equal(new Set(lsns).size, lsns.length);
	});

	it('writes what is not urgent without a sync until something urgent comes', async () => {
		const test = await openLog(await newDisk());
		await test.log.write('bulk', [record('begin')]).applied;
		const syncs = test.commits.length;
		const lazy = test.log.write('bulk', [record('lazy', bytesOf(1000))], false);
		await lazy.written;
		assert.equal(test.commits.length, syncs);
		await test.log.write('bulk', [record('urgent')]).applied;
		await lazy.applied;
		assert.deepEqual(textsOf(test.taken, 'bulk'), ['begin', 'lazy', 'urgent']);
	});

	it('refuses writes beyond the queue bound with OVERLOADED and takes the others', async () => {
		const test = await openLog(await newDisk());
		const tickets = Array.from({ length: LIMITS.laneQueueWrites + 100 }, (_, index) =>
			test.log.write('small', [record(String(index))]),
		);
		const codes = await Promise.all(tickets.map((ticket) => codeOf(ticket.applied)));
		assert.equal(codes.filter((code) => code === 'OVERLOADED').length, 100);
		assert.equal(codes.filter((code) => code === undefined).length, LIMITS.laneQueueWrites);
	});

	it('never holds more than the bound written and not durable', async () => {
		const io = await newDisk();
		const slow = slowSyncs(io);
		const test = await openLog(slow.io);
		await test.log.write('bulk', [record('begin')]).applied;
		slow.hold();
		const tickets = Array.from({ length: 160 }, (_, index) =>
			test.log.write('bulk', [record(String(index), bytesOf(SEGMENT_BYTES, index))], false),
		);
		let written = 0;
		for (const ticket of tickets) void ticket.written.then(() => written++);
		for (let turn = 0; turn < 50; turn++) await nextTurn();
		assert.ok(test.told.mostUnsynced <= LIMITS.laneUnsyncedBytes, String(test.told.mostUnsynced));
		assert.ok(test.told.mostUnsynced > LIMITS.laneUnsyncedBytes / 2, 'the bound was reached');
		assert.ok(written < 64, `${written} of 160 segments were written while nothing was durable`);
		slow.release();
		await test.log.flush();
		assert.ok(test.told.mostUnsynced <= LIMITS.laneUnsyncedBytes, String(test.told.mostUnsynced));
		assert.equal(textsOf(test.taken, 'bulk').length, 161);
	});

	it('takes no writes after a close, and makes what was queued durable first', async () => {
		const io = await newDisk();
		const test = await openLog(io);
		const queued = test.log.write('small', [record('queued')]);
		const closing = test.log.close();
		assert.equal(await codeOf(test.log.write('small', [record('late')]).applied), 'SHUTTING_DOWN');
		await Promise.all([queued.applied, closing]);
		const again = await openLog(io.kill());
		assert.deepEqual(textsOf(again.taken, 'small'), ['queued']);
	});
});

describe('a full disk', () => {
	it('costs the writers of the short group alone; the next one takes the same place with new numbers', async () => {
		const io = await newDisk();
		const test = await openLog(io);
		const [before] = await test.log.write('small', [record('before', bytesOf(700))]).applied;
		io.hook = faultAt('writev', 0, { type: 'short', bytes: 600 });
		assert.equal(await codeOf(test.log.write('small', [record('refused', bytesOf(5000))]).applied), 'DISK_FULL');
		io.hook = undefined;
		assert.equal(test.told.shortWrites, 1);
		const [after] = await test.log.write('small', [record('after', bytesOf(700))]).applied;
		assert.ok(before?.place && after?.place);
		// Header, payload and trailer of the first one, in steps of 512.
		assert.equal(after.place.offset - before.place.offset, 512 + 1024 + 512);
		assert.ok(after.lsn > before.lsn + 1n, 'the number of the refused record is not given again');
		assert.deepEqual(textsOf(test.taken, 'small'), ['before', 'after']);
		await test.log.close();
		const again = await openLog(io.kill());
		assert.deepEqual(textsOf(again.taken, 'small'), ['before', 'after']);
		assert.deepEqual(again.damaged, []);
	});

	it('that cannot hold a new file refuses with DISK_FULL, and no later open misses that file', async () => {
		const io = await newDisk();
		const test = await openLog(io, { rollBytes: 5000 });
		await test.log.write('small', [record('a', bytesOf(400))]).applied;
		io.capacityBytes = io.contents(pathOf('small', 1)).length + 3000;
		for (let refused = 0; refused < 2; refused++)
			assert.equal(await codeOf(test.log.write('small', [record('refused')]).applied), 'DISK_FULL');
		io.capacityBytes = 2 ** 30;
		await test.log.write('small', [record('b')]).applied;
		await test.log.close();
		const again = await openLog(io.kill());
		assert.deepEqual(again.damaged, []);
		assert.deepEqual(textsOf(again.taken, 'small'), ['a', 'b']);
		assert.ok(!io.files().includes(pathOf('small', 2)));
	});
});

describe('a file that nobody could write down', () => {
	it('is removed when there was no room for it, and the next one may come', async () => {
		const io = await newDisk();
		const begun: number[] = [];
		const { log } = await openLog(io, {
			begun(_lane, fileNo) {
				begun.push(fileNo);
				return begun.length > 1
					? Promise.resolve()
					: Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' }));
			},
		});
		assert.equal(await codeOf(log.write('bulk', [record('a', bytesOf(100))]).applied), 'DISK_FULL');
		assert.deepEqual(io.files(), []);
		await log.write('bulk', [record('b', bytesOf(100))]).applied;
		assert.deepEqual([begun, io.files()], [[1, 2], [pathOf('bulk', 2)]]);
		await log.close();
	});

	it('stays when nobody can know whether it was, and writing ends', async () => {
		const io = await newDisk();
		const error = Object.assign(new Error('no'), { code: 'EIO' });
		const { log } = await openLog(io, { begun: () => Promise.reject(error) });
		assert.equal(await codeOf(log.write('bulk', [record('a', bytesOf(100))]).applied), 'READ_ONLY');
		assert.equal(await codeOf(log.write('small', [record('a', bytesOf(100))]).applied), 'READ_ONLY');
		assert.deepEqual(io.files(), [pathOf('bulk', 1)]);
		await log.close();
	});
});

describe('a failed sync', () => {
	it('ends writing in all lanes, answers no one with success, and leaves reads as they are', async () => {
		const io = await newDisk();
		const test = await openLog(io);
		const payload = bytesOf(6000);
		const [kept] = await test.log.write('small', [record('kept', payload)]).applied;
		await test.log.write('bulk', [record('kept')]).applied;
		io.hook = faultAt('fdatasync', 0, { type: 'error', code: 'EIO' });
		const tickets = [
			test.log.write('small', [record('lost')]),
			test.log.write('small', [record('lost too', bytesOf(900))]),
		];
		assert.deepEqual(await Promise.all(tickets.map((ticket) => codeOf(ticket.applied))), ['READ_ONLY', 'READ_ONLY']);
		for (const lane of ['small', 'bulk', 'journal', 'sealed'] as const)
			assert.equal(await codeOf(test.log.write(lane, [record('refused')]).applied), 'READ_ONLY', lane);
		assert.equal(test.failed.length, 1);
		assert.ok(test.log.failure);
		assert.ok(kept);
		assert.ok((await payloadOf(test, kept)).equals(payload));
		await test.log.flush();
		await test.log.close();
	});

	it('answers also those who were writing or waiting in another lane', async () => {
		const io = await newDisk();
		const test = await openLog(io);
		await test.log.write('small', [record('a')]).applied;
		await test.log.write('bulk', [record('a')]).applied;
		io.hook = faultAt('fdatasync', 0, { type: 'error', code: 'EIO' }, /small/);
		const small = test.log.write('small', [record('b')]);
		const bulk = Array.from({ length: 40 }, (_, index) =>
			test.log.write('bulk', [record(String(index), bytesOf(SEGMENT_BYTES))], index % 3 === 0),
		);
		const codes = await Promise.all([small, ...bulk].map((ticket) => codeOf(ticket.applied)));
		assert.equal(codes[0], 'READ_ONLY');
		for (const code of codes) assert.ok(code === undefined || code === 'READ_ONLY');
		await test.log.close();
	});

	it('is not healed by a restart alone: what it lost is written again before it is used', async () => {
		let io = await newDisk();
		const test = await openLog(io);
		await test.log.write('small', [record('kept')]).applied;
		io.hook = faultAt('fdatasync', 0, { type: 'error', code: 'EIO' });
		assert.equal(await codeOf(test.log.write('small', [record('refused')]).applied), 'READ_ONLY');
		io = io.kill();
		// The system still shows the refused group; whoever uses it must make it durable.
		const restarted = await openLog(io);
		const used = textsOf(restarted.taken, 'small');
		await restarted.log.write('small', [record('next')]).applied;
		for (let seed = 1; seed <= 20; seed++) {
			const after = await openLog(io.crash(new Prng(seed)));
			assert.deepEqual(textsOf(after.taken, 'small'), [...used, 'next'], `seed ${seed}`);
			assert.deepEqual(after.damaged, []);
		}
	});
});

describe('rolling', () => {
	it('ends each file with a close mark, begins the next with the journal head, and loses nothing', async () => {
		const io = await newDisk();
		const head = [record('head')];
		const test = await openLog(io, { rollBytes: 20_000, journalHead: () => head });
		for (let index = 0; index < 30; index++) {
			await test.log.write('journal', [record(`entry ${index}`, bytesOf(1500, index))]).applied;
			await test.log.write('small', [record(`file ${index}`, bytesOf(1500, index))]).applied;
		}
		await test.log.close();
		const files = io.files();
		assert.ok(files.length >= 6, files.join(' '));
		for (const path of files) assert.ok(io.contents(path).length <= 20_000 + 1024, path);
		const again = await openLog(io.kill(), { rollBytes: 20_000 });
		assert.deepEqual(
			textsOf(again.taken, 'small'),
			Array.from({ length: 30 }, (_, index) => `file ${index}`),
		);
		const journal = textsOf(again.taken, 'journal');
		assert.deepEqual(
			journal.filter((text) => text !== 'head'),
			Array.from({ length: 30 }, (_, index) => `entry ${index}`),
		);
		const journalFiles = files.filter((path) => path.includes('journal')).length;
		assert.equal(journal.filter((text) => text === 'head').length, journalFiles);
		assert.deepEqual([again.damaged, again.told.inDoubt], [[], 0]);
		assert.ok(io.files().includes(pathOf('small', 2)));
	});

	it('writes a group that is larger than a file into a file of its own', async () => {
		const io = await newDisk();
		const test = await openLog(io, { rollBytes: 5000 });
		await test.log.write('bulk', [record('large', bytesOf(SEGMENT_BYTES))]).applied;
		await test.log.write('bulk', [record('next')]).applied;
		await test.log.close();
		assert.deepEqual(textsOf((await openLog(io.kill())).taken, 'bulk'), ['large', 'next']);
	});
});
