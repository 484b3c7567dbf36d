/** The real process, killed with SIGKILL while clients upload and delete: what was answered holds after each restart. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SEGMENT_BYTES } from '../../src/units.js';
import { Prng } from '../support/prng.js';
import { makeContent, type Content } from './oracle.js';
import { Violation } from './verify.js';
import { verifyViewOf } from './view-mutations.js';

const CLI = new URL('../../src/cli/main.js', import.meta.url).href;
const START_MS = 30_000;
const POLL_MS = 20;
const CLIENTS = 6;
/** Small files of which more are checked at once. */
const CHECKS_AT_ONCE = 8;
/** Files of earlier rounds that are read again after a restart; all are at the end. */
const OLD_CHECKS = 40;

export interface KillOutcome {
	readonly kills: number;
	readonly acknowledged: number;
	/** Deletions that were answered. */
	readonly deleted: number;
	/** Uploads that were not answered and are there all the same, whole. */
	readonly completeUnanswered: number;
	readonly absent: number;
	readonly bytesVerified: number;
}

export interface KillOptions {
	readonly seed: number;
	readonly kills: number;
	/** Ends the run early. */
	readonly untilMs?: number;
}

export async function runKills(options: KillOptions): Promise<KillOutcome> {
	const directory = await mkdtemp(join(tmpdir(), 'perigee-kills-'));
	const run = new KillRun(directory, new Prng(options.seed));
	try {
		return await run.run(options);
	} finally {
		await run.stop();
		await rm(directory, { recursive: true, force: true });
	}
}

class KillRun {
	readonly #dataDir: string;
	readonly #prng: Prng;
	readonly #acknowledged: Content[] = [];
	#open: Content[] = [];
	readonly #deleted = new Set<Content>();
	/** Deletions that were begun and not answered. */
	#deleting = new Set<Content>();
	#child: ChildProcess | undefined;
	#errors = '';
	#completeUnanswered = 0;
	#absent = 0;
	#bytesVerified = 0;

	constructor(directory: string, prng: Prng) {
		this.#dataDir = join(directory, 'data');
		this.#prng = prng;
	}

	async run({ kills, untilMs = Number.POSITIVE_INFINITY }: KillOptions): Promise<KillOutcome> {
		let done = 0;
		let url = await this.#start();
		for (; done < kills && performance.now() < untilMs; done++) {
			const before = this.#acknowledged.length;
			const stop = new AbortController();
			const clients = Array.from({ length: CLIENTS }, () => this.#uploadUntil(url, this.#prng.fork(), stop.signal));
			await delay(30 + this.#prng.below(350));
			await this.#kill();
			stop.abort();
			await Promise.all(clients);
			while (this.#prng.chance(0.2)) await this.#killWhileStarting();
			await verifyViewOf(this.#dataDir);
			url = await this.#start();
			const old =
				before > 0
					? Array.from({ length: OLD_CHECKS }, () => this.#acknowledged[this.#prng.below(before)] as Content)
					: [];
			await this.#verify(url, [...this.#acknowledged.slice(before), ...new Set(old)]);
			await this.#verifyOpen(url);
		}
		await this.#verify(url, this.#acknowledged);
		return {
			kills: done,
			acknowledged: this.#acknowledged.length,
			deleted: this.#deleted.size,
			completeUnanswered: this.#completeUnanswered,
			absent: this.#absent,
			bytesVerified: this.#bytesVerified,
		};
	}

	async stop(): Promise<void> {
		if (this.#child) await this.#kill();
	}

	async #killWhileStarting(): Promise<void> {
		this.#spawn();
		await delay(100 + this.#prng.below(500));
		await this.#kill();
	}

	async #start(): Promise<string> {
		const child = this.#spawn();
		const endMs = performance.now() + START_MS;
		while (performance.now() < endMs && child.exitCode === null) {
			const url = await this.#announced(child);
			if (url !== undefined) return url;
			await delay(POLL_MS);
		}
		throw new Error(`the node does not start (exit code ${child.exitCode}): ${this.#errors}`);
	}

	#spawn(): ChildProcess {
		const args = [
			'start',
			'--data-dir',
			this.#dataDir,
			'--http',
			'127.0.0.1:0',
			'--admin',
			'127.0.0.1:0',
			'--log-level',
			'error',
		];
		const script = `import(${JSON.stringify(CLI)}).then((cli) => cli.main(${JSON.stringify(args)}))`;
		const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
			env: { ...process.env, UV_THREADPOOL_SIZE: '8' },
			stdio: ['ignore', 'ignore', 'pipe'],
		});
		this.#child = child;
		this.#errors = '';
		child.stderr.on('data', (text: Buffer) => {
			this.#errors = (this.#errors + text.toString()).slice(-4000);
		});
		return child;
	}

	/** Where the node listens, once the file is this process' own. */
	async #announced(child: ChildProcess): Promise<string | undefined> {
		try {
			const node = JSON.parse(await readFile(join(this.#dataDir, 'node.json'), 'utf8')) as {
				readonly pid: number;
				readonly listeners: { readonly http: string };
			};
			return node.pid === child.pid ? node.listeners.http : undefined;
		} catch {
			// Not written yet.
			return undefined;
		}
	}

	async #kill(): Promise<void> {
		const child = this.#child;
		this.#child = undefined;
		if (!child || child.exitCode !== null) throw new Error(`the node ended by itself: ${this.#errors}`);
		child.kill('SIGKILL');
		await once(child, 'exit');
	}

	async #uploadUntil(url: string, prng: Prng, stop: AbortSignal): Promise<void> {
		while (!stop.aborted) {
			const content = makeContent(
				prng,
				prng.chance(0.12) ? SEGMENT_BYTES + prng.below(8 * SEGMENT_BYTES) : 1 + prng.below(20_000),
			);
			this.#open.push(content);
			try {
				const answer = await fetch(`${url}/v1/upload/file`, {
					method: 'PUT',
					body: new Uint8Array(content.bytes),
					signal: stop,
				});
				const body = (await answer.json()) as { readonly root?: string };
				if (answer.status !== 201 && answer.status !== 200)
					throw new Violation(`an upload was answered with ${answer.status}: ${JSON.stringify(body)}`);
				if (body.root !== content.root) throw new Violation(`${content.root} was answered as ${body.root}`);
				this.#open.splice(this.#open.indexOf(content), 1);
				this.#acknowledged.push(content);
				if (prng.chance(0.25)) await this.#delete(url, prng.pick(this.#acknowledged), stop);
			} catch (error) {
				if (error instanceof Violation) throw error;
				// The process is gone: nothing was answered.
				return;
			}
		}
	}

	async #delete(url: string, content: Content, stop: AbortSignal): Promise<void> {
		if (this.#deleted.has(content)) return;
		this.#deleting.add(content);
		const answer = await fetch(`${url}/v1/files/${content.root}`, { method: 'DELETE', signal: stop });
		if (answer.status !== 204) throw new Violation(`a deletion was answered with ${answer.status}`);
		this.#deleted.add(content);
		this.#deleting.delete(content);
	}

	async #verify(url: string, contents: readonly Content[]): Promise<void> {
		for (let at = 0; at < contents.length; at += CHECKS_AT_ONCE) {
			await Promise.all(
				contents.slice(at, at + CHECKS_AT_ONCE).map(async (content) => {
					const status = await this.#statusOf(url, content);
					// Deletions that were not answered happened or not; from now on it is known.
					if (this.#deleting.delete(content) && status === 410) this.#deleted.add(content);
					const expected = this.#deleted.has(content) ? 410 : 200;
					if (status !== expected) throw new Violation(`${content.root} answers ${status}, not ${expected}`);
				}),
			);
		}
	}

	/** What was not answered is whole or not there. */
	async #verifyOpen(url: string): Promise<void> {
		for (const content of this.#open) {
			if ((await this.#statusOf(url, content)) === 200) this.#completeUnanswered++;
			else this.#absent++;
		}
		this.#open = [];
	}

	/** 200, after all bytes were compared; 404 or 410. */
	async #statusOf(url: string, content: Content): Promise<number> {
		const answer = await fetch(`${url}/v1/files/${content.root}`);
		const bytes = Buffer.from(await answer.arrayBuffer());
		const { status } = answer;
		if (status === 404 || status === 410) return status;
		if (status !== 200) throw new Violation(`${content.root} is answered with ${status}: ${bytes.toString()}`);
		if (!bytes.equals(content.bytes)) throw new Violation(`wrong bytes of ${content.root}`);
		this.#bytesVerified += bytes.length;
		return status;
	}
}
