/** A local file or bytes as the client library sends them, hashed as they are read. */
import { stat } from 'node:fs/promises';
import type { Reopenable } from '../client/source.js';
import { changedWhileRead, emptyFile, finishHash, type HashedFile, readLocal } from './local-file.js';
import { RootStream } from './root-stream.js';

export interface FileToSend {
	/** Path of the file, `-` for standard input, or the bytes themselves. */
	readonly source: string | Uint8Array;
	/** What messages call it. */
	readonly label: string;
	/** Name under which it is stored. */
	readonly name: string;
	/** Media type. */
	readonly type?: string | undefined;
	/** Unknown of standard input. */
	readonly sizeBytes: number | undefined;
	/** Called with the bytes that were sent. */
	readonly onSent: (bytes: number) => void;
}

/** Each byte is hashed once, as it was read first; the hash of what stands before the first byte that is sent comes before it. */
export class HashedContent implements Reopenable {
	readonly #file: FileToSend;
	#hash: RootStream;
	#hashed: HashedFile | undefined;
	#shownBytes = 0;

	constructor(file: FileToSend) {
		this.#file = file;
		this.#hash = new RootStream(file.sizeBytes);
	}

	/** 0 when it is not known. */
	get size(): number {
		return this.#file.sizeBytes ?? 0;
	}

	/** Errors: CliError, when the content is empty or has not its size; those of the file system. */
	async *open(from: number): AsyncGenerator<Uint8Array, void, undefined> {
		const { source, label, sizeBytes } = this.#file;
		const start = Math.min(from, this.#hash.sizeBytes);
		let at = start;
		for await (const chunk of this.#read(source, start)) {
			const end = at + chunk.length;
			if (sizeBytes !== undefined && end > sizeBytes) throw changedWhileRead(label);
			this.#take(chunk, at);
			if (end > from) yield at < from ? chunk.subarray(from - at) : chunk;
			at = end;
		}
		if (sizeBytes !== undefined && at !== sizeBytes) throw changedWhileRead(label);
		if (at === 0) throw emptyFile(label);
	}

	/** Root and size, once what nobody has read yet is read, too. Errors: as of `open`. */
	async hashed(): Promise<HashedFile> {
		if (this.#hashed) return this.#hashed;
		const { source, label, sizeBytes } = this.#file;
		if (sizeBytes !== undefined && this.#hash.sizeBytes < sizeBytes) for await (const _ of this.open(sizeBytes));
		if (typeof source === 'string' && source !== '-' && sizeBytes !== undefined) {
			const now = await stat(source);
			if (now.isFile() && now.size !== sizeBytes) throw changedWhileRead(label);
		}
		return (this.#hashed = finishHash(this.#hash, label));
	}

	/** Forgets what was hashed: the content is read anew. */
	restart(): void {
		this.#hash = new RootStream(this.#file.sizeBytes);
		this.#hashed = undefined;
	}

	#read(source: string | Uint8Array, from: number): AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
		if (typeof source !== 'string') return [source.subarray(from)];
		if (source === '-') return process.stdin as AsyncIterable<Buffer>;
		return readLocal(source, this.#file.sizeBytes, from) as AsyncIterable<Buffer>;
	}

	#take(chunk: Uint8Array, at: number): void {
		const known = this.#hash.sizeBytes - at;
		if (known < chunk.length) this.#hash.update(known > 0 ? chunk.subarray(known) : chunk);
		const done = Math.max(this.#shownBytes, at + chunk.length);
		this.#file.onSent(done - this.#shownBytes);
		this.#shownBytes = done;
	}
}
