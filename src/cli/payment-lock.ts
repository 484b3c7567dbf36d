/** Lets one call of this user's command line pay at a time: two would take the same nonce, or pay for the same file. */
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CliError } from './exit-codes.js';

const LOOK_MS = 100;
const PATIENCE_MS = 60_000;

/** Runs `pay` while no other call does. `directory` exists. Errors: busy when another call takes too long, and those of `pay`. */
export async function alone<T>(directory: string, pay: () => Promise<T>): Promise<T> {
	const path = join(directory, 'lock');
	const own = `${path}.${process.pid}`;
	await writeFile(own, String(process.pid), { mode: 0o600 });
	try {
		for (const endMs = Date.now() + PATIENCE_MS; !(await isTaken(own, path)); await delay(LOOK_MS)) {
			const holder = await holderOf(path);
			if (holder === undefined) continue;
			if (!isRunning(holder)) await takeAway(path, holder);
			else if (Date.now() > endMs)
				throw new CliError('busy', `another call is paying (process ${holder})`, {
					hint: `If that process is none of perigee, remove ${path}.`,
				});
		}
	} finally {
		await rm(own, { force: true });
	}
	try {
		return await pay();
	} finally {
		await rm(path, { force: true });
	}
}

/** A lock has its content from the moment it is there. */
async function isTaken(own: string, path: string): Promise<boolean> {
	try {
		await link(own, path);
		return true;
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
		throw error;
	}
}

async function holderOf(path: string): Promise<number | undefined> {
	const text = await readFile(path, 'utf8').catch(() => '');
	return /^[0-9]{1,10}$/.test(text) ? Number(text) : undefined;
}

/** The lock of a call that has died. Where another call was faster, its lock is given back. */
async function takeAway(path: string, holder: number): Promise<void> {
	const away = `${path}.away-${process.pid}`;
	try {
		await rename(path, away);
	} catch {
		return;
	}
	if ((await holderOf(away)) !== holder) await link(away, path).catch(() => undefined);
	await rm(away, { force: true });
}

function isRunning(pid: number): boolean {
	try {
		process.kill(pid, 0);
		return true;
	} catch (error) {
		return (error as NodeJS.ErrnoException).code === 'EPERM';
	}
}
