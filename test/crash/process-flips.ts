/** Flipped bits in the files of a real process, before its start and while it runs: no wrong byte is served, and nothing is forgotten. */
import { cp, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { SEGMENT_BYTES } from '../../src/units.js';
import { flipBit } from '../support/damage.js';
import { Prng } from '../support/prng.js';
import { liveRangesIn } from './flips.js';
import { type Content, makeContent } from './oracle.js';
import { RealNode } from './real-node.js';
import { RestClient } from './rest-client.js';
import { Violation } from './violation.js';

export interface ProcessFlips {
	readonly flips: number;
	/** Of them in the bytes of files: all of these were found. */
	readonly found: number;
	/** Starts that were refused, because the flip made a version of a format that nobody knows. */
	readonly refused: number;
}

const LIVES = 3;
const SMALL_FILES = 12;
const LARGE_FILES = 3;
const STOP_MS = 20_000;

/** A data directory with several files in each lane, the last life ended in order. */
export class ProcessFlipSubject {
	readonly #home: string;
	readonly #contents: Content[] = [];
	#copies = 0;

	private constructor(home: string) {
		this.#home = home;
	}

	static async make(seed: number): Promise<ProcessFlipSubject> {
		const subject = new ProcessFlipSubject(await mkdtemp(join(tmpdir(), 'perigee-process-flips-')));
		const prng = new Prng(seed);
		const node = new RealNode(join(subject.#home, 'origin'));
		for (let life = 0; life < LIVES; life++) {
			const client = new RestClient(await node.start());
			for (let file = 0; file < SMALL_FILES; file++)
				await subject.#put(client, makeContent(prng, 1 + prng.below(30_000)));
			for (let file = 0; file < LARGE_FILES; file++)
				await subject.#put(client, makeContent(prng, SEGMENT_BYTES + prng.below(3 * SEGMENT_BYTES)));
			if (life < LIVES - 1) await node.kill();
			else if (!(await node.stop(STOP_MS))) throw new Error('the node did not stop in order');
		}
		return subject;
	}

	async remove(): Promise<void> {
		await rm(this.#home, { recursive: true, force: true });
	}

	/** Flips a bit in each of `flips` files of a copy, in half of them under a running node. Throws a Violation at wrong or forgotten bytes. */
	async run(prng: Prng, flips: number): Promise<ProcessFlips> {
		const dataDir = join(this.#home, `copy-${++this.#copies}`);
		await cp(join(this.#home, 'origin'), dataDir, { recursive: true });
		const node = new RealNode(dataDir);
		try {
			const hit = new Set<Content>();
			// One flip of a file at most: two could hit both copies of an entry, which nothing could heal.
			const paths = await flippable(dataDir);
			const logs = paths.filter((path) => path.endsWith('.log') && !path.includes('/view/'));
			for (let flip = 0; flip < flips / 2; flip++) await this.#flip(take(paths, prng), prng, hit);
			const client = await this.#start(node);
			if (!client) return { flips: Math.ceil(flips / 2), found: 0, refused: 1 };
			await this.#readAll(client, hit);
			const untouched = logs.filter((path) => paths.includes(path));
			for (let flip = 0; flip < Math.floor(flips / 2); flip++) await this.#flip(take(untouched, prng), prng, hit);
			await this.#readAll(client, hit);
			await node.kill();
			await this.#readAll(new RestClient(await node.start()), hit);
			return { flips, found: hit.size, refused: 0 };
		} finally {
			await node.end();
			await rm(dataDir, { recursive: true, force: true });
		}
	}

	async #put(client: RestClient, content: Content): Promise<void> {
		await client.put(content);
		this.#contents.push(content);
	}

	async #flip(path: string, prng: Prng, hit: Set<Content>): Promise<void> {
		const { size } = await stat(path);
		if (size === 0) return;
		const offset = prng.below(size);
		await flipBit(path, offset, prng.below(8));
		if (!/\/(small|bulk)-/.test(path)) return;
		const before = await readFile(join(this.#home, 'origin', 'log', basename(path)));
		for (const { from, to, content } of liveRangesIn(before, this.#contents))
			if (from <= offset && offset < to) hit.add(content);
	}

	/** A client of the started node; undefined when it refused its directory as one of a later version. */
	async #start(node: RealNode): Promise<RestClient | undefined> {
		try {
			return new RestClient(await node.start());
		} catch (error) {
			if (error instanceof Error && error.message.includes('FORMAT_UNKNOWN')) return undefined;
			throw error;
		}
	}

	/** Every file is served right, or its damage is told; of one that was hit it must be told. */
	async #readAll(client: RestClient, hit: ReadonlySet<Content>): Promise<void> {
		for (const content of this.#contents) {
			const absence = await client.read(content);
			if (absence === 'unknown' || absence === 'deleted') throw new Violation(`${content.root} is ${absence}`);
			if (hit.has(content) && absence === undefined)
				throw new Violation(`a flipped bit of ${content.root} was not found`);
		}
	}
}

/** Files of a data directory that a node reads. */
async function flippable(dataDir: string): Promise<string[]> {
	const names = await readdir(dataDir, { recursive: true, withFileTypes: true });
	return names
		.filter((entry) => entry.isFile() && !/^(LOCK|LOG.*|node\.json)$/.test(entry.name))
		.map((entry) => join(entry.parentPath, entry.name))
		.sort();
}

function take(paths: string[], prng: Prng): string {
	return paths.splice(prng.below(paths.length), 1)[0] as string;
}
