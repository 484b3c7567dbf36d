/**
 * StorageIo over the operating system. File descriptors and the callback API of node:fs, because a FileHandle closes
 * itself when it is collected. A descriptor is closed only after the last call on it has settled: its number may belong
 * to another file right afterwards.
 */
import * as fs from 'node:fs';
import { dirname } from 'node:path';
import { DirectWriter, type Misalignment } from './direct-writer.js';
import type { OpenMode, StorageFile, StorageIo } from './storage-io.js';
import { call, codeOf } from './system-call.js';
import { ZeroAhead } from './zero-ahead.js';

export interface NodeIoOptions {
	/** Absent: all writes go through the page cache. */
	readonly misalignment?: Misalignment;
	/** As StorageFile.readRight, of a descriptor. Absent: files cannot do it. */
	readonly readRight?: ReadRight;
}

type ReadRight = (fd: number, position: number, buffer: Uint8Array, crcs: Uint8Array) => Promise<boolean>;

const OPEN_FLAGS: Record<OpenMode, string> = { read: 'r', create: 'wx+', write: 'r+' };

/** Creates a file whose writes are synced by the system call that makes them; undefined where the system has no such files. */
const WRITE_THROUGH_FLAGS = writeThroughFlags();

/** The file system of this machine. */
export function createNodeIo(options: NodeIoOptions = {}): StorageIo {
	return {
		async open(path, mode, hints) {
			const isWriteThrough = hints?.writeThrough === true && mode === 'create' && WRITE_THROUGH_FLAGS !== undefined;
			const flags = isWriteThrough ? WRITE_THROUGH_FLAGS : OPEN_FLAGS[mode];
			const fd = await call<number>((done) => fs.open(path, flags, 0o644, done));
			const { misalignment } = options;
			const direct = hints?.direct && misalignment ? await DirectWriter.open(path, misalignment) : undefined;
			return new NodeFile(path, fd, direct, isWriteThrough, options.readRight);
		},
		rename: (from, to) => call<void>((done) => fs.rename(from, to, done)),
		unlink: (path) => call<void>((done) => fs.unlink(path, done)),
		link: (from, to) => call<void>((done) => fs.link(from, to, done)),
		stat,
		list,
		makeDir,
		removeDir: (directory) => call<void>((done) => fs.rm(directory, { recursive: true, force: true }, done)),
		syncDir,
		space,
	};
}

class NodeFile implements StorageFile {
	readonly path: string;
	readonly #fd: number;
	readonly #direct: DirectWriter | undefined;
	/** Present when each write is synced by the call that makes it. */
	readonly #zeros: ZeroAhead | undefined;
	#running = 0;
	#closing: Promise<void> | undefined;
	#whenIdle: (() => void) | undefined;

	readonly readRight?: NonNullable<StorageFile['readRight']>;

	constructor(
		path: string,
		fd: number,
		direct: DirectWriter | undefined,
		isWriteThrough: boolean,
		readRight: ReadRight | undefined,
	) {
		this.path = path;
		this.#zeros = isWriteThrough ? new ZeroAhead(fd) : undefined;
		this.#direct = direct;
		this.#fd = fd;
		if (readRight) this.readRight = (buffer, position, crcs) => this.#use(() => readRight(fd, position, buffer, crcs));
	}

	get descriptor(): number {
		return this.#fd;
	}

	/** libuv splits and repeats the system call until one fails: a short count means that the next byte could not be written. */
	writev(buffers: readonly Uint8Array[], position: number): Promise<number> {
		if (buffers.length === 0) return Promise.resolve(0);
		const zeros = this.#zeros;
		if (zeros) return this.#use(() => this.#writeThrough(zeros, buffers, position));
		const direct = this.#direct;
		if (!direct) return this.#use(() => call<number>((done) => fs.writev(this.#fd, buffers, position, done)));
		return this.#use(async () => {
			const written = await direct.writev(buffers, position);
			return written ?? (await call<number>((done) => fs.writev(this.#fd, buffers, position, done)));
		});
	}

	async #writeThrough(zeros: ZeroAhead, buffers: readonly Uint8Array[], position: number): Promise<number> {
		let end = position;
		for (const buffer of buffers) end += buffer.length;
		const way = zeros.makeWay(end);
		if (way) await way;
		const written = await call<number>((done) => fs.writev(this.#fd, buffers, position, done));
		zeros.wrote(position + written);
		return written;
	}

	read(buffer: Uint8Array, position: number): Promise<number> {
		return this.#use(async () => {
			let filled = 0;
			while (filled < buffer.byteLength) {
				const count = await call<number>((done) =>
					fs.read(this.#fd, buffer, filled, buffer.byteLength - filled, position + filled, done),
				);
				if (count === 0) break;
				filled += count;
			}
			return filled;
		});
	}

	fdatasync(): Promise<void> {
		if (this.#zeros) return Promise.resolve();
		return this.#use(() => call<void>((done) => fs.fdatasync(this.#fd, done)));
	}

	async size(): Promise<number> {
		const stats = await this.#use(() => call<fs.Stats>((done) => fs.fstat(this.#fd, done)));
		return stats.size;
	}

	close(): Promise<void> {
		this.#closing ??= this.#closeWhenIdle();
		return this.#closing;
	}

	async #closeWhenIdle(): Promise<void> {
		if (this.#running > 0) {
			await new Promise<void>((resolve) => {
				this.#whenIdle = resolve;
			});
		}
		await this.#zeros?.trim();
		await this.#direct?.close();
		await call<void>((done) => fs.close(this.#fd, done));
	}

	async #use<T>(run: () => Promise<T>): Promise<T> {
		if (this.#closing !== undefined) throw systemError('EBADF', `${this.path} is closed`);
		this.#running += 1;
		try {
			return await run();
		} finally {
			this.#running -= 1;
			if (this.#running === 0) this.#whenIdle?.();
		}
	}
}

async function stat(path: string): Promise<{ readonly sizeBytes: number } | undefined> {
	try {
		const stats = await call<fs.Stats>((done) => fs.stat(path, done));
		return { sizeBytes: stats.size };
	} catch (error) {
		if (codeOf(error) === 'ENOENT') return undefined;
		throw error;
	}
}

async function list(directory: string): Promise<string[]> {
	try {
		return await call<string[]>((done) => fs.readdir(directory, done));
	} catch (error) {
		if (codeOf(error) === 'ENOENT') return [];
		throw error;
	}
}

/**
 * With what is missing above it, one step at a time: the system's own recursive call never ends where a directory is there and
 * cannot hold another (/proc).
 */
async function makeDir(directory: string): Promise<void> {
	try {
		await call<void>((done) => fs.mkdir(directory, done));
	} catch (error) {
		const above = dirname(directory);
		const isAboveMissing = codeOf(error) === 'ENOENT' && above !== directory && (await stat(above)) === undefined;
		if (isAboveMissing) {
			await makeDir(above);
			await makeDir(directory);
		} else if (!(await isDirectory(directory))) throw error;
	}
}

async function isDirectory(path: string): Promise<boolean> {
	return call<fs.Stats>((done) => fs.stat(path, done)).then(
		(stats) => stats.isDirectory(),
		() => false,
	);
}

async function syncDir(directory: string): Promise<void> {
	const fd = await call<number>((done) => fs.open(directory, 'r', done));
	try {
		await call<void>((done) => fs.fsync(fd, done));
	} finally {
		await call<void>((done) => fs.close(fd, done));
	}
}

async function space(path: string): Promise<{ readonly freeBytes: number; readonly totalBytes: number }> {
	const stats = await call<fs.StatsFs>((done) => fs.statfs(path, done));
	return { freeBytes: stats.bavail * stats.bsize, totalBytes: stats.blocks * stats.bsize };
}

function writeThroughFlags(): number | undefined {
	const flag = fs.constants.O_DSYNC as number | undefined;
	if (flag === undefined) return undefined;
	const { O_CREAT, O_EXCL, O_RDWR } = fs.constants;
	return O_CREAT | O_EXCL | O_RDWR | flag;
}

function systemError(code: string, message: string): NodeJS.ErrnoException {
	return Object.assign(new Error(`${code}: ${message}`), { code });
}
