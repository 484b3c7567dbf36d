/**
 * Bytes of log files: file headers, group headers, record headers (docs/format.md §2–§4). Pure functions; nothing here touches a disk.
 */
import { BLOCK_BYTES, SEGMENT_BYTES, type Lsn } from '../units.js';
import { LANES, type Checksums, type Lane, type LogRecord, type RecordInput } from './types.js';

export const FORMAT_VERSION = 1;
const FILE_HEADER_BYTES = 512;
export const FILE_HEADER_COPY_OFFSET = 2048;
/** Offset of the first group. */
export const FIRST_GROUP_OFFSET = 4096;
export const GROUP_ALIGN_BYTES = 512;
export const GROUP_FIXED_BYTES = 64;
const PAYLOAD_ALIGN_BYTES = 8;
const FILE_MAGIC = Buffer.from('PERIGEE\n', 'latin1');
const HEADER_MAGIC = 0x48474750; // "PGGH"
const TRAILER_MAGIC = 0x54474750; // "PGGT"
const FLAG_CLOSE_MARK = 1;
const RECORD_HAS_ORIGIN = 1;
const RECORD_HAS_PAYLOAD = 2;
const RECORD_HAS_MIRROR = 4;
const CRC_BYTES = 4;
const MAX_EXT_BYTES = 0xffff;

export interface FileHeader {
	readonly version: number;
	readonly lane: number;
	readonly fileNo: number;
	/** 16 bytes. */
	readonly storeId: Uint8Array;
	/** 16 bytes. */
	readonly incarnation: Uint8Array;
	readonly firstLsn: Lsn;
	readonly createdMs: number;
	readonly volume: number;
	readonly previousFileNo: number;
}

/** The first 4,096 bytes of a log file: the header twice. */
export function encodeFileStart(header: FileHeader, checksums: Checksums): Buffer {
	const start = Buffer.alloc(FIRST_GROUP_OFFSET);
	FILE_MAGIC.copy(start, 0);
	start.writeUInt16LE(header.version, 8);
	start.writeUInt8(header.lane, 10);
	start.writeUInt32LE(header.fileNo, 12);
	start.set(header.storeId, 16);
	start.set(header.incarnation, 32);
	start.writeBigUInt64LE(header.firstLsn, 48);
	start.writeBigUInt64LE(BigInt(Math.trunc(header.createdMs)), 56);
	start.writeUInt32LE(header.volume, 64);
	start.writeUInt32LE(header.previousFileNo, 68);
	start.writeUInt32LE(
		checksums.crc32c(start.subarray(0, FILE_HEADER_BYTES - CRC_BYTES)),
		FILE_HEADER_BYTES - CRC_BYTES,
	);
	start.copy(start, FILE_HEADER_COPY_OFFSET, 0, FILE_HEADER_BYTES);
	return start;
}

/** The header in a file's first 4,096 bytes, from either copy; undefined when both are unreadable. */
export function decodeFileStart(start: Uint8Array, checksums: Checksums): FileHeader | undefined {
	const bytes = Buffer.from(start.buffer, start.byteOffset, start.byteLength);
	for (const at of [0, FILE_HEADER_COPY_OFFSET]) {
		const copy = bytes.subarray(at, at + FILE_HEADER_BYTES);
		if (copy.length < FILE_HEADER_BYTES || !copy.subarray(0, 8).equals(FILE_MAGIC)) continue;
		const crcAt = FILE_HEADER_BYTES - CRC_BYTES;
		if (copy.readUInt32LE(crcAt) !== checksums.crc32c(copy.subarray(0, crcAt))) continue;
		return {
			version: copy.readUInt16LE(8),
			lane: copy.readUInt8(10),
			fileNo: copy.readUInt32LE(12),
			storeId: Uint8Array.from(copy.subarray(16, 32)),
			incarnation: Uint8Array.from(copy.subarray(32, 48)),
			firstLsn: copy.readBigUInt64LE(48) as Lsn,
			createdMs: Number(copy.readBigUInt64LE(56)),
			volume: copy.readUInt32LE(64),
			previousFileNo: copy.readUInt32LE(68),
		};
	}
	return undefined;
}

/** What every group header of one file has in common. */
export interface GroupIdentity {
	readonly lane: Lane;
	readonly fileNo: number;
	/** 16 bytes. */
	readonly incarnation: Uint8Array;
}

/** A group ready to be written at `offset`: `buffers` one behind the other are exactly `groupBytes`. */
export interface EncodedGroup {
	readonly groupBytes: number;
	readonly buffers: readonly Uint8Array[];
	readonly records: readonly LogRecord[];
}

export interface GroupHeader {
	readonly closeMark: boolean;
	readonly offset: number;
	readonly headerBytes: number;
	readonly groupBytes: number;
	readonly confirmed: number;
	readonly firstLsn: Lsn;
	/** With places relative to the file. */
	readonly records: readonly LogRecord[];
}

/**
 * Whether a lane is for large payloads: its groups are whole blocks, for writes past the page cache, and it writes the next one while the one
 * before it is on its way to the disk. In the other lanes what waits meanwhile shares a group.
 */
export function isForLargePayloads(lane: Lane): boolean {
	return lane === 'bulk' || lane === 'sealed';
}

export function roundUp(value: number, unit: number): number {
	return Math.ceil(value / unit) * unit;
}

/** Bytes of one record's header. Errors: RangeError for an ext that its length field cannot hold. */
function recordHeaderBytes(record: RecordInput): number {
	if (record.ext.length > MAX_EXT_BYTES)
		throw new RangeError(`a record's ext has ${record.ext.length} bytes: at most ${MAX_EXT_BYTES}`);
	const payloadBytes = record.payload?.length ?? 0;
	const payloadPart =
		payloadBytes > 0 ? 8 + CRC_BYTES * Math.ceil(payloadBytes / BLOCK_BYTES) + (record.mirror ? 4 : 0) : 0;
	return 4 + record.ext.length + (record.origin === undefined ? 0 : 8) + payloadPart;
}

/** Upper bound of the file bytes that a group of these records takes, wherever it starts. */
export function groupBytesBound(records: readonly RecordInput[]): number {
	let headerBytes = GROUP_FIXED_BYTES + CRC_BYTES;
	let payloadBytes = 0;
	for (const record of records) {
		headerBytes += recordHeaderBytes(record);
		if (!record.payload) continue;
		const span = record.payload.length + (record.payload.length === SEGMENT_BYTES ? BLOCK_BYTES : PAYLOAD_ALIGN_BYTES);
		payloadBytes += record.mirror ? 2 * span : span;
	}
	return 2 * roundUp(headerBytes, GROUP_ALIGN_BYTES) + roundUp(payloadBytes, GROUP_ALIGN_BYTES) + BLOCK_BYTES;
}

/** Lays out and encodes a group that starts at `offset` of its file. */
export function encodeGroup(
	identity: GroupIdentity,
	offset: number,
	firstLsn: Lsn,
	confirmed: number,
	inputs: readonly RecordInput[],
	checksums: Checksums,
): EncodedGroup {
	let headerBytes = GROUP_FIXED_BYTES + CRC_BYTES;
	for (const input of inputs) headerBytes += recordHeaderBytes(input);
	const headerSpan = roundUp(headerBytes, GROUP_ALIGN_BYTES);
	const header = Buffer.alloc(headerSpan);
	const body = new GroupBody(offset, headerSpan);
	const places = inputs.map((input) => body.add(input.payload));
	const mirrors = inputs.map((input) => (input.mirror ? body.add(input.payload) : 0));
	// A close mark stands where the end of the file says: it is never padded.
	const alignBytes = inputs.length > 0 && isForLargePayloads(identity.lane) ? BLOCK_BYTES : GROUP_ALIGN_BYTES;
	const bodySpan = body.finish(headerSpan, alignBytes);
	const groupBytes = bodySpan + headerSpan;
	const records: LogRecord[] = [];
	let at = GROUP_FIXED_BYTES;
	inputs.forEach((input, index) => {
		const lsn = (firstLsn + BigInt(index)) as Lsn;
		const { type, ext, payload } = input;
		const { lane, fileNo } = identity;
		const origin = input.origin ?? lsn;
		const start = places[index] ?? 0;
		const blockCrcs = payload ? (input.blockCrcs ?? checksums.blockCrcs(payload)) : NO_BYTES;
		at = putRecordHeader(header, at, input, blockCrcs, start, mirrors[index] ?? 0);
		if (!payload) {
			records.push({ lane, type, lsn, origin, ext, blockCrcs });
			return;
		}
		const place = { lane, fileNo, offset: offset + start, lengthBytes: payload.length };
		records.push(
			input.keepPayload
				? { lane, type, lsn, origin, ext, place, blockCrcs, payload }
				: { lane, type, lsn, origin, ext, place, blockCrcs },
		);
	});
	putFixedPart(
		header,
		identity,
		inputs.length === 0,
		offset,
		headerBytes,
		groupBytes,
		inputs.length,
		firstLsn,
		confirmed,
	);
	const trailer = Buffer.from(header);
	seal(header, HEADER_MAGIC, headerBytes, checksums);
	seal(trailer, TRAILER_MAGIC, headerBytes, checksums);
	return { groupBytes, buffers: [header, ...body.buffers, trailer], records };
}

/** Lays payloads out behind a group's header. */
class GroupBody {
	readonly buffers: Uint8Array[] = [];
	readonly #groupOffset: number;
	#cursor: number;

	constructor(groupOffset: number, headerSpan: number) {
		this.#groupOffset = groupOffset;
		this.#cursor = headerSpan;
	}

	/** Start of the payload, from the group's start. */
	add(payload: Uint8Array | undefined): number {
		if (!payload) return 0;
		const align = payload.length === SEGMENT_BYTES ? BLOCK_BYTES : PAYLOAD_ALIGN_BYTES;
		const start = roundUp(this.#groupOffset + this.#cursor, align) - this.#groupOffset;
		this.#padTo(start);
		this.buffers.push(payload);
		this.#cursor = start + payload.length;
		return start;
	}

	/** Pads so that the group ends at a multiple of `alignBytes`; answers the span of header and payloads. */
	finish(trailerSpan: number, alignBytes: number): number {
		const end = this.#groupOffset + roundUp(this.#cursor, GROUP_ALIGN_BYTES) + trailerSpan;
		this.#padTo(roundUp(end, alignBytes) - trailerSpan - this.#groupOffset);
		return this.#cursor;
	}

	#padTo(end: number): void {
		if (end > this.#cursor) this.buffers.push(ZEROS.subarray(0, end - this.#cursor));
		this.#cursor = end;
	}
}

/**
 * Reads the group header or trailer that `bytes` begins with. `bytes` must hold the whole header; `needBytes` in the answer tells a
 * caller that gave too few how many it takes. Undefined when this is no valid header of a group at `expectedOffset`.
 */
export function decodeGroup(
	bytes: Buffer,
	kind: 'header' | 'trailer',
	identity: GroupIdentity,
	expectedOffset: number,
	checksums: Checksums,
): GroupHeader | { readonly needBytes: number } | undefined {
	if (bytes.length < GROUP_FIXED_BYTES + CRC_BYTES) return undefined;
	if (bytes.readUInt32LE(0) !== (kind === 'header' ? HEADER_MAGIC : TRAILER_MAGIC)) return undefined;
	if (bytes.readUInt16LE(4) !== FORMAT_VERSION || bytes.readUInt8(6) !== LANES[identity.lane]) return undefined;
	if (bytes.readUInt32LE(8) !== identity.fileNo || bytes.readBigUInt64LE(16) !== BigInt(expectedOffset))
		return undefined;
	if (!bytes.subarray(48, 64).equals(identity.incarnation)) return undefined;
	const headerBytes = bytes.readUInt32LE(12);
	const groupBytes = bytes.readUInt32LE(24);
	const count = bytes.readUInt32LE(28);
	if (headerBytes < GROUP_FIXED_BYTES + CRC_BYTES || groupBytes % GROUP_ALIGN_BYTES !== 0) return undefined;
	if (2 * roundUp(headerBytes, GROUP_ALIGN_BYTES) > groupBytes) return undefined;
	if (bytes.length < headerBytes) return { needBytes: headerBytes };
	const crcAt = headerBytes - CRC_BYTES;
	if (bytes.readUInt32LE(crcAt) !== checksums.crc32c(bytes.subarray(0, crcAt))) return undefined;
	const firstLsn = bytes.readBigUInt64LE(32) as Lsn;
	const records = decodeRecordHeaders(
		// One copy for all records of the group, which hold views of it: the caller reads on into its buffer.
		Buffer.from(bytes.subarray(GROUP_FIXED_BYTES, crcAt)),
		count,
		identity,
		expectedOffset,
		groupBytes,
		firstLsn,
	);
	if (!records) return undefined;
	return {
		closeMark: (bytes.readUInt8(7) & FLAG_CLOSE_MARK) !== 0,
		offset: expectedOffset,
		headerBytes,
		groupBytes,
		confirmed: Number(bytes.readBigUInt64LE(40)),
		firstLsn,
		records,
	};
}

/** The own offset and the start of the trailer that a trailer at any 512-step claims; for finding groups whose header is lost. */
export function claimedGroupOfTrailer(
	bytes: Buffer,
): { readonly offset: number; readonly trailerAt: number } | undefined {
	if (bytes.length < GROUP_FIXED_BYTES || bytes.readUInt32LE(0) !== TRAILER_MAGIC) return undefined;
	const offset = Number(bytes.readBigUInt64LE(16));
	const span = roundUp(bytes.readUInt32LE(12), GROUP_ALIGN_BYTES);
	return { offset, trailerAt: offset + bytes.readUInt32LE(24) - span };
}

const NO_BYTES = new Uint8Array(0);
const ZEROS = Buffer.alloc(BLOCK_BYTES);

function putRecordHeader(
	header: Buffer,
	from: number,
	input: RecordInput,
	blockCrcs: Uint8Array,
	payloadAt: number,
	mirrorAt: number,
): number {
	const payloadBytes = input.payload?.length ?? 0;
	let at = from;
	header.writeUInt8(input.type, at);
	const payloadFlags = payloadBytes > 0 ? RECORD_HAS_PAYLOAD | (mirrorAt > 0 ? RECORD_HAS_MIRROR : 0) : 0;
	header.writeUInt8((input.origin === undefined ? 0 : RECORD_HAS_ORIGIN) | payloadFlags, at + 1);
	header.writeUInt16LE(input.ext.length, at + 2);
	header.set(input.ext, at + 4);
	at += 4 + input.ext.length;
	if (input.origin !== undefined) at = header.writeBigUInt64LE(input.origin, at);
	if (payloadBytes > 0) {
		at = header.writeUInt32LE(payloadBytes, at);
		at = header.writeUInt32LE(payloadAt, at);
		if (mirrorAt > 0) at = header.writeUInt32LE(mirrorAt, at);
		header.set(blockCrcs, at);
		at += blockCrcs.length;
	}
	return at;
}

function putFixedPart(
	header: Buffer,
	identity: GroupIdentity,
	closeMark: boolean,
	offset: number,
	headerBytes: number,
	groupBytes: number,
	count: number,
	firstLsn: Lsn,
	confirmed: number,
): void {
	header.writeUInt16LE(FORMAT_VERSION, 4);
	header.writeUInt8(LANES[identity.lane], 6);
	header.writeUInt8(closeMark ? FLAG_CLOSE_MARK : 0, 7);
	header.writeUInt32LE(identity.fileNo, 8);
	header.writeUInt32LE(headerBytes, 12);
	header.writeBigUInt64LE(BigInt(offset), 16);
	header.writeUInt32LE(groupBytes, 24);
	header.writeUInt32LE(count, 28);
	header.writeBigUInt64LE(firstLsn, 32);
	header.writeBigUInt64LE(BigInt(confirmed), 40);
	header.set(identity.incarnation, 48);
}

function seal(header: Buffer, magic: number, headerBytes: number, checksums: Checksums): void {
	header.writeUInt32LE(magic, 0);
	const crcAt = headerBytes - CRC_BYTES;
	header.writeUInt32LE(checksums.crc32c(header.subarray(0, crcAt)), crcAt);
}

function decodeRecordHeaders(
	bytes: Buffer,
	count: number,
	identity: GroupIdentity,
	groupOffset: number,
	groupBytes: number,
	firstLsn: Lsn,
): LogRecord[] | undefined {
	const records: LogRecord[] = [];
	let at = 0;
	for (let index = 0; index < count; index++) {
		if (at + 4 > bytes.length) return undefined;
		const type = bytes.readUInt8(at);
		const flags = bytes.readUInt8(at + 1);
		const extBytes = bytes.readUInt16LE(at + 2);
		at += 4;
		const hasPayload = (flags & RECORD_HAS_PAYLOAD) !== 0;
		const hasMirror = (flags & RECORD_HAS_MIRROR) !== 0;
		const tailBytes = ((flags & RECORD_HAS_ORIGIN) !== 0 ? 8 : 0) + (hasPayload ? 8 : 0) + (hasMirror ? 4 : 0);
		if (at + extBytes + tailBytes > bytes.length) return undefined;
		const ext = new Uint8Array(bytes.buffer, bytes.byteOffset + at, extBytes);
		at += extBytes;
		const lsn = (firstLsn + BigInt(index)) as Lsn;
		let origin = lsn;
		if ((flags & RECORD_HAS_ORIGIN) !== 0) {
			origin = bytes.readBigUInt64LE(at) as Lsn;
			at += 8;
		}
		const common = { lane: identity.lane, type, lsn, origin, ext };
		if (!hasPayload) {
			records.push({ ...common, blockCrcs: NO_BYTES });
			continue;
		}
		const lengthBytes = bytes.readUInt32LE(at);
		const payloadAt = bytes.readUInt32LE(at + 4);
		const mirrorAt = hasMirror ? bytes.readUInt32LE(at + 8) : payloadAt;
		at += hasMirror ? 12 : 8;
		const crcBytes = CRC_BYTES * Math.ceil(lengthBytes / BLOCK_BYTES);
		if (lengthBytes === 0 || lengthBytes > SEGMENT_BYTES || at + crcBytes > bytes.length) return undefined;
		if (Math.max(payloadAt, mirrorAt) + lengthBytes > groupBytes) return undefined;
		const place = { lane: identity.lane, fileNo: identity.fileNo, offset: groupOffset + payloadAt, lengthBytes };
		const blockCrcs = new Uint8Array(bytes.buffer, bytes.byteOffset + at, crcBytes);
		records.push(
			hasMirror
				? { ...common, place, mirrorOffset: groupOffset + mirrorAt, blockCrcs }
				: { ...common, place, blockCrcs },
		);
		at += crcBytes;
	}
	return at === bytes.length ? records : undefined;
}
