/**
 * A mark beside the database that outlives the process: unchecked reading is under way.
 *
 * An open reads the tables' properties, and a scan their rows, without comparing the checksums of blocks; over a damaged block RocksDB's
 * assertions then end the process. The next run would meet the same block again, and so on for ever; so runs that ended so are counted, and
 * after two in a row the database counts as damaged. The mark is not synced: a process that ends leaves it to the next one, and a machine
 * that loses its power has met no assertion.
 */
import { closeSync, constants, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { ViewDamagedError } from './kv-engine.js';

/** One may be a kill. */
const ENDS_TOLERATED = 1;
const ZERO = 0x30;
const MODE = 0o600;

export class ReadMark {
	readonly #fd: number | undefined;
	/** Runs in a row before this one that ended in the middle of such reading. */
	readonly #ends: number;
	#underWay = 0;

	private constructor(fd: number | undefined, ends: number) {
		this.#fd = fd;
		this.#ends = ends;
	}

	/** Errors: ViewDamagedError after too many runs that ended so. */
	static open(directory: string): ReadMark {
		let fd: number | undefined;
		const digit = Buffer.alloc(1);
		try {
			fd = openSync(pathOf(directory), constants.O_RDWR | constants.O_CREAT, MODE);
			readSync(fd, digit, 0, 1, 0);
		} catch {
			// A disk that takes no mark (it is full) does not keep the database from being read.
			return new ReadMark(undefined, 0);
		}
		const ends = Math.max(0, (digit[0] ?? ZERO) - ZERO);
		if (ends > ENDS_TOLERATED) {
			closeSync(fd);
			throw new ViewDamagedError(`the last ${ends} runs ended while they opened or scanned the index`);
		}
		return new ReadMark(fd, ends);
	}

	static remove(directory: string): void {
		rmSync(pathOf(directory), { force: true });
	}

	/** What runs meanwhile may end the process. */
	async during<T>(read: () => Promise<T>): Promise<T> {
		if (this.#underWay++ === 0) this.#write(this.#ends + 1);
		try {
			return await read();
		} finally {
			if (--this.#underWay === 0) this.#write(this.#ends);
		}
	}

	/** This run ends as it should. */
	close(): void {
		if (this.#fd === undefined) return;
		this.#write(0);
		closeSync(this.#fd);
	}

	#write(ends: number): void {
		if (this.#fd === undefined) return;
		try {
			writeSync(this.#fd, String(ends), 0);
		} catch {
			// As at the open.
		}
	}
}

function pathOf(directory: string): string {
	return `${directory}.reading`;
}
