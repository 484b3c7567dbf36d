/** Asks the reward contract which part of the flow is still paid for (spec pora-and-contracts §6.6). What follows from it cannot be undone, so the lowest answer counts. */
import type { Hex } from 'viem';
import type { Endpoints } from './endpoints.js';

const FIRST_REWARDABLE_CALL = '0xb3b30c1a';
/** Two words: the number of a chunk, and the time of the block in seconds. */
const ANSWER = /^0x0{48}([0-9a-f]{16})0{48}([0-9a-f]{16})$/;
/** A chain whose time is further away from this machine's is not believed. */
const FAR_MS = 3_600_000;

export interface RewardContractOptions {
	readonly endpoints: Endpoints;
	/** 0x and 40 digits. */
	readonly address: Hex;
	/** Milliseconds since 1970. */
	readonly nowMs: () => number;
}

export class RewardContract {
	readonly #options: RewardContractOptions;

	constructor(options: RewardContractOptions) {
		this.#options = options;
	}

	/** The lowest of what the endpoints tell; undefined where none tells, or one tells something else. In units of 2^25 sectors. */
	async firstRewardableChunk(): Promise<number | undefined> {
		const { endpoints, address, nowMs } = this.#options;
		const answers = await endpoints.askAll<Hex>('eth_call', [{ to: address, data: FIRST_REWARDABLE_CALL }, 'latest']);
		const chunks: number[] = [];
		for (const answer of answers) {
			if (answer.status === 'rejected') continue;
			const [, chunk, seconds] = ANSWER.exec(answer.value) ?? [];
			if (chunk === undefined || seconds === undefined) return undefined;
			if (Math.abs(Number(`0x${seconds}`) * 1000 - nowMs()) > FAR_MS) return undefined;
			chunks.push(Number(`0x${chunk}`));
		}
		return chunks.length === 0 ? undefined : Math.min(...chunks);
	}
}
