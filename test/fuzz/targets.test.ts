/** Each parser meets many inputs; `PERIGEE_FUZZ_RUNS` sets how many, `PERIGEE_FUZZ_SEED` repeats a run. */
import { describe, it } from 'node:test';
import { tryTarget } from './run.js';
import { FUZZ_TARGETS } from './targets.js';

const RUNS = Number(process.env['PERIGEE_FUZZ_RUNS'] ?? 100_000);
const SEED = Number(process.env['PERIGEE_FUZZ_SEED'] ?? Date.now() & 0x7fff_ffff);

describe(`${RUNS} inputs from seed ${SEED}`, () => {
	for (const target of FUZZ_TARGETS) it(target.name, () => tryTarget(target, RUNS, SEED));
});
