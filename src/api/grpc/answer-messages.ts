/** Messages to a client, never more of them on their way than a bound. */
import type { ServerWritableStream } from '@grpc/grpc-js';
import { PerigeeError } from '../../errors.js';
import { LIMITS } from '../../limits.js';
import type { UploadWatch, WatchedUpload } from '../rest/upload-watch.js';
import type { WatchedCall } from './watched-call.js';

export class AnswerMessages<Message> {
	readonly #call: ServerWritableStream<unknown, Message>;
	readonly #watch: UploadWatch;
	readonly #watched: WatchedUpload;
	#bytes = 0;
	#failure: PerigeeError | undefined;
	#wake: (() => void) | undefined;

	/** A client that takes nothing for the watch's time is given up. */
	constructor(call: ServerWritableStream<unknown, Message>, sending: WatchedCall, watch: UploadWatch) {
		this.#call = call;
		this.#watch = watch;
		this.#watched = {
			moved: true,
			waitsForNode: true,
			receivedBytes: () => 0,
			onIdle: () => {
				this.#fail(new PerigeeError('CLIENT_GONE', `Nothing was taken for ${watch.idleTimeoutMs} ms.`));
				sending.cut();
			},
		};
		call.on('cancelled', this.#gone);
		if (call.cancelled) this.#gone();
		watch.add(this.#watched);
	}

	/** Sends a message of so many bytes; resolves when there is room for the next one. Errors: CLIENT_GONE. */
	async send(message: Message, bytes: number): Promise<void> {
		this.#check();
		this.#bytes += bytes;
		this.#call.write(message, () => {
			this.#bytes -= bytes;
			this.#watched.moved = true;
			this.#wake?.();
		});
		await this.#below(LIMITS.grpcDownloadAheadBytes);
	}

	/** Resolves when the socket has taken everything. Errors: CLIENT_GONE. */
	taken(): Promise<void> {
		return this.#below(1);
	}

	close(): void {
		this.#watch.remove(this.#watched);
		this.#call.off('cancelled', this.#gone);
	}

	async #below(mostBytes: number): Promise<void> {
		while (this.#bytes >= mostBytes && !this.#failure) {
			this.#watched.waitsForNode = false;
			await new Promise<void>((resolve) => {
				this.#wake = resolve;
			});
			this.#watched.waitsForNode = true;
		}
		this.#check();
	}

	readonly #gone = (): void => this.#fail(new PerigeeError('CLIENT_GONE'));

	#fail(error: PerigeeError): void {
		this.#failure ??= error;
		this.#wake?.();
	}

	#check(): void {
		if (this.#failure) throw this.#failure;
	}
}
