/** Makes the transactions that pay for submissions: the call in the interface that the contract has, its fee and gas, and the signature. */
import { hexToBytes, keccak256, type Hex, type TransactionSerializable } from 'viem';
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

/** Gas beyond the estimate: what a submission costs depends on those before it. */
const GAS_PERCENT = 130n;
const NO_TAGS = new Uint8Array(0);

export class PaymentSigner {
	readonly #parts: PaymentSignerParts;
	#generation: FlowGeneration | undefined;

	constructor(parts: PaymentSignerParts) {
		this.#parts = parts;
	}

	/** `earlier`: hashes of what was signed with the same nonce before; `fee` in wei. Errors: ChainError, RefusedError. */
	async sign(
		payments: readonly Payment[],
		{ chainId, nonce, prices }: { readonly chainId: bigint; readonly nonce: number; readonly prices: GasPrices },
		earlier: readonly Uint8Array[] = [],
	): Promise<{ readonly transaction: PaymentTransaction; readonly fee: bigint }> {
		const { chain, account, flowAddress } = this.#parts;
		const { most, tip } = prices;
		const sectors = payments.reduce((sum, payment) => sum + sectorsOf(payment.nodes), 0n);
		const value = sectors * (await chain.pricePerSector());
		const { data, gas } = await this.#call(payments, value);
		const call = { chainId: Number(chainId), to: flowAddress, data, value, nonce, gas };
		const raw = await account.sign(
			tip === undefined
				? { type: 'legacy', ...call, gasPrice: most }
				: { type: 'eip1559', ...call, maxFeePerGas: most, maxPriorityFeePerGas: tip < most ? tip : most },
		);
		const hashes = [...earlier, hexToBytes(keccak256(raw))];
		const from = account.address.toLowerCase();
		return { transaction: { from, nonce, raw: hexToBytes(raw), hashes, mostForGas: most, payments }, fee: value };
	}

	/** The same prices, or the most that may be paid. Errors: DearError when that is too little. */
	bounded(prices: GasPrices): GasPrices {
		const bound = this.#parts.mostForGas;
		if (bound === 0n || prices.most <= bound) return prices;
		const needed = prices.tip === undefined ? prices.most : prices.base;
		if (needed > bound)
			throw new DearError(`a unit of gas costs ${needed} wei, and ${bound} are allowed (chain.maxGasPriceGwei)`);
		return { ...prices, most: bound };
	}

	/** The call in the interface that the contract has, and gas for it. Errors: RefusedError. */
	async #call(payments: readonly Payment[], value: bigint): Promise<{ readonly data: Hex; readonly gas: bigint }> {
		const submissions = payments.map(({ lengthBytes, nodes }) => ({ lengthBytes, nodes, tags: NO_TAGS }));
		const { address: from } = this.#parts.account;
		const to = this.#parts.flowAddress;
		const attempt = async (generation: FlowGeneration) => {
			const data = submitCall(generation, submissions, hexToBytes(from));
			const estimate = await this.#parts.chain.estimateGas({ from, to, data, value });
			this.#generation = generation;
			return { data, gas: (estimate * GAS_PERCENT) / 100n };
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
