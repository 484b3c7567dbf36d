/**
 * What of the log an operator has given up for good (docs/format.md §1): log files and volumes that were lost. They are no longer missing, and
 * should they ever return they are no part of the store: facts that kept their content deleted may be gone by then.
 */
import { isInRanges, numbersOf, rangesOf, type FileRanges } from '../append-log/file-ranges.js';
import { LANE_NAMES, type Lane, type MissingFile } from '../append-log/types.js';

export interface GivenUp {
	readonly files: Readonly<Partial<Record<Lane, FileRanges>>>;
	/** Numbers of volumes. */
	readonly volumes: readonly number[];
}

export const NOTHING_GIVEN_UP: GivenUp = { files: {}, volumes: [] };

export function isGivenUp({ files }: GivenUp, lane: Lane, fileNo: number): boolean {
	return isInRanges(files[lane] ?? [], fileNo);
}

export function withGivenUp(
	before: GivenUp,
	files: readonly MissingFile[],
	volumes: readonly { readonly volume: number }[],
): GivenUp {
	const lanes: Partial<Record<Lane, FileRanges>> = {};
	for (const lane of LANE_NAMES) {
		const lost = files.filter((file) => file.lane === lane).map(({ fileNo }) => fileNo);
		const ranges = rangesOf([...numbersOf(before.files[lane] ?? []), ...lost]);
		if (ranges.length > 0) lanes[lane] = ranges;
	}
	return { files: lanes, volumes: [...new Set([...before.volumes, ...volumes.map(({ volume }) => volume)])] };
}

/** Reads the field of store.json; what is not of its shape counts as nothing. */
export function parseGivenUp(value: unknown): GivenUp {
	if (typeof value !== 'object' || value === null) return NOTHING_GIVEN_UP;
	const { files, volumes } = value as {
		readonly files?: Readonly<Record<string, unknown>>;
		readonly volumes?: unknown;
	};
	const lanes: Partial<Record<Lane, FileRanges>> = {};
	for (const lane of LANE_NAMES) {
		const ranges = files?.[lane];
		if (Array.isArray(ranges) && ranges.every(isRange)) lanes[lane] = ranges;
	}
	return { files: lanes, volumes: Array.isArray(volumes) ? volumes.filter(Number.isSafeInteger) : [] };
}

function isRange(value: unknown): value is readonly [number, number] {
	return Array.isArray(value) && value.length === 2 && value.every(Number.isSafeInteger);
}
