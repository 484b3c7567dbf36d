/** Keeps background work in the background: after work that took t it sleeps `tranquility` times t. */
import type { Clock } from '../io/clock.js';
import { LIMITS } from '../limits.js';

export class Pacer {
	readonly #clock: Clock;
	readonly #tranquility: () => number;
	readonly #signal: AbortSignal;
	#sinceMs: number;

	/** `tranquility` is asked before each rest; `signal` ends every sleep, and lets `breathe` throw its reason. */
	constructor(clock: Clock, tranquility: () => number, signal: AbortSignal) {
		this.#clock = clock;
		this.#tranquility = tranquility;
		this.#signal = signal;
		this.#sinceMs = clock.monotonicMs();
	}

	/** Work begins now: what went before was none. */
	begin(): void {
		this.#sinceMs = this.#clock.monotonicMs();
	}

	/** Call it between two pieces of work: sleeps for the work since the last call, at least until the next turn of the event loop. */
	async breathe(): Promise<void> {
		const workMs = this.#clock.monotonicMs() - this.#sinceMs;
		await this.sleep(Math.min(LIMITS.pacerSleepMs, workMs * this.#tranquility()));
		this.#sinceMs = this.#clock.monotonicMs();
	}

	/** Errors: the signal's reason. */
	async sleep(ms: number): Promise<void> {
		this.#signal.throwIfAborted();
		await new Promise<void>((resolve) => {
			if (ms <= 0) {
				setImmediate(resolve);
				return;
			}
			const wake = (): void => {
				this.#signal.removeEventListener('abort', wake);
				cancel();
				resolve();
			};
			const cancel = this.#clock.schedule(ms, wake);
			this.#signal.addEventListener('abort', wake, { once: true });
		});
		this.#signal.throwIfAborted();
	}
}

/**
 * How many times the work compaction rests, of at most `tranquility`: fully up to the dead share at which it begins (`beginShare`), not at all
 * from twice that on. So the debt stays bounded as long as copying without a rest can bound it.
 */
export function restFactor(tranquility: number, deadShare: number, beginShare: number): number {
	const excess = deadShare / beginShare - 1;
	return tranquility * Math.min(1, Math.max(0, 1 - excess));
}
