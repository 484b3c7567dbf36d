/** How often one token may ask: a bucket that fills at its rate and holds one second's worth. */
import type { Clock } from '../../io/clock.js';

export class RequestRate {
	readonly #perSecond: number;
	readonly #clock: Clock;
	#left: number;
	#atMs: number;

	constructor(perSecond: number, clock: Clock) {
		this.#perSecond = perSecond;
		this.#clock = clock;
		this.#left = perSecond;
		this.#atMs = clock.monotonicMs();
	}

	/** 0 when the request may go on; else the milliseconds until the next one may. */
	take(): number {
		const nowMs = this.#clock.monotonicMs();
		this.#left = Math.min(this.#perSecond, this.#left + ((nowMs - this.#atMs) / 1000) * this.#perSecond);
		this.#atMs = nowMs;
		if (this.#left < 1) return ((1 - this.#left) / this.#perSecond) * 1000;
		this.#left -= 1;
		return 0;
	}
}
