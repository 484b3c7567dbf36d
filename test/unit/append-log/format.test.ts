import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
	decodeFileStart,
	decodeGroup,
	encodeFileStart,
	encodeGroup,
	FILE_HEADER_COPY_OFFSET,
	FIRST_GROUP_OFFSET,
	GROUP_ALIGN_BYTES,
	groupBytesBound,
	roundUp,
	type FileHeader,
	type GroupHeader,
} from '../../../src/append-log/format.js';
import type { RecordInput } from '../../../src/append-log/types.js';
import { BLOCK_BYTES, SEGMENT_BYTES, type Lsn } from '../../../src/units.js';
import { bytesOf, checksums } from './support.js';

const identity = { lane: 'bulk', fileNo: 7, incarnation: new Uint8Array(16).fill(0xab) } as const;
const fileHeader: FileHeader = {
	version: 1,
	lane: 3,
	fileNo: 7,
	storeId: new Uint8Array(16).fill(1),
	incarnation: identity.incarnation,
	firstLsn: 12_345n as Lsn,
	createdMs: 1_700_000_000_123,
	volume: 2,
	previousFileNo: 6,
};

const payloads = fc.oneof(
	fc.constant(undefined),
	fc.uint8Array({ minLength: 1, maxLength: 3 * BLOCK_BYTES }),
	fc.integer({ min: 0, max: 255 }).map((seed) => bytesOf(SEGMENT_BYTES, seed)),
);
const inputs: fc.Arbitrary<RecordInput> = fc
	.record({
		type: fc.integer({ min: 0, max: 255 }),
		ext: fc.uint8Array({ maxLength: 300 }),
		payload: payloads,
		origin: fc.option(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { nil: undefined }),
		mirror: fc.boolean(),
	})
	.map(({ type, ext, payload, origin, mirror }) => {
		const input: { -readonly [K in keyof RecordInput]: RecordInput[K] } = { type, ext, mirror };
		if (payload) input.payload = payload;
		if (origin !== undefined) input.origin = origin as Lsn;
		return input;
	});

function decode(bytes: Buffer, kind: 'header' | 'trailer', offset: number): GroupHeader {
	const decoded = decodeGroup(bytes, kind, identity, offset, checksums);
	assert.ok(decoded && !('needBytes' in decoded));
	return decoded;
}

function smallGroup(): Buffer {
	return Buffer.concat(
		encodeGroup(identity, 8192, 5n as Lsn, 4096, [{ type: 1, ext: bytesOf(40), payload: bytesOf(9000) }], checksums)
			.buffers,
	);
}

describe('file header', () => {
	it('comes back as it was written, from either copy', () => {
		const start = encodeFileStart(fileHeader, checksums);
		assert.equal(start.length, FIRST_GROUP_OFFSET);
		assert.deepEqual(decodeFileStart(start, checksums), fileHeader);
		for (const damaged of [0, FILE_HEADER_COPY_OFFSET]) {
			const copy = Buffer.from(start);
			copy.fill(0xee, damaged, damaged + 512);
			assert.deepEqual(decodeFileStart(copy, checksums), fileHeader);
		}
	});

	it('is refused when both copies have a flipped bit, or the file is too short', () => {
		const start = encodeFileStart(fileHeader, checksums);
		assert.equal(decodeFileStart(start.subarray(0, 511), checksums), undefined);
		for (let byte = 0; byte < 72; byte++) {
			const copy = Buffer.from(start);
			for (const from of [0, FILE_HEADER_COPY_OFFSET]) copy.writeUInt8(copy.readUInt8(from + byte) ^ 4, from + byte);
			assert.equal(decodeFileStart(copy, checksums), undefined, `byte ${byte}`);
		}
	});
});

describe('group', () => {
	it('comes back as it was written, from header and trailer, with aligned payloads that match their places', () => {
		fc.assert(
			fc.property(
				fc.array(inputs, { minLength: 1, maxLength: 6 }),
				fc.integer({ min: 8, max: 4000 }),
				fc.bigInt({ min: 1n, max: 2n ** 60n }),
				(records, steps, lsn) => {
					const offset = steps * GROUP_ALIGN_BYTES;
					const group = encodeGroup(identity, offset, lsn as Lsn, offset - 512, records, checksums);
					const bytes = Buffer.concat(group.buffers);
					assert.equal(bytes.length, group.groupBytes);
					assert.equal(bytes.length % GROUP_ALIGN_BYTES, 0);
					assert.ok(bytes.length <= groupBytesBound(records));
					const header = decode(bytes, 'header', offset);
					const trailerAt = bytes.length - roundUp(header.headerBytes, GROUP_ALIGN_BYTES);
					assert.deepEqual(decode(bytes.subarray(trailerAt), 'trailer', offset), header);
					assert.deepEqual(
						[header.closeMark, header.groupBytes, header.confirmed, header.firstLsn],
						[false, bytes.length, offset - 512, lsn],
					);
					header.records.forEach((record, index) => {
						const input = records[index] as RecordInput;
						assert.equal(record.type, input.type);
						assert.equal(record.lsn, lsn + BigInt(index));
						assert.equal(record.origin, input.origin ?? record.lsn);
						assert.deepEqual(Buffer.from(record.ext), Buffer.from(input.ext));
						const { place } = record;
						if (!input.payload) return assert.equal(place, undefined);
						assert.ok(place);
						assert.equal(place.offset % (input.payload.length === SEGMENT_BYTES ? BLOCK_BYTES : 8), 0);
						const from = place.offset - offset;
						assert.ok(bytes.subarray(from, from + place.lengthBytes).equals(input.payload));
						assert.equal(checksums.firstBadBlock(input.payload, record.blockCrcs), -1);
						if (!input.mirror) return assert.equal(record.mirrorOffset, undefined);
						const mirror = (record.mirrorOffset ?? 0) - offset;
						assert.notEqual(mirror, from);
						return assert.ok(bytes.subarray(mirror, mirror + place.lengthBytes).equals(input.payload));
					});
				},
			),
			{ numRuns: 150 },
		);
	});

	it('ends at a whole block in the lanes of large payloads, whatever it holds; a close mark does not', () => {
		const bulk = { ...identity, lane: 'bulk' } as const;
		for (const lengthBytes of [1, 512, 3585, 4096, 9000, SEGMENT_BYTES]) {
			const records = [{ type: 1, ext: bytesOf(40), payload: bytesOf(lengthBytes) }];
			const group = encodeGroup(bulk, 8192, 1n as Lsn, 4096, records, checksums);
			assert.equal(group.groupBytes % BLOCK_BYTES, 0);
			assert.equal(Buffer.concat(group.buffers).length, group.groupBytes);
			assert.ok(group.groupBytes <= groupBytesBound(records));
		}
		assert.equal(encodeGroup(bulk, 8192, 1n as Lsn, 4096, [], checksums).groupBytes, 2 * GROUP_ALIGN_BYTES);
	});

	it('puts neighbouring whole segments behind one another', () => {
		const records = [bytesOf(SEGMENT_BYTES, 1), bytesOf(SEGMENT_BYTES, 2), bytesOf(SEGMENT_BYTES, 3)].map(
			(payload) => ({ type: 1, ext: bytesOf(4), payload }),
		);
		const offsets = encodeGroup(identity, 4608, 1n as Lsn, 4096, records, checksums).records.map(
			({ place }) => place?.offset ?? 0,
		);
		assert.deepEqual(
			offsets.map((offset) => offset - (offsets[0] ?? 0)),
			[0, SEGMENT_BYTES, 2 * SEGMENT_BYTES],
		);
	});

	it('is a close mark when it has no records', () => {
		const bytes = Buffer.concat(encodeGroup(identity, 4096, 1n as Lsn, 4096, [], checksums).buffers);
		assert.equal(bytes.length, 1024);
		assert.equal(decode(bytes, 'header', 4096).closeMark, true);
	});

	it('is not made of a record whose ext its length field cannot hold', () => {
		const encode = (extBytes: number) =>
			encodeGroup(identity, 4096, 1n as Lsn, 4096, [{ type: 1, ext: bytesOf(extBytes) }], checksums);
		assert.equal(decode(Buffer.concat(encode(65_535).buffers), 'header', 4096).records[0]?.ext.length, 65_535);
		assert.throws(() => encode(65_536), /ext has 65536 bytes: at most 65535/);
		assert.throws(() => groupBytesBound([{ type: 1, ext: bytesOf(65_536) }]), RangeError);
	});

	it('is refused in another file, lane, incarnation or at another offset', () => {
		const bytes = smallGroup();
		const others = [
			{ ...identity, fileNo: 8 },
			{ ...identity, lane: 'small' as const },
			{ ...identity, incarnation: new Uint8Array(16) },
		];
		for (const other of others) assert.equal(decodeGroup(bytes, 'header', other, 8192, checksums), undefined);
		assert.equal(decodeGroup(bytes, 'header', identity, 8704, checksums), undefined);
	});

	it('is refused with any single bit of its header flipped', () => {
		const bytes = smallGroup();
		const { headerBytes } = decode(bytes, 'header', 8192);
		for (let bit = 0; bit < 8 * headerBytes; bit++) {
			const copy = Buffer.from(bytes);
			copy.writeUInt8(copy.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
			const decoded = decodeGroup(copy, 'header', identity, 8192, checksums);
			// A longer header length asks for more bytes; with them it is refused as well.
			assert.ok(decoded === undefined || ('needBytes' in decoded && decoded.needBytes > copy.length), `bit ${bit}`);
		}
	});

	it('of hostile bytes never throws and never passes, also with right checksums and any lengths', () => {
		const sealed = fc
			.tuple(fc.uint8Array({ minLength: 0, maxLength: 400 }), fc.nat(2 ** 32 - 1), fc.nat(2 ** 32 - 1))
			.map(([body, groupBytes, count]) => {
				const bytes = Buffer.alloc(64 + body.length + 4);
				smallGroup().copy(bytes, 0, 0, 64);
				bytes.writeUInt32LE(bytes.length, 12);
				bytes.writeUInt32LE(groupBytes, 24);
				bytes.writeUInt32LE(count, 28);
				bytes.set(body, 64);
				bytes.writeUInt32LE(checksums.crc32c(bytes.subarray(0, bytes.length - 4)), bytes.length - 4);
				return bytes;
			});
		fc.assert(
			fc.property(
				fc.oneof(
					sealed,
					fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes)),
				),
				(bytes) => {
					const decoded = decodeGroup(bytes, 'header', identity, 8192, checksums);
					if (!decoded || 'needBytes' in decoded) return;
					for (const { place, mirrorOffset } of decoded.records) {
						if (!place) continue;
						assert.ok(place.lengthBytes >= 1 && place.lengthBytes <= SEGMENT_BYTES);
						assert.ok(Math.max(place.offset, mirrorOffset ?? 0) + place.lengthBytes <= 8192 + decoded.groupBytes);
					}
				},
			),
			{ numRuns: 3000 },
		);
	});
});
