/** Which segments a shard owns, against the rule itself, segment by segment (spec log-layer §7). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SEGMENT_SECTORS } from '../../../src/units.js';
import {
	includesKept,
	isKept,
	keptCount,
	keptOfBoth,
	keptWithin,
	ownSegments,
	ownSegmentsOfAll,
	type KeptSegments,
} from '../../../src/log-layer/shard.js';

const SEGMENTS = 70;
const all = Array.from({ length: SEGMENTS }, (_, at) => at);
const shard = fc.nat(6).chain((power) => {
	const count = 2 ** power;
	return fc.nat(count - 1).map((id) => ({ id, count }));
});
const starts = fc.array(fc.nat(10_000), { minLength: 1, maxLength: 4 });
const kept = fc.tuple(shard, starts).map(([{ id, count }, list]) => ownSegmentsOfAll({ id, count }, list.map(sector)));

function sector(segment: number): bigint {
	return BigInt(segment * SEGMENT_SECTORS);
}

function listed(some: KeptSegments | undefined): readonly number[] {
	return all.filter((at) => isKept(some, at));
}

test('a segment is owned by its number in the flow', () => {
	fc.assert(
		fc.property(shard, fc.nat(10_000), fc.nat(SEGMENT_SECTORS - 1), ({ id, count }, start, within) => {
			const own = ownSegments({ id, count }, sector(start) + BigInt(within));
			assert.deepEqual(
				listed(own),
				all.filter((at) => (start + at) % count === id),
			);
		}),
	);
});

test('of several submissions each gives its part', () => {
	fc.assert(
		fc.property(shard, starts, ({ id, count }, list) => {
			assert.deepEqual(
				listed(ownSegmentsOfAll({ id, count }, list.map(sector))),
				all.filter((at) => list.some((start) => (start + at) % count === id)),
			);
		}),
	);
});

test('kept segments are counted, compared and put together', () => {
	fc.assert(
		fc.property(kept, kept, fc.nat(SEGMENTS), fc.nat(SEGMENTS), (one, other, from, to) => {
			const within = listed(one).filter((at) => at >= Math.min(from, to) && at < Math.max(from, to));
			assert.equal(keptWithin(one, Math.min(from, to), Math.abs(to - from)), within.length);
			assert.equal(keptCount(one, SEGMENTS), listed(one).length);
			if (includesKept(one, other)) assert.ok(listed(other).every((at) => isKept(one, at)));
			if (!other || (one && other.modulus < one.modulus)) return;
			assert.deepEqual(
				listed(keptOfBoth(one, other)),
				listed(other).filter((at) => isKept(one, at)),
			);
		}),
	);
});
