/** Compaction of a real store: files of this machine, real RocksDB. */
import assert from 'node:assert/strict';
import { cp, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { decodeRecovered } from '../../../src/append-log/recovered.js';
import type { Lane } from '../../../src/append-log/types.js';
import type { KvEngine } from '../../../src/db/kv-engine.js';
import { TABLES } from '../../../src/db/tables.js';
import { deferred } from '../../../src/deferred.js';
import type { StorageFile, StorageIo } from '../../../src/io/storage-io.js';
import { LIMITS } from '../../../src/limits.js';
import { DELETED_BECAUSE, RECORDS } from '../../../src/log-layer/records.js';
import type { PlaceHolder } from '../../../src/log-layer/retirement.js';
import { fileRoot } from '../../../src/native/addon.js';
import { rootFromBytes, SEGMENT_BYTES } from '../../../src/units.js';
import { damageContent, logFiles } from '../../support/damage.js';
import { Prng } from '../../support/prng.js';
import { SimulatedClock } from '../../support/simulated-clock.js';
import { dumpView, endInLane, put, readBack, useTestStores, type TestStore } from '../../support/test-store.js';

const stores = useTestStores();
const ROLL_BYTES = 4 * 2 ** 20;

function content(seed: number, sizeBytes: number): Buffer {
	return Buffer.from(new Prng(seed).bytes(sizeBytes));
}

async function logNames(store: TestStore, lane: Lane): Promise<readonly string[]> {
	return (await logFiles(store.dataDir, lane)).map((path) => basename(path));
}

async function logBytes(store: TestStore): Promise<number> {
	let bytes = 0;
	for (const lane of ['small', 'bulk'] as const)
		for (const path of await logFiles(store.dataDir, lane)) bytes += (await stat(path)).size;
	return bytes;
}

/** Delete facts in all closed files of a lane. */
async function deleteFacts({ log }: TestStore, lane: Lane = 'bulk'): Promise<number> {
	let facts = 0;
	for (const fileNo of log.closedFiles.numbers(lane)) {
		const file = await log.closedFiles.open(lane, fileNo);
		for await (const records of file.groups())
			facts += records.filter(({ type }) => type === RECORDS.objectDeleted).length;
		await file.close();
	}
	return facts;
}

async function passes(store: TestStore, count: number): Promise<void> {
	for (let pass = 0; pass < count; pass++) {
		await store.settle();
		await store.compaction.start({ everything: true });
		await store.compaction.settled();
	}
}

/** Large and small files of which every second upload is broken off or sent twice, so that its bytes are dead. */
async function fill(store: TestStore, files: number): Promise<{ readonly content: Buffer; readonly txSeq: number }[]> {
	const kept = [];
	for (let index = 0; index < files; index++) {
		const bytes = content(index, index % 3 === 0 ? 3 * SEGMENT_BYTES + 1000 : 40_000 + index);
		const { txSeq } = await put(store, bytes);
		kept.push({ content: bytes, txSeq });
		// The same bytes again: their second copy is dropped.
		await put(store, bytes);
	}
	return kept;
}

async function assertAll(store: TestStore, kept: Awaited<ReturnType<typeof fill>>): Promise<void> {
	for (const { content: bytes, txSeq } of kept)
		assert.ok((await readBack(store, { txSeq: txSeq as never })).equals(bytes), `submission ${txSeq}`);
}

describe('compaction', () => {
	it('gives the space of dead records back and keeps every live byte', async () => {
		const store = await stores.open({ rollBytes: ROLL_BYTES });
		const kept = await fill(store, 30);
		const live = kept.reduce((sum, { content: bytes }) => sum + bytes.length, 0);
		const before = await logBytes(store);
		await store.compaction.start();
		const after = await logBytes(store);
		assert.ok(before > 1.5 * live, `${before} bytes for ${live}`);
		assert.ok(after <= 1.1 * live, `${after} bytes for ${live}`);
		await assertAll(store, kept);
		await store.close();
		const again = await stores.open({ rollBytes: ROLL_BYTES }, store.dataDir);
		assert.deepEqual(again.log.damage, []);
		await assertAll(again, kept);
		await again.close();
		const continued = await dumpView(store.dataDir);
		const rebuilt = await stores.open({ rollBytes: ROLL_BYTES, rebuild: true }, store.dataDir);
		assert.deepEqual(rebuilt.log.damage, []);
		await assertAll(rebuilt, kept);
		await rebuilt.close();
		assert.deepEqual(await dumpView(store.dataDir), continued);
	});

	it('moves everything again and again under readers, who get right bytes', async () => {
		const store = await stores.open({ rollBytes: ROLL_BYTES });
		const kept = await fill(store, 12);
		let isOver = false;
		let reads = 0;
		const reader = async (): Promise<void> => {
			while (!isOver) {
				await assertAll(store, kept);
				reads++;
			}
		};
		const readers = [reader(), reader(), reader()];
		for (let pass = 0; pass < 5; pass++) await store.compaction.start({ everything: true });
		isOver = true;
		await Promise.all(readers);
		assert.ok(reads >= 3);
		assert.ok(store.told.filter((line) => line === 'removed bulk').length >= 5);
	});

	it('leaves a file until everyone who holds positions in it has let go', async () => {
		const store = await stores.open({ rollBytes: ROLL_BYTES });
		const kept = await fill(store, 9);
		const asked: string[] = [];
		let letGo = (): void => undefined;
		const released = new Promise<void>((resolve) => {
			letGo = resolve;
		});
		const holder: PlaceHolder = {
			moving(lane, fileNo) {
				asked.push(`${lane} ${fileNo}`);
				return released;
			},
		};
		store.compaction.addHolder(holder);
		const before = await logNames(store, 'bulk');
		await store.compaction.start({ everything: true });
		const waiting = store.compaction.status().waiting.map(({ lane, fileNo }) => `${lane} ${fileNo}`);
		assert.ok(waiting.length > 0);
		assert.deepEqual(waiting.toSorted(), asked.toSorted());
		const during = await logNames(store, 'bulk');
		assert.ok(before.every((name) => during.includes(name)));
		await assertAll(store, kept);
		letGo();
		await store.compaction.settled();
		assert.deepEqual(store.compaction.status().waiting, []);
		assert.ok(!(await logNames(store, 'bulk')).includes(before[0] ?? ''));
		await assertAll(store, kept);
	});

	it('does not take a file that a holder refuses to let go, and asks again', async () => {
		const store = await stores.open({ rollBytes: ROLL_BYTES });
		await fill(store, 9);
		let refusals = 1;
		const remove = store.compaction.addHolder({
			moving: () => (refusals-- > 0 ? Promise.reject(new Error('not now')) : Promise.resolve()),
		});
		const [first] = await logNames(store, 'bulk');
		await store.compaction.start({ everything: true });
		await store.compaction.settled();
		assert.ok(store.told.includes('compaction failed: Error: not now'));
		await store.compaction.start({ everything: true });
		await store.compaction.settled();
		assert.ok(!(await logNames(store, 'bulk')).includes(first ?? ''));
		remove();
	});

	it('takes files away whose deletions stand there twice, as passes leave them that could not take their files', async () => {
		const store = await stores.open({ maxUploads: LIMITS.copyRecords + 100 });
		const contents = Array.from({ length: LIMITS.copyRecords + 100 }, (_, index) => content(index, 50));
		await Promise.all(contents.map((bytes) => put(store, bytes)));
		for (const bytes of contents) await endInLane(store, rootFromBytes(fileRoot(bytes).root), DELETED_BECAUSE.unwanted);
		await store.settle();
		const forget = store.compaction.addHolder({ moving: () => Promise.reject(new Error('not yet')) });
		for (let pass = 0; pass < 3; pass++) {
			await store.compaction.start({ everything: true });
			await store.compaction.settled();
		}
		forget();
		const before = await logNames(store, 'small');
		assert.ok(before.length > 2);
		await store.compaction.start({ everything: true });
		await store.compaction.settled();
		const after = await logNames(store, 'small');
		assert.deepEqual(
			after.filter((name) => before.includes(name)),
			[],
		);
		await store.compaction.start({ everything: true });
		await store.compaction.settled();
		assert.equal(await deleteFacts(store, 'small'), contents.length);
		await store.close();
	});

	it('leaves a file with a damaged record where it is, says so, and moves the others', async () => {
		const store = await stores.open({ rollBytes: ROLL_BYTES });
		const victim = content(99, 3 * SEGMENT_BYTES);
		const { txSeq } = await put(store, victim);
		const kept = await fill(store, 12);
		const [name] = await logNames(store, 'bulk');
		assert.ok(name);
		await damageContent(store.dataDir, 'bulk', victim, SEGMENT_BYTES + 700);
		await store.compaction.start({ everything: true });
		const [reason, ...others] = store.compaction.status().kept;
		assert.equal(reason?.lane, 'bulk');
		assert.deepEqual(others, []);
		assert.ok((await logNames(store, 'bulk')).includes(name));
		assert.equal(store.damage.count, 1);
		assert.ok(store.told.includes('damage found'));
		await assertAll(store, kept);
		await assert.rejects(readBack(store, { txSeq }), { code: 'DATA_DAMAGED' });
	});

	it('keeps a delete fact for as long as an older file may hold records of its object', async () => {
		const store = await stores.open({ rollBytes: 2 ** 30 });
		const victim = content(99, 3 * SEGMENT_BYTES);
		await put(store, victim);
		const broken = store.files.beginUpload({ name: '', contentType: '' });
		await broken.write(content(98, SEGMENT_BYTES));
		await broken.write(content(97, SEGMENT_BYTES));
		await store.log.flush();
		await store.log.roll('bulk');
		await broken.abort();
		await store.settle();
		assert.equal(await deleteFacts(store), 1);
		await damageContent(store.dataDir, 'bulk', victim, SEGMENT_BYTES + 700);
		await store.compaction.start({ everything: true });
		await store.compaction.start({ everything: true });
		assert.ok((await logNames(store, 'bulk')).includes('bulk-0000000001.log'));
		assert.equal(await deleteFacts(store), 1);
		// Once the damage is healed the old file goes, and then nobody needs the facts.
		await put(store, victim);
		await passes(store, 3);
		assert.ok(!(await logNames(store, 'bulk')).includes('bulk-0000000001.log'));
		assert.equal(await deleteFacts(store), 0);
	});

	it('keeps a delete fact for as long as rows of its object are left', async () => {
		const store = await stores.open();
		const broken = store.files.beginUpload({ name: '', contentType: '' });
		for (const seed of [1, 2]) await broken.write(content(seed, SEGMENT_BYTES));
		await broken.abort();
		await store.settle();
		// The object's own row goes behind the next checkpoint, which the first pass makes once it has judged the fact.
		await store.compaction.start({ everything: true });
		assert.equal(await deleteFacts(store), 1);
		await store.compaction.start({ everything: true });
		assert.equal(await deleteFacts(store), 0);
	});

	it('keeps a delete fact for as long as its root remembers the deletion by it alone', async () => {
		const store = await stores.open();
		const bytes = content(1, 3 * SEGMENT_BYTES);
		const { root, txSeq } = await put(store, bytes);
		await endInLane(store, root, DELETED_BECAUSE.unwanted);
		await passes(store, 3);
		assert.equal(await deleteFacts(store), 1);
		await store.close();
		const rebuilt = await stores.open({ rebuild: true }, store.dataDir);
		assert.equal((await rebuilt.files.fileBySeq(txSeq))?.deleted, true);
		await put(rebuilt, bytes);
		await passes(rebuilt, 3);
		assert.equal(await deleteFacts(rebuilt), 0);
		await assertAll(rebuilt, [{ content: bytes, txSeq }]);
	});

	it('forgets a delete fact that the journal repeats, and the content stays deleted', async () => {
		for (const size of [5000, 3 * SEGMENT_BYTES]) {
			const store = await stores.open();
			const bytes = content(1, size);
			const { root, txSeq } = await put(store, bytes);
			await endInLane(store, root, DELETED_BECAUSE.unwanted);
			await store.files.deleteFile(root);
			await passes(store, 3);
			assert.equal(await deleteFacts(store, size > SEGMENT_BYTES ? 'bulk' : 'small'), 0);
			await store.close();
			const before = await dumpView(store.dataDir);
			const rebuilt = await stores.open({ rebuild: true }, store.dataDir);
			assert.equal((await rebuilt.files.fileBySeq(txSeq))?.deleted, true);
			await rebuilt.settle();
			await rebuilt.close();
			assert.deepEqual(await dumpView(store.dataDir), before);
		}
	});

	it('keeps the delete fact of an object that is newer than the deletion which the journal tells of', async () => {
		const store = await stores.open();
		const [victim, bytes] = [content(99, 40_000), content(1, 5000)];
		await put(store, victim);
		const { root, txSeq } = await put(store, bytes);
		await store.files.deleteFile(root);
		await put(store, bytes);
		await store.log.flush();
		await store.log.roll('small');
		await endInLane(store, root, DELETED_BECAUSE.spent);
		// The file with the second object stays, as something else in it cannot be read.
		await damageContent(store.dataDir, 'small', victim, 700);
		await passes(store, 2);
		assert.ok((await logNames(store, 'small')).includes('small-0000000001.log'));
		await store.close();
		const rebuilt = await stores.open({ rebuild: true }, store.dataDir);
		assert.equal((await rebuilt.files.fileBySeq(txSeq))?.heldSegments, 0);
		await rebuilt.close();
	});

	it('moves a file away under a reader, who looks its places up again', async () => {
		const store = await stores.open();
		const bytes = content(1, 6 * 2 ** 20);
		const file = await store.files.fileBySeq((await put(store, bytes)).txSeq);
		assert.ok(file);
		const pieces: Buffer[] = [];
		for await (const piece of store.files.read(file, 0, file.sizeBytes)) {
			pieces.push(Buffer.from(piece.bytes));
			piece.release();
			if (pieces.length === 1) await store.compaction.start({ everything: true });
		}
		assert.ok(store.told.includes('removed bulk'));
		assert.ok(Buffer.concat(pieces).equals(bytes));
	});

	it('leaves a file that holds a segment of a standing object whose row is missing', async () => {
		let view: KvEngine | undefined;
		const store = await stores.open({ wrapKv: (kv) => (view = kv) });
		await put(store, content(1, 3 * SEGMENT_BYTES));
		await store.checkpoint();
		const range = { from: Buffer.of(TABLES.segment), to: Buffer.of(TABLES.segment + 1) };
		const keys: Uint8Array[] = [];
		for await (const rows of view?.scan(range) ?? []) keys.push(...rows.map(({ key }) => key));
		await view?.batch([{ type: 'del', key: keys[1] as Uint8Array }]);
		await store.compaction.start({ everything: true });
		assert.match(store.compaction.status().kept[0]?.reason ?? '', /no row of segment 1/);
		assert.ok((await logNames(store, 'bulk')).includes('bulk-0000000001.log'));
	});

	it('takes no file whose copies have no room beside a quarter of the reserve', async () => {
		const roomy = await stores.open({ rollBytes: ROLL_BYTES });
		const kept = [];
		for (const seed of [1, 2]) {
			const bytes = content(seed, 3 * SEGMENT_BYTES);
			kept.push({ content: bytes, txSeq: (await put(roomy, bytes)).txSeq });
		}
		await roomy.close();
		const space = { freeBytes: 2_050_000, totalBytes: 100_000_000 };
		const wrapIo = (io: StorageIo): StorageIo => ({ ...io, space: () => Promise.resolve(space) });
		const store = await stores.open({ rollBytes: ROLL_BYTES, reserveBytes: 8_000_000, wrapIo }, roomy.dataDir);
		await store.compaction.start({ everything: true });
		assert.deepEqual(
			store.told.filter((line) => line.startsWith('removed')),
			[],
		);
		await assertAll(store, kept);
	});

	it('copies nothing of an object behind a delete fact that is on its way through the log', async () => {
		const gate = deferred();
		let isCompacting = false;
		let deletion: Promise<void> | undefined;
		const bytes = content(1, 3 * SEGMENT_BYTES);
		const wrapIo = (io: StorageIo): StorageIo => ({
			...io,
			async open(path, mode, hints) {
				const file = await io.open(path, mode, hints);
				const changes: Partial<StorageFile> = {
					async fdatasync() {
						if (deletion && path.includes('bulk-')) await gate.promise;
						await file.fdatasync();
					},
					async read(buffer, at) {
						// The records were judged alive and are being read; now the deletion comes, and its sync takes its time.
						if (isCompacting && !deletion && path.includes('bulk-0000000001') && buffer.length >= SEGMENT_BYTES) {
							deletion = store.files.deleteFile(rootFromBytes(fileRoot(bytes).root));
							while ([...store.log.unapplied('bulk')].length === 0) await nextTurn();
						}
						return file.read(buffer, at);
					},
				};
				return new Proxy(file, {
					get(target, name) {
						const own = (changes as Record<string | symbol, unknown>)[name];
						const value = own ?? (Reflect.get(target, name, target) as unknown);
						return typeof value === 'function' ? (value.bind(target) as unknown) : value;
					},
				});
			},
		});
		const store = await stores.open({ wrapIo });
		await put(store, bytes);
		const { write } = store.log;
		store.log.write = (lane, records, urgent) => {
			if (records.some(({ origin }) => origin !== undefined)) gate.resolve();
			return write.call(store.log, lane, records, urgent);
		};
		isCompacting = true;
		await store.compaction.start({ everything: true });
		gate.resolve();
		await deletion;
		let isDeleted = false;
		for (const fileNo of store.log.closedFiles.numbers('bulk')) {
			const file = await store.log.closedFiles.open('bulk', fileNo);
			for await (const records of file.groups())
				for (const { type } of records) {
					assert.ok(!(isDeleted && type === RECORDS.segment), 'a segment stands behind the fact');
					isDeleted ||= type === RECORDS.objectDeleted;
				}
			await file.close();
		}
		assert.ok(isDeleted);
	});

	it('states a verdict again before the file that states it goes', async () => {
		const first = await stores.open();
		const bytes = content(1, 3 * SEGMENT_BYTES);
		await put(first, bytes);
		// Its group confirms what lies before it, so that damage there is damage and no doubt.
		await put(first, content(2, 3 * SEGMENT_BYTES));
		const killed = join(await stores.newDirectory(), 'killed');
		await cp(first.dataDir, killed, { recursive: true });
		await damageContent(killed, 'bulk', bytes, 700);
		const store = await stores.open({}, killed);
		for (let pass = 0; pass < 2; pass++) await store.compaction.start({ everything: true });
		const names = await logNames(store, 'bulk');
		assert.ok(names.includes('bulk-0000000001.log') && !names.includes('bulk-0000000002.log'), names.join());
		const about: number[] = [];
		for (const fileNo of store.log.closedFiles.numbers('bulk')) {
			const file = await store.log.closedFiles.open('bulk', fileNo);
			for (const { ext } of await file.verdicts()) about.push(decodeRecovered(ext).fileNo);
			await file.close();
		}
		assert.ok(about.includes(1));
	});

	it('stops when it is told to, and does nothing by itself until it is started', async () => {
		const store = await stores.open({ rollBytes: ROLL_BYTES });
		const kept = await fill(store, 9);
		const running = store.compaction.start({ everything: true });
		await store.compaction.pause();
		await running;
		assert.equal(store.compaction.status().state, 'paused');
		await assertAll(store, kept);
		await store.compaction.start({ everything: true });
		assert.equal(store.compaction.status().state, 'idle');
		await assertAll(store, kept);
	});

	it('knows what is alive after a clean stop and after any other as if it had counted all along', async () => {
		const store = await stores.open({ rollBytes: ROLL_BYTES });
		const kept = await fill(store, 9);
		await store.checkpoint();
		await fill(store, 12);
		await store.compaction.start();
		const killed = join(await stores.newDirectory(), 'killed');
		await cp(store.dataDir, killed, { recursive: true });
		const { liveBytes } = store.compaction.status();
		await store.close();
		for (const directory of [store.dataDir, killed]) {
			const again = await stores.open({ rollBytes: ROLL_BYTES }, directory);
			await again.compaction.start();
			assert.equal(again.compaction.status().liveBytes, liveBytes);
			await assertAll(again, kept);
			await again.close();
		}
	});

	it('begins by itself when enough is dead, looks for the worst file anew, and ends when little is', async () => {
		const clock = new SimulatedClock();
		const store = await stores.open({ rollBytes: ROLL_BYTES, clock });
		// 3 of the 4 files in each of 16 log files go: 48 MiB.
		const files = [];
		for (let index = 0; index < 64; index++) {
			const bytes = content(index % 4, 2 ** 20);
			bytes.writeUInt32LE(index);
			files.push({ content: bytes, ...(await put(store, bytes)) });
		}
		const kept = files.filter((_, index) => index % 4 === 3);
		for (const file of files) if (!kept.includes(file)) await store.files.deleteFile(file.root);
		const before = store.log.closedFiles.numbers('bulk').length;
		clock.advance(LIMITS.compactionLookMs);
		while (store.compaction.status().state === 'running') await nextTurn();
		const { deadBytes } = store.compaction.status();
		assert.ok(deadBytes < LIMITS.compactionLeastBytes && deadBytes > LIMITS.compactionLeastBytes / 2, `${deadBytes}`);
		assert.ok(store.log.closedFiles.numbers('bulk').length > before / 2);
		await assertAll(store, kept);
		await store.close();
	});
});
