/**
 * Rows that were read or written lately, by key; bounded by count. Also remembers that there is no row. Two generations instead of an exact
 * order of use: a hit in the older one moves to the younger one, and when the younger is full the older is forgotten.
 */
export class RowCache {
	#young = new Map<string, Uint8Array | null>();
	#old = new Map<string, Uint8Array | null>();
	readonly #mostYoung: number;

	constructor(mostRows: number) {
		this.#mostYoung = Math.ceil(mostRows / 2);
	}

	/** The row; null: known not to exist; undefined: not known here. */
	get(key: string): Uint8Array | null | undefined {
		const young = this.#young.get(key);
		if (young !== undefined) return young;
		const old = this.#old.get(key);
		if (old !== undefined) this.set(key, old);
		return old;
	}

	set(key: string, row: Uint8Array | null): void {
		this.#young.set(key, row);
		if (this.#young.size < this.#mostYoung) return;
		this.#old = this.#young;
		this.#young = new Map();
	}
}
