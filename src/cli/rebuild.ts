/** `perigee rebuild`: makes the view anew from the log files of a stopped node. */
import { type OutputOptions, printResult } from './output.js';
import { configOf } from './start.js';

export interface RebuildVerbOptions extends OutputOptions {
	readonly dataDir?: readonly string[];
	readonly config?: string;
}

export async function rebuild(options: RebuildVerbOptions): Promise<void> {
	const config = configOf(options);
	const { rebuildView } = await import('../node.js');
	const summary = await rebuildView(config);
	printResult(options, summary, `the view of ${config.dataDir} was rebuilt: ${JSON.stringify(summary)}`);
}
