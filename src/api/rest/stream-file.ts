/** The hot path of downloads: pieces of a file into the answer's socket, never more ahead of it than a bound. */
import type { ServerResponse } from 'node:http';
import { PerigeeError } from '../../errors.js';
import type { FilePiece } from '../../log-layer/types.js';
import { LIMITS } from '../../limits.js';
import type { DownloadWatch, WatchedDownload } from './download-watch.js';

/**
 * Sends the pieces, `lengthBytes` in all, after `writeHead`, which is called once the first piece is there, so that an
 * error before it can still become an answer. While one piece is being sent the next is read. Answers the bytes handed to
 * the socket; a client that goes away ends it without an error. After the head, an error cuts the connection: half a file
 * never looks whole.
 */
export async function streamFile(
	pieces: AsyncIterable<FilePiece>,
	lengthBytes: number,
	response: ServerResponse,
	writeHead: () => void,
	watch: DownloadWatch,
): Promise<number> {
	const iterator = pieces[Symbol.asyncIterator]();
	const flight = new Flight(response, watch);
	let coming: Promise<IteratorResult<FilePiece>> | undefined = iterator.next();
	let sentBytes = 0;
	try {
		for (let step = await flight.next(coming); !flight.closed; step = await flight.next(coming)) {
			if (step.done === true) throw new PerigeeError('INTERNAL', `${sentBytes} of ${lengthBytes} bytes were read`);
			if (sentBytes === 0) writeHead();
			sentBytes += step.value.bytes.length;
			if (sentBytes >= lengthBytes) {
				coming = undefined;
				flight.sendLast(step.value);
				break;
			}
			coming = iterator.next();
			// Awaited below; until then a rejection must not count as unhandled.
			coming.catch(ignoreUntilAwaited);
			flight.send(step.value);
			if (flight.isFull) await flight.room();
		}
		return sentBytes;
	} catch (error) {
		if (response.headersSent) response.destroy();
		throw error;
	} finally {
		await abandon(iterator, coming);
		flight.end();
	}
}

function ignoreUntilAwaited(): void {}

/** Ends the iteration; a piece that was read ahead goes back. */
async function abandon(
	iterator: AsyncIterator<FilePiece>,
	coming: Promise<IteratorResult<FilePiece>> | undefined,
): Promise<void> {
	const step = await coming?.catch(() => undefined);
	if (step !== undefined && step.done !== true) step.value.release();
	await iterator.return?.();
}

/** Pieces that the socket has not taken yet. Their buffers go back in the order of their writes, or all when it closes. */
class Flight implements WatchedDownload {
	closed: boolean;
	heldSinceMs: number | undefined;
	waitsSinceMs: number | undefined;
	readonly #watch: DownloadWatch;
	readonly #response: ServerResponse;
	readonly #pieces: FilePiece[] = [];
	#bytes = 0;
	#isOver = false;
	#wake: (() => void) | undefined;

	constructor(response: ServerResponse, watch: DownloadWatch) {
		this.#response = response;
		this.#watch = watch;
		watch.add(this);
		this.closed = response.destroyed;
		response.on('close', () => this.#close());
	}

	get unsentBytes(): number | undefined {
		// Node counts a write as a whole; what is left of it the handle alone tells.
		const socket = this.#response.socket as unknown as {
			readonly _handle?: { readonly writeQueueSize?: number };
		} | null;
		return socket?._handle?.writeQueueSize;
	}

	get isFull(): boolean {
		return this.#bytes >= LIMITS.httpDownloadAheadBytes && !this.closed;
	}

	/** Waits for a piece that is being read. */
	async next(coming: Promise<IteratorResult<FilePiece>>): Promise<IteratorResult<FilePiece>> {
		this.waitsSinceMs = this.#watch.nowMs();
		try {
			return await coming;
		} finally {
			this.waitsSinceMs = undefined;
		}
	}

	/** Nothing more comes. What the socket has not taken yet stays under watch. */
	end(): void {
		this.#isOver = true;
		if (this.#pieces.length === 0) this.#watch.remove(this);
	}

	cut(): void {
		this.#response.destroy();
	}

	send(piece: FilePiece): void {
		this.#hold(piece);
		this.#response.write(piece.bytes, this.#taken);
	}

	/** Sends the last piece and ends the answer, in one write where that is all there is. */
	sendLast(piece: FilePiece): void {
		this.#hold(piece);
		this.#response.end(piece.bytes, this.#taken);
	}

	/** Resolves once a piece was taken, or the socket closed. */
	room(): Promise<void> {
		return new Promise((resolve) => {
			this.#wake = resolve;
		});
	}

	// Callbacks come in the order of the writes; one function serves them all.
	readonly #taken = (): void => {
		const piece = this.#pieces.shift();
		if (piece === undefined) return;
		this.#bytes -= piece.bytes.length;
		piece.release();
		this.heldSinceMs = this.#pieces.length === 0 ? undefined : this.#watch.nowMs();
		if (this.#isOver && this.#pieces.length === 0) this.#watch.remove(this);
		this.#wakeUp();
	};

	#hold(piece: FilePiece): void {
		this.heldSinceMs ??= this.#watch.nowMs();
		this.#pieces.push(piece);
		this.#bytes += piece.bytes.length;
	}

	#close(): void {
		this.closed = true;
		this.heldSinceMs = undefined;
		this.#watch.remove(this);
		for (const piece of this.#pieces.splice(0)) piece.release();
		this.#bytes = 0;
		this.#wakeUp();
	}

	#wakeUp(): void {
		const wake = this.#wake;
		this.#wake = undefined;
		wake?.();
	}
}
