/**
 * Bounds what bodies of calls take in memory, all connections together: who does not fit waits, in order, with its body unread. A body that comes so
 * slowly that others would wait for it for long is refused; while nobody waits it may be as slow as it likes.
 */
import { PerigeeError } from '../../errors.js';
import type { Clock } from '../../io/clock.js';
import { LIMITS } from '../../limits.js';

/** Memory of one body, from before it is read until nobody needs it any more. */
export interface BodyRoom {
	/** Refuses the body while it is read. */
	readonly refused: AbortSignal;
	/** So many bytes of it have come. */
	came(bytes: number): void;
	/** All of it has. */
	isWhole(): void;
	give(): void;
}

interface Reading {
	readonly refuse: AbortController;
	/** Bytes that have not come. */
	left: number;
	/** The same at the last look; undefined: it was not there yet. */
	leftBefore: number | undefined;
}

interface Waiting {
	readonly bytes: number;
	readonly go: () => void;
	/** It was there at the last look. */
	isOld: boolean;
}

export class BodyBudget {
	readonly #most: number;
	readonly #clock: Clock;
	#taken = 0;
	#waiting: Waiting[] = [];
	readonly #reading = new Set<Reading>();
	#isWatching = false;

	/** `most`: bytes; a single body that is larger goes alone. */
	constructor(most: number, clock: Clock) {
		this.#most = most;
		this.#clock = clock;
	}

	/** Resolves once there is room for `bytes`. */
	async take(bytes: number): Promise<BodyRoom> {
		if (this.#waiting.length === 0 && this.#fits(bytes)) this.#taken += bytes;
		else
			await new Promise<void>((go) => {
				this.#waiting.push({ bytes, go, isOld: false });
				this.#watch();
			});
		return this.#room(bytes);
	}

	#room(bytes: number): BodyRoom {
		const reading: Reading = { refuse: new AbortController(), left: bytes, leftBefore: undefined };
		this.#reading.add(reading);
		return {
			refused: reading.refuse.signal,
			came(count) {
				reading.left -= count;
			},
			isWhole: () => void this.#reading.delete(reading),
			give: () => {
				this.#reading.delete(reading);
				this.#give(bytes);
			},
		};
	}

	#give(bytes: number): void {
		this.#taken -= bytes;
		for (let [next] = this.#waiting; next && this.#fits(next.bytes); [next] = this.#waiting) {
			this.#waiting.shift();
			this.#taken += next.bytes;
			next.go();
		}
	}

	#fits(bytes: number): boolean {
		return this.#taken === 0 || this.#taken + bytes <= this.#most;
	}

	/** Looks from time to time, as long as somebody waits. */
	#watch(): void {
		if (this.#isWatching) return;
		this.#isWatching = true;
		this.#clock.schedule(LIMITS.rpcBodyWaitMs, () => {
			this.#isWatching = false;
			const [first] = this.#waiting;
			if (!first) return;
			for (const reading of this.#reading) this.#look(reading, first.isOld);
			for (const waiting of this.#waiting) waiting.isOld = true;
			this.#watch();
		});
	}

	/** `isLong`: somebody waits since the last look. */
	#look(reading: Reading, isLong: boolean): void {
		const { left, leftBefore } = reading;
		reading.leftBefore = left;
		if (leftBefore === undefined || !isLong) return;
		const looksLeft = left / (leftBefore - left);
		if (looksLeft * LIMITS.rpcBodyWaitMs > LIMITS.rpcBodyRestMs)
			reading.refuse.abort(new PerigeeError('UPLOAD_TIMEOUT', 'The body comes too slowly while others wait.'));
	}
}
