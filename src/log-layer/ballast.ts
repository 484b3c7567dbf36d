/**
 * A file of dead weight in the data directory. A disk that something else has filled to the last byte leaves no room to open the index or to
 * write down a replay: then the ballast is given up, so that the node starts and serves reads. It is taken again once there is room.
 *
 * A crash may lose it or leave it shorter; both cost nothing but the room it keeps.
 */
import type { Randomness } from '../io/randomness.js';
import type { StorageIo } from '../io/storage-io.js';

const NAME = 'ballast';
const WRITE_BYTES = 1024 * 1024;
/** Of the file system, at most. */
const MOST_SHARE = 1 / 20;

export interface BallastOptions {
	readonly io: StorageIo;
	readonly randomness: Randomness;
	readonly dataDir: string;
	/** Less on a small file system; 0: there is none. */
	readonly bytes: number;
}

export class Ballast {
	readonly #options: BallastOptions;
	readonly #path: string;
	#running: Promise<void> | undefined;

	constructor(options: BallastOptions) {
		this.#options = options;
		this.#path = `${options.dataDir}/${NAME}`;
	}

	/** Before the index is opened: gives the ballast up if there is less room than it takes. */
	async releaseIfShort(): Promise<void> {
		const { io } = this.#options;
		const wanted = await this.#wantedBytes();
		if (wanted === 0 || (await this.#freeBytes()) >= wanted) return;
		if (await io.stat(this.#path)) await io.unlink(this.#path);
	}

	/** Takes the room again, if twice as much is free. Never fails: what cannot be taken now is taken another time. */
	async restore(): Promise<void> {
		this.#running ??= this.#restore()
			.catch(() => undefined)
			.finally(() => {
				this.#running = undefined;
			});
		await this.#running;
	}

	async #restore(): Promise<void> {
		const { io, randomness } = this.#options;
		const wanted = await this.#wantedBytes();
		const found = await io.stat(this.#path);
		if (wanted === 0 || (found?.sizeBytes ?? 0) >= wanted || (await this.#freeBytes()) < 2 * wanted) return;
		if (found) await io.unlink(this.#path);
		const file = await io.open(this.#path, 'create');
		try {
			// Bytes that no file system makes smaller.
			const part = randomness.bytes(Math.min(WRITE_BYTES, wanted));
			for (let at = 0; at < wanted; at += part.length) {
				const rest = part.subarray(0, Math.min(part.length, wanted - at));
				if ((await file.writev([rest], at)) < rest.length) return;
			}
		} finally {
			await file.close();
		}
	}

	async #wantedBytes(): Promise<number> {
		const { io, dataDir, bytes } = this.#options;
		if (bytes === 0) return 0;
		const { totalBytes } = await io.space(dataDir);
		return Math.min(bytes, Math.floor(totalBytes * MOST_SHARE));
	}

	async #freeBytes(): Promise<number> {
		return (await this.#options.io.space(this.#options.dataDir)).freeBytes;
	}
}
