/** The data root of bytes that come in order, in constant memory: one slab of at most 4 MiB, and a tree logarithmic in the size. */
import { type FileRoot, fileGeometry, FileTree, hashSegments } from '../native/addon.js';
import { HASH_BYTES, SEGMENT_BLOCKS, SEGMENT_BYTES, SEGMENT_SECTORS } from '../units.js';

const SLAB_SEGMENTS = 16;
const SLOTS = Uint32Array.from({ length: SLAB_SEGMENTS }, (_, slot) => slot);

export class RootStream {
	readonly #slab: Uint8Array;
	readonly #tree = new FileTree();
	#slabBytes = 0;
	#earlierBytes = 0;

	/** `expectedBytes`: of a small file, so that less memory is taken; more may come all the same. */
	constructor(expectedBytes = Number.POSITIVE_INFINITY) {
		const expected = Math.ceil(expectedBytes / SEGMENT_BYTES);
		this.#slab = new Uint8Array((expected >= 1 && expected < SLAB_SEGMENTS ? expected : SLAB_SEGMENTS) * SEGMENT_BYTES);
	}

	/** Bytes taken so far. */
	get sizeBytes(): number {
		return this.#earlierBytes + this.#slabBytes;
	}

	/** Takes the next bytes; they are copied. */
	update(chunk: Uint8Array): void {
		for (let taken = 0; taken < chunk.length; ) {
			// A full slab is hashed only once more bytes follow: how the last segment is padded depends on the size.
			if (this.#slabBytes === this.#slab.length) this.#hashSlab(SEGMENT_SECTORS);
			const part = chunk.subarray(taken, taken + this.#slab.length - this.#slabBytes);
			this.#slab.set(part, this.#slabBytes);
			this.#slabBytes += part.length;
			taken += part.length;
		}
	}

	/** Root and submission nodes of all bytes taken, at least one. Call it once. */
	finish(): FileRoot {
		const size = BigInt(this.sizeBytes);
		const { lastSegmentBytes, lastSegmentLeaves } = fileGeometry(size);
		const lastFrom = this.#slabBytes - lastSegmentBytes;
		const last = this.#slab.slice(lastFrom, this.#slabBytes);
		this.#hashSlab(lastSegmentLeaves);
		return this.#tree.finish(size, last);
	}

	#hashSlab(lastLeaves: number): void {
		const count = Math.ceil(this.#slabBytes / SEGMENT_BYTES);
		const lengths = new Uint32Array(count).fill(SEGMENT_BYTES);
		lengths[count - 1] = this.#slabBytes - (count - 1) * SEGMENT_BYTES;
		const leaves = new Uint32Array(count).fill(SEGMENT_SECTORS);
		leaves[count - 1] = lastLeaves;
		const roots = new Uint8Array(count * HASH_BYTES);
		hashSegments(this.#slab, SLOTS.subarray(0, count), lengths, leaves, roots, new Uint32Array(count * SEGMENT_BLOCKS));
		this.#tree.push(roots);
		this.#earlierBytes += this.#slabBytes;
		this.#slabBytes = 0;
	}
}
