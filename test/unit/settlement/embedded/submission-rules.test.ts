import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PerigeeError } from '../../../../src/errors.js';
import { LIMITS } from '../../../../src/limits.js';
import { checkRoom, checkSubmission, foldRoots } from '../../../../src/settlement/flow/submission-rules.js';
import type { Submission } from '../../../../src/settlement/settlement.js';
import { hashing, pair, submissionOf } from '../support.js';

function refusalOf(submission: Submission): string | undefined {
	try {
		checkSubmission(submission);
		return undefined;
	} catch (error) {
		assert.ok(error instanceof PerigeeError);
		assert.equal(error.code, 'SUBMISSION_INVALID');
		return error.message;
	}
}

const refuses = (submission: Submission, sentence: RegExp) => assert.match(refusalOf(submission) ?? 'taken', sentence);
const takes = (submission: Submission) => assert.equal(refusalOf(submission), undefined);
const valid = submissionOf([3, 1]);

test('the submitter is an address and not zero', () => {
	const submitter = new Uint8Array(20);
	refuses({ ...valid, submitter }, /submitter is the zero address/);
	refuses({ ...valid, submitter: submitter.subarray(1) }, /submitter has 19 bytes/);
	submitter[19] = 1;
	takes({ ...valid, submitter });
});

test('there is at least one node', () => {
	refuses({ ...valid, nodes: [] }, /no nodes/);
});

test('first and last height differ by less than 4', () => {
	takes(submissionOf([4, 1]));
	takes(submissionOf([4, 3, 2, 1]));
	refuses(submissionOf([4, 0]), /differ by 4 or more/);
	refuses(submissionOf([4, 3, 2, 1, 0]), /differ by 4 or more/);
});

test('heights are whole numbers below 64', () => {
	for (const height of [64, 255, -1, 0.5, Number.NaN]) {
		refuses({ ...valid, nodes: [{ height, root: new Uint8Array(32) }] }, /a height is below 64/);
	}
	// Height 63 passes this rule; no length below 2^64 bytes is long enough for it.
	refuses({ ...submissionOf([63]), lengthBytes: (1n << 64n) - 1n }, /too short for 9223372036854775808 sectors/);
});

test('heights decrease strictly', () => {
	takes(submissionOf([2, 1]));
	refuses(submissionOf([1, 1]), /do not decrease strictly: 1 follows 1/);
	refuses(submissionOf([1, 2]), /do not decrease strictly: 2 follows 1/);
	refuses(submissionOf([0, 9]), /do not decrease strictly: 9 follows 0/);
});

test('roots have 32 bytes', () => {
	const nodes = [{ height: 0, root: new Uint8Array(31) }];
	refuses({ ...submissionOf([0]), nodes }, /root of node 0 has 31 bytes/);
});

test('tags are bounded', () => {
	takes({ ...valid, tags: new Uint8Array(LIMITS.submissionTagsBytes) });
	refuses({ ...valid, tags: new Uint8Array(LIMITS.submissionTagsBytes + 1) }, /tags have 65536 bytes/);
});

test('the length fits into the nodes and would not fit into the next smaller padding', () => {
	const bounds: [number[], bigint][] = [
		[[0], 0n],
		[[1], 1n],
		[[3, 0], 8n],
		[[3, 2, 1, 0], 14n],
		[[4], 15n],
		[[5], 30n],
		[[4, 1], 16n],
		[[5, 4], 44n],
		[[5, 4, 3], 52n],
		[[6, 5, 4, 3], 112n],
		[[10], 960n],
		[[14, 12, 11], 22_528n - 2_048n],
	];
	for (const [heights, lowerSectors] of bounds) {
		const full = submissionOf(heights);
		takes(full);
		takes({ ...full, lengthBytes: lowerSectors * 256n + 1n });
		refuses({ ...full, lengthBytes: lowerSectors * 256n }, /too short/);
		refuses({ ...full, lengthBytes: full.lengthBytes + 1n }, /does not fit/);
	}
	refuses({ ...valid, lengthBytes: 0n }, /too short/);
	refuses({ ...valid, lengthBytes: -1n }, /not below 2\^64/);
	refuses({ ...submissionOf([56]), lengthBytes: 1n << 64n }, /not below 2\^64/);
	takes({ ...submissionOf([56]), lengthBytes: (1n << 64n) - 1n });
});

test('the flow ends at 2^63 sectors, alignment included', () => {
	const end = 1n << 63n;
	const room = (heights: number[], length: bigint) => () => checkRoom(submissionOf(heights).nodes, length);
	const none = { code: 'SUBMISSION_INVALID', message: /no room/ };
	assert.doesNotThrow(room([0], end - 1n));
	assert.throws(room([0], end), none);
	assert.doesNotThrow(room([62], 1n));
	assert.doesNotThrow(room([62], 1n << 62n));
	assert.throws(room([62], (1n << 62n) + 1n), none);
	assert.throws(room([63], 1n), none);
	// 9 sectors would begin inside the last segment and end in it; 1,025 have to begin at a boundary.
	assert.doesNotThrow(room([3, 0], end - 16n));
	assert.throws(room([3, 0], end - 8n), none);
	assert.doesNotThrow(room([10, 7], end - 2048n));
	assert.throws(room([10, 7], end - 2047n), none);
});

test('the data root is the right fold of the node roots', () => {
	const nodes = submissionOf([3, 2, 1, 0]).nodes;
	const [a, b, c, d] = nodes.map((node) => node.root);
	assert.ok(a && b && c && d);
	assert.deepEqual(Buffer.from(foldRoots(nodes, hashing)), Buffer.from(pair(a, pair(b, pair(c, d)))));
	assert.deepEqual(foldRoots(nodes.slice(0, 1), hashing), a);
});
