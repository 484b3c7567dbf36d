/** Which segments of a file there are: one bit for each, and where the first hole is among those that count. */
import { isKept, keptCount, type KeptSegments } from './shard.js';

export class SegmentSet {
	readonly segments: number;
	readonly #bits: Uint8Array;
	#own: KeptSegments | undefined;
	/** Of those that count. */
	#count = 0;
	#firstMissing = 0;

	constructor(segments: number) {
		this.segments = segments;
		this.#bits = new Uint8Array(Math.ceil(segments / 8));
	}

	/** From now on these segments count; undefined: all. */
	countOnly(own: KeptSegments | undefined): void {
		if (isSame(own, this.#own)) return;
		this.#own = own;
		this.#count = 0;
		for (let segment = 0; segment < this.segments; segment++)
			if (this.has(segment) && isKept(own, segment)) this.#count++;
		this.#firstMissing = 0;
		this.#skip();
	}

	/** The first that is missing; `segments` when none is. */
	get firstMissing(): number {
		return this.#firstMissing;
	}

	/** All that count are there. */
	get isComplete(): boolean {
		return this.#count === keptCount(this.#own, this.segments);
	}

	has(segment: number): boolean {
		return ((this.#bits[segment >> 3] ?? 0) & (1 << (segment & 7))) !== 0;
	}

	add(segment: number): void {
		if (segment >= this.segments || this.has(segment)) return;
		const at = segment >> 3;
		this.#bits[at] = (this.#bits[at] ?? 0) | (1 << (segment & 7));
		if (!isKept(this.#own, segment)) return;
		this.#count++;
		this.#skip();
	}

	#skip(): void {
		const isPassed = (at: number): boolean => this.has(at) || !isKept(this.#own, at);
		while (this.#firstMissing < this.segments && isPassed(this.#firstMissing)) this.#firstMissing++;
	}
}

function isSame(one: KeptSegments | undefined, other: KeptSegments | undefined): boolean {
	return one?.modulus === other?.modulus && one?.residues.join() === other?.residues.join();
}
