/**
 * Pays for submissions: gathers what is wanted into transactions, sends them, and looks after them until the chain shows them. One that no block takes
 * is sent again, dearer where gas has become dearer; one that can never be taken any more is paid for anew.
 *
 * It never stops without saying why: `trouble` tells what it waits for, and goes on by itself when that is over.
 */
import { hexToBytes, type Hex } from 'viem';
import { deferred, type Deferred } from '../../deferred.js';
import type { Clock } from '../../io/clock.js';
import { LIMITS } from '../../limits.js';
import { hexOf } from '../../units.js';
import type { SettlementTrouble } from '../settlement.js';
import { ChainError, RefusedError } from './chain-reader.js';
import { type PaymentTransaction, transactionKey } from './payment-records.js';
import { DearError, type PayingAccount, PaymentSigner } from './payment-signer.js';
import type { PayingChain } from './paying-chain.js';
import type { Payments } from './payments.js';

export interface PayerSettings {
	/** 0x and 40 digits. */
	readonly flowAddress: Hex;
	/** Blocks behind the newest one that do not count yet. */
	readonly confirmations: number;
	/** A transaction that no block has taken is looked after so often. */
	readonly recheckMs: number;
	/** Wei that a unit of gas may cost at most; 0: anything. */
	readonly mostForGas: bigint;
}

export interface PayerObserver {
	/** Submissions that are in no transaction yet, and transactions that the chain does not show yet. */
	standing(wanted: number, sent: number): void;
	/** A transaction is durable, and is sent now. `isAgain`: in the place of one with the same nonce. `fee` in wei. */
	sending(transaction: { hash: string; nonce: number; submissions: number; fee: bigint; isAgain: boolean }): void;
	/** A transaction can no longer become part of the chain; what it was for is paid for anew. */
	died(transaction: { hash: string; nonce: number }, reason: string): void;
	/** A new reason not to go on; undefined: it goes on again. */
	trouble(trouble: SettlementTrouble | undefined): void;
}

/** Endpoints take a transaction in the place of another only when it pays so much more. */
const REPLACEMENT_PERCENT = 125n;
const MOST_REPLACEMENTS = 32;
const LONGEST_PAUSE_MS = 60_000;
/** Until the node is looked at again that has not caught up. */
const BEHIND_MS = 1000;

export class Payer {
	readonly #payments: Payments;
	readonly #chain: PayingChain;
	readonly #account: PayingAccount;
	readonly #clock: Clock;
	readonly #settings: PayerSettings;
	readonly #observer: PayerObserver;
	readonly #signer: PaymentSigner;
	/** When each transaction under way was looked after. */
	readonly #lookedAfterMs = new Map<string, number>();
	#chainId = 0n;
	#behind: () => string | undefined = () => undefined;
	#trouble: SettlementTrouble | undefined;
	#isClosing = false;
	#wake: Deferred<void> | undefined;
	#isWoken = false;
	/** Whoever wants something ends a pause. */
	#isEager = true;
	#running: Promise<void> = Promise.resolve();

	constructor(
		parts: {
			readonly payments: Payments;
			readonly chain: PayingChain;
			readonly account: PayingAccount;
			readonly clock: Clock;
		},
		settings: PayerSettings,
		observer: PayerObserver,
	) {
		this.#payments = parts.payments;
		this.#chain = parts.chain;
		this.#account = parts.account;
		this.#clock = parts.clock;
		this.#settings = settings;
		this.#observer = observer;
		const { flowAddress, mostForGas } = settings;
		this.#signer = new PaymentSigner({ ...parts, flowAddress, mostForGas });
	}

	/** 20 bytes. */
	get address(): Uint8Array {
		return hexToBytes(this.#account.address);
	}

	get #own(): string {
		return this.#account.address.toLowerCase();
	}

	/** What keeps it from paying. */
	get trouble(): SettlementTrouble | undefined {
		return this.#trouble;
	}

	/** Goes on with what is durable. `behind`: why the node does not know all that the chain shows; undefined when it does. */
	start(chainId: bigint, behind: () => string | undefined): void {
		this.#chainId = chainId;
		this.#behind = behind;
		this.#payments.changed = () => this.#woken();
		this.#running = this.#run();
	}

	/** Asks nothing more and waits for what is under way. */
	async close(): Promise<void> {
		this.#isClosing = true;
		this.#woken();
		await this.#running;
		this.#payments.close();
	}

	async #run(): Promise<void> {
		for (let failures = 0; !this.#isClosing; ) {
			let pauseMs = this.#settings.recheckMs;
			try {
				await this.#lookAfter();
				const isMore = await this.#payNext();
				this.#tell(undefined);
				failures = 0;
				if (isMore) continue;
			} catch (error) {
				if (this.#isClosing) return;
				this.#tell(troubleOf(error));
				const isBehind = error instanceof BehindError;
				pauseMs = isBehind
					? Math.min(BEHIND_MS, pauseMs)
					: Math.min(LONGEST_PAUSE_MS, pauseMs * 2 ** Math.min(failures++, 6));
			}
			const { wanted, underway } = this.#payments;
			this.#observer.standing(wanted.length, underway.length);
			const isIdle = wanted.length === 0 && underway.length === 0;
			// What was refused is not asked for again at once because somebody wants more.
			this.#isEager = isIdle || failures === 0;
			await this.#pause(isIdle ? undefined : pauseMs);
		}
	}

	/** Pays for as much as goes into one transaction. True: there is more to do at once. */
	async #payNext(): Promise<boolean> {
		const payments = this.#payments.wanted.slice(0, LIMITS.paymentBatch);
		if (payments.length === 0 || this.#payments.underway.length >= LIMITS.paymentTransactions) return false;
		// What is not known yet may have been submitted by others long ago.
		const behind = this.#behind();
		if (behind !== undefined) throw new BehindError(`it waits until the chain is followed: ${behind}`);
		const prices = this.#signer.bounded(await this.#chain.gasPrices());
		const waiting = await this.#chain.transactionCount(this.#account.address, 'pending');
		const nonce = Math.max(waiting, (this.#payments.lastNonce(this.#own) ?? -1) + 1);
		const signed = await this.#signer.sign(payments, { chainId: this.#chainId, nonce, prices });
		// Somebody else may have submitted the same meanwhile.
		if (!payments.every((payment) => this.#payments.isWanted(payment))) return true;
		await this.#send(signed.transaction, signed.fee, false);
		return this.#payments.wanted.length > 0;
	}

	/** Looks after transactions that no block has taken for a while. */
	async #lookAfter(): Promise<void> {
		const underway = this.#payments.underway;
		const nowMs = this.#clock.monotonicMs();
		const keys = new Set(underway.map(transactionKey));
		for (const key of this.#lookedAfterMs.keys()) if (!keys.has(key)) this.#lookedAfterMs.delete(key);
		for (const transaction of underway) {
			const key = transactionKey(transaction);
			const dueMs = (this.#lookedAfterMs.get(key) ?? Number.NEGATIVE_INFINITY) + this.#settings.recheckMs;
			if (nowMs < dueMs) continue;
			await this.#lookAt(transaction);
			this.#lookedAfterMs.set(key, nowMs);
		}
	}

	async #lookAt(transaction: PaymentTransaction): Promise<void> {
		const { from, nonce, payments } = transaction;
		const counts = Math.max(0, (await this.#chain.head()) - this.#settings.confirmations);
		for (const hash of transaction.hashes) {
			const receipt = await this.#chain.receipt(hexOf(hash) as Hex);
			if (!receipt) continue;
			// One that succeeded is on its way here by the log.
			if (!receipt.succeeded && receipt.blockNumber <= counts)
				await this.#died(transaction, `block ${receipt.blockNumber} has it as failed`);
			return;
		}
		if ((await this.#chain.transactionCount(from as Hex, counts)) > nonce)
			return await this.#died(transaction, 'another transaction of the account has its nonce');
		const prices = await this.#chain.gasPrices();
		const most = (transaction.mostForGas * REPLACEMENT_PERCENT) / 100n;
		const bound = this.#settings.mostForGas;
		const needed = prices.tip === undefined ? prices.most : prices.base + prices.tip;
		const isTooLittle = needed > transaction.mostForGas && transaction.hashes.length < MOST_REPLACEMENTS;
		// What an account has signed that this node no longer has can only be sent as it is.
		const mayReplace = isTooLittle && from === this.#own && payments.length > 0 && (bound === 0n || most <= bound);
		if (!mayReplace) return await this.#resend(transaction);
		const tip = prices.tip === undefined ? {} : { tip: (prices.tip * REPLACEMENT_PERCENT) / 100n };
		const dearer = { ...prices, ...tip, most: prices.most > most ? this.#signer.bounded(prices).most : most };
		const place = { chainId: this.#chainId, nonce, prices: dearer };
		const { transaction: next, fee } = await this.#signer.sign(payments, place, transaction.hashes);
		await this.#send(next, fee, true);
	}

	async #died(transaction: PaymentTransaction, reason: string): Promise<void> {
		this.#observer.died({ hash: lastHash(transaction), nonce: transaction.nonce }, reason);
		await this.#payments.died(transaction);
	}

	async #send(transaction: PaymentTransaction, fee: bigint, isAgain: boolean): Promise<void> {
		const { nonce, payments } = transaction;
		await this.#payments.signed(transaction);
		this.#observer.sending({ hash: lastHash(transaction), nonce, submissions: payments.length, fee, isAgain });
		this.#lookedAfterMs.set(transactionKey(transaction), this.#clock.monotonicMs());
		await this.#resend(transaction);
	}

	/** What is refused may be in a block already, or is found out when it is looked at again. */
	async #resend({ raw }: PaymentTransaction): Promise<void> {
		try {
			await this.#chain.send(hexOf(raw) as Hex);
		} catch (error) {
			if (!(error instanceof RefusedError) || /insufficient funds/i.test(error.message)) throw error;
		}
	}

	#tell(trouble: SettlementTrouble | undefined): void {
		if (trouble?.message === this.#trouble?.message) return;
		this.#trouble = trouble;
		this.#observer.trouble(trouble);
	}

	#woken(): void {
		this.#isWoken = true;
		if (this.#isEager || this.#isClosing) this.#wake?.resolve();
	}

	/** `pauseMs`: undefined until it is woken. */
	async #pause(pauseMs: number | undefined): Promise<void> {
		const wake = deferred();
		this.#wake = wake;
		if (this.#isClosing || (this.#isEager && this.#isWoken)) wake.resolve();
		const cancel = pauseMs === undefined ? undefined : this.#clock.schedule(pauseMs, () => wake.resolve());
		await wake.promise;
		cancel?.();
		this.#isWoken = false;
	}
}

/** The node does not know all that the chain shows. */
class BehindError extends Error {}

function lastHash({ hashes }: PaymentTransaction): string {
	return hexOf(hashes.at(-1) ?? new Uint8Array(0));
}

function troubleOf(error: unknown): SettlementTrouble {
	const { message } = error as Error;
	const code =
		error instanceof BehindError
			? 'CHAIN_BEHIND'
			: error instanceof DearError
				? 'GAS_TOO_DEAR'
				: error instanceof RefusedError
					? 'PAYMENT_REFUSED'
					: error instanceof ChainError
						? 'CHAIN_UNREACHABLE'
						: 'PAYMENT_NOT_STORED';
	return { code, message, isFinal: false };
}
