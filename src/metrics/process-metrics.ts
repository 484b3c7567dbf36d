/** What the process itself tells: memory, processor time and the delay of its event loop. Read at each scrape. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Metrics } from './metrics.js';

const QUANTILES = [50, 90, 99, 100] as const;
/** Resolution of the delay's histogram: how often the loop is probed. */
const PROBE_MS = 20;

export interface ProcessMetrics {
	/** Reads the process; call it before the registry is rendered. */
	refresh(): void;
	stop(): void;
}

/** Begins to watch the event loop. `stop` ends it. */
export function watchProcess(metrics: Metrics): ProcessMetrics {
	const delay = monitorEventLoopDelay({ resolution: PROBE_MS });
	delay.enable();
	let cpu = { user: 0, system: 0 };
	metrics.startTimeSeconds.set((Date.now() - process.uptime() * 1000) / 1000);
	return {
		refresh() {
			const memory = process.memoryUsage();
			metrics.residentBytes.set(memory.rss);
			metrics.heapBytes.set(memory.heapUsed);
			metrics.externalBytes.set(memory.external);
			const now = process.cpuUsage();
			metrics.cpuSeconds.inc({ kind: 'user' }, (now.user - cpu.user) / 1e6);
			metrics.cpuSeconds.inc({ kind: 'system' }, (now.system - cpu.system) / 1e6);
			cpu = now;
			for (const quantile of QUANTILES) {
				// The histogram holds the probe's own interval, and NaN or 0 before its first probe.
				const seconds = Math.max(0, delay.percentile(quantile) / 1e9 - PROBE_MS / 1e3);
				metrics.eventLoopDelaySeconds.set({ quantile: String(quantile / 100) }, Number.isFinite(seconds) ? seconds : 0);
			}
			delay.reset();
		},
		stop() {
			delay.disable();
		},
	};
}
