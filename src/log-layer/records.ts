/** The records of the payload lanes and their bytes (docs/format.md §5). */
import type { Lane, LogRecord, RecordInput } from '../append-log/types.js';
import { ByteReader, ByteWriter } from '../bytes.js';
import { HASH_BYTES, SECTOR_BYTES, SEGMENT_BYTES } from '../units.js';
import type { SegmentRange } from './segment-ranges.js';

/** Record types of `small`, `bulk` and `sealed`. */
export const RECORDS = {
	objectOpened: 0x20,
	segment: 0x21,
	objectClosed: 0x22,
	wholeObject: 0x23,
	objectDeleted: 0x24,
	segmentsDropped: 0x25,
	objectPolicy: 0x26,
	stagedBytes: 0x27,
	resumableUpload: 0x28,
	sealedFlowSegment: 0x40,
	flowSegmentDropped: 0x41,
} as const;

/** Kind of an object: a file under its data root. Others come with their features (docs/format.md §10). */
const KIND_FILE = 0;

/** Stands in a fact for the root that an object never had. */
export const NO_ROOT: Uint8Array = new Uint8Array(HASH_BYTES);

/** Id of an object: the lsn of the record that opened it. */
export type ObjectId = bigint;

export interface SegmentRecord {
	readonly objectId: ObjectId;
	readonly segment: number;
	/** 32 bytes. */
	readonly root: Uint8Array;
}

export interface ClosedRecord {
	readonly objectId: ObjectId;
	readonly sizeBytes: bigint;
	/** 32 bytes. */
	readonly root: Uint8Array;
}

export function objectOpened(): RecordInput {
	return { type: RECORDS.objectOpened, ext: Uint8Array.of(KIND_FILE) };
}

/** `payload`: the segment's real bytes; `blockCrcs`: little-endian, 4 bytes a block. */
export function segmentRecord(record: SegmentRecord, payload: Uint8Array, blockCrcs: Uint8Array): RecordInput {
	const ext = new ByteWriter(48).u64(record.objectId).u64(record.segment).fixed(record.root, HASH_BYTES).toBytes();
	return { type: RECORDS.segment, ext, payload, blockCrcs };
}

export function decodeSegment(record: LogRecord): SegmentRecord {
	const reader = new ByteReader(record.ext, 'a segment record');
	const decoded = {
		objectId: reader.u64('object'),
		segment: reader.safeU64('segment'),
		root: reader.bytes(HASH_BYTES, 'root'),
	};
	reader.end();
	return decoded;
}

export function objectClosed(record: ClosedRecord): RecordInput {
	const ext = new ByteWriter(48).u64(record.objectId).u64(record.sizeBytes).fixed(record.root, HASH_BYTES).toBytes();
	return { type: RECORDS.objectClosed, ext };
}

export function decodeClosed(record: LogRecord): ClosedRecord {
	const reader = new ByteReader(record.ext, 'an object closed record');
	const decoded = {
		objectId: reader.u64('object'),
		sizeBytes: reader.u64('size'),
		root: reader.bytes(HASH_BYTES, 'root'),
	};
	reader.end();
	return decoded;
}

/** A file of at most one segment: opens and closes its object. `blockCrcs`: of the payload, as in RecordInput. */
export function wholeObject(root: Uint8Array, payload: Uint8Array, blockCrcs: Uint8Array): RecordInput {
	return {
		type: RECORDS.wholeObject,
		ext: new ByteWriter(33).u8(KIND_FILE).fixed(root, HASH_BYTES).toBytes(),
		payload,
		blockCrcs,
	};
}

export function decodeWholeObject(record: LogRecord): { readonly root: Uint8Array } {
	const reader = new ByteReader(record.ext, 'a whole object record');
	reader.u8('kind');
	const root = reader.bytes(HASH_BYTES, 'root');
	reader.end();
	return { root };
}

/** Why an object was deleted. */
export const DELETED_BECAUSE = {
	/** Nothing names it: its upload was broken off, it expired, or another object holds its content. */
	spent: 0,
	/** An operator wanted its content gone; the root remembers that. */
	unwanted: 1,
	/** All its segments were dropped; the root remembers that it held something, so that nothing older counts again. */
	dropped: 2,
} as const;

export interface DeletedRecord {
	readonly objectId: ObjectId;
	/** 32 bytes; zeros when the object was never closed. */
	readonly root: Uint8Array;
	/** One of DELETED_BECAUSE. */
	readonly cause: number;
}

export function objectDeleted(record: DeletedRecord): RecordInput {
	return {
		type: RECORDS.objectDeleted,
		ext: new ByteWriter(41).u64(record.objectId).fixed(record.root, HASH_BYTES).u8(record.cause).toBytes(),
	};
}

export function decodeDeleted(record: LogRecord): DeletedRecord {
	const reader = new ByteReader(record.ext, 'an object deleted record');
	const objectId = reader.u64('object');
	const root = reader.bytes(HASH_BYTES, 'root');
	const cause = reader.remaining > 0 ? reader.u8('cause') : DELETED_BECAUSE.spent;
	reader.end();
	return { objectId, root, cause };
}

/** Segments [first, first + count) of an object of several records. */
export interface DroppedRecord extends SegmentRange {
	readonly objectId: ObjectId;
	/** 32 bytes. */
	readonly root: Uint8Array;
}

export function segmentsDropped({ objectId, first, count, root }: DroppedRecord): RecordInput {
	const ext = new ByteWriter(56).u64(objectId).u64(first).u64(count).fixed(root, HASH_BYTES).toBytes();
	return { type: RECORDS.segmentsDropped, ext };
}

export function decodeDropped(record: LogRecord): DroppedRecord {
	const reader = new ByteReader(record.ext, 'a segments dropped record');
	const decoded = {
		objectId: reader.u64('object'),
		first: reader.safeU64('first'),
		count: reader.safeU64('count'),
		root: reader.bytes(HASH_BYTES, 'root'),
	};
	reader.end();
	return decoded;
}

/** The lane of a file of so many bytes. */
export function laneOf(sizeBytes: number): Lane {
	return sizeBytes > SEGMENT_BYTES ? 'bulk' : 'small';
}

/** Object of a record whose own fields begin with it: all but those that open one. */
export function objectOfPart({ ext }: { readonly ext: Uint8Array }): ObjectId {
	return new ByteReader(ext, 'a record').u64('object');
}

/** Bytes a client uploads for a segment of `bytes` real ones: whole sectors. */
export function uploadBytes(bytes: number): number {
	return Math.ceil(bytes / SECTOR_BYTES) * SECTOR_BYTES;
}
