/**
 * The records of the lane `journal` and their bytes (docs/format.md §5, §6). A record's body lies in its payload, or in its ext when
 * all bodies written together are no longer than one checksum block: a small group is then a third smaller, and a replay needs no
 * further read for it.
 */
import type { RecordInput } from '../append-log/types.js';
import { PerigeeError } from '../errors.js';
import { LIMITS } from '../limits.js';
import {
	BLOCK_BYTES,
	bytesOfHex,
	type DataRoot,
	type FlowId,
	HASH_BYTES,
	rootFromBytes,
	type TxSeq,
} from '../units.js';
import { ByteReader, ByteWriter } from '../bytes.js';
import type { UploadName } from './settlement.js';

/** Record types of the journal. */
export const JOURNAL_RECORDS = { ledgerEntry: 0x10, upload: 0x11, setting: 0x12, deletion: 0x13 } as const;

/** Most bytes of a driver's entry. */
export const LEDGER_ENTRY_BYTES = LIMITS.recordPayloadBytes - 4;

/** Bytes of records that are written without payloads, and of each record's own header (docs/format.md §4). */
const INLINE_BYTES = BLOCK_BYTES;
const RECORD_HEADER_BYTES = 4;

/** What a driver writes of its flow; the bytes are the driver's own. */
export interface LedgerEntryRecord {
	readonly flowId: FlowId;
	/** 1 to LEDGER_ENTRY_BYTES bytes. */
	readonly entry: Uint8Array;
}

/** Content that was put into this node under a name. */
export interface UploadRecord {
	readonly flowId: FlowId;
	/** Of the submission that it names, where this node orders submissions itself; the first one has made it, in the same group. */
	readonly txSeq?: TxSeq;
	readonly root: DataRoot;
	/** Milliseconds since 1970. */
	readonly timeMs: number;
	/** At most LIMITS.nameBytes bytes of UTF-8; '' when the client gave none. */
	readonly name: string;
	/** At most LIMITS.contentTypeBytes bytes of UTF-8; '' when the client gave none. */
	readonly contentType: string;
}

/** An operator ended what this node held of a root. */
export interface DeletionRecord {
	readonly root: DataRoot;
	/** The object that held it; older ones of the root count no more either. */
	readonly objectId: bigint;
	/** False: all segments were dropped, which leaves the content wanted. */
	readonly isDeleted: boolean;
}

/** Last value of a key; an empty value deletes it. */
export interface SettingRecord {
	/** 1 to LIMITS.settingKeyBytes bytes of UTF-8. */
	readonly key: string;
	/** At most LIMITS.settingValueBytes bytes. */
	readonly value: Uint8Array;
}

/** A record with its body in the payload. */
type BodyRecord = RecordInput & { readonly payload: Uint8Array };

/** Moves the bodies of what is written together into the records' ext, if they are short. */
export function packGroup(records: readonly BodyRecord[]): readonly RecordInput[] {
	const bytes = records.reduce((sum, record) => sum + RECORD_HEADER_BYTES + record.payload.length, 0);
	return bytes > INLINE_BYTES ? records : records.map(({ type, payload }) => ({ type, ext: payload }));
}

function bodyRecord(type: number, body: ByteWriter): BodyRecord {
	return { type, ext: NOTHING, payload: body.toBytes() };
}

/** flow id u32, the driver's entry. Errors: a plain Error for sizes the driver should have kept. */
export function encodeLedgerEntry({ flowId, entry }: LedgerEntryRecord): BodyRecord {
	if (entry.length === 0 || entry.length > LEDGER_ENTRY_BYTES) {
		throw new Error(`a ledger entry of ${entry.length} bytes: 1 to ${LEDGER_ENTRY_BYTES}`);
	}
	return bodyRecord(JOURNAL_RECORDS.ledgerEntry, new ByteWriter(4 + entry.length).u32(flowId).raw(entry));
}

/** `entry` is a view of the body. */
export function decodeLedgerEntry(body: Uint8Array): LedgerEntryRecord {
	const reader = new ByteReader(body, 'a ledger entry');
	const flowId = reader.u32('flow id') as FlowId;
	if (reader.remaining === 0) reader.fail('it is empty');
	return { flowId, entry: reader.bytes(reader.remaining, 'entry') };
}

/**
 * flow id u32, txSeq u64 (2^64 - 1: not known yet), root 32, time u64, name bytes u16, name, type bytes u8, type.
 * Errors: BAD_NAME when name or type are too long to be stored.
 */
export function encodeUpload(record: UploadRecord): BodyRecord {
	checkUploadName(record);
	const nameBytes = Buffer.byteLength(record.name);
	const typeBytes = Buffer.byteLength(record.contentType);
	const body = new ByteWriter(64 + nameBytes + typeBytes)
		.u32(record.flowId)
		.u64OrNone(record.txSeq)
		.fixed(bytesOfHex(record.root), HASH_BYTES)
		.u64(record.timeMs)
		.u16(nameBytes)
		.utf8(record.name, nameBytes)
		.u8(typeBytes)
		.utf8(record.contentType, typeBytes);
	return bodyRecord(JOURNAL_RECORDS.upload, body);
}

/** Errors: BAD_NAME when name or type are too long to be stored. */
export function checkUploadName({ name, contentType }: UploadName): void {
	const nameBytes = Buffer.byteLength(name);
	const typeBytes = Buffer.byteLength(contentType);
	if (nameBytes > LIMITS.nameBytes) {
		throw new PerigeeError('BAD_NAME', `The name has ${nameBytes} bytes, at most ${LIMITS.nameBytes} can be stored`);
	}
	if (typeBytes > LIMITS.contentTypeBytes) {
		throw new PerigeeError(
			'BAD_NAME',
			`The media type has ${typeBytes} bytes, at most ${LIMITS.contentTypeBytes} can be stored`,
		);
	}
}

export function decodeUpload(body: Uint8Array): UploadRecord {
	const reader = new ByteReader(body, 'an upload record');
	const flowId = reader.u32('flow id') as FlowId;
	const txSeq = reader.safeU64OrNone('txSeq') as TxSeq | undefined;
	const record: UploadRecord = {
		flowId,
		...(txSeq === undefined ? {} : { txSeq }),
		root: rootFromBytes(reader.bytes(HASH_BYTES, 'root')),
		timeMs: reader.safeU64('time'),
		name: reader.text(reader.u16('name length'), 'name'),
		contentType: reader.text(reader.u8('type length'), 'type'),
	};
	reader.end();
	return record;
}

const CAUSE_DELETED = 1;
const CAUSE_DROPPED = 2;

/** root 32, object u64, cause u8 (1 an operator wanted it gone, 2 all its segments were dropped). */
export function encodeDeletion({ root, objectId, isDeleted }: DeletionRecord): BodyRecord {
	const cause = isDeleted ? CAUSE_DELETED : CAUSE_DROPPED;
	return bodyRecord(
		JOURNAL_RECORDS.deletion,
		new ByteWriter(41).fixed(bytesOfHex(root), HASH_BYTES).u64(objectId).u8(cause),
	);
}

/** Errors: FORMAT_UNKNOWN. */
export function decodeDeletion(body: Uint8Array): DeletionRecord {
	const reader = new ByteReader(body, 'a deletion record');
	const root = rootFromBytes(reader.bytes(HASH_BYTES, 'root'));
	const objectId = reader.u64('object');
	const cause = reader.u8('cause');
	if (cause !== CAUSE_DELETED && cause !== CAUSE_DROPPED) reader.fail(`its cause is ${cause}`);
	reader.end();
	return { root, objectId, isDeleted: cause === CAUSE_DELETED };
}

/** key bytes u8, key, value (the rest). Errors: a plain Error for sizes the caller should have kept. */
export function encodeSetting(record: SettingRecord): BodyRecord {
	const key = Buffer.from(record.key, 'utf8');
	if (key.length === 0 || key.length > LIMITS.settingKeyBytes) {
		throw new Error(`a setting's key of ${key.length} bytes: 1 to ${LIMITS.settingKeyBytes}`);
	}
	if (record.value.length > LIMITS.settingValueBytes) {
		throw new Error(`a setting's value of ${record.value.length} bytes: at most ${LIMITS.settingValueBytes}`);
	}
	const body = new ByteWriter(1 + key.length + record.value.length).u8(key.length).raw(key).raw(record.value);
	return bodyRecord(JOURNAL_RECORDS.setting, body);
}

/** `value` is a view of the body. */
export function decodeSetting(body: Uint8Array): SettingRecord {
	const reader = new ByteReader(body, 'a setting');
	const keyBytes = reader.u8('key length');
	if (keyBytes === 0) reader.fail('it has no key');
	return { key: reader.text(keyBytes, 'key'), value: reader.bytes(reader.remaining, 'value') };
}

const NOTHING = new Uint8Array(0);
