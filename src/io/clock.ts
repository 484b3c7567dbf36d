/** Time as a constructor argument, so that tests decide what time it is. */
export interface Clock {
	/** Milliseconds since 1970 (UTC). */
	nowMs(): number;
	/** Milliseconds of a clock that never goes backwards. */
	monotonicMs(): number;
	/** Calls `callback` once after `delayMs`; the answer cancels it. Does not keep the process alive. */
	schedule(delayMs: number, callback: () => void): () => void;
}

/** What a promise answers within so long, on that clock; undefined when it takes longer. Errors: the promise's. */
export async function within<T>(
	clock: Pick<Clock, 'schedule'>,
	mostMs: number,
	promise: Promise<T>,
): Promise<T | undefined> {
	let cancel = (): void => undefined;
	const over = new Promise<undefined>((resolve) => {
		cancel = clock.schedule(mostMs, () => resolve(undefined));
	});
	try {
		return await Promise.race([promise, over]);
	} finally {
		cancel();
	}
}

export const systemClock: Clock = {
	nowMs: () => Date.now(),
	monotonicMs: () => performance.now(),
	schedule(delayMs, callback) {
		const timer = setTimeout(callback, delayMs);
		timer.unref();
		return () => clearTimeout(timer);
	},
};
