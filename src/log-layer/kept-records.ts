/**
 * Records of objects of which not all segments are held (docs/format.md §5, type 0x26): which ones are, and the proof of each of them, since the
 * roots of the others are not here.
 */
import type { LogRecord, RecordInput } from '../append-log/types.js';
import { ByteReader, ByteWriter } from '../bytes.js';
import { LIMITS } from '../limits.js';
import { HASH_BYTES } from '../units.js';
import { RECORDS, type ObjectId } from './records.js';
import type { SegmentRange } from './segment-ranges.js';
import type { KeptSegments } from './shard.js';

const KEPT = 1;
const PROOF = 2;

/** From now on only these segments of the object count; of those in the range the others are dropped. */
export interface KeptRecord {
	readonly kind: 'kept';
	readonly objectId: ObjectId;
	readonly kept: KeptSegments;
	readonly range: SegmentRange;
}

/** Siblings on the way from a segment to the data root, from the bottom up, 32 bytes each. */
export interface ProofRecord {
	readonly kind: 'proof';
	readonly objectId: ObjectId;
	readonly segment: number;
	readonly siblings: Uint8Array;
}

/** In a few facts, for an object of so many segments. */
export function segmentsKept(objectId: ObjectId, kept: KeptSegments, segments: number): readonly RecordInput[] {
	const facts: RecordInput[] = [];
	const atOnce = Math.max(LIMITS.dropFactSegments, Math.ceil(segments / LIMITS.dropFactsAtOnce));
	for (let first = 0; first < segments; first += atOnce)
		facts.push(keptFact(objectId, kept, { first, count: Math.min(atOnce, segments - first) }));
	return facts;
}

export function keptFact(objectId: ObjectId, { modulus, residues }: KeptSegments, range: SegmentRange): RecordInput {
	const out = new ByteWriter(64).u64(objectId).u8(KEPT).u32(modulus).u64(range.first).u64(range.count);
	for (const residue of residues) out.u32(residue);
	return { type: RECORDS.objectPolicy, ext: out.toBytes() };
}

export function segmentProofFact({ objectId, segment, siblings }: Omit<ProofRecord, 'kind'>): RecordInput {
	const ext = new ByteWriter(512).u64(objectId).u8(PROOF).u64(segment).raw(siblings).toBytes();
	return { type: RECORDS.objectPolicy, ext };
}

/** Undefined: a policy that this version does not know. */
export function decodePolicy({ ext }: LogRecord): KeptRecord | ProofRecord | undefined {
	const reader = new ByteReader(ext, 'an object policy record');
	const objectId = reader.u64('object');
	const kind = reader.remaining > 0 ? reader.u8('kind') : 0;
	if (kind === PROOF) {
		const segment = reader.safeU64('segment');
		const siblings = reader.bytes(reader.remaining - (reader.remaining % HASH_BYTES), 'siblings');
		reader.end();
		return { kind: 'proof', objectId, segment, siblings };
	}
	if (kind !== KEPT) return undefined;
	const modulus = reader.u32('modulus');
	const range = { first: reader.safeU64('first'), count: reader.safeU64('count') };
	const residues: number[] = [];
	while (reader.remaining > 0) residues.push(reader.u32('residue'));
	return { kind: 'kept', objectId, kept: { modulus, residues }, range };
}
