/** Watches uploads for clients that fall silent, or drip: one timer for all of them, nothing per chunk but a flag. */
import type { Clock } from '../../io/clock.js';

/** Looks at each upload so often in its idle time. */
const LOOKS = 4;

/** One upload under watch. */
export interface WatchedUpload {
	/** Set with every chunk that arrives. */
	moved: boolean;
	/** The node itself holds the upload up; the client is not to blame. */
	waitsForNode: boolean;
	/** Bytes that have arrived so far. */
	readonly receivedBytes: () => number;
	/** Called once when nothing, or too little, has arrived for the idle time. */
	readonly onIdle: () => void;
}

interface Entry {
	readonly upload: WatchedUpload;
	idleLooks: number;
	/** Looks since `fromBytes` had arrived. */
	slowLooks: number;
	fromBytes: number;
}

export interface UploadWatchOptions {
	readonly idleTimeoutMs: number;
	/** Over the idle time. */
	readonly minBytesPerSecond: number;
	readonly clock: Clock;
}

export class UploadWatch {
	readonly idleTimeoutMs: number;
	readonly #leastBytes: number;
	readonly #clock: Clock;
	readonly #entries = new Map<WatchedUpload, Entry>();
	#isScheduled = false;

	constructor(options: UploadWatchOptions) {
		this.idleTimeoutMs = options.idleTimeoutMs;
		this.#leastBytes = (options.minBytesPerSecond * options.idleTimeoutMs) / 1000;
		this.#clock = options.clock;
	}

	add(upload: WatchedUpload): void {
		this.#entries.set(upload, { upload, idleLooks: 0, slowLooks: 0, fromBytes: upload.receivedBytes() });
		this.#schedule();
	}

	/** Ends the watch; unknown uploads are ignored. */
	remove(upload: WatchedUpload): void {
		this.#entries.delete(upload);
	}

	/** Small uploads come and go a thousand times a second: the timer is not cancelled with the last of them, it ends when it finds none. */
	#schedule(): void {
		if (this.#isScheduled) return;
		this.#isScheduled = true;
		this.#clock.schedule(this.idleTimeoutMs / LOOKS, () => {
			this.#isScheduled = false;
			this.#look();
			if (this.#entries.size > 0) this.#schedule();
		});
	}

	#look(): void {
		for (const entry of this.#entries.values()) {
			const { upload } = entry;
			const isSlow = this.#isSlow(entry);
			if (upload.moved || upload.waitsForNode) {
				upload.moved = false;
				entry.idleLooks = 0;
			} else entry.idleLooks += 1;
			if (!isSlow && entry.idleLooks < LOOKS) continue;
			this.#entries.delete(upload);
			upload.onIdle();
		}
	}

	/** Whether too little has come in at least the idle time, through no fault of the node. */
	#isSlow(entry: Entry): boolean {
		const bytes = entry.upload.receivedBytes();
		const isEnough = bytes - entry.fromBytes >= this.#leastBytes;
		if (!isEnough && !entry.upload.waitsForNode) {
			entry.slowLooks += 1;
			// The first look may come right after the beginning.
			return entry.slowLooks > LOOKS;
		}
		entry.slowLooks = 0;
		entry.fromBytes = bytes;
		return false;
	}
}
