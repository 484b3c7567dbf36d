/** The real process on a data directory, started and ended any number of times. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const PERIGEE = fileURLToPath(new URL('../../../bin/perigee.cjs', import.meta.url));
const START_MS = 30_000;
const POLL_MS = 10;

export class RealNode {
	readonly dataDir: string;
	readonly #settings: Readonly<Record<string, string>>;
	#child: ChildProcess | undefined;
	#errors = '';

	/** `settings`: by the names of their variables. */
	constructor(dataDir: string, settings: Readonly<Record<string, string>> = {}) {
		this.dataDir = dataDir;
		this.#settings = settings;
	}

	get pid(): number {
		return this.#child?.pid ?? 0;
	}

	/** The end of what the running process has written to its error output. */
	get errors(): string {
		return this.#errors;
	}

	/** Starts the process; answers its URL once it listens. Errors: when it ends before that, with its exit code and errors. */
	async start(): Promise<string> {
		const child = this.spawn();
		const endMs = performance.now() + START_MS;
		while (performance.now() < endMs && child.exitCode === null) {
			const url = await this.#announced(child);
			if (url !== undefined) return url;
			await delay(POLL_MS);
		}
		if (child.exitCode !== null) this.#child = undefined;
		throw new Error(`the node does not start (exit code ${child.exitCode}): ${this.#errors}`);
	}

	/** Starts the process and waits for nothing. */
	spawn(): ChildProcess {
		const listeners = ['--http', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--grpc', '127.0.0.1:0'];
		const args = ['start', '--data-dir', this.dataDir, ...listeners, '--log-level', 'error'];
		const child = spawn(process.execPath, [PERIGEE, ...args], {
			stdio: ['ignore', 'ignore', 'pipe'],
			env: { ...process.env, ...this.#settings },
		});
		this.#child = child;
		this.#errors = '';
		child.stderr.on('data', (text: Buffer) => {
			this.#errors = (this.#errors + text.toString()).slice(-4000);
		});
		return child;
	}

	/** kill -9. Errors: when the process had ended by itself. */
	async kill(): Promise<void> {
		const child = this.#child;
		this.#child = undefined;
		if (!child || child.exitCode !== null) throw new Error(`the node ended by itself: ${this.#errors}`);
		child.kill('SIGKILL');
		await once(child, 'exit');
	}

	/** Asks for a clean end, and kills the process if it has not ended in time. True when it ended by itself. */
	async stop(withinMs: number): Promise<boolean> {
		const child = this.#child;
		this.#child = undefined;
		if (!child || child.exitCode !== null) throw new Error(`the node ended by itself: ${this.#errors}`);
		const ended = once(child, 'exit');
		child.kill('SIGTERM');
		const timer = setTimeout(() => child.kill('SIGKILL'), withinMs);
		await ended;
		clearTimeout(timer);
		return child.signalCode === null;
	}

	/** Ends the process if it runs. */
	async end(): Promise<void> {
		if (this.#child && this.#child.exitCode === null) await this.kill();
	}

	/** Where the node listens, once the file is this process' own. */
	async #announced(child: ChildProcess): Promise<string | undefined> {
		try {
			const node = JSON.parse(await readFile(join(this.dataDir, 'node.json'), 'utf8')) as {
				readonly pid: number;
				readonly listeners: { readonly http: string };
			};
			return node.pid === child.pid ? node.listeners.http : undefined;
		} catch {
			// Not written yet.
			return undefined;
		}
	}
}
