// Sets a checkout up: packages, native addon, TypeScript. Uses Node built-ins only, for nothing else is there yet.
// What is current is skipped; what counts as current is written in build/state.mjs.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BuildLock } from './build/lock.mjs';
import { BuildFailure, buildDirectory } from './build/common.mjs';
import { BuildState } from './build/state.mjs';
import { steps } from './build/steps.mjs';
import { checkNode, checkTools } from './build/tools.mjs';

/** Brings every step up to date. Says what is missing and ends the process with code 1 when it cannot. */
export async function bootstrap() {
	try {
		checkNode();
		const state = BuildState.load();
		const stale = steps.filter((step) => !state.isCurrent(step));
		if (stale.length === 0) return;
		checkTools([...new Set(stale.flatMap((step) => step.tools))]);
		await buildStale();
	} catch (error) {
		if (!(error instanceof BuildFailure)) throw error;
		for (const line of error.lines) console.error(`perigee: ${line}`);
		process.exit(1);
	}
}

async function buildStale() {
	const lock = await BuildLock.take(join(buildDirectory, 'lock'));
	try {
		// Loaded again: whoever held the lock before may have built what was stale.
		const state = BuildState.load();
		for (const step of steps) {
			if (!state.isCurrent(step)) await state.build(step);
		}
	} finally {
		lock.release();
	}
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bootstrap();
