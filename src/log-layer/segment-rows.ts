/**
 * Rows of neighbouring segments, read by their keys. The engine checks its blocks in look-ups only: a scan over a damaged block may leave rows
 * out, or end the process. So whatever knows its keys beforehand looks them up.
 */
import { LIMITS } from '../limits.js';
import type { ObjectId } from './records.js';
import { rowKeys } from './rows.js';

/** A view, or a turn of it. */
interface Rows {
	getMany(keys: readonly Buffer[]): Promise<(Uint8Array | undefined)[]>;
}

/** A stretch of segments: `rows[i]` is that of segment `first + i`, undefined where there is none. */
export interface SegmentRows {
	readonly first: number;
	readonly rows: readonly (Uint8Array | undefined)[];
}

/** Rows of the segments [from, to) of an object, at most LIMITS.kvChunkRows at a time. Errors: those of `getMany`. */
export async function* segmentRows(
	view: Rows,
	objectId: ObjectId,
	from: number,
	to: number,
): AsyncGenerator<SegmentRows, void, undefined> {
	for (let first = from; first < to; first += LIMITS.kvChunkRows) {
		const count = Math.min(LIMITS.kvChunkRows, to - first);
		const keys = Array.from({ length: count }, (_, index) => rowKeys.segment(objectId, first + index));
		yield { first, rows: await view.getMany(keys) };
	}
}
