/** A small file hashed in one call has the root, the nodes and the checksums that the separate calls give it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32cBlocks, fileRoot, smallFileRoot } from '../../../src/native/addon.js';
import { hashSmallFile } from '../../../src/native/small-file.js';
import { BLOCK_BYTES, SEGMENT_BYTES } from '../../../src/units.js';

const SIZES = [
	1,
	255,
	256,
	257,
	4095,
	4096,
	4097,
	5000,
	12_800,
	40_000,
	65_536,
	100_001,
	250_000,
	SEGMENT_BYTES - 1,
	SEGMENT_BYTES,
];

test('root, nodes and checksums of every kind of small file', () => {
	const hashed = SIZES.map((size) => {
		const bytes = Buffer.from(Array.from({ length: size }, (_, index) => (index * 31 + size) % 251));
		return { bytes, answer: hashSmallFile(bytes) };
	});
	// Compared at the end: an answer stays as it is when the next file is hashed.
	for (const { bytes, answer } of hashed) {
		const { tree, blockCrcs } = answer;
		const expected = fileRoot(bytes);
		assert.deepEqual(Buffer.from(tree.root), Buffer.from(expected.root), `${bytes.length} bytes`);
		assert.deepEqual(
			tree.nodes.map(({ root, height }) => [Buffer.from(root).toString('hex'), height]),
			expected.nodes.map(({ root, height }) => [Buffer.from(root).toString('hex'), height]),
		);
		const crcs = new Uint32Array(Math.ceil(bytes.length / BLOCK_BYTES));
		crc32cBlocks(bytes, crcs);
		assert.deepEqual(Uint8Array.from(blockCrcs), new Uint8Array(crcs.buffer));
	}
});

test('what is no small file, and room that does not fit, are refused', () => {
	assert.throws(() => hashSmallFile(new Uint8Array(0)), /empty/);
	assert.throws(() => hashSmallFile(new Uint8Array(SEGMENT_BYTES + 1)), /at most 262144/);
	assert.throws(() => smallFileRoot(new Uint8Array(1), new Uint8Array(415)), /expected 416/);
	const shared = new Uint8Array(416);
	assert.throws(() => smallFileRoot(shared, shared), /overlaps/);
});
