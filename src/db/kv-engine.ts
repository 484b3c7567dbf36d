/**
 * An ordered key-value store of the view. Nothing above this room knows which engine is behind it.
 *
 * Promises: a batch is applied whole or not at all; batches that were awaited one after another survive a killed process
 * as a prefix; NOTHING survives a lost power supply but what came before the last `flush` that was answered.
 * Each row carries a checksum that every get and scan verifies: a mismatch throws RowDamagedError. Damage that the engine itself
 * finds in its files throws ViewDamagedError. Further errors: DISK_FULL, SHUTTING_DOWN (after `close` was called).
 */
export interface KvEngine {
	get(key: Uint8Array): Promise<Uint8Array | undefined>;
	/** Values in the order of the keys; undefined where there is no row. */
	getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
	batch(operations: readonly KvOperation[]): Promise<void>;
	/**
	 * Rows in key order (reverse: from the end), in chunks of at most `chunkRows`. The rows of one chunk are of one moment; later chunks see
	 * what was written meanwhile. Nothing is held between chunks: leaving the loop early, or pausing for long, costs nothing.
	 */
	scan(range: KvRange): AsyncIterable<readonly KvRow[]>;
	/** Forces every earlier batch into tables on disk (they are then as durable as the file system's sync). */
	flush(): Promise<void>;
	close(): Promise<void>;
}

export type KvOperation =
	| { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
	| { readonly type: 'del'; readonly key: Uint8Array };

export interface KvRow {
	readonly key: Uint8Array;
	readonly value: Uint8Array;
}

export interface KvRange {
	/** First key (included). */
	readonly from: Uint8Array;
	/** End of the range (excluded). */
	readonly to: Uint8Array;
	readonly reverse?: boolean;
	/** At most this many rows in all. */
	readonly limitRows?: number;
	/** At most this many rows a chunk. */
	readonly chunkRows?: number;
}

/** The view is damaged and must be rebuilt. */
export class ViewDamagedError extends Error {
	constructor(message: string, options?: ErrorOptions) {
		super(message, options);
		this.name = 'ViewDamagedError';
	}
}

/** A row whose checksum does not match: the view must be rebuilt. */
export class RowDamagedError extends ViewDamagedError {
	readonly key: Uint8Array;
	constructor(key: Uint8Array) {
		super(`a row of the view is damaged (key 0x${Buffer.from(key).toString('hex')})`);
		this.name = 'RowDamagedError';
		this.key = key;
	}
}
