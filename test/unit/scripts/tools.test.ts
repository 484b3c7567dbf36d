import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { checkoutWithScripts } from './support.js';

test('a Node that is too old is refused in one line that says where to get another', (context) => {
	const checkout = checkoutWithScripts(context);
	const versions = ['18.20.0', '20.18.9', '20.19.0', '22.0.0'];
	const code = `
		import { checkNode } from './scripts/build/tools.mjs';
		for (const version of ${JSON.stringify(versions)}) {
			try { checkNode(version); console.log('ok'); } catch (error) { console.log(error.lines.length, error.message); }
		}`;
	const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
		cwd: checkout,
		encoding: 'utf8',
	});
	const [first, second, ...rest] = stdout.trim().split('\n');
	assert.match(first ?? '', /^1 Node 18\.20\.0 is too old: .*20\.19.*nodejs\.org/);
	assert.match(second ?? '', /^1 Node 20\.18\.9 is too old/);
	assert.deepEqual(rest, ['ok', 'ok']);
});

test('every missing tool is named at once, each in one line', (context) => {
	const checkout = checkoutWithScripts(context);
	const code = `
		import { checkTools } from './scripts/build/tools.mjs';
		try { checkTools(['npm', 'cargo', 'cc']); } catch (error) { console.log(error.lines.join('\\n')); }`;
	const env = { ...process.env, PATH: checkout };
	const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
		cwd: checkout,
		encoding: 'utf8',
		env,
	});
	const lines = stdout.trim().split('\n');
	assert.equal(lines.length, 3);
	for (const [index, name] of ['npm', 'cargo', 'cc'].entries())
		assert.match(lines[index] ?? '', new RegExp(`\\b${name}\\b`));
});
