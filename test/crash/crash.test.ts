/** A slice of the crash suite; the long form is `npm run reliability`. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runCrashSeed } from './scenario.js';
import { runSweepPoint, sweepCalls } from './sweep.js';

const SEEDS = 240;
const SWEEP_SEED = 1;

describe('a store that crashes', () => {
	it(`keeps what it answered, shows nothing half, reports no damage and rebuilds the same view, over ${SEEDS} seeds`, async (t) => {
		const sums: Record<string, number> = {};
		const failures: string[] = [];
		for (let seed = 1; seed <= SEEDS; seed++) {
			try {
				for (const [name, count] of Object.entries(await runCrashSeed(seed)))
					sums[name] = (sums[name] ?? 0) + Number(count);
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

	it('keeps its promises at a crash before and after every call of one life', async (t) => {
		const calls = await sweepCalls(SWEEP_SEED);
		for (let index = 0; index < calls; index++) {
			for (const type of ['crash', 'crashAfter'] as const) {
				await runSweepPoint(SWEEP_SEED, index, type).catch((error: unknown) => {
					throw new Error(`call ${index}, ${type}`, { cause: error });
				});
			}
		}
		t.diagnostic(`${calls} calls, ${2 * calls} crashes`);
		assert.ok(calls > 100);
	});

	it('keeps its promises when each call of a recovery is cut off too', async (t) => {
		let crashes = 0;
		const calls = await sweepCalls(SWEEP_SEED);
		for (let index = 10; index < calls; index += 17) {
			for (let recovery = 0; recovery < 40; recovery += 2) {
				await runSweepPoint(SWEEP_SEED, index, 'crash', recovery).catch((error: unknown) => {
					throw new Error(`call ${index}, call ${recovery} of the recovery`, { cause: error });
				});
				crashes++;
			}
		}
		t.diagnostic(`${crashes} crashes in recoveries`);
	});
});
