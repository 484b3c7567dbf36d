/** Asks the endpoints of a chain what paying needs. */
import { numberToHex, type Hex } from 'viem';
import { ChainError, RefusedError } from './chain-reader.js';
import { amount, type Endpoints, isRefusal, quantity, reasonOf } from './endpoints.js';
import type { ChainSubmission } from './chain-submission.js';
import type { ContractCall, GasPrices, PayingChain } from './paying-chain.js';
import { type RpcLog, submissionOfLog, SUBMIT_TOPIC } from './submit-event.js';

const MARKET_CALL = '0x80f55605';
const PRICE_CALL = '0x61ec5082';
/** The transaction is there already. */
const KNOWN = /already known|already imported/i;

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
		return this.#told('eth_blockNumber', [], quantity);
	}

	async pricePerSector(): Promise<bigint> {
		const market = await this.#endpoints.view(this.#flowAddress, MARKET_CALL);
		if (market === undefined) return 0n;
		const price = await this.#endpoints.view(`0x${market.slice(-40)}`, PRICE_CALL);
		return price === undefined ? 0n : BigInt(price);
	}

	async gasPrices(): Promise<GasPrices> {
		const head = await this.#told('eth_getBlockByNumber', ['latest', false], baseFeeOf);
		const price = await this.#told('eth_gasPrice', [], amount);
		if (head.baseFee === undefined) return { most: price, base: 0n };
		const base = head.baseFee;
		const asked = await this.#told('eth_maxPriorityFeePerGas', [], amount).catch(() => undefined);
		const tip = asked ?? (price > base ? price - base : 0n);
		return { most: 2n * base + tip, tip, base };
	}

	async transactionCount(address: Hex, at: number | 'latest' | 'pending'): Promise<number> {
		const block = typeof at === 'number' ? numberToHex(at) : at;
		return this.#told('eth_getTransactionCount', [address, block], quantity);
	}

	async balance(address: Hex): Promise<bigint> {
		return this.#told('eth_getBalance', [address, 'pending'], amount);
	}

	async estimateGas({ from, to, data, value }: ContractCall): Promise<bigint> {
		try {
			const call = { from, to, data, value: numberToHex(value) };
			return await this.#told('eth_estimateGas', [call], amount);
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

	/** Undefined: it is in no block that an endpoint knows. */
	async receipt(transaction: Hex): Promise<Receipt | undefined> {
		const read = (answer: unknown): Receipt | undefined => {
			if (answer === null || answer === undefined) return undefined;
			const { status, blockNumber, logs } = answer as RpcReceipt;
			return {
				succeeded: quantity(status) === 1,
				blockNumber: quantity(blockNumber),
				submissions: logs.filter((log) => this.#isOwn(log)).map((log) => submissionOfLog(log, 0)),
			};
		};
		return this.#endpoints.find('eth_getTransactionReceipt', [transaction], { read });
	}

	#isOwn({ address, topics }: RpcReceipt['logs'][number]): boolean {
		return address.toLowerCase() === this.#flowAddress.toLowerCase() && topics[0] === SUBMIT_TOPIC;
	}

	async #told<T>(method: string, params: readonly unknown[], read: (answer: unknown) => T): Promise<T> {
		return (await this.#endpoints.find(method, params, { read })) as T;
	}
}

/** Of a block; absent where the chain has no such fee. */
function baseFeeOf(answer: unknown): { readonly baseFee?: bigint } {
	if (answer === null || typeof answer !== 'object') throw new Error('the answer is no block');
	const { baseFeePerGas } = answer as { readonly baseFeePerGas?: unknown };
	return baseFeePerGas === undefined || baseFeePerGas === null ? {} : { baseFee: amount(baseFeePerGas) };
}
