/** `perigee bench`: the measurements of bench/, in their quick form. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CliError } from './exit-codes.js';
import type { OutputOptions } from './output.js';

export interface BenchVerbOptions extends OutputOptions {
	/** All measurements at full length. */
	readonly full?: boolean;
	/** Names of measurements; all when absent. */
	readonly only?: readonly string[];
}

/** Runs the measurements in a process of their own and takes over its exit code. */
export async function bench(options: BenchVerbOptions): Promise<void> {
	const script = fileURLToPath(new URL('../../bench/run.js', import.meta.url));
	if (!existsSync(script)) {
		throw new CliError('failure', 'the measurements are not part of this installation', {
			hint: 'Run it in a checkout.',
		});
	}
	const flags = [
		...(options.full === true ? [] : ['--quick']),
		...(options.json === true ? ['--json'] : []),
		...(options.only ?? []).flatMap((row) => ['--only', row]),
	];
	const child = spawn(process.execPath, [script, ...flags], { stdio: 'inherit' });
	const code = await new Promise<number | null>((resolve, reject) => {
		child.once('error', reject);
		child.once('exit', resolve);
	});
	if (code !== 0) throw new CliError('failure', `the measurements ended with code ${code ?? 'none'}`);
}
