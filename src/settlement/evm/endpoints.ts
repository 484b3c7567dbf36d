/**
 * The endpoints of a chain, asked with viem. An endpoint that fails, or answers what cannot be meant, is left for a while and the next one is asked, so
 * that one that is down, limits its rate or answers with a web page stops nothing; when none answers, the error names each with its reason. Whose
 * answers do not fit what others say is asked last for a while (`distrust`).
 */
import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { createPublicClient, http, type Hex, type PublicClient } from 'viem';
import { deferred } from '../../deferred.js';
import { ChainError, RangeTooLargeError } from './chain-reader.js';

export interface EndpointsOptions {
	/** In the order of preference; at least one. */
	readonly urls: readonly string[];
	readonly timeoutMs: number;
	/** Milliseconds, for how long an endpoint that failed is left alone. */
	readonly nowMs: () => number;
}

export interface Endpoint {
	readonly url: string;
	readonly client: PublicClient;
	/** Until when it is not asked first. */
	avoidedUntilMs: number;
	failures: number;
	/** The same because of what it said; right answers alone do not end that. */
	distrustedUntilMs: number;
	distrusts: number;
	/** It was found to be of the chain that is expected; asked again after each failure. */
	isOfChain: boolean;
}

/** How the answer to a question is taken. */
export interface Asking<T> {
	/**
	 * What the answer means; undefined: this endpoint has no such thing, and others may have it. What it throws counts as a failure of the endpoint.
	 */
	readonly read: (answer: unknown) => T | undefined;
	/** Takes the endpoint whose answer counts. */
	readonly used?: Set<Endpoint>;
	/** How often what each told of this was wrong: who was less often is asked first. */
	readonly wrong?: ReadonlyMap<Endpoint, number>;
}

/** How long a node or the command line waits for the answer to one question. */
export const ENDPOINT_TIMEOUT_MS = 30_000;
/** The same where there is another one to ask. */
const ONE_OF_SEVERAL_MS = 10_000;
/** How long those that have not answered are waited for, once half have. */
const LATE_MS = 1_000;
const LEAST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 60_000;
const LEAST_DISTRUST_MS = 5_000;
const LONGEST_DISTRUST_MS = 600_000;
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
const OPTIONAL: ReadonlySet<string> = new Set(['eth_maxPriorityFeePerGas', 'eth_getCode']);
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
		const timeout = urls.length > 1 ? Math.min(timeoutMs, ONE_OF_SEVERAL_MS) : timeoutMs;
		this.#endpoints = urls.map((url) => ({
			url,
			client: createPublicClient({ transport: http(url, { retryCount: 0, timeout }) }),
			avoidedUntilMs: 0,
			failures: 0,
			distrustedUntilMs: 0,
			distrusts: 0,
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

	/** What each endpoint answers, or why it does not. Once half of them have answered the others have a little while left. */
	async askAll<T>(method: string, params: readonly unknown[]): Promise<readonly PromiseSettledResult<T>[]> {
		const half = deferred();
		const late = new AbortController();
		let answers = 0;
		const asked = this.#endpoints.map(async (endpoint) => {
			const answer = await this.#askOne<T>(endpoint, method, params);
			if (2 * ++answers >= this.#endpoints.length) half.resolve();
			return answer;
		});
		const tooLate = half.promise
			.then(() => delay(LATE_MS, undefined, { signal: late.signal }))
			.then(() => {
				throw new Error('it did not answer while the others did');
			});
		try {
			return await Promise.allSettled(asked.map((answer) => Promise.race([answer, tooLate])));
		} finally {
			late.abort();
		}
	}

	get all(): readonly Endpoint[] {
		return this.#endpoints;
	}

	/** What these have said does not fit: others are asked first for a while, longer each time. Without others that changes nothing. */
	distrust(used: ReadonlySet<Endpoint>): void {
		for (const endpoint of used) {
			const pauseMs = Math.min(LONGEST_DISTRUST_MS, LEAST_DISTRUST_MS * 2 ** endpoint.distrusts);
			endpoint.distrusts = Math.min(endpoint.distrusts + 1, 10);
			endpoint.distrustedUntilMs = this.#nowMs() + pauseMs;
			endpoint.isOfChain = false;
		}
	}

	/** What they say fits: after a while of that nothing is held against them any more. */
	trust(used: ReadonlySet<Endpoint>): void {
		for (const endpoint of used)
			if (this.#nowMs() - endpoint.distrustedUntilMs >= LONGEST_DISTRUST_MS) endpoint.distrusts = 0;
	}

	/** Asks one endpoint after the other, and takes the answer as it is. Errors: ChainError, RangeTooLargeError. */
	async ask<T>(method: string, params: readonly unknown[]): Promise<T> {
		const read = (answer: unknown): { readonly answer: T } => ({ answer: answer as T });
		return ((await this.find(method, params, { read })) as { readonly answer: T }).answer;
	}

	/** Asks one endpoint after the other; undefined: those that answer have no such thing. Errors: ChainError, RangeTooLargeError. */
	async find<T>(method: string, params: readonly unknown[], { read, used, wrong }: Asking<T>): Promise<T | undefined> {
		const nowMs = this.#nowMs();
		// The one that was distrusted first comes first of those.
		const after = ({ avoidedUntilMs, distrustedUntilMs }: Endpoint): number =>
			distrustedUntilMs > nowMs ? distrustedUntilMs : Number(avoidedUntilMs > nowMs);
		const wrongs = (endpoint: Endpoint): number => wrong?.get(endpoint) ?? 0;
		const order = this.#endpoints.toSorted((left, right) => wrongs(left) - wrongs(right) || after(left) - after(right));
		const reasons: string[] = [];
		let [isMissing, isTooLarge] = [false, false];
		for (const endpoint of order) {
			try {
				const answer = read(await this.#askOne(endpoint, method, params));
				endpoint.failures = 0;
				endpoint.avoidedUntilMs = 0;
				isMissing ||= answer === undefined;
				if (answer === undefined) continue;
				used?.add(endpoint);
				return answer;
			} catch (error) {
				const reason = reasonOf(error);
				reasons.push(`${hostOf(endpoint.url)}: ${reason}`);
				if (method === 'eth_getLogs' && TOO_LARGE.test(reason)) {
					isTooLarge = true;
					continue;
				}
				if (OPTIONAL.has(method) || (REFUSABLE.has(method) && (NO_STATE.test(reason) || REFUSED.test(reason))))
					continue;
				endpoint.isOfChain = false;
				const pauseMs = Math.min(LONGEST_PAUSE_MS, LEAST_PAUSE_MS * 2 ** endpoint.failures);
				endpoint.failures = Math.min(endpoint.failures + 1, 10);
				endpoint.avoidedUntilMs = this.#nowMs() + pauseMs;
			}
		}
		if (isMissing) return undefined;
		const message = `${method}: ${reasons.join('; ')}`;
		throw isTooLarge ? new RangeTooLargeError(message) : new ChainError(message);
	}

	/** A call of a contract that changes nothing; undefined when it has no such function, or no endpoint has that state. Errors: ChainError. */
	async view(to: Hex, data: string, at = 'latest', used?: Set<Endpoint>): Promise<Hex | undefined> {
		try {
			const asking = { read: hexData, ...(used && { used }) };
			const answer = await this.find('eth_call', [{ to, data }, at], asking);
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

/** Bytes in hexadecimal. Errors: an Error when it is something else. */
export function hexData(answer: unknown): Hex {
	if (typeof answer === 'string' && /^0x(?:[0-9a-f]{2})*$/i.test(answer)) return answer as Hex;
	throw new Error(`the answer is no data: ${shown(answer)}`);
}

/** A whole number. Errors: an Error when it is something else. */
export function quantity(answer: unknown): number {
	const value = typeof answer === 'string' && /^0x[0-9a-f]{1,64}$/i.test(answer) ? Number(answer) : Infinity;
	if (Number.isSafeInteger(value)) return value;
	throw new Error(`the answer is no number: ${shown(answer)}`);
}

/** A whole number of up to 256 bits. Errors: an Error when it is something else. */
export function amount(answer: unknown): bigint {
	if (typeof answer === 'string' && /^0x[0-9a-f]{1,64}$/i.test(answer)) return BigInt(answer);
	throw new Error(`the answer is no number: ${shown(answer)}`);
}

function shown(answer: unknown): string {
	return (JSON.stringify(answer) ?? 'nothing').slice(0, 100);
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
