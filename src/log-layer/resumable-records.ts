/** Records of resumable uploads (docs/format.md §5): what is known about one, and bytes of a segment that is not whole yet. */
import type { LogRecord, RecordInput } from '../append-log/types.js';
import type { AwaitedSubmission } from '../settlement/settlement.js';
import { ByteReader, ByteWriter } from '../bytes.js';
import { HASH_BYTES, bytesOfHex, rootFromBytes, type DataRoot, type TxSeq } from '../units.js';
import { NO_ROOT, RECORDS, type ObjectId } from './records.js';

/** Random bytes of an upload's address: who does not know them does not find it. */
export const SECRET_BYTES = 16;

/** A resumable upload, as its newest record says. Absolute: a later record replaces all of it. */
export interface ResumableFact {
	/** Its segments and staged bytes belong to this object. */
	readonly objectId: ObjectId;
	/** SECRET_BYTES. */
	readonly secret: Uint8Array;
	/** Milliseconds since 1970; from then on nobody may rely on it. */
	readonly expiresMs: number;
	/** Absent: the client has not said yet. */
	readonly sizeBytes?: number;
	/** What was received from here on was not confirmed, and counts no more. */
	readonly limitBytes?: number;
	readonly name: string;
	readonly contentType: string;
	/** As the client has sent it; opaque. */
	readonly metadata: string;
	/** The root that the content must have. */
	readonly expectedRoot?: DataRoot;
	/** It comes as segments with proofs, in any order, for `expectedRoot` and `sizeBytes` (chunk-pool.ts); no client knows its secret. */
	readonly bySegment?: true;
	/** It has ended well: all of it is a file, or is one as soon as its submission comes. */
	readonly stored?: {
		readonly root: DataRoot;
		readonly txSeq?: TxSeq;
		/** In memory alone, of an upload that this process has bound. */
		readonly awaited?: AwaitedSubmission;
	};
}

const HAS_SIZE = 1;
const HAS_LIMIT = 2;
const HAS_ROOT = 4;
const IS_STORED = 8;
const BY_SEGMENT = 16;

export function resumableFact(fact: ResumableFact): RecordInput {
	const { sizeBytes, limitBytes, expectedRoot, bySegment, stored } = fact;
	const root = stored?.root ?? expectedRoot;
	const flags =
		(sizeBytes === undefined ? 0 : HAS_SIZE) |
		(limitBytes === undefined ? 0 : HAS_LIMIT) |
		(root === undefined ? 0 : HAS_ROOT) |
		(stored === undefined ? 0 : IS_STORED) |
		(bySegment === undefined ? 0 : BY_SEGMENT);
	const out = new ByteWriter(256)
		.u64(fact.objectId)
		.fixed(fact.secret, SECRET_BYTES)
		.u8(flags)
		.u64(fact.expiresMs)
		.u64(sizeBytes ?? 0)
		.u64(limitBytes ?? 0)
		.fixed(root === undefined ? NO_ROOT : bytesOfHex(root), HASH_BYTES)
		// None: its submission is still to come.
		.u64OrNone(stored ? stored.txSeq : 0)
		.text(fact.name)
		.text(fact.contentType)
		.text(fact.metadata);
	return { type: RECORDS.resumableUpload, ext: out.toBytes() };
}

export function decodeResumable(ext: Uint8Array): ResumableFact {
	const reader = new ByteReader(ext, 'a resumable upload');
	const objectId = reader.u64('object');
	const secret = reader.bytes(SECRET_BYTES, 'secret');
	const flags = reader.u8('flags');
	const expiresMs = reader.safeU64('expiry');
	const sizeBytes = reader.safeU64('size');
	const limitBytes = reader.safeU64('limit');
	const root = rootFromBytes(reader.bytes(HASH_BYTES, 'root'));
	const txSeq = reader.safeU64OrNone('txSeq') as TxSeq | undefined;
	const text = (field: string): string => reader.text(reader.safeVarint(`${field} length`), field);
	const fact = {
		objectId,
		secret,
		expiresMs,
		name: text('name'),
		contentType: text('type'),
		metadata: text('metadata'),
		...(flags & HAS_SIZE ? { sizeBytes } : {}),
		...(flags & HAS_LIMIT ? { limitBytes } : {}),
		...(flags & BY_SEGMENT ? { bySegment: true as const } : {}),
		...(flags & IS_STORED
			? { stored: txSeq === undefined ? { root } : { root, txSeq } }
			: flags & HAS_ROOT
				? { expectedRoot: root }
				: {}),
	};
	reader.end();
	return fact;
}

/** Bytes of an object from `offset` on, within one segment that is not whole yet. */
export interface StagedRecord {
	readonly objectId: ObjectId;
	readonly offset: number;
}

export function stagedBytes({ objectId, offset }: StagedRecord, payload: Uint8Array): RecordInput {
	const ext = new ByteWriter(16).u64(objectId).u64(offset).toBytes();
	return { type: RECORDS.stagedBytes, ext, payload };
}

export function decodeStaged(record: LogRecord): StagedRecord {
	const reader = new ByteReader(record.ext, 'a staged bytes record');
	const decoded = { objectId: reader.u64('object'), offset: reader.safeU64('offset') };
	reader.end();
	return decoded;
}
