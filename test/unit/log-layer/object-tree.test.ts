import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { RangeShape } from '../../../src/api/rest/range-proof-shape.js';
import type { LogRecord } from '../../../src/append-log/types.js';
import { openRocksKv } from '../../../src/db/rocks.js';
import type { KvEngine } from '../../../src/db/kv-engine.js';
import { applyPayloadRecords } from '../../../src/log-layer/apply-payload.js';
import { objectProof, objectSubtree, objectSubtrees, zeroSegmentRoot } from '../../../src/log-layer/object-tree.js';
import { objectClosed } from '../../../src/log-layer/records.js';
import { decodeRootRow, encodeSegmentRow, rowKeys } from '../../../src/log-layer/rows.js';
import type { View } from '../../../src/log-layer/view.js';
import { crc32c, fileGeometry, keccak256, treeProof, treeRoot } from '../../../src/native/addon.js';
import { HASH_BYTES, hexOf, type Lsn, rootFromBytes, SEGMENT_BYTES, SEGMENT_SECTORS } from '../../../src/units.js';
import { LossyKv } from '../../support/lossy-kv.js';
import { Prng } from '../../support/prng.js';
import { emptyMemory, quietView } from '../../support/quiet-view.js';

const OBJECT = 7n;

interface TestObject {
	readonly view: View;
	readonly sizeBytes: bigint;
	readonly segments: number;
	/** Of all padded segments. */
	readonly leaves: Buffer;
	readonly root: Uint8Array;
}

/** An object of rows without bytes, closed as the log closes one. `missing`: a segment that has no row. */
async function objectOf(segments: number, missing?: number, kv: KvEngine = new LossyKv()): Promise<TestObject> {
	const view = quietView(kv);
	const sizeBytes = BigInt(segments) * BigInt(SEGMENT_BYTES) - 1000n;
	const padded = Number(fileGeometry(sizeBytes).segmentsPadded);
	const leaves = Buffer.alloc(padded * HASH_BYTES, zeroSegmentRoot());
	const place = { lane: 'bulk', fileNo: 1, offset: 4096, lengthBytes: SEGMENT_BYTES, origin: 1n as Lsn } as const;
	await view.change(async (turn) => {
		for (let segment = 0; segment < segments; segment++) {
			const root = keccak256(Buffer.from(String(segment)));
			leaves.set(root, segment * HASH_BYTES);
			if (segment === missing) continue;
			turn.put(
				rowKeys.segment(OBJECT, segment),
				encodeSegmentRow({ root, place: { ...place, blockCrcs: new Uint8Array(0) } }),
			);
			await turn.relieve();
		}
		// Rows of neighbours must not be taken for rows of this object.
		for (const other of [OBJECT - 1n, OBJECT + 1n]) {
			turn.put(
				rowKeys.segment(other, segments),
				encodeSegmentRow({ root: keccak256(new Uint8Array(1)), place: { ...place, blockCrcs: new Uint8Array(0) } }),
			);
		}
	});
	const root = treeRoot(leaves);
	const closed = objectClosed({ objectId: OBJECT, sizeBytes, root });
	const record: LogRecord = {
		...closed,
		lane: 'bulk',
		lsn: 99n as Lsn,
		origin: 99n as Lsn,
		blockCrcs: new Uint8Array(0),
	};
	await view.change((turn) => applyPayloadRecords(turn, [record], emptyMemory()));
	return { view, sizeBytes, segments, leaves, root };
}

async function isFindable({ view, root }: TestObject): Promise<boolean> {
	const row = await view.get(rowKeys.root(rootFromBytes(root)));
	return row !== undefined && decodeRootRow(row).object?.objectId === OBJECT;
}

async function assertProof(object: TestObject, index: number): Promise<void> {
	const { view, sizeBytes, leaves, root, segments } = object;
	const proof = await objectProof(view, OBJECT, sizeBytes, root, index);
	const expected = treeProof(leaves, index);
	const of = `segment ${index} of ${segments}`;
	assert.ok(proof, of);
	assert.equal(hexOf(Buffer.concat(proof.lemma)), hexOf(expected.lemma), of);
	assert.deepEqual(proof.path, Array.from(expected.path, Boolean), of);
}

describe('proofs of segments from rows', () => {
	it('equal those over all segment roots, for sizes around the ends of bands', async () => {
		const sizes = [2, 3, 4, 5, 7, 8, 16, 17, 21, 33, 100, 255, 256, 257, 300, 512, 513, 600];
		let padded = 0;
		for (const segments of sizes) {
			const object = await objectOf(segments);
			assert.ok(await isFindable(object));
			const count = object.leaves.length / HASH_BYTES;
			if (count > segments) padded++;
			const edges = new Set([0, 1, segments - 1, segments, 255, 256, 257, 511, 512, count - 2, count - 1]);
			for (let index = 0; index < count; index += 1 + (count >> 5)) edges.add(index);
			for (const index of edges) if (index < count) await assertProof(object, index);
		}
		assert.ok(padded > 0, 'some of them have padding segments');
	});

	it('equal those over all segment roots with three bands', async (t) => {
		const directory = await mkdtemp(join(tmpdir(), 'perigee-tree-'));
		const kv = await openRocksKv(directory, { cacheBytes: 2 ** 20, writeBufferBytes: 2 ** 22, crc32c });
		t.after(async () => {
			await kv.close();
			await rm(directory, { recursive: true });
		});
		const object = await objectOf(70_000, undefined, kv);
		assert.ok(await isFindable(object));
		const count = object.leaves.length / HASH_BYTES;
		assert.ok(count > 70_000 && count > 256 * 256);
		for (const index of [0, 1, 255, 256, 65_535, 65_536, 69_999, 70_000, count - 1]) await assertProof(object, index);
		const prng = new Prng(1);
		for (let i = 0; i < 10; i++) await assertProof(object, prng.below(count));
		for (const [first, levels] of [
			[0, 16],
			[65_536, 12],
			[256, 8],
			[4096, 9],
			[65_536 + 4096, 11],
			[69_888, 7],
		] as const) {
			await assertSubtree(object, first, levels);
		}
	});

	it('an object with a hole is not findable and has no proofs across it', async () => {
		for (const missing of [0, 255, 256, 299]) {
			const object = await objectOf(300, missing);
			assert.equal(await isFindable(object), false);
			assert.equal(await objectProof(object.view, OBJECT, object.sizeBytes, object.root, missing), undefined);
		}
	});
});

describe('hashes of aligned subtrees of segments', () => {
	it('equal those over the segment roots, over places of all heights', async () => {
		for (const segments of [2, 17, 300, 600]) {
			const object = await objectOf(segments);
			const count = object.leaves.length / HASH_BYTES;
			for (let levels = 0; 2 ** levels < count; levels++) {
				for (let first = 0; first + 2 ** levels <= count; first += 2 ** levels * (1 + (count >> (levels + 4))))
					await assertSubtree(object, first, levels);
			}
		}
	});
});

describe('hashes of nodes beside the ways of a range', () => {
	it('equal those over the segment roots, also where the tree is not perfect', async () => {
		const prng = new Prng(9);
		for (const segments of [2, 3, 7, 16, 17, 18, 255, 256, 257, 300, 4096, 4097, 5000, 70_000]) {
			const object = await objectOf(segments);
			const size = Number(object.sizeBytes);
			const lastByte = size - 1;
			for (const from of [0, lastByte, ...Array.from({ length: 8 }, () => prng.below(size))]) {
				const to = Math.min(size, from + 1 + prng.below(20 * SEGMENT_BYTES));
				const steps = [...new RangeShape({ size, from, to }).steps()];
				const nodes = steps
					.flatMap(({ beside }) => beside)
					.map(({ first, count }) => ({ first: first / SEGMENT_SECTORS, count: Math.ceil(count / SEGMENT_SECTORS) }));
				const hashes = await objectSubtrees(object.view, OBJECT, object.sizeBytes, nodes);
				const expected = nodes.map(({ first, count }) =>
					treeRoot(object.leaves.subarray(first * HASH_BYTES, (first + count) * HASH_BYTES)),
				);
				assert.deepEqual(hashes?.map(hexOf), expected.map(hexOf), `${from}-${to} of ${segments} segments`);
			}
		}
	});
});

async function assertSubtree(
	{ view, sizeBytes, leaves, segments }: TestObject,
	first: number,
	levels: number,
): Promise<void> {
	const hash = await objectSubtree(view, OBJECT, sizeBytes, first, levels);
	const expected = treeRoot(leaves.subarray(first * HASH_BYTES, (first + 2 ** levels) * HASH_BYTES));
	assert.equal(hash && hexOf(hash), hexOf(expected), `2^${levels} from ${first} of ${segments}`);
}
