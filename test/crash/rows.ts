/** The rows of the reliability table: each runs one unit of work for a seed, and counts. */
import { Prng } from '../support/prng.js';
import type { CallKind } from '../support/simulated-io.js';
import { runDiskFull, runNthFault } from './faults.js';
import { FlipSubject, RealFlipSubject } from './flips.js';
import { runKills } from './kills.js';
import { runCrashSeed } from './scenario.js';
import { runSweepPoint, sweepCalls } from './sweep.js';

export type Counts = Record<string, number>;

export interface Row {
	readonly name: string;
	readonly what: string;
	/** Share of the time of a full run. */
	readonly share: number;
	/** Runs one seed. Throws at a broken promise. */
	readonly run: (seed: number) => Promise<Counts>;
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
export const FAULTS_OF_A_KIND = 50;
/** Of these `npm test` tries as many; of the others, which a life seldom calls, the first ones. */
export const FREQUENT_KINDS: ReadonlySet<CallKind> = new Set(['fdatasync', 'writev', 'read']);
const KILLS_OF_A_RUN = 10;

export function allRows(): readonly Row[] {
	return [crashRow(), sweepRow(), diskFullRow(), faultRow(), logFlipRow(), viewFlipRow(), killRow()];
}

function crashRow(): Row {
	return {
		name: 'crash',
		what: 'simulated power cuts and process ends under concurrent clients, also while recovering',
		share: 4,
		run: async (seed) => ({ ...(await runCrashSeed(seed)) }),
	};
}

function sweepRow(): Row {
	return {
		name: 'sweep',
		what: 'a crash before and after every call of one short life; then one more while recovering',
		share: 1,
		async run(seed) {
			const calls = await sweepCalls(seed);
			for (let index = 0; index < calls; index++) {
				await runSweepPoint(seed, index, 'crash');
				await runSweepPoint(seed, index, 'crashAfter', index % 40);
			}
			return { crashes: 2 * calls };
		},
	};
}

function diskFullRow(): Row {
	return {
		name: 'disk-full',
		what: 'a disk that fills up, is read, gets room again and takes uploads without a restart',
		share: 1,
		run: async (seed) => ({ ...(await runDiskFull(seed)) }),
	};
}

function faultRow(): Row {
	return {
		name: 'io-error',
		what: 'one call of the disk answers EIO',
		share: 1,
		async run(seed) {
			const kind = FAULT_KINDS[seed % FAULT_KINDS.length] as CallKind;
			const nth = 1 + (Math.floor(seed / FAULT_KINDS.length) % FAULTS_OF_A_KIND);
			return { faults: (await runNthFault(kind, nth, seed)) ? 1 : 0 };
		},
	};
}

function logFlipRow(): Row {
	let subject: FlipSubject | undefined;
	return {
		name: 'log-flip',
		what: 'a flipped bit in a log file, the checkpoint or store.json of a closed directory',
		share: 1,
		async run(seed) {
			subject ??= await FlipSubject.make(1);
			const prng = new Prng(seed);
			const path = prng.pick(subject.files);
			const outcome = await subject.flip(path, prng.below(subject.sizeOf(path)), prng.below(8), prng.chance(0.5));
			return { flips: 1, [outcome]: 1 };
		},
	};
}

function viewFlipRow(): Row {
	let subject: RealFlipSubject | undefined;
	return {
		name: 'view-flip',
		what: "a flipped bit in RocksDB's files of a closed directory",
		share: 1,
		async run(seed) {
			subject ??= await RealFlipSubject.make(1);
			const { outcome } = await subject.flip(new Prng(seed));
			return { flips: 1, [outcome]: 1 };
		},
		async end() {
			await subject?.remove();
		},
	};
}

function killRow(): Row {
	return {
		name: 'kill',
		what: 'kill -9 of the real process under concurrent uploads',
		share: 3,
		run: async (seed) => ({ ...(await runKills({ seed, kills: KILLS_OF_A_RUN })) }),
	};
}
