/** How many segments of an object lie in log files that are missing. Only asked while there are such files; they stay the same until a restart. */
import type { Lane } from '../append-log/types.js';
import { LIMITS } from '../limits.js';
import { SEGMENT_BYTES } from '../units.js';
import type { ObjectId } from './records.js';
import { decodeSegmentRow, type RootObject } from './rows.js';
import { segmentRows } from './segment-rows.js';
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

	async countOf(object: RootObject): Promise<number> {
		if (object.place) return this.#isLost(object.place.lane, object.place.fileNo) ? 1 : 0;
		const known = this.#counts.get(object.objectId);
		if (known !== undefined) return known;
		// What was dropped is not lost. What has no row had its record in a missing file when the view was built.
		let held = 0;
		const segments = Math.ceil(object.sizeBytes / SEGMENT_BYTES);
		for await (const { rows } of segmentRows(this.#view, object.objectId, 0, segments)) {
			for (const row of rows) {
				const place = row && decodeSegmentRow(row).place;
				if (row && !(place && this.#isLost(place.lane, place.fileNo))) held++;
			}
		}
		if (this.#counts.size >= LIMITS.cachedRows) this.#counts.clear();
		this.#counts.set(object.objectId, segments - held);
		return segments - held;
	}
}
