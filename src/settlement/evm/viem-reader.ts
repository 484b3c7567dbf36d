/**
 * Asks the endpoints of a chain with viem. An endpoint that fails is left for a while and the next one is asked, so that one that is down, limits
 * its rate or answers with a web page stops nothing; when none answers, the error names each with its reason.
 */
import { setMaxListeners } from 'node:events';
import { createPublicClient, hexToBytes, http, numberToHex, type Hex, type PublicClient } from 'viem';
import {
	ChainError,
	RangeTooLargeError,
	type ChainReader,
	type FoundSubmission,
	type LinkedBlock,
} from './chain-reader.js';
import { submissionOfLog, SUBMIT_TOPIC, type RpcLog } from './submit-event.js';

export interface ViemReaderOptions {
	/** In the order of preference; at least one. */
	readonly endpoints: readonly string[];
	/** 0x and 40 digits. */
	readonly flowAddress: Hex;
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

const LEAST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 60_000;
/** What endpoints say when a range holds too much. */
const TOO_LARGE =
	/exceeds the max limit of|too large with more than|query returned more than|block range|range (?:is )?too (?:large|wide)|limit exceeded|response size|exceeded the size limit|too many (?:results|logs)/i;
/** What endpoints say of state that they no longer have. */
const NO_STATE =
	/missing trie node|state .*not available|historical state|header not found|pruned|unknown block|BlockOutOfRange/i;

const COUNT_CALL = '0x77e19824';
const ROOT_CALL = '0x6d7ad0fc';
const NO_ROOT = /^0x0*$/;

interface RpcBlock {
	readonly number: Hex;
	readonly hash: Hex | null;
	readonly parentHash: Hex;
	readonly timestamp: Hex;
}

export class ViemReader implements ChainReader {
	readonly #options: ViemReaderOptions;
	readonly #endpoints: readonly Endpoint[];
	readonly #closed = new AbortController();
	#chainId: bigint | undefined;

	constructor(options: ViemReaderOptions) {
		this.#options = options;
		// Each question on its way listens; near the head there are as many as blocks.
		setMaxListeners(0, this.#closed.signal);
		this.#endpoints = options.endpoints.map((url) => ({
			url,
			client: createPublicClient({ transport: http(url, { retryCount: 0, timeout: options.timeoutMs }) }),
			avoidedUntilMs: 0,
			failures: 0,
			isOfChain: false,
		}));
	}

	async chainId(): Promise<bigint> {
		return BigInt(await this.#ask<Hex>('eth_chainId', []));
	}

	expect(chainId: bigint): void {
		this.#chainId = chainId;
	}

	async opinions(number: number): Promise<readonly (Uint8Array | undefined)[]> {
		const params = [numberToHex(number), false];
		const asked = await Promise.allSettled(
			this.#endpoints.map((endpoint) => this.#askOne<RpcBlock | null>(endpoint, 'eth_getBlockByNumber', params)),
		);
		return asked.flatMap((answer) =>
			answer.status === 'rejected' ? [] : [answer.value?.hash ? hexToBytes(answer.value.hash) : undefined],
		);
	}

	async head(): Promise<number> {
		return Number(await this.#ask<Hex>('eth_blockNumber', []));
	}

	async finalized(): Promise<number | undefined> {
		const block = await this.#ask<RpcBlock | null>('eth_getBlockByNumber', ['finalized', false]).catch(() => null);
		return block === null ? undefined : Number(block.number);
	}

	async block(number: number): Promise<LinkedBlock | undefined> {
		const block = await this.#ask<RpcBlock | null>('eth_getBlockByNumber', [numberToHex(number), false]);
		if (!block?.hash) return undefined;
		return {
			number: Number(block.number),
			hash: hexToBytes(block.hash),
			parentHash: hexToBytes(block.parentHash),
			timeMs: Number(block.timestamp) * 1000,
		};
	}

	async submissions(from: number, to: number): Promise<readonly FoundSubmission[]> {
		const filter = {
			address: this.#options.flowAddress,
			topics: [SUBMIT_TOPIC],
			fromBlock: numberToHex(from),
			toBlock: numberToHex(to),
		};
		const logs = await this.#ask<readonly RpcLog[]>('eth_getLogs', [filter]);
		if (!Array.isArray(logs)) throw new ChainError('an endpoint answered eth_getLogs with no list');
		const timeMs = this.#options.nowMs();
		return (logs as readonly RpcLog[])
			.filter(({ removed }) => removed !== true)
			.map((log) => submissionOfLog(log, timeMs));
	}

	async submissionCount(at: number): Promise<number | undefined> {
		const answer = await this.#call(COUNT_CALL, numberToHex(at));
		return answer === undefined ? undefined : Number(BigInt(answer));
	}

	async flowRootAfter(txSeq: number): Promise<Uint8Array | undefined> {
		const answer = await this.#call(`${ROOT_CALL}${txSeq.toString(16).padStart(64, '0')}`, 'latest');
		return answer === undefined || NO_ROOT.test(answer) ? undefined : hexToBytes(answer);
	}

	close(): void {
		this.#closed.abort();
	}

	/** A call of the contract; undefined when it has no such function, or the endpoint not that state. */
	async #call(data: string, at: string): Promise<Hex | undefined> {
		try {
			const answer = await this.#ask<Hex>('eth_call', [{ to: this.#options.flowAddress, data }, at]);
			return answer === '0x' ? undefined : answer;
		} catch (error) {
			if (error instanceof ChainError && (NO_STATE.test(error.message) || /revert/i.test(error.message)))
				return undefined;
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

	/** Asks one endpoint after the other. Errors: ChainError, RangeTooLargeError. */
	async #ask<T>(method: string, params: readonly unknown[]): Promise<T> {
		const nowMs = this.#options.nowMs();
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
				// What the contract or the state refuses is not the endpoint's fault.
				if (method === 'eth_call' && (NO_STATE.test(reason) || /revert/i.test(reason))) continue;
				endpoint.isOfChain = false;
				const pauseMs = Math.min(LONGEST_PAUSE_MS, LEAST_PAUSE_MS * 2 ** endpoint.failures);
				endpoint.failures = Math.min(endpoint.failures + 1, 10);
				endpoint.avoidedUntilMs = this.#options.nowMs() + pauseMs;
			}
		}
		throw new ChainError(`${method}: ${reasons.join('; ')}`);
	}
}

/** One line of an error of viem, which has many. */
function reasonOf(error: unknown): string {
	const { details, shortMessage, message } = error as { details?: string; shortMessage?: string; message?: string };
	const text = [shortMessage, details].filter((part) => part !== undefined && part !== '').join(' ');
	return (text === '' ? (message ?? String(error)) : text).replaceAll(/\s+/g, ' ').slice(0, 300);
}

/** Addresses of endpoints may hold keys. */
function hostOf(url: string): string {
	return URL.canParse(url) ? new URL(url).host : url;
}
