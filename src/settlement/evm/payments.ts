/**
 * What this node has to pay for, and the transactions that do it. Everything here is in the journal before it is acted upon: a submission is wanted
 * before anything is signed for it, and a transaction is signed and written down before it is sent. What a crash interrupts goes on with the same
 * signed bytes, and a nonce is used once, so that a submission is paid for once.
 *
 * A transaction that the chain has shown is remembered for some blocks: one that a reorganisation takes back is on its way again.
 */
import { type Deferred, deferred } from '../../deferred.js';
import { PerigeeError } from '../../errors.js';
import { LIMITS } from '../../limits.js';
import type { DataRoot } from '../../units.js';
import type { Journal } from '../journal.js';
import type { SettingRecord, UploadRecord } from '../journal-records.js';
import type { PlacedSubmission } from '../settlement.js';
import type { ChainSubmission } from './chain-submission.js';
import {
	forgottenTransaction,
	noLongerWanted,
	type Payment,
	paymentKey,
	type PaymentTransaction,
	readTransaction,
	readWanted,
	transactionKey,
	transactionSetting,
	wantedSetting,
} from './payment-records.js';

/** Reorganisations are not so deep: how far behind what was read the nonces of an account are believed. */
export const SETTLED_BLOCKS = 12;
/** After so many blocks a transaction that the chain has shown is forgotten. */
const REMEMBERED_BLOCKS = 64;
/** Submissions that were shown lately: an upload may have looked for its own just before. */
const LATELY_SHOWN = 4096;

/** A submission as the chain shows it, and where it stands in the flow. */
export interface ShownSubmission {
	readonly placed: PlacedSubmission;
	readonly txHash: ChainSubmission['txHash'];
}

type Write = (settings: readonly SettingRecord[]) => Promise<void>;

export class Payments {
	readonly #journal: Pick<Journal, 'recordUpload' | 'putSettings' | 'settings'>;
	readonly #wanted = new Map<string, Payment>();
	/** By account and nonce. */
	readonly #transactions = new Map<string, PaymentTransaction>();
	/** Block from which on something is paid for: others had submitted it, and their transactions may come again by themselves. */
	readonly #notBefore = new Map<string, number>();
	readonly #waiting = new Map<string, Deferred<PlacedSubmission>>();
	readonly #lately = new Map<string, PlacedSubmission>();
	/** The change under way: they come one after the other. */
	#turn: Promise<unknown> = Promise.resolve();
	/** Absent: nobody pays here now. */
	#onChange: (() => void) | undefined;

	constructor(journal: Pick<Journal, 'recordUpload' | 'putSettings' | 'settings'>) {
		this.#journal = journal;
	}

	/** `onChange` is called when there is something new to pay for, or less. */
	set changed(onChange: () => void) {
		this.#onChange = onChange;
	}

	/** Takes up what is durable. Call it after the replay. Errors: FORMAT_UNKNOWN. */
	begin(): void {
		for (const [key, value] of this.#journal.settings()) {
			const payment = readWanted(key, value);
			if (payment) this.#wanted.set(paymentKey(payment), payment);
			const transaction = readTransaction(key, value);
			if (transaction) this.#transactions.set(transactionKey(transaction), transaction);
		}
	}

	/** In no transaction yet, oldest first. */
	get wanted(): readonly Payment[] {
		return [...this.#wanted.values()];
	}

	/** Those of them that are paid for at a block. */
	payable(block: number): readonly Payment[] {
		return this.wanted.filter((payment) => (this.#notBefore.get(paymentKey(payment)) ?? 0) <= block);
	}

	/** Those that the chain does not show, by nonce. */
	get underway(): readonly PaymentTransaction[] {
		return this.#all().filter(({ shownAt }) => shownAt === undefined);
	}

	/** The highest nonce of an account that is remembered. */
	lastNonce(from: string): number | undefined {
		return this.#all().findLast((transaction) => transaction.from === from)?.nonce;
	}

	/** Whether a submission of that root is still to be paid for, or to be shown. */
	includes(root: DataRoot): boolean {
		const isOf = (payment: Payment): boolean => payment.root === root;
		return [...this.#wanted.values()].some(isOf) || this.underway.some(({ payments }) => payments.some(isOf));
	}

	/** The transaction that pays for it, if the chain does not show it yet. */
	transactionFor(payment: Payment): PaymentTransaction | undefined {
		const key = paymentKey(payment);
		return this.underway.find(({ payments }) => payments.some((each) => paymentKey(each) === key));
	}

	/**
	 * Takes on the payment for an upload. Resolves when that is durable, with the promise of the submission. Errors: OVERLOADED, those of the
	 * journal.
	 */
	async want(payment: Payment, upload: UploadRecord): Promise<{ readonly placed: Promise<PlacedSubmission> }> {
		return await this.#alone(async () => {
			const key = paymentKey(payment);
			const shown = this.#lately.get(key);
			const isNew = !shown && !this.#wanted.has(key) && !this.transactionFor(payment);
			if (isNew && this.#wanted.size >= LIMITS.payments)
				throw new PerigeeError('OVERLOADED', `${LIMITS.payments} submissions wait to be paid for.`);
			await this.#journal.recordUpload(upload, isNew ? [wantedSetting(payment)] : []);
			if (shown) return { placed: Promise.resolve(shown) };
			if (isNew) this.#wanted.set(key, payment);
			const waiting = this.#waiting.get(key) ?? deferred<PlacedSubmission>();
			// Whoever asked may have gone.
			waiting.promise.catch(() => undefined);
			this.#waiting.set(key, waiting);
			this.#onChange?.();
			return { placed: waiting.promise };
		});
	}

	/**
	 * A transaction was signed for payments that were wanted, or in the place of `replaced`. Resolves when it is durable, and may be sent. False: somebody
	 * else has submitted something of it meanwhile, or the chain shows what it replaces; it must not be sent.
	 */
	async signed(transaction: PaymentTransaction, replaced?: PaymentTransaction): Promise<boolean> {
		return await this.#alone(async () => {
			const { payments } = transaction;
			const key = transactionKey(transaction);
			const isStill = this.#transactions.get(key) === replaced && replaced?.shownAt === undefined;
			const isWanted = replaced !== undefined || payments.every((payment) => this.#wanted.has(paymentKey(payment)));
			if (!isStill || !isWanted) return false;
			await this.#put([transactionSetting(transaction), ...payments.map(noLongerWanted)]);
			for (const payment of payments) this.#unwant(payment);
			this.#transactions.set(key, transaction);
			return true;
		});
	}

	/** A transaction can no longer become part of the chain: what it paid for is wanted again. False: the chain shows it after all. */
	async died(dead: PaymentTransaction): Promise<boolean> {
		return await this.#alone(async () => {
			const key = transactionKey(dead);
			const transaction = this.#transactions.get(key);
			if (!transaction || transaction.shownAt !== undefined) return false;
			await this.#put([forgottenTransaction(transaction), ...transaction.payments.map(wantedSetting)]);
			this.#transactions.delete(key);
			for (const payment of transaction.payments) this.#wanted.set(paymentKey(payment), payment);
			return true;
		});
	}

	/** Writes what the chain shows, with what follows from it for payments. `write` writes both as one. `read` is called where it matters. */
	async shown(read: () => readonly ShownSubmission[], write: Write): Promise<void> {
		const isIdle = this.#wanted.size === 0 && this.#transactions.size === 0;
		const submissions = isIdle && this.#onChange === undefined ? [] : read();
		if (submissions.length === 0) return await write([]);
		await this.#alone(async () => {
			const block = submissions.at(-1)?.placed.blockNumber ?? 0;
			const [settings, after] = this.#afterShown(submissions, block);
			await write(settings);
			after();
			for (const { placed } of submissions) {
				const key = keyOf(placed);
				this.#waiting.get(key)?.resolve(placed);
				this.#waiting.delete(key);
				this.#remember(key, placed);
			}
			// There may be room for a further transaction, or nothing left to do.
			if (settings.length > 0) this.#onChange?.();
		});
	}

	/**
	 * Writes that of what the chain has shown only the first `submissions` still count, and blocks up to `block`, with what follows from it for payments.
	 * `lost`: what somebody has uploaded here, and has no submission any more. A block may be read again whose submissions count.
	 */
	async reverted(
		{ submissions, block }: { readonly submissions: number; readonly block: number },
		lost: readonly Payment[],
		write: Write,
	): Promise<void> {
		await this.#alone(async () => {
			const back = this.#all()
				.filter(({ shownAt }) => shownAt !== undefined && shownAt.txSeq >= submissions)
				.map(({ shownAt: _, ...transaction }) => transaction);
			const paidFor = new Set([...this.underway, ...back].flatMap(({ payments }) => payments.map(paymentKey)));
			const room = LIMITS.payments - this.#wanted.size;
			const wanted = lost.filter((payment) => !paidFor.has(paymentKey(payment))).slice(0, Math.max(0, room));
			await write([...back.map(transactionSetting), ...wanted.map(wantedSetting)]);
			this.#lately.clear();
			for (const transaction of back) this.#transactions.set(transactionKey(transaction), transaction);
			for (const payment of wanted) {
				this.#wanted.set(paymentKey(payment), payment);
				this.#notBefore.set(paymentKey(payment), block + SETTLED_BLOCKS);
			}
			if (back.length + wanted.length > 0) this.#onChange?.();
		});
	}

	/** Nobody need wait any longer: what is wanted goes on with the next start. */
	close(): void {
		for (const waiting of this.#waiting.values()) waiting.reject(new PerigeeError('SHUTTING_DOWN'));
		this.#waiting.clear();
	}

	/** What is to be written when submissions are shown, and what is true then. */
	#afterShown(submissions: readonly ShownSubmission[], block: number): [SettingRecord[], () => void] {
		const settings: SettingRecord[] = [];
		const wanted = new Map(this.#wanted);
		const transactions = new Map(this.#transactions);
		for (const { placed, txHash } of submissions) {
			const key = keyOf(placed);
			const payment = wanted.get(key);
			if (payment) settings.push(noLongerWanted(payment));
			wanted.delete(key);
			for (const transaction of transactions.values()) {
				if (transaction.shownAt !== undefined) continue;
				const isOwn = transaction.hashes.some((hash) => Buffer.compare(hash, txHash) === 0);
				// What somebody else has paid for need not be paid again, should this transaction die.
				const payments = isOwn ? transaction.payments : transaction.payments.filter((each) => paymentKey(each) !== key);
				const shownAt = { block: placed.blockNumber, txSeq: placed.txSeq };
				if (isOwn) transactions.set(transactionKey(transaction), { ...transaction, shownAt });
				else if (payments.length < transaction.payments.length)
					transactions.set(transactionKey(transaction), { ...transaction, payments });
			}
		}
		for (const [key, transaction] of transactions) {
			const { shownAt } = transaction;
			if (shownAt && shownAt.block < block - REMEMBERED_BLOCKS) {
				settings.push(forgottenTransaction(transaction));
				transactions.delete(key);
			} else if (transaction !== this.#transactions.get(key)) settings.push(transactionSetting(transaction));
		}
		const after = (): void => {
			for (const [key, payment] of this.#wanted) if (!wanted.has(key)) this.#unwant(payment);
			replace(this.#transactions, transactions);
		};
		return [settings, after];
	}

	#unwant(payment: Payment): void {
		this.#wanted.delete(paymentKey(payment));
		this.#notBefore.delete(paymentKey(payment));
	}

	/** Writes settings; transactions of the past make room. */
	async #put(settings: readonly SettingRecord[]): Promise<void> {
		const spare = this.#all()
			.filter(({ shownAt }) => shownAt !== undefined)
			.slice(0, Math.max(0, this.#transactions.size - LIMITS.paymentTransactions));
		await this.#journal.putSettings([...spare.map(forgottenTransaction), ...settings]);
		for (const transaction of spare) this.#transactions.delete(transactionKey(transaction));
	}

	#all(): PaymentTransaction[] {
		return [...this.#transactions.values()].toSorted((left, right) => left.nonce - right.nonce);
	}

	#remember(key: string, placed: PlacedSubmission): void {
		this.#lately.set(key, placed);
		const [oldest] = this.#lately.keys();
		if (this.#lately.size > LATELY_SHOWN && oldest !== undefined) this.#lately.delete(oldest);
	}

	#alone<T>(run: () => Promise<T>): Promise<T> {
		const turn = this.#turn.then(run);
		this.#turn = turn.catch(() => undefined);
		return turn;
	}
}

function keyOf({ dataRoot, lengthBytes, tags, txSeq }: PlacedSubmission): string {
	// With tags it is a submission of its own.
	return tags.length === 0 ? paymentKey({ root: dataRoot, lengthBytes }) : `${txSeq}`;
}

function replace<K, V>(map: Map<K, V>, by: ReadonlyMap<K, V>): void {
	map.clear();
	for (const [key, value] of by) map.set(key, value);
}
