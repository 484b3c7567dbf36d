/** Several calls may find at the same time that a file has come whole: it is closed once, stays, and nobody waits for ever. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { LIMITS } from '../../../src/limits.js';
import type { PerigeeError } from '../../../src/errors.js';
import type { StorageIo } from '../../../src/io/storage-io.js';
import { HeldContent } from '../../../src/log-layer/held-content.js';
import { ObjectReader } from '../../../src/log-layer/object-reader.js';
import { fileRoot } from '../../../src/native/addon.js';
import { SEGMENT_BYTES, SEGMENT_SECTORS, type DataRoot, type TxSeq } from '../../../src/units.js';
import { Prng } from '../../support/prng.js';
import { provedSegmentsOf } from '../../support/segments.js';
import { SimulatedClock } from '../../support/simulated-clock.js';
import { readBack, useTestStores, type TestStore } from '../../support/test-store.js';

// Larger than what is read again when content comes a second time.
Object.assign(LIMITS, { intactReadBytes: 2 * SEGMENT_BYTES });

const stores = useTestStores();
const prng = new Prng(0xc105);
const SUBMITTED = { isSubmitted: true, skipRepeated: true };
const FILES = 24;

// Rows come after a while, as they do from a busy disk.
const { rootRow } = HeldContent.prototype;
beforeEach(() => {
	HeldContent.prototype.rootRow = async function (root) {
		const row = await rootRow.call(this, root);
		await delay(prng.next() % 6);
		return row;
	};
});
afterEach(() => {
	HeldContent.prototype.rootRow = rootRow;
});

async function submit(store: TestStore, content: Uint8Array): Promise<void> {
	const { nodes } = fileRoot(content);
	const lengthBytes = BigInt(content.length);
	const submission = { lengthBytes, tags: new Uint8Array(0), nodes, submitter: new Uint8Array(20).fill(7) };
	await store.settlement.submit(submission, { name: '', contentType: '' });
}

/** Sends all of the file but one segment, then that one and the others again at the same time, while the node tidies up. */
async function sendAtOnce(store: TestStore, content: Uint8Array): Promise<void> {
	const segments = provedSegmentsOf(content);
	const { segmentUploads } = store.files;
	await segmentUploads.put(segments.slice(1), SUBMITTED);
	const calls = [segments.slice(0, 1), ...segments.map((segment) => [segment])];
	await Promise.all([...calls.map((call) => segmentUploads.put(call, SUBMITTED)), store.settle()]);
}

test('a file that several calls complete at once is there whole, now and after a restart', async () => {
	let store = await stores.open();
	const contents = new Map<DataRoot, Uint8Array>();
	for (let at = 0; at < FILES; at++) {
		const content = prng.bytes(3 * SEGMENT_BYTES + 5 + at);
		contents.set(provedSegmentsOf(content)[0]?.root as DataRoot, content);
		await submit(store, content);
	}
	await Promise.all([...contents.values()].map((content) => sendAtOnce(store, content)));
	for (const rebuild of [undefined, false, true]) {
		if (rebuild !== undefined) store = await stores.open({ rebuild }, store.dataDir);
		await store.settle();
		for (const [root, content] of contents) {
			const file = await store.files.fileByRoot(root);
			assert.equal(file?.isShardHeld, true);
			assert.ok(Buffer.from(await readBack(store, file)).equals(content));
		}
		await store.close();
	}
});

/** Numbers of its segments that the shard owns by a submission. */
async function ownSegments(store: TestStore, txSeq: number): Promise<readonly number[]> {
	const file = await store.files.fileBySeq(txSeq as TxSeq);
	assert.ok(file);
	const { id, count } = store.files.shard;
	const first = Number(file.startSector) / SEGMENT_SECTORS;
	return Array.from({ length: file.segments }, (_, at) => at).filter((at) => (Math.floor(first) + at) % count === id);
}

test('whoever waits for a file to be closed holds no slots, which closing may need', async (t) => {
	const { small } = ObjectReader.prototype;
	ObjectReader.prototype.small = async function (...what) {
		await delay(5);
		return small.apply(this, what);
	};
	t.after(() => void (ObjectReader.prototype.small = small));
	const store = await stores.open({ shard: { id: 2, count: 4 } });
	for (let round = 0; round < 8; round++) {
		const content = prng.bytes(3 * SEGMENT_BYTES);
		const segments = provedSegmentsOf(content);
		const { submissions: first } = store.settlement.flow();
		await submit(store, content);
		await submit(store, prng.bytes(2 * SEGMENT_BYTES));
		await submit(store, content);
		const own = await Promise.all([first, first + 2].map((txSeq) => ownSegments(store, txSeq)));
		const parts = own.map((part) => segments.filter(({ index }) => part.includes(index)));
		const [earlier = [], later = []] = parts;
		await store.files.segmentUploads.put(earlier, SUBMITTED);
		const sending = [store.files.segmentUploads.put(later, SUBMITTED)];
		for (let at = 0; at < 40; at++) {
			await delay(prng.next() % 2);
			const [repeated] = at % 2 === 0 ? earlier : later;
			if (repeated)
				sending.push(
					store.files.segmentUploads.put(
						Array.from({ length: 16 }, () => repeated),
						SUBMITTED,
					),
				);
		}
		await Promise.all(sending);
		for (const txSeq of [first, first + 2])
			assert.equal((await store.files.fileBySeq(txSeq as TxSeq))?.isShardHeld, true);
	}
	await store.close();
});

test('of content that a shard has of a shorter file, the zeros of a longer one are still to come', async () => {
	const store = await stores.open({ shard: { id: 1, count: 2 } });
	const short = prng.bytes(17 * SEGMENT_BYTES - 10);
	const long = new Uint8Array(18 * SEGMENT_BYTES);
	long.set(short);
	await submit(store, short);
	await submit(store, long);
	await store.files.segmentUploads.put(provedSegmentsOf(short), SUBMITTED);
	const file = (txSeq: number) => store.files.fileBySeq(txSeq as TxSeq);
	assert.deepEqual([(await file(0))?.isShardHeld, (await file(0))?.heldSegments], [true, 8]);
	assert.deepEqual([(await file(1))?.isShardHeld, (await file(1))?.heldSegments], [false, 8]);
	await store.files.segmentUploads.put(provedSegmentsOf(long), SUBMITTED);
	const whole = await file(1);
	assert.ok(whole?.isShardHeld);
	const { data } = await store.files.segmentProof(whole, 17);
	assert.ok(data.every((byte) => byte === 0));
	await store.close();
});

test('content that came by segments and another way at once stays with the other way', async () => {
	for (const sizeBytes of [300, 3 * SEGMENT_BYTES])
		for (let round = 0; round < 12; round++) {
			const clock = new SimulatedClock();
			const store = await stores.open({ clock });
			// As on a chain where whoever uploads pays.
			const awaited = { state: () => ({}), arrived: new Promise(() => undefined) };
			Object.assign(store.settlement, { submit: () => Promise.resolve(awaited), awaits: () => true });
			const content = prng.bytes(sizeBytes);
			const segments = provedSegmentsOf(content);
			const unsubmitted = { isSubmitted: false, skipRepeated: true };
			await store.files.segmentUploads.put(segments.slice(0, -1), unsubmitted);
			const session = store.files.beginUpload({ name: 'a', contentType: '' });
			await session.write(Buffer.from(content));
			const putting = store.files.segmentUploads.put(segments.slice(-1), unsubmitted);
			await delay(round);
			const { root } = await session.finish();
			await putting;
			clock.advance(LIMITS.cachedSegmentsMs + 1000);
			await store.settle();
			assert.ok(await store.files.held.small(root, 0, 10));
			await store.close();
		}
});

test('a refused segment behind the last missing one does not keep the file from being whole', async () => {
	const store = await stores.open();
	const content = prng.bytes(3 * SEGMENT_BYTES);
	const segments = provedSegmentsOf(content);
	const { segmentUploads } = store.files;
	await submit(store, content);
	await segmentUploads.put(segments.slice(0, 2), { isSubmitted: true, skipRepeated: false });
	const again = segmentUploads.put([...segments.slice(2), ...segments], { isSubmitted: true, skipRepeated: false });
	await assert.rejects(again, { refusal: 'repeated' });
	assert.equal((await store.files.fileBySeq(0 as TxSeq))?.finalized, true);
	await store.close();
});

/** A disk that is full for one write: the one behind `left` others. */
function fullOnce(): { left: number; readonly wrapIo: (io: StorageIo) => StorageIo } {
	const disk = {
		left: Infinity,
		wrapIo: (io: StorageIo): StorageIo => ({
			...io,
			async open(...args) {
				const file = await io.open(...args);
				const { writev } = file;
				return Object.assign(file, {
					writev(...what: Parameters<typeof writev>): Promise<number> {
						if (disk.left-- === 0) return Promise.reject(Object.assign(new Error('no space'), { code: 'ENOSPC' }));
						return writev.apply(file, what);
					},
				});
			},
		}),
	};
	return disk;
}

for (const count of [1, 2])
	for (let left = 0; left < 6; left++)
		test(`a disk that is full for write ${left} of a last segment loses nothing, shards: ${count}`, async () => {
			const disk = fullOnce();
			let store = await stores.open({ shard: { id: 0, count }, wrapIo: disk.wrapIo });
			const content = prng.bytes(4 * SEGMENT_BYTES + 5);
			const segments = provedSegmentsOf(content);
			await submit(store, content);
			const send = (from: number, to?: number): Promise<string> =>
				store.files.segmentUploads
					.put(segments.slice(from, to), SUBMITTED)
					.then(() => 'ok')
					.catch((error: unknown) => (error as PerigeeError).code);
			await send(0, 4);
			disk.left = left;
			await send(4);
			disk.left = Infinity;
			const assertWhole = async (): Promise<void> => {
				const file = await store.files.fileBySeq(0 as TxSeq);
				assert.equal(file?.isShardHeld, true);
				for (let at = 0; at < segments.length; at += count)
					assert.ok(await store.files.readSmall(file, at * SEGMENT_BYTES, at * SEGMENT_BYTES + 5));
			};
			await store.settle();
			if (!(await store.files.fileBySeq(0 as TxSeq))?.isShardHeld) assert.equal(await send(0), 'ok');
			await assertWhole();
			await store.settle();
			await assertWhole();
			await store.close();
			store = await stores.open({ shard: { id: 0, count } }, store.dataDir);
			await assertWhole();
			await store.close();
		});
