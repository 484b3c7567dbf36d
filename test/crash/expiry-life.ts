/**
 * The moment at which an object may be given up too early: its upload is half done when the store looks for objects that nobody continues.
 * Random lives come there once in hundreds of seeds; this one always does.
 */
import { LIMITS } from '../../src/limits.js';
import { SEGMENT_BYTES } from '../../src/units.js';
import { Prng } from '../support/prng.js';
import { makeContent, Oracle } from './oracle.js';
import { SimulatedMachine } from './simulated-machine.js';
import { checkFile } from './verify.js';
import { upload } from './workload.js';

const WRITE_BYTES = 65_536;

/** Throws at a broken promise. */
export async function runExpirySeed(seed: number): Promise<void> {
	const machine = new SimulatedMachine({ seed });
	const prng = new Prng(seed);
	await machine.prepare();
	const { store } = await machine.start();
	const content = makeContent(prng, 20 * SEGMENT_BYTES + 700);
	const { bytes, root } = content;
	const session = store.files.beginUpload({ name: 'slow', contentType: '' });
	const write = async (from: number, to: number): Promise<void> => {
		for (let at = from; at < to; at += WRITE_BYTES)
			await session.write(bytes.subarray(at, Math.min(at + WRITE_BYTES, to)));
	};
	await write(0, 18 * SEGMENT_BYTES);
	// Another one is answered meanwhile: what the slow one has sent so far is durable and in the view, too.
	await upload(machine, store, new Oracle(), prng, makeContent(prng, 2 * SEGMENT_BYTES));
	machine.clock.advance(LIMITS.expiryIntervalMs);
	await store.settle();
	await write(18 * SEGMENT_BYTES, bytes.length);
	await session.finish();
	await checkFile(store, await store.files.fileByRoot(root), content);
}
