/**
 * One client of the soak; it alone knows its files. It runs in a thread of its own, and only its requests are timed: what clients compute must
 * not count as the node's time.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { SEGMENT_BYTES } from '../../src/units.js';
import { Prng } from '../support/prng.js';
import { type Content, makeContent } from './oracle.js';
import { RestClient } from './rest-client.js';
import { Violation } from './violation.js';

/** What the thread is given. */
export interface SoakClientSetup {
	readonly url: string;
	readonly seed: number;
}

/** What it reports. Any message to it ends its load; it then checks its files, and exits. */
export type SoakReport =
	| { readonly type: 'operation'; readonly tookMs: number; readonly isSmall: boolean }
	| { readonly type: 'end'; readonly uploads: number; readonly deletions: number };

/** Shorter contents might be the same by chance. */
const LEAST_BYTES = 8;
/** Of a client; the load is steady, not as much as the node can take. */
const OPERATION_MS = 100;
/** Files that a client remembers, by the seed that makes their bytes again; older ones are deleted. After a minute there are so many. */
const REMEMBERED = 150;

interface Remembered {
	readonly seed: number;
	readonly sizeBytes: number;
}

class SoakClient {
	readonly #client: RestClient;
	readonly #prng: Prng;
	readonly #port: MessagePort;
	readonly #held: Remembered[] = [];
	#uploads = 0;
	#deletions = 0;

	constructor({ url, seed }: SoakClientSetup, port: MessagePort) {
		this.#client = new RestClient(url);
		this.#prng = new Prng(seed);
		this.#port = port;
	}

	async run(): Promise<void> {
		let isOver = false;
		this.#port.once('message', () => (isOver = true));
		while (!isOver) {
			const startMs = performance.now();
			await this.#operate();
			await delay(Math.max(0, OPERATION_MS - (performance.now() - startMs)));
		}
		for (const known of this.#held) await this.#expectWhole(contentOf(known));
		this.#report({ type: 'end', uploads: this.#uploads, deletions: this.#deletions });
	}

	async #operate(): Promise<void> {
		const prng = this.#prng;
		const dice = prng.below(100);
		const known = this.#held.length > 0 ? prng.pick(this.#held) : undefined;
		if (dice < 40 || !known) return this.#upload();
		if (dice < 50 || this.#held.length > REMEMBERED) return this.#remove();
		if (dice >= 55 && dice < 60) {
			const broken = makeContent(prng, sizeOf(prng));
			return this.#timed(broken, () => this.#client.breakOff(broken));
		}
		const content = contentOf(known);
		if (dice < 55) await this.#timed(content, () => this.#client.put(content));
		else if (dice < 70) await this.#timed(content, () => this.#client.readProof(content, prng));
		else if (dice < 85) await this.#timed(content, () => this.#client.readRange(content, prng));
		else await this.#timed(content, () => this.#expectWhole(content));
	}

	async #upload(): Promise<void> {
		const known = { seed: this.#prng.next(), sizeBytes: sizeOf(this.#prng) };
		const content = contentOf(known);
		await this.#timed(content, () => this.#client.put(content));
		this.#held.push(known);
		this.#uploads++;
	}

	/** Deletes the oldest file. */
	async #remove(): Promise<void> {
		const content = contentOf(this.#held[0] as Remembered);
		await this.#timed(content, () => this.#client.remove(content));
		this.#held.shift();
		this.#deletions++;
		const absence = await this.#client.read(content);
		if (absence !== 'deleted') throw new Violation(`${content.root} was deleted and is ${absence ?? 'served'}`);
	}

	async #expectWhole(content: Content): Promise<void> {
		const absence = await this.#client.read(content);
		if (absence) throw new Violation(`${content.root} was acknowledged and is ${absence}`);
	}

	async #timed(content: Content, request: () => Promise<unknown>): Promise<void> {
		const startMs = performance.now();
		await request();
		const tookMs = performance.now() - startMs;
		this.#report({ type: 'operation', tookMs, isSmall: content.bytes.length <= SEGMENT_BYTES });
	}

	#report(report: SoakReport): void {
		// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
		this.#port.postMessage(report);
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

if (!parentPort) throw new Error('a client of the soak runs in a thread of its own');
await new SoakClient(workerData as SoakClientSetup, parentPort).run();
