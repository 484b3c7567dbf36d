/** One short life of a store, with a crash before and after every single call that it makes of its disk. */
import { Prng } from '../support/prng.js';
import { crashAt } from '../support/simulated-io.js';
import { SEGMENT_BYTES } from '../../src/units.js';
import { makeContent, Oracle } from './oracle.js';
import { SimulatedMachine } from './simulated-machine.js';
import { inTurns } from './turns.js';
import { verifyStore } from './verify.js';
import { upload } from './workload.js';

type CrashType = 'crash' | 'crashAfter';

/** Calls of the whole life: the points of a sweep. */
export async function sweepCalls(seed: number): Promise<number> {
	const machine = new SimulatedMachine({ seed, rollBytes: ROLL_BYTES });
	await live(machine, new Oracle(), new Prng(seed), undefined);
	return machine.io.calls;
}

/** Crashes at a point; then again at call `recoveryIndex` of the recovery, if it is given. Throws at a broken promise. */
export async function runSweepPoint(
	seed: number,
	index: number,
	type: CrashType,
	recoveryIndex?: number,
): Promise<void> {
	const machine = new SimulatedMachine({ seed: seed + index, rollBytes: ROLL_BYTES });
	const oracle = new Oracle();
	await live(machine, oracle, new Prng(seed), { index, type });
	machine.powerCut();
	const stopped = (): boolean => machine.io.crashed;
	if (recoveryIndex !== undefined) {
		machine.faults = crashAt(recoveryIndex, type);
		await inTurns(machine.start(), 'an open', stopped);
		machine.powerCut();
	}
	const process = await inTurns(machine.start(), 'an open', stopped);
	if (!process) throw new Error('a machine without faults stopped');
	await inTurns(verifyStore(machine, process.value, oracle), 'the check', stopped);
}

const ROLL_BYTES = 60_000;

/** Two processes: uploads side by side, a checkpoint, rolls, a break-off, a clean close, an open, one more upload. */
async function live(
	machine: SimulatedMachine,
	oracle: Oracle,
	prng: Prng,
	crash: { readonly index: number; readonly type: CrashType } | undefined,
): Promise<void> {
	const stopped = (): boolean => machine.io.crashed;
	await machine.prepare();
	if (crash) machine.faults = crashAt(crash.index, crash.type);
	const work = async (): Promise<void> => {
		const first = await machine.start();
		const put = (sizeBytes: number): Promise<void> =>
			upload(machine, first.store, oracle, prng, makeContent(prng, sizeBytes));
		await put(900);
		await Promise.all([put(30_000), put(2 * SEGMENT_BYTES + 700), put(5)]);
		await first.store.checkpoint();
		await Promise.all([put(45_000), put(20_000)]);
		const broken = first.store.files.beginUpload({ name: 'broken off', contentType: '' });
		await broken.write(makeContent(prng, SEGMENT_BYTES + 9).bytes);
		await broken.abort();
		await first.store.close();
		const second = await machine.start();
		await upload(machine, second.store, oracle, prng, makeContent(prng, 77));
	};
	try {
		await inTurns(work(), 'a life', stopped);
	} catch (error) {
		if (!machine.io.crashed) throw error;
	}
}
