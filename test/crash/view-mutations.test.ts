/** Files of RocksDB in every state: the view that the store comes to is the one that its log gives. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Prng } from '../support/prng.js';
import { MOMENTS, MUTATIONS, ViewSubject, type MutationOutcome } from './view-mutations.js';

const SEEDS = 1;
/** A suite without a rule must fail within so many seeds of each mutation. */
const CANARY_SEEDS = 60;

describe('a view whose files were changed equals a rebuilt one after an open, at the latest after the next: its', () => {
	let subject: ViewSubject;
	before(async () => {
		subject = await ViewSubject.make(1);
	});
	after(() => subject.remove());

	for (const mutation of MUTATIONS) {
		it(mutation.name, async (t) => {
			const counts: Partial<Record<MutationOutcome, number>> = {};
			for (const moment of MOMENTS) {
				for (let seed = 1; seed <= SEEDS; seed++) {
					const outcome = await subject.mutate(mutation, moment, new Prng(seed)).catch((error: unknown) => {
						throw new Error(`${mutation.name}, ${moment}, seed ${seed}`, { cause: error });
					});
					counts[outcome] = (counts[outcome] ?? 0) + 1;
				}
			}
			t.diagnostic(JSON.stringify(counts));
			assert.ok((counts.absent ?? 0) < MOMENTS.length * SEEDS, 'there was something to hit');
		});
	}
});

describe('the suite of changed views notices when this rule is broken:', () => {
	for (const { rule, breakage, moment, mutations } of [
		{
			rule: 'the view is trusted up to its checkpoint only',
			breakage: { trustsAll: true },
			moment: 'running',
			mutations: /^log-/,
		},
		{ rule: 'every row is checked', breakage: { crc32c: () => 0 }, moment: 'closed', mutations: /^table-flip$/ },
	] as const) {
		it(rule, async (t) => {
			const subject = await ViewSubject.make(1, breakage);
			t.after(() => subject.remove());
			for (let seed = 1; seed <= CANARY_SEEDS; seed++) {
				for (const mutation of MUTATIONS.filter(({ name }) => mutations.test(name))) {
					const failure = await subject.mutate(mutation, moment, new Prng(seed)).then(
						() => undefined,
						(error: unknown) => (error instanceof Error ? error.message : String(error)),
					);
					if (failure === undefined) continue;
					t.diagnostic(`${mutation.name}, seed ${seed}: ${failure.slice(0, 160)}`);
					return;
				}
			}
			assert.fail('no mutation was noticed to lose rows');
		});
	}
});
