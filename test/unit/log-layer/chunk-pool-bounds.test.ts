/** What uploads by segments may take, and for how long: files under way, whole content that nobody has submitted, files of any size (spec log-layer §6). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LIMITS } from '../../../src/limits.js';
import { SegmentRefusedError, type ProvedSegment } from '../../../src/log-layer/proved-segment.js';
import { hashPair, sectorLeaves, treeRoot } from '../../../src/native/addon.js';
import { hexOf, SEGMENT_BYTES, SEGMENT_SECTORS, type DataRoot } from '../../../src/units.js';
import { PerigeeError } from '../../../src/errors.js';
import { Prng } from '../../support/prng.js';
import { provedSegmentsOf } from '../../support/segments.js';
import { SimulatedClock } from '../../support/simulated-clock.js';
import { put, type TestStore, useTestStores } from '../../support/test-store.js';

// Lower, so that they are reached by a few files.
Object.assign(LIMITS, { partialFiles: 6, cachedFiles: 4 });

const stores = useTestStores();
const SUBMITTED = { isSubmitted: true, skipRepeated: true };
const UNSUBMITTED = { isSubmitted: false, skipRepeated: true };

function send(store: TestStore, segments: readonly ProvedSegment[], options = SUBMITTED): Promise<void> {
	return store.files.segmentUploads.put(segments, options);
}

test('files under way are bounded; one that nobody goes on with makes room after its time, also over a restart', async () => {
	const clock = new SimulatedClock();
	const uploadExpiryMs = 1000;
	let store = await stores.open({ clock, uploadExpiryMs });
	const prng = new Prng(1);
	const files = Array.from({ length: LIMITS.partialFiles + 1 }, () => provedSegmentsOf(prng.bytes(2 * SEGMENT_BYTES)));
	const [late = []] = files.splice(-1);
	for (const segments of files) await send(store, segments.slice(0, 1));
	const isFull = (error: unknown): boolean => error instanceof PerigeeError && error.code === 'TOO_MANY_UPLOADS';
	await assert.rejects(send(store, late.slice(0, 1)), isFull);
	await store.close();

	store = await stores.open({ clock, uploadExpiryMs }, store.dataDir);
	await assert.rejects(send(store, late.slice(0, 1)), isFull);
	clock.advance(uploadExpiryMs - 1);
	const [idle, ...others] = files;
	for (const segments of others) await send(store, segments.slice(0, 1));
	clock.advance(1);
	await send(store, late);
	const progress = (segments: readonly ProvedSegment[] = []): Promise<number> =>
		store.files.segmentUploads.progress(segments[0]?.root as DataRoot, 2 * SEGMENT_BYTES);
	assert.deepEqual([await progress(idle), await progress(others[0])], [0, 1]);
	await store.close();
});

test('whole content that came before its submission counts after a restart too, and is given up in its time', async () => {
	const clock = new SimulatedClock();
	let store = await stores.open({ clock });
	const prng = new Prng(2);
	const underWay = provedSegmentsOf(prng.bytes(SEGMENT_BYTES + 1));
	await send(store, underWay.slice(0, 1), UNSUBMITTED);
	for (let at = 1; at < LIMITS.cachedFiles; at++)
		await send(store, provedSegmentsOf(prng.bytes(SEGMENT_BYTES + 1)), UNSUBMITTED);
	await store.close();
	store = await stores.open({ clock }, store.dataDir);
	const next = provedSegmentsOf(prng.bytes(SEGMENT_BYTES + 1));
	const isFull = (error: unknown): boolean => error instanceof SegmentRefusedError && error.refusal === 'full';
	await assert.rejects(send(store, next, UNSUBMITTED), isFull);
	await send(store, underWay.slice(1), UNSUBMITTED);
	clock.advance(7 * 24 * 3_600_000);
	await store.settle();
	await store.settle();
	assert.equal(store.waiting.unnamed, 0);
	await send(store, next, UNSUBMITTED);
	await store.close();
});

test('of content that was deleted nothing stays under way', async () => {
	const clock = new SimulatedClock();
	const store = await stores.open({ clock });
	const content = new Prng(3).bytes(3 * SEGMENT_BYTES);
	const segments = provedSegmentsOf(content);
	await send(store, segments.slice(0, 1));
	const { root } = await put(store, content);
	await store.files.deleteFile(root);
	await store.settle();
	assert.equal(store.waiting.resumables, 1, 'somebody may be at it');
	clock.advance(LIMITS.cachedSegmentsMs);
	await store.settle();
	assert.equal(store.waiting.resumables, 0);
	await store.close();
});

const HUGE_BYTES = 2 ** 46;
const LEVELS = Math.log2(HUGE_BYTES / SEGMENT_BYTES);

/** The first and the last segment of a file that nobody can have whole. */
function endsOfHugeFile(): readonly [ProvedSegment, ProvedSegment] {
	const prng = new Prng(4);
	const bytes = [prng.bytes(SEGMENT_BYTES), prng.bytes(SEGMENT_BYTES)] as const;
	const siblings = bytes.map(() => Array.from({ length: LEVELS - 1 }, () => prng.bytes(32)));
	const [left = [], right = []] = siblings;
	const leaves = bytes.map((one) => treeRoot(sectorLeaves(one, SEGMENT_SECTORS)));
	const [first, last] = leaves as [Uint8Array, Uint8Array];
	const halves = [
		left.reduce((hash, sibling) => hashPair(hash, sibling), first),
		right.reduce((hash, sibling) => hashPair(sibling, hash), last),
	] as const;
	const rootBytes = hashPair(...halves);
	const segment = (at: 0 | 1): ProvedSegment => ({
		root: hexOf(rootBytes) as DataRoot,
		sizeBytes: HUGE_BYTES,
		index: at === 0 ? 0 : 2 ** LEVELS - 1,
		proof: {
			lemma: [at === 0 ? first : last, ...(at === 0 ? left : right), halves[at === 0 ? 1 : 0], rootBytes],
			path: Array.from({ length: LEVELS }, () => at === 0),
		},
		copyTo: (into) => into.set(bytes[at]),
	});
	return [segment(0), segment(1)];
}

test('what a huge file costs follows from what is here of it: nothing walks through all its segments', async () => {
	const [first, last] = endsOfHugeFile();
	let store = await stores.open();
	await send(store, [last]);
	await send(store, [first]);
	for (const isRestarted of [false, true]) {
		if (isRestarted) {
			await store.close();
			store = await stores.open({}, store.dataDir);
		}
		const { segmentUploads } = store.files;
		assert.equal(await segmentUploads.progress(first.root, HUGE_BYTES), 1);
		const read = await segmentUploads.read(first.root, HUGE_BYTES, HUGE_BYTES - 256, HUGE_BYTES);
		const expected = Buffer.alloc(SEGMENT_BYTES);
		last.copyTo(expected);
		assert.ok(read && Buffer.from(read).equals(expected.subarray(-256)));
	}
	await store.close();
});
