/** What can be uploaded, as pieces of bounded size. */
import { iterated, RequestError } from './request.js';

/** Content that can be read again, from any of its bytes on: a file on a disk. */
export interface Reopenable {
	/** Bytes of the whole. */
	readonly size: number;
	/** The bytes from an offset to the end. Who has enough of them leaves off earlier. */
	open(from: number): AsyncIterable<Uint8Array>;
}

/** Bytes to upload. A stream or iterable is read once, from its beginning. */
export type Content = Piece | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;

/** Content of known size that can be read again. */
export type Piece = Blob | Uint8Array | Reopenable;

const SEGMENT_BYTES = 262_144;

/** Bytes of the content where they are known beforehand. */
export function sizeOf(content: Content): number | undefined {
	return isPiece(content) ? lengthOf(content) : undefined;
}

export function lengthOf(piece: Piece): number {
	return piece instanceof Uint8Array ? piece.length : piece.size;
}

function isPiece(content: Content): content is Piece {
	return content instanceof Blob || content instanceof Uint8Array || 'open' in content;
}

/** The part of a piece from `from` to `to`. */
function partOf(piece: Piece, from: number, to: number): Piece {
	if (piece instanceof Blob) return piece.slice(from, to);
	if (piece instanceof Uint8Array) return piece.subarray(from, to);
	const end = Math.min(to, piece.size);
	return { size: Math.max(end - from, 0), open: (at) => bounded(piece, from + at, end) };
}

async function* bounded(content: Reopenable, from: number, to: number): AsyncGenerator<Uint8Array, void, undefined> {
	let left = to - from;
	if (left <= 0) return;
	for await (const chunk of content.open(from)) {
		yield chunk.subarray(0, left);
		left -= chunk.length;
		if (left <= 0) return;
	}
	throw wrongSize(content.size);
}

/** The content is not what was said of it. */
export function wrongSize(size: number | undefined): TypeError {
	return new TypeError(`the content has not the ${size} bytes that were announced`);
}

/** The rest of a piece as a request takes it, and how it failed if it did: that is not the node's fault. */
export interface Body {
	readonly body: Blob | Uint8Array | ReadableStream<Uint8Array>;
	readonly headers: Readonly<Record<string, string>>;
	/** What reading the content has thrown, in a list of one. */
	readonly failures: readonly unknown[];
}

/** `onBytes`, `isOver`: as of `streamOf`. */
export function bodyOf(content: Content, from: number, onBytes: (count: number) => void, isOver: () => boolean): Body {
	const failures: unknown[] = [];
	if (content instanceof Blob || content instanceof Uint8Array)
		return { body: partOf(content, from, Number.POSITIVE_INFINITY) as Blob | Uint8Array, headers: {}, failures };
	const rest = isPiece(content) ? (partOf(content, from, content.size) as Reopenable) : undefined;
	return {
		body: streamOf(rest?.open(0) ?? content, { onBytes, isOver, onFailure: (error) => failures.push(error) }),
		headers: rest ? { 'Content-Length': String(rest.size) } : {},
		failures,
	};
}

/** How a stream is read. */
interface Reading {
	/** Told what was taken. */
	readonly onBytes?: (count: number) => void;
	/** Once it says so, whoever takes the stream gets no more of it. */
	readonly isOver?: () => boolean;
	/** Told what reading the content has thrown. */
	readonly onFailure?: (error: unknown) => void;
}

/** The content as a stream that is read no faster than it is taken. */
export function streamOf(
	content: Content,
	{ onBytes, isOver = () => false, onFailure }: Reading = {},
): ReadableStream<Uint8Array> {
	const pieces = iterable(content);
	return new ReadableStream<Uint8Array>({
		async pull(controller) {
			const step = await pieces.next().catch((error: unknown) => {
				onFailure?.(error);
				throw error;
			});
			if (step.done === true) {
				controller.close();
				return;
			}
			onBytes?.(step.value.length);
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

/** How content is cut. */
interface Cut {
	/** Of every piece but the last. Infinity: content that can be read again is one piece, and read while that is sent. */
	readonly pieceBytes: number;
	/** First byte. */
	readonly from: number;
	/** Nothing but the last segment is in the last piece. */
	readonly isEndApart: boolean;
}

/** Reads content piece by piece. Errors: RangeError for a size that no piece can have. */
export class Pieces {
	readonly #content: Content;
	readonly #cut: Cut;
	#at: number;
	#chunks: AsyncIterator<Uint8Array> | undefined;
	#rest: Uint8Array = new Uint8Array(0);
	#skip: number;

	constructor(content: Content, cut: Cut) {
		this.#content = content;
		this.#cut = cut;
		this.#at = cut.from;
		this.#skip = cut.from;
	}

	/** The next piece; empty at the end. */
	async next(): Promise<Piece> {
		const content = this.#content;
		const { pieceBytes, isEndApart } = this.#cut;
		if (isPiece(content) && (pieceBytes === Number.POSITIVE_INFINITY || !('open' in content))) {
			const from = this.#at;
			const size = lengthOf(content);
			const end = isEndApart ? Math.floor((size - 1) / SEGMENT_BYTES) * SEGMENT_BYTES : size;
			this.#at = Math.min(from + pieceBytes, from < end ? end : size);
			return partOf(content, from, this.#at);
		}
		const piece = new Uint8Array(pieceBytes);
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
			this.#chunks ??= this.#open();
			const step: IteratorResult<Uint8Array> = await this.#chunks.next();
			if (step.done === true) return undefined;
			chunk = step.value.subarray(this.#skip);
			this.#skip -= step.value.length - chunk.length;
		}
		return chunk;
	}

	#open(): AsyncIterator<Uint8Array> {
		const content = this.#content;
		if (!('open' in content)) return iterable(content);
		this.#skip = 0;
		return iterable(partOf(content, this.#at, content.size));
	}
}

async function* iterable(content: Content): AsyncGenerator<Uint8Array, void, undefined> {
	if (content instanceof Uint8Array) yield content;
	else if (content instanceof Blob) yield* iterated(content.stream() as ReadableStream<Uint8Array>);
	else if (content instanceof ReadableStream) yield* iterated(content);
	else yield* 'open' in content ? content.open(0) : content;
}

/** Errors: RangeError. */
export function checkPieceBytes(pieceBytes: number, content: Content): void {
	const isWhole = Number.isSafeInteger(pieceBytes) && pieceBytes >= 1;
	if (!isWhole && !(pieceBytes === Number.POSITIVE_INFINITY && isPiece(content)))
		throw new RangeError(
			'pieceBytes is a whole number from 1, or Infinity for content that can be read again from an offset',
		);
}

/** Errors: TypeError for what is no content. */
export function checkContent(content: unknown): void {
	const isKnown = content instanceof Blob || content instanceof Uint8Array || content instanceof ReadableStream;
	if (isKnown) return;
	const {
		open,
		size,
		[Symbol.asyncIterator]: iterate,
	} = (content ?? {}) as Partial<Reopenable & AsyncIterable<unknown>>;
	if (typeof iterate === 'function' || (typeof open === 'function' && Number.isSafeInteger(size))) return;
	throw new TypeError('content is a Blob, a Uint8Array, a stream, an async iterable, or an object with size and open');
}

/** Names that no address can say, and that no node takes. Errors: RequestError BAD_NAME. */
export function checkName(name: string): void {
	const isPlace = name === '.' || name === '..';
	if (!isPlace && !/\p{Surrogate}/u.test(name)) return;
	throw new RequestError(`${JSON.stringify(name)} is no name of a file.`, {
		code: 'BAD_NAME',
		hint: 'Use at most 1,024 bytes of UTF-8 without control characters; "." and ".." mean places.',
	});
}
