/**
 * Looks after transactions until the chain shows them. One that no block takes is sent again, dearer where gas has become dearer or where it would
 * pay for what somebody else has submitted meanwhile; one whose nonce is used up is judged by what this node itself has read of the chain, and is
 * paid anew; a nonce that nobody knows of is used up, so that those behind it count.
 */
import type { Hex } from 'viem';
import type { Clock } from '../../io/clock.js';
import { hexOf } from '../../units.js';
import { RefusedError } from './chain-reader.js';
import { type PaymentTransaction, transactionKey } from './payment-records.js';
import { DearError, type PaymentSigner } from './payment-signer.js';
import type { PayingChain } from './paying-chain.js';
import { type Payments, SETTLED_BLOCKS } from './payments.js';

export interface TransactionObserver {
	/** A transaction is durable, and is sent now. `isAgain`: in the place of one with the same nonce. `fee` in wei. */
	sending(transaction: { hash: string; nonce: number; submissions: number; fee: bigint; isAgain: boolean }): void;
	/** A transaction can no longer become part of the chain; what it was for is paid for anew. */
	died(transaction: { hash: string; nonce: number }): void;
}

export interface CareParts {
	readonly payments: Payments;
	readonly chain: PayingChain;
	readonly signer: PaymentSigner;
	readonly clock: Clock;
	/** Who pays: 0x and 40 digits, lower case. */
	readonly own: string;
	/** A transaction that no block has taken is looked after so often. */
	readonly recheckMs: number;
	readonly observer: TransactionObserver;
}

/** What is known of the chain now. */
export interface CareChain {
	readonly chainId: bigint;
	/** The last block that this node has read. */
	readonly block: number;
}

/** Nothing that the endpoints know has a nonce that comes before a transaction. */
export class NonceGapError extends Error {}

const MOST_REPLACEMENTS = 32;
/** Looks at a gap before it is closed: whoever has that nonce may be late. */
const GAP_LOOKS = 4;
/** Its nonce was used, or it is there already; the next look finds out. */
const OVER = /nonce too low|already known|already imported/i;

export class TransactionCare {
	readonly #parts: CareParts;
	/** When each was looked at, by nonce and by what it is still for. */
	readonly #lookedAtMs = new Map<string, number>();
	#gap: { readonly nonce: number; readonly looks: number } | undefined;

	constructor(parts: CareParts) {
		this.#parts = parts;
	}

	/** Looks at those whose time has come. Answers why one of them cannot go on. Errors: ChainError when endpoints do not answer, those of the journal. */
	async lookAfter(chain: CareChain): Promise<Error | undefined> {
		const { payments, clock, recheckMs } = this.#parts;
		const { underway } = payments;
		const nowMs = clock.monotonicMs();
		const keys = new Set(underway.map(lookKey));
		for (const key of this.#lookedAtMs.keys()) if (!keys.has(key)) this.#lookedAtMs.delete(key);
		let trouble: Error | undefined;
		for (const transaction of underway) {
			const lookedAtMs = this.#lookedAtMs.get(lookKey(transaction)) ?? Number.NEGATIVE_INFINITY;
			if (nowMs < lookedAtMs + recheckMs) continue;
			try {
				await this.#lookAt(transaction, chain);
			} catch (error) {
				const isOfItself = [RefusedError, DearError, NonceGapError].some((kind) => error instanceof kind);
				if (!isOfItself) throw error;
				trouble ??= error as Error;
			}
			this.#lookedAtMs.set(lookKey(transaction), nowMs);
		}
		return trouble;
	}

	/** Writes a transaction down and sends it. False: what it is for has changed meanwhile, and nothing was done. Errors: as of `lookAfter`, RefusedError. */
	async send(transaction: PaymentTransaction, fee: bigint, replaced?: PaymentTransaction): Promise<boolean> {
		const { payments, observer, clock } = this.#parts;
		if (!(await payments.signed(transaction, replaced))) return false;
		const { nonce, submissions } = transaction;
		const isAgain = replaced !== undefined;
		observer.sending({ hash: lastHash(transaction), nonce, submissions, fee, isAgain });
		this.#lookedAtMs.set(lookKey(transaction), clock.monotonicMs());
		await this.#resend(transaction);
		return true;
	}

	async #lookAt(transaction: PaymentTransaction, { chainId, block }: CareChain): Promise<void> {
		const { payments, chain, signer, own, observer } = this.#parts;
		const { from, nonce, hashes, submissions } = transaction;
		if ((await chain.transactionCount(from as Hex, 'latest')) > nonce) {
			// All up to that block was read here, and shows nothing of it. Endpoints that have seen less than others do not count.
			const settled = block - SETTLED_BLOCKS;
			if (settled < 0 || (await chain.transactionCount(from as Hex, settled)) <= nonce) return;
			if ((await payments.died(transaction)) && submissions > 0) observer.died({ hash: lastHash(transaction), nonce });
			return;
		}
		if (from === own && nonce === this.#lowestNonce()) await this.#closeGap(nonce, chainId);
		const prices = await chain.gasPrices();
		const needed = prices.tip === undefined ? prices.most : prices.base + prices.tip;
		const isTooLittle = needed > transaction.mostForGas;
		const isTooMuch = submissions > transaction.payments.length;
		// What another account has signed can only be sent as it is.
		const mayReplace = from === own && hashes.length < MOST_REPLACEMENTS;
		if (!mayReplace || !(isTooLittle || isTooMuch)) return await this.#resend(transaction);
		if (isTooLittle) signer.bounded(prices);
		const place = { chainId, nonce, prices: signer.replacing(transaction, prices) };
		const next = await signer.sign(transaction.payments, place, hashes);
		await this.send(next.transaction, next.fee, transaction);
	}

	#lowestNonce(): number | undefined {
		return this.#parts.payments.underway.find(({ from }) => from === this.#parts.own)?.nonce;
	}

	/** Errors: NonceGapError while somebody else may still close it. */
	async #closeGap(nonce: number, chainId: bigint): Promise<void> {
		const { chain, signer, own } = this.#parts;
		const free = await chain.transactionCount(own as Hex, 'pending');
		if (free >= nonce) {
			this.#gap = undefined;
			return;
		}
		const looks = this.#gap?.nonce === free ? this.#gap.looks + 1 : 1;
		this.#gap = { nonce: free, looks };
		if (looks < GAP_LOOKS)
			throw new NonceGapError(
				`no endpoint knows a transaction with nonce ${free}, and the one with ${nonce} waits for it; an empty one is sent soon`,
			);
		const prices = signer.bounded(await chain.gasPrices());
		const { transaction, fee } = await signer.sign([], { chainId, nonce: free, prices });
		await this.send(transaction, fee);
	}

	async #resend({ raw }: PaymentTransaction): Promise<void> {
		try {
			await this.#parts.chain.send(hexOf(raw) as Hex);
		} catch (error) {
			if (!(error instanceof RefusedError && OVER.test(error.message))) throw error;
		}
	}
}

/** What it is still for changes when others submit the same: then it is looked at at once. */
function lookKey(transaction: PaymentTransaction): string {
	return `${transactionKey(transaction)}/${transaction.payments.length}`;
}

function lastHash({ hashes }: PaymentTransaction): string {
	return hexOf(hashes.at(-1) ?? new Uint8Array(0));
}
