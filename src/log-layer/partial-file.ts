/** A file that is being uploaded by segments: what of it is durable, and what is on its way (chunk-pool.ts). */
import type { Shard } from '../config/shard-position.js';
import type { AppendLog } from '../append-log/append-log.js';
import type { WriteTicket } from '../append-log/types.js';
import { LIMITS } from '../limits.js';
import { fileGeometry } from '../native/addon.js';
import { SEGMENT_BYTES, type DataRoot } from '../units.js';
import type { DamageList } from './damage.js';
import { DurableSegments } from './durable-segments.js';
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
	/** When a segment came last. */
	lastMs: number;
	/** When its submission was last seen. */
	submittedMs = 0;
	/** What was written of it is in the view. */
	applied: Promise<unknown> = Promise.resolve();
	/** It is being closed. */
	closing: Promise<void> | undefined;
	/** Segments on their way into the log, until they are durable. */
	readonly writing = new Map<number, Promise<void>>();
	/** That hold bytes of it. */
	readonly segments: number;
	/** Undefined: the view has not been asked. */
	#durable: Promise<DurableSegments> | undefined;
	/** Those that came in this run of the node. */
	readonly #came: SegmentSet;
	#puts = 0;
	#bytes = 0;
	#isSubmitted = false;

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
		file.#durable = Promise.resolve(new DurableSegments(file.segments));
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

	/** Calls that bring segments now. */
	get puts(): number {
		return this.#puts;
	}

	/** Of it that are here or on their way. */
	get bytes(): number {
		return this.#bytes;
	}

	/** The durable segments. Errors: those of the view, after which the next call asks again. */
	durable(sources: SegmentSources): Promise<DurableSegments> {
		this.#durable ??= this.#count(sources).catch((error: unknown) => {
			this.#durable = undefined;
			throw error;
		});
		return this.#durable;
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
		this.submittedMs = nowMs;
	}

	/** Segments are on their way; they count as held once that is durable. */
	async write(segments: readonly number[], bytes: number, ticket: WriteTicket, withProofs: boolean): Promise<void> {
		this.#bytes += bytes;
		this.applied = ticket.applied.catch(() => undefined);
		const writing = this.#written(segments, ticket.durable, withProofs);
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

	/** Proofs of durable segments are on their way. */
	async prove(segments: readonly number[], ticket: WriteTicket): Promise<void> {
		this.applied = ticket.applied.catch(() => undefined);
		await ticket.durable;
		const { proved } = (await this.#durable) ?? {};
		for (const segment of segments) proved?.add(segment);
	}

	async #written(segments: readonly number[], durable: Promise<unknown>, withProofs: boolean): Promise<void> {
		await durable;
		const { held, proved } = (await this.#durable) ?? {};
		for (const segment of segments) {
			held?.add(segment);
			if (withProofs) proved?.add(segment);
			this.#came.add(segment);
		}
	}

	/** Looks at the rows of its segments: those that can be read count. What it costs follows from those that are there, however large the file is. */
	async #count({ view, log, damage, shard }: SegmentSources): Promise<DurableSegments> {
		const durable = new DurableSegments(this.segments);
		const { held, proved } = durable;
		const damaged = damage.of(this.objectId);
		for (let from = await this.#next(view, 0); from < this.segments; ) {
			const to = Math.min(from + LIMITS.kvChunkRows, this.segments);
			for await (const { first, rows } of segmentRows(view, this.objectId, from, to)) {
				// A node that owns all segments has stored no proofs.
				const ofProofs =
					shard.current.count === 1 ? [] : rows.map((_, at) => rowKeys.segmentProof(this.objectId, first + at));
				const proofs = await view.getMany(ofProofs);
				for (const [at, row] of rows.entries()) {
					const place = row && decodeSegmentRow(row).place;
					if (!place || damaged?.has(first + at) || log.isLost(place.lane, place.fileNo)) continue;
					held.add(first + at);
					if (proofs[at]) proved.add(first + at);
					this.#bytes += Math.min(SEGMENT_BYTES, place.lengthBytes);
				}
			}
			from = await this.#next(view, to);
		}
		return durable;
	}

	/** The first segment from there on that has a row; `segments` when none has. */
	async #next(view: View, from: number): Promise<number> {
		const range = { from: rowKeys.segment(this.objectId, from), to: rowKeys.segment(this.objectId, this.segments) };
		for await (const [row] of view.scan({ ...range, limitRows: 1 }))
			if (row) return Number(Buffer.from(row.key).readBigUInt64BE(9));
		return this.segments;
	}
}
