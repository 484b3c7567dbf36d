/** Byte ranges (RFC 9110 §14). */
import { PerigeeError } from '../../errors.js';
import { LIMITS } from '../../limits.js';

/** Bytes [from, to). */
export interface ByteRange {
	readonly from: number;
	readonly to: number;
}

const UNIT = /^bytes=/i;
const ONE_RANGE = /^([0-9]*)-([0-9]*)$/;
/**
 * Reads a Range header for a content of `sizeBytes` (at least 1): the ranges that lie in it, in the order they were asked for, those that overlap
 * or touch as one. Undefined means: answer with the whole content, because the header is not understood. 'unsatisfiable' means 416.
 * Errors: BAD_REQUEST for more than LIMITS.httpRanges.
 */
export function parseRanges(header: string, sizeBytes: number): readonly ByteRange[] | 'unsatisfiable' | undefined {
	if (!UNIT.test(header)) return undefined;
	const members = header.slice(header.indexOf('=') + 1).split(',', LIMITS.httpHeaderBytes);
	const ranges: ByteRange[] = [];
	let asked = 0;
	for (const member of members) {
		const text = member.replaceAll(/^[ \t]+|[ \t]+$/g, '');
		if (text === '') continue;
		const range = oneRange(text, sizeBytes);
		if (range === undefined) return undefined;
		if (++asked > LIMITS.httpRanges)
			throw new PerigeeError('BAD_REQUEST', `At most ${LIMITS.httpRanges} ranges at once.`);
		if (range !== 'unsatisfiable') ranges.push(range);
	}
	if (asked === 0) return undefined;
	return ranges.length === 0 ? 'unsatisfiable' : merged(ranges);
}

function oneRange(text: string, sizeBytes: number): ByteRange | 'unsatisfiable' | undefined {
	const match = ONE_RANGE.exec(text);
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

/** No byte is sent twice, whatever was asked for. A joined range takes the place of the first of those in it. */
function merged(ranges: readonly ByteRange[]): readonly ByteRange[] {
	if (ranges.length === 1) return ranges;
	const inPlace = ranges.map((range, place) => ({ ...range, place })).sort((a, b) => a.from - b.from);
	const joined: { from: number; to: number; place: number }[] = [];
	for (const range of inPlace) {
		const last = joined.at(-1);
		if (last && range.from <= last.to) {
			last.to = Math.max(last.to, range.to);
			last.place = Math.min(last.place, range.place);
		} else joined.push({ ...range });
	}
	return joined.sort((a, b) => a.place - b.place).map(({ from, to }) => ({ from, to }));
}
