/** The calls in progress: their bounds, their metrics, and how they end when the node stops. */
import type { Metadata, ServerInterceptor } from '@grpc/grpc-js';
import type { ServerHttp2Stream } from 'node:http2';
import { PerigeeError } from '../../errors.js';
import type { Clock } from '../../io/clock.js';
import { LIMITS } from '../../limits.js';
import type { Metrics } from '../../metrics/metrics.js';
import type { Access } from '../auth/access.js';
import type { TokenHolder } from '../auth/token-registry.js';
import { MessageBuffers } from './message-decoder.js';
import { METHODS, OTHER_METHOD, type MethodRule } from './methods.js';
import type { StatusName } from './status.js';
import { WatchedCall } from './watched-call.js';

const MOST = { files: LIMITS.grpcFileCalls, segments: LIMITS.grpcSegmentCalls, side: LIMITS.grpcSideCalls } as const;

export interface CallsOptions {
	readonly metrics: Metrics;
	readonly clock: Clock;
	readonly newRequestId: () => string;
	/** Who may do what. */
	readonly access: Access;
}

export class Calls {
	readonly clock: Clock;
	readonly newRequestId: () => string;
	readonly messageBuffers = new MessageBuffers();
	/** The stream whose call is being built: grpc-js hides it from interceptors and handlers. */
	arriving: ServerHttp2Stream | undefined;
	readonly #metrics: Metrics;
	readonly #access: Access;
	readonly #open = { files: new Set<WatchedCall>(), segments: new Set<WatchedCall>(), side: new Set<WatchedCall>() };
	readonly #held = new Set<WatchedCall>();
	/** Handlers know a call by its metadata. */
	readonly #byMetadata = new WeakMap<Metadata, WatchedCall>();
	readonly #holders = new WeakMap<Metadata, TokenHolder>();

	constructor({ metrics, clock, newRequestId, access }: CallsOptions) {
		this.#metrics = metrics;
		this.clock = clock;
		this.newRequestId = newRequestId;
		this.#access = access;
	}

	/** For the server: every call to a known method goes through it. */
	readonly interceptor: ServerInterceptor = ({ path, requestStream }, call) => {
		const stream = this.arriving;
		this.arriving = undefined;
		return new WatchedCall(this, call, { rule: METHODS[path] ?? OTHER_METHOD, requestStream, stream });
	};

	/** Lets a call in. Errors: UNAUTHORIZED, FORBIDDEN, RATE_LIMITED, OVERLOADED. */
	admit(call: WatchedCall, metadata: Metadata, rule: MethodRule): void {
		const [authorization] = metadata.get('authorization');
		const holder =
			rule.scope === 'open' ? undefined : this.#access.admit(authorization && String(authorization), rule.scope);
		const open = this.#open[rule.kind];
		if (open.size >= MOST[rule.kind]) throw new PerigeeError('OVERLOADED', `${open.size} calls are in progress`);
		open.add(call);
		this.#byMetadata.set(metadata, call);
		if (holder) this.#holders.set(metadata, holder);
	}

	/** What the call has brought is in use, however the call itself ends, until the function is called that is answered: so long it counts. */
	hold(call: WatchedCall): () => void {
		this.#held.add(call);
		return () => {
			this.#held.delete(call);
			if (call.isOver) this.#open[call.kind].delete(call);
		};
	}

	/** Called once for each call, when its answer is known or nobody waits for it any more. */
	ended(call: WatchedCall, rule: MethodRule, status: StatusName, seconds: number): void {
		if (!this.#held.has(call)) this.#open[rule.kind].delete(call);
		this.#metrics.grpcRequests.inc({ method: rule.name, status });
		this.#metrics.grpcSeconds.observe({ method: rule.name }, seconds);
	}

	failed(error: PerigeeError): void {
		this.#metrics.errors.inc({ code: error.code });
	}

	/** The call that a handler answers. */
	of({ metadata }: { readonly metadata: Metadata }): WatchedCall {
		const call = this.#byMetadata.get(metadata);
		if (!call) throw new Error('a handler without its call');
		return call;
	}

	/** Whose call it is; undefined where no token was asked for. */
	holderOf({ metadata }: { readonly metadata: Metadata }): TokenHolder | undefined {
		return this.#holders.get(metadata);
	}

	/** Ends the calls that nobody would wait for. */
	endSideCalls(): void {
		for (const call of this.#open.side) call.fail(new PerigeeError('SHUTTING_DOWN'));
	}
}
