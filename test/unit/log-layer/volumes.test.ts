import assert from 'node:assert/strict';
import { copyFile, cp, mkdir, readdir, readFile, rename, rm, truncate, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { decodeFileStart, FIRST_GROUP_OFFSET } from '../../../src/append-log/format.js';
import type { ErrorCode } from '../../../src/errors.js';
import { PerigeeError } from '../../../src/errors.js';
import { openSealedJson } from '../../../src/log-layer/sealed-json.js';
import type { StorageIo } from '../../../src/io/storage-io.js';
import { logChecksums } from '../../../src/log-layer/log-checksums.js';
import { flipBit } from '../../support/damage.js';
import { type StoredUpload } from '../../support/placed.js';
import { Prng } from '../../support/prng.js';
import { put, readBack, type TestStore, useTestStores } from '../../support/test-store.js';

const stores = useTestStores();
const ROLL_BYTES = 300_000;

/** Changes a digit of the identity to another one: only the checksum tells. */
async function otherDigit(path: string): Promise<void> {
	const text = await readFile(path, 'latin1');
	const at = text.indexOf('"storeId":"') + 20;
	await writeFile(path, `${text.slice(0, at)}${text[at] === '0' ? '1' : '0'}${text.slice(at + 1)}`, 'latin1');
}

interface Disks {
	readonly first: string;
	readonly second: string;
	readonly third: string;
}

async function newDisks(): Promise<Disks> {
	const home = await stores.newDirectory();
	return { first: join(home, '1'), second: join(home, '2'), third: join(home, '3') };
}

function open({ first, second, third }: Disks, dataDirs = [second, third]): Promise<TestStore> {
	return stores.open({ dataDirs, rollBytes: ROLL_BYTES }, first);
}

interface Stored {
	readonly content: Uint8Array;
	readonly result: StoredUpload;
}

async function fill(store: TestStore, seed: number): Promise<Stored[]> {
	const prng = new Prng(seed);
	const stored: Stored[] = [];
	for (const sizeBytes of [1000, 700_000, 20_000, 1_300_000, 250_000, 262_144]) {
		const content = prng.bytes(sizeBytes);
		stored.push({ content, result: await put(store, content) });
	}
	return stored;
}

async function assertServed(store: TestStore, stored: readonly Stored[]): Promise<void> {
	for (const { content, result } of stored) assert.ok((await readBack(store, result)).equals(content));
}

async function logFiles(directory: string): Promise<string[]> {
	return (await readdir(join(directory, 'log'))).sort();
}

async function assertRefused(opening: Promise<unknown>, code: ErrorCode, text: RegExp): Promise<void> {
	await assert.rejects(opening, (error) => {
		assert.ok(error instanceof PerigeeError, String(error));
		assert.equal(error.code, code);
		assert.match(error.message, text);
		return true;
	});
}

describe('a store on several volumes', () => {
	it('spreads its payload over them, keeps the journal on the first, and names the volume in each file', async () => {
		const disks = await newDisks();
		const store = await open(disks);
		await assertServed(store, await fill(store, 1));
		await store.close();
		const all = [disks.first, disks.second, disks.third];
		for (const [volume, directory] of all.entries()) {
			const names = await logFiles(directory);
			assert.ok(
				names.some((name) => !name.startsWith('journal')),
				`volume ${volume} has ${names.join()}`,
			);
			assert.equal(
				names.some((name) => name.startsWith('journal')),
				volume === 0,
			);
			for (const name of names) {
				const bytes = await readFile(join(directory, 'log', name));
				const header = decodeFileStart(bytes.subarray(0, FIRST_GROUP_OFFSET), logChecksums);
				assert.equal(header?.volume, volume, name);
			}
		}
		const names = (await Promise.all(all.map(logFiles))).flat();
		assert.equal(new Set(names).size, names.length);
	});

	it('serves everything after a restart, whatever order its directories are named in, and after a rebuild', async () => {
		const disks = await newDisks();
		let store = await open(disks);
		const stored = await fill(store, 2);
		await store.close();
		store = await open(disks, [disks.third, disks.second]);
		await assertServed(store, stored);
		await store.close();
		store = await stores.open({ dataDirs: [disks.second, disks.third], rebuild: true }, disks.first);
		await assertServed(store, stored);
		assert.deepEqual(store.files.health(), []);
		await store.close();
	});

	it('finds log files that were moved between volumes by hand', async () => {
		const disks = await newDisks();
		let store = await open(disks);
		const stored = await fill(store, 3);
		await store.close();
		for (const [from, to] of [
			[disks.second, disks.third],
			[disks.first, disks.second],
		] as const) {
			for (const name of await logFiles(from)) {
				if (!name.startsWith('journal')) await rename(join(from, 'log', name), join(to, 'log', name));
			}
		}
		store = await open(disks);
		await assertServed(store, stored);
		assert.deepEqual(store.files.health(), []);
		await assertServed(store, await fill(store, 4));
		await store.close();
	});

	it('takes a new directory into use at any start', async () => {
		const disks = await newDisks();
		let store = await open(disks, []);
		const stored = await fill(store, 5);
		await store.close();
		store = await open(disks, [disks.second]);
		stored.push(...(await fill(store, 6)));
		await store.close();
		assert.ok((await logFiles(disks.second)).length > 0);
		store = await open(disks);
		await assertServed(store, stored);
		await store.close();
		const { volumes } = openSealedJson(await readFile(join(disks.first, 'store.json'))) as { volumes: unknown };
		assert.deepEqual(volumes, [
			{ volume: 1, dataDir: disks.second },
			{ volume: 2, dataDir: disks.third },
		]);
	});

	it('takes no uploads when the first volume has less than half of its reserve, however much room others have', async () => {
		const disks = await newDisks();
		const free = { first: 4_000_000 };
		const wrapIo = (io: StorageIo): StorageIo => ({
			...io,
			space: (path) =>
				Promise.resolve({ freeBytes: path.startsWith(disks.first) ? free.first : 2 ** 30, totalBytes: 2 ** 31 }),
		});
		const options = { dataDirs: [disks.second], reserveBytes: 8_000_000, wrapIo };
		let store = await stores.open(options, disks.first);
		const content = new Prng(1).bytes(500_000);
		assert.ok((await readBack(store, await put(store, content))).equals(content));
		await store.close();
		free.first = 3_999_999;
		store = await stores.open(options, disks.first);
		await assert.rejects(put(store, new Prng(2).bytes(500_000)), { code: 'DISK_FULL' });
		await store.close();
	});

	it('goes on in a file on another volume when a group finds no room on its own', async () => {
		const disks = await newDisks();
		const full = { directory: '' };
		const noRoom = (): Promise<never> => Promise.reject(Object.assign(new Error('no space'), { code: 'ENOSPC' }));
		const wrapIo = (io: StorageIo): StorageIo => ({
			...io,
			space: (path) =>
				Promise.resolve({ freeBytes: path.startsWith(disks.first) ? 2 ** 27 : 2 ** 30, totalBytes: 2 ** 31 }),
			async open(path, mode, hints) {
				const file = await io.open(path, mode, hints);
				const writev: typeof file.writev = (buffers, at) =>
					full.directory !== '' && path.startsWith(full.directory) ? noRoom() : file.writev(buffers, at);
				return new Proxy(file, {
					get(target, name) {
						if (name === 'writev') return writev;
						const value = Reflect.get(target, name, target) as unknown;
						return typeof value === 'function' ? (value.bind(target) as unknown) : value;
					},
				});
			},
		});
		const store = await stores.open({ dataDirs: [disks.second, disks.third], wrapIo }, disks.first);
		const stored = await fill(store, 14);
		const further = [disks.second, disks.third];
		const used = await Promise.all(
			further.map(async (directory) => (await logFiles(directory)).some((name) => name.startsWith('bulk'))),
		);
		full.directory = further[used.indexOf(true)] ?? '';
		assert.notEqual(full.directory, '', 'the lane of large files is on a further volume');
		stored.push(...(await fill(store, 15)));
		await assertServed(store, stored);
		assert.ok(store.told.some((line) => line.endsWith('refused')));
		await store.close();
	});

	it('counts two copies of a file once when one is a beginning of the other', async () => {
		const disks = await newDisks();
		let store = await open(disks, [disks.second]);
		const stored = await fill(store, 7);
		await store.close();
		const names = await logFiles(disks.second);
		assert.ok(names.length > 1);
		for (const [index, name] of names.entries()) {
			const copy = join(disks.first, 'log', name);
			await copyFile(join(disks.second, 'log', name), copy);
			// A copy that was broken off.
			if (index > 0) await truncate(copy, 10_000);
		}
		store = await open(disks, [disks.second]);
		assert.equal(store.told.filter((line) => line.startsWith('spare copy')).length, names.length);
		await assertServed(store, stored);
		await store.close();
	});

	it('refuses two different files of one name, and leaves both as they are', async () => {
		const disks = await newDisks();
		const store = await open(disks, [disks.second]);
		await fill(store, 8);
		await store.close();
		const name = (await logFiles(disks.second))[0] ?? '';
		const copy = join(disks.first, 'log', name);
		await copyFile(join(disks.second, 'log', name), copy);
		await flipBit(copy, 5000, 1);
		const before = await readFile(copy);
		await assertRefused(open(disks, [disks.second]), 'VOLUME_CONFLICT', /differ from byte 5000/);
		assert.ok(before.equals(await readFile(copy)));
	});
});

describe('the directories of a store', () => {
	it('are refused when one belongs to another store, is a first one, holds the same volume, or is no directory', async () => {
		const disks = await newDisks();
		const store = await open(disks);
		await fill(store, 9);
		await store.close();
		const others = await newDisks();
		await (await open(others)).close();
		await assertRefused(open(disks, [others.second]), 'VOLUME_CONFLICT', /belongs to store/);
		await assertRefused(open(disks, [others.first]), 'VOLUME_CONFLICT', /first data directory/);
		await cp(disks.second, `${disks.second}-copy`, { recursive: true });
		await assertRefused(open(disks, [disks.second, `${disks.second}-copy`]), 'VOLUME_CONFLICT', /too$/);
		await writeFile(`${disks.third}-file`, 'x');
		await assertRefused(open(disks, [`${disks.third}-file`]), 'VOLUME_CONFLICT', /ENOTDIR|EEXIST/);
	});

	it('are refused in the wrong order: a further volume has no journal, and a new one must not be begun', async () => {
		const disks = await newDisks();
		const store = await open(disks);
		await fill(store, 10);
		await store.close();
		await assertRefused(
			open({ ...disks, first: disks.second }, [disks.first]),
			'VOLUME_CONFLICT',
			/name that store's first data directory/,
		);
		assert.ok(!(await readdir(disks.second)).includes('store.json'));
	});

	it('are refused when the first disk is not mounted, and no store is begun in its place', async () => {
		const disks = await newDisks();
		let store = await open(disks);
		const stored = await fill(store, 14);
		await store.close();
		await rename(disks.first, `${disks.first}-unmounted`);
		await mkdir(disks.first);
		await assertRefused(open(disks), 'VOLUME_CONFLICT', /is the first disk mounted/);
		assert.deepEqual(await readdir(disks.first), []);
		await rm(disks.first, { recursive: true });
		await rename(`${disks.first}-unmounted`, disks.first);
		store = await open(disks);
		await assertServed(store, stored);
		await store.close();
	});

	it('are known again when their identity files are lost', async () => {
		const disks = await newDisks();
		let store = await open(disks);
		const stored = await fill(store, 11);
		await store.close();
		for (const spoil of [unlink, otherDigit]) {
			await spoil(join(disks.first, 'store.json'));
			await spoil(join(disks.second, 'volume.json'));
			store = await open(disks);
			assert.ok(store.told.includes('lost store.json'));
			await assertServed(store, stored);
			assert.deepEqual(store.files.health(), []);
			await store.close();
		}
		store = await open(disks);
		assert.ok(!store.told.includes('lost store.json'));
		await store.close();
	});

	it('that are empty where a volume was count as missing, and nothing is written to them', async () => {
		const disks = await newDisks();
		let store = await open(disks);
		const stored = await fill(store, 12);
		await store.close();
		await rename(disks.second, `${disks.second}-unmounted`);
		await mkdir(disks.second);
		store = await open(disks);
		assert.ok(store.told.includes('volume 1 missing'));
		await fill(store, 13);
		await store.close();
		assert.deepEqual(await readdir(disks.second), []);
		await rm(disks.second, { recursive: true });
		await rename(`${disks.second}-unmounted`, disks.second);
		store = await open(disks);
		await assertServed(store, stored);
		await store.close();
	});
});
