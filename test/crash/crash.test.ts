/** A slice of the crash suite; the long form is `npm run reliability`. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runCrashSeed } from './scenario.js';
import { addTally, type Tally } from './points.js';
import { randomLife, runSweep, shortLife } from './sweep.js';

const SEEDS = 240;
/** Seeds that once broke a promise. Of 1795363171: a power cut took the record that opened an object, and left its segments; their rows stayed for ever. */
const FOUND_SEEDS = [1_795_363_171];
/** Passes over the swept life, so that not all of its forks are held at once. */
const PASSES = 4;
const RANDOM_LIVES = 15;

describe('a store that crashes', () => {
	it(`keeps what it answered, shows nothing half, reports no damage and rebuilds the same view, over ${SEEDS} seeds`, async (t) => {
		const sums: Tally = {};
		const failures: string[] = [];
		for (const seed of [...Array(SEEDS).keys(), ...FOUND_SEEDS]) {
			try {
				const { named: _, ...counts } = await runCrashSeed(seed);
				addTally(sums, counts);
			} catch (error) {
				failures.push(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`);
			}
		}
		t.diagnostic(`${SEEDS} seeds: ${JSON.stringify(sums)}`);
		assert.deepEqual(failures, []);
		// The suite is of no use when its crashes miss the work.
		assert.ok((sums['crashes'] ?? 0) > SEEDS, `${sums['crashes']} crashes`);
		assert.ok((sums['acknowledged'] ?? 0) > SEEDS, `${sums['acknowledged']} acknowledged uploads`);
		assert.ok((sums['inDoubt'] ?? 0) > 0, 'no record was ever in doubt');
	});

	it('keeps its promises at a crash before, in the middle of and after every call that changes the disk in one life', async (t) => {
		const sum = { points: 0, crashes: 0 };
		const named: Tally = {};
		for (let offset = 0; offset < PASSES; offset++) {
			const pass = await runSweep({ seed: 1, life: shortLife, every: PASSES, offset, recoveryCrashes: 0.3 });
			sum.points = pass.points;
			sum.crashes += pass.crashes;
			addTally(named, pass.named);
		}
		const names = Object.keys(named);
		t.diagnostic(`${sum.points} points, ${sum.crashes} crashes at ${names.length} named points`);
		assert.ok(sum.crashes > sum.points && sum.points > 150);
		assert.ok(names.length >= 50);
		for (const name of ['writev bulk log, torn', 'syncDir log directory, before', 'rename view.checkpoint.new, after'])
			assert.ok(names.includes(name), `${name} is missing among ${names.join('; ')}`);
	});

	it(`keeps its promises at any call of ${RANDOM_LIVES} other lives`, async (t) => {
		let crashes = 0;
		for (let seed = 1; seed <= RANDOM_LIVES; seed++) {
			const pass = await runSweep({ seed, life: randomLife, every: 20, offset: seed, recoveryCrashes: 0.3 });
			crashes += pass.crashes;
		}
		t.diagnostic(`${crashes} crashes`);
	});
});
