/** The real process under a steady mixed load for a long time: its memory, handles and answer times must not grow. */
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { memoryOf } from '../../bench/servers/process-stats.js';
import { SEGMENT_BYTES } from '../../src/units.js';
import { Prng } from '../support/prng.js';
import { type Content, makeContent } from './oracle.js';
import { RealNode } from './real-node.js';
import { RestClient } from './rest-client.js';
import { Violation } from './verify.js';

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
/** Shorter contents might be the same by chance. */
const LEAST_BYTES = 8;
const CLIENTS = 8;
/** Of each client; the load is steady, not as much as the node can take. */
const OPERATION_MS = 100;
const SAMPLE_MS = 1000;
/** Files that a client remembers, by the seed that makes their bytes again; older ones are deleted. After a minute there are so many. */
const REMEMBERED = 150;
const GROWTH = 1.1;
/** Before the first window, as a share of the time: until each client has its files, caches are filled and the index has its tables. */
export const WARM_UP = 0.15;

/** A cache of the index that is full before the first window: the default one fills for half an hour, which nobody could tell from a leak. */
const SETTINGS = { PERIGEE_STORAGE_VIEW_CACHE_BYTES: String(4 * 2 ** 20) };

interface Remembered {
	readonly seed: number;
	readonly sizeBytes: number;
}

export async function runSoak(options: SoakOptions): Promise<SoakOutcome> {
	const directory = await mkdtemp(join(tmpdir(), 'perigee-soak-'));
	const node = new RealNode(join(directory, 'data'), SETTINGS);
	try {
		const soak = new Soak(node, await node.start(), new Prng(options.seed));
		return await soak.run(options);
	} finally {
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
	readonly #clients: readonly SoakClient[];
	readonly #memory: number[] = [];
	readonly #handles: number[] = [];
	#operations = 0;

	constructor(node: RealNode, url: string, prng: Prng) {
		this.#node = node;
		this.#clients = Array.from({ length: CLIENTS }, () => new SoakClient(new RestClient(url), prng.fork()));
	}

	async run({ seconds, signal, onWindow }: SoakOptions): Promise<SoakOutcome> {
		const startMs = performance.now();
		const stop = new AbortController();
		const work = this.#clients.map((client) =>
			client.run(stop.signal).catch((error: unknown) => {
				stop.abort();
				throw new Violation(`${String(error)} ${this.#node.errors}`, { cause: error });
			}),
		);
		const failed = Promise.all(work);
		failed.catch(() => undefined);
		const windows: SoakWindow[] = [];
		const warmMs = startMs + seconds * 1000 * WARM_UP;
		while (performance.now() < warmMs && !stop.signal.aborted && !signal?.aborted) await delay(SAMPLE_MS);
		this.#endWindow();
		while (windows.length < SOAK_WINDOWS && !stop.signal.aborted && !signal?.aborted) {
			await delay(SAMPLE_MS);
			this.#memory.push(memoryOf(this.#node.pid).anonymous);
			this.#handles.push(handlesOf(this.#node.pid));
			if (performance.now() - warmMs < ((windows.length + 1) * seconds * 1000) / SOAK_WINDOWS) continue;
			const window = this.#endWindow();
			windows.push(window);
			onWindow?.(window, windows.length);
		}
		stop.abort();
		await failed;
		for (const client of this.#clients) await client.verify();
		const sum = (count: (client: SoakClient) => number): number =>
			this.#clients.reduce((total, client) => total + count(client), 0);
		return {
			windows,
			operations: sum(({ operations }) => operations),
			uploads: sum(({ uploads }) => uploads),
			deletions: sum(({ deletions }) => deletions),
			seconds: Math.round((performance.now() - startMs) / 1000),
		};
	}

	#endWindow(): SoakWindow {
		const latenciesMs = this.#clients.flatMap((client) => client.latenciesMs.splice(0)).sort((a, b) => a - b);
		const operations = this.#clients.reduce((sum, client) => sum + client.operations, 0);
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

/** One client; it alone knows its files. */
class SoakClient {
	operations = 0;
	uploads = 0;
	deletions = 0;
	/** Of operations on at most a segment. */
	readonly latenciesMs: number[] = [];
	readonly #client: RestClient;
	readonly #prng: Prng;
	readonly #held: Remembered[] = [];
	#takesDeletions = true;

	constructor(client: RestClient, prng: Prng) {
		this.#client = client;
		this.#prng = prng;
	}

	async run(stop: AbortSignal): Promise<void> {
		while (!stop.aborted) {
			const startMs = performance.now();
			const content = await this.#operate();
			const tookMs = performance.now() - startMs;
			this.operations++;
			if (content.bytes.length <= SEGMENT_BYTES) this.latenciesMs.push(tookMs);
			await delay(Math.max(0, OPERATION_MS - tookMs));
		}
	}

	/** Every file that is remembered is served. */
	async verify(): Promise<void> {
		for (const known of this.#held) await this.#readWhole(contentOf(known));
	}

	/** Does one thing; answers the content that it was about. */
	async #operate(): Promise<Content> {
		const prng = this.#prng;
		const dice = prng.below(100);
		const known = this.#held.length > 0 ? prng.pick(this.#held) : undefined;
		if (dice < 40 || !known) return this.#upload();
		if (this.#takesDeletions && (dice < 50 || this.#held.length > REMEMBERED)) return this.#remove();
		const content = contentOf(known);
		if (dice < 55) await this.#client.put(content);
		else if (dice < 60) await this.#client.breakOff(makeContent(prng, sizeOf(prng)));
		else if (dice < 70) await this.#client.readProof(content, prng);
		else if (dice < 85) await this.#client.readRange(content, prng);
		else await this.#readWhole(content);
		return content;
	}

	async #upload(): Promise<Content> {
		const known = { seed: this.#prng.next(), sizeBytes: sizeOf(this.#prng) };
		const content = contentOf(known);
		await this.#client.put(content);
		this.#held.push(known);
		if (this.#held.length > REMEMBERED && !this.#takesDeletions) this.#held.shift();
		this.uploads++;
		return content;
	}

	/** Deletes the oldest file. */
	async #remove(): Promise<Content> {
		const content = contentOf(this.#held[0] as Remembered);
		this.#takesDeletions = await this.#client.remove(content);
		if (!this.#takesDeletions) return content;
		this.#held.shift();
		this.deletions++;
		const absence = await this.#client.read(content);
		if (absence !== 'deleted') throw new Violation(`${content.root} was deleted and is ${absence ?? 'served'}`);
		return content;
	}

	async #readWhole(content: Content): Promise<void> {
		const absence = await this.#client.read(content);
		if (absence) throw new Violation(`${content.root} was acknowledged and is ${absence}`);
	}
}

function contentOf({ seed, sizeBytes }: Remembered): Content {
	return makeContent(new Prng(seed), sizeBytes);
}

function sizeOf(prng: Prng): number {
	const dice = prng.below(100);
	if (dice < 80) return LEAST_BYTES + prng.below(20_000);
	return dice < 98 ? LEAST_BYTES + prng.below(SEGMENT_BYTES) : SEGMENT_BYTES + prng.below(16 * SEGMENT_BYTES);
}

/** Open descriptors of a process, where the system tells. */
function handlesOf(pid: number): number {
	return process.platform === 'linux' ? readdirSync(`/proc/${pid}/fd`).length : 0;
}

function median(values: readonly number[]): number {
	const sorted = values.toSorted((a, b) => a - b);
	return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
