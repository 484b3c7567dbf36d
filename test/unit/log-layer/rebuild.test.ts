import assert from 'node:assert/strict';
import { copyFile, cp, readdir, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { fileRoot } from '../../../src/native/addon.js';
import type { TxSeq } from '../../../src/units.js';
import { flipBit } from '../../support/damage.js';
import { placedSubmission } from '../../support/placed.js';
import { Prng } from '../../support/prng.js';
import { dumpView, put, readBack, type TestStore, useTestStores } from '../../support/test-store.js';

const stores = useTestStores();

/** Content by txSeq; undefined: a submission whose data is not here. */
type Contents = (Uint8Array | undefined)[];

/** Uploads of all kinds. */
async function fill(store: TestStore): Promise<Contents> {
	const prng = new Prng(1);
	const contents: Contents = [];
	const add = async (content: Uint8Array, name = ''): Promise<void> => {
		const { txSeq } = await put(store, content, { name, contentType: name });
		contents[txSeq] = content;
	};
	for (let i = 0; i < 20; i++) await add(prng.bytes(1 + prng.below(20_000)), `small ${i}`);
	await add(prng.bytes(262_144));
	await add(prng.bytes(262_145));
	const large = prng.bytes(5_000_000);
	await add(large, 'large');
	await add(large, 'large again');
	await add(Uint8Array.of(97), 'a');
	await add(Uint8Array.of(97, 0), 'a0');
	await add(Uint8Array.of(97), 'a again');
	const aborted = store.files.beginUpload({ name: '', contentType: '' });
	await aborted.write(prng.bytes(1_000_000));
	await aborted.abort();
	await assert.rejects(put(store, prng.bytes(600_000), { expectedSha256: new Uint8Array(32) }));
	const foreign = prng.bytes(3000);
	const { nodes } = fileRoot(foreign);
	const tags = Uint8Array.of(1, 2, 3);
	const submitted = await store.settlement.submit({
		lengthBytes: 3000n,
		tags,
		nodes,
		submitter: new Uint8Array(20).fill(7),
	});
	contents[placedSubmission(submitted).txSeq] = undefined;
	await Promise.all(Array.from({ length: 10 }, (_, i) => add(prng.bytes(1 + i * 70_000))));
	return contents;
}

async function assertAll(store: TestStore, contents: Contents): Promise<void> {
	assert.equal(store.files.flow().submissions, contents.length);
	for (const [txSeq, content] of contents.entries()) {
		if (content) assert.ok((await readBack(store, { txSeq: txSeq as TxSeq })).equals(content), `submission ${txSeq}`);
		else assert.equal((await store.files.fileBySeq(txSeq as TxSeq))?.finalized, false);
	}
	assert.equal((await store.files.fileBySeq(0 as TxSeq))?.name, 'small 0');
}

describe('the view', () => {
	let original: string;
	let contents: Contents;
	let dump: Map<string, string>;

	before(async () => {
		const store = await stores.open();
		contents = await fill(store);
		await assertAll(store, contents);
		await store.settle();
		await store.close();
		original = store.dataDir;
		dump = await dumpView(original);
		assert.ok(dump.size > 60);
	});

	async function copy(): Promise<string> {
		const directory = await stores.newDirectory();
		await cp(original, directory, { recursive: true });
		return directory;
	}

	/** Opens the directory; answers what the store said and the view's rows afterwards. */
	async function openAndDump(
		directory: string,
		rebuild = false,
	): Promise<{ told: readonly string[]; rows: Map<string, string> }> {
		const store = await stores.open({ rebuild }, directory);
		await assertAll(store, contents);
		await store.settle();
		await store.close();
		return { told: store.told, rows: await dumpView(directory) };
	}

	it('is as it was after a plain restart', async () => {
		const { told, rows } = await openAndDump(await copy());
		assert.ok(!told.some((line) => line.startsWith('rebuilding')));
		assert.deepEqual(rows, dump);
	});

	it('is rebuilt from the log to the same rows', async () => {
		const { told, rows } = await openAndDump(await copy(), true);
		assert.ok(told.some((line) => line.startsWith('rebuilding')));
		assert.deepEqual(rows, dump);
	});

	it('is rebuilt when the checkpoint is missing, damaged, cut or empty', async () => {
		for (const fate of ['missing', 'damaged', 'cut', 'empty']) {
			const directory = await copy();
			const path = join(directory, 'view.checkpoint');
			const bytes = await readFile(path);
			if (fate === 'missing') await unlink(path);
			if (fate === 'damaged') await flipBit(path, 20);
			if (fate === 'cut') await writeFile(path, bytes.subarray(0, -5));
			if (fate === 'empty') await writeFile(path, '');
			const { told, rows } = await openAndDump(directory);
			assert.ok(
				told.some((line) => line.startsWith('rebuilding')),
				fate,
			);
			assert.deepEqual(rows, dump, fate);
		}
	});

	it('is rebuilt when the checkpoint is that of another store', async () => {
		const other = await stores.open();
		await put(other, Uint8Array.of(1));
		await other.close();
		const directory = await copy();
		await copyFile(join(other.dataDir, 'view.checkpoint'), join(directory, 'view.checkpoint'));
		const { told, rows } = await openAndDump(directory);
		assert.ok(told.some((line) => line.startsWith('rebuilding')));
		assert.deepEqual(rows, dump);
	});

	it('is rebuilt when it is that of an empty store, or not there', async () => {
		const directory = await copy();
		const empty = await stores.open();
		await empty.close();
		for (const fate of ['of an empty store', 'not there']) {
			await rm(join(directory, 'view'), { recursive: true });
			if (fate !== 'not there') await cp(join(empty.dataDir, 'view'), join(directory, 'view'), { recursive: true });
			const { told, rows } = await openAndDump(directory);
			assert.ok(
				told.some((line) => line.startsWith('rebuilding')),
				fate,
			);
			assert.deepEqual(rows, dump, fate);
		}
	});

	it('is rebuilt when it is older than its checkpoint', async () => {
		const directory = await copy();
		const store = await stores.open({}, directory);
		const { root } = await put(store, contents[0] as Uint8Array, { name: 'renamed later' });
		await store.settle();
		await store.close();
		await rm(join(directory, 'view'), { recursive: true });
		await cp(join(original, 'view'), join(directory, 'view'), { recursive: true });
		const again = await stores.open({}, directory);
		assert.ok(again.told.some((line) => line.startsWith('rebuilding')));
		assert.equal((await again.files.fileByRoot(root))?.name, 'renamed later');
		await again.close();
	});

	it('is rebuilt when a table is missing', async () => {
		const directory = await copy();
		for (const name of await readdir(join(directory, 'view'))) {
			if (name.endsWith('.sst')) await unlink(join(directory, 'view', name));
		}
		const { told, rows } = await openAndDump(directory);
		assert.ok(told.some((line) => line.startsWith('rebuilding')));
		assert.deepEqual(rows, dump);
	});

	it('is brought up to date when the process ended without a word', async () => {
		const store = await stores.open({}, await copy());
		const added = new Prng(77).bytes(400_000);
		const { txSeq } = await put(store, added, { name: 'late' });
		await put(store, contents[0] as Uint8Array, { name: 'renamed' });
		await store.checkpoint();
		await put(store, contents[1] as Uint8Array, { name: 'renamed' });
		const killed = await stores.newDirectory();
		await cp(store.dataDir, killed, { recursive: true });
		await store.settle();
		await store.close();
		const after = await stores.open({}, killed);
		await assertAll(after, [...contents, added]);
		assert.equal((await after.files.fileBySeq(txSeq))?.name, 'late');
		await after.close();
		assert.deepEqual(await dumpView(killed), await dumpView(store.dataDir));
	});

	it('answers right bytes or DATA_DAMAGED with flipped bits in its files, and the open after that has rebuilt it', async () => {
		const prng = new Prng(5);
		let found = 0;
		for (let round = 0; round < 12; round++) {
			const directory = await copy();
			const flipped = await flipSomewhere(join(directory, 'view'), prng);
			const store = await stores.open({}, directory);
			let isDamaged = store.told.some((line) => line.startsWith('rebuilding'));
			for (const [txSeq, content] of contents.entries()) {
				if (!content) continue;
				try {
					assert.ok((await readBack(store, { txSeq: txSeq as TxSeq })).equals(content), flipped);
				} catch (error) {
					assert.equal((error as { code?: string }).code, 'DATA_DAMAGED', `${flipped}: ${String(error)}`);
					assert.ok(store.files.health().some(({ code }) => code === 'VIEW_DAMAGED'));
					isDamaged = true;
				}
			}
			await store.settle();
			await store.close();
			if (!isDamaged) continue;
			found++;
			const { rows } = await openAndDump(directory);
			assert.deepEqual(rows, dump, flipped);
		}
		assert.ok(found > 0, 'some of the flips were found');
	});
});

/** Flips a bit of a table, or of the engine's list of tables. */
async function flipSomewhere(directory: string, prng: Prng): Promise<string> {
	const names = (await readdir(directory)).filter((name) => name.endsWith('.sst') || name.startsWith('MANIFEST'));
	const name = prng.pick(names);
	const { size } = await stat(join(directory, name));
	const offset = prng.below(size);
	await flipBit(join(directory, name), offset, prng.below(8));
	return `bit of byte ${offset} of ${name} (${size} bytes)`;
}
