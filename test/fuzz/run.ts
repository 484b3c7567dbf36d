/** Targets with many inputs, in this process. */
import fc from 'fast-check';
import type { FuzzTarget } from './inputs.js';

/** Throws a report with the input if one of `runs` inputs is a finding. The same seed tries the same inputs. */
export function tryTarget({ property }: FuzzTarget, runs: number, seed: number): void {
	const any = property as fc.IProperty<unknown>;
	const { failed, counterexamplePath } = withoutStacks(() => fc.check(any, { numRuns: runs, seed }));
	// Once more, so that the report says where.
	if (failed) fc.assert(any, { seed, path: counterexamplePath ?? '' });
}

/** Most inputs are refused, and half of the time would go into noting where. */
function withoutStacks<T>(run: () => T): T {
	const before = Error.stackTraceLimit;
	Error.stackTraceLimit = 0;
	try {
		return run();
	} finally {
		Error.stackTraceLimit = before;
	}
}

export interface FuzzOutcome {
	/** How many inputs each target met, by name. */
	readonly inputs: Record<string, number>;
	/** Most memory that any of it took. */
	readonly mostBytes: number;
}

/** Each target with `runs` inputs. Throws at a finding, and when the signal aborts. */
export async function tryTargets(
	targets: readonly FuzzTarget[],
	runs: number,
	seed: number,
	signal: AbortSignal,
): Promise<FuzzOutcome> {
	const inputs: Record<string, number> = {};
	for (const target of targets) {
		signal.throwIfAborted();
		try {
			tryTarget(target, runs, seed);
		} catch (error) {
			throw new Error(`${target.name}: ${String(error)}`, { cause: error });
		}
		inputs[target.name] = runs;
		// Signals and what else waits get their turn.
		await new Promise((resolve) => setImmediate(resolve));
	}
	return { inputs, mostBytes: process.resourceUsage().maxRSS * 1024 };
}
