import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type KvEngine, RowDamagedError, ViewDamagedError } from '../../../src/db/kv-engine.js';
import { destroyRocks, openRocksKv, rocksdbRefusal } from '../../../src/db/rocks.js';
import { TABLES } from '../../../src/db/tables.js';
import { crc32c } from '../../../src/native/addon.js';
import { kvEngineCompliance } from './kv-engine.compliance.js';

const OPTIONS = { cacheBytes: 1 << 20, writeBufferBytes: 1 << 20, crc32c };
const ALL = { from: Buffer.of(1), to: Buffer.of(255) };

async function withDirectory(body: (directory: string) => Promise<void>): Promise<void> {
	const home = await mkdtemp(join(tmpdir(), 'perigee-rocks-'));
	try {
		await body(join(home, 'view'));
	} finally {
		await rm(home, { recursive: true, force: true });
	}
}

async function countRows(kv: KvEngine): Promise<number> {
	let rows = 0;
	for await (const chunk of kv.scan(ALL)) rows += chunk.length;
	return rows;
}

function rows(count: number): { type: 'put'; key: Buffer; value: Buffer }[] {
	return Array.from({ length: count }, (_, index) => ({
		type: 'put',
		key: Buffer.from(`key ${String(index).padStart(6, '0')}`),
		value: Buffer.from(`value of ${index}`),
	}));
}

async function flipBitOf(directory: string, suffix: string, text: string): Promise<void> {
	let flipped = 0;
	for (const name of await readdir(directory)) {
		if (!name.endsWith(suffix)) continue;
		const path = join(directory, name);
		const bytes = await readFile(path);
		const at = bytes.indexOf(text);
		if (at < 0) continue;
		bytes[at + 2] = (bytes[at + 2] ?? 0) ^ 0x10;
		await writeFile(path, bytes);
		flipped += 1;
	}
	assert.equal(flipped, 1, `exactly one ${suffix} file holds the text`);
}

kvEngineCompliance('RocksDB', async () => {
	const home = await mkdtemp(join(tmpdir(), 'perigee-rocks-'));
	return {
		open: () => openRocksKv(join(home, 'view'), OPTIONS),
		dispose: () => rm(home, { recursive: true, force: true }),
	};
});

describe('RocksKv', () => {
	it('flush alone makes rows independent of RocksDB’s log: a copy without any log has them all', () =>
		withDirectory(async (directory) => {
			const kv = await openRocksKv(directory, OPTIONS);
			await kv.batch(rows(500));
			await kv.flush();
			await kv.batch([{ type: 'put', key: Buffer.from('after'), value: Buffer.from('flush') }]);
			const copy = `${directory}.copy`;
			await cp(directory, copy, {
				recursive: true,
				filter: (path) => !path.endsWith('.log') && !path.endsWith('LOCK'),
			});
			await kv.close();
			const restored = await openRocksKv(copy, OPTIONS);
			assert.equal(await countRows(restored), 500);
			assert.equal(await restored.get(Buffer.from('after')), undefined);
			await restored.close();
		}));

	it('a flush that cannot reach the disk is an error, not a promise', () =>
		withDirectory(async (directory) => {
			const kv = await openRocksKv(directory, OPTIONS);
			await kv.batch(rows(100));
			const next = Math.max(...(await readdir(directory)).map((name) => Number.parseInt(name, 10) || 0)) + 1;
			for (let number = next; number < next + 50; number += 1) {
				await mkdir(join(directory, `${String(number).padStart(6, '0')}.sst`));
			}
			await assert.rejects(kv.flush(), /background error/);
			await kv.close();
		}));

	it('a flush of an index whose files are gone is an error', () =>
		withDirectory(async (directory) => {
			const kv = await openRocksKv(directory, OPTIONS);
			await kv.batch(rows(100));
			await rm(directory, { recursive: true });
			await mkdir(directory);
			await assert.rejects(kv.flush());
			await kv.close();
		}));

	it('a flipped bit in a table is found by get and by scan', () =>
		withDirectory(async (directory) => {
			const kv = await openRocksKv(directory, OPTIONS);
			await kv.batch(rows(100));
			await kv.flush();
			await kv.close();
			await flipBitOf(directory, '.sst', 'value of 57');
			const damaged = await openRocksKv(directory, OPTIONS);
			await assert.rejects(countRows(damaged), RowDamagedError);
			await assert.rejects(damaged.get(Buffer.from('key 000057')), ViewDamagedError);
			await damaged.close();
		}));

	it('a row that turns up under the key of another one is found', () =>
		withDirectory(async (directory) => {
			const kv = await openRocksKv(directory, {
				...OPTIONS,
				crc32c: (data) => (data.byteLength > 0 ? crc32c(data) : 0),
			});
			await kv.batch([{ type: 'put', key: Buffer.from('first key'), value: Buffer.from('value') }]);
			await kv.flush();
			await kv.close();
			await flipBitOf(directory, '.sst', 'first key');
			const damaged = await openRocksKv(directory, OPTIONS);
			await assert.rejects(countRows(damaged), ViewDamagedError);
			await damaged.close();
		}));

	it('a damaged MANIFEST refuses to open as damage', () =>
		withDirectory(async (directory) => {
			const kv = await openRocksKv(directory, OPTIONS);
			await kv.batch(rows(10));
			await kv.flush();
			await kv.close();
			const manifest = (await readdir(directory)).find((name) => name.startsWith('MANIFEST')) ?? '';
			const path = join(directory, manifest);
			const bytes = await readFile(path);
			bytes.fill(0x5a, 20, 60);
			await writeFile(path, bytes);
			await assert.rejects(openRocksKv(directory, OPTIONS), ViewDamagedError);
		}));

	it('a directory that another holder has open is refused, and not as damage', () =>
		withDirectory(async (directory) => {
			const kv = await openRocksKv(directory, OPTIONS);
			await assert.rejects(openRocksKv(directory, OPTIONS), { name: 'PerigeeError', code: 'INTERNAL' });
			await kv.close();
		}));

	it('destroyRocks removes a database and does not mind a missing one', () =>
		withDirectory(async (directory) => {
			const kv = await openRocksKv(directory, OPTIONS);
			await kv.batch(rows(10));
			await kv.close();
			await destroyRocks(directory);
			await destroyRocks(`${directory}.missing`);
			const again = await openRocksKv(directory, OPTIONS);
			assert.equal(await countRows(again), 0);
			await again.close();
		}));

	it('a file in its place is damage, and destroyRocks removes it', () =>
		withDirectory(async (directory) => {
			const path = `${directory}.file`;
			await writeFile(path, 'no database');
			await assert.rejects(openRocksKv(path, OPTIONS), ViewDamagedError);
			await destroyRocks(path);
			await (await openRocksKv(path, OPTIONS)).close();
		}));

	it('a link to a directory in its place is followed', () =>
		withDirectory(async (directory) => {
			const link = `${directory}.link`;
			await mkdir(directory);
			await symlink(directory, link);
			for (let open = 0; open < 2; open++) {
				const kv = await openRocksKv(link, OPTIONS);
				assert.equal(await countRows(kv), open * 10);
				await kv.batch(rows(10));
				await kv.close();
			}
		}));

	it('a process killed with SIGKILL loses no batch that was answered', () =>
		withDirectory(async (directory) => {
			const program = `
				const { openRocksKv } = await import(${JSON.stringify(import.meta.resolve('../../../src/db/rocks.js'))});
				const { crc32c } = await import(${JSON.stringify(import.meta.resolve('../../../src/native/addon.js'))});
				const kv = await openRocksKv(${JSON.stringify(directory)}, { cacheBytes: 1 << 20, writeBufferBytes: 1 << 20, crc32c });
				for (let n = 0; ; n += 1) {
					await kv.batch([{ type: 'put', key: Buffer.from('n' + String(n).padStart(8, '0')), value: Buffer.alloc(100) }]);
					process.stdout.write(n + '\\n');
				}
			`;
			const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
				stdio: ['ignore', 'pipe', 'inherit'],
			});
			let text = '';
			child.stdout.setEncoding('latin1');
			child.stdout.on('data', (part: string) => {
				text += part;
				if (text.length > 2000) child.kill('SIGKILL');
			});
			await once(child, 'close');
			const answered = text.slice(0, text.lastIndexOf('\n')).split('\n').length;
			assert.ok(answered > 100);
			const kv = await openRocksKv(directory, OPTIONS);
			const found = await countRows(kv);
			assert.ok(found >= answered, `${found} rows of ${answered} answered`);
			await kv.close();
		}));

	it('a Node that the prebuilt binary cannot run on is refused with the way out, unless it was built here', () => {
		assert.equal(rocksdbRefusal('20.19.0', false), undefined);
		assert.equal(rocksdbRefusal('22.1.0', true), undefined);
		assert.match(rocksdbRefusal('22.1.0', false) ?? '', /npm rebuild rocksdb --build-from-source/);
	});
});

describe('TABLES', () => {
	it('no two tables share a prefix, and none has the engine’s', () => {
		const prefixes = Object.values(TABLES);
		assert.equal(new Set(prefixes).size, prefixes.length);
		assert.ok(prefixes.every((prefix) => prefix > 0 && prefix < 0xff));
	});
});
