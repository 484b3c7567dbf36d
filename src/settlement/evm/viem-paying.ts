/** Asks the endpoints of a chain what paying needs. */
import { numberToHex, type Hex } from 'viem';
import { ChainError, RefusedError } from './chain-reader.js';
import { type Endpoints, isRefusal, reasonOf } from './endpoints.js';
import type { ChainSubmission } from './chain-submission.js';
import type { ContractCall, GasPrices, PayingChain } from './paying-chain.js';
import { type RpcLog, submissionOfLog, SUBMIT_TOPIC } from './submit-event.js';

const MARKET_CALL = '0x80f55605';
const PRICE_CALL = '0x61ec5082';
/** The transaction is there already. */
const KNOWN = /already known|already imported/i;

interface RpcHead {
	readonly baseFeePerGas?: Hex;
}

interface RpcReceipt {
	readonly status: Hex;
	readonly blockNumber: Hex;
	readonly logs: readonly (RpcLog & { readonly address: Hex })[];
}

/** What became of a transaction. */
export interface Receipt {
	readonly succeeded: boolean;
	readonly blockNumber: number;
	/** That it has made; their times are not told. */
	readonly submissions: readonly ChainSubmission[];
}

export class ViemPaying implements PayingChain {
	readonly #endpoints: Endpoints;
	readonly #flowAddress: Hex;

	/** `flowAddress`: 0x and 40 digits. */
	constructor(endpoints: Endpoints, flowAddress: Hex) {
		this.#endpoints = endpoints;
		this.#flowAddress = flowAddress;
	}

	/** Number of the newest block. */
	async head(): Promise<number> {
		return Number(await this.#endpoints.ask<Hex>('eth_blockNumber', []));
	}

	async pricePerSector(): Promise<bigint> {
		const market = await this.#endpoints.view(this.#flowAddress, MARKET_CALL);
		if (market === undefined) return 0n;
		const price = await this.#endpoints.view(`0x${market.slice(-40)}`, PRICE_CALL);
		return price === undefined ? 0n : BigInt(price);
	}

	async gasPrices(): Promise<GasPrices> {
		const head = await this.#endpoints.ask<RpcHead | null>('eth_getBlockByNumber', ['latest', false]);
		const price = BigInt(await this.#endpoints.ask<Hex>('eth_gasPrice', []));
		if (head?.baseFeePerGas === undefined) return { most: price, base: 0n };
		const base = BigInt(head.baseFeePerGas);
		const asked = await this.#endpoints.ask<Hex>('eth_maxPriorityFeePerGas', []).catch(() => undefined);
		const tip = asked === undefined ? (price > base ? price - base : 0n) : BigInt(asked);
		return { most: 2n * base + tip, tip, base };
	}

	async transactionCount(address: Hex, at: number | 'latest' | 'pending'): Promise<number> {
		const block = typeof at === 'number' ? numberToHex(at) : at;
		return Number(await this.#endpoints.ask<Hex>('eth_getTransactionCount', [address, block]));
	}

	async balance(address: Hex): Promise<bigint> {
		return BigInt(await this.#endpoints.ask<Hex>('eth_getBalance', [address, 'pending']));
	}

	async estimateGas({ from, to, data, value }: ContractCall): Promise<bigint> {
		try {
			const call = { from, to, data, value: numberToHex(value) };
			return BigInt(await this.#endpoints.ask<Hex>('eth_estimateGas', [call]));
		} catch (error) {
			throw isRefusal(error) ? new RefusedError(error.message) : error;
		}
	}

	async send(raw: Hex): Promise<void> {
		const answers = await this.#endpoints.askAll<Hex>('eth_sendRawTransaction', [raw]);
		const reasons = answers.flatMap((answer) => (answer.status === 'rejected' ? [reasonOf(answer.reason)] : []));
		if (reasons.length < answers.length || reasons.some((reason) => KNOWN.test(reason))) return;
		const message = `eth_sendRawTransaction: ${reasons.join('; ')}`;
		throw isRefusal(new ChainError(message)) ? new RefusedError(message) : new ChainError(message);
	}

	/** Undefined: it is in no block that the endpoint knows. */
	async receipt(transaction: Hex): Promise<Receipt | undefined> {
		const receipt = await this.#endpoints.ask<RpcReceipt | null>('eth_getTransactionReceipt', [transaction]);
		if (!receipt) return undefined;
		const isOwn = ({ address, topics }: RpcReceipt['logs'][number]): boolean =>
			address.toLowerCase() === this.#flowAddress.toLowerCase() && topics[0] === SUBMIT_TOPIC;
		return {
			succeeded: BigInt(receipt.status) === 1n,
			blockNumber: Number(receipt.blockNumber),
			submissions: receipt.logs.filter(isOwn).map((log) => submissionOfLog(log, 0)),
		};
	}
}
