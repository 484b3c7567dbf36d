/** Disks that fill up and calls that fail: what the store answers, and that nothing answered is lost. */
import type { ErrorCode } from '../../src/errors.js';
import { PerigeeError } from '../../src/errors.js';
import { Prng } from '../support/prng.js';
import type { CallKind } from '../support/simulated-io.js';
import { makeContent, Oracle } from './oracle.js';
import { type Process, SimulatedMachine } from './simulated-machine.js';
import { inTurns } from './turns.js';
import { verifyAcknowledged, verifyStore } from './verify.js';
import { Violation } from './violation.js';
import { runClients, upload } from './workload.js';

/** The disk is looked at again after this time. */
const LOOK_MS = 1000;
/** On a disk of any size that is tried: room for the first log files of each lane. */
const BALLAST_BYTES = 40_000;
const FULL: ReadonlySet<ErrorCode> = new Set(['DISK_FULL']);
/** What clients may hear for an error that the system answers. */
const REFUSALS: Readonly<Record<FaultCode, ReadonlySet<ErrorCode>>> = {
	EIO: new Set(['READ_ONLY']),
	// A file system that was remounted read-only after an error of its own.
	EROFS: new Set(['READ_ONLY']),
	EACCES: new Set(['READ_ONLY']),
	ENOSPC: new Set(['DISK_FULL', 'READ_ONLY']),
	EMFILE: new Set(['OVERLOADED', 'READ_ONLY']),
};
export const FAULT_CODES = ['EIO', 'EROFS', 'EACCES', 'ENOSPC', 'EMFILE'] as const;
type FaultCode = (typeof FAULT_CODES)[number];
/** A life long enough for calls beyond this needs more operations. */
const SHORT_LIFE_CALLS = 50;

export interface FullOutcome {
	readonly acknowledged: number;
}

/** A disk of a size drawn by the seed fills up, is read while it is full, gets room again, and takes uploads without a restart. */
export async function runDiskFull(seed: number): Promise<FullOutcome> {
	const prng = new Prng(seed);
	const oracle = new Oracle();
	const reserveBytes = prng.pick([1, 1, 65_536]);
	const capacityBytes = 800_000 + prng.below(3_000_000);
	const machine = new SimulatedMachine({ seed, reserveBytes, capacityBytes, ballastBytes: BALLAST_BYTES });
	await machine.prepare();
	let process = await start(machine);
	const options = { clients: 1 + prng.below(5), operations: 12, allowed: FULL };
	await run(
		machine,
		runClients(machine, process.store, oracle, prng.fork(), options),
		'clients of a disk that fills up',
	);
	const refused = await refusal(machine, process, oracle, prng);
	if (refused !== 'DISK_FULL') throw new Violation(`a full disk answers ${refused}`);
	await run(machine, verifyAcknowledged(process.store, oracle), 'reading from a full disk');
	if (prng.chance(0.4)) {
		if (prng.chance(0.5)) machine.powerCut();
		else machine.kill();
		process = await start(machine);
		await run(machine, verifyAcknowledged(process.store, oracle), 'reading from a full disk after a restart');
	}
	machine.io.capacityBytes += 20_000_000;
	machine.clock.advance(LOOK_MS);
	// The first request makes the node look at the disk again and may still be refused.
	await refusal(machine, process, oracle, prng);
	for (const sizeBytes of [3000, 700_000]) {
		await run(
			machine,
			upload(machine, process.store, oracle, prng, makeContent(prng, sizeBytes)),
			'an upload after room was made',
		);
	}
	await run(machine, verifyStore(machine, process, oracle), 'the check after room was made');
	if (prng.chance(0.5)) await run(machine, process.store.close(), 'a close');
	machine.powerCut();
	process = await start(machine);
	await run(machine, verifyStore(machine, process, oracle), 'the check after the power cut');
	return { acknowledged: oracle.acknowledged.length };
}

/** Uploads until one is refused; its code. Undefined when none is. */
async function refusal(
	machine: SimulatedMachine,
	{ store }: Process,
	oracle: Oracle,
	prng: Prng,
): Promise<ErrorCode | undefined> {
	for (let left = 40; left > 0; left--) {
		try {
			await run(
				machine,
				upload(machine, store, oracle, prng, makeContent(prng, 150_000)),
				'an upload that may be refused',
			);
		} catch (error) {
			if (error instanceof PerigeeError) return error.code;
			throw error;
		}
		if (machine.io.freeBytes > 10_000_000) return undefined;
	}
	return undefined;
}

/** The `nth` call of a kind answers an error; the process goes on, ends, and the next one must have everything. True if the call happened. */
export async function runNthFault(
	kind: CallKind,
	nth: number,
	seed: number,
	code: FaultCode = 'EIO',
): Promise<boolean> {
	const prng = new Prng(seed);
	const oracle = new Oracle();
	const machine = new SimulatedMachine({ seed });
	await machine.prepare();
	await liveOn(machine, oracle, prng.fork());
	let left = nth;
	let happened = false;
	machine.faults = (call) => {
		if (call.kind !== kind || left-- !== 1) return undefined;
		happened = true;
		return { type: 'error', code };
	};
	const process = await startOrRefuse(machine, code);
	if (process) {
		const operations = nth > SHORT_LIFE_CALLS ? 60 : 14;
		const options = { clients: 3, operations, allowed: REFUSALS[code] };
		await run(
			machine,
			runClients(machine, process.store, oracle, prng.fork(), options),
			'clients of a disk with a fault',
		);
		machine.faults = undefined;
		if (process.store.log.failure) await expectReadOnly(process);
		await run(machine, verifyAcknowledged(process.store, oracle), 'reading after a fault');
	}
	if (process && prng.chance(0.3)) await run(machine, process.store.close(), 'a close after a fault');
	if (prng.chance(0.5)) machine.kill();
	else machine.powerCut();
	// A process that only reads the system's memory of the disk, and then the power fails.
	if (prng.chance(0.5)) {
		await start(machine);
		machine.powerCut();
	}
	const after = await start(machine);
	await run(machine, verifyStore(machine, after, oracle), 'the check after a fault');
	return happened;
}

async function liveOn(machine: SimulatedMachine, oracle: Oracle, prng: Prng): Promise<void> {
	const { store } = await start(machine);
	await run(machine, runClients(machine, store, oracle, prng, { clients: 2, operations: 4, allowed: FULL }), 'clients');
	if (prng.chance(0.5)) await run(machine, store.close(), 'a close');
	machine.kill();
}

async function expectReadOnly({ store }: Process): Promise<void> {
	try {
		await store.files.beginUpload({ name: '', contentType: '' }).abort();
	} catch (error) {
		if (error instanceof PerigeeError && error.code === 'READ_ONLY') return;
		throw error;
	}
	throw new Violation('a store whose disk failed takes uploads');
}

async function startOrRefuse(machine: SimulatedMachine, code: FaultCode): Promise<Process | undefined> {
	try {
		return await start(machine);
	} catch (error) {
		for (let at: unknown = error; at instanceof Error; at = at.cause) {
			if ((at as NodeJS.ErrnoException).code === code) return undefined;
			if (at instanceof PerigeeError && REFUSALS[code].has(at.code)) return undefined;
		}
		throw error;
	}
}

function start(machine: SimulatedMachine): Promise<Process> {
	return run(machine, machine.start(), 'an open');
}

async function run<T>(machine: SimulatedMachine, work: Promise<T>, what: string): Promise<T> {
	const done = await inTurns(work, what, () => machine.io.crashed);
	if (!done) throw new Error(`the machine stopped during ${what}`);
	return done.value;
}
