/**
 * KvEngine over npm rocksdb. Nothing above this room knows it.
 *
 * Batches are not synced: a killed process loses none that was answered, a power cut all since the last `flush`. The binding opens leniently
 * (damage in RocksDB's own log loses rows in silence, opens and scans check no block checksum and may end the process), hence the row checksums and
 * the mark of such reading here, and the replay from the last checkpoint above.
 */
import { existsSync, rmSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type RocksDb from 'rocksdb';
import type { BatchOperation, IteratorOptions, RocksIterator } from 'rocksdb';
import { PerigeeError } from '../errors.js';
import { LIMITS } from '../limits.js';
import { type KvEngine, type KvOperation, type KvRange, type KvRow, ViewDamagedError } from './kv-engine.js';
import { type Crc32c, createRowChecksum, type RowChecksum } from './row-checksum.js';
import { ReadMark } from './read-mark.js';

export interface RocksOptions {
	/** Bytes of the cache of table blocks. */
	readonly cacheBytes: number;
	/** Bytes of one table in memory; two may exist while one is written out. A flush passes as many through RocksDB's own log. */
	readonly writeBufferBytes: number;
	readonly crc32c: Crc32c;
}

/** Key of the padding that `flush` writes and deletes in one batch; no table has it. */
const FLUSH_KEY = Buffer.of(0x00);
/** Pads that fill the table in memory, and how many may be tried (others write at the same time). */
const FLUSH_PADS = 16;
const FLUSH_PADS_MAX = 256;
const FLUSH_POLL_MS = 1;
/** From this Node major on, the prebuilt binary of npm rocksdb ends the process while it is loaded. */
const FIRST_UNUSABLE_NODE = 22;
const OPEN_TABLE_FILES = 256;
const FETCH_BYTES = 256 * 1024;

/**
 * Opens the database in `directory`, which is made if it is missing (its parent must exist).
 * Errors: ViewDamagedError when its files cannot be read as a database; INTERNAL with the reason otherwise.
 */
export async function openRocksKv(directory: string, options: RocksOptions): Promise<KvEngine> {
	const found = statSync(directory, { throwIfNoEntry: false });
	if (found && !found.isDirectory()) throw new ViewDamagedError(`${directory} is no directory`);
	const Rocks = await loadRocksdb();
	const mark = ReadMark.open(directory);
	const db = new Rocks(directory);
	const settings = {
		createIfMissing: true,
		compression: false,
		cacheSize: options.cacheBytes,
		writeBufferSize: options.writeBufferBytes,
		maxOpenFiles: OPEN_TABLE_FILES,
	};
	const opening = mark.during(() => call((done) => db.open(settings, done)));
	await opening.catch((error: unknown) => {
		mark.close();
		throw openError(directory, error);
	});
	return new RocksKv(db, directory, mark, options);
}

/** Removes a database that nobody has open; nothing happens if it is missing. */
export async function destroyRocks(directory: string): Promise<void> {
	ReadMark.remove(directory);
	const found = statSync(directory, { throwIfNoEntry: false });
	if (!found) return;
	if (!found.isDirectory()) return rmSync(directory);
	const Rocks = await loadRocksdb();
	await call((done) => Rocks.destroy(directory, done));
}

/** Why npm rocksdb must not be loaded, or undefined. Loading it all the same would abort the process. */
export function rocksdbRefusal(nodeVersion: string, hasOwnBuild: boolean): string | undefined {
	const major = Number.parseInt(nodeVersion, 10);
	if (major < FIRST_UNUSABLE_NODE || hasOwnBuild) return undefined;
	return (
		`The prebuilt binary of npm rocksdb does not run on Node ${nodeVersion}. ` +
		'Use Node 20, or run: npm rebuild rocksdb --build-from-source (takes about 7 minutes)'
	);
}

async function loadRocksdb(): Promise<typeof RocksDb> {
	const home = dirname(createRequire(import.meta.url).resolve('rocksdb/package.json'));
	const refusal = rocksdbRefusal(process.versions.node, existsSync(join(home, 'build', 'Release')));
	if (refusal !== undefined) throw new PerigeeError('INTERNAL', refusal);
	return (await import('rocksdb')).default;
}

class RocksKv implements KvEngine {
	readonly #db: RocksDb;
	readonly #directory: string;
	readonly #mark: ReadMark;
	readonly #checksum: RowChecksum;
	readonly #padding: BatchOperation[];
	#running = 0;
	#whenIdle: (() => void) | undefined;
	#closing: Promise<void> | undefined;
	#freeIterators: number = LIMITS.kvIterators;
	readonly #iteratorWaiters: (() => void)[] = [];

	constructor(db: RocksDb, directory: string, mark: ReadMark, options: RocksOptions) {
		this.#db = db;
		this.#directory = directory;
		this.#mark = mark;
		this.#checksum = createRowChecksum(options.crc32c);
		this.#padding = [
			{ type: 'put', key: FLUSH_KEY, value: Buffer.alloc(Math.ceil(options.writeBufferBytes / FLUSH_PADS)) },
			{ type: 'del', key: FLUSH_KEY },
		];
	}

	async get(key: Uint8Array): Promise<Uint8Array | undefined> {
		const values = await this.getMany([key]);
		return values[0];
	}

	async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
		const buffers = keys.map(asBuffer);
		const stored = await this.#use(
			() =>
				new Promise<(Buffer | undefined)[]>((resolve, reject) => {
					this.#db.getMany(buffers, { asBuffer: true }, (error, values) =>
						error ? reject(error) : resolve(values ?? []),
					);
				}),
		);
		return buffers.map((key, index) => {
			const value = stored[index];
			return value === undefined ? undefined : this.#checksum.open(key, value);
		});
	}

	async batch(operations: readonly KvOperation[]): Promise<void> {
		await this.#use(() => {
			// Handed over one by one they cost the binding half of what an array of objects costs it.
			const batch = this.#db.batch();
			for (const operation of operations) {
				const key = asBuffer(operation.key);
				if (operation.type === 'del') batch.del(key);
				else batch.put(key, this.#checksum.seal(key, operation.value));
			}
			return call((done) => batch.write({ sync: false }, done));
		});
	}

	async *scan(range: KvRange): AsyncGenerator<readonly KvRow[], void, undefined> {
		const chunkRows = Math.max(1, Math.min(range.chunkRows ?? LIMITS.kvChunkRows, LIMITS.kvChunkRows));
		const reverse = range.reverse ?? false;
		let remaining = range.limitRows ?? Number.POSITIVE_INFINITY;
		let from = asBuffer(range.from);
		let to = asBuffer(range.to);
		let fromIncluded = true;
		while (remaining > 0) {
			const asked = Math.min(chunkRows, remaining);
			const start = fromIncluded ? { gte: from } : { gt: from };
			const bounds = { ...start, lt: to, reverse, limit: asked, highWaterMark: FETCH_BYTES };
			const rows = await this.#use(() => this.#mark.during(() => this.#chunk(bounds)));
			const last = rows.at(-1);
			if (last === undefined) return;
			yield rows.map(([key, value]) => ({ key, value: this.#checksum.open(key, value) }));
			if (rows.length < asked) return;
			remaining -= rows.length;
			if (reverse) {
				to = last[0];
			} else {
				from = last[0];
				fromIncluded = false;
			}
		}
	}

	/**
	 * The binding cannot flush, and compacting a key (which flushes) rewrites the whole first level each time. So the table in memory
	 * is filled with padding that the table on disk drops again, until RocksDB itself moves on to a new log. Done is when it says
	 * that none of the logs that were there at the call are needed any more: then all their rows lie in synced tables.
	 */
	async flush(): Promise<void> {
		await this.#use(async () => {
			const lastLog = await this.#newestLog();
			const errorsBefore = this.#property('background-errors');
			let padded = 0;
			while (this.#property('min-log-number-to-keep') <= lastLog) {
				if (this.#property('background-errors') !== errorsBefore) {
					throw new PerigeeError(
						'INTERNAL',
						'the index could not be written to disk (RocksDB counts a background error)',
					);
				}
				if (this.#property('num-immutable-mem-table') > 0) {
					await delay(FLUSH_POLL_MS);
					continue;
				}
				if (padded++ > FLUSH_PADS_MAX)
					throw new PerigeeError('INTERNAL', 'RocksDB does not write its table in memory out');
				await call((done) => this.#db.batch(this.#padding, { sync: false }, done));
			}
		});
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
		await call((done) => this.#db.close(done));
		this.#mark.close();
	}

	#property(name: string): number {
		return Number(this.#db.getProperty(`rocksdb.${name}`));
	}

	/** Number of the newest of RocksDB's own logs: every batch that was answered lies in it or in an older one. */
	async #newestLog(): Promise<number> {
		let newest = 0;
		for (const name of await readdir(this.#directory)) {
			const match = /^(\d+)\.log$/.exec(name);
			if (match !== null) newest = Math.max(newest, Number(match[1]));
		}
		if (newest === 0) throw new PerigeeError('INTERNAL', `the index in ${this.#directory} has lost its files`);
		return newest;
	}

	async #chunk(bounds: IteratorOptions): Promise<[Buffer, Buffer][]> {
		await this.#takeIterator();
		try {
			const iterator = this.#db.iterator(bounds);
			try {
				return await readAll(iterator);
			} finally {
				await call((done) => iterator.end(done));
			}
		} finally {
			this.#giveIterator();
		}
	}

	async #takeIterator(): Promise<void> {
		if (this.#freeIterators > 0) {
			this.#freeIterators -= 1;
			return;
		}
		await new Promise<void>((resolve) => {
			this.#iteratorWaiters.push(resolve);
		});
	}

	#giveIterator(): void {
		const next = this.#iteratorWaiters.shift();
		if (next === undefined) this.#freeIterators += 1;
		else next();
	}

	/** Runs one operation; `close` waits for it, and none begins after `close`. */
	async #use<T>(run: () => Promise<T>): Promise<T> {
		if (this.#closing !== undefined) throw new PerigeeError('SHUTTING_DOWN', 'the index is closed');
		this.#running += 1;
		try {
			return await run();
		} catch (error) {
			throw engineError(error);
		} finally {
			this.#running -= 1;
			if (this.#running === 0) this.#whenIdle?.();
		}
	}
}

function readAll(iterator: RocksIterator): Promise<[Buffer, Buffer][]> {
	return new Promise((resolve, reject) => {
		const rows: [Buffer, Buffer][] = [];
		const step = (): void => {
			iterator.next((error, key, value) => {
				if (error) reject(error);
				else if (key === undefined || value === undefined) resolve(rows);
				else {
					rows.push([key, value]);
					step();
				}
			});
		};
		step();
	});
}

/** A view of the same bytes: the binding copies keys and values before its call returns. */
function asBuffer(bytes: Uint8Array): Buffer {
	return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function call(start: (done: (error: Error | null | undefined) => void) => void): Promise<void> {
	return new Promise((resolve, reject) => {
		start((error) => (error ? reject(error) : resolve()));
	});
}

/** RocksDB's status as our error. The binding hands over nothing but its text, so this one place reads text. */
function engineError(error: unknown): unknown {
	const text = error instanceof Error ? error.message : '';
	// A table that is missing, or that bits in the list of tables have renamed, is damage too.
	const isDamage = text.startsWith('Corruption') || text.includes('No such file or directory');
	if (isDamage) return new ViewDamagedError(`the index is damaged: ${text}`, { cause: error });
	if (FULL.some((word) => text.includes(word))) return new PerigeeError('DISK_FULL', text, { cause: error });
	return error;
}

/** RocksDB takes writes again by itself a few seconds after there is room. */
const FULL = ['No space left on device', 'Disk quota exceeded'];

/** What else may be wrong with a directory that does not open is not damage: a rebuild would not help. */
const SURROUNDINGS = ['lock', 'Permission denied', 'Too many open files', 'Read-only file system'];

function openError(directory: string, error: unknown): Error {
	const text = `the index in ${directory} cannot be opened: ${error instanceof Error ? error.message : String(error)}`;
	if (FULL.some((word) => text.includes(word))) return new PerigeeError('DISK_FULL', text, { cause: error });
	if (SURROUNDINGS.some((word) => text.includes(word))) return new PerigeeError('INTERNAL', text, { cause: error });
	return new ViewDamagedError(text, { cause: error });
}
