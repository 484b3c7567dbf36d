/** The bytes of a flow segment: those of its pieces that are held, and zeros between them. */
import { PerigeeError } from '../errors.js';
import { SECTOR_BYTES, SEGMENT_SECTORS } from '../units.js';
import type { FlowPiece, FlowSegment } from './flow-segments.js';
import type { ObjectReader } from './object-reader.js';

/** A stretch of sectors, in the segment. */
interface Stretch {
	readonly from: number;
	readonly to: number;
}

/** As FileStore.flowSegmentData. */
export async function flowSegmentData(
	segment: FlowSegment,
	flowLength: bigint,
	reader: ObjectReader,
): Promise<readonly Uint8Array[]> {
	const start = segment.index * BigInt(SEGMENT_SECTORS);
	if (start >= flowLength) throw new PerigeeError('NOT_FOUND', 'the flow ends before this segment');
	const end = Number(flowLength - start < SEGMENT_SECTORS ? flowLength - start : BigInt(SEGMENT_SECTORS));
	// Sector 0 of the flow is an opaque leaf.
	let known = [{ from: start === 0n ? 1 : 0, to: end }].filter(({ from, to }) => from < to);
	const bytes = Buffer.alloc(end * SECTOR_BYTES);
	await fillPieces(segment, bytes, reader);
	for (const piece of segment.pieces) {
		const from = Number(piece.sector - start);
		if (!piece.object) known = known.flatMap((stretch) => without(stretch, { from, to: from + piece.sectors }));
	}
	return known.map(({ from, to }) => bytes.subarray(from * SECTOR_BYTES, to * SECTOR_BYTES));
}

/** Puts the held pieces of a flow segment where they belong. Errors: DATA_DAMAGED, READ_FAILED, NOT_HELD. */
export async function fillPieces(segment: FlowSegment, into: Buffer, reader: ObjectReader): Promise<void> {
	const start = segment.index * BigInt(SEGMENT_SECTORS);
	for (const piece of segment.pieces)
		await readPiece(piece, into.subarray(Number(piece.sector - start) * SECTOR_BYTES), reader);
}

/** Behind the last byte of a file its padding is zeros. */
async function readPiece(
	{ submission, object, fileSector, sectors }: FlowPiece,
	into: Buffer,
	reader: ObjectReader,
): Promise<void> {
	if (!object) return;
	const from = Number(fileSector) * SECTOR_BYTES;
	const to = Math.min(from + sectors * SECTOR_BYTES, object.sizeBytes);
	if (from < to) into.set(await reader.small({ ...object, root: submission.dataRoot }, from, to));
}

function without(stretch: Stretch, hole: Stretch): Stretch[] {
	return [
		{ from: stretch.from, to: Math.min(stretch.to, hole.from) },
		{ from: Math.max(stretch.from, hole.to), to: stretch.to },
	].filter(({ from, to }) => from < to);
}
