/** The command behind `npm run reliability`: rows run one by one, the sheet keeps the others, the exit code tells. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryDirectory } from '../support/processes.js';
import type { RowResult } from './sheet.js';

const RUN = fileURLToPath(new URL('./run.js', import.meta.url));

test('rows that are run one by one stand together in the sheet, go on where they ended, and the exit code tells', async (t) => {
	const cwd = temporaryDirectory(t);
	const run = async (...args: string[]): Promise<number | null> => {
		const child = spawn(process.execPath, [RUN, ...args], { cwd, stdio: 'ignore' });
		const [code] = (await once(child, 'exit')) as [number | null];
		return code;
	};
	const sheet = (): Map<string, RowResult> => {
		const { rows } = JSON.parse(readFileSync(join(cwd, 'reports/reliability.json'), 'utf8')) as { rows: RowResult[] };
		return new Map(rows.map((result) => [result.row, result]));
	};
	assert.equal(await run('--only', 'nothing'), 2);
	assert.equal(await run('--only', 'log-flip', '--seed', '5'), 0);
	// Too short for the goal.
	assert.equal(await run('--only', 'log-flip', '--minutes', '0.001'), 3);
	const first = sheet().get('log-flip');
	assert.ok(first && first.failures.length === 0);
	assert.equal(await run('--only', 'sweep', '--minutes', '0.001'), 3);
	assert.deepEqual([...sheet().keys()], ['sweep', 'log-flip']);
	assert.deepEqual(sheet().get('log-flip'), first, 'a row that is not run stays as it was');
	assert.ok(Object.keys(sheet().get('sweep')?.named ?? {}).length > 10);
	assert.equal(await run('--only', 'log-flip', '--minutes', '0.001', '--resume'), 3);
	const second = sheet().get('log-flip');
	assert.ok(second && second.seeds > first.seeds && second.firstSeed === first.firstSeed);
	assert.equal(await run('--only', 'log-flip', '--times', '0.003'), 0, 'a goal that is reached');
	const page = readFileSync(join(cwd, 'reports/reliability.md'), 'utf8');
	assert.match(page, /\| \w+ \w+ log, (before|torn|after) \| \d+ \|/);
});
