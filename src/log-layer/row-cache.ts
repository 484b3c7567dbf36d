/** Rows that were read or written lately, by key; bounded by count. Also remembers that there is no row. */
export class RowCache {
	readonly #rows = new Map<string, Uint8Array | null>();
	readonly #mostRows: number;

	constructor(mostRows: number) {
		this.#mostRows = mostRows;
	}

	/** The row; null: known not to exist; undefined: not known here. */
	get(key: string): Uint8Array | null | undefined {
		const row = this.#rows.get(key);
		if (row !== undefined) {
			this.#rows.delete(key);
			this.#rows.set(key, row);
		}
		return row;
	}

	set(key: string, row: Uint8Array | null): void {
		this.#rows.delete(key);
		this.#rows.set(key, row);
		if (this.#rows.size <= this.#mostRows) return;
		const oldest = this.#rows.keys().next();
		if (!oldest.done) this.#rows.delete(oldest.value);
	}
}
