/**
 * Watches downloads for clients that do not take what they asked for. Their pieces lie in buffers that all downloads share, so while others
 * wait for one, who has not taken a piece for a while is cut off, and sooner who takes not a single byte. While nobody waits he may take his time, up
 * to the socket's.
 */
import type { Clock } from '../../io/clock.js';
import { LIMITS } from '../../limits.js';

/** One download under watch. */
export interface WatchedDownload {
	/** Since when the first of its pieces lies in the socket, on the monotonic clock; undefined while none does. */
	readonly heldSinceMs: number | undefined;
	/** Of the pieces in the socket what the system has not taken; undefined where that cannot be told. */
	readonly unsentBytes: number | undefined;
	/** Since when it waits for a piece from the store; undefined while it does not. */
	readonly waitsSinceMs: number | undefined;
	/** Ends it. */
	cut(): void;
}

export class DownloadWatch {
	readonly #clock: Clock;
	/** With what they had unsent when somebody was found to wait. */
	readonly #downloads = new Map<WatchedDownload, number | undefined>();
	#isScheduled = false;

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	nowMs(): number {
		return this.#clock.monotonicMs();
	}

	add(download: WatchedDownload): void {
		this.#downloads.set(download, undefined);
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
		const downloads = [...this.#downloads.keys()];
		const lasts = (sinceMs: number | undefined, ms: number) => sinceMs !== undefined && nowMs - sinceMs >= ms;
		const isNeeded = downloads.some(({ waitsSinceMs }) => lasts(waitsSinceMs, LIMITS.httpStalledLookMs));
		for (const download of downloads) {
			const before = this.#downloads.get(download);
			const { heldSinceMs } = download;
			const unsent = isNeeded && heldSinceMs !== undefined ? download.unsentBytes : undefined;
			this.#downloads.set(download, unsent);
			const isStill = unsent !== undefined && unsent > 0 && unsent === before;
			const isStalled = lasts(heldSinceMs, isStill ? LIMITS.httpStalledLookMs : LIMITS.httpStalledMs);
			if (isNeeded && isStalled) download.cut();
		}
	}
}
