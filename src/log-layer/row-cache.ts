/**
 * Rows that were read or written lately, by key; bounded by count and bytes. Also remembers that there is no row. Two generations instead of an
 * exact order of use: a hit in the older one moves to the younger one, and when the younger is full the older is forgotten.
 *
 * Rows are copied into one stretch of memory for each generation: as they come they are small parts of blocks that others have parts of, and
 * each row that is kept would keep such a block.
 */
export class RowCache {
	#young: Generation;
	#old: Generation;
	readonly #mostYoung: number;
	readonly #youngBytes: number;

	/** `mostBytes`: of the rows alone. */
	constructor(mostRows: number, mostBytes: number) {
		this.#mostYoung = Math.ceil(mostRows / 2);
		this.#youngBytes = Math.ceil(mostBytes / 2);
		this.#young = new Generation(this.#youngBytes);
		this.#old = new Generation(0);
	}

	/** The row; null: known not to exist; undefined: not known here. */
	get(key: string): Uint8Array | null | undefined {
		const young = this.#young.rows.get(key);
		if (young !== undefined) return young;
		const old = this.#old.rows.get(key);
		if (old !== undefined) this.set(key, old);
		return old;
	}

	set(key: string, row: Uint8Array | null): void {
		if (row && row.length > this.#youngBytes) {
			this.#young.rows.delete(key);
			this.#old.rows.delete(key);
			return;
		}
		if (this.#young.rows.size >= this.#mostYoung || !this.#young.hasRoom(row)) {
			this.#old = this.#young;
			this.#young = new Generation(this.#youngBytes);
		}
		this.#young.set(key, row);
	}
}

class Generation {
	readonly rows = new Map<string, Uint8Array | null>();
	readonly #bytes: Buffer;
	#used = 0;

	constructor(bytes: number) {
		this.#bytes = Buffer.allocUnsafeSlow(bytes);
	}

	hasRoom(row: Uint8Array | null): boolean {
		return this.#used + (row?.length ?? 0) <= this.#bytes.length;
	}

	set(key: string, row: Uint8Array | null): void {
		if (!row) {
			this.rows.set(key, null);
			return;
		}
		const kept = this.#bytes.subarray(this.#used, this.#used + row.length);
		kept.set(row);
		this.#used += row.length;
		this.rows.set(key, kept);
	}
}
