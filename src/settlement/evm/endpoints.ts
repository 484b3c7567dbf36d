/**
 * The endpoints of a chain, asked with viem. An endpoint that fails is left for a while and the next one is asked, so that one that is down, limits
 * its rate or answers with a web page stops nothing; when none answers, the error names each with its reason.
 */
import { setMaxListeners } from 'node:events';
import { createPublicClient, http, type Hex, type PublicClient } from 'viem';
import { ChainError, RangeTooLargeError } from './chain-reader.js';

export interface EndpointsOptions {
	/** In the order of preference; at least one. */
	readonly urls: readonly string[];
	readonly timeoutMs: number;
	/** Milliseconds, for how long an endpoint that failed is left alone. */
	readonly nowMs: () => number;
}

interface Endpoint {
	readonly url: string;
	readonly client: PublicClient;
	/** Until when it is not asked first. */
	avoidedUntilMs: number;
	failures: number;
	/** It was found to be of the chain that is expected; asked again after each failure. */
	isOfChain: boolean;
}

/** How long a node or the command line waits for the answer to one question. */
export const ENDPOINT_TIMEOUT_MS = 30_000;
const LEAST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 60_000;
/** What endpoints say when a range holds too much. */
const TOO_LARGE =
	/exceeds the max limit of|too large with more than|query returned more than|block range|range (?:is )?too (?:large|wide)|limit exceeded|response size|exceeded the size limit|too many (?:results|logs)/i;
/** What endpoints say of state that they no longer have. */
const NO_STATE =
	/missing trie node|state .*not available|historical state|header not found|pruned|unknown block|BlockOutOfRange/i;
/** What a contract or the rules of the chain refuse, which is not the endpoint's fault. */
const REFUSED =
	/revert|insufficient funds|nonce too low|already known|underpriced|already imported|gas required exceeds/i;
/** Methods that not all endpoints have: one that does not answer may be well for all that. */
const OPTIONAL: ReadonlySet<string> = new Set(['eth_maxPriorityFeePerGas']);
/** Methods that may be refused so. */
const REFUSABLE: ReadonlySet<string> = new Set([
	'eth_call',
	'eth_estimateGas',
	'eth_getTransactionCount',
	'eth_sendRawTransaction',
]);

/** Whether the error says that the state that was asked for is gone, or the contract refused. */
export function isRefusal(error: unknown): error is ChainError {
	return error instanceof ChainError && (NO_STATE.test(error.message) || REFUSED.test(error.message));
}

export class Endpoints {
	readonly #nowMs: () => number;
	readonly #endpoints: readonly Endpoint[];
	readonly #closed = new AbortController();
	#chainId: bigint | undefined;

	constructor({ urls, timeoutMs, nowMs }: EndpointsOptions) {
		this.#nowMs = nowMs;
		// Each question on its way listens; near the head there are as many as blocks.
		setMaxListeners(0, this.#closed.signal);
		this.#endpoints = urls.map((url) => ({
			url,
			client: createPublicClient({ transport: http(url, { retryCount: 0, timeout: timeoutMs }) }),
			avoidedUntilMs: 0,
			failures: 0,
			isOfChain: false,
		}));
	}

	/** From now on only endpoints of this chain count. */
	expect(chainId: bigint): void {
		this.#chainId = chainId;
	}

	/** What was asked fails; nothing is asked any more. */
	close(): void {
		this.#closed.abort();
	}

	/** What each endpoint answers, or why it does not. */
	async askAll<T>(method: string, params: readonly unknown[]): Promise<readonly PromiseSettledResult<T>[]> {
		return await Promise.allSettled(this.#endpoints.map((endpoint) => this.#askOne<T>(endpoint, method, params)));
	}

	/** Asks one endpoint after the other. Errors: ChainError, RangeTooLargeError. */
	async ask<T>(method: string, params: readonly unknown[]): Promise<T> {
		const nowMs = this.#nowMs();
		const order = this.#endpoints.toSorted(
			(left, right) => Number(left.avoidedUntilMs > nowMs) - Number(right.avoidedUntilMs > nowMs),
		);
		const reasons: string[] = [];
		for (const endpoint of order) {
			try {
				const answer = await this.#askOne<T>(endpoint, method, params);
				endpoint.failures = 0;
				endpoint.avoidedUntilMs = 0;
				return answer;
			} catch (error) {
				const reason = reasonOf(error);
				if (method === 'eth_getLogs' && TOO_LARGE.test(reason)) throw new RangeTooLargeError(reason);
				reasons.push(`${hostOf(endpoint.url)}: ${reason}`);
				if (OPTIONAL.has(method) || (REFUSABLE.has(method) && (NO_STATE.test(reason) || REFUSED.test(reason))))
					continue;
				endpoint.isOfChain = false;
				const pauseMs = Math.min(LONGEST_PAUSE_MS, LEAST_PAUSE_MS * 2 ** endpoint.failures);
				endpoint.failures = Math.min(endpoint.failures + 1, 10);
				endpoint.avoidedUntilMs = this.#nowMs() + pauseMs;
			}
		}
		throw new ChainError(`${method}: ${reasons.join('; ')}`);
	}

	/** A call of a contract that changes nothing; undefined when it has no such function, or no endpoint has that state. Errors: ChainError. */
	async view(to: Hex, data: string, at = 'latest'): Promise<Hex | undefined> {
		try {
			const answer = await this.ask<Hex>('eth_call', [{ to, data }, at]);
			return answer === '0x' ? undefined : answer;
		} catch (error) {
			// All endpoints have the newest state, or are behind.
			if (isRefusal(error) && !(at === 'latest' && NO_STATE.test(error.message))) return undefined;
			throw error;
		}
	}

	/** Errors: whatever viem says; an Error when the endpoint is of another chain. */
	async #askOne<T>(endpoint: Endpoint, method: string, params: readonly unknown[]): Promise<T> {
		if (this.#chainId !== undefined && !endpoint.isOfChain) {
			const chainId = BigInt(await this.#unlessClosed(endpoint.client.request({ method: 'eth_chainId' })));
			if (chainId !== this.#chainId) throw new Error(`it is of chain ${chainId}, this node follows ${this.#chainId}`);
			endpoint.isOfChain = true;
		}
		return await this.#unlessClosed<T>(endpoint.client.request({ method, params } as never));
	}

	/** Who stops does not wait for an endpoint that is silent. Errors: ChainError, and those of the request. */
	#unlessClosed<T>(request: Promise<T>): Promise<T> {
		const { signal } = this.#closed;
		return new Promise((resolve, reject) => {
			const stop = (): void => reject(new ChainError('the node stops'));
			if (signal.aborted) stop();
			signal.addEventListener('abort', stop, { once: true });
			const settled = (): void => signal.removeEventListener('abort', stop);
			request.then(resolve, reject).finally(settled);
		});
	}
}

/** One line of an error of viem, which has many. */
export function reasonOf(error: unknown): string {
	const { details, shortMessage, message } = error as { details?: string; shortMessage?: string; message?: string };
	const text = [shortMessage, details].filter((part) => part !== undefined && part !== '').join(' ');
	return (text === '' ? (message ?? String(error)) : text).replaceAll(/\s+/g, ' ').slice(0, 300);
}

/** Addresses of endpoints may hold keys. */
function hostOf(url: string): string {
	return URL.canParse(url) ? new URL(url).host : url;
}
