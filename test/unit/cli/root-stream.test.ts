import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { RootStream } from '../../../src/cli/root-stream.js';
import { fileRoot } from '../../../src/native/addon.js';

const MIB = 2 ** 20;

function streamed(bytes: Uint8Array, cuts: readonly number[], expected?: number): ReturnType<RootStream['finish']> {
	const stream = new RootStream(expected);
	let from = 0;
	for (const cut of [...cuts, bytes.length]) {
		stream.update(bytes.subarray(from, cut));
		from = cut;
	}
	assert.equal(stream.sizeBytes, bytes.length);
	return stream.finish();
}

test('sizes around sectors, segments and slabs have the root of the whole file', () => {
	for (const around of [1, 256, 3840, 4352, 262_144, 262_144 * 5, 4 * MIB, 8 * MIB]) {
		for (const size of [around - 1, around, around + 1].filter((candidate) => candidate > 0)) {
			const bytes = Buffer.alloc(size, 'perigee');
			assert.deepEqual(streamed(bytes, []), fileRoot(bytes), String(size));
		}
	}
});

test('it does not matter how many bytes were expected', () => {
	for (const size of [1, 262_144, 262_145, 600_000, 5 * MIB]) {
		const bytes = Buffer.alloc(size, 'perigee');
		for (const expected of [0, 1, size - 1, size, size + 1, 262_144, 10 * MIB, Number.NaN, -1])
			assert.deepEqual(streamed(bytes, [size >> 1], expected), fileRoot(bytes), `${size} of ${expected}`);
	}
});

test('it does not matter how the bytes are cut', () => {
	const bytes = Buffer.alloc(9 * MIB + 13, 'some bytes');
	const expected = fileRoot(bytes);
	fc.assert(
		fc.property(fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 20 }), (cuts) => {
			assert.deepEqual(
				streamed(
					bytes,
					cuts.toSorted((left, right) => left - right),
				),
				expected,
			);
		}),
		{ numRuns: 20 },
	);
});

test('the vectors with bytes of a simple pattern have their data roots', () => {
	const { vectors, zeroHashes } = JSON.parse(
		readFileSync(new URL('../../../../test/vectors/file-merkle.json', import.meta.url), 'utf8'),
	) as { vectors: { content: string; size: number; dataRoot?: string }[]; zeroHashes: string[] };
	const zeros = vectors.filter((vector) => vector.content === 'zero' || vector.content === 'zeros');
	for (const { size, dataRoot } of zeros) {
		if (dataRoot === undefined || size === 0) continue;
		assert.equal(`0x${Buffer.from(streamed(Buffer.alloc(size), []).root).toString('hex')}`, dataRoot);
	}
	for (const level of [0, 3, 10, 14]) {
		const { root } = streamed(Buffer.alloc(256 * 2 ** level), []);
		assert.equal(`0x${Buffer.from(root).toString('hex')}`, zeroHashes[level]);
	}
});
