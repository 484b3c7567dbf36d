/** What waits for submissions is bounded, and a refusal lasts no longer than its reason (spec log-layer §6). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LIMITS } from '../../../src/limits.js';
import { SegmentRefusedError, type ProvedSegment, type SegmentRefusal } from '../../../src/log-layer/proved-segment.js';
import { SEGMENT_BYTES } from '../../../src/units.js';
import { Prng } from '../../support/prng.js';
import { provedSegmentsOf } from '../../support/segments.js';
import { SimulatedClock } from '../../support/simulated-clock.js';
import { type TestStore, useTestStores } from '../../support/test-store.js';

const stores = useTestStores();
const UNSUBMITTED = { isSubmitted: false, skipRepeated: false };

async function put(store: TestStore, segments: readonly ProvedSegment[]): Promise<SegmentRefusal | undefined> {
	try {
		await store.files.segmentUploads.put(segments, UNSUBMITTED);
		return undefined;
	} catch (error) {
		assert.ok(error instanceof SegmentRefusedError, String(error));
		return error.refusal;
	}
}

test('too many files without a submission are refused, and taken once others were given up', async () => {
	const clock = new SimulatedClock();
	const store = await stores.open({ clock });
	const prng = new Prng(9);
	const contents = Array.from({ length: LIMITS.cachedFiles }, () => prng.bytes(256));
	const answers = await Promise.all(contents.map((content) => put(store, provedSegmentsOf(content))));
	assert.ok(answers.every((answer) => answer === undefined));
	const large = prng.bytes(2 * SEGMENT_BYTES);
	const segments = provedSegmentsOf(large);
	const [first] = segments;
	assert.ok(first);
	for (const content of [large, prng.bytes(300)])
		assert.equal(await put(store, provedSegmentsOf(content).slice(0, 1)), 'full');
	assert.equal(await store.files.segmentUploads.progress(first.root, large.length), 0);

	clock.advance(LIMITS.cachedSegmentsMs);
	await store.settle();
	assert.equal(store.waiting.unnamed, 0);
	assert.equal(await put(store, [first]), undefined);
	assert.equal(await store.files.segmentUploads.progress(first.root, large.length), 1);
	await store.close();
});

test('each segment of a list is looked at, also where the file has no more than one', async () => {
	const store = await stores.open();
	const [right] = provedSegmentsOf(Buffer.from('a small file'));
	assert.ok(right);
	const wrong = { ...right, copyTo: (into: Uint8Array) => into.fill(1) };
	assert.equal(await put(store, [right, wrong]), 'leaf');
	await store.close();
});
