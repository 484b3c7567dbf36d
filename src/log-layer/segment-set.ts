/** Which segments of a file there are: one bit for each, in pages, so that a few segments of a huge file cost little. */
import { isKept, keptCount, type KeptSegments } from './shard.js';

/** Segments in a page. */
const PAGE = 32_768;

export class SegmentSet {
	readonly segments: number;
	/** Of neighbouring segments, those of which there is one. */
	readonly #pages = new Map<number, Uint8Array>();
	#size = 0;
	#own: KeptSegments | undefined;
	/** For each residue of those that count: how many there are. */
	readonly #counts = new Map<number, number>();
	#firstMissing = 0;

	constructor(segments: number) {
		this.segments = segments;
	}

	/** From now on these segments count; undefined: all. */
	countOnly(own: KeptSegments | undefined): void {
		if (isSame(own, this.#own)) return;
		this.#own = own;
		this.#counts.clear();
		for (const residue of own?.residues ?? []) this.#counts.set(residue, this.#countOf(residue, own?.modulus ?? 1));
		this.#firstMissing = 0;
		this.#skip();
	}

	/** All of them that are there, whether they count or not. */
	get size(): number {
		return this.#size;
	}

	/** Of those that count. */
	get count(): number {
		return this.#own ? [...this.#counts.values()].reduce((sum, count) => sum + count, 0) : this.#size;
	}

	/** The first that counts and is missing; `segments` when none is. */
	get firstMissing(): number {
		return this.#firstMissing;
	}

	/** All that count are there. */
	get isComplete(): boolean {
		return this.count === keptCount(this.#own, this.segments);
	}

	/** Of the residues of those that count: the ones of which all segments are there. */
	get wholeResidues(): readonly number[] {
		const modulus = this.#own?.modulus ?? 1;
		const isWhole = ([residue, count]: readonly [number, number]): boolean =>
			count === keptCount({ modulus, residues: [residue] }, this.segments);
		return [...this.#counts].filter(isWhole).map(([residue]) => residue);
	}

	/** Whether all of these are there. */
	includes({ modulus, residues }: KeptSegments): boolean {
		for (const residue of residues)
			for (let at = residue; at < this.segments; at += modulus) if (!this.has(at)) return false;
		return true;
	}

	has(segment: number): boolean {
		const at = segment % PAGE;
		const page = this.#pages.get(Math.floor(segment / PAGE));
		return page !== undefined && ((page[at >> 3] as number) & (1 << (at & 7))) !== 0;
	}

	add(segment: number): void {
		if (segment >= this.segments || this.has(segment)) return;
		const [number, at] = [Math.floor(segment / PAGE), segment % PAGE];
		let page = this.#pages.get(number);
		if (!page) {
			page = new Uint8Array(PAGE / 8);
			this.#pages.set(number, page);
		}
		page[at >> 3] = (page[at >> 3] as number) | (1 << (at & 7));
		this.#size++;
		const residue = segment % (this.#own?.modulus ?? 1);
		const count = this.#counts.get(residue);
		if (count !== undefined) this.#counts.set(residue, count + 1);
		this.#skip();
	}

	#countOf(residue: number, modulus: number): number {
		let count = 0;
		for (const number of this.#pages.keys()) {
			const from = number * PAGE;
			const first = from + ((((residue - from) % modulus) + modulus) % modulus);
			for (let at = first; at < from + PAGE; at += modulus) if (this.has(at)) count++;
		}
		return count;
	}

	#skip(): void {
		const isPassed = (at: number): boolean => this.has(at) || !isKept(this.#own, at);
		while (this.#firstMissing < this.segments && isPassed(this.#firstMissing)) this.#firstMissing++;
	}
}

function isSame(one: KeptSegments | undefined, other: KeptSegments | undefined): boolean {
	return one?.modulus === other?.modulus && one?.residues.join() === other?.residues.join();
}
