/** Compaction of a real store: files of this machine, real RocksDB. */
import assert from 'node:assert/strict';
import { cp, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, it } from 'node:test';
import type { Lane } from '../../../src/append-log/types.js';
import { RECORDS } from '../../../src/log-layer/records.js';
import type { PlaceHolder } from '../../../src/log-layer/retirement.js';
import { SEGMENT_BYTES } from '../../../src/units.js';
import { damageContent, logFiles } from '../../support/damage.js';
import { Prng } from '../../support/prng.js';
import { dumpView, put, readBack, useTestStores, type TestStore } from '../../support/test-store.js';

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

/** Delete facts in all files of `bulk`. */
async function deleteFacts({ log }: TestStore): Promise<number> {
	let facts = 0;
	for (const fileNo of log.closedFiles.numbers('bulk')) {
		const file = await log.closedFiles.open('bulk', fileNo);
		for await (const records of file.groups())
			facts += records.filter(({ type }) => type === RECORDS.objectDeleted).length;
		await file.close();
	}
	return facts;
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
		for (let pass = 0; pass < 3; pass++) {
			await store.settle();
			await store.compaction.start({ everything: true });
		}
		assert.ok(!(await logNames(store, 'bulk')).includes('bulk-0000000001.log'));
		assert.equal(await deleteFacts(store), 0);
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
});
