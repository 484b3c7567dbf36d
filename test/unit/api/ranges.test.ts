import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ByteRange, parseRanges } from '../../../src/api/rest/ranges.js';
import { LIMITS } from '../../../src/limits.js';

/** The only range of a header that asks for one. */
function parseRange(header: string, sizeBytes: number): ByteRange | 'unsatisfiable' | undefined {
	const ranges = parseRanges(header, sizeBytes);
	if (!Array.isArray(ranges)) return ranges as 'unsatisfiable' | undefined;
	assert.equal(ranges.length, 1);
	return (ranges as ByteRange[])[0];
}

test('one range is cut to the size of the content', () => {
	assert.deepEqual(parseRange('bytes=0-0', 10), { from: 0, to: 1 });
	assert.deepEqual(parseRange('bytes=0-9', 10), { from: 0, to: 10 });
	assert.deepEqual(parseRange('bytes=0-10', 10), { from: 0, to: 10 });
	assert.deepEqual(parseRange('bytes=9-', 10), { from: 9, to: 10 });
	assert.deepEqual(parseRange('bytes=-3', 10), { from: 7, to: 10 });
	assert.deepEqual(parseRange('bytes=-30', 10), { from: 0, to: 10 });
	assert.deepEqual(parseRange('Bytes= 2-4 ', 10), { from: 2, to: 5 });
	assert.deepEqual(parseRange('bytes=,2-4,', 10), { from: 2, to: 5 });
});

test('a range that begins behind the end, or has no bytes, is unsatisfiable', () => {
	assert.equal(parseRange('bytes=10-', 10), 'unsatisfiable');
	assert.equal(parseRange('bytes=10-12', 10), 'unsatisfiable');
	assert.equal(parseRange('bytes=-0', 10), 'unsatisfiable');
	assert.equal(parseRange(`bytes=${'9'.repeat(400)}-`, 10), 'unsatisfiable');
});

test('what is no single byte range is ignored', () => {
	for (const header of [
		'',
		'bytes',
		'bytes=',
		'bytes=-',
		'bytes=a-b',
		'bytes=5-2',
		'items=0-1',
		'bytes=0-1,3-x',
		'bytes=1 -2',
		'bytes=0x1-2',
		'bytes=--2',
		'bytes=1.5-2',
	]) {
		assert.equal(parseRange(header, 10), undefined, JSON.stringify(header));
	}
});

test('a range that is answered always lies inside the content and begins where it was asked for', () => {
	const number = fc.integer({ min: 0, max: 2 ** 53 - 1 });
	fc.assert(
		fc.property(number, number, fc.integer({ min: 1, max: 2 ** 50 }), (first, last, size) => {
			const range = parseRange(`bytes=${first}-${last}`, size);
			if (last < first) assert.equal(range, undefined);
			else if (first >= size) assert.equal(range, 'unsatisfiable');
			else assert.deepEqual(range, { from: first, to: Math.min(last + 1, size) });
		}),
	);
});

test('several ranges come in the order they were asked for; those that overlap or touch come as one, where the first of them was', () => {
	const size = 10_000;
	const cases: Readonly<Record<string, string | undefined>> = {
		'0-9,200-299': '0-10 200-300',
		'200-299,0-9': '200-300 0-10',
		'0-9, 5-20 ,,-1': '0-21 9999-10000',
		'0-9,10-99': '0-100',
		'0-9,11-99': '0-10 11-100',
		'500-,0-9,400-499': '400-10000 0-10',
		'20000-,0-9': '0-10',
		'20000-,-0': 'unsatisfiable',
		'0-9,9-0': undefined,
		'0-9,x': undefined,
		',,': undefined,
	};
	for (const [header, expected] of Object.entries(cases)) {
		const ranges = parseRanges(`bytes=${header}`, size);
		const answer = Array.isArray(ranges)
			? (ranges as ByteRange[]).map(({ from, to }) => `${from}-${to}`).join(' ')
			: ranges;
		assert.equal(answer, expected, header);
	}
	const many = (count: number): string =>
		`bytes=${Array.from({ length: count }, (_, at) => `${at * 90}-${at * 90}`).join()}`;
	assert.equal(parseRanges(many(LIMITS.httpRanges), size)?.length, LIMITS.httpRanges);
	assert.throws(() => parseRanges(many(LIMITS.httpRanges + 1), size), { code: 'BAD_REQUEST' });
});

test('no header makes the reader answer outside of the content, or any byte twice', () => {
	const member = fc.oneof(
		fc.string(),
		fc.tuple(fc.nat(1200), fc.nat(1200)).map(([a, b]) => `${a}-${b}`),
		fc.nat(1200).map((a) => `-${a}`),
	);
	fc.assert(
		fc.property(fc.array(member, { maxLength: 20 }), fc.integer({ min: 1, max: 1000 }), (members, size) => {
			const ranges = parseRanges(`bytes=${members.join()}`, size);
			if (!Array.isArray(ranges)) return;
			const sorted = [...(ranges as ByteRange[])].sort((a, b) => a.from - b.from);
			let end = 0;
			for (const { from, to } of sorted) {
				assert.ok(from >= end && from < to && to <= size);
				end = to;
			}
		}),
	);
});
