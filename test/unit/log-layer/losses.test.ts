import assert from 'node:assert/strict';
import { cp, readdir, readFile, rename, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { PerigeeError } from '../../../src/errors.js';
import type { DataRoot } from '../../../src/units.js';
import { flipBit } from '../../support/damage.js';
import { Prng } from '../../support/prng.js';
import { dumpView, put, readBack, type TestStore, useTestStores } from '../../support/test-store.js';

const stores = useTestStores();
const ROLL_BYTES = 300_000;
const OPTIONS = { rollBytes: ROLL_BYTES };

interface Stored {
	readonly content: Uint8Array;
	readonly txSeq: Awaited<ReturnType<typeof put>>['txSeq'];
}

async function fill(store: TestStore, seed: number): Promise<Stored[]> {
	const prng = new Prng(seed);
	const stored: Stored[] = [];
	for (const sizeBytes of [1000, 900_000, 200_000, 150_000, 600_000, 262_144, 77]) {
		const content = prng.bytes(sizeBytes);
		stored.push({ content, txSeq: (await put(store, content)).txSeq });
	}
	return stored;
}

/** How many of the files are served whole; the others must answer NOT_HELD and count as not finalized. */
async function served(store: TestStore, stored: readonly Stored[]): Promise<number> {
	let whole = 0;
	for (const { content, txSeq } of stored) {
		const file = await store.files.fileBySeq(txSeq);
		try {
			assert.ok((await readBack(store, { txSeq })).equals(content));
			assert.equal(file?.finalized, true);
			whole++;
		} catch (error) {
			assert.ok(error instanceof PerigeeError && error.code === 'NOT_HELD', String(error));
			assert.equal(file?.finalized, false);
			assert.ok(file.heldSegments < file.segments);
			// At once, not after the part that is there.
			const pieces = store.files.read(file, 0, file.sizeBytes)[Symbol.asyncIterator]();
			await assert.rejects(pieces.next(), { code: 'NOT_HELD' });
		}
	}
	return whole;
}

function reasons(store: TestStore): string[] {
	return store.files.health().map(({ code }) => code);
}

/** Bytes of everything in a directory, by path. */
async function contentsOf(directory: string): Promise<Map<string, string>> {
	const contents = new Map<string, string>();
	for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
		const path = join(entry.parentPath, entry.name);
		if (entry.isFile()) contents.set(path, (await readFile(path)).toString('base64'));
	}
	return contents;
}

async function rootOf(store: TestStore, txSeq: Stored['txSeq']): Promise<DataRoot> {
	const file = await store.files.fileBySeq(txSeq);
	assert.ok(file);
	return file.root;
}

/** Waits for a whole pass of the scrub. */
async function scrubbed(store: TestStore): Promise<void> {
	store.scrub.start();
	await store.scrub.idle();
}

async function rejectsJournal(opening: Promise<unknown>): Promise<void> {
	await assert.rejects(opening, (error) => error instanceof PerigeeError && error.code === 'JOURNAL_MISSING');
}

describe('a log file that is missing at a start', () => {
	for (const name of ['bulk-0000000002.log', 'small-0000000001.log']) {
		it(`is named, the rest is served, and it counts again once it is back: ${name}`, async () => {
			let store = await stores.open(OPTIONS);
			const { dataDir } = store;
			const stored = await fill(store, 1);
			await store.close();
			const path = join(dataDir, 'log', name);
			await rename(path, `${dataDir}/away`);
			for (let starts = 0; starts < 2; starts++) {
				store = await stores.open(OPTIONS, dataDir);
				assert.deepEqual(reasons(store), ['LOG_MISSING']);
				assert.equal(store.losses.files.length, 1);
				const whole = await served(store, stored);
				assert.ok(whole > 0 && whole < stored.length);
				assert.equal(store.damage.count, 0);
				stored.push(...(await fill(store, 2 + starts)));
				await store.close();
			}
			await rename(`${dataDir}/away`, path);
			store = await stores.open(OPTIONS, dataDir);
			assert.equal(await served(store, stored), stored.length);
			assert.deepEqual(reasons(store), []);
			assert.ok(!store.told.some((line) => line.startsWith('rebuilding')));
			await store.close();
		});

		it(`comes back also into a view that was rebuilt without it: ${name}`, async () => {
			let store = await stores.open(OPTIONS);
			const { dataDir } = store;
			const stored = await fill(store, 5);
			await store.close();
			const path = join(dataDir, 'log', name);
			await rename(path, `${dataDir}/away`);
			for (const rebuild of [true, false]) {
				store = await stores.open({ ...OPTIONS, rebuild }, dataDir);
				assert.deepEqual(reasons(store), ['LOG_MISSING']);
				const whole = await served(store, stored);
				assert.ok(whole > 0 && whole < stored.length);
				stored.push(...(await fill(store, rebuild ? 6 : 7)));
				await store.close();
			}
			await rename(`${dataDir}/away`, path);
			store = await stores.open(OPTIONS, dataDir);
			assert.ok(store.told.some((line) => line.startsWith('rebuilding') && line.includes('is back')));
			assert.equal(await served(store, stored), stored.length);
			assert.deepEqual(reasons(store), []);
			await store.close();
			const view = await dumpView(dataDir);
			await (await stores.open({ ...OPTIONS, rebuild: true }, dataDir)).close();
			assert.deepEqual(view, await dumpView(dataDir));
		});
	}

	for (const lane of ['bulk', 'small', 'journal']) {
		it(`is named also when it was begun after the last checkpoint and the node was killed: ${lane}`, async () => {
			let store = await stores.open(OPTIONS);
			const { dataDir } = store;
			const stored = await fill(store, 20);
			await store.close();
			store = await stores.open(OPTIONS, dataDir);
			stored.push(...(await fill(store, 21)));
			const content = new Prng(24).bytes(600_000);
			stored.push({ content, txSeq: (await put(store, content)).txSeq });
			const copy = await stores.newDirectory();
			await cp(dataDir, copy, { recursive: true });
			await store.close();
			const newest =
				(await readdir(join(copy, 'log')))
					.filter((name) => name.startsWith(lane))
					.sort()
					.at(-1) ?? '';
			const path = join(copy, 'log', newest);
			await rename(path, `${copy}-away`);
			if (lane === 'journal') await rejectsJournal(stores.open(OPTIONS, copy));
			else {
				// Rows behind the checkpoint may be in the index already.
				store = await stores.open({ ...OPTIONS, rebuild: true }, copy);
				assert.deepEqual(reasons(store), ['LOG_MISSING']);
				assert.ok((await served(store, stored)) < stored.length);
				stored.push(...(await fill(store, 22)));
				await store.close();
			}
			await rename(`${copy}-away`, path);
			store = await stores.open(OPTIONS, copy);
			assert.deepEqual(reasons(store), []);
			assert.equal(await served(store, stored), stored.length);
			await store.close();
		});
	}

	it('a manifest that cannot be read is told of and written anew; what the checkpoint knows is missed all the same', async () => {
		let store = await stores.open(OPTIONS);
		const { dataDir } = store;
		const stored = await fill(store, 23);
		await store.close();
		const manifest = join(dataDir, 'log.manifest');
		const before = await readFile(manifest);
		await flipBit(manifest, 20);
		const path = join(dataDir, 'log', 'bulk-0000000002.log');
		await rename(path, `${dataDir}-away`);
		store = await stores.open(OPTIONS, dataDir);
		assert.ok(store.told.includes('lost log.manifest'));
		assert.deepEqual(reasons(store), ['LOG_MISSING']);
		await store.close();
		assert.ok(!(await readFile(manifest)).equals(before));
		await unlink(join(dataDir, 'view.checkpoint'));
		store = await stores.open(OPTIONS, dataDir);
		assert.ok(!store.told.includes('lost log.manifest'));
		assert.deepEqual(reasons(store), ['LOG_MISSING']);
		await store.close();
		await rename(`${dataDir}-away`, path);
		store = await stores.open(OPTIONS, dataDir);
		assert.equal(await served(store, stored), stored.length);
		await store.close();
	});

	it('keeps its number when the manifest is lost with it', async () => {
		for (const spoil of [unlink, (path: string) => flipBit(path, 20)]) {
			let store = await stores.open(OPTIONS);
			const { dataDir } = store;
			const content = new Prng(25).bytes(300);
			const stored = [{ content, txSeq: (await put(store, content)).txSeq }];
			const copy = await stores.newDirectory();
			await cp(dataDir, copy, { recursive: true });
			await store.close();
			await spoil(join(copy, 'log.manifest'));
			// Nothing tells of the small file any more.
			for (const name of ['view', 'view.checkpoint']) await rm(join(copy, name), { recursive: true, force: true });
			const path = join(copy, 'log', 'small-0000000001.log');
			await rename(path, `${copy}-away`);
			store = await stores.open(OPTIONS, copy);
			assert.ok(store.told.includes('lost log.manifest'));
			const other = new Prng(26).bytes(300);
			stored.push({ content: other, txSeq: (await put(store, other)).txSeq });
			await store.close();
			assert.ok(!(await readdir(join(copy, 'log'))).includes('small-0000000001.log'));
			await rename(`${copy}-away`, path);
			store = await stores.open(OPTIONS, copy);
			assert.equal(await served(store, stored), 2);
			await store.close();
		}
	});

	it('is no damage: a scrub without it lists nothing, and what a scrub listed when it went is gone once it is back', async () => {
		for (const goes of ['before the start', 'while the store runs']) {
			let store = await stores.open(OPTIONS);
			const { dataDir } = store;
			const stored = await fill(store, 27);
			await store.close();
			const paths = ['bulk-0000000002.log', 'small-0000000001.log'].map((name) => join(dataDir, 'log', name));
			const isEarly = goes === 'before the start';
			if (isEarly) for (const path of paths) await rename(path, `${path}.away`);
			store = await stores.open(OPTIONS, dataDir);
			if (!isEarly) for (const path of paths) await rename(path, `${path}.away`);
			await scrubbed(store);
			assert.equal(store.damage.count > 0, !isEarly, goes);
			assert.deepEqual(reasons(store), [isEarly ? 'LOG_MISSING' : 'DATA_DAMAGED']);
			await store.close();
			for (const path of paths) await rename(`${path}.away`, path);
			store = await stores.open(OPTIONS, dataDir);
			assert.deepEqual(reasons(store), []);
			assert.equal(await served(store, stored), stored.length);
			await store.close();
		}
	});

	it('throws nothing away meanwhile: nothing expires, nothing is compacted', async () => {
		let store = await stores.open(OPTIONS);
		const { dataDir } = store;
		await fill(store, 3);
		const { submit } = store.settlement;
		store.settlement.submit = () => Promise.reject(new Error('no'));
		await assert.rejects(put(store, new Prng(4).bytes(5000)), /no/);
		store.settlement.submit = submit;
		await store.close();
		const path = join(dataDir, 'log', 'bulk-0000000001.log');
		await rename(path, `${dataDir}/away`);
		store = await stores.open({ ...OPTIONS, uploadExpiryMs: 0 }, dataDir);
		await assert.rejects(store.compaction.start({ everything: true }), { code: 'DATA_DAMAGED' });
		await store.settle();
		assert.equal(store.waiting.unnamed, 1);
		await store.close();
		await rename(`${dataDir}/away`, path);
		store = await stores.open({ ...OPTIONS, uploadExpiryMs: 0 }, dataDir);
		await store.settle();
		assert.equal(store.waiting.unnamed, 0);
		await store.compaction.start({ everything: true });
		await store.close();
	});

	it('is replaced by uploading its content again', async () => {
		let store = await stores.open(OPTIONS);
		const { dataDir } = store;
		const stored = await fill(store, 8);
		await store.close();
		await unlink(join(dataDir, 'log', 'bulk-0000000001.log'));
		await unlink(join(dataDir, 'log', 'small-0000000001.log'));
		store = await stores.open(OPTIONS, dataDir);
		assert.ok((await served(store, stored)) < stored.length);
		for (const { content, txSeq } of stored) assert.equal((await put(store, content)).txSeq, txSeq);
		assert.equal(await served(store, stored), stored.length);
		await store.close();
	});
});

describe('a volume that is missing at a start', () => {
	it('is named, also when its last files came behind the checkpoint, and comes back without a conflict', async () => {
		const home = await stores.newDirectory();
		const [first, second] = [join(home, '1'), join(home, '2')];
		const options = { ...OPTIONS, dataDirs: [second] };
		let store = await stores.open(options, first);
		const stored = await fill(store, 9);
		await store.close();
		store = await stores.open(options, first);
		stored.push(...(await fill(store, 10)));
		// As after a kill: no close mark, no checkpoint.
		const [firstCopy, secondCopy] = [join(home, 'copy-1'), join(home, 'copy-2')];
		await cp(first, firstCopy, { recursive: true });
		await cp(second, secondCopy, { recursive: true });
		await store.close();
		const copyOptions = { ...OPTIONS, dataDirs: [secondCopy] };
		// The copy's registry knows the second volume at its old place: this is a move too.
		await rename(secondCopy, `${secondCopy}-away`);
		await rename(second, `${second}-away`);
		store = await stores.open(OPTIONS, firstCopy);
		assert.deepEqual(reasons(store).includes('VOLUME_MISSING'), true);
		const whole = await served(store, stored);
		assert.ok(whole > 0 && whole < stored.length);
		const since = await fill(store, 11);
		await store.close();
		await rename(`${secondCopy}-away`, secondCopy);
		store = await stores.open(copyOptions, firstCopy);
		assert.equal(await served(store, [...stored, ...since]), stored.length + since.length);
		assert.deepEqual(reasons(store), []);
		await store.close();
	});
});

describe('a journal file that is missing at a start', () => {
	it('ends the start before anything is changed, with and without a checkpoint', async () => {
		for (const hasCheckpoint of [true, false]) {
			let store = await stores.open(OPTIONS);
			const { dataDir } = store;
			const stored = await fill(store, 12);
			await store.close();
			if (!hasCheckpoint) await unlink(join(dataDir, 'view.checkpoint'));
			const path = join(dataDir, 'log', 'journal-0000000001.log');
			await rename(path, `${dataDir}-away`);
			const before = await contentsOf(dataDir);
			await rejectsJournal(stores.open(OPTIONS, dataDir));
			assert.deepEqual(await contentsOf(dataDir), before);
			await rename(`${dataDir}-away`, path);
			store = await stores.open(OPTIONS, dataDir);
			assert.equal(await served(store, stored), stored.length);
			await store.close();
		}
	});

	it('is only named when the view holds what it told; a view that must be rebuilt is then kept', async () => {
		let store = await stores.open(OPTIONS);
		const { dataDir } = store;
		const stored = await fill(store, 13);
		await store.close();
		for (let starts = 0; starts < 2; starts++) {
			store = await stores.open(OPTIONS, dataDir);
			stored.push(...(await fill(store, 14 + starts)));
			await store.close();
		}
		const path = join(dataDir, 'log', 'journal-0000000001.log');
		await rename(path, `${dataDir}-away`);
		store = await stores.open(OPTIONS, dataDir);
		assert.deepEqual(reasons(store), ['LOG_MISSING']);
		assert.equal(await served(store, stored), stored.length);
		await store.close();
		await rejectsJournal(stores.open({ ...OPTIONS, rebuild: true }, dataDir));
		const checkpoint = join(dataDir, 'view.checkpoint');
		await flipBit(checkpoint, 10, 1);
		await rejectsJournal(stores.open(OPTIONS, dataDir));
		assert.ok((await readdir(join(dataDir, 'view'))).length > 0);
		await rename(`${dataDir}-away`, path);
		store = await stores.open(OPTIONS, dataDir);
		assert.equal(await served(store, stored), stored.length);
		await store.close();
		await rm(dataDir, { recursive: true });
	});
});

describe('losses that are given up', () => {
	it('count as missing no longer; a returning file is left alone, and numbers are not used again', async () => {
		let store = await stores.open(OPTIONS);
		const { dataDir } = store;
		const stored = await fill(store, 16);
		await store.close();
		const lost = ['bulk-0000000002.log', 'small-0000000001.log'].map((name) => join(dataDir, 'log', name));
		for (const path of lost) await rename(path, `${path}.away`);
		store = await stores.open({ ...OPTIONS, rebuild: true }, dataDir);
		const whole = await served(store, stored);
		assert.ok(whole > 0 && whole < stored.length);
		await store.giveUpLosses();
		await store.close();
		store = await stores.open(OPTIONS, dataDir);
		assert.deepEqual(reasons(store), []);
		assert.equal(await served(store, stored), whole);
		const since = await fill(store, 17);
		for (const { content } of stored) await put(store, content);
		assert.equal(await served(store, [...stored, ...since]), stored.length + since.length);
		await store.close();
		for (const path of lost) await rename(`${path}.away`, path);
		store = await stores.open(OPTIONS, dataDir);
		const names = store.log.listFiles().map(({ lane, fileNo }) => `${lane} ${fileNo}`);
		for (const name of ['bulk 2', 'small 1']) assert.ok(!names.includes(name), name);
		assert.equal(await served(store, [...stored, ...since]), stored.length + since.length);
		const roots = await Promise.all(stored.map(({ txSeq }) => rootOf(store, txSeq)));
		for (const root of roots) await store.files.deleteFile(root);
		await store.settle();
		await store.compaction.start({ everything: true });
		await store.compaction.settled();
		await store.close();
		store = await stores.open({ ...OPTIONS, rebuild: true }, dataDir);
		assert.deepEqual(reasons(store), []);
		assert.equal(await served(store, since), since.length);
		for (const root of roots) assert.equal((await store.files.fileByRoot(root))?.deleted, true);
		await store.close();
	});

	it('a volume is refused when it returns, and its number is not used again', async () => {
		const home = await stores.newDirectory();
		const [first, second, third] = [join(home, '1'), join(home, '2'), join(home, '3')];
		let store = await stores.open({ ...OPTIONS, dataDirs: [second] }, first);
		const stored = await fill(store, 18);
		await store.close();
		store = await stores.open({ ...OPTIONS, rebuild: true }, first);
		assert.ok(reasons(store).includes('VOLUME_MISSING'));
		const whole = await served(store, stored);
		await store.giveUpLosses();
		await store.close();
		await assert.rejects(stores.open({ ...OPTIONS, dataDirs: [second] }, first), (error) => {
			return error instanceof PerigeeError && error.code === 'VOLUME_CONFLICT' && /was given up/.test(error.message);
		});
		await unlink(join(second, 'volume.json'));
		await assert.rejects(stores.open({ ...OPTIONS, dataDirs: [second] }, first), { code: 'VOLUME_CONFLICT' });
		store = await stores.open({ ...OPTIONS, dataDirs: [third] }, first);
		assert.deepEqual(reasons(store), []);
		assert.deepEqual(
			store.disk.volumes.map(({ volume }) => volume),
			[0, 2],
		);
		assert.equal(await served(store, stored), whole);
		await store.close();
	});

	it('include stretches of the log that cannot be read: compaction goes on', async () => {
		let store = await stores.open(OPTIONS);
		const { dataDir } = store;
		const stored = await fill(store, 19);
		await store.close();
		// Header and trailer of the first group of a lane.
		const path = join(dataDir, 'log', 'small-0000000001.log');
		const trailer = (await readFile(path)).indexOf('PGGT', 4096);
		for (const at of [4096, trailer]) await flipBit(path, at + 20);
		store = await stores.open({ ...OPTIONS, rebuild: true }, dataDir);
		assert.deepEqual(reasons(store), ['LOG_DAMAGED']);
		const whole = await served(store, stored);
		await store.giveUpLosses();
		await store.close();
		for (const options of [OPTIONS, { ...OPTIONS, rebuild: true }]) {
			store = await stores.open(options, dataDir);
			assert.deepEqual(reasons(store), []);
			assert.equal(await served(store, stored), whole);
			await store.compaction.start({ everything: true });
			await store.compaction.settled();
			assert.equal(await served(store, stored), whole);
			await store.close();
		}
	});

	it('only right after a rebuild', async () => {
		const store = await stores.open(OPTIONS);
		await assert.rejects(store.giveUpLosses(), /only after a rebuild/);
		await store.close();
	});
});
