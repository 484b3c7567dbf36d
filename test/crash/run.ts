/** `npm run reliability [-- --minutes N] [--only <row>] [--seed S]`: the long form of the crash suite; writes reports/reliability.{json,md}. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { packageVersion } from '../../src/config/version.js';
import { allRows, type Counts, type Row } from './rows.js';

interface Failure {
	readonly seed: number;
	readonly message: string;
}

interface Result {
	readonly row: string;
	readonly what: string;
	readonly firstSeed: number;
	readonly seeds: number;
	readonly seconds: number;
	readonly counts: Counts;
	readonly failures: readonly Failure[];
}

const DEFAULT_MINUTES = 10;
const FAILURES_KEPT = 20;
const REPORT_DIRECTORY = 'reports';

const { values } = parseArgs({
	options: {
		minutes: { type: 'string' },
		only: { type: 'string' },
		seed: { type: 'string' },
		help: { type: 'boolean' },
	},
});

if (values.help)
	console.log(
		'npm run reliability -- [--minutes N] [--only <row>] [--seed S]\n\nrows: ' +
			allRows()
				.map((row) => row.name)
				.join(', '),
	);
else process.exitCode = await main();

async function main(): Promise<number> {
	const rows = allRows().filter((row) => values.only === undefined || row.name === values.only);
	const minutes = Number(values.minutes ?? DEFAULT_MINUTES);
	if (rows.length === 0 || !(minutes > 0) || (values.seed !== undefined && !/^\d+$/.test(values.seed))) {
		console.error('perigee: no such row, or --minutes or --seed is no number; see --help');
		return 2;
	}
	if (values.seed !== undefined) return replay(rows, Number(values.seed));
	const shares = rows.reduce((sum, row) => sum + row.share, 0);
	const firstSeed = 1 + Math.floor(Date.now() / 1000) * 1000;
	const results: Result[] = [];
	for (const row of rows) {
		const result = await runRow(row, firstSeed, (minutes * 60_000 * row.share) / shares);
		console.log(lineOf(result));
		for (const { seed, message } of result.failures)
			console.log(`  seed ${seed}: ${message}\n  again: npm run reliability -- --only ${row.name} --seed ${seed}`);
		results.push(result);
	}
	writeReport(results, minutes);
	return results.some(({ failures }) => failures.length > 0) ? 1 : 0;
}

/** One seed again, with its whole error. */
async function replay(rows: readonly Row[], seed: number): Promise<number> {
	for (const row of rows) {
		try {
			console.log(row.name, seed, await row.run(seed));
		} catch (error) {
			console.error(row.name, seed, error);
			return 1;
		} finally {
			await row.end?.();
		}
	}
	return 0;
}

async function runRow(row: Row, firstSeed: number, budgetMs: number): Promise<Result> {
	const startMs = performance.now();
	const counts: Counts = {};
	const failures: Failure[] = [];
	let seeds = 0;
	while ((seeds === 0 || performance.now() - startMs < budgetMs) && failures.length < FAILURES_KEPT) {
		const seed = firstSeed + seeds++;
		try {
			for (const [name, count] of Object.entries(await row.run(seed))) counts[name] = (counts[name] ?? 0) + count;
		} catch (error) {
			failures.push({ seed, message: error instanceof Error ? error.message : String(error) });
		}
	}
	await row.end?.();
	return {
		row: row.name,
		what: row.what,
		firstSeed,
		seeds,
		seconds: Math.round((performance.now() - startMs) / 100) / 10,
		counts,
		failures,
	};
}

function lineOf({ row, seeds, seconds, counts, failures }: Result): string {
	const text = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
	return `${row}: ${seeds} seeds in ${seconds} s, ${failures.length} failed; ${text.join(', ')}`;
}

function writeReport(results: readonly Result[], minutes: number): void {
	const [cpu] = cpus();
	const machine = `${cpu?.model ?? 'unknown processor'}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, ${process.platform} ${release()}, Node ${process.version}`;
	const head = {
		version: packageVersion(),
		date: new Date().toISOString(),
		machine,
		command: `npm run reliability -- --minutes ${minutes}`,
	};
	const table = results.map(({ row, what, firstSeed, seeds, seconds, counts, failures }) => {
		const text = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
		return `| ${row} | ${what} | ${firstSeed} + ${seeds} | ${seconds} s | ${text.join(', ')} | ${failures.length} |`;
	});
	const page = [
		'# Reliability report',
		'',
		`Version ${head.version}, ${head.date}, \`${head.command}\``,
		'',
		machine,
		'',
		'| row | what | seeds | time | counted | failed |',
		'|---|---|---|---|---|---|',
		...table,
		'',
	].join('\n');
	mkdirSync(REPORT_DIRECTORY, { recursive: true });
	writeFileSync(`${REPORT_DIRECTORY}/reliability.json`, `${JSON.stringify({ ...head, results }, null, 2)}\n`);
	writeFileSync(`${REPORT_DIRECTORY}/reliability.md`, page);
}
