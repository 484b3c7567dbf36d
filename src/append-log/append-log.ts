/**
 * The append log: independent lanes of log files, the only durable truth of the store (docs/format.md). It knows nothing of files or
 * objects: it takes records, makes them durable, hands them on in order, and finds them again after a crash.
 */
import { PerigeeError } from '../errors.js';
import type { Clock } from '../io/clock.js';
import type { Randomness } from '../io/randomness.js';
import type { StorageIo } from '../io/storage-io.js';
import type { Lsn } from '../units.js';
import { ClosedFiles } from './closed-files.js';
import { LaneWriter } from './lane-writer.js';
import { LogFileCheck } from './file-check.js';
import { LogFileGoneError, type LogFiles } from './log-files.js';
import { LogShared } from './log-shared.js';
import { replayLane } from './replay.js';
import {
	LANE_NAMES,
	type BadRange,
	type Checksums,
	type Lane,
	type LaneConsumer,
	type LanePosition,
	type LogFileName,
	type LogObserver,
	type MissingFile,
	type Placement,
	type RecordInput,
	type WriteTicket,
} from './types.js';

export interface AppendLogOptions {
	readonly io: StorageIo;
	readonly clock: Clock;
	readonly randomness: Randomness;
	readonly checksums: Checksums;
	readonly observer: LogObserver;
	/** The log files as they lie on the volumes; closed with the log. */
	readonly files: LogFiles;
	readonly placement: Placement;
	/** Asked after the replay: volumes or files are missing, which may have any numbers, so that new ones keep a wide distance. */
	readonly isIncomplete?: () => boolean;
	/** Writes down that a file was begun, durably, before anything counts in it. A failure other than a full disk ends writing. */
	readonly begun: (lane: Lane, fileNo: number) => Promise<void>;
	/** Ends of files before `from` that were there once: damage from the start. */
	readonly shortened?: readonly BadRange[];
	/** 16 bytes. */
	readonly storeId: Uint8Array;
	/** Where the consumer stands: what comes behind is replayed into it before `open` resolves. Empty: everything. */
	readonly from: Partial<Record<Lane, LanePosition>>;
	/** Highest number of each lane's files that is known, missing ones included: the next file names it. */
	readonly lastKnown?: Partial<Record<Lane, number>>;
	/** No record at or behind this number was given before, as far as the checkpoint knows. */
	readonly nextLsn: Lsn;
	readonly consumer: LaneConsumer;
	/** Records to repeat at the head of each new journal file. */
	readonly journalHead: () => readonly RecordInput[];
	/** A log file ends before it grows beyond this. */
	readonly rollBytes: number;
	/** Told how far the replay has come. */
	readonly replaying?: (progress: ReplayProgress) => void;
}

/** Bytes of log files, those of payloads included though a replay does not read them. */
export interface ReplayProgress {
	readonly doneBytes: number;
	readonly totalBytes: number;
}

/** Sequence numbers skipped at each open, so that those of groups lost in a crash are not given again (docs/format.md §4). */
const LSN_MARGIN = 1n << 20n;
/** The same, and file numbers skipped, while volumes are missing: what lies on them came behind the last checkpoint, so it is far less. */
const INCOMPLETE_LSN_MARGIN = 1n << 36n;
const INCOMPLETE_FILE_MARGIN = 1 << 16;

export class AppendLog {
	/** What the replay at open found unreadable. */
	readonly damage: readonly BadRange[];
	/** Files that others name and that the replay did not find. */
	readonly missing: readonly MissingFile[];
	/** Files that are written no more. */
	readonly closedFiles: ClosedFiles;
	readonly #shared: LogShared;
	readonly #writers: Record<Lane, LaneWriter>;
	/** What a recovery found out and no file states yet. */
	readonly #verdicts: ReadonlyMap<Lane, readonly RecordInput[]>;

	private constructor(
		shared: LogShared,
		writers: Record<Lane, LaneWriter>,
		damage: readonly BadRange[],
		missing: readonly MissingFile[],
		verdicts: ReadonlyMap<Lane, readonly RecordInput[]>,
	) {
		this.closedFiles = new ClosedFiles(shared);
		this.#shared = shared;
		this.#writers = writers;
		this.damage = damage;
		this.missing = missing;
		this.#verdicts = verdicts;
	}

	/** Opens the log: replays it from `options.from`, payload lanes first, and settles what a crash left behind. */
	static async open(options: AppendLogOptions): Promise<AppendLog> {
		const { files } = options;
		// A new file names the one before it as proof that it was there: so names that are seen here must last.
		for (const { directory } of files.volumes) await options.io.syncDir(directory);
		const shared = new LogShared({ ...options, incarnation: options.randomness.bytes(16) });
		shared.nextLsn = options.nextLsn;
		const damage: BadRange[] = [...shared.shortened];
		for (const range of damage) options.observer.damaged(range);
		const missing: MissingFile[] = [];
		const verdicts = new Map<Lane, readonly RecordInput[]>();
		const writers: Partial<Record<Lane, LaneWriter>> = {};
		const onRead = await progressOf(options, files);
		for (const lane of LANE_NAMES) {
			const numbers = files.numbers(lane);
			const result = await replayLane(shared, lane, numbers, options.from[lane], options.consumer, onRead);
			damage.push(...result.damage);
			missing.push(...result.missing.map((fileNo) => ({ lane, fileNo })));
			verdicts.set(lane, result.verdicts);
			writers[lane] = new LaneWriter({
				lane,
				shared,
				consumer: options.consumer,
				lastFileNo: Math.max(numbers.at(-1) ?? 0, options.from[lane]?.fileNo ?? 0, options.lastKnown?.[lane] ?? 0),
				headRecords: () => [...(verdicts.get(lane) ?? []), ...(lane === 'journal' ? options.journalHead() : [])],
				onHeadDurable: () => verdicts.delete(lane),
				begun: options.begun,
				rollBytes: options.rollBytes,
			});
		}
		const isIncomplete = options.isIncomplete?.() === true;
		shared.nextLsn += isIncomplete ? INCOMPLETE_LSN_MARGIN : LSN_MARGIN;
		const log = new AppendLog(shared, writers as Record<Lane, LaneWriter>, damage, missing, verdicts);
		try {
			if (isIncomplete) await log.#beginIncomplete();
			await log.stateVerdicts();
		} catch (error) {
			// On a full disk reads go on; until the verdicts are stated no checkpoint may pass them.
			if (!(error instanceof PerigeeError && error.code === 'DISK_FULL')) throw error;
		}
		return log;
	}

	/**
	 * Two runs without the same files must not give the same numbers: what the first one wrote may be missing in the second, and return. The
	 * journal is there in each: a file that it begins before all others tells the next run how far the sequence numbers of this one have come, and
	 * the file numbers follow from those.
	 */
	async #beginIncomplete(): Promise<void> {
		const firstNumber = Number(this.#shared.nextLsn / INCOMPLETE_LSN_MARGIN) * INCOMPLETE_FILE_MARGIN;
		for (const lane of LANE_NAMES)
			if (lane !== 'journal') this.#writers[lane].skipNumbers(firstNumber, INCOMPLETE_FILE_MARGIN);
		await this.#writers.journal.beginFile();
	}

	/** Hands records to a lane; they stay together in one group. See LaneWriter.write. */
	write(lane: Lane, records: readonly RecordInput[], urgent = true): WriteTicket {
		return this.#writers[lane].write(records, urgent);
	}

	/**
	 * Fills `into` with the bytes at `offset` of a log file, unchecked: the caller compares the block CRCs.
	 * Errors: NOT_HELD when the file is known to be missing; DATA_DAMAGED when it is missing all the same or too short; READ_FAILED when the
	 * disk answers with an error, which may be gone the next time.
	 */
	async read(lane: Lane, fileNo: number, offset: number, into: Uint8Array): Promise<void> {
		if (this.#shared.files.isLost(lane, fileNo))
			throw new PerigeeError('NOT_HELD', `log file ${fileNo} of lane ${lane} is missing`);
		let bytes: number;
		try {
			bytes = await this.#shared.files.use(lane, fileNo, (file) => file.read(into, offset));
		} catch (error) {
			if (error instanceof PerigeeError || error instanceof LogFileGoneError) throw error;
			const code = (error as NodeJS.ErrnoException).code;
			if (code === 'EMFILE' || code === 'ENFILE')
				throw new PerigeeError('OVERLOADED', 'too many open files', { cause: error });
			throw new PerigeeError(
				code === 'ENOENT' ? 'DATA_DAMAGED' : 'READ_FAILED',
				`log file ${fileNo} of lane ${lane} cannot be read: ${String(code)}`,
				{ cause: error },
			);
		}
		if (bytes < into.length)
			throw new PerigeeError('DATA_DAMAGED', `log file ${fileNo} of lane ${lane} ends too early`);
	}

	/**
	 * Fills `into` as `read` does and compares the block CRCs (`crcs`: little-endian, 4 bytes each). False when that cannot be done in one go or
	 * anything is wrong; `read` tells what. Errors: LogFileGoneError.
	 */
	async readRight(lane: Lane, fileNo: number, offset: number, into: Uint8Array, crcs: Uint8Array): Promise<boolean> {
		if (this.#shared.files.isLost(lane, fileNo)) return false;
		try {
			return await this.#shared.files.use(
				lane,
				fileNo,
				(file) => file.readRight?.(into, offset, crcs) ?? Promise.resolve(false),
			);
		} catch (error) {
			if (error instanceof LogFileGoneError) throw error;
			return false;
		}
	}

	/** The file is known to be missing. */
	isLost(lane: Lane, fileNo: number): boolean {
		return this.#shared.files.isLost(lane, fileNo);
	}

	/** The log files there are, lane by lane in the order of a replay, each lane's in ascending order. */
	listFiles(): readonly LogFileName[] {
		return LANE_NAMES.flatMap((lane) => this.#shared.files.numbers(lane).map((fileNo) => ({ lane, fileNo })));
	}

	/** Bytes of a log file; undefined when it is not there. */
	async fileBytes({ lane, fileNo }: LogFileName): Promise<number | undefined> {
		return (await this.#shared.io.stat(this.#shared.files.path(lane, fileNo)))?.sizeBytes;
	}

	/**
	 * Opens a log file to check all that was ever acknowledged in it, and closes it when `use` has ended. Undefined: the file is gone.
	 * Errors: those of the disk and of `use`.
	 */
	async checkFile<T>({ lane, fileNo }: LogFileName, use: (check: LogFileCheck) => Promise<T>): Promise<T | undefined> {
		const position = this.#writers[lane].position;
		const check = await LogFileCheck.open(
			this.#shared,
			{ lane, fileNo },
			position?.fileNo === fileNo ? position.offset : undefined,
			this.listFiles().filter((file) => file.lane === lane && file.fileNo > fileNo),
		);
		if (!check) return undefined;
		try {
			return await use(check);
		} finally {
			await check.close();
		}
	}

	/** The error that ended writing, if any. */
	get failure(): Error | undefined {
		return this.#shared.failure;
	}

	/** Writes that wait in a lane. */
	waitingWrites(lane: Lane): number {
		return this.#writers[lane].waitingWrites;
	}

	/** Records handed to a lane whose effect its consumer has not taken yet. */
	unapplied(lane: Lane): Iterable<RecordInput> {
		return this.#writers[lane].unapplied();
	}

	/** Makes what was handed to a lane durable without waiting for more. */
	hurry(lane: Lane): void {
		this.#writers[lane].hurry();
	}

	/** Ends a lane's current file and begins the next one, with `head` in front. Errors: as of a write. */
	async roll(lane: Lane, head: readonly RecordInput[] = []): Promise<void> {
		await this.#writers[lane].roll(head);
	}

	/** Ends writing for good, as after a failed sync. */
	fail(lane: Lane, error: unknown): void {
		this.#shared.fail(lane, error);
	}

	/** A number behind every record written so far. */
	get nextLsn(): Lsn {
		return this.#shared.nextLsn as Lsn;
	}

	/** Makes everything written so far durable and applied, in all lanes. */
	async flush(): Promise<void> {
		await Promise.all(LANE_NAMES.map((lane) => this.#writers[lane].flush()));
	}

	/** Takes no more writes, makes what is queued durable, ends each open file with a close mark. */
	async close(): Promise<void> {
		await Promise.all(LANE_NAMES.map((lane) => this.#writers[lane].close()));
		await this.#shared.files.close();
	}

	/**
	 * Begins a new file with each lane's verdicts that are not stated yet, so that later opens need not judge again. A checkpoint needs it:
	 * a replay from behind the doubtful stretches could not find them out any more. Errors: as of a write.
	 */
	async stateVerdicts(): Promise<void> {
		for (const lane of LANE_NAMES) {
			if ((this.#verdicts.get(lane)?.length ?? 0) > 0) await this.#writers[lane].beginFile();
		}
	}
}

/**
 * Stretches of the journal that were acknowledged and cannot be read: without them what follows may not be understood. Reads the whole
 * journal, which lies on `volume`; says nothing, and changes nothing that an open would not.
 */
export async function findJournalDamage(
	options: Pick<AppendLogOptions, 'io' | 'clock' | 'checksums' | 'files'>,
): Promise<readonly BadRange[]> {
	const ignore = (): void => undefined;
	const { files } = options;
	const shared = new LogShared({
		...options,
		placement: { candidates: () => files.volumes, began: ignore, shouldLeave: () => false, refused: ignore },
		observer: {
			committed: ignore,
			unsynced: ignore,
			shortWrite: ignore,
			failed: ignore,
			damaged: ignore,
			inDoubt: ignore,
			spareCopy: ignore,
		},
		storeId: new Uint8Array(16),
		incarnation: new Uint8Array(16),
	});
	return (await replayLane(shared, 'journal', files.numbers('journal'), undefined, () => Promise.resolve())).damage;
}

/** Adds up what the replay has read, for `options.replaying`. */
async function progressOf(
	{ io, from, replaying }: AppendLogOptions,
	files: LogFiles,
): Promise<((bytes: number) => void) | undefined> {
	if (!replaying) return undefined;
	let doneBytes = 0;
	let totalBytes = 0;
	for (const lane of LANE_NAMES) {
		const start = from[lane];
		for (const fileNo of files.numbers(lane)) {
			if (start && fileNo < start.fileNo) continue;
			const sizeBytes = (await io.stat(files.path(lane, fileNo)))?.sizeBytes ?? 0;
			totalBytes += sizeBytes - (fileNo === start?.fileNo ? Math.min(start.offset, sizeBytes) : 0);
		}
	}
	replaying({ doneBytes, totalBytes });
	return (bytes) => {
		doneBytes += bytes;
		replaying({ doneBytes: Math.min(doneBytes, totalBytes), totalBytes });
	};
}
