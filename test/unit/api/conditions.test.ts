import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ifMatchHolds, ifNoneMatchNames, ifRangeHolds } from '../../../src/api/rest/conditions.js';

const TAG = '"0xab"';

test('If-None-Match compares weakly, over lists, and takes *', () => {
	for (const header of [TAG, `W/${TAG}`, `"x", ${TAG}`, `"x",W/${TAG},"y"`, '*', ' * ']) {
		assert.equal(ifNoneMatchNames(header, TAG), true, header);
	}
	for (const header of ['', '"x"', '0xab', '"0xab', '"0xabc"', '"a,b"', 'W/"x"']) {
		assert.equal(ifNoneMatchNames(header, TAG), false, header);
	}
});

test('If-Match compares strongly', () => {
	assert.equal(ifMatchHolds(`"x", ${TAG}`, TAG), true);
	assert.equal(ifMatchHolds('*', TAG), true);
	assert.equal(ifMatchHolds(`W/${TAG}`, TAG), false);
	assert.equal(ifMatchHolds('"x"', TAG), false);
});

test('If-Range holds only for the same strong tag', () => {
	assert.equal(ifRangeHolds(TAG, TAG), true);
	assert.equal(ifRangeHolds(`W/${TAG}`, TAG), false);
	assert.equal(ifRangeHolds('Sat, 29 Oct 1994 19:43:31 GMT', TAG), false);
	assert.equal(ifRangeHolds(`${TAG}, "x"`, TAG), false);
});

test('a comma or a quote inside a tag does not make two of it', () => {
	assert.equal(ifNoneMatchNames('"a,b"', '"b"'), false);
	assert.equal(ifNoneMatchNames('"a,b"', '"a,b"'), true);
});
