/** `perigee rebuild`: makes the view anew from the log files of a stopped node. */
import { type OutputOptions, printResult } from './output.js';
import { type Progress, startProgress } from './progress.js';
import type { RebuildSummary } from '../node/rebuild-summary.js';
import { configOf } from './start.js';

export interface RebuildVerbOptions extends OutputOptions {
	readonly dataDir?: readonly string[];
	readonly config?: string;
	readonly giveUpLost?: boolean;
}

export async function rebuild(options: RebuildVerbOptions): Promise<void> {
	const config = configOf(options);
	const { rebuildView } = await import('../node.js');
	const bar = startReplayBar(options);
	let summary: RebuildSummary;
	try {
		summary = await rebuildView(config, (progress) => bar.show(progress), options.giveUpLost);
	} finally {
		await bar.stop();
	}
	printResult(options, summary, `the view of ${config.dataDir} was rebuilt: ${JSON.stringify(summary)}`);
}

/** A bar that begins with the first word of how much there is to read. */
function startReplayBar(options: OutputOptions) {
	let bar: Promise<Progress> | undefined;
	let shownBytes = 0;
	return {
		show({ doneBytes, totalBytes }: { readonly doneBytes: number; readonly totalBytes: number }): void {
			bar ??= startProgress(options, 'rebuild', totalBytes);
			void bar.then((progress) => {
				progress.add(doneBytes - shownBytes);
				shownBytes = doneBytes;
			});
		},
		async stop(): Promise<void> {
			(await bar)?.stop();
		},
	};
}
