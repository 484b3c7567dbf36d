/**
 * How far a resumable upload has come, as the view tells: whole segments from the beginning on, and the bytes behind them, which are staged or
 * the beginning of a segment that counts only in part. Needed after a restart, and for uploads that were long silent.
 */
import type { AppendLog } from '../append-log/append-log.js';
import { LogFileGoneError } from '../append-log/log-files.js';
import { PerigeeError } from '../errors.js';
import { checkBlocksBytes, FileTree } from '../native/addon.js';
import { SEGMENT_BYTES } from '../units.js';
import type { DamageList } from './damage.js';
import type { ObjectId } from './records.js';
import type { ResumableFact } from './resumable-records.js';
import { decodeStagedRow, stagedSegment, type StagedPlace } from './resumable-rows.js';
import { decodeSegmentRow, rowKeys, type PlainPlace, type SegmentRow } from './rows.js';
import { segmentRows } from './segment-rows.js';
import type { ReadyContent } from './upload.js';
import type { View } from './view.js';

export interface ResumableStateParts {
	readonly view: View;
	readonly log: AppendLog;
	readonly damage: DamageList;
}

export interface ResumableState {
	/** Over the whole segments. */
	readonly tree: FileTree;
	/** Bytes behind the whole segments, at most one segment. */
	readonly tail: Uint8Array;
	/** In how many pieces they are staged; 0: they are the beginning of a segment, or none. */
	readonly stagedPieces: number;
}

/** Where bytes behind the whole segments lie: the first `lengthBytes` of a place. */
interface TailPart {
	readonly place: PlainPlace;
	readonly lengthBytes: number;
}

/** What counts of an upload. Errors: DATA_DAMAGED when the view is damaged, READ_FAILED. */
export async function resumableState(parts: ResumableStateParts, fact: ResumableFact): Promise<ResumableState> {
	let limit = Math.min(fact.limitBytes ?? Number.POSITIVE_INFINITY, fact.sizeBytes ?? Number.POSITIVE_INFINITY);
	// What cannot be read has to come again: the bytes in front of it still count.
	for (let attempt = 0; attempt < LOOKS_MOST; attempt++) {
		const { tree, segments, tail, stagedPieces } = await lookUp(parts, fact.objectId, limit);
		const read = await readTail(parts.log, tail);
		if (read.isMoved) continue;
		const bytes = Buffer.concat(read.parts);
		if (read.parts.length === tail.length) return { tree, tail: bytes, stagedPieces };
		limit = segments * SEGMENT_BYTES + bytes.length;
	}
	throw new PerigeeError('READ_FAILED', 'the bytes that came last cannot be read');
}

/**
 * The bytes behind the whole segments of an upload whose state is known in memory; undefined when they are not where they should be, so that only
 * `resumableState` can tell.
 */
export async function knownTail(
	{ view, log }: ResumableStateParts,
	objectId: ObjectId,
	{
		segments,
		tailBytes,
		stagedPieces,
	}: { readonly segments: number; readonly tailBytes: number; readonly stagedPieces: number },
): Promise<Uint8Array | undefined> {
	if (tailBytes === 0) return new Uint8Array(0);
	const start = segments * SEGMENT_BYTES;
	const key = stagedPieces > 0 ? rowKeys.staged(objectId) : rowKeys.segment(objectId, segments);
	const row = await view.get(key);
	if (!row) return undefined;
	const place = stagedPieces > 0 ? undefined : decodeSegmentRow(row).place;
	const pieces = stagedPieces > 0 ? stagedFrom(decodeStagedRow(row), start) : place ? [{ offset: start, place }] : [];
	const bytes = Buffer.concat((await readTail(log, cut(pieces, start, start + tailBytes))).parts);
	return bytes.length === tailBytes ? bytes : undefined;
}

/** The content of a closed object of several segments, which no submission may name yet. Errors: DATA_DAMAGED, NOT_HELD, READ_FAILED. */
export async function closedContent(
	parts: ResumableStateParts,
	fact: ResumableFact,
	sizeBytes: number,
): Promise<ReadyContent> {
	const { limitBytes: _, ...whole } = fact;
	const { objectId } = fact;
	const { tree, tail } = await resumableState(parts, { ...whole, sizeBytes });
	const row = await parts.view.get(rowKeys.segment(objectId, Number(tree.segments())));
	if (!row) throw new PerigeeError('NOT_HELD', 'segments of the upload are missing');
	tree.push(decodeSegmentRow(row).root);
	return { tree: tree.finish(BigInt(sizeBytes), tail), sizeBytes, stored: { objectId, isClosed: true } };
}

/** How often the places are looked up anew, because compaction has moved them or some cannot be read. */
const LOOKS_MOST = 64;

async function lookUp(
	{ view, log, damage }: ResumableStateParts,
	objectId: ObjectId,
	limit: number,
): Promise<{
	readonly tree: FileTree;
	readonly segments: number;
	readonly tail: readonly TailPart[];
	readonly stagedPieces: number;
}> {
	const stagedRow = await view.get(rowKeys.staged(objectId));
	const staged = stagedRow ? decodeStagedRow(stagedRow) : [];
	const isDamaged = damage.of(objectId);
	const tree = new FileTree();
	let segments = 0;
	/** The last whole segment, which may yet become the tail. */
	let last: (SegmentRow & { readonly place: PlainPlace }) | undefined;
	let partial: PlainPlace | undefined;
	walk: for await (const { first, rows } of segmentRows(view, objectId, 0, Math.ceil(limit / SEGMENT_BYTES))) {
		for (const [index, value] of rows.entries()) {
			const segment = first + index;
			if (!value || isDamaged?.has(segment)) break walk;
			const { place, root } = decodeSegmentRow(value);
			if (!place || log.isLost(place.lane, place.fileNo) || isStagedAnew(staged, segment, place)) break walk;
			if (place.lengthBytes < SEGMENT_BYTES || (segment + 1) * SEGMENT_BYTES > limit) {
				partial = place;
				break walk;
			}
			if (last) tree.push(last.root);
			last = { place, root };
			segments = segment + 1;
		}
	}
	const start = segments * SEGMENT_BYTES;
	const pieces = partial ? [{ offset: start, place: partial }] : stagedFrom(staged, start);
	const tail = cut(pieces, start, limit);
	if (!last) return { tree, segments, tail, stagedPieces: partial ? 0 : tail.length };
	if (tail.length === 0) {
		// The last byte stays with the upload until more comes: its segment may be the last one.
		const whole = [{ place: last.place, lengthBytes: SEGMENT_BYTES }];
		return { tree, segments: segments - 1, tail: whole, stagedPieces: 0 };
	}
	tree.push(last.root);
	return { tree, segments, tail, stagedPieces: partial ? 0 : tail.length };
}

/** Bytes of the segment were staged after it was written: the upload went back behind it. */
function isStagedAnew(staged: readonly StagedPlace[], segment: number, { origin }: PlainPlace): boolean {
	return staged.some((one) => stagedSegment(one) === segment && one.place.origin > origin);
}

/** The staged pieces that follow each other without a gap from `start` on. */
function stagedFrom(staged: readonly StagedPlace[], start: number): readonly StagedPlace[] {
	let at = start;
	const found: StagedPlace[] = [];
	for (const piece of staged) {
		if (piece.offset !== at) continue;
		found.push(piece);
		at += piece.place.lengthBytes;
	}
	return found;
}

function cut(pieces: readonly StagedPlace[], start: number, limit: number): readonly TailPart[] {
	const end = Math.min(limit, start + SEGMENT_BYTES);
	return pieces
		.map(({ offset, place }) => ({ place, lengthBytes: Math.min(place.lengthBytes, end - offset) }))
		.filter(({ lengthBytes }) => lengthBytes > 0);
}

/** The parts that are right, up to the first that is not. `isMoved`: a file has gone; the view knows where its records are now. */
async function readTail(
	log: AppendLog,
	tail: readonly TailPart[],
): Promise<{ readonly parts: readonly Uint8Array[]; readonly isMoved: boolean }> {
	const parts: Uint8Array[] = [];
	for (const { place, lengthBytes } of tail) {
		const bytes = Buffer.allocUnsafe(place.lengthBytes);
		try {
			await log.read(place.lane, place.fileNo, place.offset, bytes);
		} catch (error) {
			if (error instanceof LogFileGoneError) return { parts, isMoved: true };
			if (error instanceof PerigeeError && (error.code === 'DATA_DAMAGED' || error.code === 'NOT_HELD')) break;
			throw error;
		}
		if (checkBlocksBytes(bytes, place.blockCrcs) >= 0) break;
		parts.push(bytes.subarray(0, lengthBytes));
	}
	return { parts, isMoved: false };
}
