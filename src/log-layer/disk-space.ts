/** Keeps uploads away from the reserve: the last part of the disk belongs to facts, journal, view and compaction. */
import { PerigeeError } from '../errors.js';
import type { Clock } from '../io/clock.js';
import type { StorageIo } from '../io/storage-io.js';
import { LIMITS } from '../limits.js';

const DEFAULT_RESERVE_BYTES = 4 * 2 ** 30;
const DEFAULT_RESERVE_SHARE = 0.05;

export class DiskSpace {
	readonly reserveBytes: number;
	readonly #io: StorageIo;
	readonly #clock: Clock;
	readonly #directory: string;
	#freeBytes: number;
	#lookedMs: number;
	#looking = false;

	private constructor(io: StorageIo, clock: Clock, directory: string, freeBytes: number, reserveBytes: number) {
		this.#io = io;
		this.#clock = clock;
		this.#directory = directory;
		this.#freeBytes = freeBytes;
		this.#lookedMs = clock.monotonicMs();
		this.reserveBytes = reserveBytes;
	}

	/** `reserveBytes` 0: min(4 GiB, 5 % of the file system). */
	static async open(io: StorageIo, clock: Clock, directory: string, reserveBytes: number): Promise<DiskSpace> {
		const { freeBytes, totalBytes } = await io.space(directory);
		const reserve =
			reserveBytes > 0 ? reserveBytes : Math.min(DEFAULT_RESERVE_BYTES, Math.floor(totalBytes * DEFAULT_RESERVE_SHARE));
		return new DiskSpace(io, clock, directory, freeBytes, reserve);
	}

	/** As of the last look. */
	get freeBytes(): number {
		return this.#freeBytes;
	}

	/** Bytes that uploads may still take. Looks at the disk again, in the background, when the last look is old. */
	get uploadableBytes(): number {
		this.#look();
		return Math.max(0, this.#freeBytes - this.reserveBytes);
	}

	/** Sets bytes aside for payload. Errors: DISK_FULL. */
	claim(bytes: number): void {
		if (bytes > this.uploadableBytes) {
			throw new PerigeeError(
				'DISK_FULL',
				`${this.#freeBytes} bytes are free, of which ${this.reserveBytes} are reserved`,
			);
		}
		this.#freeBytes -= bytes;
	}

	#look(): void {
		if (this.#looking || this.#clock.monotonicMs() - this.#lookedMs < LIMITS.diskLookMs) return;
		this.#looking = true;
		this.#io
			.space(this.#directory)
			.then(({ freeBytes }) => {
				this.#freeBytes = freeBytes;
			})
			// The last figure stays in force; a disk that cannot be asked fails its writes by itself.
			.catch(() => undefined)
			.finally(() => {
				this.#lookedMs = this.#clock.monotonicMs();
				this.#looking = false;
			});
	}
}
