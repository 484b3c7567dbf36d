/**
 * The one moment at which a log file may go too early: the checkpoint knows content that nobody named, the fact that gave it up lies behind
 * the checkpoint, compaction has taken both away, and the power fails. Without a checkpoint in between the view still leads into the file that
 * is gone, and whoever sends the content again makes the store report damage that nobody did.
 */
import { Prng } from '../support/prng.js';
import { makeContent, Oracle } from './oracle.js';
import { SimulatedMachine } from './simulated-machine.js';
import { verifyStore } from './verify.js';
import { Violation } from './violation.js';
import { compact, upload } from './workload.js';

const LONG_MS = 2 ** 40;

/** Throws at a broken promise. Which batches of the view the power cut takes follows from the seed. */
export async function runCompactionSeed(seed: number): Promise<void> {
	const machine = new SimulatedMachine({ seed });
	const oracle = new Oracle();
	const prng = new Prng(seed);
	await machine.prepare();
	const { store } = await machine.start();
	const content = makeContent(prng, 5000);
	store.settlement.submit = () => Promise.reject(new Error('no submission'));
	await upload(machine, store, oracle, prng, content).catch(() => undefined);
	await store.log.flush();
	await store.checkpoint();
	await store.settle();
	await compact(machine, store, true);
	machine.powerCut();
	// The content comes before it could be given up once more.
	machine.uploadExpiryMs = LONG_MS;
	const process = await machine.start();
	await upload(machine, process.store, oracle, prng, content);
	if (process.told.found > 0) throw new Violation('content that was given up is called damaged when it comes again');
	await verifyStore(machine, process, oracle);
}
