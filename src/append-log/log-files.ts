/** Where each log file lies, and a bounded set of open ones for reading. */
import { PerigeeError } from '../errors.js';
import type { StorageFile, StorageIo } from '../io/storage-io.js';
import { LANES, type Lane, type LogVolume } from './types.js';
import { chooseCopy } from './file-copies.js';

const NAME_PATTERN = /^(journal|small|bulk|sealed)-(\d{10})\.log$/;

function logFileName(lane: Lane, fileNo: number): string {
	return `${lane}-${String(fileNo).padStart(10, '0')}.log`;
}

/** A log file's name taken apart; undefined for any other name. */
export function parseLogFileName(name: string): { readonly lane: Lane; readonly fileNo: number } | undefined {
	const match = NAME_PATTERN.exec(name);
	return match ? { lane: match[1] as Lane, fileNo: Number(match[2]) } : undefined;
}

/** The file was retired while its place was looked up: what was in it and still counts lies elsewhere by now. */
export class LogFileGoneError extends Error {
	constructor(lane: Lane, fileNo: number) {
		super(`log file ${fileNo} of lane ${lane} was retired`);
		this.name = 'LogFileGoneError';
	}
}

/** The file was given up for good: whatever has its name is no part of the log. */
export type IsGivenUp = (lane: Lane, fileNo: number) => boolean;

interface OpenFile {
	readonly file: Promise<StorageFile>;
	users: number;
	/** Somebody waits for the last user. */
	whenIdle?: () => void;
}

/**
 * Knows on which volume each log file lies. Opens files for reading on first use and keeps at most `maxOpen` of them; files in use are
 * never closed under their reader.
 */
export class LogFiles {
	/** At least one; the first holds the journal. */
	readonly volumes: readonly LogVolume[];
	/** Paths that were found and are left alone: second copies of a file, and files that were given up. */
	readonly spareCopies: readonly string[];
	readonly #io: StorageIo;
	readonly #maxOpen: number;
	readonly #isGivenUp: IsGivenUp;
	readonly #volumeOf: Map<number, LogVolume>;
	#isIncomplete = false;
	/** In order of last use: a Map keeps insertion order, and a hit is inserted anew. */
	readonly #open = new Map<number, OpenFile>();
	#isClosed = false;
	/** Files of this run that are gone or about to go. */
	readonly #retired = new Set<number>();

	private constructor(
		io: StorageIo,
		volumes: readonly LogVolume[],
		maxOpen: number,
		volumeOf: Map<number, LogVolume>,
		spareCopies: readonly string[],
		isGivenUp: IsGivenUp,
	) {
		this.#io = io;
		this.volumes = volumes;
		this.#maxOpen = maxOpen;
		this.#volumeOf = volumeOf;
		this.spareCopies = spareCopies;
		this.#isGivenUp = isGivenUp;
	}

	/**
	 * Finds all log files of the volumes. A file that lies on two of them counts once if one copy is a beginning of the other, as a move
	 * that was broken off leaves it. Files that were given up are left alone. Errors: VOLUME_CONFLICT when copies differ, and those of StorageIo.
	 */
	static async open(
		io: StorageIo,
		volumes: readonly LogVolume[],
		maxOpen: number,
		isGivenUp: IsGivenUp = () => false,
	): Promise<LogFiles> {
		const volumeOf = new Map<number, LogVolume>();
		const spareCopies: string[] = [];
		for (const volume of volumes) {
			for (const name of await io.list(volume.directory)) {
				const found = parseLogFileName(name);
				if (!found) continue;
				if (isGivenUp(found.lane, found.fileNo)) {
					spareCopies.push(`${volume.directory}/${name}`);
					continue;
				}
				const key = keyOf(found.lane, found.fileNo);
				const other = volumeOf.get(key);
				if (!other) {
					volumeOf.set(key, volume);
					continue;
				}
				const { kept, spare } = await chooseCopy(io, `${other.directory}/${name}`, `${volume.directory}/${name}`);
				if (kept === 'second') volumeOf.set(key, volume);
				spareCopies.push(spare);
			}
		}
		return new LogFiles(io, volumes, maxOpen, volumeOf, spareCopies, isGivenUp);
	}

	/** Numbers of the lane's files, ascending. */
	numbers(lane: Lane): number[] {
		const numbers: number[] = [];
		for (const key of this.#volumeOf.keys()) if (key % 8 === LANES[lane]) numbers.push(Math.floor(key / 8));
		return numbers.sort((a, b) => a - b);
	}

	/** The file is there. */
	has(lane: Lane, fileNo: number): boolean {
		return this.#volumeOf.has(keyOf(lane, fileNo));
	}

	/** Files or whole volumes are missing: whatever is not there may be on them. */
	markIncomplete(): void {
		this.#isIncomplete = true;
	}

	/** The file is among what is missing. */
	isLost(lane: Lane, fileNo: number): boolean {
		return this.#isIncomplete && !this.has(lane, fileNo);
	}

	/** Where the file lies; where its name would be on the first volume, when it is nowhere. */
	path(lane: Lane, fileNo: number): string {
		return `${this.directoryOf(lane, fileNo)}/${logFileName(lane, fileNo)}`;
	}

	/** The directory that holds the file's name. */
	directoryOf(lane: Lane, fileNo: number): string {
		const volume = this.#volumeOf.get(keyOf(lane, fileNo)) ?? this.volumes[0];
		if (!volume) throw new Error('a log without volumes');
		return volume.directory;
	}

	/** Bytes of the file; undefined when it is not there. Errors: those of StorageIo. */
	async sizeBytes(lane: Lane, fileNo: number): Promise<number | undefined> {
		if (!this.has(lane, fileNo)) return undefined;
		return (await this.#io.stat(this.path(lane, fileNo)))?.sizeBytes;
	}

	/** Every path that the file has, copies that are not used included. */
	paths(lane: Lane, fileNo: number): readonly string[] {
		const name = `/${logFileName(lane, fileNo)}`;
		return [this.path(lane, fileNo), ...this.spareCopies.filter((path) => path.endsWith(name))];
	}

	/** Notes a file that is begun on a volume; answers its path. */
	add(lane: Lane, fileNo: number, volume: LogVolume): string {
		if (this.#isGivenUp(lane, fileNo))
			throw new Error(`file ${fileNo} of lane ${lane} was given up and is begun again`);
		this.#volumeOf.set(keyOf(lane, fileNo), volume);
		return this.path(lane, fileNo);
	}

	/** Notes that a file is gone; readers that have it open go on. */
	forget(lane: Lane, fileNo: number): void {
		this.#volumeOf.delete(keyOf(lane, fileNo));
	}

	/** No new reader gets the file any more; resolves when the last one that has it is done, and it is closed. */
	async retire(lane: Lane, fileNo: number): Promise<void> {
		const key = keyOf(lane, fileNo);
		this.#retired.add(key);
		const entry = this.#open.get(key);
		if (!entry) return;
		if (entry.users > 0)
			await new Promise<void>((resolve) => {
				entry.whenIdle = resolve;
			});
		this.#open.delete(key);
		await closeQuietly(entry);
	}

	/** Calls `use` with the file open for reading. Errors: LogFileGoneError, those of StorageIo.open (ENOENT …) and of `use`. */
	async use<T>(lane: Lane, fileNo: number, use: (file: StorageFile) => Promise<T>): Promise<T> {
		if (this.#isClosed) throw new PerigeeError('SHUTTING_DOWN');
		const key = keyOf(lane, fileNo);
		if (this.#retired.has(key)) throw new LogFileGoneError(lane, fileNo);
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
			if (--entry.users === 0) entry.whenIdle?.();
			if (this.#open.size > this.#maxOpen) await this.#closeIdle();
		}
	}

	async close(): Promise<void> {
		this.#isClosed = true;
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

function keyOf(lane: Lane, fileNo: number): number {
	return fileNo * 8 + LANES[lane];
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
