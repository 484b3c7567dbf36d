/** The messages of a client, one after another: the next one leaves the socket only when it is asked for. */
import type { EventEmitter } from 'node:events';
import { deferred, type Deferred } from '../../deferred.js';
import { PerigeeError } from '../../errors.js';
import type { UploadWatch, WatchedUpload } from '../rest/upload-watch.js';
import type { WatchedCall } from './watched-call.js';

export class RequestMessages<Message> {
	readonly #call: EventEmitter;
	readonly #reading: WatchedCall;
	readonly #watch: UploadWatch;
	readonly #watched: WatchedUpload;
	readonly #bytesOf: (message: Message) => number;
	/** Somebody waits for a message. */
	#asked: Deferred<Message | undefined> | undefined;
	#receivedBytes = 0;
	#hasEnded = false;
	#failure: PerigeeError | undefined;

	/**
	 * `call`: emits `data`, `end` and `cancelled`. A client of which nothing, or too little, comes while the node waits for it is given up.
	 * `bytesOf`: what a message brings.
	 */
	constructor(call: EventEmitter, reading: WatchedCall, watch: UploadWatch, bytesOf: (message: Message) => number) {
		this.#call = call;
		this.#reading = reading;
		this.#watch = watch;
		this.#bytesOf = bytesOf;
		this.#watched = {
			moved: true,
			waitsForNode: false,
			receivedBytes: () => this.#receivedBytes,
			onIdle: () =>
				this.#fail(new PerigeeError('UPLOAD_TIMEOUT', `Nothing arrived for ${this.#watch.idleTimeoutMs} ms.`)),
		};
		reading.readOnDemand();
		call.on('data', this.#take);
		call.on('end', this.#end);
		call.on('cancelled', this.#gone);
		watch.add(this.#watched);
	}

	/** The next message; undefined behind the last one. Errors: CLIENT_GONE, UPLOAD_TIMEOUT. */
	next(): Promise<Message | undefined> {
		if (this.#failure) return Promise.reject(this.#failure);
		if (this.#hasEnded) return Promise.resolve(undefined);
		const asked = deferred<Message | undefined>();
		this.#asked = asked;
		this.#watched.waitsForNode = false;
		this.#watched.moved = true;
		this.#reading.allowRead();
		return asked.promise;
	}

	/** Nothing more is asked for. What still comes is thrown away. */
	close(): void {
		this.#watch.remove(this.#watched);
		this.#call.off('data', this.#take);
		this.#call.off('end', this.#end);
		this.#call.off('cancelled', this.#gone);
	}

	readonly #take = (message: Message): void => {
		this.#receivedBytes += this.#bytesOf(message);
		this.#answer()?.resolve(message);
	};

	readonly #end = (): void => {
		this.#hasEnded = true;
		this.#answer()?.resolve(undefined);
	};

	readonly #gone = (): void => this.#fail(new PerigeeError('CLIENT_GONE'));

	#fail(error: PerigeeError): void {
		this.#failure ??= error;
		this.#answer()?.reject(this.#failure);
	}

	#answer(): Deferred<Message | undefined> | undefined {
		const asked = this.#asked;
		this.#asked = undefined;
		this.#watched.waitsForNode = true;
		return asked;
	}
}
