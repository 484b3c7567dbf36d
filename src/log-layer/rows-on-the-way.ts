/**
 * Rows on their way into the engine, in order: what gathers while a batch is written is the next batch. Whoever reads a row looks here first.
 * A crash loses what it loses of the batches themselves: rows that the replay brings back. After a failed batch no further one follows, and
 * what was taken over stays readable.
 */
import type { KvOperation } from '../db/kv-engine.js';
import { deferred, type Deferred } from '../deferred.js';

interface Batch {
	readonly operations: Map<string, KvOperation>;
	readonly landed: Deferred<void>;
}

export class RowsOnTheWay {
	readonly #write: (operations: readonly KvOperation[]) => Promise<void>;
	readonly #failed: (error: Error) => void;
	#next: Batch | undefined;
	#flying: Batch | undefined;
	#isWriting = false;
	#failure: Error | undefined;

	/** `write` gives a batch to the engine; `failed` hears once that it refused one. */
	constructor(write: (operations: readonly KvOperation[]) => Promise<void>, failed: (error: Error) => void) {
		this.#write = write;
		this.#failed = failed;
	}

	/** Rows that are not in the engine yet. */
	get count(): number {
		return (this.#next?.operations.size ?? 0) + (this.#flying?.operations.size ?? 0);
	}

	/** The row as it will be; null: deleted; undefined: not on its way. */
	find(name: string): Uint8Array | null | undefined {
		const operation = this.#next?.operations.get(name) ?? this.#flying?.operations.get(name);
		if (!operation) return undefined;
		return operation.type === 'put' ? operation.value : null;
	}

	/** Takes rows over, by the name of their key. Errors: that of the batch that failed. */
	take(operations: ReadonlyMap<string, KvOperation>): void {
		if (this.#failure) throw this.#failure;
		this.#next ??= newBatch();
		for (const [name, operation] of operations) this.#next.operations.set(name, operation);
		if (this.#isWriting) return;
		this.#isWriting = true;
		// Who waits for these rows is answered first.
		setImmediate(() => void this.#writeAll());
	}

	/** Resolves when all that was taken so far is in the engine. Errors: those of the engine. */
	landed(): Promise<void> {
		const last = this.#next ?? this.#flying;
		if (last) return last.landed.promise;
		return Promise.resolve();
	}

	async #writeAll(): Promise<void> {
		for (let batch = this.#next; batch; batch = this.#next) {
			this.#next = undefined;
			this.#flying = batch;
			try {
				await this.#write([...batch.operations.values()]);
			} catch (error) {
				this.#fail(error instanceof Error ? error : new Error(String(error)));
				return;
			}
			this.#flying = undefined;
			batch.landed.resolve();
		}
		this.#isWriting = false;
	}

	#fail(error: Error): void {
		this.#failure = error;
		this.#flying?.landed.reject(error);
		this.#next?.landed.reject(error);
		this.#failed(error);
	}
}

function newBatch(): Batch {
	const landed = deferred();
	// Not everybody waits for it; the next to hand rows in hears of a failure.
	landed.promise.catch(() => undefined);
	return { operations: new Map(), landed };
}
