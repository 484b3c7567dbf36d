/** The targets of native/tests/fuzz, in a process of cargo. */
import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';
import type { FuzzOutcome } from './run.js';

const KIB = 1024;

/** Each native target with `runs` inputs. Throws at a finding, with what cargo says, and when the signal aborts. */
export async function tryNativeTargets(runs: number, seed: number, signal: AbortSignal): Promise<FuzzOutcome> {
	// The target and profile of `npm test`, so that nothing is compiled twice.
	const host = /^host: (.+)$/m.exec(execFileSync('rustc', ['-vV'], { encoding: 'utf8' }))?.[1] ?? '';
	const cargo = ['test', '--quiet', '--release', '--no-default-features', '--target', host];
	const env = { ...process.env, PERIGEE_FUZZ_RUNS: String(runs), PERIGEE_FUZZ_SEED: String(seed) };
	const args = [...cargo, 'fuzz::', '--', '--test-threads=1', '--show-output'];
	const run = promisify(execFile)('cargo', args, { env, signal });
	const { stdout } = await run.catch((error: unknown) => {
		// What failed is told there.
		const told = error instanceof Error && 'stdout' in error ? String(error.stdout) : '';
		throw new Error(told || String(error), { cause: error });
	});
	const lines = [...stdout.matchAll(/^(.+): (\d+) inputs from seed .*?(?: VmHWM: *(\d+) kB)?$/gm)];
	if (lines.length === 0) throw new Error(`no target ran:\n${stdout}`);
	return {
		inputs: Object.fromEntries(lines.map((line) => [line[1] ?? '', Number(line[2])])),
		mostBytes: Math.max(...lines.map((line) => Number(line[3] ?? 0) * KIB)),
	};
}
