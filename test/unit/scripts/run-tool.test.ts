import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { checkoutWithScripts } from './support.js';

/** Work that ends once two lines have told that it goes on. */
const LONG = `
	import { withProgress } from './scripts/build/run-tool.mjs';
	const write = process.stderr.write.bind(process.stderr);
	let told = 0;
	let end;
	const ended = new Promise((resolve) => (end = resolve));
	process.stderr.write = (text) => {
		if (text.includes('still') && ++told === 2) end();
		return write(text);
	};
	await withProgress('building it', () => ended, { firstMs: 1, everyMs: 20 });
`;
const QUICK = `
	import { withProgress } from './scripts/build/run-tool.mjs';
	await withProgress('building it', async () => {});
`;

test('where no terminal is, a long step is told of when it begins and while it goes on, a quick one when it is done', (context) => {
	const checkout = checkoutWithScripts(context);
	const linesOf = (code: string): string[] => {
		const { stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
			cwd: checkout,
			encoding: 'utf8',
		});
		assert.equal(status, 0, stderr);
		return stderr.trim().split('\n');
	};
	const [first, second, third, last, ...rest] = linesOf(LONG);
	assert.equal(first, 'perigee: building it …');
	for (const line of [second, third]) assert.match(line ?? '', /^perigee: still building it, \d+ s$/);
	assert.match(last ?? '', /^perigee: building it: done in \d+\.\d s$/);
	assert.deepEqual(rest, []);
	assert.equal(linesOf(QUICK).length, 1);
});
