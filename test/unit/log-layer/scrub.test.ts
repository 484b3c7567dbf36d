import assert from 'node:assert/strict';
import { readFile, truncate, unlink, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { LogFileCheck } from '../../../src/append-log/file-check.js';
import type { StorageFile, StorageIo } from '../../../src/io/storage-io.js';
import { LIMITS } from '../../../src/limits.js';
import { DamageList } from '../../../src/log-layer/damage.js';
import { SEGMENT_BYTES, type TxSeq } from '../../../src/units.js';
import { damageContent, flipBit, logFiles } from '../../support/damage.js';
import { Prng } from '../../support/prng.js';
import { SimulatedClock } from '../../support/simulated-clock.js';
import { put, readBack, type TestStore, type TestStoreOptions, useTestStores } from '../../support/test-store.js';

const stores = useTestStores();
const prng = new Prng(11);
const SMALL = [1, 256, 300, 4097, 70_000, SEGMENT_BYTES].map((size) => prng.bytes(size));
const LARGE = [prng.bytes(3 * SEGMENT_BYTES + 1000), prng.bytes(2 * SEGMENT_BYTES)];
const ALL = [...SMALL, ...LARGE];

/** A store with files of all kinds, in log files that are closed and in one that is not. */
async function filled(options: TestStoreOptions = {}): Promise<TestStore> {
	const first = await stores.open();
	for (const content of ALL.slice(0, 4)) await put(first, content);
	await first.close();
	const store = await stores.open(options, first.dataDir);
	for (const content of ALL.slice(4)) await put(store, content);
	return store;
}

async function scrub(store: TestStore): Promise<ReturnType<TestStore['scrub']['status']>> {
	store.scrub.start();
	await store.scrub.idle();
	return store.scrub.status();
}

const reasonsOf = (store: TestStore): string[] =>
	store.damage
		.entries(0, 1000)
		.map((entry) => ('segment' in entry ? `segment ${entry.segment.reason}` : `stretch ${entry.stretch.reason}`))
		.sort();

describe('a pass of the scrub', () => {
	it('checks every segment of a healthy store and finds nothing', async () => {
		const store = await filled();
		const { state, last } = await scrub(store);
		assert.equal(state, 'idle');
		assert.deepEqual([last?.segments, last?.damaged], [SMALL.length + 4 + 2, 0]);
		assert.ok((last?.bytes ?? 0) > ALL.reduce((sum, { length }) => sum + length, 0));
		assert.deepEqual([store.damage.count, store.damage.stretches, store.files.health()], [0, [], []]);
		assert.equal(stores.ring.freeSlots, stores.ring.slotCount);
		await store.close();
	});

	for (const [what, lane, content, at, segment] of [
		['a small file in a closed log file', 'small', ALL[2], 100, 0],
		['a small file in the log file that is written', 'small', ALL[5], 200_000, 0],
		['a large file', 'bulk', ALL[6], 2 * SEGMENT_BYTES + 77, 2],
		['the last segment of a large file', 'bulk', ALL[6], 3 * SEGMENT_BYTES + 900, 3],
	] as const) {
		it(`finds a flipped bit in ${what}, which the same upload heals`, async () => {
			const store = await filled();
			assert.ok(content);
			await damageContent(store.dataDir, lane, content, Math.min(at, content.length - 64));
			assert.equal((await scrub(store)).last?.damaged, 1);
			const [entry, ...more] = store.damage.entries(0, 10);
			assert.ok(entry && 'segment' in entry);
			const { root, reason, segment: found, foundBy } = entry.segment;
			assert.deepEqual([reason, found, foundBy, more], ['checksum', segment, 'scrub', []]);
			const file = await store.files.fileByRoot(root);
			assert.deepEqual([file?.sizeBytes, file?.finalized], [content.length, false]);
			assert.ok(store.told.includes('damage found'));
			assert.equal((await put(store, content)).existed, false);
			assert.deepEqual([store.damage.count, store.files.health()], [0, []]);
			const again = await scrub(store);
			assert.equal(again.last?.damaged, 0, 'the old copy is used by nobody');
			assert.deepEqual(store.damage.entries(0, 10), []);
			assert.ok((await readBack(store, { txSeq: file?.txSeq as TxSeq })).equals(content));
			await store.close();
		});
	}

	it('finds what no reader could: bytes that match their checksum and not their root', async () => {
		const store = await filled();
		const { hash } = stores.pool;
		let spoiled = 0;
		stores.pool.hash = (inputs, signal) => {
			const ticket = hash.call(stores.pool, inputs, signal);
			const hashes = ticket.hashes.then((list) =>
				list.map((one) => (spoiled++ === 0 ? { ...one, root: new Uint8Array(32) } : one)),
			);
			return { ...ticket, hashes };
		};
		try {
			await scrub(store);
		} finally {
			stores.pool.hash = hash;
		}
		assert.deepEqual(reasonsOf(store), ['segment root']);
		// The next pass reads it rightly: the fault was not the disk's.
		await scrub(store);
		assert.deepEqual(reasonsOf(store), []);
		await store.close();
	});

	it('finds files of the log that are gone or cut', async () => {
		const store = await filled();
		const [closedSmall] = await logFiles(store.dataDir, 'small');
		const [bulk] = await logFiles(store.dataDir, 'bulk');
		assert.ok(closedSmall && bulk);
		await unlink(closedSmall);
		await truncate(bulk, 300_000);
		await scrub(store);
		assert.deepEqual(
			reasonsOf(store).filter((reason) => reason.startsWith('segment')),
			// One segment is whole, but the end of its group went with the rest.
			[...Array.from({ length: 4 + 6 - 1 }, () => 'segment missing'), 'segment record'],
		);
		for (const content of ALL) await put(store, content);
		assert.equal(store.damage.count, 0);
		await store.close();
	});

	it('finds damage of a segment, which counts no more once the segment is dropped, nor after a restart', async () => {
		for (const isKilled of [false, true]) {
			let store = await stores.open();
			const { dataDir } = store;
			const content = new Prng(31).bytes(700_000);
			const { root } = await put(store, content);
			for (const at of [10, 2 * SEGMENT_BYTES + 10]) await damageContent(dataDir, 'bulk', content, at);
			await scrub(store);
			assert.deepEqual(reasonsOf(store), ['segment checksum', 'segment checksum']);
			// As if the drop came in a run that knew nothing of the damage.
			if (isKilled) store.damage.dropped = () => undefined;
			await store.files.dropSegments(root, 2, 1);
			if (!isKilled) assert.deepEqual(reasonsOf(store), ['segment checksum']);
			await store.close();
			store = await stores.open({}, dataDir);
			assert.deepEqual(reasonsOf(store), ['segment checksum']);
			await scrub(store);
			assert.deepEqual(reasonsOf(store), ['segment checksum']);
			await store.close();
		}
	});

	it('tells a damaged copy from a loss, in headers, trailers and the journal', async () => {
		const store = await filled();
		const [journal] = await logFiles(store.dataDir, 'journal');
		const [small] = await logFiles(store.dataDir, 'small');
		assert.ok(journal && small);
		// The headers of the first groups, which lie at the start of the file.
		await flipBit(journal, 4096 + 20);
		await flipBit(small, 4096 + 20);
		await scrub(store);
		assert.deepEqual(reasonsOf(store), ['stretch copy', 'stretch copy']);
		assert.deepEqual(
			store.files.health().map(({ code }) => code),
			['LOG_COPY_DAMAGED'],
		);
		// Both copies of the first small file's record.
		const bytes = await readFile(small);
		const trailer = bytes.indexOf('PGGT', 4096);
		await flipBit(small, trailer + 20);
		await scrub(store);
		assert.deepEqual(reasonsOf(store), ['segment record', 'stretch copy', 'stretch lost']);
		const [first] = ALL;
		assert.ok(first && (await readBack(store, { txSeq: 0 as TxSeq })).equals(first), 'it can still be read');
		await put(store, first);
		assert.equal(store.damage.count, 0);
		await store.close();
	});

	it('does not take for damage what was never acknowledged', async () => {
		const first = await filled();
		await first.close();
		const [small] = (await logFiles(first.dataDir, 'small')).slice(-1);
		assert.ok(small);
		// As a crash leaves it: the close mark never came, and half a group behind the last one.
		const bytes = await readFile(small);
		await writeFile(small, Buffer.concat([bytes.subarray(0, bytes.length - 1024), Buffer.alloc(2048, 0xee)]));
		const second = await stores.open({}, first.dataDir);
		assert.equal((await scrub(second)).last?.damaged, 0);
		assert.deepEqual(reasonsOf(second), []);
		await second.close();
	});
});

describe('every flipped bit', () => {
	it('of a log file is found by the scrub before a reader meets it, or harms nobody', async () => {
		const found = await flipAround(60);
		assert.ok(found > 40, `${found} of 60 flips were found`);
	});

	for (const [rule, install] of [
		['what does not match is damage', (): (() => void) => replace(DamageList.prototype, 'add', () => false)],
		['every group is read', (): (() => void) => replace(LogFileCheck.prototype, 'groups', noGroups)],
	] as const) {
		it(`would be missed without this rule, and the test above would fail: ${rule}`, async () => {
			const restore = install();
			try {
				await assert.rejects(flipAround(60), { name: 'AssertionError' });
			} finally {
				restore();
			}
		});
	}
});

/**
 * Flips bits of the log files of an open store, one at a time, and compares what the scrub has found with what readers meet. Answers how
 * many flips were found.
 */
async function flipAround(rounds: number): Promise<number> {
	const source = await filled();
	await source.close();
	const flips = new Prng(5);
	const lanes = await Promise.all(['small', 'bulk', 'journal'].map((lane) => logFiles(source.dataDir, lane)));
	const names = lanes.flat();
	const store = await stores.open({}, source.dataDir);
	let found = 0;
	try {
		for (let round = 0; round < rounds; round++) {
			const path = flips.pick(names);
			const offset = flips.below((await readFile(path)).length);
			const bit = flips.below(8);
			await flipBit(path, offset, bit);
			await scrub(store);
			const known = new Set(
				store.damage.entries(0, 1000).flatMap((entry) => ('segment' in entry ? [entry.segment.root] : [])),
			);
			if (store.damage.entries(0, 1).length > 0) found++;
			for (const [txSeq, content] of ALL.entries()) {
				const file = await store.files.fileBySeq(txSeq as TxSeq);
				assert.ok(file);
				const read = await readBack(store, file).catch(() => undefined);
				if (read) assert.ok(read.equals(content));
				assert.equal(read === undefined, known.has(file.root), `byte ${offset} of ${path}`);
			}
			// Flipped back, it is found intact.
			await flipBit(path, offset, bit);
			await scrub(store);
			assert.deepEqual(reasonsOf(store), []);
		}
	} finally {
		await store.close();
	}
	return found;
}

function replace<T extends object, K extends keyof T>(target: T, name: K, broken: T[K]): () => void {
	const whole = target[name];
	target[name] = broken;
	return () => {
		target[name] = whole;
	};
}

async function* noGroups(): AsyncGenerator<never> {}

describe('a scrub that is paused or stopped', () => {
	it('goes on where it stood, also in another process', async () => {
		const clock = new SimulatedClock();
		// Each rest is endless until the clock moves, and it never moves: the pass stops at its first rest.
		const store = await filled({ clock: resting(clock), scrub: { tranquility: 1, intervalDays: 30 } });
		assert.equal(store.scrub.start().state, 'running');
		await eventually(() => clock.scheduled > 2);
		assert.equal(store.scrub.pause().state, 'paused');
		await store.scrub.idle();
		const { pass } = store.scrub.status();
		assert.ok(pass);
		await store.close();
		const second = await stores.open({}, store.dataDir);
		assert.deepEqual(second.scrub.status().pass, pass);
		assert.equal(second.scrub.status().state, 'paused');
		const { last } = await scrub(second);
		assert.deepEqual([last?.startedMs, last?.segments], [pass.startedMs, SMALL.length + 6]);
		await second.close();
	});

	it('a pass that was running goes on by itself after a restart', async () => {
		const clock = new SimulatedClock();
		const store = await filled({ clock: resting(clock), scrub: { tranquility: 1, intervalDays: 30 } });
		store.scrub.start();
		await eventually(() => clock.scheduled > 2);
		await store.close();
		const second = await stores.open({}, store.dataDir);
		await second.scrub.idle();
		assert.equal(second.scrub.status().last?.segments, SMALL.length + 6);
		await second.close();
	});
});

describe('passes', () => {
	it('begin by themselves after the interval, counted over restarts', async () => {
		const clock = new SimulatedClock();
		const store = await stores.open({ clock });
		await put(store, LARGE[0] as Uint8Array);
		const { nextMs } = store.scrub.status();
		assert.ok(nextMs && nextMs >= clock.nowMs() + 25 * 86_400_000 && nextMs <= clock.nowMs() + 35 * 86_400_000);
		await store.close();
		clock.advance(nextMs - clock.nowMs() - 1);
		const second = await stores.open({ clock }, store.dataDir);
		assert.equal(second.scrub.status().nextMs, nextMs);
		assert.equal(second.scrub.status().state, 'idle');
		clock.advance(LIMITS.scrubLookMs);
		await second.scrub.idle();
		assert.equal(second.scrub.status().last?.segments, 4);
		assert.ok((second.scrub.status().nextMs ?? 0) > clock.nowMs());
		await second.close();
	});

	it('are not put off for years by a clock that was wrong', async () => {
		const clock = new SimulatedClock(4_000_000_000_000);
		const store = await stores.open({ clock });
		await store.close();
		const right = new SimulatedClock();
		const second = await stores.open({ clock: right }, store.dataDir);
		assert.ok((second.scrub.status().nextMs ?? Infinity) <= right.nowMs() + 35 * 86_400_000);
		await second.close();
	});

	it('do not when the interval is 0', async () => {
		const clock = new SimulatedClock();
		const store = await filled({ clock, scrub: { tranquility: 0, intervalDays: 0 } });
		clock.advance(400 * 86_400_000);
		assert.deepEqual([store.scrub.status().state, store.scrub.status().nextMs], ['idle', undefined]);
		await store.close();
	});
});

describe('content that comes again', () => {
	it('is not compared with what a pass has read', async () => {
		const reads = { bulk: 0 };
		const store = await filled({ wrapIo: counting(reads) });
		await scrub(store);
		reads.bulk = 0;
		const { existed } = await put(store, LARGE[0] as Uint8Array);
		assert.deepEqual([existed, reads.bulk], [true, 0]);
		await store.close();
		const second = await stores.open({ wrapIo: counting(reads) }, store.dataDir);
		reads.bulk = 0;
		assert.equal((await put(second, LARGE[0] as Uint8Array)).existed, true);
		assert.equal(reads.bulk, 0, 'also after a restart');
		await second.close();
	});

	it('is compared when it came behind the pass, once', async () => {
		const reads = { bulk: 0 };
		const store = await filled({ wrapIo: counting(reads) });
		await scrub(store);
		const late = new Prng(99).bytes(2 * SEGMENT_BYTES);
		await put(store, late);
		reads.bulk = 0;
		await put(store, late);
		assert.ok(reads.bulk > 0);
		reads.bulk = 0;
		await put(store, late);
		assert.equal(reads.bulk, 0);
		await store.close();
	});
});

describe('a disk that cannot read', () => {
	it('a place once: the pass asks again and finds it right', async () => {
		const fail = { once: true, always: false };
		const store = await filled({ wrapIo: failingAt(fail) });
		assert.equal((await scrub(store)).last?.damaged, 0);
		assert.equal(fail.once, false);
		assert.deepEqual(reasonsOf(store), []);
		await store.close();
	});

	it('a place for good: it is damage, and the pass comes to its end', async () => {
		const fail = { once: false, always: true };
		const store = await filled({ wrapIo: failingAt(fail) });
		await scrub(store);
		assert.deepEqual(reasonsOf(store), ['segment unreadable']);
		fail.always = false;
		await scrub(store);
		assert.deepEqual(reasonsOf(store), [], 'the disk has come to itself');
		await store.close();
	});
});

/** Time goes on with each look at it, so that work takes time, and timers ring when the test says so. */
function resting(clock: SimulatedClock): SimulatedClock {
	return new Proxy(clock, {
		get(target, name) {
			if (name === 'monotonicMs') return () => performance.now();
			const value = Reflect.get(target, name, target) as unknown;
			return typeof value === 'function' ? (value.bind(target) as unknown) : value;
		},
	});
}

async function eventually(isTrue: () => boolean): Promise<void> {
	while (!isTrue()) await new Promise((resolve) => setImmediate(resolve));
}

function withRead(
	read: (file: StorageFile, buffer: Uint8Array, position: number) => Promise<number>,
): (io: StorageIo) => StorageIo {
	const wrap = (file: StorageFile): StorageFile =>
		new Proxy(file, {
			get(target, name) {
				if (name === 'readRight') return undefined;
				if (name === 'read') return (buffer: Uint8Array, position: number) => read(target, buffer, position);
				const value = Reflect.get(target, name, target) as unknown;
				return typeof value === 'function' ? (value.bind(target) as unknown) : value;
			},
		});
	return (io) => ({ ...io, open: async (path, mode) => wrap(await io.open(path, mode)) });
}

function counting(reads: { bulk: number }): (io: StorageIo) => StorageIo {
	return withRead((file, buffer, position) => {
		if (file.path.includes('bulk-')) reads.bulk++;
		return file.read(buffer, position);
	});
}

/** The first whole segment of the lane `bulk` that anybody reads cannot be read, nor can it later. */
function failingAt(fail: { once: boolean; always: boolean }): (io: StorageIo) => StorageIo {
	let place: string | undefined;
	return withRead((file, buffer, position) => {
		if (!file.path.includes('bulk-') || buffer.length !== SEGMENT_BYTES) return file.read(buffer, position);
		const here = `${file.path} ${position}`;
		place ??= here;
		if (place !== here || !(fail.once || fail.always)) return file.read(buffer, position);
		fail.once = false;
		return Promise.reject(Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' }));
	});
}
