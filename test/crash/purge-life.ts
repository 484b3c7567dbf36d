/**
 * The one moment at which an object's last rows may go too early: its deletion lies before the checkpoint, the removal of its other rows behind
 * it, and the power fails. Random lives come there once in hundreds of seeds; this one always does.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { LIMITS } from '../../src/limits.js';
import { Purge } from '../../src/log-layer/purge.js';
import { SEGMENT_BYTES } from '../../src/units.js';
import { Prng } from '../support/prng.js';
import { makeContent, Oracle } from './oracle.js';
import { SimulatedMachine } from './simulated-machine.js';
import { verifyStore } from './verify.js';
import { removeFile, upload } from './workload.js';

/** More than a batch of the view takes in memory. */
const TURNS = 20;

/** Throws at a broken promise. Which batches of the view the power cut takes follows from the seed. */
export async function runPurgeSeed(seed: number): Promise<void> {
	const machine = new SimulatedMachine({ seed });
	const oracle = new Oracle();
	const prng = new Prng(seed);
	await machine.prepare();
	const { store } = await machine.start();
	const content = makeContent(prng, 3 * SEGMENT_BYTES + 700);
	await upload(machine, store, oracle, prng, content);
	const { wake } = Purge.prototype;
	Purge.prototype.wake = () => undefined;
	try {
		await removeFile(machine, store, oracle, content);
		await store.checkpoint();
	} finally {
		Purge.prototype.wake = wake;
	}
	machine.clock.advance(LIMITS.expiryIntervalMs);
	await store.settle();
	// Rows follow into the engine by themselves, also those that should wait for a checkpoint.
	for (let turn = 0; turn < TURNS; turn++) await nextTurn();
	machine.powerCut();
	await verifyStore(machine, await machine.start(), oracle);
}
