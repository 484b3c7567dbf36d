import { setImmediate as nextTurn } from 'node:timers/promises';

/** Everything simulated runs in microtasks, so what has not settled after so many turns of the event loop never will. */
const TURNS = 20_000;

/**
 * Waits for work on a simulated machine. Undefined when `stopped` turned true first (the machine lost its power): the rest of the work is
 * then left behind. Throws when the work hangs.
 */
export async function inTurns<T>(
	work: Promise<T>,
	what: string,
	stopped: () => boolean,
): Promise<{ readonly value: T } | undefined> {
	let outcome: { readonly value: T } | { readonly error: unknown } | undefined;
	work.then(
		(value) => {
			outcome = { value };
		},
		(error: unknown) => {
			outcome = { error };
		},
	);
	for (let turn = 0; turn < TURNS; turn++) {
		await nextTurn();
		if (stopped()) return undefined;
		if (!outcome) continue;
		if ('error' in outcome) throw outcome.error;
		return outcome;
	}
	throw new Error(`${what} hangs`);
}
