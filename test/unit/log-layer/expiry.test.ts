import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../../../src/io/clock.js';
import { LIMITS } from '../../../src/limits.js';
import { crc32c, fileRoot } from '../../../src/native/addon.js';
import { rootFromBytes, SEGMENT_BYTES } from '../../../src/units.js';
import { storedUpload } from '../../support/placed.js';
import { Prng } from '../../support/prng.js';
import { SimulatedClock } from '../../support/simulated-clock.js';
import { dumpView, put, readBack, type TestStore, useTestStores } from '../../support/test-store.js';

const stores = useTestStores();
const SMALL = new Prng(1).bytes(5000);
const LARGE = new Prng(2).bytes(3 * SEGMENT_BYTES);
const EXPIRY_MS = 3_600_000;

/** Objects, segments, nodes and purges in the view of a closed store. */
async function objectRows(store: TestStore): Promise<number> {
	const keys = [...(await dumpView(store.dataDir)).keys()];
	return keys.filter((key) => ['0x04', '0x05', '0x06', '0x0c'].includes(key.slice(0, 4))).length;
}

/** A store in which the settlement refuses everything, so that content is stored and nothing names it. */
async function withUnnamed(clock: Clock): Promise<TestStore> {
	const store = await stores.open({ clock, uploadExpiryMs: EXPIRY_MS });
	await put(store, Uint8Array.of(1));
	const { submit } = store.settlement;
	store.settlement.submit = () => Promise.reject(new Error('no'));
	for (const content of [SMALL, LARGE]) await assert.rejects(put(store, content), /no/);
	store.settlement.submit = submit;
	await store.log.flush();
	assert.equal(store.waiting.unnamed, 2);
	return store;
}

describe('an upload that is broken off', () => {
	it('leaves no row of its object, at once', async () => {
		const store = await stores.open();
		const upload = store.files.beginUpload({ name: '', contentType: '' });
		await upload.write(LARGE);
		await upload.abort();
		await assert.rejects(put(store, LARGE, { expectedSha256: new Uint8Array(32) }), { code: 'DIGEST_MISMATCH' });
		await store.log.flush();
		assert.equal(store.waiting.unnamed, 0);
		await store.settle();
		await store.close();
		assert.equal(await objectRows(store), 0);
	});

	it('is not given up while its client goes on', async () => {
		const clock = new SimulatedClock();
		const store = await stores.open({ clock, uploadExpiryMs: 0 });
		const upload = store.files.beginUpload({ name: '', contentType: '' });
		await upload.write(LARGE.subarray(0, 2 * SEGMENT_BYTES + 5));
		await store.log.flush();
		for (let i = 0; i < 3; i++) {
			clock.advance(LIMITS.expiryIntervalMs);
			await store.settle();
		}
		await upload.write(LARGE.subarray(2 * SEGMENT_BYTES + 5));
		assert.ok((await readBack(store, storedUpload(await upload.finish()))).equals(LARGE));
		assert.ok(!store.told.includes('expired'));
		await store.close();
	});
});

describe('content that no submission names', () => {
	it('is kept for its time, also over restarts, and then given up', async () => {
		const clock = new SimulatedClock();
		let store = await withUnnamed(clock);
		for (let step = 0; step < 3; step++) {
			clock.advance(EXPIRY_MS / 4);
			await store.settle();
			assert.equal(store.waiting.unnamed, 2);
			await store.close();
			store = await stores.open({ clock, uploadExpiryMs: EXPIRY_MS }, store.dataDir);
		}
		clock.advance(EXPIRY_MS / 4);
		await store.settle();
		assert.equal(store.waiting.unnamed, 0);
		assert.equal(store.told.filter((line) => line === 'expired').length, 2);
		await store.close();
		assert.equal(await objectRows(store), 0);
	});

	it('is named by the same upload in time, without being stored again, and then stays', async () => {
		const clock = new SimulatedClock();
		const store = await withUnnamed(clock);
		for (const content of [SMALL, LARGE]) await put(store, content);
		await store.log.flush();
		assert.equal(store.waiting.unnamed, 0);
		clock.advance(2 * EXPIRY_MS);
		await store.settle();
		for (const content of [SMALL, LARGE]) {
			const file = await store.files.fileByRoot(rootFromBytes(fileRoot(content).root));
			assert.ok(file?.finalized);
			assert.ok((await readBack(store, file)).equals(content));
		}
		await store.close();
	});

	it('is not given up that a submission names by now, though it was due when the sweep began', async () => {
		const clock = new SimulatedClock();
		const store = await withUnnamed(clock);
		const submit = store.settlement.submit.bind(store.settlement);
		let submitted = (): void => undefined;
		const isBinding = new Promise<void>((resolve) => {
			store.settlement.submit = async (...args) => {
				resolve();
				await new Promise<void>((go) => {
					submitted = go;
				});
				return submit(...args);
			};
		});
		const upload = put(store, SMALL);
		await isBinding;
		clock.advance(EXPIRY_MS);
		const sweep = store.settle();
		// Until the sweep has found what is due, and waits for the upload.
		await delay(200);
		submitted();
		const result = await upload;
		await sweep;
		assert.ok((await readBack(store, result)).equals(SMALL));
		await store.close();
	});

	it('is found again when the checkpoint has no list, and when there is no checkpoint', async () => {
		for (const fate of ['no list', 'no checkpoint'] as const) {
			const clock = new SimulatedClock();
			const first = await withUnnamed(clock);
			await first.close();
			const path = join(first.dataDir, 'view.checkpoint');
			if (fate === 'no checkpoint') await rm(path);
			else await dropList(path);
			const store = await stores.open({ clock, uploadExpiryMs: EXPIRY_MS }, first.dataDir);
			await store.settle();
			assert.equal(store.waiting.unnamed, 2, fate);
			clock.advance(EXPIRY_MS);
			await store.settle();
			assert.equal(store.waiting.unnamed, 0, fate);
			await store.close();
			assert.equal(await objectRows(store), 0, fate);
		}
	});
});

/** A checkpoint as versions before the list wrote it. */
async function dropList(path: string): Promise<void> {
	const [line] = (await readFile(path, 'utf8')).split('\n');
	const { pending, ...fields } = JSON.parse(line ?? '') as Record<string, unknown>;
	assert.equal((pending as unknown[]).length, 2);
	const content = Buffer.from(`${JSON.stringify(fields)}\n`);
	await writeFile(path, `${content.toString()}crc32c=${crc32c(content).toString(16).padStart(8, '0')}\n`);
}
