/** The rows of the reliability table: each runs one unit of work for a seed, and counts. */
import { tryNativeTargets } from '../fuzz/native.js';
import { type FuzzOutcome, tryTargets } from '../fuzz/run.js';
import { FUZZ_TARGETS } from '../fuzz/targets.js';
import { Prng } from '../support/prng.js';
import type { CallKind } from '../support/simulated-io.js';
import { FAULT_CODES, runDiskFull, runNthFault } from './faults.js';
import { runChainKills } from './chain-kills.js';
import { runFullDisk, smallDiskRefusal } from './full-disk.js';
import { FlipSubject, RealFlipSubject } from './flips.js';
import { runLossSeed } from './losses.js';
import { runKills } from './kills.js';
import { addTally } from './points.js';
import { ProcessFlipSubject } from './process-flips.js';
import { runCrashSeed } from './scenario.js';
import { growthOf, runSoak, SOAK_WINDOWS, type SoakWindow, WARM_UP, windowText } from './soak.js';
import { randomLife, runSweep } from './sweep.js';
import { Violation } from './violation.js';
import { MOMENTS, MUTATIONS, ViewSubject } from './view-mutations.js';

export type Counts = Record<string, number>;

/** What a row is to reach: so many of one of its counts; of `names`, so many named points. */
export interface Goal {
	readonly count: string;
	readonly least: number;
}

export interface RowOutcome {
	readonly counts: Counts;
	/** How often each named point was hit. */
	readonly named?: Counts;
	/** Lines for the sheet; those of the last seed stay. */
	readonly notes?: readonly string[];
}

export interface RunBounds {
	/** Aborts when the whole run is to end. */
	readonly signal: AbortSignal;
	/** When the row's time is over, on the clock of `performance.now`. */
	readonly endMs: number;
	/** Tells whoever waits how far it is. */
	readonly say: (line: string) => void;
}

export interface Row {
	readonly name: string;
	readonly what: string;
	readonly goals: readonly Goal[];
	/** Share of the time of a bounded run. */
	readonly share: number;
	/** Runs one seed. Throws at a broken promise; what takes minutes ends early at its bounds. */
	readonly run: (seed: number, bounds: RunBounds) => Promise<RowOutcome>;
	/** Gives back what the row has set up. */
	readonly end?: () => Promise<void>;
}

/** Calls that are made to fail, each in turn from its first one on. */
export const FAULT_KINDS: readonly CallKind[] = [
	'fdatasync',
	'writev',
	'read',
	'open',
	'syncDir',
	'rename',
	'close',
	'size',
	'stat',
	'list',
];
/** The first call, the second, and so on, up to this one. */
const FAULTS_OF_A_KIND = 200;
/** Of these `npm test` tries more; of the others, which a life seldom calls, the first ones. */
export const FREQUENT_KINDS: ReadonlySet<CallKind> = new Set(['fdatasync', 'writev', 'read']);
const KILLS_OF_A_RUN = 10;
const CHAIN_KILLS_OF_A_RUN = 20;
const SOAK_MINUTES = 30;
const INPUTS_OF_EACH = 'inputs of each target';
const INPUTS = 10_000_000;
const INPUTS_OF_A_SEED = 500_000;
const MOST_FUZZ_BYTES = 512 * 2 ** 20;
const PROCESS_FLIPS_OF_A_COPY = 6;
/** In one copy of a directory. */
const FLIPS_OF_A_COPY = 25;
/** One of so many points of a life is tried: the next seed has another life. */
const SWEEP_EVERY = 5;

export function allRows(): readonly Row[] {
	return [
		crashRow(),
		sweepRow(),
		diskFullRow(),
		fileSystemFullRow(),
		lossRow(),
		faultRow(),
		logFlipRow(),
		viewFlipRow(),
		viewMutationRow(),
		processFlipRow(),
		killRow(),
		chainKillRow(),
		soakRow(),
		fuzzRow(),
		nativeFuzzRow(),
	];
}

function crashRow(): Row {
	return {
		name: 'crash',
		what: 'simulated power cuts and process ends under concurrent clients, also while recovering',
		goals: [
			{ count: 'crashes', least: 2000 },
			{ count: 'names', least: 50 },
		],
		share: 4,
		async run(seed) {
			const { named, ...counts } = await runCrashSeed(seed);
			return { counts, named };
		},
	};
}

function sweepRow(): Row {
	return {
		name: 'sweep',
		what: 'a crash before, in the middle of and after the calls that change the disk in a random life, now and then another while recovering',
		goals: [
			{ count: 'crashes', least: 10_000 },
			{ count: 'names', least: 50 },
		],
		share: 4,
		async run(seed) {
			const every = SWEEP_EVERY;
			const options = { seed, life: randomLife, every, offset: seed % every, recoveryCrashes: 0.3 };
			const { crashes, points, named } = await runSweep(options);
			return { counts: { lives: 1, points, crashes }, named };
		},
	};
}

function diskFullRow(): Row {
	return {
		name: 'disk-full',
		what: 'a disk that fills up, is read, gets room again and takes uploads without a restart',
		goals: [{ count: 'disks', least: 100 }],
		share: 1,
		run: async (seed) => ({ counts: { disks: 1, ...(await runDiskFull(seed)) } }),
	};
}

function fileSystemFullRow(): Row {
	return {
		name: 'full-file-system',
		what: 'the real process on a file system that fills up at a byte position; restarts and kill -9 while it is full',
		goals: [{ count: 'positions', least: 100 }],
		share: 2,
		async run(seed) {
			const refusal = await smallDiskRefusal();
			if (refusal !== undefined) return { counts: { skipped: 1 } };
			return { counts: { ...(await runFullDisk(seed)) } };
		},
	};
}

function lossRow(): Row {
	return {
		name: 'missing',
		what: 'a log file or a volume is missing at some starts, and comes back or is given up',
		goals: [{ count: 'stores', least: 300 }],
		share: 1,
		run: async (seed) => ({ counts: { stores: 1, ...(await runLossSeed(seed)) } }),
	};
}

function faultRow(): Row {
	return {
		name: 'io-error',
		what: 'one call of the disk answers EIO, EROFS, EACCES, ENOSPC or EMFILE',
		goals: [{ count: 'faults', least: 600 }],
		share: 1,
		async run(seed) {
			const kind = FAULT_KINDS[seed % FAULT_KINDS.length] as CallKind;
			const nth = 1 + (Math.floor(seed / FAULT_KINDS.length) % FAULTS_OF_A_KIND);
			const round = Math.floor(seed / FAULT_KINDS.length / FAULTS_OF_A_KIND);
			const code = FAULT_CODES[round % FAULT_CODES.length] as (typeof FAULT_CODES)[number];
			return { counts: { faults: (await runNthFault(kind, nth, seed, code)) ? 1 : 0 } };
		},
	};
}

function logFlipRow(): Row {
	let subject: FlipSubject | undefined;
	return {
		name: 'log-flip',
		what: 'flipped bits in log files, the checkpoint and store.json of a closed directory: one, and then many in another copy',
		goals: [{ count: 'flips', least: 8000 }],
		share: 1,
		async run(seed) {
			subject ??= await FlipSubject.make(1);
			const prng = new Prng(seed);
			const path = prng.pick(subject.files);
			const outcome = await subject.flip(path, prng.below(subject.sizeOf(path)), prng.below(8), prng.chance(0.5));
			const { found, harmless } = await subject.flipMany(prng, FLIPS_OF_A_COPY);
			const many = { 'found of many': found, 'harmless of many': harmless };
			return { counts: { flips: 1 + FLIPS_OF_A_COPY, [outcome]: 1, ...many } };
		},
	};
}

function viewFlipRow(): Row {
	let subject: RealFlipSubject | undefined;
	return {
		name: 'view-flip',
		what: "a flipped bit in RocksDB's files of a closed directory",
		goals: [{ count: 'flips', least: 2000 }],
		share: 1,
		async run(seed) {
			subject ??= await RealFlipSubject.make(1);
			const { outcome } = await subject.flip(new Prng(seed));
			return { counts: { flips: 1, [outcome]: 1 } };
		},
		async end() {
			await subject?.remove();
		},
	};
}

function viewMutationRow(): Row {
	let subject: ViewSubject | undefined;
	return {
		name: 'view-mutation',
		what: "bits, holes, cuts and missing files in RocksDB's logs, tables and lists, in copies of three moments",
		goals: [{ count: 'mutations', least: 1000 }],
		share: 1,
		async run(seed) {
			subject ??= await ViewSubject.make(1);
			const prng = new Prng(seed);
			const mutation = prng.pick(MUTATIONS);
			const outcome = await subject.mutate(mutation, prng.pick(MOMENTS), prng);
			if (outcome === 'absent') return { counts: { absent: 1 } };
			return { counts: { mutations: 1, [outcome]: 1 }, named: { [mutation.name]: 1 } };
		},
		async end() {
			await subject?.remove();
		},
	};
}

function killRow(): Row {
	return {
		name: 'kill',
		what: 'kill -9 of the real process under mixed load, now and then while it starts or stops; two nodes at once',
		goals: [{ count: 'kills', least: 500 }],
		share: 4,
		async run(seed) {
			const counts: Counts = {};
			const seeds = [2 * seed, 2 * seed + 1];
			for (const outcome of await Promise.all(seeds.map((each) => runKills({ seed: each, kills: KILLS_OF_A_RUN }))))
				addTally(counts, { ...outcome });
			return { counts };
		},
	};
}

function processFlipRow(): Row {
	let subject: ProcessFlipSubject | undefined;
	return {
		name: 'process-flip',
		what: 'flipped bits in the files of the real process, half of them while it runs',
		goals: [{ count: 'flips', least: 200 }],
		share: 1,
		async run(seed) {
			subject ??= await ProcessFlipSubject.make(1);
			return { counts: { ...(await subject.run(new Prng(seed), PROCESS_FLIPS_OF_A_COPY)) } };
		},
		async end() {
			await subject?.remove();
		},
	};
}

function chainKillRow(): Row {
	return {
		name: 'chain-kill',
		what: 'kill -9 of the real process on a real chain that takes blocks back, while it takes segments of 0G clients and pays for uploads',
		goals: [{ count: 'kills', least: 300 }],
		share: 3,
		run: async (seed) => ({ counts: { ...(await runChainKills({ seed, kills: CHAIN_KILLS_OF_A_RUN })) } }),
	};
}

function soakRow(): Row {
	return {
		name: 'soak',
		what: 'the real process under a steady mixed load: memory, handles and p99 within a tenth of those of the first sixth of the time',
		goals: [{ count: 'minutes', least: SOAK_MINUTES }],
		share: 6,
		async run(seed, { signal, endMs, say }) {
			const seconds = Math.max(1, Math.min(SOAK_MINUTES * 60, (endMs - performance.now()) / 1000 / (1 + WARM_UP)));
			const notes: string[] = [];
			const onWindow = (window: SoakWindow, number: number): void => {
				notes.push(`${Math.round((number * seconds) / SOAK_WINDOWS)} s: ${windowText(window)}`);
				say(notes.at(-1) ?? '');
			};
			const { windows, ...counts } = await runSoak({ seed, seconds, signal, onWindow });
			const minutes = Math.floor(counts.seconds / 60);
			const grown = minutes >= SOAK_MINUTES ? growthOf(windows) : [];
			if (grown.length > 0) throw new Violation(`${grown.join(', ')}; ${notes.join('; ')}`);
			return { counts: { minutes, ...counts }, notes };
		},
	};
}

function fuzzRow(): Row {
	return {
		name: 'fuzz',
		what: 'parsers of what comes from outside or from disks, and the edge to the native code: answers or refusals with a code, bounded memory',
		goals: [{ count: INPUTS_OF_EACH, least: INPUTS }],
		share: 4,
		run: async (seed, { signal }) => fuzzed(await tryTargets(FUZZ_TARGETS, INPUTS_OF_A_SEED, seed, signal)),
	};
}

function nativeFuzzRow(): Row {
	return {
		name: 'fuzz-native',
		what: 'proofs, trees, flow states, checksums and checked reads of the native code, under cargo: exactly what is right is taken, bounded memory',
		goals: [{ count: INPUTS_OF_EACH, least: INPUTS }],
		share: 2,
		run: async (seed, { signal }) => fuzzed(await tryNativeTargets(INPUTS_OF_A_SEED, seed, signal)),
	};
}

function fuzzed({ inputs, mostBytes }: FuzzOutcome): RowOutcome {
	if (mostBytes > MOST_FUZZ_BYTES) throw new Violation(`${mostBytes} bytes of memory, at most ${MOST_FUZZ_BYTES}`);
	const notes = [`The process of the last seed took ${Math.ceil(mostBytes / 2 ** 20)} MiB of memory at most.`];
	return { counts: { [INPUTS_OF_EACH]: Math.min(...Object.values(inputs)) }, named: inputs, notes };
}
