/** Every rule that is taken out of the compiled code makes its guard fail. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CHAIN_MUTANTS } from './chain-mutants.js';
import { DAMAGE_MUTANTS } from './damage-mutants.js';
import { MutantSite } from './mutant-site.js';
import { LOG_MUTANTS } from './mutants.js';
import { PAYMENT_MUTANTS } from './payment-mutants.js';
import { RESUMABLE_MUTANTS } from './resumable-mutants.js';
import { SEALING_MUTANTS } from './sealing-mutants.js';
import { SHARD_MUTANTS } from './shard-mutants.js';
import { UPKEEP_MUTANTS } from './upkeep-mutants.js';

describe('a guard notices when this rule is taken out:', () => {
	let site: MutantSite;
	before(async () => {
		site = await MutantSite.make();
	});
	after(() => site.remove());

	const mutants = [
		LOG_MUTANTS,
		UPKEEP_MUTANTS,
		DAMAGE_MUTANTS,
		RESUMABLE_MUTANTS,
		SHARD_MUTANTS,
		CHAIN_MUTANTS,
		PAYMENT_MUTANTS,
		SEALING_MUTANTS,
	];
	for (const mutant of mutants.flat()) {
		it(mutant.rule, async (t) => {
			const failure = await site.failureOf(mutant);
			assert.ok(failure !== undefined, `"${mutant.guard}" of ${mutant.test} passes without this rule`);
			t.diagnostic(failure.slice(0, 160));
		});
	}
});
