/** What the store does while its disk is full: the view's rows wait for room. The ballast is not given up for them: it is for the next start. */
import { deferred } from '../deferred.js';
import { PerigeeError } from '../errors.js';
import type { Clock } from '../io/clock.js';
import { LIMITS } from '../limits.js';
import type { Ballast } from './ballast.js';

export class FullDisk {
	readonly #clock: Clock;
	readonly #ballast: Ballast;
	readonly #closing = deferred();

	constructor(clock: Clock, ballast: Ballast) {
		this.#clock = clock;
		this.#ballast = ballast;
	}

	/** Resolves when another try to write rows is worth it. Errors: SHUTTING_DOWN; the next open's replay then brings what is durable. */
	async waitForRoom(): Promise<void> {
		const retry = deferred();
		const cancel = this.#clock.schedule(LIMITS.viewRetryMs, () => retry.resolve());
		const isClosing = await Promise.race([retry.promise.then(() => false), this.#closing.promise.then(() => true)]);
		cancel();
		if (isClosing) throw new PerigeeError('SHUTTING_DOWN', 'the store closes while its disk is full');
	}

	/** Takes the room of the ballast again, if there is enough. */
	restore(): void {
		void this.#ballast.restore();
	}

	close(): void {
		this.#closing.resolve();
	}
}
