/**
 * Watches downloads for clients that do not take what they asked for. Their pieces lie in buffers that all downloads share, so while others
 * wait for one, who has not taken a piece for a while is cut off. While nobody waits he may take his time, up to the socket's.
 */
import type { Clock } from '../../io/clock.js';
import { LIMITS } from '../../limits.js';

/** One download under watch. */
export interface WatchedDownload {
	/** Since when the first of its pieces lies in the socket, on the monotonic clock; undefined while none does. */
	readonly heldSinceMs: number | undefined;
	/** Since when it waits for a piece from the store; undefined while it does not. */
	readonly waitsSinceMs: number | undefined;
	/** Ends it. */
	cut(): void;
}

export class DownloadWatch {
	readonly #clock: Clock;
	readonly #downloads = new Set<WatchedDownload>();
	#isScheduled = false;

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	nowMs(): number {
		return this.#clock.monotonicMs();
	}

	add(download: WatchedDownload): void {
		this.#downloads.add(download);
		this.#schedule();
	}

	remove(download: WatchedDownload): void {
		this.#downloads.delete(download);
	}

	/** The timer is not cancelled with the last download, it ends when it finds none. */
	#schedule(): void {
		if (this.#isScheduled) return;
		this.#isScheduled = true;
		this.#clock.schedule(LIMITS.httpStalledLookMs, () => {
			this.#isScheduled = false;
			this.#look();
			if (this.#downloads.size > 0) this.#schedule();
		});
	}

	#look(): void {
		const nowMs = this.nowMs();
		const downloads = [...this.#downloads];
		const lasts = (sinceMs: number | undefined, ms: number) => sinceMs !== undefined && nowMs - sinceMs >= ms;
		if (!downloads.some(({ waitsSinceMs }) => lasts(waitsSinceMs, LIMITS.httpStalledLookMs))) return;
		for (const download of downloads) if (lasts(download.heldSinceMs, LIMITS.httpStalledMs)) download.cut();
	}
}
