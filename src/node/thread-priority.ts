/**
 * The main thread serves sockets and decides; every other thread of the process (hashing, files, the index, collections of garbage) does a piece
 * of work that may wait for a moment. With as many busy threads as processors the system would share them out evenly, and a thread that
 * wakes up would push the main thread aside: a third of a large upload it would wait for a processor.
 */
import { readdirSync } from 'node:fs';
import { constants, getPriority, setPriority } from 'node:os';

/** How much less the others count than the main thread, in steps of `nice`: a third of its share where both want a processor. */
const STEPS = 5;

/**
 * Lowers the priority of all threads that there are now but the main one. Never raises any, so that it needs no rights. Linux only: elsewhere a
 * priority belongs to a whole process.
 */
export function favourMainThread(): void {
	if (process.platform !== 'linux') return;
	const lower = Math.min(constants.priority.PRIORITY_LOW, getPriority(process.pid) + STEPS);
	for (const thread of readdirSync('/proc/self/task').map(Number)) {
		if (thread === process.pid) continue;
		try {
			// Linux takes the number of a thread where others take that of a process.
			setPriority(thread, lower);
		} catch {
			// It has ended meanwhile, or it is lower already.
		}
	}
}
