/**
 * Compaction: gives the space of dead records back (docs/architecture.md §4, "Deleting and compaction").
 *
 * Of the closed log files of the payload lanes it takes those with the largest dead share, wholly dead ones first, copies what is
 * alive to the end of the lane (copy-file.ts), and takes the file away (retirement.ts). It works in the background, by turns with
 * everything else: a bounded stretch of a file, then a rest of up to `tranquility` times the work, none while the disk is short. A pass can be
 * broken off at any point; what it has copied stays, and the file it was at is taken again later.
 */
import { FileUnreadableError } from '../append-log/closed-files.js';
import { FIRST_GROUP_OFFSET } from '../append-log/format.js';
import type { Lane, LanePosition } from '../append-log/types.js';
import { PerigeeError } from '../errors.js';
import { LIMITS } from '../limits.js';
import { COMPACTED_LANES, CompactedFiles, type CompactedFile } from './compacted-files.js';
import { RecordDamagedError, copyLive, isPointedTo, type CopyParts } from './copy-file.js';
import type { DiskSpace } from './disk-space.js';
import { FileSpans } from './file-spans.js';
import { ViewIncompleteError } from './liveness.js';
import { Pacer, restFactor } from './pacer.js';
import {
	type EmptiedFile,
	type PlaceHolder,
	Retirement,
	type RetirementParts,
	type WaitingFile,
} from './retirement.js';
import type { View } from './view.js';

export interface CompactionObserver {
	copied(lane: Lane, bytes: number, records: number): void;
	removed(lane: Lane, bytes: number): void;
	/** A file is left as it is, with what cannot be read in it. */
	kept(lane: Lane, fileNo: number, reason: Error): void;
	/** A pass that began by itself has failed; the next one is tried as usual. */
	failed(error: unknown): void;
}

export interface CompactionParts extends Omit<RetirementParts, 'removed' | 'failed'> {
	readonly view: View;
	readonly disk: DiskSpace;
	/** Position behind what the view has taken of a lane. */
	readonly position: (lane: Lane) => LanePosition | undefined;
	/** A record that still counts cannot be read. */
	readonly damaged: (error: RecordDamagedError) => Promise<void>;
	/**
	 * Why the view may know too little: log files or parts of them are missing. What it calls dead may then be alive, so nothing is compacted.
	 * Undefined when all is there.
	 */
	readonly doubt: () => string | undefined;
	readonly observer: CompactionObserver;
	/** Rest of so many times the work. */
	readonly tranquility: number;
	/** Dead percentage of the log at which compaction begins by itself. */
	readonly deadPercent: number;
}

export interface PassOptions {
	/** Every closed file with any dead byte, however few; by default those from which something is to be gained. */
	readonly everything?: boolean;
}

export interface CompactionStatus {
	readonly state: 'idle' | 'running' | 'paused';
	/** Of the files of the payload lanes as of the last look, the ones being written included. */
	readonly fileBytes: number;
	/** What counts in them: payload with the headers it needs, and facts. */
	readonly liveBytes: number;
	/** What a copy would not need: dead records, and what small groups waste. */
	readonly deadBytes: number;
	/** Emptied files that a reader outside the event loop holds on to. */
	readonly waiting: readonly WaitingFile[];
	/** Files with something unreadable in them that still counts. */
	readonly kept: readonly { readonly lane: Lane; readonly fileNo: number; readonly reason: string }[];
	/** Why nothing is compacted: parts of the log are missing. */
	readonly doubt?: string;
	/** Why the last pass ended early. */
	readonly lastError?: string;
}

/** From a file with a smaller dead share nothing is to be gained: so much the padding of its groups takes. */
const LEAST_DEAD_SHARE = 0.05;
/** A pass that began by itself ends at this part of the dead share at which it began. */
const GOAL = 0.5;
/** The disk is short when uploads may take less than this part of the reserve. */
const SHORT = 0.5;
/** What of the reserve is left to journal and view. */
const KEPT_RESERVE = 0.25;

export class Compaction {
	readonly #parts: CompactionParts;
	readonly #retirement: Retirement;
	readonly #spans: FileSpans;
	readonly #files: CompactedFiles;
	/** Files that cannot be emptied, with the live bytes they had when that was found. */
	readonly #kept = new Map<string, { lane: Lane; fileNo: number; reason: string; liveBytes: number }>();
	#stop = new AbortController();
	#pass: Promise<void> | undefined;
	#isPaused = false;
	#isClosed = false;
	#lastError: string | undefined;
	#cancelTimer: () => void = () => undefined;

	constructor(parts: CompactionParts) {
		this.#parts = parts;
		this.#spans = new FileSpans(parts.log);
		this.#retirement = new Retirement({
			...parts,
			removed: ({ lane, fileNo, sizeBytes }) => {
				this.#spans.forget(lane, fileNo);
				this.#files.forget(lane, fileNo);
				this.#kept.delete(nameOf(lane, fileNo));
				parts.observer.removed(lane, sizeBytes);
			},
			failed: (_file, error) => this.#fail(error),
		});
		this.#files = new CompactedFiles(parts, (lane, fileNo) => this.#retirement.has(lane, fileNo));
	}

	/** Looks from now on by itself whether there is work. */
	schedule(): void {
		if (this.#isClosed) return;
		this.#cancelTimer = this.#parts.clock.schedule(LIMITS.compactionLookMs, () => {
			void this.#look().finally(() => this.schedule());
		});
	}

	/**
	 * A pass now, also after `pause`; joins the one that is running. Resolves when every file from which something was to be gained is gone, or
	 * kept for a reason that `status` tells. Errors: DISK_FULL, READ_ONLY, OVERLOADED, SHUTTING_DOWN, DATA_DAMAGED (the view is, or parts of
	 * the log are missing).
	 */
	async start(options: PassOptions = {}): Promise<void> {
		const doubt = this.#parts.doubt();
		if (doubt !== undefined) throw new PerigeeError('DATA_DAMAGED', `nothing is compacted: ${doubt}`);
		this.#isPaused = false;
		await this.#begin(() => this.#compactAll(options.everything === true));
	}

	/** Breaks the running pass off and begins none by itself until `start`. */
	async pause(): Promise<void> {
		this.#isPaused = true;
		this.#stop.abort(new PassStopped());
		await this.#pass?.catch(() => undefined);
	}

	status(): CompactionStatus {
		const doubt = this.#parts.doubt();
		return {
			...(doubt === undefined ? {} : { doubt }),
			state: this.#pass ? 'running' : this.#isPaused ? 'paused' : 'idle',
			fileBytes: this.#files.sum.sizeBytes,
			liveBytes: this.#files.sum.liveBytes,
			deadBytes: this.#files.sum.deadBytes,
			waiting: this.#retirement.waiting,
			kept: [...this.#kept.values()].map(({ lane, fileNo, reason }) => ({ lane, fileNo, reason })),
			...(this.#lastError === undefined ? {} : { lastError: this.#lastError }),
		};
	}

	/** Emptied files that have waited for long for a reader outside the event loop. */
	overdue(): readonly WaitingFile[] {
		const nowMs = this.#parts.clock.monotonicMs();
		return this.#retirement.waiting.filter(({ sinceMs }) => nowMs - sinceMs >= LIMITS.waitingFileMs);
	}

	/** See PlaceHolder; the answer ends it. */
	addHolder(holder: PlaceHolder): () => void {
		return this.#retirement.addHolder(holder);
	}

	/** Resolves when no emptied file waits any more. */
	async settled(): Promise<void> {
		await this.#retirement.settled();
	}

	async close(): Promise<void> {
		this.#isClosed = true;
		this.#cancelTimer();
		await this.pause();
		await this.#retirement.close();
	}

	async #begin(work: () => Promise<void>): Promise<void> {
		if (this.#isClosed) throw new PerigeeError('SHUTTING_DOWN');
		if (this.#pass) return this.#pass;
		this.#stop = new AbortController();
		this.#lastError = undefined;
		this.#pass = work()
			.catch((error: unknown) => {
				if (error instanceof PassStopped) return;
				this.#lastError = error instanceof Error ? error.message : String(error);
				throw error;
			})
			.finally(() => {
				this.#pass = undefined;
			});
		await this.#pass;
	}

	/** Begins a pass when enough is dead, or when the disk is short and anything is. */
	async #look(): Promise<void> {
		if (this.#isPaused || this.#isClosed || this.#pass || this.#parts.log.failure) return;
		if (this.#parts.doubt() !== undefined) return;
		try {
			await this.#begin(async () => {
				await this.#files.look();
				if (this.#debt() >= this.#parts.deadPercent / 100) await this.#compactWorst();
			});
		} catch (error) {
			this.#parts.observer.failed(error);
		}
	}

	/** Dead share of all files; 0 while it is too little to begin for. */
	#debt(): number {
		const { sizeBytes, deadBytes } = this.#files.sum;
		return deadBytes < LIMITS.compactionLeastBytes ? 0 : deadBytes / sizeBytes;
	}

	async #compactWorst(): Promise<void> {
		const goal = (this.#parts.deadPercent / 100) * GOAL;
		const isWorthIt = (file: CompactedFile): boolean => hasGain(file) && file.deadBytes >= LIMITS.compactionLeastBytes;
		await this.#compact(isWorthIt, hasGain, () => this.#debt() < goal);
	}

	async #compactAll(everything: boolean): Promise<void> {
		const isWanted = everything ? (file: CompactedFile) => file.sizeBytes > FIRST_GROUP_OFFSET : hasGain;
		await this.#compact(isWanted, isWanted, () => false);
	}

	/**
	 * One pass: ends the files being written that `mustRoll`, then takes the wanted ones, each once, until all are done or `isEnough`. The
	 * largest dead share is looked for anew before each file: a pass may last for hours, in which other files die.
	 */
	async #compact(
		mustRoll: (file: CompactedFile) => boolean,
		isWanted: (file: CompactedFile) => boolean,
		isEnough: () => boolean,
	): Promise<void> {
		const { live, view, log } = this.#parts;
		const { tranquility, deadPercent } = this.#parts;
		const rest = (): number => restFactor(tranquility, this.#debt(), deadPercent / 100);
		const pacer = new Pacer(this.#parts.clock, rest, this.#stop.signal);
		const breathe = (): Promise<void> => (this.#isShort() ? pacer.sleep(0) : pacer.breathe());
		if (!live.isExact) await live.recount(view, breathe);
		await this.#files.look();
		const full = new Set(this.#files.all.filter((file) => file.isCurrent && mustRoll(file)).map(({ lane }) => lane));
		for (const lane of full) await log.roll(lane);
		await this.#files.look();
		await this.#updateSpans();
		// What is closed later waits for the next pass: under a steady load this one would never end.
		const left = new Set(
			this.#files.all.filter(({ isCurrent }) => !isCurrent).map(({ lane, fileNo }) => nameOf(lane, fileNo)),
		);
		const emptied: EmptiedFile[] = [];
		for (; !isEnough(); await this.#files.look()) {
			const file = this.#worst((each) => left.has(nameOf(each.lane, each.fileNo)) && isWanted(each));
			if (!file) break;
			left.delete(nameOf(file.lane, file.fileNo));
			if (await this.#empty(file, breathe)) emptied.push(file);
			if (emptied.length >= LIMITS.emptiedFiles || file.liveBytes > 0) await this.#release(emptied, breathe);
		}
		await this.#release(emptied, breathe);
		await this.#files.look();
	}

	/** The file with the smallest live share of those that `isWanted` and that can be emptied. */
	#worst(isWanted: (file: CompactedFile) => boolean): CompactedFile | undefined {
		let worst: CompactedFile | undefined;
		for (const file of this.#files.all) {
			if (!isWanted(file) || this.#isHopeless(file) || !this.#fits(file)) continue;
			if (!worst || file.liveBytes * worst.sizeBytes < worst.liveBytes * file.sizeBytes) worst = file;
		}
		return worst;
	}

	/** Copies what counts in a file; true when nothing in it counts any more. */
	async #empty(file: CompactedFile, breathe: () => Promise<void>): Promise<boolean> {
		const { lane, fileNo } = file;
		const { log, view, observer } = this.#parts;
		const parts: CopyParts = {
			log,
			view,
			breathe,
			mayOlderHold: this.#spans.besides(lane, fileNo),
			copied: (bytes, records) => observer.copied(lane, bytes, records),
		};
		const closed = await log.closedFiles.open(lane, fileNo);
		try {
			const { records, heldBack } = await copyLive(closed, lane, parts);
			if (heldBack > 0 || (records > 0 && (await isPointedTo(closed, lane, parts)))) return false;
			const verdicts = await closed.verdicts();
			if (verdicts.length > 0) await log.roll(lane, verdicts);
			return true;
		} catch (error) {
			if (!isUnreadable(error)) throw error;
			if (error instanceof RecordDamagedError) await this.#parts.damaged(error);
			this.#kept.set(nameOf(lane, fileNo), {
				lane,
				fileNo,
				reason: error.message,
				liveBytes: this.#parts.live.of(lane, fileNo),
			});
			observer.kept(lane, fileNo, error);
			return false;
		} finally {
			await closed.close();
		}
	}

	/** Hands emptied files over to go; waits while too many wait for their holders. */
	async #release(emptied: EmptiedFile[], breathe: () => Promise<void>): Promise<void> {
		await this.#retirement.release(emptied.splice(0));
		while (this.#retirement.waiting.length >= LIMITS.waitingFiles) {
			await Promise.race([this.#retirement.settled(), aborted(this.#stop.signal)]);
			await breathe();
		}
	}

	async #updateSpans(): Promise<void> {
		for (const lane of COMPACTED_LANES) {
			const there = this.#parts.log.closedFiles.numbers(lane);
			const leaving = this.#retirement.waiting.filter((file) => file.lane === lane).map(({ fileNo }) => fileNo);
			const numbers = [...new Set([...there, ...leaving])].sort((a, b) => a - b);
			await this.#spans.update(lane, numbers);
		}
	}

	/** Something in it cannot be read, and nothing has changed since that was found. */
	#isHopeless({ lane, fileNo, liveBytes }: CompactedFile): boolean {
		return this.#kept.get(nameOf(lane, fileNo))?.liveBytes === liveBytes;
	}

	/** The copies must find room while the file is still there. */
	#fits({ liveBytes }: CompactedFile): boolean {
		const { disk } = this.#parts;
		return liveBytes === 0 || liveBytes <= disk.freeBytes - disk.reserveBytes * KEPT_RESERVE;
	}

	#isShort(): boolean {
		const { disk } = this.#parts;
		return disk.uploadableBytes < disk.reserveBytes * SHORT;
	}

	#fail(error: unknown): void {
		this.#lastError = error instanceof Error ? error.message : String(error);
		this.#parts.observer.failed(error);
	}
}

/** A pass was told to stop. */
class PassStopped extends Error {}

/** Something in the file cannot be read, now or ever. */
function isUnreadable(error: unknown): error is Error {
	return (
		error instanceof RecordDamagedError ||
		error instanceof FileUnreadableError ||
		error instanceof ViewIncompleteError ||
		(error as NodeJS.ErrnoException).code === 'EIO'
	);
}

function hasGain({ sizeBytes, deadBytes }: CompactedFile): boolean {
	return deadBytes >= sizeBytes * LEAST_DEAD_SHARE && deadBytes > 0;
}

async function aborted(signal: AbortSignal): Promise<void> {
	await new Promise<void>((resolve) => {
		if (signal.aborted) resolve();
		else signal.addEventListener('abort', () => resolve(), { once: true });
	});
}

function nameOf(lane: Lane, fileNo: number): string {
	return `${lane}/${fileNo}`;
}
