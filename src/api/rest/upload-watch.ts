/** Watches uploads for clients that fall silent: one timer for all of them, nothing per chunk but a flag. */
import type { Clock } from '../../io/clock.js';

/** Looks at each upload so often in its idle time. */
const LOOKS = 4;

/** One upload under watch. */
export interface WatchedUpload {
	/** Set with every chunk that arrives. */
	moved: boolean;
	/** The node itself holds the upload up; the client is not to blame. */
	waitsForNode: boolean;
	/** Called once when nothing has arrived for the idle time. */
	readonly onIdle: () => void;
}

interface Entry {
	readonly upload: WatchedUpload;
	idleLooks: number;
}

export class UploadWatch {
	readonly idleTimeoutMs: number;
	readonly #clock: Clock;
	readonly #entries = new Map<WatchedUpload, Entry>();
	#isScheduled = false;

	constructor(options: { readonly idleTimeoutMs: number; readonly clock: Clock }) {
		this.idleTimeoutMs = options.idleTimeoutMs;
		this.#clock = options.clock;
	}

	add(upload: WatchedUpload): void {
		this.#entries.set(upload, { upload, idleLooks: 0 });
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
			if (upload.moved || upload.waitsForNode) {
				upload.moved = false;
				entry.idleLooks = 0;
			} else if (++entry.idleLooks >= LOOKS) {
				this.#entries.delete(upload);
				upload.onIdle();
			}
		}
	}
}
