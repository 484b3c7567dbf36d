/** Sets of segments of one object as ranges: ascending, neither overlapping nor touching, so that one set has one form. */

/** Segments [first, first + count). */
export interface SegmentRange {
	readonly first: number;
	readonly count: number;
}

/** The set with a further range in it. */
export function withRange(ranges: readonly SegmentRange[], added: SegmentRange): readonly SegmentRange[] {
	if (added.count === 0) return ranges;
	let { first } = added;
	let end = first + added.count;
	const before: SegmentRange[] = [];
	const behind: SegmentRange[] = [];
	for (const range of ranges) {
		const rangeEnd = range.first + range.count;
		if (rangeEnd < first) before.push(range);
		else if (range.first > end) behind.push(range);
		else {
			first = Math.min(first, range.first);
			end = Math.max(end, rangeEnd);
		}
	}
	return [...before, { first, count: end - first }, ...behind];
}

export function includesSegment(ranges: readonly SegmentRange[], segment: number): boolean {
	return overlapCount(ranges, { first: segment, count: 1 }) > 0;
}

/** Segments of `within` that the set holds. */
export function overlapCount(ranges: readonly SegmentRange[], within: SegmentRange): number {
	const end = within.first + within.count;
	let count = 0;
	for (const range of ranges) {
		count += Math.max(0, Math.min(end, range.first + range.count) - Math.max(within.first, range.first));
	}
	return count;
}
