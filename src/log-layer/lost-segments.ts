/** Which segments of an object lie in log files that are missing. Only asked while there are such files; they stay the same until a restart. */
import type { Lane } from '../append-log/types.js';
import { LIMITS } from '../limits.js';
import { SEGMENT_BYTES } from '../units.js';
import type { ObjectId } from './records.js';
import { decodeSegmentRow, type RootObject } from './rows.js';
import { segmentRows } from './segment-rows.js';
import { isKept, type KeptSegments } from './shard.js';
import type { View } from './view.js';

export class LostSegments {
	readonly #view: View;
	readonly #isLost: (lane: Lane, fileNo: number) => boolean;
	/** Answers for objects of many segments. */
	readonly #counts = new Map<ObjectId, number>();

	constructor(view: View, isLost: (lane: Lane, fileNo: number) => boolean) {
		this.#view = view;
		this.#isLost = isLost;
	}

	/** `kept`: those of the object that are to be held. */
	async countOf(object: RootObject, kept?: KeptSegments): Promise<number> {
		if (object.place) return this.#isLost(object.place.lane, object.place.fileNo) ? 1 : 0;
		const known = this.#counts.get(object.objectId);
		if (known !== undefined) return known;
		const segments = Math.ceil(object.sizeBytes / SEGMENT_BYTES);
		let lost = 0;
		for await (const found of this.#lostAmong(object, kept, 0, segments)) lost += found;
		if (this.#counts.size >= LIMITS.cachedRows) this.#counts.clear();
		this.#counts.set(object.objectId, lost);
		return lost;
	}

	/** Some of `count` segments from `first` on are lost. */
	async isAmong(object: RootObject, kept: KeptSegments | undefined, first: number, count: number): Promise<boolean> {
		if (object.place || this.#counts.get(object.objectId) === 0) return (await this.countOf(object, kept)) > 0;
		for await (const found of this.#lostAmong(object, kept, first, first + count)) if (found > 0) return true;
		return false;
	}

	/** How many of the segments [from, to) are lost, stretch by stretch. */
	async *#lostAmong(
		object: RootObject,
		kept: KeptSegments | undefined,
		from: number,
		to: number,
	): AsyncGenerator<number, void, undefined> {
		for await (const { first, rows } of segmentRows(this.#view, object.objectId, from, to))
			yield rows.filter((row, index) => isKept(kept, first + index) && this.#isGone(row)).length;
	}

	/** What was dropped is not lost. What has no row had its record in a missing file when the view was built. */
	readonly #isGone = (row: Uint8Array | undefined): boolean => {
		const place = row && decodeSegmentRow(row).place;
		return !row || (place !== undefined && this.#isLost(place.lane, place.fileNo));
	};
}
