// Runs one build tool with its output kept aside: one line when it went well, all of its output when it failed.
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BuildFailure, buildDirectory, rootDirectory } from './common.mjs';

const FRAMES = ['|', '/', '-', '\\'];
const FRAME_MS = 120;
const FIRST_LINE_MS = 1000;
const EVERY_LINE_MS = 10_000;

/**
 * Runs `work` and tells the time it took; meanwhile shows `title`: with a spinner on a terminal, elsewhere with a line once it is no quick one and
 * with one every so often after that.
 */
export async function withProgress(title, work, { firstMs = FIRST_LINE_MS, everyMs = EVERY_LINE_MS } = {}) {
	const startMs = performance.now();
	const seconds = (digits) => `${((performance.now() - startMs) / 1000).toFixed(digits)} s`;
	const stop =
		process.stderr.isTTY === true
			? spin(() => `${title} ${seconds(1)}`)
			: tellNowAndThen(title, () => seconds(0), { firstMs, everyMs });
	let outcome = 'failed after';
	try {
		await work();
		outcome = 'done in';
	} finally {
		stop();
		process.stderr.write(`perigee: ${title}: ${outcome} ${seconds(1)}\n`);
	}
}

/** The answer ends it and clears its line. */
function spin(text) {
	let frame = 0;
	const spinner = setInterval(() => process.stderr.write(`\r${FRAMES[frame++ % FRAMES.length]} ${text()} `), FRAME_MS);
	return () => {
		clearInterval(spinner);
		process.stderr.write('\r\x1b[K');
	};
}

/** For logs and pipes, whose reader would take silence for a standstill. The answer ends it. */
function tellNowAndThen(title, seconds, { firstMs, everyMs }) {
	const first = setTimeout(() => process.stderr.write(`perigee: ${title} …\n`), firstMs);
	const later = setInterval(() => process.stderr.write(`perigee: still ${title}, ${seconds()}\n`), everyMs);
	return () => {
		clearTimeout(first);
		clearInterval(later);
	};
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
