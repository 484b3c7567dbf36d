import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseRange } from '../../../src/api/rest/ranges.js';

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
		'bytes=0-1,3-4',
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

test('no header makes the reader throw or answer outside of the content', () => {
	fc.assert(
		fc.property(fc.string(), fc.integer({ min: 1, max: 1000 }), (text, size) => {
			const range = parseRange(`bytes=${text}`, size);
			if (typeof range === 'object') assert.ok(range.from >= 0 && range.from < range.to && range.to <= size);
		}),
	);
});
