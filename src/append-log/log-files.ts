/** Names of log files, and a bounded set of open ones for reading. */
import type { StorageFile, StorageIo } from '../io/storage-io.js';
import { LANES, type Lane } from './types.js';

const NAME_PATTERN = /^(journal|small|bulk|sealed)-(\d{10})\.log$/;

function logFileName(lane: Lane, fileNo: number): string {
	return `${lane}-${String(fileNo).padStart(10, '0')}.log`;
}

/** Numbers of a lane's files in ascending order, out of a directory's names. */
export function laneFileNumbers(names: readonly string[], lane: Lane): number[] {
	const numbers: number[] = [];
	for (const name of names) {
		const match = NAME_PATTERN.exec(name);
		if (match?.[1] === lane) numbers.push(Number(match[2]));
	}
	return numbers.sort((a, b) => a - b);
}

interface OpenFile {
	readonly file: Promise<StorageFile>;
	users: number;
}

/** Opens log files on first use and keeps at most `maxOpen` of them; files in use are never closed under their reader. */
export class LogFiles {
	readonly directory: string;
	readonly #io: StorageIo;
	readonly #maxOpen: number;
	/** In order of last use: a Map keeps insertion order, and a hit is inserted anew. */
	readonly #open = new Map<number, OpenFile>();

	constructor(io: StorageIo, directory: string, maxOpen: number) {
		this.#io = io;
		this.directory = directory;
		this.#maxOpen = maxOpen;
	}

	path(lane: Lane, fileNo: number): string {
		return `${this.directory}/${logFileName(lane, fileNo)}`;
	}

	/** Calls `use` with the file open for reading. Errors: those of StorageIo.open (ENOENT …) and of `use`. */
	async use<T>(lane: Lane, fileNo: number, use: (file: StorageFile) => Promise<T>): Promise<T> {
		const key = fileNo * 8 + LANES[lane];
		let entry = this.#open.get(key);
		if (entry) {
			this.#open.delete(key);
		} else {
			entry = { file: this.#io.open(this.path(lane, fileNo), 'read'), users: 0 };
		}
		this.#open.set(key, entry);
		entry.users++;
		try {
			return await use(await entry.file);
		} catch (error) {
			if (this.#open.get(key) === entry && (await isUnopened(entry))) this.#open.delete(key);
			throw error;
		} finally {
			entry.users--;
			if (this.#open.size > this.#maxOpen) await this.#closeIdle();
		}
	}

	async close(): Promise<void> {
		const files = [...this.#open.values()];
		this.#open.clear();
		for (const entry of files) await closeQuietly(entry);
	}

	async #closeIdle(): Promise<void> {
		for (const [key, entry] of this.#open) {
			if (this.#open.size <= this.#maxOpen) return;
			if (entry.users > 0) continue;
			this.#open.delete(key);
			await closeQuietly(entry);
		}
	}
}

async function isUnopened(entry: OpenFile): Promise<boolean> {
	return entry.file.then(
		() => false,
		() => true,
	);
}

async function closeQuietly(entry: OpenFile): Promise<void> {
	// A file that was opened for reading only has nothing to lose when its close fails.
	await entry.file.then((file) => file.close()).catch(() => undefined);
}
