/** The reliability sheet: what each row has reached, kept in reports/reliability.{json,md} until the row is run again. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { packageVersion } from '../../src/config/version.js';
import type { Counts, Goal, Row } from './rows.js';

export interface Failure {
	readonly seed: number;
	readonly message: string;
}

/** The last run of a row. */
export interface RowResult {
	readonly row: string;
	readonly what: string;
	/** Digest of the compiled code: results of one build may be added up. */
	readonly build: string;
	readonly date: string;
	readonly machine: string;
	readonly firstSeed: number;
	readonly seeds: number;
	readonly seconds: number;
	readonly counts: Counts;
	/** How often each named point was hit. */
	readonly named: Counts;
	readonly goals: readonly Goal[];
	readonly failures: readonly Failure[];
	readonly notes: readonly string[];
}

const DIRECTORY = 'reports';
const JSON_PATH = `${DIRECTORY}/reliability.json`;
const PAGE_PATH = `${DIRECTORY}/reliability.md`;

/** How much of a goal is reached. `names` counts the named points that were hit. */
function reachedOf({ counts, named }: Pick<RowResult, 'counts' | 'named'>, { count }: Goal): number {
	return count === 'names' ? Object.keys(named).length : (counts[count] ?? 0);
}

export function isComplete(result: Pick<RowResult, 'counts' | 'named' | 'goals'>): boolean {
	return result.goals.every((goal) => reachedOf(result, goal) >= goal.least);
}

export function againCommand(row: string, seed: number): string {
	return `npm run reliability -- --only ${row} --seed ${seed}`;
}

/** The rows of the sheet on the disk; none when there is no sheet, or one of another form. */
export function readSheet(): RowResult[] {
	try {
		const { rows } = JSON.parse(readFileSync(JSON_PATH, 'utf8')) as { readonly rows?: RowResult[] };
		return rows ?? [];
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === 'ENOENT' || error instanceof SyntaxError) return [];
		throw error;
	}
}

/** Puts a result into the sheet; the other rows stay. Rows that no longer exist go. */
export function saveResult(result: RowResult, rows: readonly Row[]): void {
	const known = new Map(readSheet().map((each) => [each.row, each]));
	known.set(result.row, result);
	const results = rows.flatMap(({ name }) => known.get(name) ?? []);
	mkdirSync(DIRECTORY, { recursive: true });
	replace(JSON_PATH, `${JSON.stringify({ rows: results }, undefined, '\t')}\n`);
	replace(PAGE_PATH, pageOf(results));
}

export function lineOf(result: RowResult): string {
	const { row, seeds, seconds, failures } = result;
	const state = failures.length > 0 ? `${failures.length} FAILED` : isComplete(result) ? 'reached' : 'not reached yet';
	return `${row}: ${state}; ${goalsText(result)}; ${seeds} seeds in ${seconds} s; ${countsText(result)}`;
}

/** This machine, in a line. */
export function machineText(): string {
	const [cpu] = cpus();
	const memory = Math.round(totalmem() / 2 ** 30);
	return `${cpu?.model ?? 'unknown processor'}, ${cpus().length} cores, ${memory} GiB, ${process.platform} ${release()}, Node ${process.version}`;
}

/** Names the code under test and the suite: version, and a digest of all that was compiled. */
export function buildText(): string {
	const directory = fileURLToPath(new URL('../../', import.meta.url));
	const hash = createHash('sha256');
	const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.js'));
	for (const name of names.sort()) hash.update(name).update(readFileSync(`${directory}/${name}`));
	return `${packageVersion()}-${hash.digest('hex').slice(0, 12)}`;
}

function replace(path: string, text: string): void {
	writeFileSync(`${path}.new`, text);
	renameSync(`${path}.new`, path);
}

function goalsText(result: RowResult): string {
	return result.goals.map((goal) => `${reachedOf(result, goal)} of ${goal.least} ${goal.count}`).join(', ');
}

function countsText({ counts, goals }: RowResult): string {
	return Object.entries(counts)
		.filter(([name]) => !goals.some(({ count }) => count === name))
		.map(([name, count]) => `${name} ${count}`)
		.join(', ');
}

function pageOf(results: readonly RowResult[]): string {
	const table = results.map((result) => {
		const { row, what, firstSeed, seeds, seconds, failures, date, build } = result;
		const state = failures.length > 0 ? '**failed**' : isComplete(result) ? 'yes' : 'not yet';
		return `| ${row} | ${what} | ${goalsText(result)} | ${state} | ${failures.length} | ${countsText(result)} | ${firstSeed} + ${seeds} | ${seconds} s | ${date.slice(0, 10)} | ${build} |`;
	});
	const failed = results.flatMap(({ row, failures }) =>
		failures.map(
			({ seed, message }) => `- ${row}: ${message.split('\n')[0]}  \n  again: \`${againCommand(row, seed)}\``,
		),
	);
	const details: string[] = [];
	for (const { row, named: names, notes } of results) {
		if (notes.length > 0) details.push('', `## Course of \`${row}\``, '', ...notes.map((note) => `- ${note}`));
		if (Object.keys(names).length === 0) continue;
		details.push('', `## Named points of \`${row}\``, '', '| point | hit |', '|---|---|');
		for (const name of Object.keys(names).sort()) details.push(`| ${name} | ${names[name]} |`);
	}
	const machines = [...new Set(results.map(({ machine }) => machine))];
	return [
		'# Reliability sheet',
		'',
		'Each row stands as it was last run, on its own with `npm run reliability -- --only <row>`. What the rows do: docs/reliability.md.',
		'',
		...machines.map((machine) => `Run on ${machine}.`),
		'',
		'| row | what | goal | reached | failures | also counted | seeds | time | date | build |',
		'|---|---|---|---|---|---|---|---|---|---|',
		...table,
		...(failed.length > 0 ? ['', '## Failures', '', ...failed] : []),
		...details,
		'',
	].join('\n');
}
