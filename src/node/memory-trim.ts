/**
 * Gives freed memory back to the system now and then. Bodies come in pieces of up to 64 KiB that the C allocator takes from its heaps; after a
 * burst those are full of holes, which it never gives back by itself, so that a node would keep the size of its busiest moment.
 */
import type { Clock } from '../io/clock.js';
import { LIMITS } from '../limits.js';
import { trimMemory } from '../native/addon.js';

/** Begins; the answer ends it, and waits for a call that is under way. */
export function startTrimming(clock: Clock): () => Promise<void> {
	let running: Promise<unknown> = Promise.resolve();
	let cancel = clock.schedule(LIMITS.trimIntervalMs, trim);
	function trim(): void {
		running = trimMemory();
		cancel = clock.schedule(LIMITS.trimIntervalMs, trim);
	}
	return async () => {
		cancel();
		await running;
	};
}
