/** Single flipped bits in a closed data directory: served bytes are right, or the node says what it cannot serve. */
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PerigeeError } from '../../src/errors.js';
import type { Store } from '../../src/log-layer/store.js';
import { SlabRing } from '../../src/native/slab-ring.js';
import { SEGMENT_BYTES } from '../../src/units.js';
import { Prng } from '../support/prng.js';
import { SeededRandomness, SimulatedClock } from '../support/simulated-clock.js';
import { openTestStore } from '../support/test-store.js';
import { makeContent, Oracle, type Acknowledged } from './oracle.js';
import { DATA_DIR, inlineHashPool, observerOf, SimulatedMachine, toldNothing, type Told } from './simulated-machine.js';
import { inTurns } from './turns.js';
import { Violation } from './verify.js';
import { upload } from './workload.js';

/** What became of a flip. */
export type FlipOutcome = 'harmless' | 'found at open' | 'found on read' | 'rebuilt' | 'refused to open';
export type FlipCounts = Record<FlipOutcome, number>;

export function noFlips(): FlipCounts {
	return { harmless: 0, 'found at open': 0, 'found on read': 0, rebuilt: 0, 'refused to open': 0 };
}

const SIZES = [1, 300, 4096, 4097, 9000, 60_000, SEGMENT_BYTES, SEGMENT_BYTES + 1, 2 * SEGMENT_BYTES + 5000] as const;

/** A machine whose store was killed once and closed at last, with several files in each lane. */
export class FlipSubject {
	readonly #machine: SimulatedMachine;
	readonly #oracle: Oracle;

	private constructor(machine: SimulatedMachine, oracle: Oracle) {
		this.#machine = machine;
		this.#oracle = oracle;
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
		return judge(read.value, told, !rebuild);
	}
}

interface ReadAll {
	/** Files of which an error said that they cannot be served. */
	readonly refused: number;
	/** Files that seem never to have been uploaded. */
	readonly missing: number;
}

/** Reads everything that was acknowledged. Throws a Violation at wrong bytes. */
export async function readAll(store: Store, acknowledged: readonly Acknowledged[]): Promise<ReadAll> {
	let refused = 0;
	let missing = 0;
	for (const { content, txSeq } of acknowledged) {
		try {
			const file = await store.files.fileBySeq(txSeq);
			const byRoot = await store.files.fileByRoot(content.root);
			if (!file || !byRoot) {
				missing++;
				continue;
			}
			if (file.root !== content.root || file.sizeBytes !== content.bytes.length)
				throw new Violation(`another file stands under ${txSeq}`);
			let at = 0;
			for await (const piece of store.files.read(file, 0, file.sizeBytes)) {
				if (!content.bytes.subarray(at, at + piece.bytes.length).equals(piece.bytes))
					throw new Violation(`wrong bytes of ${content.root}`);
				at += piece.bytes.length;
				piece.release();
			}
			if (at !== content.bytes.length) throw new Violation(`${content.root} ends at ${at}`);
		} catch (error) {
			if (!(error instanceof PerigeeError)) throw error;
			refused++;
		}
	}
	return { refused, missing };
}

function judge({ refused, missing }: ReadAll, told: Told, mayRebuild: boolean): FlipOutcome {
	const isTold = told.damaged.length > 0;
	if (missing > 0 && !isTold) throw new Violation(`${missing} files are missing and nobody is told`);
	if (refused > 0) return isTold ? 'found at open' : 'found on read';
	if (isTold) return 'found at open';
	return mayRebuild && told.rebuilt.length > 0 ? 'rebuilt' : 'harmless';
}

/** The same with real files and RocksDB, for flips in the view. */
export class RealFlipSubject {
	readonly #home: string;
	readonly #oracle = new Oracle();
	#files: readonly string[] = [];
	#copies = 0;

	private constructor(home: string) {
		this.#home = home;
	}

	static async make(seed: number): Promise<RealFlipSubject> {
		const subject = new RealFlipSubject(await mkdtemp(join(tmpdir(), 'perigee-flips-')));
		const prng = new Prng(seed);
		const origin = join(subject.#home, 'origin');
		const store = await openReal(origin, toldNothing());
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
		subject.#files = (await readdir(join(origin, 'view'))).filter((name) => name !== 'LOCK' && !name.startsWith('LOG'));
		return subject;
	}

	async remove(): Promise<void> {
		await rm(this.#home, { recursive: true, force: true });
	}

	/** Flips a bit drawn by the source in a file of the view. */
	async flip(prng: Prng): Promise<{ readonly outcome: FlipOutcome; readonly name: string }> {
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
			return { outcome: await this.#serve(copy, `${name} at ${offset}`), name };
		} finally {
			await rm(copy, { recursive: true, force: true });
		}
	}

	async #serve(directory: string, what: string): Promise<FlipOutcome> {
		const told = toldNothing();
		const store = await openReal(directory, told);
		const first = await readAll(store, this.#oracle.acknowledged);
		await store.close();
		if (first.missing > 0) throw new Violation(`${first.missing} files are missing after a flip in ${what}`);
		if (first.refused === 0) return told.rebuilt.length > 0 ? 'rebuilt' : 'harmless';
		const again = toldNothing();
		const restarted = await openReal(directory, again);
		const second = await readAll(restarted, this.#oracle.acknowledged);
		await restarted.close();
		if (second.refused + second.missing > 0) throw new Violation(`a restart did not heal a flip in ${what}`);
		return 'found on read';
	}
}

async function openReal(dataDir: string, told: Told): Promise<Store> {
	const ring = new SlabRing(1);
	return openTestStore(
		dataDir,
		{ ring, pool: inlineHashPool(ring, new Prng(1)), observer: observerOf(told), randomness: new SeededRandomness(1) },
		{ clock: new SimulatedClock() },
	);
}
