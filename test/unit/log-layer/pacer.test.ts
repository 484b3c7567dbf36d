import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Pacer, restFactor } from '../../../src/log-layer/pacer.js';
import { SimulatedClock } from '../../support/simulated-clock.js';

describe('pace of background work', () => {
	it('rests fully up to the share at which compaction begins, less beyond, not at all from twice that on', () => {
		const factors = [0, 0.04, 0.08, 0.1, 0.12, 0.16, 0.9].map((share) => restFactor(2, share, 0.08));
		assert.deepEqual(
			factors.map((factor) => Number(factor.toFixed(6))),
			[2, 2, 2, 1.5, 1, 0, 0],
		);
	});

	it('asks for the factor before each rest, and rests so many times as long as it worked', async () => {
		const clock = new SimulatedClock();
		let factor = 3;
		const pacer = new Pacer(clock, () => factor, new AbortController().signal);
		clock.advance(10);
		const rest = pacer.breathe();
		clock.advance(29);
		assert.equal(clock.scheduled, 1);
		clock.advance(1);
		await rest;
		factor = 0;
		clock.advance(10);
		await pacer.breathe();
		assert.equal(clock.scheduled, 0);
	});
});
