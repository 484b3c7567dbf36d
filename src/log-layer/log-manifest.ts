/**
 * The file `log.manifest`: which log files were ever begun (docs/format.md §1), so that the loss of one is noticed whatever else is lost with it.
 *
 * Promises: nothing is written into a log file before the manifest names it durably, and nothing is named that was not durably there.
 */
import { addToRanges, isInRanges, numbersOf, rangesOf, type FileRanges } from '../append-log/file-ranges.js';
import { parseLogFileName, type LogFiles } from '../append-log/log-files.js';
import { LANE_NAMES, type Lane } from '../append-log/types.js';
import type { StorageIo } from '../io/storage-io.js';
import { LIMITS } from '../limits.js';
import { readFileIfThere, renameOver, STORE_FORMAT } from './checkpoint.js';
import type { KnownFiles, LaneFiles } from './losses.js';
import { openSealedJson, sealJson } from './sealed-json.js';
import { logDirectory } from './volumes.js';

export const MANIFEST_NAME = 'log.manifest';

export interface LogManifestParts {
	readonly io: StorageIo;
	readonly dataDir: string;
	/** Hexadecimal. */
	readonly storeId: string;
}

interface SavedManifest {
	readonly format: number;
	readonly storeId: string;
	readonly files: LaneFiles;
}

export class LogManifest {
	/** There are log files, and the manifest is missing or cannot be read: what it alone knew is forgotten. */
	readonly wasLost: boolean;
	readonly #parts: LogManifestParts;
	readonly #files = new Map<Lane, FileRanges>();
	/** The file on the disk says less. */
	#isBehind: boolean;
	#turn: Promise<void> = Promise.resolve();

	private constructor(parts: LogManifestParts, files: LaneFiles | 'lost') {
		this.#parts = parts;
		this.wasLost = files === 'lost';
		this.#isBehind = this.wasLost;
		for (const lane of LANE_NAMES) this.#files.set(lane, files === 'lost' ? [] : (files[lane] ?? []));
	}

	/** Errors: those of StorageIo. */
	static async open(parts: LogManifestParts): Promise<LogManifest> {
		const { io, dataDir, storeId } = parts;
		const bytes = await readFileIfThere(io, `${dataDir}/${MANIFEST_NAME}`, LIMITS.manifestBytes);
		const saved = bytes && (openSealedJson(bytes) as SavedManifest | undefined);
		if (saved?.format === STORE_FORMAT && saved.storeId === storeId) return new LogManifest(parts, saved.files);
		const names = await io.list(logDirectory(dataDir));
		return new LogManifest(parts, names.some((name) => parseLogFileName(name)) ? 'lost' : {});
	}

	/** What the last checkpoint knew belongs to it too. */
	addKnown(known: KnownFiles | undefined): void {
		for (const lane of LANE_NAMES)
			for (const ranges of [known?.files[lane], known?.lost[lane]])
				for (const fileNo of numbersOf(ranges ?? [])) this.#add(lane, fileNo);
	}

	/** So does what is there. */
	addPresent(files: LogFiles): void {
		for (const lane of LANE_NAMES) for (const fileNo of files.numbers(lane)) this.#add(lane, fileNo);
	}

	/** Files that are known to have been there once, by lane. */
	get files(): LaneFiles {
		return Object.fromEntries(this.#files);
	}

	/**
	 * Writes down that a file is there, durably. One that is refused is not named later. Errors: those of StorageIo, and one without a code
	 * when it may be named all the same.
	 */
	async begun(lane: Lane, fileNo: number): Promise<void> {
		this.#add(lane, fileNo);
		try {
			await this.save();
		} catch (error) {
			const rest = [...numbersOf(this.#files.get(lane) ?? [])].filter((each) => each !== fileNo);
			this.#files.set(lane, rangesOf(rest));
			throw error;
		}
	}

	/** Brings the file on the disk up to date. Errors: those of StorageIo. */
	async save(): Promise<void> {
		const turn = this.#turn.then(() => this.#write());
		this.#turn = turn.catch(() => undefined);
		await turn;
	}

	async #write(): Promise<void> {
		if (!this.#isBehind) return;
		const { io, dataDir, storeId } = this.#parts;
		this.#isBehind = false;
		try {
			await renameOver(io, dataDir, MANIFEST_NAME, sealJson({ format: STORE_FORMAT, storeId, files: this.files }));
			await io.syncDir(dataDir).catch((cause: unknown) => {
				throw new Error('nobody can know whether log.manifest was replaced', { cause });
			});
		} catch (error) {
			this.#isBehind = true;
			throw error;
		}
	}

	#add(lane: Lane, fileNo: number): void {
		const files = this.#files.get(lane) ?? [];
		if (isInRanges(files, fileNo)) return;
		// The oldest are known to the checkpoint, and to the headers of their successors.
		this.#files.set(lane, addToRanges(files, fileNo).slice(-LIMITS.manifestRanges));
		this.#isBehind = true;
	}
}
