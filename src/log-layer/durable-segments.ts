/** Segments of a file that is being uploaded: those that are durable, and those whose proofs are too. */
import { SegmentSet } from './segment-set.js';
import type { KeptSegments } from './shard.js';

export class DurableSegments {
	readonly held: SegmentSet;
	/** Of `held`, those that can be proved while others are missing. */
	readonly proved: SegmentSet;
	#own: KeptSegments | undefined;

	constructor(segments: number) {
		this.held = new SegmentSet(segments);
		this.proved = new SegmentSet(segments);
	}

	/** From now on these segments count; undefined: all, which need no proofs. */
	countOnly(own: KeptSegments | undefined): void {
		this.#own = own;
		this.held.countOnly(own);
		this.proved.countOnly(own);
	}

	get isWhole(): boolean {
		return this.held.size === this.held.segments;
	}

	/** All that count are there, as they are to be. */
	get isComplete(): boolean {
		return this.isWhole || (this.#own !== undefined && this.proved.isComplete);
	}

	/** Of those that count the first that has to be sent; the number of segments when none has. */
	get firstMissing(): number {
		return this.isWhole || !this.#own ? this.held.firstMissing : this.proved.firstMissing;
	}

	/** Segments that count came without a proof: unless they are sent again, all others are needed. */
	get lacksProofs(): boolean {
		return this.#own !== undefined && this.held.count > this.proved.count;
	}
}
