/** The log files that compaction looks after, and how much of each is dead. */
import type { AppendLog } from '../append-log/append-log.js';
import { FIRST_GROUP_OFFSET, GROUP_ALIGN_BYTES } from '../append-log/format.js';
import type { Lane, LanePosition } from '../append-log/types.js';
import type { LiveBytes } from './live-bytes.js';
import type { EmptiedFile } from './retirement.js';

export const COMPACTED_LANES = ['small', 'bulk', 'sealed'] as const satisfies readonly Lane[];
/** What a file without any record takes: its header and the marks of its end. */
const FRAME_BYTES = FIRST_GROUP_OFFSET + 2 * GROUP_ALIGN_BYTES;

export interface CompactedFile extends EmptiedFile {
	/** What counts in it: payload with the headers it needs, and facts. */
	readonly liveBytes: number;
	/** What a copy would not need: dead records, and what small groups waste. */
	readonly deadBytes: number;
	/** Still written to, or the last one its lane has. */
	readonly isCurrent: boolean;
}

export interface CompactedFilesParts {
	readonly log: AppendLog;
	readonly live: LiveBytes;
	/** Position behind what the view has taken of a lane. */
	readonly position: (lane: Lane) => LanePosition | undefined;
}

export class CompactedFiles {
	readonly #parts: CompactedFilesParts;
	readonly #isGoing: (lane: Lane, fileNo: number) => boolean;
	/** By lane and file number; of closed files, which change no more. */
	readonly #sizes = new Map<string, number>();
	#all: readonly CompactedFile[] = [];
	#sum = { sizeBytes: 0, liveBytes: 0, deadBytes: 0 };

	/** `isGoing`: nothing counts in the file any more, and it is on its way out. */
	constructor(parts: CompactedFilesParts, isGoing: (lane: Lane, fileNo: number) => boolean) {
		this.#parts = parts;
		this.#isGoing = isGoing;
	}

	/** As of the last look, by lane and number. */
	get all(): readonly CompactedFile[] {
		return this.#all;
	}

	/** Of all of them. */
	get sum(): { readonly sizeBytes: number; readonly liveBytes: number; readonly deadBytes: number } {
		return this.#sum;
	}

	/** Looks at all files anew. Errors: those of StorageIo. */
	async look(): Promise<void> {
		const { log, live, position } = this.#parts;
		const files: CompactedFile[] = [];
		const sum = { sizeBytes: 0, liveBytes: 0, deadBytes: 0 };
		for (const lane of COMPACTED_LANES) {
			const current = position(lane)?.fileNo ?? 0;
			for (const fileNo of log.closedFiles.numbers(lane)) {
				if (this.#isGoing(lane, fileNo)) continue;
				const isCurrent = fileNo >= current;
				const sizeBytes = await this.#sizeOf(lane, fileNo, isCurrent);
				const liveBytes = live.of(lane, fileNo);
				const deadBytes = Math.max(0, sizeBytes - FRAME_BYTES - liveBytes);
				files.push({ lane, fileNo, sizeBytes, liveBytes, deadBytes, isCurrent });
				sum.sizeBytes += sizeBytes;
				sum.liveBytes += liveBytes;
				sum.deadBytes += deadBytes;
			}
		}
		this.#all = files;
		this.#sum = sum;
	}

	/** The file is gone. */
	forget(lane: Lane, fileNo: number): void {
		this.#sizes.delete(`${lane}/${fileNo}`);
	}

	async #sizeOf(lane: Lane, fileNo: number, isCurrent: boolean): Promise<number> {
		const name = `${lane}/${fileNo}`;
		const sizeBytes = this.#sizes.get(name) ?? (await this.#parts.log.closedFiles.sizeBytes(lane, fileNo));
		if (!isCurrent) this.#sizes.set(name, sizeBytes);
		return sizeBytes;
	}
}
