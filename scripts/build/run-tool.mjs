// Runs one build tool with its output kept aside: one line when it went well, all of its output when it failed.
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BuildFailure, buildDirectory, rootDirectory } from './common.mjs';

const FRAMES = ['|', '/', '-', '\\'];
const FRAME_MS = 120;

/** Runs `work`, showing `title` while it runs (a spinner on a terminal) and the time it took afterwards. */
export async function withProgress(title, work) {
	const startMs = performance.now();
	const seconds = () => `${((performance.now() - startMs) / 1000).toFixed(1)} s`;
	const spins = process.stderr.isTTY === true;
	let frame = 0;
	const spinner = spins
		? setInterval(() => process.stderr.write(`\r${FRAMES[frame++ % FRAMES.length]} ${title} ${seconds()} `), FRAME_MS)
		: undefined;
	let outcome = 'failed after';
	try {
		await work();
		outcome = 'done in';
	} finally {
		clearInterval(spinner);
		process.stderr.write(`${spins ? '\r\x1b[K' : ''}perigee: ${title}: ${outcome} ${seconds()}\n`);
	}
}

/** Runs a command at the top of the checkout. Throws BuildFailure, after printing all that the tool said, when it fails. */
export async function runTool(name, command, args, env = {}) {
	mkdirSync(buildDirectory, { recursive: true });
	const logPath = join(buildDirectory, `${name}.log`);
	const log = openSync(logPath, 'w');
	let ending;
	try {
		ending = await runToEnd(command, args, ['ignore', log, log], env);
	} finally {
		closeSync(log);
	}
	if (ending === 'code 0') return;
	process.stderr.write('\n');
	process.stderr.write(readFileSync(logPath));
	throw new BuildFailure(
		`${name} failed (${ending}); the lines above say why. The command was: ${[command, ...args].join(' ')}`,
	);
}

/** Answers how the command ended: `code 0`, `signal SIGKILL`, or why it could not start. */
function runToEnd(command, args, stdio, env) {
	// In a process group of its own, so that ending this process can end the tool with all that it started.
	const child = spawn(command, args, { cwd: rootDirectory, stdio, detached: true, env: { ...process.env, ...env } });
	const endGroup = () => {
		try {
			process.kill(-child.pid, 'SIGTERM');
		} catch (error) {
			if (error.code !== 'ESRCH') throw error;
		}
	};
	process.on('exit', endGroup);
	return new Promise((resolve) => {
		child.once('error', (error) => resolve(error.message));
		child.once('close', (code, signal) => resolve(code === null ? `signal ${signal}` : `code ${code}`));
	}).finally(() => process.off('exit', endGroup));
}
