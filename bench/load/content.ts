/**
 * Content that costs nothing to make and is nowhere the same twice: one random MiB, repeated, with seed and position stamped
 * into the beginning of each 256-KiB segment. So nothing can be shared, and every byte can be checked later.
 */
export const PIECE_BYTES = 1024 * 1024;
const STAMP_EVERY_BYTES = 256 * 1024;

const pattern = makePattern();

/** A buffer for `stampPiece`. */
export function newPiece(): Buffer {
	return Buffer.from(pattern);
}

/** Makes a buffer of `newPiece` the `index`-th MiB of the content of a seed. */
export function stampPiece(piece: Buffer, seed: number, index: number): void {
	for (let at = 0; at < PIECE_BYTES; at += STAMP_EVERY_BYTES) {
		piece.writeUInt32LE(seed, at);
		piece.writeUInt32LE(index, at + 4);
		piece.writeUInt32LE(at, at + 8);
	}
}

/** Compares a download with the content of a seed as it comes. */
export class ContentCheck {
	readonly #seed: number;
	readonly #expected = newPiece();
	#at = 0;

	constructor(seed: number) {
		this.#seed = seed;
		stampPiece(this.#expected, seed, 0);
	}

	/** Throws at the first difference. */
	take(bytes: Buffer): void {
		for (let from = 0; from < bytes.length; ) {
			const inPiece = this.#at % PIECE_BYTES;
			if (inPiece === 0) stampPiece(this.#expected, this.#seed, this.#at / PIECE_BYTES);
			const count = Math.min(bytes.length - from, PIECE_BYTES - inPiece);
			if (bytes.compare(this.#expected, inPiece, inPiece + count, from, from + count) !== 0) {
				throw new Error(`the content differs between byte ${this.#at} and byte ${this.#at + count}`);
			}
			this.#at += count;
			from += count;
		}
	}
}

/** Splitmix over 32 bits: the same sequence for the same seed. */
export function makeRandom(seed: number): () => number {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x9e3779b9) >>> 0;
		let word = state;
		word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
		word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
		return (word ^ (word >>> 16)) >>> 0;
	};
}

function makePattern(): Buffer {
	const random = makeRandom(1);
	const bytes = Buffer.alloc(PIECE_BYTES);
	for (let at = 0; at < PIECE_BYTES; at += 4) bytes.writeUInt32LE(random(), at);
	return bytes;
}
