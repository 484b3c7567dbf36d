import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { LANE_NAMES } from '../../../src/append-log/types.js';
import {
	decodeObjectRow,
	decodeRootRow,
	decodeSegmentRow,
	decodeSubmissionRow,
	encodeObjectRow,
	encodeRootRow,
	encodeSegmentRow,
	encodeSubmissionRow,
	type PlainPlace,
	type RootRow,
	rowKeys,
	type SubmissionRow,
} from '../../../src/log-layer/rows.js';
import { type FlowId, type Lsn, rootFromBytes, type SectorIndex, type TxSeq } from '../../../src/units.js';

/** Plain objects, as decoders make them. */
const record = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
	fc.record(fields, { noNullPrototype: true });
const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
const safe = fc.maxSafeNat();
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const named = record({
	name: fc.string({ unit: 'grapheme', maxLength: 1024 }),
	contentType: fc.string({ maxLength: 255 }),
	timeMs: safe,
});
const place: fc.Arbitrary<PlainPlace> = record({
	lane: fc.constantFrom(...LANE_NAMES),
	fileNo: safe,
	offset: safe,
	lengthBytes: safe,
	origin: u64.map((value) => value as Lsn),
	blockCrcs: fc.uint8Array({ maxLength: 256 }),
});

const rootRow: fc.Arbitrary<RootRow> = fc.record(
	{
		object: record({
			objectId: u64,
			sizeBytes: safe,
			place: fc.option(place, { nil: undefined }),
			isPruned: fc.boolean(),
		}).map(({ place: found, isPruned, ...object }) =>
			Object.assign(object, found ? { place: found } : {}, isPruned ? { isPruned } : {}),
		),
		ended: record({ objectId: u64, isDeleted: fc.boolean() }),
		submissions: record({
			flowId: fc.nat().map((value) => value as FlowId),
			firstSeq: safe.map((value) => value as TxSeq),
			more: fc.boolean(),
		}),
		newest: named,
	},
	{ requiredKeys: [], noNullPrototype: true },
);

const submissionRow: fc.Arbitrary<SubmissionRow> = record({
	flowId: fc.nat().map((value) => value as FlowId),
	txSeq: safe.map((value) => value as TxSeq),
	root: bytes(32),
	lengthBytes: u64,
	start: fc.bigInt({ min: 0n, max: 2n ** 60n }),
	gap: fc.bigInt({ min: 0n, max: 2n ** 60n }),
	nodes: fc.array(record({ root: bytes(32), height: fc.nat(63) }), { minLength: 1, maxLength: 64 }),
	timeMs: safe,
	blockNumber: safe,
	tags: fc.uint8Array({ maxLength: 70_000 }),
	submitter: bytes(20),
	upload: fc.option(named, { nil: undefined }),
}).map(({ root, start, gap, nodes, upload, ...rest }) => {
	// One node is the root itself.
	const placed = nodes.length === 1 ? nodes.map(({ height }) => ({ height, root })) : nodes;
	const row = Object.assign(rest, {
		dataRoot: rootFromBytes(root),
		startSector: start as SectorIndex,
		lengthBefore: start > gap ? start - gap : start,
		lengthAfter: placed.reduce((end, { height }) => end + (1n << BigInt(height)), start),
		nodes: placed,
	});
	return upload ? Object.assign(row, { upload }) : row;
});

describe('rows of the view come back as they were written', () => {
	it('root rows', () => {
		fc.assert(fc.property(rootRow, (row) => assert.deepEqual(decodeRootRow(encodeRootRow(row)), row)));
	});

	it('submission rows', () => {
		fc.assert(
			fc.property(submissionRow, (row) => {
				assert.deepEqual(decodeSubmissionRow(row.flowId, row.txSeq, encodeSubmissionRow(row)), row);
			}),
		);
	});

	it('object rows', () => {
		const dropped = fc.array(record({ first: safe, count: safe }), { maxLength: 20 });
		const plain = { state: fc.nat(127), sizeBytes: u64, root: bytes(32), heldSegments: safe, dropped };
		const kept = record({ modulus: safe, residues: fc.array(safe, { maxLength: 20 }) });
		const row = fc.oneof(record(plain), record({ ...plain, kept }));
		fc.assert(fc.property(row, (object) => assert.deepEqual(decodeObjectRow(encodeObjectRow(object)), object)));
	});

	it('segment rows', () => {
		const row = fc.oneof(record({ root: bytes(32), place }), record({ root: bytes(32) }));
		fc.assert(fc.property(row, (segment) => assert.deepEqual(decodeSegmentRow(encodeSegmentRow(segment)), segment)));
	});

	it('a row that ends early is refused, not read as something else', () => {
		fc.assert(
			fc.property(submissionRow, fc.nat(), (row, cut) => {
				const whole = encodeSubmissionRow(row);
				const part = whole.subarray(0, cut % whole.length);
				assert.throws(() => decodeSubmissionRow(row.flowId, row.txSeq, part), { code: 'FORMAT_UNKNOWN' });
			}),
		);
	});
});

describe('keys sort like what they stand for', () => {
	const ordered = (keyOf: (value: number) => Buffer): void =>
		fc.assert(
			fc.property(safe, safe, (left, right) => {
				assert.equal(Math.sign(Buffer.compare(keyOf(left), keyOf(right))), Math.sign(left - right));
			}),
		);

	it('submissions by sequence', () => ordered((seq) => rowKeys.submission(3 as FlowId, seq)));
	it('segments by number', () => ordered((segment) => rowKeys.segment(5n, segment)));
	it('objects by id', () => ordered((id) => rowKeys.object(BigInt(id))));
	it('nodes of the flow by index', () => ordered((index) => rowKeys.flowNode(1 as FlowId, 14, BigInt(index))));
	it('submissions of a root by sequence', () => {
		const root = rootFromBytes(new Uint8Array(32).fill(9));
		ordered((seq) => rowKeys.rootSeq(root, 0 as FlowId, seq as TxSeq));
	});
});
