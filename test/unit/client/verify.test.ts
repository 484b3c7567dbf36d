import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { RangeVerifier, sizeProbes, VerifyError, verifyRange } from 'perigee/verify';
import { keccak256 } from '../../../src/client/keccak.js';
import { fileRoot } from '../../../src/native/addon.js';
import { hexOf } from '../../../src/units.js';
import { fileContent } from '../../support/file-content.js';
import { naiveAnswer, naiveTree, paddedSectors } from '../../support/naive-range-proof.js';
import { Prng } from '../../support/prng.js';
import { readFilesWithTree } from '../../support/vectors.js';

const SHIPPED = fileURLToPath(import.meta.resolve('perigee/verify'));

function bytesOf(prng: Prng, length: number): Buffer {
	return Buffer.from(Array.from({ length }, () => 1 + prng.below(255)));
}

/** A file with what is needed to ask for its ranges; the tree is made without the code under test. */
function fileOf(content: Buffer): {
	root: string;
	answer(from: number, to: number): Buffer;
	wanted(from: number, to: number): { root: string; size: number; from: number; to: number };
} {
	const tree = naiveTree(content);
	const root = hexOf(tree.hash);
	return {
		root,
		wanted: (from, to) => ({ root, size: content.length, from, to }),
		answer(from, to) {
			const answer = naiveAnswer(tree, content.length, from, to);
			assert.ok(answer, 'an honest answer is always possible');
			return answer;
		},
	};
}

test('the module is one file of at most 5,000 bytes that imports nothing', () => {
	const source = readFileSync(SHIPPED, 'utf8');
	assert.ok(Buffer.byteLength(source) <= 5000, `${Buffer.byteLength(source)} bytes`);
	assert.doesNotMatch(source, /\bimport\b|\brequire\b/);
	assert.doesNotMatch(source, /\b(?:process|Buffer|node:|eval|Function|WebAssembly)\b/);
});

test('Keccak-256 is that of another implementation for every length up to three blocks', () => {
	const prng = new Prng(6);
	for (let length = 0; length <= 3 * 136 + 1; length++) {
		const message = bytesOf(prng, length);
		assert.deepEqual(Buffer.from(keccak256(message)), Buffer.from(keccak_256(message)), `${length} bytes`);
	}
	// Also of a part of a longer array.
	const part = Uint8Array.from({ length: 300 }, (_, index) => index).subarray(7, 263);
	assert.deepEqual(Buffer.from(keccak256(part)), Buffer.from(keccak_256(part)));
});

describe('honest answers verify', () => {
	const prng = new Prng(1);
	const segment = 262_144;
	const sizes = [
		1,
		2,
		255,
		256,
		257,
		511,
		512,
		513,
		3840,
		4352,
		4353,
		segment - 1,
		segment,
		segment + 1,
		3 * segment - 5,
		5 * segment + 300,
		17 * segment + 1,
	];
	for (const size of sizes) {
		test(`of a file of ${size} bytes`, () => {
			const content = bytesOf(prng, size);
			const { root, answer, wanted } = fileOf(content);
			assert.equal(root, hexOf(fileRoot(content).root));
			const edges = [
				0,
				1,
				255,
				256,
				257,
				segment - 1,
				segment,
				segment + 1,
				2 * segment,
				size >> 1,
				size - 256,
				size - 1,
				size,
			];
			const places = [...new Set(edges.filter((at) => at >= 0 && at <= size))].sort((a, b) => a - b);
			for (const from of places) {
				for (const to of size > 2 * segment ? [prng.pick(places), from + 1, size] : places) {
					if (to <= from || to > size) continue;
					const proved = verifyRange(answer(from, to), wanted(from, to));
					assert.ok(content.subarray(from, to).equals(proved), `${from}-${to}`);
				}
			}
			assert.ok(content.equals(verifyRange(answer(0, size), wanted(0, size + 1000))), 'the end may be named too late');
		});
	}

	test('of the files of the vectors, against their roots', () => {
		for (const { content, size, dataRoot } of readFilesWithTree()) {
			const bytes = fileContent(content, size);
			const { root, answer, wanted } = fileOf(bytes);
			assert.equal(root, dataRoot);
			for (const [from, to] of [
				[0, size],
				[size - 1, size],
				[0, 1],
				[size >> 2, Math.max(size >> 1, (size >> 2) + 1)],
			] as const)
				assert.ok(
					bytes.subarray(from, to).equals(verifyRange(answer(from, to), wanted(from, to))),
					`${from}-${to} of ${size}`,
				);
		}
	});
});

describe('anything else is refused', () => {
	const prng = new Prng(2);
	const content = bytesOf(prng, 2300);
	const { root, answer, wanted } = fileOf(content);
	const [from, to] = [1100, 1500];
	const honest = answer(from, to);
	const refuses = (changed: Uint8Array, asked = wanted(from, to), what = ''): void =>
		assert.throws(() => verifyRange(changed, asked), VerifyError, what);

	test('any bit turned over', () => {
		assert.ok(verifyRange(honest, wanted(from, to)));
		for (let bit = 0; bit < 8 * honest.length; bit++) {
			const changed = Uint8Array.from(honest);
			changed[bit >> 3]! ^= 1 << (bit & 7);
			refuses(changed, undefined, `bit ${bit}`);
		}
	});

	test('any bit turned over in the last sector, up to the end of the file', () => {
		const end = answer(2200, 2300);
		for (let bit = 0; bit < 8 * end.length; bit++) {
			const changed = Uint8Array.from(end);
			changed[bit >> 3]! ^= 1 << (bit & 7);
			refuses(changed, wanted(2200, 2300), `bit ${bit}`);
		}
	});

	test('any beginning of the answer, and anything behind its end', () => {
		for (let length = 0; length < honest.length; length++)
			refuses(honest.subarray(0, length), undefined, `${length} bytes`);
		for (const more of [Buffer.alloc(1), Buffer.alloc(32), honest]) refuses(Buffer.concat([honest, more]));
	});

	test('parts left out, doubled or exchanged', () => {
		for (let at = 32; at + 64 <= honest.length; at += 32) {
			refuses(Buffer.concat([honest.subarray(0, at), honest.subarray(at + 32)]));
			refuses(Buffer.concat([honest.subarray(0, at + 32), honest.subarray(at)]));
			const [one, other] = [honest.subarray(at, at + 32), honest.subarray(at + 32, at + 64)];
			refuses(Buffer.concat([honest.subarray(0, at), other, one, honest.subarray(at + 64)]));
		}
	});

	test('an answer to another question', () => {
		refuses(honest, { root: `0x${'ab'.repeat(32)}`, size: 2300, from, to });
		for (const other of [
			wanted(from + 1, to),
			wanted(from, to - 1),
			wanted(from, to + 1),
			wanted(0, 2300),
			wanted(0, 1),
		])
			refuses(honest, other);
		for (const size of [2299, 2301, 2304, 2305, 4096, 1501, 2 ** 40]) refuses(honest, { root, size, from, to });
		assert.ok(verifyRange(honest, { root: root.toUpperCase().replace('X', 'x'), size: 2300, from, to }));
	});

	test('a question that has no answer', () => {
		const wrong = [
			wanted(-1, 5),
			wanted(5, 5),
			wanted(6, 5),
			wanted(2300, 2301),
			wanted(0.5, 5),
			wanted(0, 5.5),
			wanted(0, Number.NaN),
			{ root, size: 0, from: 0, to: 1 },
			{ root, size: 2 ** 60, from: 0, to: 1 },
			{ root: '0x12', size: 1, from: 0, to: 1 },
			{ root: root.slice(2), size: 1, from: 0, to: 1 },
		];
		for (const asked of wrong) assert.throws(() => verifyRange(honest, asked), RangeError, JSON.stringify(asked));
	});
});

describe('an answer that is checked while it arrives', () => {
	const prng = new Prng(3);
	const size = 3 * 262_144 + 1000;
	const content = bytesOf(prng, size);
	const { answer, wanted } = fileOf(content);
	const [from, to] = [100_000, size - 100];
	const honest = answer(from, to);

	test('gives the same bytes however it is cut', () => {
		for (const cut of [97, 1024, 4096, 65_536, honest.length]) {
			const verifier = new RangeVerifier(wanted(from, to));
			const parts: Uint8Array[] = [];
			for (let at = 0; at < honest.length; at += cut) {
				assert.throws(() => verifier.end(), VerifyError);
				parts.push(...verifier.push(honest.subarray(at, at + cut)));
			}
			verifier.end();
			assert.ok(content.subarray(from, to).equals(Buffer.concat(parts)), `${cut}`);
		}
	});

	test('gives each segment as soon as it is there, and nothing of one that is wrong, nor of what follows', () => {
		for (const place of [300_000, 600_000, honest.length - 5000]) {
			const changed = Buffer.from(honest);
			changed[place]! ^= 1;
			const verifier = new RangeVerifier(wanted(from, to));
			let verified = 0;
			let failed = 0;
			for (let at = 0; at < changed.length; at += 1000) {
				try {
					for (const part of verifier.push(changed.subarray(at, at + 1000))) {
						assert.ok(content.subarray(from + verified, from + verified + part.length).equals(part));
						verified += part.length;
					}
				} catch (error) {
					assert.ok(error instanceof VerifyError);
					failed += 1;
				}
			}
			assert.ok(failed > 0);
			assert.ok(
				verified > place - 262_144 - 10_000 && verified < place,
				`${verified} bytes before the one at ${place}`,
			);
			assert.throws(() => verifier.end(), VerifyError);
		}
	});
});

describe('the size of a file', () => {
	const probesAllPass = (content: Buffer, size: number): boolean => {
		const tree = naiveTree(content);
		return sizeProbes(size).every((at) => {
			const answer = naiveAnswer(tree, size, at, at + 1);
			if (!answer) return false;
			try {
				verifyRange(answer, { root: hexOf(tree.hash), size, from: at, to: at + 1 });
				return true;
			} catch (error) {
				assert.ok(error instanceof VerifyError);
				return false;
			}
		});
	};

	test('is not told by a root: with a wrong one, bytes of another place may pass', () => {
		const content = bytesOf(new Prng(4), 3 * 256);
		const tree = naiveTree(content);
		const lie = naiveAnswer(tree, 5 * 256, 4 * 256, 5 * 256);
		assert.ok(lie);
		const proved = verifyRange(lie, { root: hexOf(tree.hash), size: 5 * 256, from: 4 * 256, to: 5 * 256 });
		assert.ok(content.subarray(2 * 256).equals(proved));
		assert.equal(probesAllPass(content, 5 * 256), false);
	});

	test('is told by its probes, up to zeros at the end', () => {
		const prng = new Prng(5);
		for (let sectors = 1; sectors <= 70; sectors++) {
			const content = bytesOf(prng, sectors * 256 - prng.below(250));
			assert.ok(probesAllPass(content, content.length), `${content.length} bytes`);
			for (let other = 1; other <= 140; other++) {
				for (const size of [other * 256, other * 256 - 200]) {
					const isSameButForZeros = size >= content.length && paddedSectors(size) === paddedSectors(content.length);
					assert.equal(probesAllPass(content, size), isSameButForZeros, `${content.length} bytes told as ${size}`);
				}
			}
		}
	});

	test('needs a few probes', () => {
		for (const size of [1, 256, 257, 1e6, 1e9 + 7, 2 ** 52 + 12_345]) {
			const probes = sizeProbes(size);
			assert.ok(probes.length <= 5 && probes.every((at) => at >= 0 && at < size), `${size}: ${probes.join()}`);
		}
	});
});
