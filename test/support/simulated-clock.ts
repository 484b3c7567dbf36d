import type { Clock } from '../../src/io/clock.js';
import type { Randomness } from '../../src/io/randomness.js';
import { Prng } from './prng.js';

interface Timer {
	readonly dueMs: number;
	readonly order: number;
	readonly callback: () => void;
}

/** Time that stands still until a test moves it. */
export class SimulatedClock implements Clock {
	readonly #startMs: number;
	#elapsedMs = 0;
	#order = 0;
	readonly #timers = new Set<Timer>();

	constructor(startMs = 1_700_000_000_000) {
		this.#startMs = startMs;
	}

	nowMs(): number {
		return this.#startMs + this.#elapsedMs;
	}

	monotonicMs(): number {
		return this.#elapsedMs;
	}

	schedule(delayMs: number, callback: () => void): () => void {
		this.#order += 1;
		const timer: Timer = { dueMs: this.#elapsedMs + Math.max(0, delayMs), order: this.#order, callback };
		this.#timers.add(timer);
		return () => {
			this.#timers.delete(timer);
		};
	}

	/** Timers that wait. */
	get scheduled(): number {
		return this.#timers.size;
	}

	/** Moves time on and calls what falls due, in order of time, then of scheduling; also what the callbacks schedule. */
	advance(byMs: number): void {
		const untilMs = this.#elapsedMs + byMs;
		for (let timer = this.#nextDue(untilMs); timer !== undefined; timer = this.#nextDue(untilMs)) {
			this.#timers.delete(timer);
			this.#elapsedMs = timer.dueMs;
			timer.callback();
		}
		this.#elapsedMs = untilMs;
	}

	#nextDue(untilMs: number): Timer | undefined {
		let first: Timer | undefined;
		for (const timer of this.#timers) {
			if (timer.dueMs > untilMs) continue;
			if (
				first === undefined ||
				timer.dueMs < first.dueMs ||
				(timer.dueMs === first.dueMs && timer.order < first.order)
			) {
				first = timer;
			}
		}
		return first;
	}
}

/** Randomness that a seed replays. */
export class SeededRandomness implements Randomness {
	readonly #prng: Prng;

	constructor(seed: number) {
		this.#prng = new Prng(seed);
	}

	bytes(count: number): Uint8Array {
		return this.#prng.bytes(count);
	}
}
