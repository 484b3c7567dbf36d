/** Progress bars, on a terminal only. */
import type { OutputOptions } from './output.js';

/** A bar or nothing; calls are cheap either way. */
export interface Progress {
	readonly add: (bytes: number) => void;
	readonly stop: () => void;
}

const NO_PROGRESS: Progress = { add() {}, stop() {} };
const MIB = 2 ** 20;

/** Begins a bar over `totalBytes` (undefined when unknown, and then nothing is shown). Nothing is shown when standard error is no terminal. */
export async function startProgress(
	options: OutputOptions,
	label: string,
	totalBytes: number | undefined,
): Promise<Progress> {
	if (options.json === true || options.quiet === true || !process.stderr.isTTY || !totalBytes) {
		return NO_PROGRESS;
	}
	const { default: cliProgress } = await import('cli-progress');
	const bar = new cliProgress.SingleBar({
		format: '{label} {bar} {percentage}% {value}/{total} MiB, {rate} MiB/s, {eta_formatted} left',
		clearOnComplete: true,
		hideCursor: true,
		stream: process.stderr,
		stopOnComplete: false,
		fps: 10,
		autopadding: true,
	});
	bar.start(Math.ceil(totalBytes / MIB), 0, { label, rate: '0.0' });
	let done = 0;
	const startMs = performance.now();
	return {
		add(bytes) {
			done += bytes;
			const seconds = Math.max(performance.now() - startMs, 1) / 1000;
			bar.update(Math.floor(done / MIB), { rate: (done / MIB / seconds).toFixed(1) });
		},
		stop: () => bar.stop(),
	};
}
