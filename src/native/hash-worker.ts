/** What a hashing worker runs: one synchronous native call a task. */
import { constants, getPriority, setPriority } from 'node:os';
import { workerData } from 'node:worker_threads';
import { hashSegments } from './addon.js';
import { type HashWorkerData, regionViews, unpackTask } from './hash-task.js';

const { slabs, regions } = workerData as HashWorkerData;
const views = regionViews(regions);

/** How far hashing stands behind the main thread, in steps of `nice`. */
const STEPS_BEHIND = 10;

// Only on Linux does a thread have a priority of its own. It is lowered, which needs no rights.
if (process.platform === 'linux') setPriority(Math.min(constants.priority.PRIORITY_LOW, getPriority() + STEPS_BEHIND));

/** Answers undefined, or why the native call refused. What is thrown here would count as the death of the worker. */
export function hashTask(task: number): string | undefined {
	const { region, count } = unpackTask(task);
	const view = views[region];
	if (view === undefined) return `no region ${region}`;
	const startMs = performance.now();
	try {
		const { slots, lengths, leaves, roots, crcs } = view;
		if (count > 0) {
			hashSegments(slabs, slots.subarray(0, count), lengths.subarray(0, count), leaves.subarray(0, count), roots, crcs);
		}
	} catch (error) {
		return error instanceof Error ? error.message : String(error);
	}
	view.runMicros[0] = (performance.now() - startMs) * 1000;
	return undefined;
}
