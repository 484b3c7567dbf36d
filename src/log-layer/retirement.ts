/**
 * The last steps of a log file whose live records lie elsewhere: checkpoint, announcement, note in the journal, unlink, sync of the directory.
 *
 * Promises: a file goes only when a durable checkpoint lies behind its lane's position, so that no replay needs it; when everyone
 * who holds positions outside the event loop has let go of it; and when the journal says that it was retired, so that nobody takes its
 * absence for a loss. A crash between any two steps leaves a file too many, which the next pass finds empty.
 */
import type { AppendLog } from '../append-log/append-log.js';
import { addToRanges, decodeFileRanges, encodeFileRanges, type FileRanges } from '../append-log/file-ranges.js';
import type { Lane, LanePosition } from '../append-log/types.js';
import { deferred } from '../deferred.js';
import type { Clock } from '../io/clock.js';
import { LIMITS } from '../limits.js';
import type { Journal } from '../settlement/journal.js';
import type { LiveBytes } from './live-bytes.js';
import type { HealthReason } from './types.js';

/** Keeps positions of records where the event loop does not see them (a map in shared memory, another process). */
export interface PlaceHolder {
	/**
	 * What counts in the file lies elsewhere, and the view says where. Resolves when the holder has no position in the file any more; until
	 * then the file stays. A rejection keeps the file until a later pass asks again.
	 */
	moving(lane: Lane, fileNo: number): Promise<void>;
}

/** A log file in which nothing counts any more. */
export interface EmptiedFile {
	readonly lane: Lane;
	readonly fileNo: number;
	readonly sizeBytes: number;
}

export interface WaitingFile extends EmptiedFile {
	/** Monotonic. */
	readonly sinceMs: number;
}

export interface RetirementParts {
	readonly log: AppendLog;
	readonly journal: Journal;
	readonly live: LiveBytes;
	readonly clock: Clock;
	/** Makes a checkpoint of everything applied by now; answers its positions once it is durable. */
	readonly checkpoint: () => Promise<Partial<Record<Lane, LanePosition>>>;
	/** The file is gone, durably. */
	readonly removed: (file: EmptiedFile) => void;
	/** The file could not be removed, or a holder refused; it stays for now. */
	readonly failed: (file: EmptiedFile, error: unknown) => void;
}

export class Retirement {
	readonly #parts: RetirementParts;
	readonly #holders = new Map<PlaceHolder, () => void>();
	readonly #gone = new Map<PlaceHolder, Promise<void>>();
	readonly #waiting = new Map<string, WaitingFile>();
	readonly #tasks = new Set<Promise<void>>();
	readonly #stopped = deferred();
	#isStopped = false;
	#removals: Promise<void> = Promise.resolve();

	constructor(parts: RetirementParts) {
		this.#parts = parts;
	}

	/** From now on no file goes without this holder's word. The answer takes it away again; what it has not confirmed then counts as confirmed. */
	addHolder(holder: PlaceHolder): () => void {
		const gone = deferred();
		this.#gone.set(holder, gone.promise);
		this.#holders.set(holder, () => gone.resolve());
		return () => {
			this.#holders.get(holder)?.();
			this.#holders.delete(holder);
			this.#gone.delete(holder);
		};
	}

	/** Files that nothing in the view points to and that are still there. */
	get waiting(): readonly WaitingFile[] {
		return [...this.#waiting.values()];
	}

	has(lane: Lane, fileNo: number): boolean {
		return this.#waiting.has(nameOf(lane, fileNo));
	}

	/** Begins to take files away; resolves when all are gone but those that a holder keeps. Errors: those of the checkpoint. */
	async release(files: readonly EmptiedFile[]): Promise<void> {
		if (files.length === 0) return;
		const covered = await this.covered(files);
		const unheld: Promise<void>[] = [];
		for (const file of covered) {
			const name = nameOf(file.lane, file.fileNo);
			if (this.#waiting.has(name)) continue;
			this.#waiting.set(name, { ...file, sinceMs: this.#parts.clock.monotonicMs() });
			const task = this.#takeAway(file).finally(() => {
				this.#waiting.delete(name);
				this.#tasks.delete(task);
			});
			this.#tasks.add(task);
			if (this.#holders.size === 0) unheld.push(task);
		}
		await Promise.all(unheld);
	}

	/** Resolves when no file waits any more, or after `close`. */
	async settled(): Promise<void> {
		while (this.#tasks.size > 0) await Promise.all(this.#tasks);
	}

	/** Takes no further file away; resolves when nothing is under way. */
	async close(): Promise<void> {
		this.#isStopped = true;
		this.#stopped.resolve();
		await this.settled();
	}

	/** First step: those of the files that no replay needs once a checkpoint of now is durable. */
	async covered(files: readonly EmptiedFile[]): Promise<readonly EmptiedFile[]> {
		const positions = await this.#parts.checkpoint();
		return files.filter(({ lane, fileNo }) => (positions[lane]?.fileNo ?? 0) > fileNo);
	}

	/** Second step: everyone who holds positions in the file has let go. Errors: those of a holder. */
	async confirmed({ lane, fileNo }: EmptiedFile): Promise<void> {
		await Promise.all(
			[...this.#gone].map(([holder, gone]) => Promise.race([holder.moving(lane, fileNo), gone, this.#stopped.promise])),
		);
	}

	/** Third step: the journal says that the file was retired. Errors: as of Journal.putSettings. */
	async noted({ lane, fileNo }: EmptiedFile): Promise<void> {
		const key = `retired/${lane}`;
		const known = this.#parts.journal.setting(key);
		const ranges = addToRanges(known ? decodeFileRanges(known) : [], fileNo);
		await this.#parts.journal.putSettings([{ key, value: encodeFileRanges(bounded(ranges)) }]);
	}

	async #takeAway(file: EmptiedFile): Promise<void> {
		try {
			await this.confirmed(file);
			// One at a time: each reads and writes the same setting.
			const removal = this.#removals.then(() => this.#remove(file));
			this.#removals = removal.catch(() => undefined);
			await removal;
		} catch (error) {
			if (!this.#isStopped) this.#parts.failed(file, error);
		}
	}

	async #remove(file: EmptiedFile): Promise<void> {
		if (this.#isStopped) return;
		const { log, live, removed } = this.#parts;
		await this.noted(file);
		await log.closedFiles.remove(file.lane, file.fileNo);
		live.forget(file.lane, file.fileNo);
		removed(file);
	}
}

function nameOf(lane: Lane, fileNo: number): string {
	return `${lane}/${fileNo}`;
}

/** A setting is bounded: with too many ranges neighbours become one. Files between them are still found; only their loss could no more be named. */
function bounded(ranges: FileRanges): FileRanges {
	if (ranges.length <= LIMITS.retiredRanges) return ranges;
	return ranges.flatMap((range, index) =>
		index % 2 === 0 ? [[range[0], (ranges[index + 1] ?? range)[1]] as const] : [],
	);
}

/** What an operator should know about emptied files that have waited for long. */
export function waitingReasons(files: number): readonly HealthReason[] {
	if (files === 0) return [];
	const message = `${files} emptied log files are held on to by a reader that does not let go`;
	return [{ code: 'COMPACTION_WAITING', message, ready: true }];
}
