/** The scrub's way through the log: every group, payload and second copy of the log files, in the order in which they lie there. */
import type { LogFileCheck } from '../append-log/file-check.js';
import type { LogFileName, LogRecord } from '../append-log/types.js';
import { LIMITS } from '../limits.js';
import type { DamageList, DamagedStretch, SegmentPlace, StretchDamageReason } from './damage.js';
import type { Pacer } from './pacer.js';
import { RECORDS } from './records.js';
import { decodeSealed } from './sealed-records.js';
import { rootReadFrom } from './places.js';
import {
	checkSegments,
	segmentOf,
	type SegmentCheckParts,
	type SegmentVerdict,
	type StoredSegment,
} from './segment-check.js';
import type { View } from './view.js';

export interface ScrubLogParts extends SegmentCheckParts {
	readonly view: View;
	readonly damage: DamageList;
	readonly pacer: Pacer;
	readonly signal: AbortSignal;
	/** Everything before `offset` of the file was checked, `bytes` and `segments` more than at the last call. */
	readonly checked: (offset: number, bytes: number, segments: number) => void;
	/** A damaged place, known or not. */
	readonly met: () => void;
	/** The sealed copy of a flow segment is not as it was written. */
	readonly sealedDamaged: (index: bigint) => void;
	/** The disk could not read this segment; it is asked again later. */
	readonly readFailed: (segment: StoredSegment) => void;
}

/** Checks one log file from a group's start on. */
export async function scrubLogFile(
	parts: ScrubLogParts,
	name: LogFileName,
	file: LogFileCheck,
	from: number,
): Promise<void> {
	const scrub = new LogFileScrub(parts, name, file);
	await scrub.run(from);
}

class LogFileScrub {
	readonly #parts: ScrubLogParts;
	readonly #name: LogFileName;
	readonly #file: LogFileCheck;
	readonly #stretches: DamagedStretch[] = [];
	/** Gathered from groups up to `#end`, not checked yet. */
	#segments: StoredSegment[] = [];
	#segmentBytes = 0;
	#bytes = 0;
	#end = 0;

	constructor(parts: ScrubLogParts, name: LogFileName, file: LogFileCheck) {
		this.#parts = parts;
		this.#name = name;
		this.#file = file;
	}

	async run(from: number): Promise<void> {
		const { damage, pacer } = this.#parts;
		if (from === 0) for (const range of await this.#file.damagedHeaders()) this.#stretch(range.from, range.to, 'copy');
		for await (const found of this.#file.groups(from)) {
			if ('bad' in found) {
				this.#stretch(found.bad.from, found.bad.to, 'lost');
				continue;
			}
			for (const copy of found.damagedCopies) this.#stretch(copy.from, copy.to, 'copy');
			for (const record of found.records) await this.#take(record);
			this.#bytes += found.to - found.from;
			this.#end = found.to;
			if (this.#segments.length >= LIMITS.scrubBatchSegments || this.#bytes >= LIMITS.scrubBatchBytes) {
				await this.#flush();
				await pacer.breathe();
			}
		}
		await this.#flush();
		const { lane, fileNo } = this.#name;
		// Of a file that was begun before a restart the list has the rest.
		if (from === 0) damage.setStretches(lane, fileNo, this.#stretches);
		await pacer.breathe();
	}

	async #take(record: LogRecord): Promise<void> {
		const segment = segmentOf(record);
		if (segment) {
			this.#segments.push(segment);
			this.#segmentBytes += segment.place.lengthBytes;
			if (this.#segmentBytes >= LIMITS.scrubBatchBytes) {
				await this.#checkSegments();
				await this.#parts.pacer.breathe();
			}
			return;
		}
		if (!record.place) return;
		if (record.type === RECORDS.sealedFlowSegment) return this.#checkSealed(record);
		const { ranges, isLost } = await this.#file.damagedPayload(record);
		for (const { from, to } of ranges) this.#stretch(from, to, isLost ? 'lost' : 'copy');
	}

	/** A damaged copy is no loss: it is made again. */
	async #checkSealed(record: LogRecord): Promise<void> {
		const { ranges } = await this.#file.damagedPayload(record);
		if (ranges.length > 0) this.#parts.sealedDamaged(decodeSealed(record).index);
	}

	async #flush(): Promise<void> {
		const segments = await this.#checkSegments();
		if (this.#end > 0) this.#parts.checked(this.#end, this.#bytes, segments);
		this.#bytes = 0;
	}

	async #checkSegments(): Promise<number> {
		const segments = this.#segments;
		this.#segments = [];
		this.#segmentBytes = 0;
		if (segments.length === 0) return 0;
		const verdicts = await checkSegments(this.#parts, this.#file, segments, this.#parts.signal);
		for (const [index, segment] of segments.entries()) await this.#judge(segment, verdicts[index] ?? 'readFailed');
		return segments.length;
	}

	async #judge(segment: StoredSegment, verdict: SegmentVerdict): Promise<void> {
		const { damage, view, met, readFailed } = this.#parts;
		const isListed = damage.of(segment.objectId)?.has(segment.segment) ?? false;
		if (verdict === 'right') {
			if (isListed && (await rootReadFrom(view, segment, segment.place)))
				damage.foundIntact(segment.objectId, segment.segment);
			return;
		}
		if (verdict === 'readFailed') {
			readFailed(segment);
			return;
		}
		const place = await placeInUse(view, segment);
		if (!place) return;
		met();
		damage.add({ ...place, reason: verdict, foundBy: 'scrub' });
	}

	#stretch(from: number, to: number, reason: StretchDamageReason): void {
		this.#parts.met();
		const stretch: DamagedStretch = { ...this.#name, from, to, reason, foundBy: 'scrub' };
		if (this.#stretches.length < LIMITS.damagedStretches) this.#stretches.push(stretch);
		this.#parts.damage.addStretch(stretch);
	}
}

/** The segment's place as the list of damage names it; undefined when no file reads from there. */
export async function placeInUse(view: View, segment: StoredSegment): Promise<SegmentPlace | undefined> {
	const root = await rootReadFrom(view, segment, segment.place);
	const { lane, fileNo, offset } = segment.place;
	return root && { root, objectId: segment.objectId, segment: segment.segment, lane, fileNo, offset };
}
