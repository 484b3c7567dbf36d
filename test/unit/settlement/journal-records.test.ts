import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PerigeeError } from '../../../src/errors.js';
import { LIMITS } from '../../../src/limits.js';
import {
	decodeDeletion,
	decodeLedgerEntry,
	decodeSetting,
	decodeUpload,
	encodeDeletion,
	encodeLedgerEntry,
	encodeSetting,
	encodeUpload,
	packGroup,
	type UploadRecord,
} from '../../../src/settlement/journal-records.js';
import { type FlowId, rootFromBytes, type TxSeq } from '../../../src/units.js';

const PLAIN = { noNullPrototype: true };
const bytesOf = (text: string) => Buffer.byteLength(text);

const uploads: fc.Arbitrary<UploadRecord> = fc.record(
	{
		flowId: fc.nat(0xffff_ffff).map((value) => value as FlowId),
		txSeq: fc.nat(Number.MAX_SAFE_INTEGER).map((value) => value as TxSeq),
		root: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(rootFromBytes),
		timeMs: fc.nat(Number.MAX_SAFE_INTEGER),
		name: fc.string({ unit: 'grapheme' }).filter((text) => bytesOf(text) <= LIMITS.nameBytes),
		contentType: fc.string({ unit: 'grapheme' }).filter((text) => bytesOf(text) <= LIMITS.contentTypeBytes),
	},
	PLAIN,
);

test('an upload record reads back as it was written', () => {
	fc.assert(fc.property(uploads, (upload) => assert.deepEqual(decodeUpload(encodeUpload(upload).payload), upload)));
});

test('an upload record of the longest name and type reads back, one byte more is BAD_NAME', () => {
	const [upload] = fc.sample(uploads, 1);
	assert.ok(upload);
	const longest = {
		...upload,
		name: 'é'.repeat(LIMITS.nameBytes / 2),
		contentType: 't'.repeat(LIMITS.contentTypeBytes),
	};
	assert.deepEqual(decodeUpload(encodeUpload(longest).payload), longest);
	assert.throws(() => encodeUpload({ ...longest, name: `${longest.name}a` }), { code: 'BAD_NAME' });
	assert.throws(() => encodeUpload({ ...longest, contentType: `${longest.contentType}a` }), { code: 'BAD_NAME' });
});

test('a deletion reads back as it was written; one of another cause is refused', () => {
	const deletions = fc.record(
		{
			root: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(rootFromBytes),
			objectId: fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }),
			isDeleted: fc.boolean(),
		},
		PLAIN,
	);
	fc.assert(
		fc.property(deletions, (deletion) => assert.deepEqual(decodeDeletion(encodeDeletion(deletion).payload), deletion)),
	);
	const [deletion] = fc.sample(deletions, 1);
	assert.ok(deletion);
	const { payload } = encodeDeletion(deletion);
	payload[40] = 3;
	assert.throws(() => decodeDeletion(payload), { code: 'FORMAT_UNKNOWN' });
});

test('a setting reads back as it was written, an empty value included', () => {
	const settings = fc.record(
		{
			key: fc.string({ minLength: 1, unit: 'grapheme' }).filter((key) => bytesOf(key) <= LIMITS.settingKeyBytes),
			value: fc.uint8Array({ maxLength: 300 }),
		},
		PLAIN,
	);
	fc.assert(
		fc.property(settings, (setting) => assert.deepEqual(decodeSetting(encodeSetting(setting).payload), setting)),
	);
});

test('a setting without a key, with too long a key or value is refused', () => {
	const value = new Uint8Array(1);
	assert.throws(() => encodeSetting({ key: '', value }), /key of 0 bytes/);
	assert.throws(() => encodeSetting({ key: 'k'.repeat(LIMITS.settingKeyBytes + 1), value }), /key of 256 bytes/);
	const tooLong = new Uint8Array(LIMITS.settingValueBytes + 1);
	assert.throws(() => encodeSetting({ key: 'k', value: tooLong }), /value of 65537 bytes/);
});

test('a ledger entry keeps its flow id and bytes; an empty or too long one is refused', () => {
	const record = { flowId: 3 as FlowId, entry: Uint8Array.of(1, 2, 3) };
	assert.deepEqual(decodeLedgerEntry(encodeLedgerEntry(record).payload), record);
	const longest = encodeLedgerEntry({ ...record, entry: new Uint8Array(262_140) });
	assert.equal(longest.payload.length, LIMITS.recordPayloadBytes);
	assert.throws(() => encodeLedgerEntry({ ...record, entry: new Uint8Array(262_141) }), /262141 bytes/);
	assert.throws(() => encodeLedgerEntry({ ...record, entry: new Uint8Array(0) }), /0 bytes/);
	assert.throws(() => decodeLedgerEntry(new Uint8Array(4)), { code: 'FORMAT_UNKNOWN' });
});

test('bodies lie in the ext exactly as long as all of them and their headers fit into 4,096 bytes', () => {
	const body = (length: number) => ({ type: 1, ext: new Uint8Array(0), payload: new Uint8Array(length) });
	const isInline = (...lengths: number[]) => packGroup(lengths.map(body)).every(({ payload }) => payload === undefined);
	assert.equal(isInline(4092), true);
	assert.equal(isInline(4093), false);
	assert.equal(isInline(2000, 2088), true);
	assert.equal(isInline(2000, 2089), false);
	assert.deepEqual(packGroup([body(7)]), [{ type: 1, ext: new Uint8Array(7) }]);
	assert.deepEqual(packGroup([]), []);
});

test('any bytes either decode or are refused with FORMAT_UNKNOWN', () => {
	const decoders = [decodeUpload, decodeSetting, decodeLedgerEntry];
	const decodes = (bytes: Uint8Array) => {
		for (const decode of decoders) {
			try {
				decode(bytes);
			} catch (error) {
				assert.ok(error instanceof PerigeeError && error.code === 'FORMAT_UNKNOWN', String(error));
			}
		}
	};
	fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), decodes), { numRuns: 2000 });
});

test('a truncated or lengthened upload record is refused', () => {
	fc.assert(
		fc.property(uploads, fc.nat(), (upload, cut) => {
			const payload = encodeUpload(upload).payload;
			assert.throws(() => decodeUpload(payload.subarray(0, cut % payload.length)), { code: 'FORMAT_UNKNOWN' });
			assert.throws(() => decodeUpload(Buffer.concat([payload, Buffer.of(0)])), { code: 'FORMAT_UNKNOWN' });
		}),
	);
});
