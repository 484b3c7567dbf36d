/** What can be uploaded, as pieces of bounded size. */
import { iterated } from './request.js';

/** Bytes to upload. A stream or iterable is read once, from its beginning. */
export type Content = Blob | Uint8Array | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;

/** Bytes of the content where they are known beforehand. */
export function sizeOf(content: Content): number | undefined {
	return content instanceof Blob || content instanceof Uint8Array ? lengthOf(content) : undefined;
}

export function lengthOf(piece: Blob | Uint8Array): number {
	return piece instanceof Blob ? piece.size : piece.length;
}

/** The content as a stream that is read no faster than it is taken. Once `isOver` says so, whoever takes it gets no more of it. */
export function streamOf(
	content: Content,
	onBytes: (count: number) => void = () => undefined,
	isOver: () => boolean = () => false,
): ReadableStream<Uint8Array> {
	const pieces = iterable(content);
	return new ReadableStream<Uint8Array>({
		async pull(controller) {
			const step = await pieces.next();
			if (step.done === true) {
				controller.close();
				return;
			}
			onBytes(step.value.length);
			if (isOver()) {
				await pieces.return();
				controller.error(new Error('nobody takes this any more'));
			} else controller.enqueue(step.value);
		},
		async cancel() {
			await pieces.return();
		},
	});
}

/** Reads content piece by piece from a first byte on; every piece but the last has `pieceBytes`. */
export class Pieces {
	readonly #content: Content;
	readonly #pieceBytes: number;
	#at: number;
	#chunks: AsyncIterator<Uint8Array> | undefined;
	#rest: Uint8Array = new Uint8Array(0);
	#skip: number;

	constructor(content: Content, pieceBytes: number, from: number) {
		this.#content = content;
		this.#pieceBytes = pieceBytes;
		this.#at = from;
		this.#skip = from;
	}

	/** The next piece; empty at the end. */
	async next(): Promise<Blob | Uint8Array> {
		const content = this.#content;
		if (content instanceof Blob || content instanceof Uint8Array) {
			const from = this.#at;
			this.#at += this.#pieceBytes;
			return content instanceof Blob ? content.slice(from, this.#at) : content.subarray(from, this.#at);
		}
		const piece = new Uint8Array(this.#pieceBytes);
		let filled = 0;
		while (filled < piece.length) {
			const chunk = await this.#chunk();
			if (!chunk) break;
			const part = chunk.subarray(0, piece.length - filled);
			piece.set(part, filled);
			filled += part.length;
			this.#rest = chunk.subarray(part.length);
		}
		return piece.subarray(0, filled);
	}

	/** Ends a stream that is not read to its end. */
	async close(): Promise<void> {
		await this.#chunks?.return?.();
	}

	/** Some next bytes behind those that are left out. */
	async #chunk(): Promise<Uint8Array | undefined> {
		let chunk: Uint8Array | undefined = this.#rest;
		this.#rest = new Uint8Array(0);
		while (chunk.length === 0) {
			this.#chunks ??= iterable(this.#content)[Symbol.asyncIterator]();
			const step: IteratorResult<Uint8Array> = await this.#chunks.next();
			if (step.done === true) return undefined;
			chunk = step.value.subarray(this.#skip);
			this.#skip -= step.value.length - chunk.length;
		}
		return chunk;
	}
}

async function* iterable(content: Content): AsyncGenerator<Uint8Array, void, undefined> {
	if (content instanceof Uint8Array) yield content;
	else if (content instanceof Blob) yield* iterated(content.stream() as ReadableStream<Uint8Array>);
	else if (content instanceof ReadableStream) yield* iterated(content);
	else yield* content;
}
