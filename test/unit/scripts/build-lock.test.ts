import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkoutWithScripts } from './support.js';

const PROCESSES = 6;
const ROUNDS = 5;

const TAKE = `
	import { BuildLock } from './scripts/build/lock.mjs';
	const lock = await BuildLock.take('.perigee-build/lock');
	console.log('held');
	setInterval(() => {}, 60_000);
`;

/** Adds 1 to a number in a file, in steps between which other processes get their turn. */
const COUNT = `
	import { readFileSync, writeFileSync } from 'node:fs';
	import { setImmediate } from 'node:timers/promises';
	import { BuildLock } from './scripts/build/lock.mjs';
	for (let round = 0; round < ${ROUNDS}; round += 1) {
		const lock = await BuildLock.take('.perigee-build/lock');
		const before = Number(readFileSync('counter', 'utf8'));
		for (let turn = 0; turn < 200; turn += 1) await setImmediate();
		writeFileSync('counter', String(before + 1));
		lock.release();
	}
`;

function start(checkout: string, code: string): ChildProcess {
	return spawn(process.execPath, ['--input-type=module', '-e', code], {
		cwd: checkout,
		stdio: ['ignore', 'pipe', 'ignore'],
	});
}

/** The pid of a process that has ended and been waited for. */
function deadPid(): number {
	return spawnSync(process.execPath, ['-e', '']).pid;
}

async function startHolder(checkout: string): Promise<ChildProcess> {
	const holder = start(checkout, TAKE);
	assert.ok(holder.stdout !== null);
	assert.match(String(await once(holder.stdout, 'data')), /held/);
	return holder;
}

test('processes that race for the lock, and for a stale one first, hold it one at a time', async (context) => {
	const checkout = checkoutWithScripts(context);
	writeFileSync(join(checkout, 'counter'), '0');
	writeFileSync(join(checkout, '.perigee-build', 'lock'), `${deadPid()} stale\n`);
	const racers = Array.from({ length: PROCESSES }, () => start(checkout, COUNT));
	const codes = await Promise.all(racers.map(async (racer) => (await once(racer, 'exit'))[0] as unknown));
	assert.deepEqual(
		codes,
		racers.map(() => 0),
	);
	assert.equal(readFileSync(join(checkout, 'counter'), 'utf8'), String(PROCESSES * ROUNDS));
});

for (const [signal, code] of [
	['SIGTERM', 143],
	['SIGINT', 130],
] as const) {
	test(`a holder that ends by ${signal} takes its lock along`, async (context) => {
		const checkout = checkoutWithScripts(context);
		const holder = await startHolder(checkout);
		assert.ok(existsSync(join(checkout, '.perigee-build', 'lock')));
		holder.kill(signal);
		assert.deepEqual(await once(holder, 'exit'), [code, null]);
		assert.equal(existsSync(join(checkout, '.perigee-build', 'lock')), false);
	});
}

test('the lock of a killed holder does not keep the next one waiting', async (context) => {
	const checkout = checkoutWithScripts(context);
	const holder = await startHolder(checkout);
	holder.kill('SIGKILL');
	await once(holder, 'exit');
	assert.ok(existsSync(join(checkout, '.perigee-build', 'lock')));
	const next = await startHolder(checkout);
	next.kill('SIGKILL');
	await once(next, 'exit');
});
