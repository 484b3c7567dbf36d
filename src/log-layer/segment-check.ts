/**
 * Checks segments as they lie in log files: block CRCs and Merkle roots, in batches on the hashing pool. Memory: slots of the upload ring.
 * One slot is waited for in line with the uploads; more are taken only while half of the ring is free, so that uploads are not starved
 * by the scrub, nor the scrub by them.
 */
import type { LogFileCheck } from '../append-log/file-check.js';
import type { LogRecord } from '../append-log/types.js';
import { PerigeeError } from '../errors.js';
import { LIMITS } from '../limits.js';
import { fileGeometry } from '../native/addon.js';
import type { HashInput, HashPool, SegmentHash } from '../native/hash-pool.js';
import type { Slot, SlabRing } from '../native/slab-ring.js';
import { SEGMENT_BYTES } from '../units.js';
import type { SegmentDamageReason } from './damage.js';
import { RECORDS, decodeSegment, decodeWholeObject, type ObjectId } from './records.js';

/** A segment's bytes in a log file, and what they should be. */
export interface StoredSegment {
	readonly objectId: ObjectId;
	readonly segment: number;
	/** 32 bytes. */
	readonly root: Uint8Array;
	readonly place: NonNullable<LogRecord['place']>;
	readonly blockCrcs: Uint8Array;
}

/** `readFailed`: the disk answered with an error. */
export type SegmentVerdict = 'right' | 'readFailed' | SegmentDamageReason;

/** The segment that a record holds; undefined for records of other types and those without bytes. */
export function segmentOf(record: LogRecord): StoredSegment | undefined {
	const { place, blockCrcs, origin } = record;
	if (!place) return undefined;
	if (record.type === RECORDS.segment) return { ...decodeSegment(record), place, blockCrcs };
	if (record.type !== RECORDS.wholeObject) return undefined;
	return { objectId: origin, segment: 0, root: decodeWholeObject(record).root, place, blockCrcs };
}

export interface SegmentCheckParts {
	readonly ring: SlabRing;
	readonly pool: HashPool;
}

/** Checks segments of one log file; verdicts in their order. Errors: OVERLOADED, SHUTTING_DOWN, the signal's reason. */
export async function checkSegments(
	parts: SegmentCheckParts,
	file: LogFileCheck,
	segments: readonly StoredSegment[],
	signal: AbortSignal,
): Promise<SegmentVerdict[]> {
	const verdicts: SegmentVerdict[] = [];
	while (verdicts.length < segments.length) {
		const slots = await takeSlots(parts.ring, segments.length - verdicts.length, signal);
		try {
			const batch = segments.slice(verdicts.length, verdicts.length + slots.length);
			verdicts.push(...(await checkBatch(parts.pool, file, batch, slots)));
		} finally {
			for (const slot of slots) slot.release();
		}
	}
	return verdicts;
}

async function takeSlots(ring: SlabRing, wanted: number, signal: AbortSignal): Promise<Slot[]> {
	const slots = [await ring.wait(signal)];
	while (slots.length < Math.min(wanted, LIMITS.scrubBatchSegments) && ring.freeSlots > ring.slotCount / 2) {
		const slot = ring.take();
		if (!slot) break;
		slots.push(slot);
	}
	return slots;
}

async function checkBatch(
	pool: HashPool,
	file: LogFileCheck,
	segments: readonly StoredSegment[],
	slots: readonly Slot[],
): Promise<SegmentVerdict[]> {
	const verdicts: (SegmentVerdict | undefined)[] = [];
	const inputs: HashInput[] = [];
	for (const [index, segment] of segments.entries()) {
		const slot = slots[index];
		if (!slot) throw new Error('a segment without a slot');
		const { lengthBytes } = segment.place;
		const failure = await readInto(file, segment, slot.bytes.subarray(0, lengthBytes));
		verdicts.push(failure);
		if (!failure) inputs.push({ slot, lengthBytes, leaves: leavesOf(segment) });
	}
	if (inputs.length > 0) {
		const { hashes, settled } = pool.hash(inputs);
		try {
			const answered = (await hashes)[Symbol.iterator]();
			for (const [index, segment] of segments.entries())
				verdicts[index] ??= compare(segment, answered.next().value as SegmentHash);
		} finally {
			await settled;
		}
	}
	return verdicts as SegmentVerdict[];
}

async function readInto(
	file: LogFileCheck,
	{ place }: StoredSegment,
	into: Uint8Array,
): Promise<'missing' | 'readFailed' | undefined> {
	try {
		return (await file.read(into, place.offset)) < into.length ? 'missing' : undefined;
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		if (code === 'EMFILE' || code === 'ENFILE')
			throw new PerigeeError('OVERLOADED', 'too many open files', { cause: error });
		return 'readFailed';
	}
}

function compare(segment: StoredSegment, { root, blockCrcs }: SegmentHash): SegmentVerdict {
	if (!Buffer.from(blockCrcs).equals(segment.blockCrcs)) return 'checksum';
	return Buffer.from(root).equals(segment.root) ? 'right' : 'root';
}

/** Only the last segment of a file is shorter than a whole one, and its place tells the size of the file. */
function leavesOf({ segment, place }: StoredSegment): number {
	return fileGeometry(BigInt(segment) * BigInt(SEGMENT_BYTES) + BigInt(place.lengthBytes)).lastSegmentLeaves;
}
