/** The crash suite can fail: with each rule switched off, it does. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CANARIES } from './canaries.js';
import { runCrashSeed } from './scenario.js';

/** The suite must notice within so many seeds. */
const SEEDS = 300;
const OWN_SEEDS = 10;

describe('the crash suite notices when this rule is broken:', () => {
	for (const { rule, breakage, install, run = (seed: number) => runCrashSeed(seed, breakage) } of CANARIES) {
		it(rule, async (t) => {
			const restore = install?.();
			try {
				for (let seed = 1; seed <= SEEDS; seed++) {
					const failure = await run(seed).then(
						() => undefined,
						(error: unknown) => (error instanceof Error ? error.message : String(error)),
					);
					if (failure === undefined) continue;
					t.diagnostic(`seed ${seed}: ${failure.slice(0, 160)}`);
					return;
				}
				assert.fail(`${SEEDS} seeds pass without this rule`);
			} finally {
				restore?.();
			}
		});
	}
});

describe('with the rule in place nothing is broken in the life that was made for it:', () => {
	for (const { rule, run } of CANARIES) {
		if (!run) continue;
		it(rule, async () => {
			for (let seed = 1; seed <= OWN_SEEDS; seed++) await run(seed);
		});
	}
});
