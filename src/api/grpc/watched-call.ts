/** One call on its way through the server, as an interceptor of grpc-js sees it. */
import { type Metadata, ServerInterceptingCall, ServerListenerBuilder } from '@grpc/grpc-js';
import { constants, type ServerHttp2Stream } from 'node:http2';
import { asPerigeeError, PerigeeError } from '../../errors.js';
import { LIMITS } from '../../limits.js';
import type { Calls } from './calls.js';
import { failureOf } from './failure.js';
import { type MessageBuffers, MessageDecoder } from './message-decoder.js';
import type { MethodRule } from './methods.js';
import { STATUS_NAMES, type StatusName } from './status.js';

type NextCall = ConstructorParameters<typeof ServerInterceptingCall>[0];

export interface CallOptions {
	readonly rule: MethodRule;
	/** The client sends any number of messages. */
	readonly requestStream: boolean;
	/** Undefined where grpc-js does not show it. */
	readonly stream: ServerHttp2Stream | undefined;
}

export class WatchedCall extends ServerInterceptingCall {
	readonly requestId: string;
	readonly #calls: Calls;
	readonly #options: CallOptions;
	readonly #startMs = performance.now();
	readonly #decoder: MessageDecoder | undefined;
	#isOver = false;
	/** The client has said that no message comes any more. */
	#isWhole = false;
	/** Ends the wait for the rest of the request. */
	#hasWholeRequest: (() => void) | undefined;
	/** Undefined: messages are read as fast as grpc-js likes. */
	#reads: { allowed: number; wanted: boolean } | undefined;

	constructor(calls: Calls, next: NextCall, options: CallOptions) {
		super(next, {
			start: (begin) => begin(this.#listener()),
			sendStatus: (status, send) => {
				this.#answered(status);
				send(status);
			},
		});
		this.#calls = calls;
		this.#options = options;
		this.requestId = calls.newRequestId();
		if (options.rule.kind === 'segments') this.#decoder = gatherMessages(next, calls.messageBuffers);
	}

	/** Its answer is known, or nobody waits for it any more. */
	get isOver(): boolean {
		return this.#isOver;
	}

	get kind(): MethodRule['kind'] {
		return this.#options.rule.kind;
	}

	/** Nobody reads the call's messages any more. Without this their memory is left to the collector. */
	releaseMessages(): void {
		this.#decoder?.release();
	}

	/** Ends the call with the status and code of an error. */
	fail(error: PerigeeError): void {
		this.#calls.failed(error);
		this.sendStatus(failureOf(error, this.requestId));
	}

	/** Breaks the call off, whatever waits to be sent. */
	cut(): void {
		this.#options.stream?.close(constants.NGHTTP2_CANCEL);
	}

	/** From now on a message is read only when it was asked for: grpc-js alone would read up to 16 of them ahead. */
	readOnDemand(): void {
		this.#reads ??= { allowed: 0, wanted: false };
	}

	/** Asks for the next message. */
	allowRead(): void {
		const reads = this.#reads;
		if (!reads) return;
		if (!reads.wanted) {
			reads.allowed++;
			return;
		}
		reads.wanted = false;
		super.startRead();
	}

	override startRead(): void {
		const reads = this.#reads;
		if (!reads || reads.allowed > 0) {
			if (reads) reads.allowed--;
			super.startRead();
		} else reads.wanted = true;
	}

	#listener(): ReturnType<ServerListenerBuilder['build']> {
		return new ServerListenerBuilder()
			.withOnReceiveMetadata((metadata, next) => this.#arrived(metadata, next))
			.withOnReceiveHalfClose((next) => {
				this.#isWhole = true;
				this.#hasWholeRequest?.();
				next();
			})
			.withOnCancel(() => this.#over(this.#isLate() ? 'DEADLINE_EXCEEDED' : 'CANCELLED'))
			.build();
	}

	#arrived(metadata: Metadata, next: (metadata: Metadata) => void): void {
		const { rule, requestStream } = this.#options;
		try {
			this.#calls.admit(this, metadata, rule);
		} catch (error) {
			this.fail(asPerigeeError(error));
			return;
		}
		// Streams that move files are watched by those who read them.
		if (!requestStream || rule.kind === 'side') {
			this.#hasWholeRequest = this.#calls.clock.schedule(LIMITS.grpcRequestMs, () =>
				this.fail(new PerigeeError('REQUEST_TIMEOUT')),
			);
		}
		next(metadata);
	}

	#answered(status: { readonly code?: number | null }): void {
		this.#over(STATUS_NAMES[status.code ?? 0] ?? 'UNKNOWN');
		const { stream } = this.#options;
		if (!stream || this.#isWhole) return;
		// Who goes on sending after the answer, or says never that it was all, is told to stop: until then its stream holds what came.
		const hasStopped = this.#calls.clock.schedule(LIMITS.httpLingerMs, () => stream.close(constants.NGHTTP2_NO_ERROR));
		stream.once('close', hasStopped);
	}

	#over(status: StatusName): void {
		this.#hasWholeRequest?.();
		if (this.#isOver) return;
		this.#isOver = true;
		this.#calls.ended(this, this.#options.rule, status, (performance.now() - this.#startMs) / 1000);
	}

	#isLate(): boolean {
		const deadline = this.getDeadline();
		return typeof deadline === 'number' && deadline <= Date.now();
	}
}

/** Lets a call gather its messages in buffers that are used again. Where grpc-js has no such field any more, it joins them itself, only slower. */
function gatherMessages(next: NextCall, buffers: MessageBuffers): MessageDecoder | undefined {
	const call = next as unknown as { decoder?: Pick<MessageDecoder, 'write'> };
	if (!call.decoder) return undefined;
	const decoder = new MessageDecoder(buffers);
	call.decoder = decoder;
	return decoder;
}
