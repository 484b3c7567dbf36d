/** Makes the transactions that pay for submissions: the call in the interface that the contract has, its fee and gas, and the signature. */
import { hexToBytes, keccak256, parseTransaction, type Hex, type TransactionSerializable } from 'viem';
import { hexOf } from '../../units.js';
import { sectorsOf } from '../flow/submission-rules.js';
import { RefusedError } from './chain-reader.js';
import type { Payment, PaymentTransaction } from './payment-records.js';
import type { GasPrices, PayingChain } from './paying-chain.js';
import { type FlowGeneration, submitCall } from './submit-call.js';

/** Who pays. */
export interface PayingAccount {
	/** 0x and 40 digits. */
	readonly address: Hex;
	/** The signed bytes. */
	sign(transaction: TransactionSerializable): Promise<Hex>;
}

export interface PaymentSignerParts {
	readonly chain: PayingChain;
	readonly account: PayingAccount;
	/** 0x and 40 digits. */
	readonly flowAddress: Hex;
	/** Wei that a unit of gas may cost at most; 0: anything. */
	readonly mostForGas: bigint;
}

/** Gas costs more than may be paid. */
export class DearError extends Error {}

/** Endpoints take a transaction in the place of another only when it pays so much more, of the price and of the tip. */
const REPLACEMENT_PERCENT = 125n;
/** Gas beyond the estimate: what a submission costs depends on those before it. */
const GAS_PERCENT = 130n;
const NO_TAGS = new Uint8Array(0);

interface PaymentCall {
	readonly to: Hex;
	readonly data: Hex;
	readonly gas: bigint;
}

export class PaymentSigner {
	readonly #parts: PaymentSignerParts;
	#generation: FlowGeneration | undefined;

	constructor(parts: PaymentSignerParts) {
		this.#parts = parts;
	}

	/**
	 * Without payments the transaction only uses its nonce. `earlier`: hashes of what was signed with the same nonce before; `fee` in wei. Errors:
	 * ChainError, RefusedError.
	 */
	async sign(
		payments: readonly Payment[],
		{ chainId, nonce, prices }: { readonly chainId: bigint; readonly nonce: number; readonly prices: GasPrices },
		earlier: readonly Uint8Array[] = [],
	): Promise<{ readonly transaction: PaymentTransaction; readonly fee: bigint }> {
		const { chain, account } = this.#parts;
		const { most, tip } = prices;
		const sectors = payments.reduce((sum, payment) => sum + sectorsOf(payment.nodes), 0n);
		const value = sectors === 0n ? 0n : sectors * (await chain.pricePerSector());
		const { to, data, gas } = payments.length === 0 ? await this.#emptyCall() : await this.#call(payments, value);
		if (earlier.length === 0) await this.#checkFunds(value, gas * most);
		const call = { chainId: Number(chainId), to, data, value, nonce, gas };
		const raw = await account.sign(
			tip === undefined
				? { type: 'legacy', ...call, gasPrice: most }
				: { type: 'eip1559', ...call, maxFeePerGas: most, maxPriorityFeePerGas: tip < most ? tip : most },
		);
		const hashes = [...earlier, hexToBytes(keccak256(raw))];
		const from = account.address.toLowerCase();
		const submissions = payments.length;
		const transaction = { from, nonce, raw: hexToBytes(raw), hashes, mostForGas: most, submissions, payments };
		return { transaction, fee: value };
	}

	/** What endpoints take in the place of a transaction: what the chain asks now, or so much more than before. Errors: DearError. */
	replacing({ raw, mostForGas }: PaymentTransaction, prices: GasPrices): GasPrices {
		const { mostForGas: bound } = this.#parts;
		const least = dearer(mostForGas);
		const most = least > prices.most ? least : prices.most;
		if (bound > 0n && least > bound) throw this.#tooDear(least);
		const bounded = bound > 0n && most > bound ? bound : most;
		if (prices.tip === undefined) return { ...prices, most: bounded };
		const leastTip = dearer(parseTransaction(hexOf(raw) as Hex).maxPriorityFeePerGas ?? 0n);
		return { ...prices, most: bounded, tip: leastTip > prices.tip ? leastTip : prices.tip };
	}

	/** The same prices, or the most that may be paid. Errors: DearError when that is too little. */
	bounded(prices: GasPrices): GasPrices {
		const bound = this.#parts.mostForGas;
		if (bound === 0n || prices.most <= bound) return prices;
		const needed = prices.tip === undefined ? prices.most : prices.base;
		if (needed > bound) throw this.#tooDear(needed);
		return { ...prices, most: bound };
	}

	#tooDear(wei: bigint): DearError {
		const { mostForGas } = this.#parts;
		return new DearError(`a unit of gas costs ${wei} wei, and ${mostForGas} are allowed (chain.maxGasPriceGwei)`);
	}

	/** Once it is signed, what the account cannot pay for would hold up everything behind it. */
	async #checkFunds(value: bigint, gas: bigint): Promise<void> {
		const { account, chain } = this.#parts;
		const balance = await chain.balance(account.address);
		if (balance >= value + gas) return;
		throw new RefusedError(
			`insufficient funds: ${value} wei and up to ${gas} for gas are needed, ${account.address} has ${balance}`,
		);
	}

	/** From the account to itself. */
	async #emptyCall(): Promise<PaymentCall> {
		const { account, chain } = this.#parts;
		const call = { from: account.address, to: account.address, data: '0x', value: 0n } as const;
		return { to: call.to, data: call.data, gas: withReserve(await chain.estimateGas(call)) };
	}

	/** The call in the interface that the contract has, and gas for it. Errors: RefusedError. */
	async #call(payments: readonly Payment[], value: bigint): Promise<PaymentCall> {
		const submissions = payments.map(({ lengthBytes, nodes }) => ({ lengthBytes, nodes, tags: NO_TAGS }));
		const { address: from } = this.#parts.account;
		const to = this.#parts.flowAddress;
		const attempt = async (generation: FlowGeneration) => {
			const data = submitCall(generation, submissions, hexToBytes(from));
			const estimate = await this.#parts.chain.estimateGas({ from, to, data, value });
			this.#generation = generation;
			return { to, data, gas: withReserve(estimate) };
		};
		if (this.#generation) return await attempt(this.#generation);
		try {
			return await attempt('current');
		} catch (error) {
			if (!(error instanceof RefusedError)) throw error;
			// The contract of the other interface refuses everything; what the current one says is the reason then.
			return await attempt('old').catch(() => Promise.reject(error));
		}
	}
}

function withReserve(gas: bigint): bigint {
	return (gas * GAS_PERCENT) / 100n;
}

/** Rounded up: of a price of 1 wei too. */
function dearer(price: bigint): bigint {
	return (price * REPLACEMENT_PERCENT + 99n) / 100n;
}
