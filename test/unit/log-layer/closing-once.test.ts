/** Several calls may find at the same time that a file has come whole: it is closed once, and stays. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { LIMITS } from '../../../src/limits.js';
import { HeldContent } from '../../../src/log-layer/held-content.js';
import { fileRoot } from '../../../src/native/addon.js';
import { SEGMENT_BYTES, type DataRoot } from '../../../src/units.js';
import { Prng } from '../../support/prng.js';
import { provedSegmentsOf } from '../../support/segments.js';
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
