/** Payments that the chain refused for their own sake: they are tried again later, and hold up nobody. */
import type { Clock } from '../../io/clock.js';
import { type Payment, paymentKey } from './payment-records.js';

interface Refusal {
	readonly reason: string;
	readonly times: number;
	readonly untilMs: number;
}

const LONGEST_PAUSE_MS = 60_000;

export class RefusedPayments {
	readonly #clock: Clock;
	readonly #pauseMs: number;
	readonly #refusals = new Map<string, Refusal>();

	/** `pauseMs`: until the second try; it doubles with each further one. */
	constructor(clock: Clock, pauseMs: number) {
		this.#clock = clock;
		this.#pauseMs = pauseMs;
	}

	/** Why it waits. */
	reasonOf(payment: Payment): string | undefined {
		return this.#refusals.get(paymentKey(payment))?.reason;
	}

	/** One of the reasons for which something waits. */
	get anyReason(): string | undefined {
		const [first] = this.#refusals.values();
		return first?.reason;
	}

	refused(payment: Payment, reason: string): void {
		const key = paymentKey(payment);
		const times = (this.#refusals.get(key)?.times ?? 0) + 1;
		const pauseMs = Math.min(LONGEST_PAUSE_MS, this.#pauseMs * 2 ** Math.min(times - 1, 6));
		this.#refusals.set(key, { reason, times, untilMs: this.#clock.monotonicMs() + pauseMs });
	}

	taken(payments: readonly Payment[]): void {
		for (const payment of payments) this.#refusals.delete(paymentKey(payment));
	}

	/** Those that may be tried now, the least refused ones first. What is not wanted any more is forgotten. */
	without(wanted: readonly Payment[]): Payment[] {
		const keys = new Set(wanted.map(paymentKey));
		for (const key of this.#refusals.keys()) if (!keys.has(key)) this.#refusals.delete(key);
		const nowMs = this.#clock.monotonicMs();
		const known = (payment: Payment): Refusal | undefined => this.#refusals.get(paymentKey(payment));
		return wanted
			.filter((payment) => (known(payment)?.untilMs ?? 0) <= nowMs)
			.toSorted((left, right) => (known(left)?.times ?? 0) - (known(right)?.times ?? 0));
	}
}
