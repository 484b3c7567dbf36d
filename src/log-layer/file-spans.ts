/** Which log files may hold records of an object: by the sequence numbers that each file spans. */
import type { AppendLog } from '../append-log/append-log.js';
import type { Lane } from '../append-log/types.js';
import type { OlderFiles } from './liveness.js';

interface Span {
	readonly fileNo: number;
	/** No record of the file is numbered lower. */
	readonly first: bigint;
}

export class FileSpans {
	readonly #log: AppendLog;
	/** Of each lane, by ascending file number and so by ascending sequence number. */
	readonly #spans = new Map<Lane, Span[]>();

	constructor(log: AppendLog) {
		this.#log = log;
	}

	/** Learns of files; `numbers` are all that may be there, ascending. Each file's header is read once. Errors: those of StorageIo. */
	async update(lane: Lane, numbers: readonly number[]): Promise<void> {
		const known = new Map(this.#spans.get(lane)?.map((span) => [span.fileNo, span]));
		const spans: Span[] = [];
		for (const fileNo of numbers) {
			const span = known.get(fileNo) ?? { fileNo, first: await this.#log.closedFiles.firstLsn(lane, fileNo) };
			// A header that cannot be read says nothing: the file may begin right behind the one before it.
			spans.push(span.first > 0n ? span : { fileNo, first: spans.at(-1)?.first ?? 0n });
		}
		this.#spans.set(lane, spans);
	}

	/** The file is gone, durably. */
	forget(lane: Lane, fileNo: number): void {
		this.#spans.set(lane, this.#spans.get(lane)?.filter((span) => span.fileNo !== fileNo) ?? []);
	}

	/** Whether any file but this one may hold records numbered from `from` to `to`. */
	besides(lane: Lane, fileNo: number): OlderFiles {
		return (from, to) => {
			for (const [other, spans] of this.#spans) {
				for (let index = firstReaching(spans, from); index < spans.length; index++) {
					const span = spans[index];
					if (!span || span.first > to) break;
					if (other !== lane || span.fileNo !== fileNo) return true;
				}
			}
			return false;
		};
	}
}

/** Index of the first span that may go up to `from` or beyond: the last one that begins at or before it. */
function firstReaching(spans: readonly Span[], from: bigint): number {
	let low = 0;
	let high = spans.length;
	while (low < high) {
		const middle = (low + high) >>> 1;
		if ((spans[middle]?.first ?? 0n) <= from) low = middle + 1;
		else high = middle;
	}
	return Math.max(0, low - 1);
}
