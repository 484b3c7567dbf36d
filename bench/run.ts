/** `npm run bench`: measures every row of docs/benchmarks.md and prints the table. */
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeMachine } from './machine.js';
import { type BenchOptions, parseOptions, USAGE } from './options.js';
import { type Report, renderMarkdown, renderTable, type ReportRow, reportRow } from './report.js';
import type { BenchContext, Row } from './row.js';
import { kernelRows } from './rows/kernels.js';
import { fileRows } from './rows/files.js';
import { grpcRows } from './rows/grpc.js';
import { tusRows } from './rows/tus.js';
import { chainRow } from './rows/chain.js';
import { rpcRows } from './rows/rpc.js';
import { mineLoadRow } from './rows/mine-load.js';
import { mineDiskRow } from './rows/mining.js';
import { ledgerRow } from './rows/ledger.js';
import { processRows } from './rows/process.js';
import { compactionRow } from './rows/compaction.js';
import { scaleRows } from './rows/scale.js';

const ROWS: readonly Row[] = [
	...kernelRows,
	mineDiskRow,
	mineLoadRow,
	...fileRows,
	...tusRows,
	...grpcRows,
	...processRows,
	ledgerRow,
	chainRow,
	...rpcRows,
	...scaleRows,
	compactionRow,
];

const argv = process.argv.slice(2);
try {
	const options = parseOptions(argv);
	const rows = pickRows(options.only);
	if (options.list) console.log(rows.map(({ id, title }) => `${id}: ${title}`).join('\n'));
	else await run(options, rows);
} catch (error) {
	console.error(error instanceof Error ? error.message : error);
	console.error(USAGE);
	process.exitCode = 1;
}

async function run(options: BenchOptions, rows: readonly Row[]): Promise<void> {
	process.chdir(fileURLToPath(new URL('../../', import.meta.url)));
	const machine = describeMachine(argv);
	const workDir = options.workDir ?? (await mkdtemp(join(tmpdir(), 'perigee-bench-')));
	await mkdir(workDir, { recursive: true });
	const results: ReportRow[] = [];
	// Broken off: the servers are killed first (processes.ts), then what they stored goes.
	if (options.workDir === undefined) process.once('exit', () => rmSync(workDir, { recursive: true, force: true }));
	for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
	for (const row of rows) {
		const context: BenchContext = { ...options, workDir, progress: (text) => progress(`${row.id}: ${text}`) };
		context.progress('begins');
		results.push(reportRow(row, await row.measure(context)));
		progress('');
	}
	const report: Report = { machine, rounds: options.rounds, rows: results };
	const isPartial = options.isQuick || options.only.length > 0;
	await writeReport(report, options.out ?? (isPartial ? 'reports/local' : 'reports'));
	console.log(options.json ? JSON.stringify(report, null, 2) : renderTable(results));
}

async function writeReport(report: Report, folder: string): Promise<void> {
	await mkdir(folder, { recursive: true });
	await writeFile(join(folder, 'bench.json'), `${JSON.stringify(report, null, 2)}\n`);
	await writeFile(join(folder, 'bench.md'), renderMarkdown(report));
}

function pickRows(only: readonly string[]): readonly Row[] {
	const isMeant = (row: Row, name: string): boolean => row.id === name || row.id.startsWith(`${name}-`);
	const unknown = only.filter((name) => !ROWS.some((row) => isMeant(row, name)));
	if (unknown.length > 0) throw new Error(`no such row: ${unknown.join(', ')}`);
	return only.length === 0 ? ROWS : ROWS.filter((row) => only.some((name) => isMeant(row, name)));
}

/** One line that is overwritten, on a terminal only. */
function progress(text: string): void {
	if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}
