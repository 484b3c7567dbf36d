/** Byte ranges (RFC 9110 §14). */

/** Bytes [from, to). */
export interface ByteRange {
	readonly from: number;
	readonly to: number;
}

const ONE_RANGE = /^bytes=[ \t,]*([0-9]*)-([0-9]*)[ \t,]*$/i;

/**
 * Reads a Range header for a content of `sizeBytes` (at least 1). Undefined means: answer with the whole content, because
 * the header is not understood or asks for several ranges. 'unsatisfiable' means 416.
 */
export function parseRange(header: string, sizeBytes: number): ByteRange | 'unsatisfiable' | undefined {
	const match = ONE_RANGE.exec(header);
	if (match === null) return undefined;
	const [, first = '', last = ''] = match;
	if (first === '') {
		if (last === '') return undefined;
		const suffix = Number(last);
		return suffix === 0 ? 'unsatisfiable' : { from: Math.max(0, sizeBytes - suffix), to: sizeBytes };
	}
	const from = Number(first);
	const end = last === '' ? Number.POSITIVE_INFINITY : Number(last);
	if (end < from) return undefined;
	return from >= sizeBytes ? 'unsatisfiable' : { from, to: Math.min(end + 1, sizeBytes) };
}
