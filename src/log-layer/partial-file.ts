/** A file that is being uploaded by segments: what of it is durable, and what is on its way (chunk-pool.ts). */
import type { Shard } from '../config/shard-position.js';
import type { AppendLog } from '../append-log/append-log.js';
import type { WriteTicket } from '../append-log/types.js';
import { LIMITS } from '../limits.js';
import { fileGeometry } from '../native/addon.js';
import { SEGMENT_BYTES, type DataRoot } from '../units.js';
import type { DamageList } from './damage.js';
import type { ObjectId } from './records.js';
import type { ResumableFact } from './resumable-records.js';
import { decodeSegmentRow, rowKeys } from './rows.js';
import { segmentRows } from './segment-rows.js';
import { SegmentSet } from './segment-set.js';
import type { View } from './view.js';

/** What tells which segments are here. */
export interface SegmentSources {
	readonly view: View;
	readonly log: AppendLog;
	readonly damage: DamageList;
	readonly shard: { readonly current: Shard };
}

export class PartialFile {
	readonly fact: ResumableFact;
	readonly root: DataRoot;
	readonly sizeBytes: number;
	/** When a segment came last, or its submission was last seen. */
	lastMs: number;
	/** What was written of it is in the view. */
	applied: Promise<unknown> = Promise.resolve();
	/** It is being closed. */
	closing: Promise<void> | undefined;
	/** Segments on their way into the log, until they are durable. */
	readonly writing = new Map<number, Promise<void>>();
	/** That hold bytes of it. */
	readonly segments: number;
	/** Undefined: the view has not been asked. */
	#held: Promise<SegmentSet> | undefined;
	/** Those that came in this run of the node. */
	readonly #came: SegmentSet;
	#puts = 0;
	#bytes = 0;
	#isSubmitted = false;
	#lacksProofs = false;

	private constructor(fact: ResumableFact, root: DataRoot, sizeBytes: number, nowMs: number) {
		this.fact = fact;
		this.root = root;
		this.sizeBytes = sizeBytes;
		this.lastMs = nowMs;
		this.segments = Number(fileGeometry(BigInt(sizeBytes)).segments);
		this.#came = new SegmentSet(this.segments);
	}

	/** Nothing of it is here. */
	static begun(fact: ResumableFact, root: DataRoot, sizeBytes: number, nowMs: number): PartialFile {
		const file = new PartialFile(fact, root, sizeBytes, nowMs);
		file.#held = Promise.resolve(new SegmentSet(file.segments));
		return file;
	}

	/** Of an earlier run. */
	static found(fact: ResumableFact, root: DataRoot, sizeBytes: number, nowMs: number): PartialFile {
		return new PartialFile(fact, root, sizeBytes, nowMs);
	}

	get objectId(): ObjectId {
		return this.fact.objectId;
	}

	/** A submission of it was known once. */
	get isSubmitted(): boolean {
		return this.#isSubmitted;
	}

	/** Segments came without proofs that last, when the node owned all of them: without the others they could not be proved. */
	get lacksProofs(): boolean {
		return this.#lacksProofs;
	}

	/** Calls that bring segments now. */
	get puts(): number {
		return this.#puts;
	}

	/** Of it that are here or on their way. */
	get bytes(): number {
		return this.#bytes;
	}

	/** The durable segments. Errors: those of the view, after which the next call asks again. */
	counted(sources: SegmentSources): Promise<SegmentSet> {
		this.#held ??= this.#count(sources).catch((error: unknown) => {
			this.#held = undefined;
			throw error;
		});
		return this.#held;
	}

	/** The segment came in this run, or is on its way. */
	came(segment: number): boolean {
		return this.#came.has(segment) || this.writing.has(segment);
	}

	began(isSubmitted: boolean): void {
		this.#puts++;
		this.#isSubmitted ||= isSubmitted;
	}

	ended(nowMs: number): void {
		this.#puts--;
		this.lastMs = nowMs;
	}

	submitted(nowMs: number): void {
		this.#isSubmitted = true;
		this.lastMs = nowMs;
	}

	/** Segments are on their way; they count as held once that is durable. */
	async write(segments: readonly number[], bytes: number, ticket: WriteTicket, withProofs: boolean): Promise<void> {
		this.#bytes += bytes;
		if (!withProofs) this.#lacksProofs = true;
		this.applied = ticket.applied.catch(() => undefined);
		const writing = this.#written(segments, ticket.durable);
		for (const segment of segments) this.writing.set(segment, writing);
		try {
			await writing;
		} catch (error) {
			this.#bytes -= bytes;
			throw error;
		} finally {
			for (const segment of segments) this.writing.delete(segment);
		}
	}

	async #written(segments: readonly number[], durable: Promise<unknown>): Promise<void> {
		await durable;
		const held = await this.#held;
		for (const segment of segments) {
			held?.add(segment);
			this.#came.add(segment);
		}
	}

	/** Looks at the rows of its segments: those that can be read count. */
	async #count({ view, log, damage, shard }: SegmentSources): Promise<SegmentSet> {
		const held = new SegmentSet(this.segments);
		const withProofs = shard.current.count > 1;
		const damaged = damage.of(this.objectId);
		for await (const { first, rows } of segmentRows(view, this.objectId, 0, this.segments)) {
			for (const [index, row] of rows.entries()) {
				const place = row && decodeSegmentRow(row).place;
				if (!place || damaged?.has(first + index) || log.isLost(place.lane, place.fileNo)) continue;
				held.add(first + index);
				this.#bytes += Math.min(SEGMENT_BYTES, place.lengthBytes);
			}
			if (withProofs && !this.#lacksProofs) this.#lacksProofs = !(await haveProofs(view, this.objectId, held, first));
		}
		// A node that owned all segments has stored no proofs.
		if (!withProofs && this.#bytes > 0) this.#lacksProofs = true;
		return held;
	}
}

/** Whether each segment of the stretch of rows from `first` on that is held has its proof beside it. */
async function haveProofs(view: View, objectId: ObjectId, held: SegmentSet, first: number): Promise<boolean> {
	const segments = Array.from({ length: LIMITS.kvChunkRows }, (_, at) => first + at).filter((at) => held.has(at));
	const proofs = await view.getMany(segments.map((segment) => rowKeys.segmentProof(objectId, segment)));
	return !proofs.includes(undefined);
}
