/**
 * The hashing worker with faults that the content of a slot asks for: the first word of its bytes says what happens before the
 * native call.
 */
import { workerData } from 'node:worker_threads';
import { type HashWorkerData, regionViews, unpackTask } from '../../src/native/hash-task.js';
import { hashTask as realTask } from '../../src/native/hash-worker.js';
import { SEGMENT_BYTES } from '../../src/units.js';
import { DIE, DIE_ONCE, HOLD, NO_START } from './hash-faults.js';

const { slabs } = workerData as HashWorkerData;
if (new Int32Array(slabs.buffer, slabs.byteOffset + slabs.length - SEGMENT_BYTES)[0] === NO_START)
	throw new Error('told not to start');

export function hashTask(task: number): string | undefined {
	const { regions } = workerData as HashWorkerData;
	const { region, count } = unpackTask(task);
	for (const slot of regionViews(regions)[region]?.slots.subarray(0, count) ?? []) {
		const words = new Int32Array(slabs.buffer, slabs.byteOffset + slot * SEGMENT_BYTES, 3);
		if (words[0] === DIE_ONCE) words[0] = 0;
		else if (words[0] === HOLD) {
			Atomics.store(words, 1, 1);
			Atomics.notify(words, 1);
			Atomics.wait(words, 2, 0);
			continue;
		} else if (words[0] !== DIE) continue;
		process.exit(7);
	}
	return realTask(task);
}
