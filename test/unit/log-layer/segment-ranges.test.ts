import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { includesSegment, overlapCount, type SegmentRange, withRange } from '../../../src/log-layer/segment-ranges.js';

const range = fc.record({ first: fc.nat(40), count: fc.nat(8) });

it('ranges are a set of segments with one form, in whatever order they come', () => {
	fc.assert(
		fc.property(fc.array(range, { maxLength: 12 }), range, (added, within) => {
			const join = (ranges: readonly SegmentRange[]): readonly SegmentRange[] =>
				ranges.reduce<readonly SegmentRange[]>(withRange, []);
			const set = new Set(added.flatMap(({ first, count }) => Array.from({ length: count }, (_, at) => first + at)));
			const joined = join(added);
			assert.deepEqual(join(added.toReversed()), joined);
			for (let at = 0; at < 60; at++) assert.equal(includesSegment(joined, at), set.has(at));
			joined.forEach(({ first, count }, index) => {
				const next = joined[index + 1];
				assert.ok(count > 0 && (!next || next.first > first + count));
			});
			const inside = [...set].filter((at) => at >= within.first && at < within.first + within.count);
			assert.equal(overlapCount(joined, within), inside.length);
		}),
	);
});
