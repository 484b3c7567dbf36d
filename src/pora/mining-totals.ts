/** What mining has done since the process began. */
import type { MineTally } from '../native/mining-pool.js';
import type { AnswerOutcome } from '../settlement/mining.js';
import type { MiningStatus } from './mining-status.js';

const WINDOW_MS = 10_000;

export class MiningTotals {
	#nonces = 0n;
	#qualities = 0n;
	#reads = 0n;
	#failures = 0n;
	#hits = 0;
	#accepted = 0;
	#refused = 0;
	#givenUp = 0;
	#rewards = 0n;
	#gasSpent = 0n;
	/** [monotonic milliseconds, nonces since the beginning], oldest first, of about the last ten seconds. */
	readonly #window: { readonly atMs: number; readonly nonces: bigint }[] = [];

	tally({ nonces, qualities, reads, failures, finds }: MineTally, nowMs: number): void {
		this.#nonces += nonces;
		this.#qualities += qualities;
		this.#reads += reads;
		this.#failures += failures;
		this.#hits += finds.length;
		this.#window.push({ atMs: nowMs, nonces: this.#nonces });
		while ((this.#window[1]?.atMs ?? nowMs) < nowMs - WINDOW_MS) this.#window.shift();
	}

	answer(outcome: AnswerOutcome): void {
		if (outcome.kind === 'given up') {
			this.#givenUp++;
			return;
		}
		this.#gasSpent += outcome.gasSpent;
		if (outcome.kind === 'refused') {
			this.#refused++;
			return;
		}
		this.#accepted++;
		this.#rewards += outcome.reward;
	}

	get sums(): MiningStatus['totals'] {
		return {
			nonces: this.#nonces,
			qualities: this.#qualities,
			reads: this.#reads,
			failures: this.#failures,
			hits: this.#hits,
			accepted: this.#accepted,
			refused: this.#refused,
			givenUp: this.#givenUp,
			rewards: this.#rewards,
			gasSpent: this.#gasSpent,
		};
	}

	/** Nonces in a second, over about the last ten. */
	rate(nowMs: number): number {
		const [first] = this.#window;
		const last = this.#window.at(-1);
		if (!first || !last || last.atMs < nowMs - WINDOW_MS || nowMs <= first.atMs) return 0;
		return Number(last.nonces - first.nonces) / ((nowMs - first.atMs) / 1000);
	}
}
