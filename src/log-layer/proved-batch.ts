/**
 * Segments of one file on slots of the slab ring: hashed by the workers, each checked against its proof. Whoever takes a batch gives its slots
 * back.
 */
import type { RecordInput } from '../append-log/types.js';
import type { HashPool, HashTicket, SegmentHash } from '../native/hash-pool.js';
import { leafRefusal, segmentShape } from '../native/segment-proof.js';
import type { SlabRing, Slot } from '../native/slab-ring.js';
import { LIMITS } from '../limits.js';
import { type ProvedSegment, SegmentRefusedError } from './proved-segment.js';
import { segmentProofFact } from './kept-records.js';
import { segmentRecord, uploadBytes, type ObjectId } from './records.js';
import { siblingsOf } from './stored-proofs.js';
import type { FileProof } from './types.js';

/** A segment whose bytes are those that its proof is about. */
export interface RightSegment {
	readonly index: number;
	/** On the slot: as many bytes as the file has there. */
	readonly bytes: Uint8Array;
	readonly hash: SegmentHash;
	readonly proof: FileProof;
}

export class ProvedBatch {
	/** Those in front of the first that is refused. */
	readonly right: readonly RightSegment[];
	/** Why the one behind them is not taken; undefined when all are right. */
	readonly refused: SegmentRefusedError | undefined;
	/** How many of the segments that were handed in are in this batch. */
	readonly taken: number;
	readonly #slots: readonly Slot[];

	private constructor(
		slots: readonly Slot[],
		right: readonly RightSegment[],
		refused: SegmentRefusedError | undefined,
	) {
		this.#slots = slots;
		this.taken = slots.length;
		this.right = right;
		this.refused = refused;
	}

	/** As many of the segments, at least one, as find slots now. Waits for the first slot. Errors: those of the ring and the pool. */
	static async of(ring: SlabRing, pool: HashPool, segments: readonly ProvedSegment[]): Promise<ProvedBatch> {
		const slots = [await ring.wait()];
		const most = Math.min(segments.length, LIMITS.hashTaskSegments);
		// Who waits for a slot holds none: two callers would wait for each other.
		while (slots.length < most) {
			const slot = ring.take();
			if (!slot) break;
			slots.push(slot);
		}
		let hashing: HashTicket | undefined;
		try {
			const filled = slots.map((slot, at) => fill(slot, segments[at] as ProvedSegment));
			hashing = pool.hash(filled.map(({ slot, lengthBytes, leaves }) => ({ slot, lengthBytes, leaves })));
			const hashes = await hashing.hashes;
			const right: RightSegment[] = [];
			for (const [at, { segment, slot, lengthBytes }] of filled.entries()) {
				const hash = hashes[at] as SegmentHash;
				const refusal = refusalOf(segment, hash.root);
				if (refusal) return new ProvedBatch(slots, right, refusal);
				const { index, proof } = segment;
				right.push({ index, bytes: slot.bytes.subarray(0, lengthBytes), hash, proof });
			}
			return new ProvedBatch(slots, right, undefined);
		} catch (error) {
			await hashing?.settled;
			for (const slot of slots) slot.release();
			throw error;
		}
	}

	/** Nobody reads the bytes any more. */
	release(): void {
		for (const slot of this.#slots) slot.release();
	}
}

interface FilledSlot {
	readonly segment: ProvedSegment;
	readonly slot: Slot;
	readonly lengthBytes: number;
	readonly leaves: number;
}

/** What was sent behind the end of the file is left out: the leaves have zeros there. */
function fill(slot: Slot, segment: ProvedSegment): FilledSlot {
	const { lengthBytes, leaves } = segmentShape(segment.sizeBytes, segment.index);
	segment.copyTo(slot.bytes.subarray(0, uploadBytes(lengthBytes)));
	return { segment, slot, lengthBytes, leaves };
}

/** Why the proof of a segment does not lead from its root to that of its file. */
export function refusalOf(segment: ProvedSegment, segmentRoot: Uint8Array): SegmentRefusedError | undefined {
	const refusal = leafRefusal(segment, segment.index, segmentRoot, segment.proof, true);
	return refusal ? new SegmentRefusedError(refusal, segment, segmentRoot) : undefined;
}

/** Their proofs alone. */
export function proofsOf(objectId: ObjectId, segments: readonly RightSegment[]): readonly RecordInput[] {
	return segments.map(({ index: segment, proof }) =>
		segmentProofFact({ objectId, segment, siblings: siblingsOf(proof) }),
	);
}

/** With their proofs where the other segments, which would tell them, do not come. */
export function recordsOf(
	objectId: ObjectId,
	segments: readonly RightSegment[],
	withProofs: boolean,
): readonly RecordInput[] {
	return segments.flatMap(({ index: segment, bytes, hash: { root, blockCrcs }, proof }) => {
		const record = segmentRecord({ objectId, segment, root }, bytes, blockCrcs);
		return withProofs ? [record, segmentProofFact({ objectId, segment, siblings: siblingsOf(proof) })] : [record];
	});
}
