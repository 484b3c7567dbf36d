/** Progress bars, on a terminal only. */
import type { OutputOptions } from './output.js';

/** A bar or nothing; calls are cheap either way. */
export interface Progress {
	add(bytes: number): void;
	stop(): void;
}

const NO_PROGRESS: Progress = { add() {}, stop() {} };
const MIB = 2 ** 20;

/** Begins a bar over `totalBytes` (undefined when unknown). Nothing is shown when standard error is no terminal. */
export async function startProgress(
	options: OutputOptions,
	label: string,
	totalBytes: number | undefined,
): Promise<Progress> {
	if (options.json === true || options.quiet === true || !process.stderr.isTTY || totalBytes === undefined) {
		return NO_PROGRESS;
	}
	const { default: cliProgress } = await import('cli-progress');
	const bar = new cliProgress.SingleBar({
		format: '{label} {bar} {percentage}% {value}/{total} MiB, {eta_formatted} left',
		clearOnComplete: true,
		hideCursor: true,
		stream: process.stderr,
		stopOnComplete: false,
		fps: 10,
		autopadding: true,
	});
	bar.start(Math.ceil(totalBytes / MIB), 0, { label });
	let done = 0;
	return {
		add(bytes) {
			done += bytes;
			bar.update(Math.floor(done / MIB));
		},
		stop: () => bar.stop(),
	};
}
