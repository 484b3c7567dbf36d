/** Each parser meets many inputs; `PERIGEE_FUZZ_RUNS` sets how many, `PERIGEE_FUZZ_SEED` repeats a run. */
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { FUZZ_TARGETS } from './targets.js';

const RUNS = Number(process.env['PERIGEE_FUZZ_RUNS'] ?? 100_000);
const SEED = Number(process.env['PERIGEE_FUZZ_SEED'] ?? Date.now() & 0x7fff_ffff);

describe(`${RUNS} inputs from seed ${SEED}`, () => {
	for (const { name, property } of FUZZ_TARGETS) {
		it(name, () => {
			fc.assert(property as fc.IProperty<unknown>, { numRuns: RUNS, seed: SEED });
		});
	}
});
