/**
 * Log files and volumes that are missing at a start: the rest is served, nothing is forgotten, and everything is there again once they are back,
 * unless they were given up: then they are no part of the store any more.
 */
import { PerigeeError } from '../../src/errors.js';
import { Prng } from '../support/prng.js';
import { makeContent, Oracle } from './oracle.js';
import { type Breakage, DATA_DIR, type Process, SimulatedMachine } from './simulated-machine.js';
import { inTurns } from './turns.js';
import { verifyStore } from './verify.js';
import { Violation } from './violation.js';
import { runClients, upload } from './workload.js';

const VOLUMES = ['/disk1', '/disk2'];
const AWAY = '/away';

export interface LossOutcome {
	readonly acknowledged: number;
	/** Files that could not be read while something was missing. */
	readonly notHeld: number;
	readonly refusedStarts: number;
	/** 1 when what was missing was given up. */
	readonly givenUp: number;
	/** 1 when it was a log file that the last process had begun, and that no checkpoint knew. */
	readonly newest: number;
}

/** Runs a seed. Throws at the first broken promise. */
export async function runLossSeed(seed: number, breakage: Breakage = {}): Promise<LossOutcome> {
	const prng = new Prng(seed);
	const oracle = new Oracle();
	const rollBytes = prng.pick([24 * 1024, 300 * 1024]);
	const machine = new SimulatedMachine({ seed, breakage, rollBytes, furtherVolumes: VOLUMES.length });
	await machine.prepare();
	let isClosed = false;
	let before: readonly string[] = [];
	for (let lives = 1 + prng.below(2); lives > 0; lives--) {
		before = logFiles(machine);
		const { store } = await open(machine);
		const options = { clients: 1 + prng.below(3), operations: 8, allowed: new Set<never>() };
		await work(machine, runClients(machine, store, oracle, prng.fork(), options), 'clients');
		isClosed = prng.chance(0.6);
		if (isClosed) await work(machine, store.close(), 'a close');
		if (prng.chance(0.5)) machine.powerCut();
		else machine.kill();
	}
	const missing = prng.pick([...VOLUMES, ...logFiles(machine)]);
	await move(machine, missing, AWAY);
	// What is known twice may be lost once.
	if ((isClosed || VOLUMES.includes(missing)) && prng.chance(0.3)) await removeManifest(machine);
	const newest = !isClosed && !VOLUMES.includes(missing) && !before.includes(missing) ? 1 : 0;
	const outcome = { acknowledged: oracle.acknowledged.length, notHeld: 0, refusedStarts: 0 };
	let wasNamed = false;
	const starts = 1 + prng.below(2);
	for (let start = 0; start < starts; start++) {
		const process = await openWithout(machine, missing, prng.chance(0.4));
		if (!process) {
			outcome.refusedStarts++;
			continue;
		}
		const notHeld = await work(machine, countNotHeld(process, oracle), 'reading while something is missing');
		const { files, volumes } = process.store.losses;
		// A file that was begun just before a kill has no name anywhere, and nothing in it that was answered.
		if (files.length + volumes.length === 0 && (isClosed || notHeld > 0))
			throw new Violation(`${missing} is missing, and nobody says so`);
		wasNamed ||= files.length + volumes.length > 0;
		outcome.notHeld += notHeld;
		for (const sizeBytes of [700, 400_000, 9000]) {
			const sending = upload(machine, process.store, oracle, prng, makeContent(prng, sizeBytes));
			await work(machine, sending, 'an upload while something is missing');
		}
		if (prng.chance(0.5)) await work(machine, process.store.close(), 'a close while something is missing');
		machine.kill();
	}
	const isGivenUp = wasNamed && !isJournal(missing) && prng.chance(0.3);
	if (isGivenUp) await giveUp(machine, missing, oracle, prng);
	else if (!logFiles(machine).includes(missing)) await move(machine, AWAY, missing);
	else if (wasNamed) throw new Violation(`${missing} was named as missing, and its number was given again`);
	const process = await open(machine);
	await work(machine, verifyStore(machine, process, oracle), 'the check once everything is back');
	return { ...outcome, givenUp: isGivenUp ? 1 : 0, newest };
}

/** What is missing will not return: it is given up, all content is sent again, and then it turns up after all. */
async function giveUp(machine: SimulatedMachine, missing: string, oracle: Oracle, prng: Prng): Promise<void> {
	const rebuilt = await work(machine, machine.start(true), 'a rebuild without what is missing');
	await work(machine, rebuilt.store.giveUpLosses(), 'giving up');
	if (prng.chance(0.5)) await work(machine, rebuilt.store.close(), 'a close after giving up');
	machine.kill();
	// Uploads that were not whole may have gone with it; nothing else tells of them.
	oracle.resumables.length = 0;
	oracle.segmented.clear();
	const process = await open(machine);
	const { files, volumes } = process.store.losses;
	if (files.length + volumes.length > 0) throw new Violation(`${missing} was given up and is called missing`);
	await work(machine, countNotHeld(process, oracle), 'reading after giving up');
	// Also what was deleted: the fact may have lain in what is lost.
	const contents = new Set(oracle.acknowledged.map(({ content }) => content));
	for (const content of contents)
		await work(machine, upload(machine, process.store, oracle, prng, content), 'an upload of what was lost');
	if (prng.chance(0.5)) await work(machine, process.store.close(), 'a close before a return');
	machine.kill();
	// The place of a volume that was given up is a new volume's by now.
	if (!VOLUMES.includes(missing)) await move(machine, AWAY, missing);
}

function logFiles(machine: SimulatedMachine): readonly string[] {
	return machine.io.files().filter((path) => path.endsWith('.log'));
}

async function removeManifest(machine: SimulatedMachine): Promise<void> {
	const path = `${DATA_DIR}/log.manifest`;
	if (machine.io.files().includes(path)) await machine.io.unlink(path);
	machine.io.settle();
}

function isJournal(path: string): boolean {
	return path.startsWith(`${DATA_DIR}/log/journal`);
}

async function move(machine: SimulatedMachine, from: string, to: string): Promise<void> {
	await machine.io.rename(from, to);
	machine.io.settle();
}

/** The store without what is missing; undefined when it refuses to start, as it must when that is a journal file it needs. */
async function openWithout(machine: SimulatedMachine, missing: string, rebuild: boolean): Promise<Process | undefined> {
	try {
		return await work(machine, machine.start(rebuild), 'an open');
	} catch (error) {
		if (!isJournal(missing) || !(error instanceof PerigeeError && error.code === 'JOURNAL_MISSING')) throw error;
		machine.kill();
		return undefined;
	}
}

/** Reads everything that was answered: the right bytes, or the clear answer that they are not held. */
async function countNotHeld({ store }: Process, oracle: Oracle): Promise<number> {
	let notHeld = 0;
	for (const { content, txSeq } of oracle.acknowledged) {
		const file = await store.files.fileBySeq(txSeq);
		if (file?.root !== content.root) throw new Violation(`submission ${txSeq} is forgotten`);
		let at = 0;
		try {
			for await (const piece of store.files.read(file, 0, file.sizeBytes)) {
				const isRight = content.bytes.subarray(at, at + piece.bytes.length).equals(piece.bytes);
				at += piece.bytes.length;
				piece.release();
				if (!isRight) throw new Violation(`wrong bytes of ${content.root}`);
			}
		} catch (error) {
			// Deleted by a client; whether rightly so is checked once everything is back.
			if (error instanceof PerigeeError && error.code === 'GONE') continue;
			if (!(error instanceof PerigeeError && error.code === 'NOT_HELD'))
				throw new Violation(`${content.root} cannot be read`, { cause: error });
			if (file.finalized) throw new Violation(`${content.root} is called whole and is not held`);
			notHeld++;
		}
	}
	return notHeld;
}

function open(machine: SimulatedMachine): Promise<Process> {
	return work(machine, machine.start(), 'an open');
}

async function work<T>(machine: SimulatedMachine, promise: Promise<T>, what: string): Promise<T> {
	const done = await inTurns(promise, what, () => machine.io.crashed);
	if (!done) throw new Error(`the machine stopped during ${what}`);
	return done.value;
}
