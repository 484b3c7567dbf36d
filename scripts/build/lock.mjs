// Keeps two builds of one checkout apart. The lock is a file with its holder's pid, which the holder touches while it
// works; a lock whose holder is gone, or that nobody has touched for long (its pid was given to another process), is stale.
import { randomUUID } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 100;
const TOUCH_MS = 2_000;
const STALE_MS = 60_000;
const ENDING_SIGNALS = ['SIGHUP', 'SIGINT', 'SIGTERM'];

export class BuildLock {
	#path;
	#content;
	#beat;
	#onExit = () => this.#remove();

	/** Waits until no other process builds, then holds the lock until `release` or the end of this process. */
	static async take(path) {
		mkdirSync(dirname(path), { recursive: true });
		const content = `${process.pid} ${randomUUID()}\n`;
		let told = false;
		while (!claim(path, content)) {
			const holder = readLock(path);
			if (holder === undefined) continue;
			if (isStale(holder)) {
				evict(path, holder.content);
				continue;
			}
			if (!told) console.error(`perigee: waiting for the build of process ${holder.pid}`);
			told = true;
			await sleep(POLL_MS);
		}
		return new BuildLock(path, content);
	}

	constructor(path, content) {
		this.#path = path;
		this.#content = content;
		this.#beat = setInterval(() => this.#touch(), TOUCH_MS);
		this.#beat.unref();
		process.on('exit', this.#onExit);
		// By default a signal ends the process without its exit handlers: the lock and running build tools would stay.
		for (const name of ENDING_SIGNALS) process.on(name, exitBySignal);
	}

	release() {
		clearInterval(this.#beat);
		for (const name of ENDING_SIGNALS) process.off(name, exitBySignal);
		process.off('exit', this.#onExit);
		this.#remove();
	}

	#touch() {
		if (readLock(this.#path)?.content !== this.#content) return;
		utimesSync(this.#path, new Date(), new Date());
	}

	#remove() {
		if (readLock(this.#path)?.content === this.#content) rmSync(this.#path, { force: true });
	}
}

function exitBySignal(name) {
	process.exit(128 + constants.signals[name]);
}

/** Makes the lock appear with its content complete: written aside, then linked, which fails if there is one. */
function claim(path, content) {
	const aside = `${path}.${process.pid}`;
	writeFileSync(aside, content);
	try {
		linkSync(aside, path);
		return true;
	} catch (error) {
		if (error.code === 'EEXIST') return false;
		throw error;
	} finally {
		rmSync(aside, { force: true });
	}
}

function readLock(path) {
	try {
		const content = readFileSync(path, 'utf8');
		return { content, pid: Number.parseInt(content, 10), touchedMs: statSync(path).mtimeMs };
	} catch (error) {
		if (error.code === 'ENOENT') return undefined;
		throw error;
	}
}

function isStale({ pid, touchedMs }) {
	if (Date.now() - touchedMs > STALE_MS || !(pid > 0)) return true;
	try {
		process.kill(pid, 0);
		return false;
	} catch (error) {
		return error.code === 'ESRCH';
	}
}

/** Takes a stale lock away. If another waiter did so and has locked anew since, the new lock is put back. */
function evict(path, staleContent) {
	const aside = `${path}.stale.${process.pid}`;
	try {
		renameSync(path, aside);
		if (readFileSync(aside, 'utf8') !== staleContent) linkSync(aside, path);
	} catch (error) {
		if (error.code !== 'ENOENT' && error.code !== 'EEXIST') throw error;
	} finally {
		rmSync(aside, { force: true });
	}
}
