/**
 * What of the log is missing: files that are known to have existed and are not there, one by one or with their whole volume
 * (docs/format.md §7). A loss is named until the file returns; then it counts again, if need be by a rebuild of the view.
 */
import {
	addToRanges,
	decodeFileRanges,
	isInRanges,
	numbersOf,
	rangesOf,
	type FileRanges,
} from '../append-log/file-ranges.js';
import { FIRST_GROUP_OFFSET } from '../append-log/format.js';
import type { Journal } from '../settlement/journal.js';
import type { DamageList } from './damage.js';
import { isGivenUp, type GivenUp } from './given-up.js';
import type { HealthReason } from './types.js';
import type { MissingVolume } from './volumes.js';
import { LANE_NAMES, type BadRange, type Lane, type LanePosition, type MissingFile } from '../append-log/types.js';

/** Sets of log files, by lane. */
export type LaneFiles = Readonly<Partial<Record<Lane, FileRanges>>>;

/** What a store that is open misses. While there is anything, nothing may be thrown away for want of it: it may return. */
export interface Losses {
	readonly files: readonly MissingFile[];
	readonly volumes: readonly MissingVolume[];
}

/** Log files as a checkpoint knows them. */
export interface KnownFiles {
	/** The view was built from these. */
	readonly files: LaneFiles;
	/** These were missing when it was built. */
	readonly lost: LaneFiles;
	/** Up to which byte the view holds each of its files: none is ever shorter. Absent in checkpoints of early versions. */
	readonly ends?: LaneEnds;
}

/** Pairs of a file's number and a byte offset in it, by lane. */
export type LaneEnds = Readonly<Partial<Record<Lane, readonly (readonly [number, number])[]>>>;

/** Which log files the view knows, while the store runs. */
export class FileLedger {
	readonly #files = new Map<Lane, FileRanges>();
	/** Missing files that the view has up to some place only: the lane's position lies in them. */
	readonly #begun = new Map<Lane, number>();
	#lost: readonly MissingFile[] = [];
	readonly #ends = new Map<Lane, Map<number, number>>();

	constructor(known: KnownFiles | undefined) {
		for (const lane of LANE_NAMES) {
			this.#files.set(lane, known?.files[lane] ?? []);
			this.#ends.set(lane, new Map(known?.ends?.[lane]));
		}
	}

	/** The view takes what this file holds before `offset`. */
	took(lane: Lane, { fileNo, offset }: LanePosition): void {
		const ends = this.#ends.get(lane);
		// Of a file without a group a crash may have left anything: nothing in it ever counted.
		if (offset > FIRST_GROUP_OFFSET) ends?.set(fileNo, Math.max(offset, ends.get(fileNo) ?? 0));
		const before = this.#files.get(lane) ?? [];
		const after = addToRanges(before, fileNo);
		if (after !== before) this.#files.set(lane, after);
	}

	/** Says which files are missing. `positions`: whence the lanes were replayed. */
	setLost(lost: readonly MissingFile[], positions: Partial<Record<Lane, LanePosition>>): void {
		this.#lost = lost;
		for (const { lane, fileNo } of lost) if (positions[lane]?.fileNo === fileNo) this.#begun.set(lane, fileNo);
	}

	/** For the checkpoint; what was given up since is left out, and forgotten. */
	save(isRetired: (lane: Lane, fileNo: number) => boolean): KnownFiles {
		const ends: Partial<Record<Lane, readonly (readonly [number, number])[]>> = {};
		for (const [lane, ranges] of this.#files) {
			const leftBehind = this.#leftBehind(lane, ranges);
			const kept = rangesOf(
				[...numbersOf(ranges)].filter((fileNo) => fileNo !== leftBehind && !isRetired(lane, fileNo)),
			);
			const known = this.#ends.get(lane);
			for (const fileNo of known?.keys() ?? []) if (!isInRanges(kept, fileNo)) known?.delete(fileNo);
			this.#files.set(lane, kept);
			ends[lane] = [...(known ?? [])];
		}
		const lost = this.#lost.filter(({ lane, fileNo }) => !isInRanges(this.#files.get(lane) ?? [], fileNo));
		return { files: Object.fromEntries(this.#files), lost: byLane(lost), ends };
	}

	/** A missing file that the view has in part, once the lane has gone on: no replay would take the rest when it returns. */
	#leftBehind(lane: Lane, ranges: FileRanges): number | undefined {
		const begun = this.#begun.get(lane);
		return begun !== undefined && begun < (ranges.at(-1)?.[1] ?? 0) ? begun : undefined;
	}
}

/** Files that were there once (`begun`, and those that the replay `found` out), are not there now, and are missed. */
export function missingFiles(
	begun: LaneFiles,
	found: readonly MissingFile[],
	isPresent: (lane: Lane, fileNo: number) => boolean,
	isUnmissed: (lane: Lane, fileNo: number) => boolean,
): readonly MissingFile[] {
	const missing: MissingFile[] = [];
	for (const lane of LANE_NAMES) {
		const named = found.filter((file) => file.lane === lane).map(({ fileNo }) => fileNo);
		const numbers = [...numbersOf(begun[lane] ?? []), ...named];
		for (const fileNo of numbersOf(rangesOf(numbers)))
			if (!isPresent(lane, fileNo) && !isUnmissed(lane, fileNo)) missing.push({ lane, fileNo });
	}
	return missing;
}

/** A file that lies before the position of its lane and that the view was not built from: it was missing then, and has returned. */
export function returnedFile(
	known: KnownFiles | undefined,
	positions: Partial<Record<Lane, LanePosition>>,
	numbersOfLane: (lane: Lane) => readonly number[],
): MissingFile | undefined {
	if (!known) return undefined;
	for (const lane of LANE_NAMES) {
		const taken = known.files[lane] ?? [];
		const position = positions[lane]?.fileNo ?? 0;
		for (const fileNo of numbersOfLane(lane))
			if (fileNo <= position && !isInRanges(taken, fileNo)) return { lane, fileNo };
	}
	return undefined;
}

/**
 * What is gone of files that lie before the position of their lane: no replay reads them, so that nobody would notice. `sizeBytes` answers
 * undefined for a file that is not there.
 */
export async function shortenedFiles(
	known: KnownFiles | undefined,
	positions: Partial<Record<Lane, LanePosition>>,
	sizeBytes: (lane: Lane, fileNo: number) => Promise<number | undefined>,
): Promise<readonly BadRange[]> {
	const shortened: BadRange[] = [];
	for (const lane of LANE_NAMES) {
		for (const [fileNo, end] of known?.ends?.[lane] ?? []) {
			// The replay looks at this one itself.
			if (fileNo === positions[lane]?.fileNo) continue;
			const from = await sizeBytes(lane, fileNo);
			if (from !== undefined && from < end) shortened.push({ lane, fileNo, from, to: end });
		}
	}
	return shortened;
}

function byLane(files: readonly MissingFile[]): LaneFiles {
	const lanes: Partial<Record<Lane, FileRanges>> = {};
	for (const lane of LANE_NAMES) {
		const numbers = files.filter((file) => file.lane === lane).map(({ fileNo }) => fileNo);
		if (numbers.length > 0) lanes[lane] = rangesOf(numbers);
	}
	return lanes;
}

/** The highest number of each lane, files included that are missing or were given up. */
export function lastKnownFiles(begun: LaneFiles, givenUp: GivenUp): Partial<Record<Lane, number>> {
	const last: Partial<Record<Lane, number>> = {};
	for (const lane of LANE_NAMES) {
		const ends = [begun[lane], givenUp.files[lane]].map((ranges) => ranges?.at(-1)?.[1] ?? 0);
		last[lane] = Math.max(...ends);
	}
	return last;
}

/** Files that nobody misses: unlinked on purpose, as the journal tells (docs/format.md §6), or given up. */
export function unmissedFiles(journal: Journal, givenUp: GivenUp): (lane: Lane, fileNo: number) => boolean {
	const isRetired = retiredFiles(journal);
	return (lane, fileNo) => isRetired(lane, fileNo) || isGivenUp(givenUp, lane, fileNo);
}

/** Files that were unlinked on purpose, as the journal tells (docs/format.md §6). */
export function retiredFiles(journal: Journal): (lane: Lane, fileNo: number) => boolean {
	const retired = new Map<Lane, FileRanges>();
	for (const lane of LANE_NAMES) retired.set(lane, decodeFileRanges(journal.setting(`retired/${lane}`) ?? NONE));
	return (lane, fileNo) => isInRanges(retired.get(lane) ?? [], fileNo);
}

/** Why the view may have been built without some part of the log; undefined when all is there. */
export function doubtOf({ files, volumes }: Losses, damage: readonly unknown[]): string | undefined {
	if (files.length > 0) return `${files.length} log files are missing`;
	if (volumes.length > 0) return `${volumes.length} volumes are missing`;
	if (damage.length > 0) return `${damage.length} stretches of the log cannot be read`;
	return undefined;
}

/** Some part of the log cannot be read now and might be one day; so may a stretch that was given up. */
export function mayReturn({ files, volumes }: Losses, damage: DamageList): boolean {
	return files.length > 0 || volumes.length > 0 || damage.stretches.some(({ reason }) => reason !== 'copy');
}

/** What an operator should know about what is missing. */
export function lossReasons({ files, volumes }: Losses): readonly HealthReason[] {
	const reasons: HealthReason[] = volumes.map(({ volume, reason }) => ({
		code: 'VOLUME_MISSING',
		message: `volume ${volume} is missing: ${reason}`,
		ready: true,
	}));
	if (files.length > 0) {
		const named = files.slice(0, NAMED_FILES).map(({ lane, fileNo }) => `${lane} ${fileNo}`);
		const more = files.length > named.length ? ', …' : '';
		reasons.push({
			code: 'LOG_MISSING',
			message: `at least ${files.length} log files are missing: ${named.join(', ')}${more}`,
			ready: true,
		});
	}
	return reasons;
}

/** For a checkpoint that does not say which files it knows: those up to its positions. */
export function filesUpTo(
	positions: Partial<Record<Lane, LanePosition>>,
	numbersOfLane: (lane: Lane) => readonly number[],
): KnownFiles {
	const files: Partial<Record<Lane, FileRanges>> = {};
	for (const lane of LANE_NAMES) {
		const end = positions[lane]?.fileNo ?? 0;
		files[lane] = rangesOf(numbersOfLane(lane).filter((fileNo) => fileNo <= end));
	}
	return { files, lost: {} };
}

const NONE = new Uint8Array(0);
const NAMED_FILES = 10;
