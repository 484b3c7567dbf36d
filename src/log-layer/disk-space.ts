/**
 * The room on each volume: keeps uploads away from the reserve (the last part of each disk belongs to facts, journal, view and compaction)
 * and decides on which volume the next log file begins.
 */
import type { Lane, LogVolume, Placement } from '../append-log/types.js';
import { isDiskFull } from '../append-log/volume-trouble.js';
import { PerigeeError } from '../errors.js';
import type { Clock } from '../io/clock.js';
import type { StorageIo } from '../io/storage-io.js';
import { LIMITS } from '../limits.js';
import { SEGMENT_BYTES } from '../units.js';

const DEFAULT_RESERVE_BYTES = 4 * 2 ** 30;
const DEFAULT_RESERVE_SHARE = 0.05;

export interface DiskSpaceOptions {
	readonly io: StorageIo;
	readonly clock: Clock;
	/** At least one; the first is volume 0. */
	readonly volumes: readonly LogVolume[];
	/** Of each volume. 0: min(4 GiB, 5 % of its file system). */
	readonly reserveBytes: number;
	/** A volume took no file or no further bytes. */
	readonly onRefusal?: (volume: number, error: unknown) => void;
}

/** What is known about the file system of one volume. */
class VolumeSpace {
	readonly log: LogVolume;
	readonly reserveBytes: number;
	freeBytes: number;
	/** Not written to since it refused; a look that finds room ends that. */
	refusedAtMs: number | undefined;
	/** When it last found no room for a write, and what seemed free then; forgotten once there is more, or after a while. */
	short: { readonly atMs: number; readonly freeBytes: number } | undefined;

	constructor(log: LogVolume, freeBytes: number, reserveBytes: number) {
		this.log = log;
		this.freeBytes = freeBytes;
		this.reserveBytes = reserveBytes;
	}

	/** Bytes beside the reserve. */
	get uploadableBytes(): number {
		return this.refusedAtMs === undefined ? Math.max(0, this.freeBytes - this.reserveBytes) : 0;
	}
}

export class DiskSpace implements Placement {
	readonly #options: DiskSpaceOptions;
	readonly #volumes: readonly VolumeSpace[];
	/** Where each lane writes. */
	readonly #laneVolume = new Map<Lane, number>();
	#lookedMs: number;
	#looking = false;

	private constructor(options: DiskSpaceOptions, volumes: readonly VolumeSpace[]) {
		this.#options = options;
		this.#volumes = volumes;
		this.#lookedMs = options.clock.monotonicMs();
	}

	static async open(options: DiskSpaceOptions): Promise<DiskSpace> {
		const volumes: VolumeSpace[] = [];
		for (const log of options.volumes) {
			const { freeBytes, totalBytes } = await options.io.space(log.directory);
			const reserve =
				options.reserveBytes > 0
					? options.reserveBytes
					: Math.min(DEFAULT_RESERVE_BYTES, Math.floor(totalBytes * DEFAULT_RESERVE_SHARE));
			volumes.push(new VolumeSpace(log, freeBytes, reserve));
		}
		return new DiskSpace(options, volumes);
	}

	/** Each volume as of the last look. */
	get volumes(): readonly { readonly volume: number; readonly freeBytes: number; readonly reserveBytes: number }[] {
		return this.#volumes.map(({ log, freeBytes, reserveBytes }) => ({ volume: log.number, freeBytes, reserveBytes }));
	}

	/** Of all volumes, as of the last look. */
	get freeBytes(): number {
		return this.#volumes.reduce((sum, { freeBytes }) => sum + freeBytes, 0);
	}

	/** Of all volumes. */
	get reserveBytes(): number {
		return this.#volumes.reduce((sum, { reserveBytes }) => sum + reserveBytes, 0);
	}

	/** The smallest reserve of a volume: what is certainly there for one step of compaction. */
	get leastReserveBytes(): number {
		return Math.min(...this.#volumes.map(({ reserveBytes }) => reserveBytes));
	}

	/** Bytes that uploads may still take. Looks at the disks again, in the background, when the last look is old. */
	get uploadableBytes(): number {
		this.#look();
		const [first] = this.#volumes;
		// Each upload costs rows and journal entries too, and these lie on the first volume: half of its reserve is for them.
		if (!first || (first.uploadableBytes === 0 && first.freeBytes < first.reserveBytes / 2)) return 0;
		return this.#volumes.reduce((sum, { uploadableBytes }) => sum + uploadableBytes, 0);
	}

	/**
	 * Why uploads of any size must be expected to find no room, as a sentence; undefined when they should. Beside the figures, what
	 * writes have met counts: a quota, or a neighbour's last write, is in no figure.
	 */
	get shortage(): string | undefined {
		const { uploadableBytes, freeBytes, reserveBytes } = this;
		if (uploadableBytes < SEGMENT_BYTES) return `${freeBytes} bytes are free, ${reserveBytes} are reserved`;
		const isShort = this.#volumes.length === 1 && this.#volumes[0]?.short !== undefined;
		return isShort
			? `a write has just found no room, though ${freeBytes} bytes seem free; is there a quota?`
			: undefined;
	}

	/** Sets bytes aside for payload of a lane. Errors: DISK_FULL. */
	claim(lane: Lane, bytes: number): void {
		if (bytes > this.uploadableBytes) {
			throw new PerigeeError(
				'DISK_FULL',
				`${this.freeBytes} bytes are free, of which ${this.reserveBytes} are reserved`,
			);
		}
		const current = this.#volumes.find(({ log }) => log.number === this.#laneVolume.get(lane));
		const volume = current && current.uploadableBytes >= bytes ? current : this.#ranked(lane)[0];
		if (volume) volume.freeBytes -= bytes;
	}

	candidates(lane: Lane): readonly LogVolume[] {
		return this.#ranked(lane).map(({ log }) => log);
	}

	began(lane: Lane, volume: LogVolume): void {
		this.#laneVolume.set(lane, volume.number);
	}

	shouldLeave(lane: Lane, volume: LogVolume, bytes: number): boolean {
		if (lane === 'journal' || this.#volumes.length < 2) return false;
		const current = this.#volumes.find(({ log }) => log.number === volume.number);
		if (current && current.uploadableBytes > 0) return false;
		return this.#volumes.some((other) => other !== current && other.uploadableBytes > bytes);
	}

	refused(volume: LogVolume, error: unknown): void {
		const space = this.#volumes.find(({ log }) => log.number === volume.number);
		// The only volume is tried again each time.
		const atMs = this.#options.clock.monotonicMs();
		if (space && this.#volumes.length > 1) space.refusedAtMs = atMs;
		if (space && isDiskFull(error)) space.short = { atMs, freeBytes: space.freeBytes };
		this.#options.onRefusal?.(volume.number, error);
	}

	/** The volume with the most room first; one that another lane writes to counts half, so that the lanes spread over the disks. */
	#ranked(lane: Lane): readonly VolumeSpace[] {
		if (lane === 'journal') return this.#volumes.slice(0, 1);
		const score = (space: VolumeSpace): number => {
			let lanes = 1;
			for (const [other, volume] of this.#laneVolume)
				if (other !== lane && other !== 'journal' && volume === space.log.number) lanes++;
			return space.uploadableBytes / lanes;
		};
		return this.#volumes.toSorted((a, b) => score(b) - score(a) || a.log.number - b.log.number);
	}

	#look(): void {
		const { clock } = this.#options;
		if (this.#looking || clock.monotonicMs() - this.#lookedMs < LIMITS.diskLookMs) return;
		this.#looking = true;
		void Promise.all(this.#volumes.map((space) => this.#lookAt(space))).finally(() => {
			this.#lookedMs = clock.monotonicMs();
			this.#looking = false;
		});
	}

	async #lookAt(space: VolumeSpace): Promise<void> {
		const { io, clock } = this.#options;
		try {
			space.freeBytes = (await io.space(space.log.directory)).freeBytes;
		} catch {
			// The last figure stays in force; a disk that cannot be asked fails its writes by itself.
			return;
		}
		const { refusedAtMs, short } = space;
		const isLongAgo = (atMs: number): boolean => clock.monotonicMs() - atMs >= LIMITS.volumeRetryMs;
		if (refusedAtMs !== undefined && isLongAgo(refusedAtMs)) space.refusedAtMs = undefined;
		if (short && (isLongAgo(short.atMs) || space.freeBytes >= short.freeBytes + SEGMENT_BYTES)) space.short = undefined;
	}
}
