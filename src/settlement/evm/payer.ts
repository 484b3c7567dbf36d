/**
 * Pays for submissions: gathers what is wanted into transactions, and looks after them until the chain shows them (transaction-care.ts).
 *
 * It never stops without saying why: `trouble` tells what it waits for, and goes on by itself when that is over. One payment that the chain refuses
 * holds up no other one.
 */
import { hexToBytes, type Hex } from 'viem';
import { deferred, type Deferred } from '../../deferred.js';
import type { Clock } from '../../io/clock.js';
import { LIMITS } from '../../limits.js';
import type { SettlementTrouble } from '../settlement.js';
import { ChainError, RefusedError } from './chain-reader.js';
import type { Payment } from './payment-records.js';
import { DearError, type PayingAccount, PaymentSigner } from './payment-signer.js';
import type { GasPrices, PayingChain } from './paying-chain.js';
import type { Payments } from './payments.js';
import { RefusedPayments } from './refused-payments.js';
import { NonceGapError, TransactionCare, type TransactionObserver } from './transaction-care.js';

export interface PayerSettings {
	/** 0x and 40 digits. */
	readonly flowAddress: Hex;
	/** A transaction that no block has taken is looked after so often. */
	readonly recheckMs: number;
	/** Wei that a unit of gas may cost at most; 0: anything. */
	readonly mostForGas: bigint;
}

/** What the node knows of the chain. */
export interface FollowedChain {
	readonly chainId: bigint;
	/** Why the node does not know all that the chain shows; undefined when it does. */
	behind(): string | undefined;
	/** The last block that it has read. */
	block(): number;
}

export interface PayerObserver extends TransactionObserver {
	/** Submissions that are in no transaction yet, and transactions that the chain does not show yet. */
	standing(wanted: number, sent: number): void;
	/** A new reason not to go on; undefined: it goes on again. */
	trouble(trouble: SettlementTrouble | undefined): void;
}

const LONGEST_PAUSE_MS = 60_000;
/** Until the node is looked at again that has not caught up. */
const BEHIND_MS = 1000;
/** When so many payments in a row are refused, it is not for their own sake. */
const MOST_REFUSALS = 8;

export class Payer {
	readonly #payments: Payments;
	readonly #chain: PayingChain;
	readonly #account: PayingAccount;
	readonly #clock: Clock;
	readonly #settings: PayerSettings;
	readonly #observer: PayerObserver;
	readonly #signer: PaymentSigner;
	readonly #care: TransactionCare;
	readonly #refused: RefusedPayments;
	#followed!: FollowedChain;
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
		const { flowAddress, mostForGas, recheckMs } = settings;
		this.#signer = new PaymentSigner({ ...parts, flowAddress, mostForGas });
		const own = parts.account.address.toLowerCase();
		this.#care = new TransactionCare({ ...parts, signer: this.#signer, own, recheckMs, observer });
		this.#refused = new RefusedPayments(parts.clock, recheckMs);
	}

	/** 20 bytes. */
	get address(): Uint8Array {
		return hexToBytes(this.#account.address);
	}

	/** What keeps it from paying for one submission. */
	troubleOf(payment: Payment): string | undefined {
		const own = this.#refused.reasonOf(payment);
		return own ?? (this.#trouble?.message === this.#refused.anyReason ? undefined : this.#trouble?.message);
	}

	/** Goes on with what is durable. */
	start(followed: FollowedChain): void {
		this.#followed = followed;
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
				const isMore = await this.#step();
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

	/** True: there is more to do at once. */
	async #step(): Promise<boolean> {
		const { wanted, underway } = this.#payments;
		if (wanted.length + underway.length === 0) {
			this.#tell(undefined);
			return false;
		}
		// What is not known yet may have been submitted long ago, by others or by a transaction that is under way.
		const behind = this.#followed.behind();
		if (behind !== undefined) throw new BehindError(`it waits until the chain is followed: ${behind}`);
		const { chainId } = this.#followed;
		const block = this.#followed.block();
		const trouble = await this.#care.lookAfter({ chainId, block });
		const isMore = await this.#payNext(this.#refused.without(this.#payments.payable(block)));
		if (isMore) return true;
		const reason = this.#refused.anyReason;
		this.#tell(trouble ? troubleOf(trouble) : reason === undefined ? undefined : troubleOf(new RefusedError(reason)));
		return false;
	}

	/** Pays for as much as goes into one transaction. True: there is more to do at once. Errors: ChainError, DearError, those of the journal. */
	async #payNext(payable: readonly Payment[]): Promise<boolean> {
		if (payable.length === 0 || this.#payments.underway.length >= LIMITS.paymentTransactions) return false;
		const prices = this.#signer.bounded(await this.#chain.gasPrices());
		const signed = await this.#signed(payable, prices);
		if (!signed) return false;
		const { transaction, fee } = signed;
		this.#refused.taken(transaction.payments);
		const isSent = await this.#care.send(transaction, fee);
		return !isSent || payable.length > transaction.payments.length;
	}

	/**
	 * A transaction for the first of them that the chain takes. What is refused is tried in halves, and a single one is set aside. Undefined: all are.
	 * Errors: RefusedError when many are in a row, and as of `#payNext`.
	 */
	async #signed(
		payable: readonly Payment[],
		prices: GasPrices,
	): Promise<Awaited<ReturnType<PaymentSigner['sign']>> | undefined> {
		const waiting = await this.#chain.transactionCount(this.#account.address, 'pending');
		const nonce = Math.max(waiting, (this.#payments.lastNonce(this.#account.address.toLowerCase()) ?? -1) + 1);
		const place = { chainId: this.#followed.chainId, nonce, prices };
		let count: number = LIMITS.paymentBatch;
		for (let from = 0, refusals = 0; from < payable.length && !this.#isClosing; ) {
			const batch = payable.slice(from, from + count);
			const [first] = batch;
			try {
				return await this.#signer.sign(batch, place);
			} catch (error) {
				if (!(error instanceof RefusedError) || !first) throw error;
				count = Math.ceil(batch.length / 2);
				if (batch.length > 1) continue;
				this.#refused.refused(first, error.message);
				if (++refusals >= MOST_REFUSALS) throw error;
				from++;
				count = LIMITS.paymentBatch;
			}
		}
		return undefined;
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

const TROUBLE_CODES: readonly (readonly [new (...args: never[]) => Error, string])[] = [
	[BehindError, 'CHAIN_BEHIND'],
	[DearError, 'GAS_TOO_DEAR'],
	[NonceGapError, 'NONCE_GAP'],
	[RefusedError, 'PAYMENT_REFUSED'],
	[ChainError, 'CHAIN_UNREACHABLE'],
];

function troubleOf(error: unknown): SettlementTrouble {
	const code = TROUBLE_CODES.find(([kind]) => error instanceof kind)?.[1] ?? 'PAYMENT_NOT_STORED';
	return { code, message: (error as Error).message, isFinal: false };
}
