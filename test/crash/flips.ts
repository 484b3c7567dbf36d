/** Single flipped bits in a closed data directory: served bytes are right, or the node says what it cannot serve. */
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serialize } from 'node:v8';
import { PerigeeError } from '../../src/errors.js';
import { SEGMENT_BYTES } from '../../src/units.js';
import { Prng } from '../support/prng.js';
import { makeContent, Oracle, type Content } from './oracle.js';
import { DATA_DIR, SimulatedMachine, toldNothing, type Told } from './simulated-machine.js';
import { type ReadAll, readAll } from './reading.js';
import { inTurns } from './turns.js';
import { Violation } from './violation.js';
import { type HostedOutcome, ViewHost } from './view-host.js';
import { openStill } from './view-serving.js';
import { upload } from './workload.js';

/** What became of a flip. */
export type FlipOutcome = 'harmless' | 'found at open' | 'found on read' | 'rebuilt' | 'refused to open';
export type FlipCounts = Record<FlipOutcome, number>;

export function noFlips(): FlipCounts {
	return { harmless: 0, 'found at open': 0, 'found on read': 0, rebuilt: 0, 'refused to open': 0 };
}

const SIZES = [1, 300, 4096, 4097, 9000, 60_000, SEGMENT_BYTES, SEGMENT_BYTES + 1, 2 * SEGMENT_BYTES + 5000] as const;

const CROWD = 32;

/** A machine whose store was killed once and closed at last, with several files in each lane. */
export class FlipSubject {
	readonly #machine: SimulatedMachine;
	readonly #oracle: Oracle;

	/** By path: where the bytes of files lie that nothing else holds. */
	readonly #live: ReadonlyMap<string, readonly LiveRange[]>;

	private constructor(machine: SimulatedMachine, oracle: Oracle) {
		this.#machine = machine;
		this.#oracle = oracle;
		const paths = machine.io.files().filter((path) => /\/(small|bulk)-/.test(path));
		const rangesIn = (path: string): readonly LiveRange[] =>
			liveRangesIn(Buffer.from(machine.io.contents(path)), oracle.contents.values());
		this.#live = new Map(paths.map((path) => [path, rangesIn(path)]));
	}

	static async make(seed: number): Promise<FlipSubject> {
		const prng = new Prng(seed);
		const oracle = new Oracle();
		const machine = new SimulatedMachine({ seed, rollBytes: 400_000 });
		await machine.prepare();
		for (let life = 0; life < 2; life++) {
			const { store } = await machine.start();
			for (const sizeBytes of SIZES) await upload(machine, store, oracle, prng, makeContent(prng, sizeBytes));
			for (const { content } of oracle.acknowledged.slice(0, 3)) await upload(machine, store, oracle, prng, content);
			// So many at once that the journal keeps them in payloads, each twice.
			const crowd = Array.from({ length: CROWD }, (_, index) => makeContent(prng, 100 + index));
			await Promise.all(crowd.map((content) => upload(machine, store, oracle, prng, content)));
			if (life === 1) await store.close();
			machine.kill();
		}
		return new FlipSubject(machine, oracle);
	}

	/** Files that a flip may hit: all but the view's. */
	get files(): readonly string[] {
		return this.#machine.io.files().filter((path) => !path.startsWith(`${DATA_DIR}/view/`));
	}

	sizeOf(path: string): number {
		return this.#machine.io.contents(path).length;
	}

	/**
	 * Flips many bits in one copy and serves everything from it. Every flip in the bytes of a file must be found by whoever reads the file. Of other
	 * bytes one at most is hit in each log file, so that there is always a second copy, and nothing may suffer: no damage is reported, and every
	 * file that was not hit is served. Answers how many flips were found, and how many were healed or hit nothing that is read.
	 */
	async flipMany(prng: Prng, flips: number): Promise<{ readonly found: number; readonly harmless: number }> {
		const machine = await this.#machine.copy(true);
		const hit = new Set<Content>();
		const spoilt = new Set<string>();
		let found = 0;
		for (let flip = 0; flip < flips; ) {
			const path = prng.pick(this.files.filter((each) => each.endsWith('.log')));
			const offset = prng.below(this.sizeOf(path));
			const live = this.#live.get(path)?.find((range) => range.from <= offset && offset < range.to);
			if (!live && spoilt.has(path)) continue;
			machine.io.corrupt(path, offset, prng.below(8));
			flip++;
			if (live) {
				hit.add(live.content);
				found++;
			} else spoilt.add(path);
		}
		const opened = await inTurns(machine.start(prng.chance(0.5)), 'opening after flips', () => false);
		if (!opened) throw new Error('a machine without faults stopped');
		const { store, told } = opened.value;
		const read = await inTurns(readAll(store, this.#oracle.acknowledged), 'reading after flips', () => false);
		if (!read) throw new Error('a machine without faults stopped');
		machine.kill();
		const { refused, missing } = read.value;
		if (told.damaged.length > 0)
			throw new Violation(`what has a second copy is damaged: ${JSON.stringify(told.damaged)}`);
		if (missing.size > 0) throw new Violation(`${missing.size} files are missing`);
		for (const content of hit)
			if (!refused.has(content)) throw new Violation(`a flipped bit of ${content.root} was not found`);
		for (const content of refused)
			if (!hit.has(content) && content.bytes.length >= FINDABLE_BYTES)
				throw new Violation(`${content.root} cannot be read, and no bit of it was flipped`);
		return { found, harmless: flips - found };
	}

	/** Flips one bit in a copy and serves everything from it. Throws a Violation at wrong bytes or a loss that nobody is told of. */
	async flip(path: string, offset: number, bit: number, rebuild: boolean): Promise<FlipOutcome> {
		const machine = await this.#machine.copy(true);
		machine.io.corrupt(path, offset, bit);
		let process;
		try {
			process = await inTurns(machine.start(rebuild), `opening after a flip of ${path}`, () => false);
		} catch (error) {
			if (error instanceof PerigeeError && error.code === 'FORMAT_UNKNOWN') return 'refused to open';
			throw error;
		}
		if (!process) throw new Error('a machine without faults stopped');
		const { store, told } = process.value;
		const read = await inTurns(readAll(store, this.#oracle.acknowledged), 'reading after a flip', () => false);
		if (!read) throw new Error('a machine without faults stopped');
		machine.kill();
		return judge(read.value, told, !rebuild);
	}
}

export interface LiveRange {
	readonly from: number;
	readonly to: number;
	readonly content: Content;
}

/** Contents of fewer bytes may stand anywhere by chance. */
const FINDABLE_BYTES = 64;

/** Where the bytes of contents lie in a log file. */
export function liveRangesIn(bytes: Buffer, contents: Iterable<Content>): LiveRange[] {
	const ranges: LiveRange[] = [];
	for (const content of contents) {
		for (let at = 0; at < content.bytes.length; at += SEGMENT_BYTES) {
			const segment = content.bytes.subarray(at, at + SEGMENT_BYTES);
			const from = segment.length < FINDABLE_BYTES ? -1 : bytes.indexOf(segment);
			if (from >= 0) ranges.push({ from, to: from + segment.length, content });
		}
	}
	return ranges;
}

function judge({ refused, missing }: ReadAll, told: Told, mayRebuild: boolean): FlipOutcome {
	const isTold = told.damaged.length > 0;
	if (missing.size > 0 && !isTold) throw new Violation(`${missing.size} files are missing and nobody is told`);
	if (refused.size > 0) return isTold ? 'found at open' : 'found on read';
	if (isTold || told.lostNotes.length > 0) return 'found at open';
	return mayRebuild && told.rebuilt.length > 0 ? 'rebuilt' : 'harmless';
}

/** The same with real files and RocksDB, for flips in the view. */
export class RealFlipSubject {
	readonly #home: string;
	readonly #oracle = new Oracle();
	readonly #host = new ViewHost();
	#files: readonly string[] = [];
	#copies = 0;

	private constructor(home: string) {
		this.#home = home;
	}

	get #known(): string {
		return join(this.#home, 'known');
	}

	static async make(seed: number): Promise<RealFlipSubject> {
		const subject = new RealFlipSubject(await mkdtemp(join(tmpdir(), 'perigee-flips-')));
		const prng = new Prng(seed);
		const origin = join(subject.#home, 'origin');
		const store = await openStill(origin, toldNothing());
		const machine = { io: { crashed: false } } as SimulatedMachine;
		for (let round = 0; round < 30; round++) {
			await upload(
				machine,
				store,
				subject.#oracle,
				prng,
				makeContent(prng, round % 10 === 0 ? SEGMENT_BYTES + 1 + round : 1 + prng.below(3000)),
			);
			if (round === 15) await store.checkpoint();
		}
		await store.close();
		await writeFile(subject.#known, serialize({ acknowledged: subject.#oracle.acknowledged }));
		subject.#files = (await readdir(join(origin, 'view'))).filter((name) => name !== 'LOCK' && !name.startsWith('LOG'));
		return subject;
	}

	async remove(): Promise<void> {
		await this.#host.close();
		await rm(this.#home, { recursive: true, force: true });
	}

	/** Flips a bit drawn by the source in a file of the view. */
	async flip(prng: Prng): Promise<{ readonly outcome: HostedOutcome; readonly name: string }> {
		const copy = join(this.#home, `copy-${++this.#copies}`);
		await cp(join(this.#home, 'origin'), copy, { recursive: true });
		try {
			const name = prng.pick(this.#files);
			const path = join(copy, 'view', name);
			const { size } = await stat(path);
			if (size === 0) return { outcome: 'harmless', name };
			const bytes = await readFile(path);
			// Half of the flips hit the end, where tables keep their indexes.
			const offset = prng.chance(0.5) ? prng.below(size) : Math.max(0, size - 1 - prng.below(2000));
			bytes[offset] = (bytes[offset] ?? 0) ^ (1 << prng.below(8));
			await writeFile(path, bytes);
			return { outcome: await this.#host.serve({ known: this.#known, directory: copy, readsFirst: true }), name };
		} finally {
			await rm(copy, { recursive: true, force: true });
		}
	}
}
