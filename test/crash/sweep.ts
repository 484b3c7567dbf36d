/**
 * Lives of a store, with a crash at every call that they make of their disk: the life goes on, and at each point a fork of the machine, with what
 * the clients know at that moment, stops there.
 */
import { SEGMENT_BYTES } from '../../src/units.js';
import { Prng } from '../support/prng.js';
import type { Fault, FaultHook, IoCall } from '../support/simulated-io.js';
import { makeContent, Oracle } from './oracle.js';
import { addTally, changesDisk, type Moment, pointName, type Tally } from './points.js';
import { type Breakage, SimulatedMachine } from './simulated-machine.js';
import { inTurns } from './turns.js';
import { verifyStore } from './verify.js';
import { removeFile, runClients, upload } from './workload.js';

/** What a life does with its store, from a prepared disk on. */
export type Life = (machine: SimulatedMachine, oracle: Oracle, prng: Prng) => Promise<void>;

export interface SweepOptions {
	readonly seed: number;
	readonly life: Life;
	/** Which of the life's points are tried: those that stand at `offset` of each `every`. Bounds the memory of one pass. */
	readonly every: number;
	readonly offset: number;
	/** Holds for the life alone; recoveries and checks are honest. */
	readonly breakage?: Breakage;
	/** Share of the points whose recovery is cut off too, at a call drawn by the seed. */
	readonly recoveryCrashes: number;
}

export interface SweepOutcome {
	/** Points of the whole life. */
	readonly points: number;
	readonly crashes: number;
	/** How often each named point was tried. */
	readonly named: Tally;
}

interface Stop {
	readonly name: string;
	readonly machine: SimulatedMachine;
	readonly oracle: Oracle;
}

const NO_REFUSALS = new Set<never>();
/** Calls of a recovery that change the disk, about. */
const RECOVERY_CHANGES = 20;
const ROLL_BYTES = 60_000;

/** Runs a life and stops it at its points. Throws at the first broken promise, naming the point. */
export async function runSweep(options: SweepOptions): Promise<SweepOutcome> {
	const { seed, life, every, offset, recoveryCrashes, breakage = {} } = options;
	const machine = new SimulatedMachine({ seed, rollBytes: ROLL_BYTES, breakage });
	const oracle = new Oracle();
	const stops: Stop[] = [];
	let points = 0;
	const visit = (call: IoCall, moment: Moment): void => {
		if (points++ % every === offset)
			stops.push({ name: pointName(call, moment), machine: machine.fork(), oracle: oracle.fork() });
	};
	await machine.prepare();
	machine.faults = (call) => visitCall(call, visit);
	await inTurns(life(machine, oracle, new Prng(seed)), 'a life', () => false);
	const named: Tally = {};
	const prng = new Prng(seed + offset);
	let crashes = 0;
	for (const stop of stops) {
		addTally(named, { [stop.name]: 1 });
		await runStop(stop, prng, prng.chance(recoveryCrashes)).catch((error: unknown) => {
			throw new Error(`${stop.name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
		});
		addTally(named, stop.machine.points);
		crashes += 1 + sumOf(stop.machine.points);
	}
	return { points, crashes, named };
}

/** Every call before it happens; those that change the disk also in their middle and right after it. */
function visitCall(call: IoCall, visit: (call: IoCall, moment: Moment) => void): Fault | undefined {
	if (!changesDisk(call)) return undefined;
	visit(call, 'before');
	// The buffers of a write are on their way once the caller has gone on.
	if (call.kind === 'writev') queueMicrotask(() => visit(call, 'torn'));
	return { type: 'observe', after: () => visit(call, 'after') };
}

async function runStop({ machine, oracle }: Stop, prng: Prng, cutsRecovery: boolean): Promise<void> {
	const stopped = (): boolean => machine.io.crashed;
	if (prng.chance(0.75)) machine.powerCut();
	else machine.kill();
	if (cutsRecovery) {
		machine.faults = crashAtChange(prng.below(RECOVERY_CHANGES), prng.pick(['crash', 'crashDuring', 'crashAfter']));
		await inTurns(machine.start(), 'an open', stopped);
		machine.powerCut();
	}
	const process = await inTurns(machine.start(), 'an open', stopped);
	if (!process) throw new Error('a machine without faults stopped');
	await inTurns(verifyStore(machine, process.value, oracle), 'the check', stopped);
	machine.kill();
}

/** Two processes: uploads side by side, a checkpoint, rolls, a break-off, a clean close, an open, one more upload, two deletions, and one of the two again. */
export const shortLife: Life = async (machine, oracle, prng) => {
	const first = await machine.start();
	const put = (sizeBytes: number): Promise<void> =>
		upload(machine, first.store, oracle, prng, makeContent(prng, sizeBytes));
	const small = makeContent(prng, 900);
	const large = makeContent(prng, 2 * SEGMENT_BYTES + 700);
	await upload(machine, first.store, oracle, prng, small);
	await Promise.all([put(30_000), upload(machine, first.store, oracle, prng, large), put(5)]);
	await first.store.checkpoint();
	await Promise.all([put(45_000), put(20_000)]);
	const broken = first.store.files.beginUpload({ name: 'broken off', contentType: '' });
	await broken.write(makeContent(prng, SEGMENT_BYTES + 9).bytes);
	await broken.abort();
	await first.store.close();
	const second = await machine.start();
	await upload(machine, second.store, oracle, prng, makeContent(prng, 77));
	await Promise.all([small, large].map((content) => removeFile(machine, second.store, oracle, content)));
	await second.store.settle();
	await second.store.checkpoint();
	await upload(machine, second.store, oracle, prng, large);
};

/** Two processes of clients that do what they like; the first one closes, or its machine stops. */
export const randomLife: Life = async (machine, oracle, prng) => {
	for (let processes = 2; processes > 0; processes--) {
		const { store } = await machine.start();
		const clients = { clients: 1 + prng.below(4), operations: 2 + prng.below(4), allowed: NO_REFUSALS };
		await runClients(machine, store, oracle, prng.fork(), clients);
		if (prng.chance(0.5)) await store.checkpoint();
		if (prng.chance(0.5)) await store.close();
		const faults = machine.faults;
		if (prng.chance(0.5)) machine.powerCut();
		else machine.kill();
		machine.faults = faults;
	}
};

function crashAtChange(index: number, type: 'crash' | 'crashDuring' | 'crashAfter'): FaultHook {
	let left = index;
	return (call) => (changesDisk(call) && left-- === 0 ? { type } : undefined);
}

function sumOf(tally: Tally): number {
	return Object.values(tally).reduce((sum, hits) => sum + hits, 0);
}
