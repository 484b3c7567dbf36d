import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { checkoutWithScripts } from './support.js';

/** A step that copies `in` to `out`, and fails after half of the work when `in` says so. Prints whether it had to run. */
const BUILD = `
	import { readFileSync, writeFileSync } from 'node:fs';
	import { BuildState, hashOf } from './scripts/build/state.mjs';
	const step = {
		name: 'copy',
		title: () => 'copying',
		inputs: () => hashOf([], ['in']),
		outputs: () => ['out'],
		run: async () => {
			const text = readFileSync('in', 'utf8');
			if (text === 'no output') return;
			writeFileSync('out', text);
			if (text === 'fails') throw new Error('half way');
		},
	};
	const state = BuildState.load();
	const isCurrent = state.isCurrent(step);
	console.log(isCurrent ? 'current' : 'stale');
	if (!isCurrent) await state.build(step);
`;

class Copying {
	readonly #checkout: string;

	constructor(context: TestContext) {
		this.#checkout = checkoutWithScripts(context);
	}

	path(name: string): string {
		return join(this.#checkout, name);
	}

	/** Sets the input, if given, then builds what is stale. */
	build(input?: string): { found: string; ended: number | null; stderr: string } {
		if (input !== undefined) writeFileSync(this.path('in'), input);
		const child = spawnSync(process.execPath, ['--input-type=module', '-e', BUILD], {
			cwd: this.#checkout,
			encoding: 'utf8',
		});
		return { found: child.stdout.trim(), ended: child.status, stderr: child.stderr };
	}
}

test('a step runs once, and again when the contents of an input change', (context) => {
	const copying = new Copying(context);
	assert.equal(copying.build('one').found, 'stale');
	assert.equal(copying.build().found, 'current');
	assert.equal(copying.build('two').found, 'stale');
	assert.equal(readFileSync(copying.path('out'), 'utf8'), 'two');
	assert.equal(copying.build().found, 'current');
});

test('a new time stamp alone makes nothing stale', (context) => {
	const copying = new Copying(context);
	copying.build('one');
	utimesSync(copying.path('in'), 2_000_000_000, 2_000_000_000);
	assert.equal(copying.build().found, 'current');
});

test('an output that is gone or cut short makes its step stale', (context) => {
	const copying = new Copying(context);
	copying.build('one');
	rmSync(copying.path('out'));
	assert.equal(copying.build().found, 'stale');
	writeFileSync(copying.path('out'), 'o');
	assert.equal(copying.build().found, 'stale');
	assert.equal(readFileSync(copying.path('out'), 'utf8'), 'one');
});

test('a step that failed half way is stale, also once its inputs are what they were at the last success', (context) => {
	const copying = new Copying(context);
	copying.build('works');
	assert.notEqual(copying.build('fails').ended, 0);
	assert.equal(copying.build().found, 'stale');
	// As long as the half-made output, so that only the record can tell.
	assert.equal(copying.build('works').found, 'stale');
	assert.equal(readFileSync(copying.path('out'), 'utf8'), 'works');
});

test('a step that ends well without its output has failed', (context) => {
	const copying = new Copying(context);
	const { ended, stderr } = copying.build('no output');
	assert.notEqual(ended, 0);
	assert.match(stderr, /did not make out/);
	assert.equal(copying.build().found, 'stale');
});

test('a torn record makes everything stale and nothing fail', (context) => {
	const copying = new Copying(context);
	copying.build('one');
	writeFileSync(copying.path('.perigee-build/state.json'), '{"copy":{"inp');
	assert.deepEqual({ ...copying.build(), stderr: '' }, { found: 'stale', ended: 0, stderr: '' });
});
