/** The measurements themselves: one cheap row, so that they do not fall out of use unnoticed. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

interface ReportedRow {
	readonly id: string;
	readonly ours: number;
	readonly reference: number;
	readonly ratio: number;
	readonly goal: { readonly text: string };
	readonly rounds: readonly unknown[];
}

const script = fileURLToPath(new URL('../../bench/run.js', import.meta.url));
const run = promisify(execFile);

test('one row of the bench stores the same small files in both servers, compares them and reports its figures', async (t) => {
	const folder = await mkdtemp(join(tmpdir(), 'perigee-bench-test-'));
	t.after(() => rm(folder, { recursive: true, force: true }));
	const args = [script, '--quick', '--only', 'put-small-16', '--rounds', '2', '--json', '--out', folder];
	const { stdout } = await run(process.execPath, args);
	const report = JSON.parse(stdout) as { readonly rows: readonly ReportedRow[] };
	assert.deepEqual(
		report.rows.map(({ id }) => id),
		['put-small-16'],
	);
	const [row] = report.rows;
	assert.ok(row);
	assert.ok(row.ours > 0 && row.reference > 0 && row.ratio > 0, JSON.stringify(row));
	assert.equal(row.rounds.length, 2);
	assert.deepEqual(JSON.parse(await readFile(join(folder, 'bench.json'), 'utf8')), report);
	assert.match(await readFile(join(folder, 'bench.md'), 'utf8'), /^\| put-small-16: /m);
});

test('the bench refuses a row that does not exist and lists those that do', async () => {
	await assert.rejects(run(process.execPath, [script, '--only', 'nothing']), /no such row: nothing/);
	const { stdout } = await run(process.execPath, [script, '--list']);
	assert.match(stdout, /^put-large: /m);
});
