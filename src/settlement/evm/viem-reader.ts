/** Asks the endpoints of a chain what following it needs. */
import { hexToBytes, numberToHex, type Hex } from 'viem';
import { ChainError, type ChainReader, type FoundSubmission, type LinkedBlock } from './chain-reader.js';
import type { Endpoints } from './endpoints.js';
import { submissionOfLog, SUBMIT_TOPIC, type RpcLog } from './submit-event.js';

export interface ViemReaderOptions {
	readonly endpoints: Endpoints;
	/** 0x and 40 digits. */
	readonly flowAddress: Hex;
	/** Milliseconds since 1970. */
	readonly nowMs: () => number;
}

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
	readonly #endpoints: Endpoints;

	constructor(options: ViemReaderOptions) {
		this.#options = options;
		this.#endpoints = options.endpoints;
	}

	async chainId(): Promise<bigint> {
		return BigInt(await this.#endpoints.ask<Hex>('eth_chainId', []));
	}

	expect(chainId: bigint): void {
		this.#endpoints.expect(chainId);
	}

	async opinions(number: number): Promise<readonly (Uint8Array | undefined)[]> {
		const params = [numberToHex(number), false];
		const asked = await this.#endpoints.askAll<RpcBlock | null>('eth_getBlockByNumber', params);
		return asked.flatMap((answer) =>
			answer.status === 'rejected' ? [] : [answer.value?.hash ? hexToBytes(answer.value.hash) : undefined],
		);
	}

	async head(): Promise<number> {
		return Number(await this.#endpoints.ask<Hex>('eth_blockNumber', []));
	}

	async finalized(): Promise<number | undefined> {
		const block = await this.#endpoints
			.ask<RpcBlock | null>('eth_getBlockByNumber', ['finalized', false])
			.catch(() => null);
		return block === null ? undefined : Number(block.number);
	}

	async block(number: number): Promise<LinkedBlock | undefined> {
		const block = await this.#endpoints.ask<RpcBlock | null>('eth_getBlockByNumber', [numberToHex(number), false]);
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
		const logs = await this.#endpoints.ask<readonly RpcLog[]>('eth_getLogs', [filter]);
		if (!Array.isArray(logs)) throw new ChainError('an endpoint answered eth_getLogs with no list');
		const timeMs = this.#options.nowMs();
		return (logs as readonly RpcLog[])
			.filter(({ removed }) => removed !== true)
			.map((log) => submissionOfLog(log, timeMs));
	}

	async submissionCount(at: number): Promise<number | undefined> {
		const answer = await this.#endpoints.view(this.#options.flowAddress, COUNT_CALL, numberToHex(at));
		return answer === undefined ? undefined : Number(BigInt(answer));
	}

	async flowRootAfter(txSeq: number): Promise<Uint8Array | undefined> {
		const call = `${ROOT_CALL}${txSeq.toString(16).padStart(64, '0')}`;
		const answer = await this.#endpoints.view(this.#options.flowAddress, call);
		return answer === undefined || NO_ROOT.test(answer) ? undefined : hexToBytes(answer);
	}

	close(): void {
		this.#endpoints.close();
	}
}
