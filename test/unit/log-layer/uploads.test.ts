import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import type { StorageIo } from '../../../src/io/storage-io.js';
import { LIMITS } from '../../../src/limits.js';
import { decodeRootRow, rowKeys } from '../../../src/log-layer/rows.js';
import { fileRoot } from '../../../src/native/addon.js';
import { type DataRoot, rootFromBytes, type TxSeq } from '../../../src/units.js';
import { storedUpload } from '../../support/placed.js';
import { Prng } from '../../support/prng.js';
import { SimulatedClock } from '../../support/simulated-clock.js';
import { put, readBack, type TestStore, useTestStores } from '../../support/test-store.js';

const stores = useTestStores();
const SMALL = new Prng(1).bytes(5000);
const LARGE = new Prng(2).bytes(900_000);
const rootOf = (content: Uint8Array): DataRoot => rootFromBytes(fileRoot(content).root);

async function assertNothingVisible(store: TestStore, content: Uint8Array): Promise<void> {
	assert.equal(await store.files.fileByRoot(rootOf(content)), undefined);
	assert.equal(await store.files.fileBySeq(0 as TxSeq), undefined);
	assert.equal(store.files.flow().submissions, 0);
	assert.equal(store.files.uploadsInProgress, 0);
	assert.equal(stores.ring.freeSlots, stores.ring.slotCount);
}

describe('contents with one root and different lengths', () => {
	const pairs = [
		{ of: 'a byte and its zeros', short: Uint8Array.of(97), long: Uint8Array.of(97, 0) },
		{ of: 'a file and a segment of padding', short: new Prng(3).bytes(4_194_305), long: new Uint8Array(4_718_592) },
	];
	for (const { of, short, long } of pairs) {
		if (long.length > short.length && of !== 'a byte and its zeros') long.set(short);
		for (const order of ['shorter', 'longer'] as const) {
			it(`${of}, the ${order} first: a submission each, the right bytes, and proofs of all segments`, async () => {
				const store = await stores.open();
				const contents = order === 'shorter' ? [short, long] : [long, short];
				assert.equal(rootOf(short), rootOf(long));
				for (const [seq, content] of contents.entries()) {
					const result = await put(store, content);
					assert.deepEqual([result.txSeq, result.existed, result.sizeBytes], [seq, false, content.length]);
				}
				for (const [seq, content] of contents.entries()) {
					const result = await put(store, content);
					assert.deepEqual([result.txSeq, result.existed], [seq, true]);
					const file = await store.files.fileBySeq(result.txSeq);
					assert.ok(file);
					assert.deepEqual([file.sizeBytes, file.finalized], [content.length, true]);
					assert.ok((await readBack(store, result)).equals(content));
					const tail = await store.files.readSmall(file, Math.max(0, content.length - 3), content.length);
					assert.ok(Buffer.from(tail).equals(content.subarray(-3)));
					const { data, proof } = await store.files.segmentProof(file, file.segments - 1);
					assert.equal(data.length % 256, 0);
					assert.equal(rootFromBytes(proof.lemma.at(-1) as Uint8Array), result.root);
				}
				assert.equal((await store.files.fileByRoot(rootOf(short)))?.txSeq, 0);
				assert.equal(store.files.flow().submissions, 2);
				await store.close();
			});
		}
	}
});

describe('names', () => {
	it('a root answers with the newest name, a submission with its maker, also after a restart', async () => {
		let store = await stores.open();
		for (const content of [SMALL, LARGE]) {
			const { root, txSeq } = await put(store, content, { name: 'first', contentType: 'text/plain' });
			assert.equal((await store.files.fileByRoot(root))?.name, 'first');
			for (const name of ['second', 'third']) {
				const again = await put(store, content, { name, contentType: `text/${name}` });
				assert.deepEqual([again.txSeq, again.existed, again.name], [txSeq, true, name]);
			}
			for (let open = 0; open < 2; open++) {
				const newest = await store.files.fileByRoot(root);
				assert.deepEqual([newest?.name, newest?.contentType], ['third', 'text/third']);
				const made = await store.files.fileBySeq(txSeq);
				assert.deepEqual([made?.name, made?.contentType], ['first', 'text/plain']);
				await store.close();
				store = await stores.open({}, store.dataDir);
			}
		}
		await store.close();
	});
});

describe('equal uploads at once', () => {
	for (const content of [SMALL, LARGE]) {
		it(`make one submission, and one of them is the first (${content.length} bytes)`, async () => {
			const store = await stores.open();
			const results = await Promise.all(
				Array.from({ length: 12 }, (_, index) => put(store, content, { name: `n${index}` }, 100_000)),
			);
			assert.equal(results.filter(({ existed }) => !existed).length, 1);
			assert.deepEqual(new Set(results.map(({ txSeq }) => txSeq)), new Set([0]));
			assert.equal(store.files.flow().submissions, 1);
			const made = await store.files.fileBySeq(0 as TxSeq);
			assert.equal(made?.name, results.find(({ existed }) => !existed)?.name);
			assert.ok((await readBack(store, { txSeq: 0 as TxSeq })).equals(content));
			await store.close();
		});
	}

	it('different ones at once all get their own submission and their own bytes', async () => {
		const store = await stores.open();
		const contents = Array.from({ length: 40 }, (_, index) => new Prng(index).bytes(1 + index * 9000));
		const results = await Promise.all(contents.map((content) => put(store, content, {}, 30_000)));
		assert.equal(new Set(results.map(({ txSeq }) => txSeq)).size, contents.length);
		for (const [index, content] of contents.entries()) {
			assert.ok((await readBack(store, results[index] as { txSeq: TxSeq })).equals(content));
		}
		await store.close();
	});
});

describe('nothing is visible', () => {
	for (const content of [SMALL, LARGE]) {
		const size = `${content.length} bytes`;

		it(`of an upload that was broken off (${size})`, async () => {
			const store = await stores.open();
			const upload = store.files.beginUpload({ name: '', contentType: '' });
			await upload.write(content);
			await upload.abort();
			await upload.abort();
			await assertNothingVisible(store, content);
			await assert.rejects(upload.finish());
			await store.close();
			const again = await stores.open({}, store.dataDir);
			await assertNothingVisible(again, content);
			assert.equal((await put(again, content)).existed, false);
			await again.close();
		});

		it(`of an upload with another digest or root than announced (${size})`, async () => {
			const store = await stores.open();
			const expectedSha256 = createHash('sha256').update(content).digest();
			const wrong = { expectedSha256: Buffer.from(expectedSha256).fill(0, 31) };
			await assert.rejects(put(store, content, wrong), { code: 'DIGEST_MISMATCH' });
			await assertNothingVisible(store, content);
			const expectedRoot = rootOf(Uint8Array.of(1));
			await assert.rejects(put(store, content, { expectedRoot }), { code: 'ROOT_MISMATCH' });
			await assertNothingVisible(store, content);
			const result = await put(store, content, { expectedSha256, expectedRoot: rootOf(content) });
			assert.equal(result.existed, false);
			await store.close();
		});

		it(`of an upload that grows beyond the limit (${size})`, async () => {
			const store = await stores.open({ maxFileBytes: content.length - 1 });
			const announced = { name: '', contentType: '', announcedBytes: content.length };
			assert.throws(() => store.files.beginUpload(announced), { code: 'BODY_TOO_LARGE' });
			const upload = store.files.beginUpload({ name: '', contentType: '' });
			await upload.write(content.subarray(0, 4000));
			await assert.rejects(Promise.resolve(upload.write(content.subarray(4000))), { code: 'BODY_TOO_LARGE' });
			await assert.rejects(upload.finish(), { code: 'BODY_TOO_LARGE' });
			await assertNothingVisible(store, content);
			await store.close();
		});
	}

	it('of uploads in progress when the store closes', async () => {
		const store = await stores.open();
		const upload = store.files.beginUpload({ name: '', contentType: '' });
		await upload.write(LARGE);
		await store.close();
		await assert.rejects(upload.finish());
		assert.throws(() => store.files.beginUpload({ name: '', contentType: '' }), { code: 'SHUTTING_DOWN' });
		const again = await stores.open({}, store.dataDir);
		await assertNothingVisible(again, LARGE);
		await again.close();
	});
});

describe('limits', () => {
	it('more uploads at once than allowed get TOO_MANY_UPLOADS until one has ended', async () => {
		const store = await stores.open({ maxUploads: 2 });
		const begin = (): ReturnType<TestStore['files']['beginUpload']> =>
			store.files.beginUpload({ name: '', contentType: '' });
		const first = begin();
		begin();
		assert.throws(begin, { code: 'TOO_MANY_UPLOADS' });
		await first.abort();
		const third = begin();
		await third.write(SMALL);
		await third.finish();
		begin();
		assert.throws(begin, { code: 'TOO_MANY_UPLOADS' });
		await store.close();
	});

	it('far too many small uploads at once are stored or get OVERLOADED, and can be sent again', async () => {
		const store = await stores.open({ maxUploads: 10_000 });
		const contents = Array.from({ length: 6000 }, (_, index) => Buffer.from(`file ${index}`));
		const answers = await Promise.allSettled(contents.map((content) => put(store, content)));
		let stored = 0;
		for (const [index, answer] of answers.entries()) {
			if (answer.status === 'rejected') assert.equal((answer.reason as { code?: string }).code, 'OVERLOADED');
			else {
				stored++;
				const { txSeq } = answer.value;
				if (index % 50 === 0) assert.equal(String(await readBack(store, { txSeq })), `file ${index}`);
			}
		}
		assert.ok(stored > 0);
		assert.equal(store.files.flow().submissions, stored);
		assert.equal(store.files.uploadsInProgress, 0);
		const refused = answers.findIndex((answer) => answer.status === 'rejected');
		if (refused >= 0) assert.equal((await put(store, contents[refused] as Buffer)).existed, false);
		await store.close();
	});

	it('a disk with nothing beside the reserve gets DISK_FULL, says so, and serves reads', async () => {
		const roomy = await stores.open();
		const kept = await put(roomy, SMALL);
		await roomy.close();
		const store = await stores.open({ reserveBytes: 2 ** 60 }, roomy.dataDir);
		await assert.rejects(put(store, LARGE), { code: 'DISK_FULL' });
		await assert.rejects(put(store, new Prng(9).bytes(10)), { code: 'DISK_FULL' });
		const announced = { name: '', contentType: '', announcedBytes: 1 };
		assert.throws(() => store.files.beginUpload(announced), { code: 'DISK_FULL' });
		assert.deepEqual(
			store.files.health().map(({ code }) => code),
			['DISK_FULL'],
		);
		assert.ok((await readBack(store, kept)).equals(SMALL));
		assert.equal(store.files.flow().submissions, 1);
		await store.close();
	});

	it('room that comes back on the disk is used without a restart', async () => {
		const clock = new SimulatedClock();
		const space = { freeBytes: 1000, totalBytes: 100_000_000 };
		const wrapIo = (io: StorageIo): StorageIo => ({ ...io, space: () => Promise.resolve(space) });
		const store = await stores.open({ reserveBytes: 1_000_000, clock, wrapIo });
		await assert.rejects(put(store, SMALL), { code: 'DISK_FULL' });
		space.freeBytes = 50_000_000;
		clock.advance(LIMITS.diskLookMs);
		// Whoever asks sees the old figure and begins another look.
		assert.equal(store.disk.uploadableBytes, 0);
		await new Promise((resolve) => setImmediate(resolve));
		assert.ok((await readBack(store, await put(store, SMALL))).equals(SMALL));
		await store.close();
	});
});

describe('an upload that is overtaken by the same content', () => {
	for (const fate of ['deleted', 'damaged'] as const) {
		it(`which is ${fate} before it ends, is there all the same`, async () => {
			const store = await stores.open();
			const slow = store.files.beginUpload({ name: 'slow', contentType: '' });
			await slow.write(LARGE.slice(0, 600_000));
			await store.log.flush();
			const { root } = await put(store, LARGE, { name: 'quick' });
			await store.checkpoint();
			const row = await store.kv.get(rowKeys.root(root));
			const objectId = (row && decodeRootRow(row).object?.objectId) as bigint;
			if (fate === 'deleted') await store.files.deleteFile(root);
			else
				store.damage.add({
					root,
					objectId,
					segment: 1,
					reason: 'checksum',
					lane: 'bulk',
					fileNo: 1,
					offset: 4096,
					foundBy: 'read',
				});
			await slow.write(LARGE.slice(600_000));
			const result = storedUpload(await slow.finish());
			const file = await store.files.fileByRoot(root);
			assert.deepEqual([file?.finalized, file?.deleted, file?.name], [true, false, 'slow']);
			assert.ok((await readBack(store, result)).equals(LARGE));
			await store.close();
			const rebuilt = await stores.open({ rebuild: true }, store.dataDir);
			assert.ok((await readBack(rebuilt, result)).equals(LARGE));
			await rebuilt.close();
		});
	}
});
