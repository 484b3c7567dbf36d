/**
 * Rows of the view: keys and values (docs/format.md §8; tables in db/tables.ts). A row part has one lane as its writer, so that lanes may
 * be applied in any order and any record again.
 */
import { LANES, type Lane, type Place } from '../append-log/types.js';
import { ByteReader, ByteWriter } from '../bytes.js';
import { TABLES } from '../db/tables.js';
import type { PlacedSubmission, SubmissionNode } from '../settlement/settlement.js';
import {
	HASH_BYTES,
	bytesOfHex,
	rootFromBytes,
	type DataRoot,
	type FlowId,
	type Lsn,
	type SectorIndex,
	type TxSeq,
} from '../units.js';
import type { ObjectId } from './records.js';
import type { SegmentRange } from './segment-ranges.js';
import type { KeptSegments } from './shard.js';

const ADDRESS_BYTES = 20;
const LANE_OF_BYTE = new Map<number, Lane>(Object.entries(LANES).map(([lane, byte]) => [byte, lane as Lane]));

/** Where a payload lies and how to check it. */
export interface PlainPlace extends Place {
	/** Little-endian CRC-32C of each 4,096-byte block. */
	readonly blockCrcs: Uint8Array;
	/** lsn of the first writing: of two records of one key, the later origin wins. */
	readonly origin: Lsn;
}

/** root → object and submissions. */
export interface RootRow {
	/** Written by the lane of the payload. Absent: no data under this root is held. */
	readonly object?: RootObject;
	/** Written by the lane of the payload, never beside `object`: the object that an operator ended; newer than that of `deletion`. */
	readonly ended?: EndedObject;
	/**
	 * Written by the journal: the newest object that an operator ended. What stands beside it is newer; objects up to it count no more.
	 * `isDeleted` only until the content is uploaded again.
	 */
	readonly deletion?: EndedObject;
	/** Written by the journal. Absent: no submission names this root. */
	readonly submissions?: RootSubmissions;
	/** Written by the journal: the newest upload of this content, unless it is the one that made its first submission. */
	readonly newest?: NamedUpload;
}

/** An upload as it names content. */
export interface NamedUpload {
	readonly name: string;
	readonly contentType: string;
	/** Milliseconds since 1970. */
	readonly timeMs: number;
}

export interface RootObject {
	readonly objectId: ObjectId;
	/** Bytes held; a submission of the same root may be longer or shorter by zero bytes. */
	readonly sizeBytes: number;
	/** The whole content, for an object of one record. */
	readonly place?: PlainPlace;
	/** Some of its segments were dropped: the object's row tells which. */
	readonly isPruned?: true;
}

/** An object that an operator deleted, or dropped all segments of. */
export interface EndedObject {
	readonly objectId: ObjectId;
	readonly isDeleted: boolean;
}

/** An object with the root that it is held under. */
export interface RootedObject extends RootObject {
	readonly root: DataRoot;
}

export interface RootSubmissions {
	readonly flowId: FlowId;
	readonly firstSeq: TxSeq;
	/** More of them stand in the table rootSeq. */
	readonly more: boolean;
}

/** (flow id, txSeq) → submission. */
export interface SubmissionRow extends Omit<PlacedSubmission, 'flowRoot' | 'identity'> {
	/** The upload that made it, where this node orders submissions itself, once its record was applied. */
	readonly upload?: NamedUpload;
}

export const OBJECT_OPEN = 1;
export const OBJECT_CLOSED = 2;
export const OBJECT_DELETED = 3;

/** object id → state; only for objects of several records. */
export interface ObjectRow {
	readonly state: number;
	readonly sizeBytes: bigint;
	/** 32 bytes; zeros while open. */
	readonly root: Uint8Array;
	/** Segments whose records were there when the object was closed. */
	readonly heldSegments: number;
	/** Segments that were dropped since. */
	readonly dropped: readonly SegmentRange[];
	/** Only these are held, each with a proof of its own; absent: all. */
	readonly kept?: KeptSegments;
}

export interface SegmentRow {
	/** Absent: the segment was dropped; its root is still needed for proofs of its neighbours. */
	readonly place?: PlainPlace;
	/** 32 bytes. */
	readonly root: Uint8Array;
}

export const rowKeys = {
	root: (root: DataRoot): Buffer => {
		const key = Buffer.allocUnsafe(1 + HASH_BYTES);
		key[0] = TABLES.root;
		key.set(bytesOfHex(root), 1);
		return key;
	},
	rootSeq: (root: DataRoot, flowId: FlowId, txSeq: TxSeq): Buffer => {
		const key = Buffer.allocUnsafe(45);
		key.writeUInt8(TABLES.rootSeq, 0);
		key.set(bytesOfHex(root), 1);
		key.writeUInt32BE(flowId, 33);
		key.writeBigUInt64BE(BigInt(txSeq), 37);
		return key;
	},
	submission: (flowId: FlowId, txSeq: number): Buffer => {
		const key = Buffer.allocUnsafe(13);
		key.writeUInt8(TABLES.submission, 0);
		key.writeUInt32BE(flowId, 1);
		key.writeBigUInt64BE(BigInt(txSeq), 5);
		return key;
	},
	object: (objectId: ObjectId): Buffer => keyOfObject(TABLES.object, objectId),
	segment: (objectId: ObjectId, segment: number): Buffer => {
		const key = Buffer.allocUnsafe(17);
		key.writeUInt8(TABLES.segment, 0);
		key.writeBigUInt64BE(objectId, 1);
		key.writeBigUInt64BE(BigInt(segment), 9);
		return key;
	},
	segmentProof: (objectId: ObjectId, segment: number): Buffer => {
		const key = rowKeys.segment(objectId, segment);
		key[0] = TABLES.segmentProof;
		return key;
	},
	objectNode: (objectId: ObjectId, level: number, index: number): Buffer => {
		const key = Buffer.allocUnsafe(18);
		key.writeUInt8(TABLES.objectNode, 0);
		key.writeBigUInt64BE(objectId, 1);
		key.writeUInt8(level, 9);
		key.writeBigUInt64BE(BigInt(index), 10);
		return key;
	},
	flowNode: (flowId: FlowId, height: number, index: bigint): Buffer => {
		const key = Buffer.allocUnsafe(14);
		key.writeUInt8(TABLES.flowNode, 0);
		key.writeUInt32BE(flowId, 1);
		key.writeUInt8(height, 5);
		key.writeBigUInt64BE(index, 6);
		return key;
	},
	purge: (objectId: ObjectId): Buffer => keyOfObject(TABLES.purge, objectId),
	resumable: (objectId: ObjectId): Buffer => keyOfObject(TABLES.resumable, objectId),
	staged: (objectId: ObjectId): Buffer => keyOfObject(TABLES.staged, objectId),
	checkpoint: (): Buffer => Buffer.from([TABLES.meta, 0x01]),
};

function keyOfObject(table: number, objectId: ObjectId): Buffer {
	const key = Buffer.allocUnsafe(9);
	key.writeUInt8(table, 0);
	key.writeBigUInt64BE(objectId, 1);
	return key;
}

const ROOT_OBJECT = 1;
const ROOT_PLACE = 2;
const ROOT_SUBMISSIONS = 4;
const ROOT_MORE = 8;
const ROOT_NEWEST = 16;
const ROOT_PRUNED = 32;
const ROOT_ENDED = 64;
const ROOT_DELETION = 128;

export function encodeRootRow(row: RootRow): Uint8Array {
	const { object, ended, deletion, submissions, newest } = row;
	const flags =
		(object ? ROOT_OBJECT : 0) |
		(object?.place ? ROOT_PLACE : 0) |
		(object?.isPruned ? ROOT_PRUNED : 0) |
		(ended ? ROOT_ENDED : 0) |
		(deletion ? ROOT_DELETION : 0) |
		(submissions ? ROOT_SUBMISSIONS : 0) |
		(submissions?.more ? ROOT_MORE : 0) |
		(newest ? ROOT_NEWEST : 0);
	const out = new ByteWriter(64).u8(flags);
	if (object) {
		out.varint(object.objectId).varint(object.sizeBytes);
		if (object.place) putPlace(out, object.place);
	}
	if (ended) putEnded(out, ended);
	if (deletion) putEnded(out, deletion);
	if (submissions) out.varint(submissions.flowId).varint(submissions.firstSeq);
	if (newest) putUpload(out, newest);
	return out.toBytes();
}

export function decodeRootRow(bytes: Uint8Array): RootRow {
	const reader = new ByteReader(bytes, 'a root row');
	const flags = reader.u8('flags');
	const row: { -readonly [Part in keyof RootRow]: RootRow[Part] } = {};
	if (flags & ROOT_OBJECT) {
		const object = { objectId: reader.varint('object'), sizeBytes: reader.safeVarint('size') };
		row.object = {
			...object,
			...(flags & ROOT_PLACE ? { place: takePlace(reader) } : {}),
			...(flags & ROOT_PRUNED ? { isPruned: true } : {}),
		};
	}
	if (flags & ROOT_ENDED) row.ended = takeEnded(reader);
	if (flags & ROOT_DELETION) row.deletion = takeEnded(reader);
	if (flags & ROOT_SUBMISSIONS) {
		row.submissions = {
			flowId: reader.safeVarint('flow id') as FlowId,
			firstSeq: reader.safeVarint('txSeq') as TxSeq,
			more: (flags & ROOT_MORE) !== 0,
		};
	}
	if (flags & ROOT_NEWEST) row.newest = takeUpload(reader);
	return row;
}

/** Whether the root's content was held and an operator deleted it. */
export function isDeletedRow({ object, ended, deletion }: RootRow): boolean {
	return !object && (ended ?? deletion)?.isDeleted === true;
}

function putEnded(out: ByteWriter, { objectId, isDeleted }: EndedObject): void {
	out.varint(objectId).u8(isDeleted ? 1 : 0);
}

function takeEnded(reader: ByteReader): EndedObject {
	return { objectId: reader.varint('ended object'), isDeleted: reader.u8('deleted') === 1 };
}

const SUBMISSION_TAGS = 1;
const SUBMISSION_SUBMITTER = 2;
const SUBMISSION_UPLOAD = 4;

/** `upload`: the one that made the submission. */
export function encodeSubmissionRow(row: SubmissionRow, upload = row.upload): Uint8Array {
	const known = row.submitter.some((byte) => byte !== 0);
	const flags =
		(row.tags.length > 0 ? SUBMISSION_TAGS : 0) | (known ? SUBMISSION_SUBMITTER : 0) | (upload ? SUBMISSION_UPLOAD : 0);
	const out = new ByteWriter(128)
		.u8(flags)
		.raw(bytesOfHex(row.dataRoot))
		.varint(row.lengthBytes)
		.varint(row.startSector)
		.varint(row.startSector - row.lengthBefore)
		.varint(row.timeMs)
		.varint(row.blockNumber)
		.u8(row.nodes.length);
	for (const node of row.nodes) out.u8(node.height);
	// One node is the root itself.
	if (row.nodes.length > 1) for (const node of row.nodes) out.fixed(node.root, HASH_BYTES);
	if (flags & SUBMISSION_TAGS) out.varint(row.tags.length).raw(row.tags);
	if (flags & SUBMISSION_SUBMITTER) out.fixed(row.submitter, ADDRESS_BYTES);
	if (upload) putUpload(out, upload);
	return out.toBytes();
}

export function decodeSubmissionRow(flowId: FlowId, txSeq: TxSeq, bytes: Uint8Array): SubmissionRow {
	const reader = new ByteReader(bytes, 'a submission row');
	const flags = reader.u8('flags');
	const root = reader.bytes(HASH_BYTES, 'root');
	const lengthBytes = reader.varint('length');
	const startSector = reader.varint('start') as SectorIndex;
	const gap = reader.varint('gap');
	const timeMs = reader.safeVarint('time');
	const blockNumber = reader.safeVarint('block');
	const heights = [...reader.bytes(reader.u8('nodes'), 'heights')];
	const nodes: SubmissionNode[] = heights.map((height) => ({
		height,
		root: heights.length > 1 ? reader.bytes(HASH_BYTES, 'node') : root,
	}));
	const row = {
		flowId,
		txSeq,
		dataRoot: rootFromBytes(root),
		lengthBytes,
		startSector,
		lengthBefore: startSector - gap,
		lengthAfter: heights.reduce((end, height) => end + (1n << BigInt(height)), startSector as bigint),
		timeMs,
		blockNumber,
		nodes,
		tags: flags & SUBMISSION_TAGS ? reader.bytes(reader.safeVarint('tags length'), 'tags') : new Uint8Array(0),
		submitter: flags & SUBMISSION_SUBMITTER ? reader.bytes(ADDRESS_BYTES, 'submitter') : new Uint8Array(ADDRESS_BYTES),
	};
	return flags & SUBMISSION_UPLOAD ? { ...row, upload: takeUpload(reader) } : row;
}

/** Beside the state: only some segments are held. */
const OBJECT_KEPT = 0x80;

export function encodeObjectRow(row: ObjectRow): Uint8Array {
	const { kept } = row;
	const out = new ByteWriter(52)
		.u8(row.state | (kept ? OBJECT_KEPT : 0))
		.varint(row.sizeBytes)
		.fixed(row.root, HASH_BYTES)
		.varint(row.heldSegments);
	if (kept) {
		out.varint(kept.modulus).varint(kept.residues.length);
		for (const residue of kept.residues) out.varint(residue);
	}
	for (const { first, count } of row.dropped) out.varint(first).varint(count);
	return out.toBytes();
}

export function decodeObjectRow(bytes: Uint8Array): ObjectRow {
	const reader = new ByteReader(bytes, 'an object row');
	const flags = reader.u8('state');
	const state = flags & ~OBJECT_KEPT;
	const sizeBytes = reader.varint('size');
	const root = reader.bytes(HASH_BYTES, 'root');
	const heldSegments = reader.safeVarint('held segments');
	const kept = flags & OBJECT_KEPT ? takeKept(reader) : undefined;
	const dropped: SegmentRange[] = [];
	while (reader.remaining > 0) dropped.push({ first: reader.safeVarint('first'), count: reader.safeVarint('count') });
	const row = { state, sizeBytes, root, heldSegments, dropped };
	return kept ? { ...row, kept } : row;
}

function takeKept(reader: ByteReader): KeptSegments {
	const modulus = reader.safeVarint('modulus');
	const residues = Array.from({ length: reader.safeVarint('residues') }, () => reader.safeVarint('residue'));
	return { modulus, residues };
}

export function encodeSegmentRow(row: SegmentRow): Uint8Array {
	const out = new ByteWriter(320).fixed(row.root, HASH_BYTES);
	if (row.place) putPlace(out, row.place);
	return out.toBytes();
}

export function decodeSegmentRow(bytes: Uint8Array): SegmentRow {
	const reader = new ByteReader(bytes, 'a segment row');
	const root = reader.bytes(HASH_BYTES, 'root');
	return reader.remaining > 0 ? { root, place: takePlace(reader) } : { root };
}

export function putPlace(out: ByteWriter, place: PlainPlace): void {
	out
		.u8(LANES[place.lane])
		.varint(place.origin)
		.varint(place.fileNo)
		.varint(place.offset)
		.varint(place.lengthBytes)
		.varint(place.blockCrcs.length)
		.raw(place.blockCrcs);
}

export function takePlace(reader: ByteReader): PlainPlace {
	const lane = LANE_OF_BYTE.get(reader.u8('lane'));
	if (!lane) return reader.fail('no such lane');
	return {
		lane,
		origin: reader.varint('origin') as Lsn,
		fileNo: reader.safeVarint('file'),
		offset: reader.safeVarint('offset'),
		lengthBytes: reader.safeVarint('length'),
		blockCrcs: reader.bytes(reader.safeVarint('crc bytes'), 'crcs'),
	};
}

function putUpload(out: ByteWriter, upload: NamedUpload): void {
	out.text(upload.name).text(upload.contentType).varint(upload.timeMs);
}

function takeUpload(reader: ByteReader): NamedUpload {
	return {
		name: reader.text(reader.safeVarint('name length'), 'name'),
		contentType: reader.text(reader.safeVarint('type length'), 'type'),
		timeMs: reader.safeVarint('time'),
	};
}
