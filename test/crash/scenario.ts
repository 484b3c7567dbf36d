/** One seed of the crash suite: a store lives through several processes that end at any call, and is checked after each. */
import type { ErrorCode } from '../../src/errors.js';
import { Prng } from '../support/prng.js';
import type { CallKind, Fault, FaultHook } from '../support/simulated-io.js';
import { Oracle } from './oracle.js';
import type { Tally } from './points.js';
import { finishResumables } from './resumables.js';
import { finishSegments } from './segments.js';
import { SimulatedMachine, type Breakage, type Process } from './simulated-machine.js';
import { inTurns } from './turns.js';
import { verifyAcknowledged, verifyStore } from './verify.js';
import { compact, runClients, upload } from './workload.js';

export interface Outcome {
	/** Ends of processes, and those of them in the middle of their work. */
	readonly ends: number;
	readonly crashes: number;
	readonly acknowledged: number;
	readonly calls: number;
	readonly rebuilds: number;
	readonly inDoubt: number;
	/** Crashes at named points. */
	readonly named: Tally;
}

const ROUNDS_MOST = 3;
const RETRIES_MOST = 8;
/** How far into a process the crash lies, in calls of the disk. */
const CRASH_SPANS = [12, 40, 100, 200] as const;
const RISKY_KINDS: readonly CallKind[] = ['fdatasync', 'fdatasync', 'fdatasync', 'syncDir', 'rename'];
const NO_REFUSALS: ReadonlySet<ErrorCode> = new Set();
const READ_ONLY: ReadonlySet<ErrorCode> = new Set(['READ_ONLY']);
const FAILING_KINDS: readonly CallKind[] = ['fdatasync', 'fdatasync', 'writev', 'syncDir'];

/** Runs a seed. Throws at the first broken promise. */
export async function runCrashSeed(seed: number, breakage: Breakage = {}): Promise<Outcome> {
	const scenario = new Scenario(seed, breakage);
	return scenario.run();
}

class Scenario {
	readonly #prng: Prng;
	readonly #machine: SimulatedMachine;
	readonly #oracle = new Oracle();
	#ends = 0;
	#crashes = 0;
	#rebuilds = 0;
	#inDoubt = 0;

	constructor(seed: number, breakage: Breakage) {
		this.#prng = new Prng(seed);
		this.#machine = new SimulatedMachine({ seed, breakage, furtherVolumes: seed % 3 === 0 ? 2 : 0 });
	}

	async run(): Promise<Outcome> {
		const machine = this.#machine;
		await machine.prepare();
		for (let rounds = 1 + this.#prng.below(ROUNDS_MOST); rounds > 0; rounds--) {
			await this.#live();
			await this.#crashWhileRecovering();
			await this.#check();
		}
		return {
			ends: this.#ends,
			crashes: this.#crashes,
			acknowledged: this.#oracle.acknowledged.length,
			calls: machine.totalCalls,
			rebuilds: this.#rebuilds,
			inDoubt: this.#inDoubt,
			named: machine.points,
		};
	}

	/** One process with clients, until it crashes, is killed or closes. */
	async #live(): Promise<void> {
		const machine = this.#machine;
		const prng = this.#prng;
		const fails = prng.chance(0.3);
		machine.faults = fails ? failOnce(prng) : crashWithin(prng, machine.io.calls, prng.pick(CRASH_SPANS));
		const process = await this.#start();
		if (process) {
			const options = {
				clients: 1 + prng.below(5),
				operations: 1 + prng.below(8),
				allowed: fails ? READ_ONLY : NO_REFUSALS,
			};
			const done = await this.#inTurns(
				runClients(machine, process.store, this.#oracle, prng.fork(), options),
				'the workload',
			);
			if (done && prng.chance(0.5)) await this.#inTurns(process.store.close(), 'a close');
		}
		this.#end();
	}

	/** Processes that end while they recover, or right after. */
	async #crashWhileRecovering(): Promise<void> {
		while (this.#prng.chance(0.4)) {
			this.#machine.faults = crashWithin(this.#prng, this.#machine.io.calls, 60);
			await this.#start();
			this.#end();
		}
	}

	async #check(): Promise<void> {
		const machine = this.#machine;
		const process = await this.#start();
		if (!process) throw new Error('a machine without faults stopped');
		this.#rebuilds += process.told.rebuilt.length;
		this.#inDoubt += process.told.inDoubt;
		await this.#inTurns(verifyStore(machine, process, this.#oracle), 'the check');
		if (this.#prng.chance(0.3)) {
			await this.#inTurns(compact(machine, process.store, true), 'compaction');
			await this.#inTurns(verifyStore(machine, process, this.#oracle), 'the check after compaction');
		}
		await this.#inTurns(this.#retry(process), 'a retry');
		await this.#inTurns(verifyAcknowledged(process.store, this.#oracle), 'the check of what was sent again');
		if (this.#prng.chance(0.5)) await this.#inTurns(process.store.close(), 'a close');
		this.#end();
	}

	/** Clients send again what was never answered. */
	async #retry({ store }: Process): Promise<void> {
		const answered = new Set(this.#oracle.acknowledged.map(({ content }) => content));
		const open = [...this.#oracle.contents.values()].filter((content) => !answered.has(content));
		for (const content of open.slice(-RETRIES_MOST))
			await upload(this.#machine, store, this.#oracle, this.#prng, content);
		if (this.#prng.chance(0.3)) await finishResumables(this.#machine, store, this.#oracle);
		if (this.#prng.chance(0.5)) await finishSegments(this.#machine, store, this.#oracle);
	}

	/** A process; undefined when the machine stopped before it was ready. A disk that fails may refuse it. */
	async #start(): Promise<Process | undefined> {
		const failing = this.#machine.faults !== undefined;
		try {
			return (await this.#inTurns(this.#machine.start(), 'an open'))?.value;
		} catch (error) {
			if (failing && hasSystemCause(error)) return undefined;
			throw error;
		}
	}

	#inTurns<T>(work: Promise<T>, what: string): Promise<{ readonly value: T } | undefined> {
		return inTurns(work, what, () => this.#machine.io.crashed);
	}

	#end(): void {
		this.#ends++;
		this.#oracle.states.processEnded();
		if (this.#machine.io.crashed) this.#crashes++;
		if (this.#prng.chance(0.7)) this.#machine.powerCut();
		else this.#machine.kill();
	}
}

/** A crash before or after some call, or before one that would have made data durable: there most is at risk. */
function crashWithin(prng: Prng, calls: number, span: number): FaultHook {
	const fault: Fault = { type: prng.pick(['crash', 'crashDuring', 'crashAfter']) };
	if (prng.chance(0.5)) {
		const index = calls + prng.below(span);
		return (call) => (call.index === index ? fault : undefined);
	}
	const kind = prng.pick(RISKY_KINDS);
	const place = prng.pick(['', '/small-', '/small-', '/bulk-', '/journal-']);
	let left = prng.below(Math.ceil(span / 10));
	return (call) => (call.kind === kind && call.path.includes(place) && left-- === 0 ? { type: 'crash' } : undefined);
}

/** One call of a kind fails; the process goes on. */
function failOnce(prng: Prng): FaultHook {
	const kind = prng.pick(FAILING_KINDS);
	let left = prng.below(15);
	return (call) => (call.kind === kind && left-- === 0 ? { type: 'error', code: 'EIO' } : undefined);
}

function hasSystemCause(error: unknown): boolean {
	for (let at: unknown = error; at instanceof Error; at = at.cause)
		if ((at as NodeJS.ErrnoException).code === 'EIO') return true;
	return false;
}
