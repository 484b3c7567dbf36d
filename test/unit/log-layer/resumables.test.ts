import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rename } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { LIMITS } from '../../../src/limits.js';
import type { ResumableOptions, ResumableUpload, ResumeOptions } from '../../../src/log-layer/types.js';
import { fileRoot } from '../../../src/native/addon.js';
import { rootFromBytes, SEGMENT_BYTES } from '../../../src/units.js';
import { damageContent, logFiles } from '../../support/damage.js';
import { Prng } from '../../support/prng.js';
import { SimulatedClock } from '../../support/simulated-clock.js';
import { dumpView, put, readBack, type TestStore, useTestStores } from '../../support/test-store.js';

const stores = useTestStores();
const EXPIRY_MS = 3_600_000;
const WHOLE = new Prng(7).bytes(5 * SEGMENT_BYTES + 12_345);

function rootOf(content: Uint8Array): string {
	return rootFromBytes(fileRoot(content).root);
}

function begin(store: TestStore, options: Partial<ResumableOptions> = {}): Promise<ResumableUpload> {
	return store.files.resumables.create({ name: 'n', contentType: 't/x', metadata: 'm', ...options });
}

/** Sends the bytes [from, to) of a content as one request. */
async function send(
	store: TestStore,
	id: string,
	content: Uint8Array,
	from: number,
	to: number,
	options: Partial<ResumeOptions> = {},
): Promise<ResumableUpload> {
	const session = await store.files.resumables.resume(id, { offsetBytes: from, ...options });
	try {
		for (let at = from; at < to; at += 50_000) await session.write(content.slice(at, Math.min(to, at + 50_000)));
	} catch {
		// The end of the request tells why.
	}
	return session.pause();
}

/** The content is a file of the store, once. */
async function assertStored(store: TestStore, upload: ResumableUpload, content: Uint8Array): Promise<void> {
	const { root, txSeq } = upload.stored ?? {};
	assert.equal(root, rootOf(content));
	assert.ok(txSeq !== undefined);
	assert.equal(upload.offsetBytes, content.length);
	assert.ok((await readBack(store, { txSeq })).equals(content));
	assert.equal(store.files.flow().submissions, 1);
	const file = await store.files.fileBySeq(txSeq);
	assert.deepEqual([file?.name, file?.contentType, file?.finalized], ['n', 't/x', true]);
}

/** Closes the store: what its view holds is what a rebuild gives. */
async function assertRebuildable(store: TestStore): Promise<void> {
	await store.settle();
	await store.close();
	const before = await dumpView(store.dataDir);
	const again = await stores.open({ rebuild: true }, store.dataDir);
	await again.settle();
	await again.close();
	assert.deepEqual(await dumpView(store.dataDir), before);
}

describe('a resumable upload', () => {
	const cuts = [
		[1],
		[SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1],
		[SEGMENT_BYTES],
		[2 * SEGMENT_BYTES, 4 * SEGMENT_BYTES, 5 * SEGMENT_BYTES],
		[100, 200, 300, SEGMENT_BYTES + 7, SEGMENT_BYTES + 9, 3 * SEGMENT_BYTES + 1],
		Array.from({ length: 90 }, (_, index) => 3000 * (index + 1)),
	];
	for (const restarts of [false, true]) {
		for (const [index, at] of cuts.entries()) {
			const how = restarts ? 'with a restart between two' : 'without a restart';
			it(`in requests that end anywhere (${index}), ${how}, becomes the file`, async () => {
				let store = await stores.open();
				let upload = await begin(store, { sizeBytes: WHOLE.length });
				let from = 0;
				for (const to of [...at, WHOLE.length]) {
					upload = await send(store, upload.id, WHOLE, from, to);
					assert.equal(upload.offsetBytes, to);
					from = to;
					if (!restarts || (index === 5 && to % 7 !== 0)) continue;
					await store.close();
					store = await stores.open({}, store.dataDir);
					assert.equal((await store.files.resumables.find(upload.id)).offsetBytes, to);
				}
				await assertStored(store, await store.files.resumables.find(upload.id), WHOLE);
				await store.settle();
				assert.equal(stores.ring.freeSlots, stores.ring.slotCount);
				assert.equal(store.files.uploadsInProgress, 0);
				await assertRebuildable(store);
			});
		}
	}

	for (const sizeBytes of [1, 4096, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 2 * SEGMENT_BYTES]) {
		it(`of ${sizeBytes} bytes whose size is said with the last request`, async () => {
			const store = await stores.open();
			const content = WHOLE.subarray(0, sizeBytes);
			const { id, sizeBytes: said } = await begin(store);
			assert.equal(said, undefined);
			const half = Math.floor(sizeBytes / 2);
			assert.equal((await send(store, id, content, 0, half)).stored, undefined);
			await assertStored(store, await send(store, id, content, half, sizeBytes, { sizeBytes }), content);
			await assertRebuildable(store);
		});
	}

	it('of content that is here already makes no second submission', async () => {
		const store = await stores.open();
		const { txSeq } = await put(store, WHOLE);
		const upload = await begin(store, { sizeBytes: WHOLE.length });
		const after = await send(store, upload.id, WHOLE, 0, WHOLE.length);
		assert.deepEqual(after.stored, { root: rootOf(WHOLE), txSeq });
		assert.equal(store.files.flow().submissions, 1);
		await store.close();
		const again = await stores.open({}, store.dataDir);
		assert.deepEqual((await again.files.resumables.find(upload.id)).stored, after.stored);
		await again.close();
	});

	it('is a file also when the answer to its last request was lost', async () => {
		let store = await stores.open();
		const upload = await begin(store, { sizeBytes: WHOLE.length });
		const { submit } = store.settlement;
		store.settlement.submit = () => Promise.reject(new Error('no'));
		await assert.rejects(send(store, upload.id, WHOLE, 0, WHOLE.length), /no/);
		store.settlement.submit = submit;
		await store.close();
		store = await stores.open({}, store.dataDir);
		await assertStored(store, await store.files.resumables.find(upload.id), WHOLE);
		await assertRebuildable(store);
	});

	it('whose object was never closed before a stop is a file with the next look', async () => {
		let store = await stores.open();
		const { write } = store.log;
		const upload = await begin(store, { sizeBytes: WHOLE.length });
		// Only the record that closes the object is refused.
		store.log.write = (lane, records, urgent) => {
			if (records.some(({ type }) => type === 0x22)) throw new Error('no room');
			return write.call(store.log, lane, records, urgent);
		};
		await assert.rejects(send(store, upload.id, WHOLE, 0, WHOLE.length), /no room/);
		store.log.write = write;
		await store.log.flush();
		await store.close();
		store = await stores.open({}, store.dataDir);
		await assertStored(store, await store.files.resumables.find(upload.id), WHOLE);
		await store.close();
	});
});

describe('what came in a request that counts only at its end', () => {
	for (const from of [0, 1000, SEGMENT_BYTES, 2 * SEGMENT_BYTES + 5]) {
		it(`is forgotten when it is wrong, from byte ${from} on, also over a restart`, async () => {
			let store = await stores.open();
			const upload = await begin(store, { sizeBytes: WHOLE.length });
			if (from > 0) await send(store, upload.id, WHOLE, 0, from);
			const wrong = new Prng(9).bytes(WHOLE.length);
			for (const restart of [false, true]) {
				const before = store.log.nextLsn;
				const options = { offsetBytes: from, isChecked: true };
				const session = await store.files.resumables.resume(upload.id, options);
				for (let at = from; at < wrong.length; at += SEGMENT_BYTES)
					await session.write(wrong.slice(at, at + SEGMENT_BYTES));
				// Segments of it are in the log by then.
				while (store.log.nextLsn < before + 2n) await delay(1);
				await session.discard();
				if (restart) {
					await store.log.flush();
					await store.close();
					store = await stores.open({}, store.dataDir);
				}
				assert.equal((await store.files.resumables.find(upload.id)).offsetBytes, from);
			}
			const half = from + 100_000;
			await send(store, upload.id, WHOLE, from, half, { isChecked: true });
			await store.close();
			store = await stores.open({}, store.dataDir);
			assert.equal((await store.files.resumables.find(upload.id)).offsetBytes, half);
			await assertStored(store, await send(store, upload.id, WHOLE, half, WHOLE.length), WHOLE);
			await assertRebuildable(store);
		});
	}
});

describe('resumable uploads', () => {
	it('are found by their whole id alone, and refuse what does not fit', async () => {
		const store = await stores.open({ maxFileBytes: 10_000_000 });
		const { resumables } = store.files;
		const { id } = await begin(store, { sizeBytes: 1000 });
		const wrong = [`${id.slice(0, -2)}AA`, `BBBB${id.slice(4)}`, id.slice(1), `${id}A`, '', '../..', 'A'.repeat(32)];
		for (const other of wrong) await assert.rejects(resumables.find(other), { code: 'UPLOAD_NOT_FOUND' });
		await assert.rejects(resumables.resume(id, { offsetBytes: 1 }), { code: 'UPLOAD_CONFLICT' });
		await assert.rejects(resumables.resume(id, { offsetBytes: 0, sizeBytes: 999 }), { code: 'UPLOAD_CONFLICT' });
		await assert.rejects(begin(store, { sizeBytes: 10_000_001 }), { code: 'BODY_TOO_LARGE' });
		await assert.rejects(send(store, id, WHOLE, 0, 1001), { code: 'UPLOAD_OVERRUN' });
		assert.equal((await resumables.find(id)).offsetBytes, 0);
		await resumables.remove(id);
		await assert.rejects(resumables.find(id), { code: 'UPLOAD_NOT_FOUND' });
		await assert.rejects(resumables.remove(id), { code: 'UPLOAD_NOT_FOUND' });
		await store.settle();
		await store.close();
	});

	it('are ended by content with another root than was said', async () => {
		const store = await stores.open();
		const expectedRoot = rootFromBytes(new Uint8Array(32).fill(5));
		for (const content of [WHOLE, WHOLE.subarray(0, 500)]) {
			const { id } = await begin(store, { sizeBytes: content.length, expectedRoot });
			await assert.rejects(send(store, id, content, 0, content.length), { code: 'ROOT_MISMATCH' });
			await assert.rejects(store.files.resumables.find(id), { code: 'UPLOAD_NOT_FOUND' });
		}
		assert.equal(store.files.flow().submissions, 0);
		await store.close();
	});

	it('are taken over by the newest request, which goes on behind what the one before has brought', async () => {
		const store = await stores.open();
		const { resumables } = store.files;
		const { id } = await begin(store, { sizeBytes: WHOLE.length });
		const first = await resumables.resume(id, { offsetBytes: 0 });
		await first.write(WHOLE.slice(0, 300_000));
		const looking = resumables.find(id);
		assert.equal((first.interrupted.reason as { code: string }).code, 'UPLOAD_TAKEN_OVER');
		assert.equal((await first.pause()).offsetBytes, 300_000);
		assert.equal((await looking).offsetBytes, 300_000);
		await assertStored(store, await send(store, id, WHOLE, 300_000, WHOLE.length), WHOLE);
		await store.close();
	});

	it('keep what came when the node stops in the middle', async () => {
		let store = await stores.open();
		const { id } = await begin(store, { sizeBytes: WHOLE.length });
		const session = await store.files.resumables.resume(id, { offsetBytes: 0 });
		await session.write(WHOLE.slice(0, 700_000));
		const closing = store.close();
		await once(session.interrupted, 'abort');
		assert.equal((session.interrupted.reason as { code: string }).code, 'SHUTTING_DOWN');
		await session.pause();
		await closing;
		store = await stores.open({}, store.dataDir);
		assert.equal((await store.files.resumables.find(id)).offsetBytes, 700_000);
		await store.close();
	});

	it('live on for their time, which each request prolongs, and leave nothing behind', async () => {
		const clock = new SimulatedClock();
		let store = await stores.open({ clock, uploadExpiryMs: 0, resumableExpiryMs: EXPIRY_MS });
		const kept = await begin(store, { sizeBytes: WHOLE.length });
		const left = await begin(store, { sizeBytes: WHOLE.length });
		const done = await begin(store, { sizeBytes: 100 });
		await send(store, left.id, WHOLE, 0, 400_000);
		await send(store, done.id, WHOLE, 0, 100);
		for (let step = 0; step < 4; step++) {
			clock.advance(EXPIRY_MS / 4);
			await send(store, kept.id, WHOLE, step * 300_000, (step + 1) * 300_000);
			await store.settle();
			await store.close();
			store = await stores.open({ clock, uploadExpiryMs: 0, resumableExpiryMs: EXPIRY_MS }, store.dataDir);
		}
		for (const { id } of [left, done])
			await assert.rejects(store.files.resumables.find(id), { code: 'UPLOAD_NOT_FOUND' });
		assert.equal((await store.files.resumables.find(kept.id)).offsetBytes, 1_200_000);
		clock.advance(EXPIRY_MS + LIMITS.resumableForgetMs);
		await store.settle();
		await assert.rejects(store.files.resumables.find(kept.id), { code: 'UPLOAD_NOT_FOUND' });
		assert.equal(store.waiting.unnamed, 0);
		await store.settle();
		await store.close();
		const tables = [...(await dumpView(store.dataDir)).keys()].map((key) => key.slice(0, 4));
		for (const table of ['0x04', '0x05', '0x0c', '0x0d', '0x0e']) assert.ok(!tables.includes(table), table);
	});

	it('survive compaction of all files that they lie in', async () => {
		let store = await stores.open({ rollBytes: 600_000 });
		const { id } = await begin(store, { sizeBytes: WHOLE.length });
		const dead: string[] = [];
		let from = 0;
		for (const to of [10_000, 20_000, 400_000, 410_000, 900_000, 1_000_000]) {
			await send(store, id, WHOLE, from, to);
			from = to;
			const { root } = await put(store, new Prng(to).bytes(500_000));
			await store.files.deleteFile(root);
			dead.push(root);
		}
		await store.settle();
		await store.compaction.start({ everything: true });
		await store.compaction.settled();
		assert.ok(store.told.includes('removed bulk'));
		assert.equal((await store.files.resumables.find(id)).offsetBytes, from);
		await assertRebuildable(store);
		store = await stores.open({ rollBytes: 600_000 }, store.dataDir);
		const upload = await send(store, id, WHOLE, from, WHOLE.length);
		const { root, txSeq } = upload.stored ?? {};
		assert.equal(root, rootOf(WHOLE));
		assert.ok(txSeq !== undefined && (await readBack(store, { txSeq })).equals(WHOLE));
		await store.close();
	});

	const places = [
		{ where: 'staged bytes', end: 3 * SEGMENT_BYTES + 5000, at: 3 * SEGMENT_BYTES + 4000, stands: 3 * SEGMENT_BYTES },
		{
			where: 'the segment that came last',
			end: 3 * SEGMENT_BYTES,
			at: 3 * SEGMENT_BYTES - 100,
			stands: 2 * SEGMENT_BYTES,
		},
	];
	for (const { where, end, at, stands } of places) {
		it(`go on in front of ${where} when that was damaged`, async () => {
			let store = await stores.open();
			const { id } = await begin(store, { sizeBytes: WHOLE.length });
			await send(store, id, WHOLE, 0, end);
			await damageContent(store.dataDir, 'bulk', WHOLE, at);
			assert.equal((await store.files.resumables.find(id)).offsetBytes, stands);
			await store.close();
			store = await stores.open({}, store.dataDir);
			assert.equal((await store.files.resumables.find(id)).offsetBytes, stands);
			await assertStored(store, await send(store, id, WHOLE, stands, WHOLE.length), WHOLE);
			await store.close();
		});
	}

	it('go on in front of a log file that is missing, and are whole once more when it is back', async () => {
		const options = { rollBytes: 600_000 };
		let store = await stores.open(options);
		const { id } = await begin(store, { sizeBytes: WHOLE.length });
		await send(store, id, WHOLE, 0, SEGMENT_BYTES + 10);
		await send(store, id, WHOLE, SEGMENT_BYTES + 10, 4 * SEGMENT_BYTES + 10);
		const files = await logFiles(store.dataDir, 'bulk');
		await store.close();
		const lost = files[1] as string;
		await rename(lost, `${lost}.away`);
		store = await stores.open(options, store.dataDir);
		const { offsetBytes } = await store.files.resumables.find(id);
		assert.ok(offsetBytes > 0 && offsetBytes < 4 * SEGMENT_BYTES, String(offsetBytes));
		await store.close();
		await rename(`${lost}.away`, lost);
		store = await stores.open(options, store.dataDir);
		assert.equal((await store.files.resumables.find(id)).offsetBytes, 4 * SEGMENT_BYTES + 10);
		await assertStored(store, await send(store, id, WHOLE, 4 * SEGMENT_BYTES + 10, WHOLE.length), WHOLE);
		await store.close();
	});

	it('are bounded in number', async (test) => {
		const store = await stores.open();
		const { resumableUploads } = LIMITS;
		test.after(() => Object.assign(LIMITS, { resumableUploads }));
		Object.assign(LIMITS, { resumableUploads: 3 });
		for (let count = 0; count < 3; count++) await begin(store);
		await assert.rejects(begin(store), { code: 'TOO_MANY_UPLOADS' });
		await store.close();
	});
});
