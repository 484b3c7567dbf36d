/**
 * Records of the lane `sealed` (docs/format.md §5): the sealed copy of a flow segment, and that there is none any more. A copy says whose seals it has and
 * what it was made of; what it is made of now, the submissions tell.
 */
import type { LogRecord, RecordInput } from '../append-log/types.js';
import { ByteReader, ByteWriter } from '../bytes.js';
import { keccak256 } from '../native/addon.js';
import { HASH_BYTES, type FlowId } from '../units.js';
import { RECORDS, type ObjectId } from './records.js';

/** Seals of one context: those up to `endSector` that no context before it has. */
export interface SealContext {
	/** 32 bytes. */
	readonly digest: Uint8Array;
	/** The sector of the flow behind its last one. */
	readonly endSector: bigint;
}

/** Part of an object inside a flow segment. */
export interface SealedPiece {
	readonly objectId: ObjectId;
	/** First sector in the flow, and how many. */
	readonly sector: bigint;
	readonly sectors: number;
	/** First sector in the file. */
	readonly fileSector: bigint;
}

/** Which flow segment. */
export interface SealedKey {
	readonly flowId: FlowId;
	readonly index: bigint;
}

export interface SealedFields extends SealedKey {
	/** 32 bytes. */
	readonly minerId: Uint8Array;
	/** Bit s: seal s is there; the others are zeros. */
	readonly seals: bigint;
	/** By ascending end. */
	readonly contexts: readonly SealContext[];
	readonly pieces: readonly SealedPiece[];
}

/** What a sealed copy was made of, in 32 bytes: another digest, other bytes. */
export function contentDigest(pieces: readonly SealedPiece[]): Uint8Array {
	return keccak256(encodePieces(pieces));
}

/** `payload`: 262,144 bytes, which stay as they are; `blockCrcs`: little-endian, 4 bytes a block. */
export function sealedFlowSegment(fields: SealedFields, payload: Uint8Array, blockCrcs: Uint8Array): RecordInput {
	const { flowId, index, minerId, seals, contexts, pieces } = fields;
	const out = new ByteWriter(256).u8(contexts.length).u16(pieces.length);
	out.u32(flowId).u64(index).fixed(minerId, HASH_BYTES).u64(seals);
	for (const { digest, endSector } of contexts) out.fixed(digest, HASH_BYTES).u64(endSector);
	const ext = out.raw(encodePieces(pieces)).toBytes();
	return { type: RECORDS.sealedFlowSegment, ext, payload, blockCrcs };
}

/** As it is read: the pieces as one digest. */
export type DecodedSealed = Omit<SealedFields, 'pieces'> & {
	/** As of `contentDigest`. */
	readonly content: Uint8Array;
};

export function decodeSealed({ ext }: Pick<LogRecord, 'ext'>): DecodedSealed {
	const reader = new ByteReader(ext, 'a sealed flow segment record');
	const contextCount = reader.u8('contexts');
	const pieceCount = reader.u16('pieces');
	const key = { flowId: reader.u32('flow id') as FlowId, index: reader.u64('flow segment') };
	const minerId = reader.bytes(HASH_BYTES, 'miner id').slice();
	const seals = reader.u64('seals');
	const contexts = Array.from({ length: contextCount }, () => ({
		digest: reader.bytes(HASH_BYTES, 'digest').slice(),
		endSector: reader.u64('end'),
	}));
	const content = keccak256(reader.bytes(pieceCount * PIECE_BYTES, 'pieces'));
	reader.end();
	return { ...key, minerId, seals, contexts, content };
}

export function flowSegmentDropped({ flowId, index }: SealedKey): RecordInput {
	return { type: RECORDS.flowSegmentDropped, ext: new ByteWriter(12).u32(flowId).u64(index).toBytes() };
}

export function decodeFlowSegmentDropped({ ext }: Pick<LogRecord, 'ext'>): SealedKey {
	const reader = new ByteReader(ext, 'a flow segment dropped record');
	const key = { flowId: reader.u32('flow id') as FlowId, index: reader.u64('flow segment') };
	reader.end();
	return key;
}

const PIECE_BYTES = 8 + 8 + 4 + 8;

function encodePieces(pieces: readonly SealedPiece[]): Uint8Array {
	const out = new ByteWriter(PIECE_BYTES * Math.max(1, pieces.length));
	for (const { objectId, sector, sectors, fileSector } of pieces)
		out.u64(objectId).u64(sector).u32(sectors).u64(fileSector);
	return out.toBytes();
}
