import type { Clock } from '../io/clock.js';

/** Resolves after so long, or at once when the signal comes. */
export async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
	if (signal.aborted) return;
	await new Promise<void>((resolve) => {
		const wake = (): void => {
			cancel();
			signal.removeEventListener('abort', wake);
			resolve();
		};
		const cancel = clock.schedule(ms, wake);
		signal.addEventListener('abort', wake, { once: true });
	});
}
