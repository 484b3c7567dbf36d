/** The real process under a steady mixed load for a long time: its memory, handles and answer times must not grow. */
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { memoryOf } from '../../bench/servers/process-stats.js';
import { Prng } from '../support/prng.js';
import { RealNode } from './real-node.js';
import type { SoakClientSetup, SoakReport } from './soak-client.js';
import { Violation } from './violation.js';

export interface SoakOptions {
	readonly seed: number;
	readonly seconds: number;
	readonly signal?: AbortSignal;
	/** Told after each window. */
	readonly onWindow?: (window: SoakWindow, number: number) => void;
}

/** A sixth of a run. */
export interface SoakWindow {
	readonly operations: number;
	/** Medians over the window. Memory without mapped files, which the system drops and loads as it likes. */
	readonly memoryBytes: number;
	readonly handles: number;
	/** Of operations on at most a segment. */
	readonly p99Ms: number;
}

export interface SoakOutcome {
	readonly windows: readonly SoakWindow[];
	readonly operations: number;
	readonly uploads: number;
	readonly deletions: number;
	readonly seconds: number;
}

export const SOAK_WINDOWS = 6;
const CLIENTS = 8;
const SAMPLE_MS = 1000;
const GROWTH = 1.1;
/** Before the first window, as a share of the time: until each client has its files, caches are filled and the index has its tables. */
export const WARM_UP = 0.15;

/** A cache of the index that is full before the first window: the default one fills for half an hour, which nobody could tell from a leak. */
const SETTINGS = { PERIGEE_STORAGE_VIEW_CACHE_BYTES: String(4 * 2 ** 20) };

export async function runSoak(options: SoakOptions): Promise<SoakOutcome> {
	const directory = await mkdtemp(join(tmpdir(), 'perigee-soak-'));
	const node = new RealNode(join(directory, 'data'), SETTINGS);
	let soak: Soak | undefined;
	try {
		soak = new Soak(node, await node.start(), new Prng(options.seed));
		return await soak.run(options);
	} finally {
		await soak?.close();
		await node.end();
		await rm(directory, { recursive: true, force: true });
	}
}

/** A line for a window. */
export function windowText({ operations, memoryBytes, handles, p99Ms }: SoakWindow): string {
	const memory = (memoryBytes / 2 ** 20).toFixed(0);
	return `${operations} operations, ${memory} MiB, ${handles} handles, p99 ${p99Ms.toFixed(1)} ms`;
}

/** What grew by more than a tenth after the first window. For p99 the median of the later windows counts, as one stall of the machine says little. */
export function growthOf([first, ...later]: readonly SoakWindow[]): string[] {
	if (!first || later.length === 0) return [];
	const grown: string[] = [];
	const compare = (what: string, before: number, after: number): void => {
		if (after > before * GROWTH) grown.push(`${what} grew from ${before.toFixed(1)} to ${after.toFixed(1)}`);
	};
	compare('memory in MiB', first.memoryBytes / 2 ** 20, Math.max(...later.map((each) => each.memoryBytes)) / 2 ** 20);
	compare('handles', first.handles, Math.max(...later.map((each) => each.handles)));
	compare('p99 ms', first.p99Ms, median(later.map((each) => each.p99Ms)));
	return grown;
}

class Soak {
	readonly #node: RealNode;
	readonly #clients: readonly Worker[];
	readonly #ended: Promise<unknown>;
	readonly #memory: number[] = [];
	readonly #handles: number[] = [];
	readonly #latenciesMs: number[] = [];
	readonly #counts = { operations: 0, uploads: 0, deletions: 0 };
	#operations = 0;

	constructor(node: RealNode, url: string, prng: Prng) {
		this.#node = node;
		this.#clients = Array.from({ length: CLIENTS }, () => this.#startClient({ url, seed: prng.next() }));
		this.#ended = Promise.all(this.#clients.map((client) => once(client, 'exit')));
	}

	/** Resolves once each client has found all its files. Errors: Violation. */
	async run({ seconds, signal, onWindow }: SoakOptions): Promise<SoakOutcome> {
		const startMs = performance.now();
		let failure: unknown;
		this.#ended.catch((error: unknown) => (failure = error));
		const goesOn = (): boolean => failure === undefined && !signal?.aborted;
		const windows: SoakWindow[] = [];
		const warmMs = startMs + seconds * 1000 * WARM_UP;
		while (performance.now() < warmMs && goesOn()) await delay(SAMPLE_MS);
		this.#endWindow();
		while (windows.length < SOAK_WINDOWS && goesOn()) {
			await delay(SAMPLE_MS);
			this.#memory.push(memoryOf(this.#node.pid).anonymous);
			this.#handles.push(handlesOf(this.#node.pid));
			if (performance.now() - warmMs < ((windows.length + 1) * seconds * 1000) / SOAK_WINDOWS) continue;
			const window = this.#endWindow();
			windows.push(window);
			onWindow?.(window, windows.length);
		}
		// oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads, not windows
		for (const client of this.#clients) client.postMessage('end');
		try {
			await this.#ended;
		} catch (error) {
			throw new Violation(`${String(error)} ${this.#node.errors}`, { cause: error });
		}
		return { windows, ...this.#counts, seconds: Math.round((performance.now() - startMs) / 1000) };
	}

	async close(): Promise<void> {
		await Promise.all(this.#clients.map((client) => client.terminate()));
	}

	#startClient(setup: SoakClientSetup): Worker {
		const client = new Worker(new URL('soak-client.js', import.meta.url), { workerData: setup });
		client.on('message', (report: SoakReport) => {
			if (report.type === 'operation') {
				this.#counts.operations++;
				if (report.isSmall) this.#latenciesMs.push(report.tookMs);
			} else {
				this.#counts.uploads += report.uploads;
				this.#counts.deletions += report.deletions;
			}
		});
		return client;
	}

	#endWindow(): SoakWindow {
		const latenciesMs = this.#latenciesMs.splice(0).sort((a, b) => a - b);
		const { operations } = this.#counts;
		const window = {
			operations: operations - this.#operations,
			memoryBytes: median(this.#memory.splice(0)),
			handles: median(this.#handles.splice(0)),
			p99Ms: latenciesMs[Math.floor(latenciesMs.length * 0.99)] ?? 0,
		};
		this.#operations = operations;
		return window;
	}
}

/** Open descriptors of a process, where the system tells. */
function handlesOf(pid: number): number {
	return process.platform === 'linux' ? readdirSync(`/proc/${pid}/fd`).length : 0;
}

function median(values: readonly number[]): number {
	const sorted = values.toSorted((a, b) => a - b);
	return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
