/**
 * Sends transactions of the mining account, one at a time (spec pora-and-contracts §2.8).
 *
 * Promises: each has the nonce behind the last one that the chain shows, so whatever of this account still waits is replaced and never stands in the way. What
 * was signed with one nonce counts once, however often it is sent. Nothing is written down: after a restart nothing is sent again.
 */
import { keccak256, type Hex } from 'viem';
import type { Clock } from '../../io/clock.js';
import { ChainError, RefusedError } from './chain-reader.js';
import { reasonOf } from './endpoints.js';
import { wordsOf, type MineContract, type MineReceipt } from './mine-contract.js';
import type { GasPrices, PayingChain } from './paying-chain.js';
import type { PayingAccount } from './payment-signer.js';

export interface MineSenderParts {
	readonly chain: PayingChain;
	readonly contract: MineContract;
	readonly account: PayingAccount;
	readonly chainId: () => bigint;
	readonly clock: Clock;
	/** Wei that a unit of gas may cost at most; 0: anything. */
	readonly mostForGas: bigint;
	/** Time between two looks for a receipt. */
	readonly lookMs: number;
	/** A transaction that no block has taken for so long is sent again, dearer. */
	readonly patienceMs: number;
}

export type SendOutcome =
	| { readonly receipt: MineReceipt }
	/** In the contract's words; `gasSpent` where a block has it all the same. */
	| { readonly refusal: string; readonly gasSpent: bigint }
	| { readonly givenUp: string };

/** Endpoints take a transaction in the place of another only when it pays so much more. */
const REPLACEMENT_PERCENT = 125n;
/** Gas beyond the estimate: an answer that begins an epoch pays for it. */
const GAS_PERCENT = 150n;
const UNDERPRICED = /underpriced|already known|already imported/i;

export class MineSender {
	readonly #parts: MineSenderParts;
	readonly #closed = new AbortController();
	#queue: Promise<unknown> = Promise.resolve();

	constructor(parts: MineSenderParts) {
		this.#parts = parts;
	}

	/** `isStale`: asked now and then; what is stale is waited for no longer. Never rejects. */
	send(call: { readonly to: Hex; readonly data: Hex }, isStale: () => Promise<boolean>): Promise<SendOutcome> {
		const sending = this.#queue.then(() => this.#send(call, isStale));
		this.#queue = sending.catch(() => undefined);
		return sending.catch((error: unknown) =>
			error instanceof RefusedError
				? { refusal: wordsOf(error.message), gasSpent: 0n }
				: { givenUp: error instanceof ChainError ? error.message : reasonOf(error) },
		);
	}

	/** What waits is given up. */
	async close(): Promise<void> {
		this.#closed.abort();
		await this.#queue;
	}

	async #send({ to, data }: { to: Hex; data: Hex }, isStale: () => Promise<boolean>): Promise<SendOutcome> {
		const { chain, account, clock, patienceMs } = this.#parts;
		if (this.#closed.signal.aborted) return { givenUp: 'the node stops' };
		const { address: from } = account;
		const gas = ((await chain.estimateGas({ from, to, data, value: 0n })) * GAS_PERCENT) / 100n;
		const nonce = await chain.transactionCount(from, 'latest');
		const hashes: Hex[] = [];
		let prices = await chain.gasPrices();
		for (;;) {
			const bounded = this.#bounded(prices);
			if (typeof bounded === 'string') return { givenUp: bounded };
			const raw = await this.#sign({ to, data, gas, nonce }, bounded);
			const isTaken = await this.#offer(raw);
			if (isTaken) hashes.push(keccak256(raw));
			const untilMs = clock.monotonicMs() + (isTaken ? patienceMs : 0);
			do {
				const receipt = await this.#receiptOf(hashes);
				if (receipt) return await this.#outcome(receipt, { from, to, data });
				if (this.#closed.signal.aborted) return { givenUp: 'the node stops' };
				if (await isStale()) return { givenUp: 'its epoch is over' };
				if ((await chain.transactionCount(from, 'latest')) > nonce && !(await this.#receiptOf(hashes)))
					return { givenUp: 'another transaction of the account has taken its place' };
				await this.#pause();
			} while (clock.monotonicMs() < untilMs);
			const now = await chain.gasPrices();
			prices = dearer(bounded, now);
		}
	}

	/** False: another transaction with this nonce waits, and pays as much. Errors: ChainError, RefusedError. */
	async #offer(raw: Hex): Promise<boolean> {
		try {
			await this.#parts.chain.send(raw);
			return true;
		} catch (error) {
			if (error instanceof RefusedError && UNDERPRICED.test(error.message)) return false;
			throw error;
		}
	}

	async #receiptOf(hashes: readonly Hex[]): Promise<MineReceipt | undefined> {
		for (const hash of hashes) {
			const receipt = await this.#parts.contract.receipt(hash);
			if (receipt) return receipt;
		}
		return undefined;
	}

	async #outcome(receipt: MineReceipt, { from, to, data }: { from: Hex; to: Hex; data: Hex }): Promise<SendOutcome> {
		if (receipt.succeeded) return { receipt };
		const words = await this.#parts.contract.refusalAt(from, to, data, receipt.blockNumber);
		return { refusal: words ?? 'the transaction has failed', gasSpent: receipt.gasSpent };
	}

	/** A text: why nothing is sent at these prices. */
	#bounded(prices: GasPrices): GasPrices | string {
		const { mostForGas: bound } = this.#parts;
		if (bound === 0n || prices.most <= bound) return prices;
		const needed = prices.tip === undefined ? prices.most : prices.base;
		if (needed > bound) return `a unit of gas costs ${needed} wei, and ${bound} are allowed (chain.maxGasPriceGwei)`;
		return { ...prices, most: bound };
	}

	async #sign(call: { to: Hex; data: Hex; gas: bigint; nonce: number }, { most, tip }: GasPrices): Promise<Hex> {
		const fields = { chainId: Number(this.#parts.chainId()), value: 0n, ...call };
		return this.#parts.account.sign(
			tip === undefined
				? { type: 'legacy', ...fields, gasPrice: most }
				: { type: 'eip1559', ...fields, maxFeePerGas: most, maxPriorityFeePerGas: tip < most ? tip : most },
		);
	}

	async #pause(): Promise<void> {
		const { clock, lookMs } = this.#parts;
		const { signal } = this.#closed;
		await new Promise<void>((resolve) => {
			const wake = (): void => {
				cancel();
				signal.removeEventListener('abort', wake);
				resolve();
			};
			const cancel = clock.schedule(lookMs, wake);
			signal.addEventListener('abort', wake, { once: true });
			if (signal.aborted) wake();
		});
	}
}

/** What is taken in the place of a transaction: what the chain asks now, or so much more than before. */
function dearer(before: GasPrices, now: GasPrices): GasPrices {
	const more = (price: bigint): bigint => (price * REPLACEMENT_PERCENT + 99n) / 100n;
	const largest = (left: bigint, right: bigint): bigint => (left > right ? left : right);
	const most = largest(more(before.most), now.most);
	if (now.tip === undefined) return { ...now, most };
	return { ...now, most, tip: largest(more(before.tip ?? 0n), now.tip) };
}
