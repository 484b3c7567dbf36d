/**
 * Zeros behind the last write of a file whose every write is synced. A write that makes a file longer takes a commit of the file system's
 * own journal with it; one over zeros that are on the disk already does not, and is done in half the time.
 *
 * Nothing of it is data: whoever reads the file takes zeros at its end for its end, and `trim` cuts them off when the file is closed.
 */
import * as fs from 'node:fs';
import { call } from './system-call.js';

/** Zeros written at once, and the room below which more are written. */
const STEP_BYTES = 1024 * 1024;
/** A shorter file goes without: it may never grow. */
const LEAST_BYTES = 64 * 1024;
const ZEROS = Buffer.alloc(STEP_BYTES);

export class ZeroAhead {
	readonly #fd: number;
	/** End of what was written. */
	#end = 0;
	/** End of the zeros; behind it nothing was written, and nothing is being written. */
	#zeroed = 0;
	#zeroing: Promise<void> | undefined;
	#isRefused = false;

	constructor(fd: number) {
		this.#fd = fd;
	}

	/** Makes way for a write that ends at `end`: zeros that are on their way would overwrite it, and no zeros may follow it there. */
	makeWay(end: number): Promise<void> | undefined {
		if (end <= this.#zeroed) return undefined;
		if (this.#zeroing) return this.#zeroing.then(() => this.makeWay(end));
		this.#zeroed = end;
		return undefined;
	}

	/** A write that ends at `end` is done. */
	wrote(end: number): void {
		this.#end = Math.max(this.#end, end);
		const isDue = this.#end >= LEAST_BYTES && this.#zeroed - this.#end < STEP_BYTES;
		if (!isDue || this.#zeroing || this.#isRefused) return;
		this.#zeroing = this.#zero().finally(() => {
			this.#zeroing = undefined;
		});
	}

	/** Cuts the zeros off. The file is written no more. */
	async trim(): Promise<void> {
		await this.#zeroing;
		if (this.#zeroed <= this.#end) return;
		// With zeros at its end the file is as good: nothing is lost when this fails.
		await call<void>((done) => fs.ftruncate(this.#fd, this.#end, done)).catch(() => undefined);
		await call<void>((done) => fs.fdatasync(this.#fd, done)).catch(() => undefined);
	}

	/** Never rejects: on a full disk, or one that is in trouble, the writes themselves tell. */
	async #zero(): Promise<void> {
		try {
			const written = await call<number>((done) => fs.write(this.#fd, ZEROS, 0, STEP_BYTES, this.#zeroed, done));
			this.#zeroed += written;
			this.#isRefused = written < STEP_BYTES;
		} catch {
			this.#isRefused = true;
		}
	}
}
