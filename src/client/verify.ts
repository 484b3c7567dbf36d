/**
 * `perigee/verify`: checks ranges that carry their proof (docs/range-proof.md) against a data root, in any JavaScript runtime. No imports at
 * run time, no globals but the language's own; built as one file of at most 5,000 bytes.
 */
import {
	HASH_BYTES,
	HEADER_BYTES,
	leftOf,
	RangeShape,
	rangeProofHeader,
	SECTOR_BYTES,
	type TreeNode,
} from '../api/rest/range-proof-shape.js';
import { keccak256 } from './keccak.js';

/** What a client asked for and from whom it need not take anybody's word: root and size of the file, and which of its bytes. */
export interface RangeWanted {
	/** Data root: 0x and 64 hexadecimal digits. */
	readonly root: string;
	/** Bytes of the file. It must come from where the root comes from, or be checked with `sizeProbes`: a root alone does not tell it. */
	readonly size: number;
	/** First byte, from 0. */
	readonly from: number;
	/** The byte behind the last one; beyond the end of the file counts as the end. */
	readonly to: number;
}

/** The answer is not what it should be: cut, longer, of another range or file, or changed. None of its bytes may be used. */
export class VerifyError extends Error {
	override readonly name = 'VerifyError';
}

/**
 * The bytes [from, to) out of a whole answer to `?proof=range`. Throws VerifyError, and RangeError for a root that is none or a range that the
 * file does not have.
 */
export function verifyRange(answer: Uint8Array, wanted: RangeWanted): Uint8Array {
	const verifier = new RangeVerifier(wanted);
	const bytes = new Uint8Array(Math.min(wanted.to, wanted.size) - wanted.from);
	let at = 0;
	for (const part of verifier.push(answer)) {
		bytes.set(part, at);
		at += part.length;
	}
	verifier.end();
	return bytes;
}

/** Checks an answer while it arrives, each segment as soon as it is there. Keeps no more than one segment. */
export class RangeVerifier {
	readonly #blocks: Generator<number, undefined, Uint8Array>;
	readonly #verified: Uint8Array[] = [];
	/** Being filled; undefined behind the end and after a failure. */
	#block: Uint8Array | undefined;
	#filled = 0;
	/** The whole answer was there and right. */
	isWhole = false;

	/** Throws RangeError for a root that is none or a range that the file does not have. */
	constructor(wanted: RangeWanted) {
		this.#blocks = blocksOf(wanted, this.#verified);
		this.#expect(this.#blocks.next());
	}

	/** Takes the next bytes of the answer and gives the bytes of the range that they prove, in order. Throws VerifyError. */
	push(chunk: Uint8Array): Uint8Array[] {
		for (let at = 0; at < chunk.length; ) {
			const block = this.#block;
			if (!block) throw new VerifyError('the answer goes on behind its end');
			const part = chunk.subarray(at, at + block.length - this.#filled);
			block.set(part, this.#filled);
			at += part.length;
			this.#filled += part.length;
			if (this.#filled < block.length) break;
			this.#block = undefined;
			this.#expect(this.#blocks.next(block));
		}
		return this.#verified.splice(0);
	}

	/** To be called when the answer has ended. Throws VerifyError if it was cut. */
	end(): void {
		if (!this.isWhole) throw new VerifyError('the answer was cut');
	}

	#expect({ done, value }: IteratorResult<number, undefined>): void {
		this.isWhole = done === true;
		this.#filled = 0;
		if (value) this.#block = new Uint8Array(value);
	}
}

/**
 * Positions of bytes that tell the size of a file: if a range of one byte at each of them verifies for this size, the file with this root
 * has it, up to zero bytes at its end, which do not change a root.
 */
export function sizeProbes(size: number): number[] {
	const probes: number[] = [];
	let first = 0;
	for (let { leaves } = new RangeShape({ size, from: 0, to: size }); leaves > 0; ) {
		probes.push(first * SECTOR_BYTES);
		const left = leftOf(leaves + 1);
		first += left;
		leaves -= left;
	}
	return [...probes, size - 1];
}

/** Asks for the blocks of an answer by their lengths, and puts the bytes that they prove into `verified`. */
function* blocksOf(
	{ root, size, from, to }: RangeWanted,
	verified: Uint8Array[],
): Generator<number, undefined, Uint8Array> {
	const range = { size, from, to: Math.min(to, size) };
	const isRange = [size, from, range.to].every(Number.isSafeInteger) && from >= 0 && from < range.to;
	if (!isRange || !/^0x[0-9a-f]{64}$/i.test(root)) throw new RangeError('no such root or range');
	const shape = new RangeShape(range);
	const zeros = new Map<number, Uint8Array>();
	/** Of the nodes that come next, the first one last. */
	const expected = [Uint8Array.from({ length: HASH_BYTES }, (_, i) => Number(`0x${root.slice(2 + 2 * i, 4 + 2 * i)}`))];
	if (!areEqual(yield HEADER_BYTES, rangeProofHeader(range)))
		throw new VerifyError('the answer is of another range or size');
	for (const step of shape.steps()) {
		const isSent = ({ first }: TreeNode): boolean => first < shape.sectors;
		const hashes = step.beside.filter(isSent).length + [...shape.outside(step)].length;
		const dataAt = hashes * HASH_BYTES;
		const block = yield dataAt + step.to - step.from;
		let at = 0;
		const take = (): Uint8Array => block.subarray(at, (at += HASH_BYTES));
		const zero = (count: number): Uint8Array => {
			let hash = zeros.get(count);
			if (!hash) {
				const left = leftOf(count);
				hash = count === 1 ? keccak256(new Uint8Array(SECTOR_BYTES)) : pair(zero(left), zero(count - left));
				zeros.set(count, hash);
			}
			return hash;
		};
		const hashOf = (node: TreeNode): Uint8Array => {
			const { first, count } = node;
			if (!isSent(node)) return zero(count);
			if (shape.isOutside(node)) return take();
			if (count === 1) {
				const sector = new Uint8Array(SECTOR_BYTES);
				const start = dataAt + first * SECTOR_BYTES - step.from;
				sector.set(block.subarray(start, start + SECTOR_BYTES));
				return keccak256(sector);
			}
			const left = leftOf(count);
			return pair(hashOf({ first, count: left }), hashOf({ first: first + left, count: count - left }));
		};
		const beside = step.beside.map((node) => (isSent(node) ? take() : zero(node.count)));
		let hash = hashOf(step);
		for (const [index, { isLeft }] of [...step.beside.entries()].reverse()) {
			const other = beside[index] as Uint8Array;
			hash = isLeft ? pair(other, hash) : pair(hash, other);
		}
		if (!areEqual(hash, expected.pop() as Uint8Array)) throw new VerifyError('the bytes do not lead to the root');
		expected.push(...beside.filter((_, index) => step.beside[index]?.isLater).map((later) => later.slice()));
		verified.push(
			block.subarray(dataAt + Math.max(from - step.from, 0), dataAt + Math.min(range.to, step.to) - step.from),
		);
	}
	return undefined;
}

function pair(left: Uint8Array, right: Uint8Array): Uint8Array {
	const both = new Uint8Array(2 * HASH_BYTES);
	both.set(left);
	both.set(right, HASH_BYTES);
	return keccak256(both);
}

function areEqual(left: Uint8Array, right: Uint8Array): boolean {
	return left.every((byte, index) => byte === right[index]);
}
