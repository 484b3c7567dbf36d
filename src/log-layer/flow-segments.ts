/**
 * Flow segments (docs/architecture.md §5): 1,024 sectors of the flow, made of pieces of submissions and of zeros. While all data is plain, what a
 * flow segment holds follows from the submissions in it and their objects, so no row is written for it; rows come with other tiers.
 */
import { SECTOR_BYTES, SEGMENT_BYTES, SEGMENT_SECTORS } from '../units.js';
import type { RootObject, SubmissionRow } from './rows.js';
import { submissionsIn, type RowReader } from './submissions.js';
import type { FlowExtent } from './flow-tree.js';

/** Sectors of one seal. */
const SEAL_SECTORS = 16n;
const SEALS = SEGMENT_SECTORS / Number(SEAL_SECTORS);

/** Part of a submission inside a flow segment. */
export interface FlowPiece {
	readonly submission: SubmissionRow;
	/** First sector in the flow, and how many. */
	readonly sector: bigint;
	readonly sectors: number;
	/** First sector in the file. */
	readonly fileSector: bigint;
	/** The object that holds its bytes; absent: not held here. */
	readonly object?: RootObject;
}

export interface FlowSegment {
	readonly index: bigint;
	/** In order; what no piece covers is zero. */
	readonly pieces: readonly FlowPiece[];
	/** Bit s: all 16 sectors of seal s are known here (held, zero, or behind the flow's end: not set there). */
	readonly availability: bigint;
}

/** The object that holds segment `segment` of a submission's file, if it is held here undamaged. */
export type HeldObject = (submission: SubmissionRow, segment: number) => Promise<RootObject | undefined>;

/** Flow segment `index` of an extent. */
export async function flowSegmentAt(
	rows: RowReader,
	extent: FlowExtent,
	index: bigint,
	held: HeldObject,
): Promise<FlowSegment> {
	const from = index * BigInt(SEGMENT_SECTORS);
	const to = from + BigInt(SEGMENT_SECTORS);
	const pieces: FlowPiece[] = [];
	for await (const submission of submissionsIn(rows, extent.flowId, extent.submissions, from, to)) {
		const start = submission.startSector > from ? (submission.startSector as bigint) : from;
		const end = submission.lengthAfter < to ? submission.lengthAfter : to;
		const fileSector = start - submission.startSector;
		const piece = { submission, sector: start, sectors: Number(end - start), fileSector };
		// A file lies on whole flow segments or inside one, so a piece never spans two of its segments.
		const object = await held(submission, Number((fileSector * BigInt(SECTOR_BYTES)) / BigInt(SEGMENT_BYTES)));
		pieces.push(object ? { ...piece, object } : piece);
	}
	return { index, pieces, availability: availabilityOf(from, extent.lengthSectors, pieces) };
}

function availabilityOf(from: bigint, lengthSectors: bigint, pieces: readonly FlowPiece[]): bigint {
	let bits = 0n;
	for (let seal = 0; seal < SEALS; seal++) {
		const start = from + BigInt(seal) * SEAL_SECTORS;
		const end = start + SEAL_SECTORS;
		const isMissing = pieces.some(
			(piece) => !piece.object && piece.sector < end && start < piece.sector + BigInt(piece.sectors),
		);
		if (end <= lengthSectors && !isMissing) bits |= 1n << BigInt(seal);
	}
	return bits;
}
