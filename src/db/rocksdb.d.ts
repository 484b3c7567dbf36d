/** The part of npm rocksdb 5.2.1 that rocks.ts uses. Keys and values must be Buffers: anything else is turned into text. */
declare module 'rocksdb' {
	export type Done = (error: Error | null | undefined) => void;

	export interface OpenOptions {
		readonly createIfMissing: boolean;
		readonly compression: boolean;
		/** Bytes, unsigned 32-bit. */
		readonly cacheSize: number;
		/** Bytes, unsigned 32-bit. */
		readonly writeBufferSize: number;
		readonly maxOpenFiles: number;
	}

	export interface IteratorOptions {
		readonly gte?: Buffer;
		readonly gt?: Buffer;
		readonly lt: Buffer;
		readonly reverse: boolean;
		readonly limit: number;
		readonly highWaterMark: number;
	}

	export interface RocksIterator {
		/** Calls back without a key at the end. */
		next(done: (error: Error | null | undefined, key?: Buffer, value?: Buffer) => void): void;
		end(done: Done): void;
	}

	export type BatchOperation =
		| { readonly type: 'put'; readonly key: Buffer; readonly value: Buffer }
		| { readonly type: 'del'; readonly key: Buffer };

	/** Operations that are handed over one by one. */
	export interface ChainedBatch {
		put(key: Buffer, value: Buffer): this;
		del(key: Buffer): this;
		write(options: { readonly sync: boolean }, done: Done): void;
	}

	export default class RocksDb {
		constructor(location: string);
		open(options: OpenOptions, done: Done): void;
		close(done: Done): void;
		getMany(
			keys: readonly Buffer[],
			options: { readonly asBuffer: true },
			done: (error: Error | null | undefined, values?: (Buffer | undefined)[]) => void,
		): void;
		batch(): ChainedBatch;
		batch(operations: readonly BatchOperation[], options: { readonly sync: boolean }, done: Done): void;
		compactRange(from: Buffer, to: Buffer, done: Done): void;
		getProperty(name: string): string;
		iterator(options: IteratorOptions): RocksIterator;
		static destroy(location: string, done: Done): void;
	}
}
