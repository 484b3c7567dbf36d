/** The real process, killed with SIGKILL under mixed load: what was answered is there after each restart, and what was deleted is not. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SEGMENT_BYTES } from '../../src/units.js';
import { Prng } from '../support/prng.js';
import { makeContent, type Content } from './oracle.js';
import { RealNode } from './real-node.js';
import { RestClient } from './rest-client.js';
import { Violation } from './violation.js';
import { verifyViewOf } from './view-mutations.js';

/** Shorter contents might be the same by chance. */
const LEAST_BYTES = 8;
const CLIENTS = 6;
/** Files that are checked at once. */
const CHECKS_AT_ONCE = 8;
/** Files of earlier rounds that are read again after a restart; all are at the end. */
const OLD_CHECKS = 40;
/** Every how many rounds the end is a clean stop that is cut off, and a start is cut off. */
const STOP_EVERY = 7;
const START_EVERY = 5;

/** What the clients know of a content. `unsure`: a request about it was under way when the process ended. */
type Standing = 'held' | 'deleted' | 'unsure';

export interface KillOutcome {
	readonly kills: number;
	/** Of them in the middle of a start, and of a clean stop. */
	readonly startsKilled: number;
	readonly stopsKilled: number;
	readonly acknowledged: number;
	readonly deleted: number;
	/** Uploads that were not answered and are there all the same, whole. */
	readonly completeUnanswered: number;
	readonly absent: number;
	readonly bytesVerified: number;
}

export interface KillOptions {
	readonly seed: number;
	readonly kills: number;
}

export async function runKills(options: KillOptions): Promise<KillOutcome> {
	const directory = await mkdtemp(join(tmpdir(), 'perigee-kills-'));
	const run = new KillRun(directory, new Prng(options.seed));
	try {
		return await run.run(options.kills);
	} finally {
		await run.end();
		await rm(directory, { recursive: true, force: true });
	}
}

class KillRun {
	readonly #node: RealNode;
	readonly #prng: Prng;
	readonly #standings = new Map<Content, Standing>();
	/** Contents whose standing changed since the last restart. */
	readonly #touched = new Set<Content>();
	readonly #counts = { startsKilled: 0, stopsKilled: 0, acknowledged: 0, deleted: 0, absent: 0 };
	#completeUnanswered = 0;
	#bytesVerified = 0;
	#takesDeletions = true;

	constructor(directory: string, prng: Prng) {
		this.#node = new RealNode(join(directory, 'data'));
		this.#prng = prng;
	}

	async run(kills: number): Promise<KillOutcome> {
		let client = new RestClient(await this.#node.start());
		for (let done = 0; done < kills; done++) {
			await this.#loadAndKill(client, done);
			if (done % START_EVERY === START_EVERY - 1)
				do await this.#killWhileStarting();
				while (this.#prng.chance(0.2));
			await verifyViewOf(this.#node.dataDir);
			client = new RestClient(await this.#node.start());
			const all = [...this.#standings.keys()];
			const old = Array.from({ length: Math.min(all.length, OLD_CHECKS) }, () => this.#prng.pick(all));
			await this.#verify(client, new Set([...this.#touched, ...old]));
			this.#touched.clear();
		}
		await this.#verify(client, new Set(this.#standings.keys()));
		const [completeUnanswered, bytesVerified] = [this.#completeUnanswered, this.#bytesVerified];
		return { kills: kills + this.#counts.startsKilled, ...this.#counts, completeUnanswered, bytesVerified };
	}

	end(): Promise<void> {
		return this.#node.end();
	}

	async #loadAndKill(client: RestClient, round: number): Promise<void> {
		const stop = new AbortController();
		const clients = Array.from({ length: CLIENTS }, () => this.#load(client, this.#prng.fork(), stop.signal));
		await delay(30 + this.#prng.below(350));
		if (round % STOP_EVERY === STOP_EVERY - 1) {
			// The first at once, so that each run cuts one off; a stop that was quick enough is one more kind of end.
			if (!(await this.#node.stop(this.#counts.stopsKilled === 0 ? 0 : this.#prng.below(120))))
				this.#counts.stopsKilled++;
		} else await this.#node.kill();
		stop.abort();
		await Promise.all(clients);
	}

	async #killWhileStarting(): Promise<void> {
		this.#node.spawn();
		await delay(100 + this.#prng.below(500));
		await this.#node.kill();
		this.#counts.startsKilled++;
	}

	/** Does this and that until the process is gone. */
	async #load(client: RestClient, prng: Prng, stop: AbortSignal): Promise<void> {
		while (!stop.aborted) {
			try {
				await this.#operate(client, prng, stop);
			} catch (error) {
				// A process that stops in order refuses what comes too late, and answers nothing wrong.
				if (error instanceof Violation && !/with 503/.test(error.message)) throw error;
				return;
			}
		}
	}

	async #operate(client: RestClient, prng: Prng, stop: AbortSignal): Promise<void> {
		const dice = prng.below(100);
		const known = dice < 60 ? undefined : this.#pickQuiet(prng);
		if (!known) return this.#put(client, makeContent(prng, sizeOf(prng)), stop);
		if (dice < 70) return this.#put(client, known, stop);
		if (dice < 80) return this.#remove(client, known, stop);
		if (dice < 84) return client.breakOff(makeContent(prng, sizeOf(prng)));
		if (this.#standings.get(known) === 'deleted') return this.#put(client, known, stop);
		// Another client may delete it meanwhile, so that it is no longer served: but never wrong bytes.
		if (dice < 92) return client.read(known).then(() => undefined);
		await client.readRange(known, prng).catch((error: unknown) => {
			if (this.#standings.get(known) === 'held') throw error;
		});
	}

	async #put(client: RestClient, content: Content, stop: AbortSignal): Promise<void> {
		this.#set(content, 'unsure');
		await client.put(content, stop);
		this.#set(content, 'held');
		this.#counts.acknowledged++;
	}

	async #remove(client: RestClient, content: Content, stop: AbortSignal): Promise<void> {
		if (!this.#takesDeletions || this.#standings.get(content) !== 'held') return;
		this.#set(content, 'unsure');
		this.#takesDeletions = await client.remove(content, stop);
		this.#set(content, this.#takesDeletions ? 'deleted' : 'held');
		if (this.#takesDeletions) this.#counts.deleted++;
	}

	#set(content: Content, standing: Standing): void {
		this.#standings.set(content, standing);
		this.#touched.add(content);
	}

	/** A content that no request is about. */
	#pickQuiet(prng: Prng): Content | undefined {
		const all = [...this.#standings.keys()];
		const picked = all.length > 0 ? prng.pick(all) : undefined;
		return picked && this.#standings.get(picked) !== 'unsure' ? picked : undefined;
	}

	async #verify(client: RestClient, contents: ReadonlySet<Content>): Promise<void> {
		const left = [...contents];
		while (left.length > 0)
			await Promise.all(left.splice(0, CHECKS_AT_ONCE).map((content) => this.#check(client, content)));
	}

	/** What was answered holds; what was not answered is whole or not there, and from now on one of the two. */
	async #check(client: RestClient, content: Content): Promise<void> {
		const standing = this.#standings.get(content);
		const absence = await client.read(content);
		if (absence === 'damaged') throw new Violation(`${content.root} is damaged`);
		if (absence === undefined) this.#bytesVerified += content.bytes.length;
		if (standing === 'held' && absence) throw new Violation(`${content.root} was acknowledged and is ${absence}`);
		if (standing === 'deleted' && absence !== 'deleted')
			throw new Violation(`${content.root} was deleted and is ${absence ?? 'served'}`);
		if (standing !== 'unsure') return;
		if (absence) this.#counts.absent++;
		else this.#completeUnanswered++;
		if (absence === 'unknown') this.#standings.delete(content);
		else this.#standings.set(content, absence ?? 'held');
	}
}

function sizeOf(prng: Prng): number {
	return prng.chance(0.12) ? SEGMENT_BYTES + prng.below(8 * SEGMENT_BYTES) : LEAST_BYTES + prng.below(20_000);
}
