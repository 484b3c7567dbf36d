/** A view that is damaged under a running store is rebuilt in place. */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { PerigeeError } from '../../../src/errors.js';
import { type Clock, systemClock } from '../../../src/io/clock.js';
import { HealingStore } from '../../../src/log-layer/healing-store.js';
import type { Store } from '../../../src/log-layer/store.js';
import { SEGMENT_BYTES, type TxSeq } from '../../../src/units.js';
import { Prng } from '../../support/prng.js';
import { dumpView, put, type TestStore, useTestStores } from '../../support/test-store.js';

const stores = useTestStores();
const prng = new Prng(31);

interface Subject {
	readonly healing: HealingStore;
	readonly dataDir: string;
	readonly told: string[];
	/** The store of now. */
	current(): Store;
	/** What the store of now does when it finds its view damaged. */
	viewDamaged(): void;
}

/** Fails opens while it is above zero. */
async function openHealing(
	failOpens = { left: 0 },
	clock: Clock = { ...systemClock, schedule: soon },
): Promise<Subject> {
	const dataDir = await stores.newDirectory();
	const told: string[] = [];
	let opened: TestStore | undefined;
	let tellDamage = (): void => undefined;
	const healing = await HealingStore.open({
		clock,
		observer: {
			healing: () => void told.push('healing'),
			healed: () => void told.push('healed'),
			failed: (error) => void told.push(`failed: ${error instanceof Error ? error.message : String(error)}`),
		},
		async open(onViewDamage) {
			if (opened && failOpens.left-- > 0) throw new Error('no room for the view');
			tellDamage = onViewDamage;
			opened = await stores.open({ onViewDamage }, dataDir);
			return opened;
		},
	});
	return { healing, dataDir, told, current: () => opened as Store, viewDamaged: () => tellDamage() };
}

/** Rings soon, however long it should take. */
function soon(_delayMs: number, callback: () => void): () => void {
	const timer = setTimeout(callback, 5);
	return () => clearTimeout(timer);
}

/** Spoils every table of the view on the disk. */
async function spoilTables(dataDir: string): Promise<void> {
	const directory = join(dataDir, 'view');
	let spoiled = 0;
	for (const name of await readdir(directory)) {
		if (!/\.(sst|ldb)$/.test(name)) continue;
		const path = join(directory, name);
		const bytes = await readFile(path);
		for (let at = 20; at < bytes.length; at += 50) bytes[at] = (bytes[at] ?? 0) ^ 0xff;
		await writeFile(path, bytes);
		spoiled++;
	}
	assert.ok(spoiled > 0, 'there are tables on the disk');
}

async function readAll(subject: Subject, txSeq: number): Promise<Buffer> {
	const { files } = subject.healing;
	const file = await files.fileBySeq(txSeq as TxSeq);
	assert.ok(file);
	const pieces: Buffer[] = [];
	for await (const piece of files.read(file, 0, file.sizeBytes)) {
		pieces.push(Buffer.from(piece.bytes));
		piece.release();
	}
	return Buffer.concat(pieces);
}

async function filled(subject: Subject): Promise<Buffer[]> {
	const contents = Array.from({ length: 40 }, (_, index) =>
		Buffer.from(prng.bytes(index % 10 === 0 ? 2 * SEGMENT_BYTES + index : 300 + index)),
	);
	for (const content of contents) await put(subject.current(), content);
	await subject.current().checkpoint();
	return contents;
}

/** Reads until the damage is met. */
async function meetDamage(subject: Subject, files: number): Promise<void> {
	for (let txSeq = 0; txSeq < files; txSeq += 10) {
		const error: unknown = await readAll(subject, txSeq).then(
			() => undefined,
			(reason: unknown) => reason,
		);
		if (error === undefined) continue;
		assert.ok(error instanceof PerigeeError && error.code === 'REBUILDING');
		return;
	}
	assert.fail('the damage was not met');
}

describe('a store that can heal', () => {
	it('frees the pieces of a body that are given to it as soon as they are copied', async () => {
		const { healing } = await openHealing();
		const upload = healing.files.beginUpload({ name: '', contentType: '' });
		const pieces = Array.from({ length: 6 }, () => new Uint8Array(SEGMENT_BYTES / 4).fill(7));
		for (const piece of pieces) await upload.write(piece, true);
		assert.deepEqual(
			pieces.map(({ length }) => length),
			[0, 0, 0, 0, SEGMENT_BYTES / 4, SEGMENT_BYTES / 4],
		);
		await upload.abort();
		await healing.close();
	});
});

describe('a view whose tables are damaged under a running store', () => {
	it('is rebuilt in place; meanwhile callers are told to come again', async () => {
		const subject = await openHealing();
		const contents = await filled(subject);
		await spoilTables(subject.dataDir);
		const before = subject.current();
		await meetDamage(subject, contents.length);
		const { files } = subject.healing;
		assert.throws(() => files.beginUpload({ name: '', contentType: '' }), { code: 'REBUILDING' });
		assert.throws(() => files.flow(), { code: 'REBUILDING' });
		await assert.rejects(files.fileBySeq(0 as TxSeq), { code: 'REBUILDING' });
		assert.deepEqual(
			files.health().map(({ code, ready }) => [code, ready]),
			[['REBUILDING', false]],
		);
		await subject.healing.healed();
		assert.deepEqual(subject.told, ['healing', 'healed']);
		assert.notEqual(subject.current(), before);
		assert.deepEqual(files.health(), []);
		for (const [txSeq, content] of contents.entries()) assert.ok((await readAll(subject, txSeq)).equals(content));
		const more = prng.bytes(5000);
		const { txSeq } = await put(subject.current(), more);
		assert.ok((await readAll(subject, txSeq)).equals(more));
		await subject.healing.close();
		const mended = await dumpView(subject.dataDir);
		const rebuilt = await stores.open({ rebuild: true }, subject.dataDir);
		await rebuilt.close();
		assert.deepEqual(mended, await dumpView(subject.dataDir));
	});

	it('breaks off uploads with a word to send them again, and lets nothing of them be seen', async () => {
		const subject = await openHealing();
		const contents = await filled(subject);
		const upload = subject.healing.files.beginUpload({ name: 'late', contentType: '' });
		await upload.write(prng.bytes(SEGMENT_BYTES + 5));
		await spoilTables(subject.dataDir);
		await meetDamage(subject, contents.length);
		await assert.rejects(async () => upload.write(prng.bytes(10)), { code: 'REBUILDING' });
		await subject.healing.healed();
		await assert.rejects(upload.finish(), { code: 'REBUILDING' });
		assert.equal(subject.healing.files.flow().submissions, contents.length);
		await subject.healing.close();
	});

	it('waits for calls that run before it closes the store', async () => {
		const subject = await openHealing({ left: 0 }, { ...systemClock, schedule: () => () => undefined });
		const contents = await filled(subject);
		const store = subject.current();
		const close = store.close.bind(store);
		let isClosed = false;
		Object.assign(store, {
			close() {
				isClosed = true;
				return close();
			},
		});
		const leave = subject.healing.enter();
		await spoilTables(subject.dataDir);
		await meetDamage(subject, contents.length);
		while (!subject.told.includes('healing')) await new Promise((resolve) => setImmediate(resolve));
		await new Promise((resolve) => setImmediate(resolve));
		assert.equal(isClosed, false);
		leave();
		await subject.healing.healed();
		assert.equal(isClosed, true);
		await subject.healing.close();
	});

	it('is left alone when it was mended a short while ago', async () => {
		const subject = await openHealing();
		await filled(subject);
		subject.viewDamaged();
		await subject.healing.healed();
		assert.deepEqual(subject.told, ['healing', 'healed']);
		subject.viewDamaged();
		await subject.healing.healed();
		assert.deepEqual(subject.told, ['healing', 'healed']);
		await subject.healing.close();
	});

	it('is tried again when it cannot be rebuilt at once', async () => {
		const subject = await openHealing({ left: 2 });
		const contents = await filled(subject);
		await spoilTables(subject.dataDir);
		await meetDamage(subject, contents.length);
		await subject.healing.healed();
		const failure = 'failed: no room for the view';
		assert.deepEqual(subject.told, ['healing', failure, failure, 'healed']);
		assert.ok((await readAll(subject, 0)).equals(contents[0] as Buffer));
		await subject.healing.close();
	});

	it('is found by the scrub when nobody reads', async () => {
		const subject = await openHealing();
		const contents = await filled(subject);
		await spoilTables(subject.dataDir);
		subject.healing.scrub.start();
		await subject.current().scrub.idle();
		await subject.healing.healed();
		assert.deepEqual(subject.told, ['healing', 'healed']);
		await subject.current().scrub.idle();
		assert.equal(subject.healing.scrub.status().last?.damaged, 0, 'the pass went on in the mended store');
		assert.ok((await readAll(subject, 10)).equals(contents[10] as Buffer));
		await subject.healing.close();
	});

	it('is left alone when the disk has failed: that is final until a restart', async () => {
		const subject = await openHealing();
		const contents = await filled(subject);
		subject.current().log.fail('bulk', new Error('EIO: i/o error, fdatasync'));
		await spoilTables(subject.dataDir);
		let failed = 0;
		for (let txSeq = 0; txSeq < contents.length; txSeq += 10) await readAll(subject, txSeq).catch(() => failed++);
		assert.ok(failed > 0);
		await subject.healing.healed();
		assert.deepEqual(subject.told, []);
		assert.ok(subject.healing.files.health().some(({ code }) => code === 'READ_ONLY'));
		await subject.healing.close();
	});
});
