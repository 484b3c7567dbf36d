/** Takes segments that came with proofs into the object of their file: what is here is not stored twice. */
import type { HashPool } from '../native/hash-pool.js';
import type { SlabRing } from '../native/slab-ring.js';
import type { Shard } from '../config/shard-position.js';
import type { AppendLog } from '../append-log/append-log.js';
import type { DiskSpace } from './disk-space.js';
import type { PartialFile, SegmentSources } from './partial-file.js';
import type { BusyFile } from './partial-files.js';
import { ProvedBatch, proofsOf, recordsOf, type RightSegment } from './proved-batch.js';
import { SegmentRefusedError, type ProvedSegment, type PutOptions } from './proved-segment.js';

export interface SegmentStoringParts extends SegmentSources {
	readonly log: AppendLog;
	readonly ring: SlabRing;
	readonly pool: HashPool;
	readonly disk: DiskSpace;
	readonly shard: { readonly current: Shard };
	/** Whether so much may wait. Errors: `full`, and as of FileStore.beginUpload. */
	readonly admitSegments: (segment: ProvedSegment, bytes: number, isSubmitted: boolean) => void;
}

/** Segments on their way into the log. */
interface Storing {
	/** When all are durable. It rejects with `repeated` then, where a segment that came before is not taken. */
	readonly stored: Promise<void>;
}

export class SegmentStoring {
	readonly #parts: SegmentStoringParts;

	constructor(parts: SegmentStoringParts) {
		this.#parts = parts;
	}

	/**
	 * Looks at segments of one file in their order. `take` gets those that are right, and one as it came; when it resolves nobody reads their bytes
	 * any more. Where it answers that the file is busy they are looked at again later: who waits for that must hold no slots, which it may need.
	 * The first that is refused ends it.
	 */
	async eachBatch(
		segments: readonly ProvedSegment[],
		take: (right: readonly RightSegment[], sent: ProvedSegment) => Promise<Storing | BusyFile | undefined>,
	): Promise<void> {
		const { ring, pool } = this.#parts;
		for (let at = 0; at < segments.length; ) {
			const batch = await ProvedBatch.of(ring, pool, segments.slice(at));
			let storing: Storing | BusyFile | undefined;
			try {
				storing = await take(batch.right, segments[at] as ProvedSegment);
			} finally {
				batch.release();
			}
			if (storing && 'until' in storing) {
				await storing.until;
				continue;
			}
			await storing?.stored;
			if (batch.refused) throw batch.refused;
			at += batch.taken;
		}
	}

	/** Writes those of `segments` that are not here; `sent`: any of the file, as it came. Resolves when nobody reads their bytes any more. */
	async store(
		file: PartialFile,
		sent: ProvedSegment,
		segments: readonly RightSegment[],
		{ isSubmitted, skipRepeated }: PutOptions,
	): Promise<Storing> {
		const { log, disk, shard } = this.#parts;
		const { held, proved } = await file.durable(this.#parts);
		const withProofs = shard.current.count > 1;
		const fresh: RightSegment[] = [];
		const unproved: RightSegment[] = [];
		const others: Promise<void>[] = [];
		let repeated: SegmentRefusedError | undefined;
		for (const segment of segments) {
			const { index } = segment;
			if (withProofs && held.has(index) && !proved.has(index)) {
				unproved.push(segment);
				continue;
			}
			const isRepeated = file.came(index) || fresh.some((one) => one.index === index);
			if (isRepeated && isSubmitted && !skipRepeated) {
				repeated = new SegmentRefusedError('repeated', { ...sent, index });
				break;
			}
			const writing = file.writing.get(index);
			if (writing) others.push(writing);
			else if (!held.has(index) && !isRepeated) fresh.push(segment);
		}
		const written: Promise<unknown>[] = [];
		if (fresh.length > 0) {
			const bytes = fresh.reduce((sum, segment) => sum + segment.bytes.length, 0);
			this.#parts.admitSegments(sent, bytes, isSubmitted);
			disk.claim('bulk', bytes);
			const ticket = log.write('bulk', recordsOf(file.objectId, fresh, withProofs));
			others.push(file.write(indexesOf(fresh), bytes, ticket, withProofs));
			written.push(ticket.written);
		}
		if (unproved.length > 0) {
			const ticket = log.write('bulk', proofsOf(file.objectId, unproved));
			others.push(file.prove(indexesOf(unproved), ticket));
			written.push(ticket.written);
		}
		const stored = Promise.all(others).then(() => {
			if (repeated) throw repeated;
		});
		// Whoever waits for the write hears of it there.
		stored.catch(() => undefined);
		await Promise.allSettled(written);
		return { stored };
	}
}

function indexesOf(segments: readonly RightSegment[]): readonly number[] {
	return segments.map(({ index }) => index);
}
