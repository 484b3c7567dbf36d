/** Work on a store whose disk may be full. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Store } from '../../src/log-layer/store.js';

/** Waits for work, but not for room on a full disk, which may never come here. False: the view waits for room. */
export async function untilStalled(store: Store, work: Promise<unknown>): Promise<boolean> {
	let isOver = false;
	const done = work.finally(() => {
		isOver = true;
	});
	done.catch(() => undefined);
	while (!isOver) {
		if (store.files.health().some(({ message }) => message.includes('the index waits'))) return false;
		await nextTurn();
	}
	await done;
	return true;
}
