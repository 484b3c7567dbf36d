/** What every StorageIo must do; run against the real one and the simulated one. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StorageIo } from '../../../src/io/storage-io.js';

export interface StorageIoSubject {
	readonly io: StorageIo;
	/** An empty directory that the test may fill. */
	readonly directory: string;
	dispose(): Promise<void>;
}

function coded(code: string): (error: unknown) => boolean {
	return (error) => (error as NodeJS.ErrnoException).code === code;
}

export function storageIoCompliance(name: string, subject: () => Promise<StorageIoSubject>): void {
	const test = (title: string, body: (io: StorageIo, directory: string) => Promise<void>): void => {
		it(title, async () => {
			const { io, directory, dispose } = await subject();
			try {
				await body(io, directory);
			} finally {
				await dispose();
			}
		});
	};

	const writeFile = async (io: StorageIo, path: string, text: string): Promise<void> => {
		const file = await io.open(path, 'create');
		await file.writev([Buffer.from(text)], 0);
		await file.close();
	};

	const readText = async (io: StorageIo, path: string): Promise<string> => {
		const file = await io.open(path, 'read');
		const bytes = Buffer.alloc(await file.size());
		assert.equal(await file.read(bytes, 0), bytes.byteLength);
		await file.close();
		return bytes.toString();
	};

	describe(`StorageIo: ${name}`, () => {
		test('reads back what was written, at positions, over several buffers', async (io, directory) => {
			const file = await io.open(`${directory}/a`, 'create');
			assert.equal(await file.writev([Buffer.from('hello '), Buffer.alloc(0), Buffer.from('world')], 0), 11);
			assert.equal(await file.writev([Buffer.from('W')], 6), 1);
			await file.fdatasync();
			assert.equal(await file.size(), 11);
			const bytes = Buffer.alloc(20, '.');
			assert.equal(await file.read(bytes, 3), 8, 'fewer bytes than asked at the end of the file');
			assert.equal(bytes.toString(), 'lo World............');
			assert.equal(await file.read(bytes, 11), 0);
			assert.equal(await file.read(bytes, 1000), 0);
			await file.close();
		});

		test('a write behind the end leaves zeros before it', async (io, directory) => {
			const file = await io.open(`${directory}/a`, 'create');
			await file.writev([Buffer.from('x')], 5000);
			const bytes = Buffer.alloc(5001, 1);
			assert.equal(await file.read(bytes, 0), 5001);
			assert.ok(bytes.subarray(0, 5000).every((byte) => byte === 0));
			await file.close();
		});

		test('takes more buffers in one call than the system does', async (io, directory) => {
			const file = await io.open(`${directory}/a`, 'create');
			const buffers = Array.from({ length: 2500 }, (_, index) => Buffer.alloc(7, index % 251));
			assert.equal(await file.writev(buffers, 100), 17_500);
			const bytes = Buffer.alloc(17_500);
			assert.equal(await file.read(bytes, 100), 17_500);
			assert.ok(bytes.equals(Buffer.concat(buffers)));
			await file.close();
		});

		test('writes from and reads into shared memory', async (io, directory) => {
			const shared = new Uint8Array(new SharedArrayBuffer(8192));
			shared.fill(42);
			const file = await io.open(`${directory}/a`, 'create');
			assert.equal(await file.writev([shared.subarray(0, 4096), shared.subarray(4096)], 0), 8192);
			shared.fill(0);
			assert.equal(await file.read(shared.subarray(0, 4096), 0), 4096);
			assert.ok(shared.subarray(0, 4096).every((byte) => byte === 42));
			assert.ok(shared.subarray(4096).every((byte) => byte === 0));
			await file.close();
		});

		test('concurrent calls on one file do not disturb each other', async (io, directory) => {
			const file = await io.open(`${directory}/a`, 'create');
			const parts = Array.from({ length: 32 }, (_, index) => Buffer.alloc(1000, index));
			await Promise.all(parts.map((part, index) => file.writev([part], index * 1000)));
			const reads = parts.map(() => Buffer.alloc(1000));
			await Promise.all([file.fdatasync(), ...reads.map((bytes, index) => file.read(bytes, index * 1000))]);
			for (const [index, bytes] of reads.entries()) assert.ok(bytes.equals(parts[index] as Buffer));
			await file.close();
		});

		test('create refuses an existing file, read and write a missing one', async (io, directory) => {
			await writeFile(io, `${directory}/a`, 'a');
			await assert.rejects(io.open(`${directory}/a`, 'create'), coded('EEXIST'));
			await assert.rejects(io.open(`${directory}/b`, 'read'), coded('ENOENT'));
			await assert.rejects(io.open(`${directory}/b`, 'write'), coded('ENOENT'));
			await assert.rejects(io.open(`${directory}/none/b`, 'create'), coded('ENOENT'));
		});

		test('a file opened for reading takes no writes, one opened for writing keeps its content', async (io, directory) => {
			await writeFile(io, `${directory}/a`, 'abc');
			const reader = await io.open(`${directory}/a`, 'read');
			await assert.rejects(reader.writev([Buffer.from('x')], 0), coded('EBADF'));
			const writer = await io.open(`${directory}/a`, 'write');
			await writer.writev([Buffer.from('X')], 1);
			await Promise.all([reader.close(), writer.close()]);
			assert.equal(await readText(io, `${directory}/a`), 'aXc');
		});

		test('a closed file refuses calls, and closing waits for those under way', async (io, directory) => {
			const file = await io.open(`${directory}/a`, 'create');
			const write = file.writev([Buffer.from('abc')], 0);
			await write;
			const behindTheEnd = file.read(Buffer.alloc(100), 0);
			await file.close();
			assert.equal(await behindTheEnd, 3);
			assert.equal(await readText(io, `${directory}/a`), 'abc');
			await assert.rejects(file.writev([Buffer.from('x')], 0), coded('EBADF'));
			await assert.rejects(file.read(Buffer.alloc(1), 0), coded('EBADF'));
			await assert.rejects(file.fdatasync(), coded('EBADF'));
			await file.close();
		});

		test('rename replaces, link shares, unlink keeps what is open', async (io, directory) => {
			await writeFile(io, `${directory}/a`, 'new');
			await writeFile(io, `${directory}/b`, 'old');
			await io.rename(`${directory}/a`, `${directory}/b`);
			assert.deepEqual(await io.list(directory), ['b']);
			await io.link(`${directory}/b`, `${directory}/c`);
			await assert.rejects(io.link(`${directory}/b`, `${directory}/c`), coded('EEXIST'));
			const open = await io.open(`${directory}/c`, 'read');
			await io.unlink(`${directory}/b`);
			await io.unlink(`${directory}/c`);
			const bytes = Buffer.alloc(3);
			assert.equal(await open.read(bytes, 0), 3);
			assert.equal(bytes.toString(), 'new');
			await open.close();
			assert.deepEqual(await io.list(directory), []);
			await assert.rejects(io.unlink(`${directory}/b`), coded('ENOENT'));
			await assert.rejects(io.rename(`${directory}/a`, `${directory}/b`), coded('ENOENT'));
		});

		test('directories: made with parents, listed, renamed, synced, removed with all they hold', async (io, directory) => {
			await io.makeDir(`${directory}/x/y/z`);
			await io.makeDir(`${directory}/x/y`);
			await writeFile(io, `${directory}/x/y/z/f`, 'f');
			await io.syncDir(`${directory}/x/y/z`);
			await io.rename(`${directory}/x/y`, `${directory}/w`);
			assert.deepEqual((await io.list(directory)).sort(), ['w', 'x']);
			assert.equal(await readText(io, `${directory}/w/z/f`), 'f');
			await io.removeDir(`${directory}/w`);
			await io.removeDir(`${directory}/w`);
			assert.deepEqual(await io.list(directory), ['x']);
			assert.deepEqual(await io.list(`${directory}/missing`), []);
			await assert.rejects(io.syncDir(`${directory}/missing`), coded('ENOENT'));
		});

		test('stat tells the size, or that nothing is there; space tells bytes', async (io, directory) => {
			await writeFile(io, `${directory}/a`, 'abcde');
			assert.deepEqual(await io.stat(`${directory}/a`), { sizeBytes: 5 });
			assert.equal(await io.stat(`${directory}/b`), undefined);
			const { freeBytes, totalBytes } = await io.space(directory);
			assert.ok(freeBytes > 0 && freeBytes <= totalBytes);
			await assert.rejects(io.space(`${directory}/missing`), coded('ENOENT'));
		});
	});
}
