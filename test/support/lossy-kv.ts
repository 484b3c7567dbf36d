/**
 * KvEngine in memory that loses what a real one may lose: at a crash, any of the batches since the last flush. Also the reference
 * of the compliance suite.
 */
import { type KvEngine, type KvOperation, type KvRange, type KvRow, RowDamagedError } from '../../src/db/kv-engine.js';
import { PerigeeError } from '../../src/errors.js';
import type { Prng } from './prng.js';

const DEFAULT_CHUNK_ROWS = 1000;

/** Keys as latin-1 text: they sort like their bytes. */
type Rows = Map<string, Uint8Array>;

export class LossyKv implements KvEngine {
	readonly #durable: Rows;
	readonly #current: Rows;
	readonly #damaged: Set<string>;
	#sortedKeys: string[] | undefined;
	#unflushed: (readonly KvOperation[])[] = [];
	#closed = false;
	/** Calls before each batch and flush; what it throws is the call's answer. */
	before: ((kind: 'batch' | 'flush') => void) | undefined;

	constructor(rows: Rows = new Map(), damaged: ReadonlySet<string> = new Set()) {
		this.#durable = new Map(rows);
		this.#current = new Map(rows);
		this.#damaged = new Set(damaged);
	}

	async get(key: Uint8Array): Promise<Uint8Array | undefined> {
		const [value] = await this.getMany([key]);
		return value;
	}

	async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
		this.#assertOpen();
		const wanted = keys.map(textOf);
		await Promise.resolve();
		return wanted.map((key) => this.#read(key));
	}

	async batch(operations: readonly KvOperation[]): Promise<void> {
		this.#assertOpen();
		const copy = operations.map(copyOf);
		await Promise.resolve();
		this.before?.('batch');
		applyTo(this.#current, copy);
		for (const operation of copy) this.#damaged.delete(textOf(operation.key));
		this.#unflushed.push(copy);
		this.#sortedKeys = undefined;
	}

	async *scan(range: KvRange): AsyncGenerator<readonly KvRow[], void, undefined> {
		const chunkRows = Math.max(1, Math.min(range.chunkRows ?? DEFAULT_CHUNK_ROWS, DEFAULT_CHUNK_ROWS));
		let from = textOf(range.from);
		let to = textOf(range.to);
		let remaining = range.limitRows ?? Number.POSITIVE_INFINITY;
		while (remaining > 0) {
			this.#assertOpen();
			await Promise.resolve();
			const asked = Math.min(chunkRows, remaining);
			const keys = this.#keysBetween(from, to, asked, range.reverse ?? false);
			const last = keys.at(-1);
			if (last === undefined) return;
			yield keys.map((key) => ({ key: bytesOf(key), value: this.#read(key) as Uint8Array }));
			if (keys.length < asked) return;
			remaining -= keys.length;
			if (range.reverse) to = last;
			else from = `${last}\0`;
		}
	}

	async flush(): Promise<void> {
		this.#assertOpen();
		await Promise.resolve();
		this.before?.('flush');
		for (const batch of this.#unflushed) applyTo(this.#durable, batch);
		this.#unflushed = [];
	}

	async close(): Promise<void> {
		this.#closed = true;
	}

	/**
	 * What a crash leaves: everything up to the last flush, and of the later batches any, in their order. Changes nothing here, so
	 * several outcomes of one moment can be tried.
	 */
	crash(prng: Prng): LossyKv {
		const rows = new Map(this.#durable);
		const style = prng.below(4);
		for (const batch of this.#unflushed) {
			const survives = style === 0 ? false : style === 1 ? true : prng.chance(0.5);
			if (survives) applyTo(rows, batch);
		}
		return new LossyKv(rows, new Set([...this.#damaged].filter((key) => rows.has(key))));
	}

	/** What a killed process leaves: every batch that was answered. Changes nothing here. */
	kill(): LossyKv {
		const after = new LossyKv(this.#durable, this.#damaged);
		for (const batch of this.#unflushed) {
			applyTo(after.#current, batch);
			after.#unflushed.push(batch);
		}
		return after;
	}

	/** From now on, reading this row throws RowDamagedError, until it is written again. */
	damage(key: Uint8Array): void {
		this.#damaged.add(textOf(key));
	}

	/** Rows as they are now, for comparisons. */
	get size(): number {
		return this.#current.size;
	}

	#read(key: string): Uint8Array | undefined {
		const value = this.#current.get(key);
		if (value !== undefined && this.#damaged.has(key)) throw new RowDamagedError(bytesOf(key));
		return value === undefined ? undefined : Uint8Array.from(value);
	}

	#keysBetween(from: string, to: string, limit: number, reverse: boolean): string[] {
		this.#sortedKeys ??= [...this.#current.keys()].sort(byCodeUnits);
		const keys = this.#sortedKeys;
		const first = firstNotBelow(keys, from);
		const end = firstNotBelow(keys, to);
		if (first >= end) return [];
		return reverse
			? keys.slice(Math.max(first, end - limit), end).reverse()
			: keys.slice(first, Math.min(end, first + limit));
	}

	#assertOpen(): void {
		if (this.#closed) throw new PerigeeError('SHUTTING_DOWN', 'the index is closed');
	}
}

function applyTo(rows: Rows, operations: readonly KvOperation[]): void {
	for (const operation of operations) {
		if (operation.type === 'put') rows.set(textOf(operation.key), operation.value);
		else rows.delete(textOf(operation.key));
	}
}

function copyOf(operation: KvOperation): KvOperation {
	const key = Uint8Array.from(operation.key);
	return operation.type === 'del'
		? { type: 'del', key }
		: { type: 'put', key, value: Uint8Array.from(operation.value) };
}

function byCodeUnits(a: string, b: string): number {
	return a < b ? -1 : a > b ? 1 : 0;
}

function firstNotBelow(sorted: readonly string[], key: string): number {
	let low = 0;
	let high = sorted.length;
	while (low < high) {
		const middle = (low + high) >>> 1;
		if ((sorted[middle] as string) < key) low = middle + 1;
		else high = middle;
	}
	return low;
}

function textOf(key: Uint8Array): string {
	return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
}

function bytesOf(text: string): Buffer {
	return Buffer.from(text, 'latin1');
}
