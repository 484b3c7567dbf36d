/** Which segments of a file there are: one bit for each, and where the first hole is. */
export class SegmentSet {
	readonly segments: number;
	readonly #bits: Uint8Array;
	#count = 0;
	#firstMissing = 0;

	constructor(segments: number) {
		this.segments = segments;
		this.#bits = new Uint8Array(Math.ceil(segments / 8));
	}

	/** How many there are. */
	get count(): number {
		return this.#count;
	}

	/** The first that is missing; `segments` when none is. */
	get firstMissing(): number {
		return this.#firstMissing;
	}

	get isComplete(): boolean {
		return this.#count === this.segments;
	}

	has(segment: number): boolean {
		return ((this.#bits[segment >> 3] ?? 0) & (1 << (segment & 7))) !== 0;
	}

	add(segment: number): void {
		if (segment >= this.segments || this.has(segment)) return;
		const at = segment >> 3;
		this.#bits[at] = (this.#bits[at] ?? 0) | (1 << (segment & 7));
		this.#count++;
		while (this.#firstMissing < this.segments && this.has(this.#firstMissing)) this.#firstMissing++;
	}
}
