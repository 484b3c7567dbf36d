/** What the store does by itself beside its clients: gives up what nobody names, removes the rows of what was deleted, drops what its shard does not own. */
import type { Clock } from '../io/clock.js';
import { LIMITS } from '../limits.js';
import type { ChunkPool } from './chunk-pool.js';
import type { Expiry } from './expiry.js';
import type { Pruning } from './pruning.js';
import type { Purge } from './purge.js';

export interface HousekeepingParts {
	readonly expiry: Expiry;
	readonly purge: Purge;
	readonly segmentUploads: ChunkPool;
	readonly pruning: Pruning;
	readonly clock: Clock;
	/** A step failed; it is tried again at the next interval. */
	readonly onError: (error: unknown) => void;
}

export class Housekeeping {
	readonly #parts: HousekeepingParts;
	#sweeping: Promise<void> | undefined;
	#cancelTimer: () => void = () => undefined;
	#isStopped = false;

	constructor(parts: HousekeepingParts) {
		this.#parts = parts;
	}

	/** Begins with what earlier processes left behind. */
	start(): void {
		this.#parts.purge.start();
		this.#interval();
	}

	/** Resolves when everything that is due now is done; sweeps first. */
	async settle(): Promise<void> {
		await this.#sweeping;
		await this.#sweep();
		// One that is at it may have begun before the last submission.
		await this.#parts.pruning.idle();
		this.#parts.pruning.wake();
		await this.#parts.pruning.idle();
		await this.#parts.purge.idle();
	}

	/** Ends after the step on its way. */
	async stop(): Promise<void> {
		this.#isStopped = true;
		this.#cancelTimer();
		await this.#sweeping;
		await this.#parts.pruning.stop();
		await this.#parts.purge.stop();
	}

	#interval(): void {
		if (this.#isStopped) return;
		this.#cancelTimer = this.#parts.clock.schedule(LIMITS.expiryIntervalMs, () => this.#interval());
		this.#parts.purge.wake();
		this.#parts.pruning.wake();
		void this.#sweep();
	}

	/** Never rejects. */
	#sweep(): Promise<void> {
		const { expiry, segmentUploads, onError } = this.#parts;
		this.#sweeping ??= segmentUploads
			.sweep()
			.catch(onError)
			.then(() => expiry.sweep())
			.catch(onError)
			.finally(() => {
				this.#sweeping = undefined;
			});
		return this.#sweeping;
	}
}
