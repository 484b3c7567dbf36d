/** Sets of log file numbers as ranges, ends included: `[[1, 4], [6, 6]]`. */

export type FileRanges = readonly (readonly [first: number, last: number])[];

/** The set with one more number; the same set if it was in it. */
export function addToRanges(ranges: FileRanges, fileNo: number): FileRanges {
	const last = ranges.at(-1);
	// Files are taken in the order of their numbers, so the end is where almost all of them go.
	if (!last || fileNo > last[1] + 1) return [...ranges, [fileNo, fileNo]];
	if (fileNo === last[1] + 1) return [...ranges.slice(0, -1), [last[0], fileNo]];
	if (isInRanges(ranges, fileNo)) return ranges;
	return rangesOf([...numbersOf(ranges), fileNo]);
}

export function isInRanges(ranges: FileRanges, fileNo: number): boolean {
	return ranges.some(([first, last]) => first <= fileNo && fileNo <= last);
}

/** The set of some numbers, in any order. */
export function rangesOf(numbers: Iterable<number>): FileRanges {
	const ranges: [number, number][] = [];
	for (const fileNo of [...numbers].sort((a, b) => a - b)) {
		const last = ranges.at(-1);
		if (last && fileNo <= last[1] + 1) last[1] = fileNo;
		else ranges.push([fileNo, fileNo]);
	}
	return ranges;
}

/** The numbers of a set, ascending. */
export function* numbersOf(ranges: FileRanges): Iterable<number> {
	for (const [first, last] of ranges) for (let fileNo = first; fileNo <= last; fileNo++) yield fileNo;
}

/** Pairs of u32, little-endian: the value of the journal's setting `retired/<lane>` (docs/format.md §6). */
export function encodeFileRanges(ranges: FileRanges): Uint8Array {
	const bytes = Buffer.alloc(8 * ranges.length);
	ranges.forEach(([first, last], index) => {
		bytes.writeUInt32LE(first, 8 * index);
		bytes.writeUInt32LE(last, 8 * index + 4);
	});
	return bytes;
}

export function decodeFileRanges(value: Uint8Array): FileRanges {
	const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
	const ranges: [number, number][] = [];
	for (let at = 0; at + 8 <= bytes.length; at += 8) ranges.push([bytes.readUInt32LE(at), bytes.readUInt32LE(at + 4)]);
	return ranges;
}
