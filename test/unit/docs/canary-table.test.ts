/** The table of rules in docs/reliability.md names every canary there is, and no other. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CANARIES } from '../../crash/canaries.js';
import { CHAIN_MUTANTS } from '../../crash/chain-mutants.js';
import { DAMAGE_MUTANTS } from '../../crash/damage-mutants.js';
import { LOG_MUTANTS } from '../../crash/mutants.js';
import { PAYMENT_MUTANTS } from '../../crash/payment-mutants.js';
import { RESUMABLE_MUTANTS } from '../../crash/resumable-mutants.js';
import { SEALING_MUTANTS } from '../../crash/sealing-mutants.js';
import { SHARD_MUTANTS } from '../../crash/shard-mutants.js';
import { UPKEEP_MUTANTS } from '../../crash/upkeep-mutants.js';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const SOURCES = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' }).filter((path) =>
	path.endsWith('.ts'),
);

interface Row {
	readonly rule: string;
	readonly canary: string;
	readonly guard: string;
}

function tableRows(): readonly Row[] {
	const text = readFileSync(join(ROOT, 'docs/reliability.md'), 'utf8');
	const section = text.slice(text.indexOf('## The suite can fail'), text.indexOf('## The museum'));
	return [...section.matchAll(/^\| (.+) \| .+ \| (wrapped|taken out|within) \| (.+) \|$/gm)].map(
		([, rule = '', canary = '', guard = '']) => ({ rule, canary, guard }),
	);
}

const rulesOf = (canary: string): string[] =>
	tableRows()
		.filter((row) => row.canary === canary)
		.map(({ rule, guard }) => `${rule} (${guard})`)
		.sort();

test('each rule of the table has a canary, and each canary is in the table', () => {
	assert.deepEqual(rulesOf('wrapped'), CANARIES.map(({ rule }) => `${rule} (crash suite)`).sort());
	const takenOut = [
		...LOG_MUTANTS,
		...UPKEEP_MUTANTS,
		...DAMAGE_MUTANTS,
		...RESUMABLE_MUTANTS,
		...SHARD_MUTANTS,
		...CHAIN_MUTANTS,
		...PAYMENT_MUTANTS,
		...SEALING_MUTANTS,
	].map(({ rule, test: path }) => `${rule} (\`${basename(path, '.js')}\`)`);
	assert.deepEqual(rulesOf('taken out'), takenOut.sort());
	const within = tableRows().filter(({ canary }) => canary === 'within');
	assert.ok(within.length > 0);
	for (const { rule, guard } of within) {
		const sources = SOURCES.filter((path) => basename(path) === `${guard.replaceAll('`', '')}.ts`);
		const isThere = sources.some((path) => readFileSync(join(ROOT, 'test', path), 'utf8').includes(rule));
		assert.ok(isThere, `no test in ${guard} says: ${rule}`);
	}
});
