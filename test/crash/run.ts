/** `npm run reliability`: the long form of the crash suite. Runs rows until their goals are reached and keeps the sheet in reports/. */
import { parseArgs } from 'node:util';
import { addTally } from './points.js';
import { allRows, type Row } from './rows.js';
import {
	againCommand,
	buildText,
	isComplete,
	lineOf,
	machineText,
	readSheet,
	saveResult,
	type Failure,
	type RowResult,
} from './sheet.js';

const FAILURES_KEPT = 20;
/** The sheet is written at least this often, so that a run that is killed loses little. */
const SAVE_MS = 30_000;
const FAILED = 1;
const WRONG_USE = 2;
const NOT_REACHED = 3;

const USAGE = `npm run reliability -- [options]

Runs each row until its goal is reached and writes reports/reliability.{json,md}. Rows that are not run keep their last result.

  --only <row>[,<row>]  only these rows
  --minutes N           end after about N minutes, shared among the rows
  --times N             N times each goal
  --resume              go on from the last run of the same build; skip rows that reached their goals
  --seed S              one seed of one row again, with its whole error

Exit codes: 0 all goals reached, 1 a promise was broken, 2 wrong use, 3 a goal was not reached in the time.

rows:
${allRows()
	.map(
		({ name, what, goals }) =>
			`  ${name.padEnd(14)}${goals.map(({ count, least }) => `${least} ${count}`).join(', ')}: ${what}`,
	)
	.join('\n')}`;

interface Plan {
	readonly rows: readonly Row[];
	readonly minutes: number;
	readonly times: number;
	readonly isResumed: boolean;
	readonly seed: number | undefined;
}

const stop = new AbortController();

async function main(): Promise<number> {
	const plan = readPlan();
	if (typeof plan === 'string') {
		console.error(plan);
		return plan === USAGE ? 0 : WRONG_USE;
	}
	const { seed } = plan;
	return seed === undefined ? runRows(plan) : replay(plan.rows, seed);
}

/** What is asked for; a text when there is nothing to run. */
function readPlan(): Plan | string {
	const { values } = parseArgs({
		options: {
			only: { type: 'string' },
			minutes: { type: 'string' },
			times: { type: 'string' },
			resume: { type: 'boolean' },
			seed: { type: 'string' },
			help: { type: 'boolean' },
		},
	});
	if (values.help) return USAGE;
	const names = values.only?.split(',');
	const rows = allRows().filter(({ name }) => names?.includes(name) ?? true);
	const [minutes, times, seed] = [values.minutes ?? 'Infinity', values.times ?? '1', values.seed ?? '0'].map(Number);
	if (!(Number(minutes) > 0 && Number(times) > 0) || !Number.isSafeInteger(seed))
		return 'perigee: --minutes, --times or --seed is no number; see --help';
	if (rows.length < (names?.length ?? 1)) return `perigee: no such row; see --help`;
	if (values.seed !== undefined && rows.length > 1) return 'perigee: --seed needs --only <row>';
	return {
		rows,
		minutes: Number(minutes),
		times: Number(times),
		isResumed: values.resume ?? false,
		seed: values.seed === undefined ? undefined : seed,
	};
}

/** One seed again, with its whole error. */
async function replay(rows: readonly Row[], seed: number): Promise<number> {
	for (const row of rows) {
		try {
			console.log(
				row.name,
				seed,
				await row.run(seed, { signal: stop.signal, endMs: Number.POSITIVE_INFINITY, say: console.log }),
			);
		} catch (error) {
			console.error(row.name, seed, error);
			return FAILED;
		} finally {
			await row.end?.();
		}
	}
	return 0;
}

async function runRows({ rows, minutes, times, isResumed }: Plan): Promise<number> {
	const endMs = performance.now() + minutes * 60_000;
	const last = new Map(readSheet().map((result) => [result.row, result]));
	const build = buildText();
	let shares = rows.reduce((sum, row) => sum + row.share, 0);
	let code = 0;
	for (const row of rows) {
		const rowEndMs = performance.now() + ((endMs - performance.now()) * row.share) / shares;
		shares -= row.share;
		const known = last.get(row.name);
		const isSame = isResumed && known?.build === build;
		const run = new RowRun(row, times, build, isSame ? known : undefined);
		const result = stop.signal.aborted ? run.result() : await run.runUntil(rowEndMs);
		console.log(lineOf(result));
		for (const { seed, message } of result.failures)
			console.log(`  seed ${seed}: ${message}\n  again: ${againCommand(row.name, seed)}`);
		if (result.failures.length > 0) code = FAILED;
		else if (code === 0 && !isComplete(result)) code = NOT_REACHED;
	}
	return code;
}

/** A row on its way to its goals. */
class RowRun {
	readonly #row: Row;
	readonly #before: RowResult;
	readonly #counts: Record<string, number>;
	readonly #named: Record<string, number>;
	readonly #failures: Failure[];
	readonly #startMs = performance.now();
	#seeds: number;
	#notes: readonly string[];
	#savedMs = performance.now();

	/** Goes on from `before`, a result of the same build. */
	constructor(row: Row, times: number, build: string, before?: RowResult) {
		this.#row = row;
		this.#before = {
			row: row.name,
			what: row.what,
			build,
			date: '',
			machine: machineText(),
			firstSeed: before?.firstSeed ?? 1 + Math.floor(Date.now() / 1000),
			seeds: 0,
			seconds: before?.seconds ?? 0,
			counts: {},
			named: {},
			goals: row.goals.map(({ count, least }) => ({ count, least: count === 'names' ? least : least * times })),
			failures: [],
			notes: [],
		};
		this.#counts = { ...before?.counts };
		this.#named = { ...before?.named };
		this.#failures = [...(before?.failures ?? [])];
		this.#seeds = before?.seeds ?? 0;
		this.#notes = before?.notes ?? [];
	}

	async runUntil(endMs: number): Promise<RowResult> {
		// One seed at least, however short the time: a run that did nothing would say nothing.
		const seedsBefore = this.#seeds;
		const isDue = (): boolean => performance.now() < endMs || this.#seeds === seedsBefore;
		while (!isComplete(this.result()) && isDue() && this.#failures.length < FAILURES_KEPT) {
			await this.#runSeed(this.#before.firstSeed + this.#seeds, endMs);
			if (stop.signal.aborted) break;
			this.#seeds++;
			if (performance.now() - this.#savedMs > SAVE_MS) this.#save();
		}
		await this.#row.end?.();
		this.#save();
		return this.result();
	}

	result(): RowResult {
		const seconds = this.#before.seconds + (performance.now() - this.#startMs) / 1000;
		return {
			...this.#before,
			date: new Date().toISOString(),
			seeds: this.#seeds,
			seconds: Math.round(seconds * 10) / 10,
			counts: this.#counts,
			named: this.#named,
			failures: this.#failures,
			notes: this.#notes,
		};
	}

	async #runSeed(seed: number, endMs: number): Promise<void> {
		try {
			const {
				counts,
				named = {},
				notes,
			} = await this.#row.run(seed, { signal: stop.signal, endMs, say: (line) => console.log(`  ${line}`) });
			addTally(this.#counts, counts);
			addTally(this.#named, named);
			if (notes) this.#notes = notes;
		} catch (error) {
			if (stop.signal.aborted) return;
			this.#failures.push({ seed, message: error instanceof Error ? error.message : String(error) });
		}
	}

	#save(): void {
		this.#savedMs = performance.now();
		saveResult(this.result(), allRows());
	}
}

process.once('SIGINT', () => stop.abort());
process.exitCode = await main();
