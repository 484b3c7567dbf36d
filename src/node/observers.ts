/** What background work tells: metrics and lines of the log. */
import type { Lane } from '../append-log/types.js';
import type { Logger } from 'pino';
import type { HealingObserver } from '../log-layer/healing-store.js';
import type { ScrubObserver } from '../log-layer/scrub.js';
import type { Metrics } from '../metrics/metrics.js';

export function healingObserver(metrics: Metrics, log: Logger): HealingObserver {
	return {
		healing: () => log.error('the index is damaged: it is rebuilt from the log now, and nothing is served until then'),
		healed(seconds) {
			metrics.logFailed.set(0);
			log.info({ seconds }, 'the index was rebuilt');
		},
		failed: (error) => log.error({ err: error }, 'rebuilding the index failed; it is tried again'),
	};
}

export function scrubObserver(metrics: Metrics, log: Logger): ScrubObserver {
	return {
		checked(bytes, segments) {
			metrics.scrubBytes.inc(bytes);
			metrics.scrubSegments.inc(segments);
		},
		began: () => log.info('a pass of the scrub begins'),
		ended(status) {
			metrics.scrubPasses.inc();
			log.info({ last: status.last }, 'a pass of the scrub has ended');
		},
		failed: (error) => log.warn({ err: error }, 'the scrub stands still; it goes on by itself'),
		notSaved: (error) => log.warn({ err: error }, 'the state of the scrub could not be read or written'),
	};
}

/** The metrics of each lane, looked up once: a group has six of them. */
export function laneMeters(metrics: Metrics) {
	const metersOf = (lane: Lane) => ({
		commits: metrics.logCommits.labels(lane),
		records: metrics.logRecords.labels(lane),
		bytes: metrics.logBytes.labels(lane),
		groupRecords: metrics.logGroupRecords.labels(lane),
		syncSeconds: metrics.logSyncSeconds.labels(lane),
		unsyncedBytes: metrics.logUnsyncedBytes.labels(lane),
	});
	return { small: metersOf('small'), bulk: metersOf('bulk'), sealed: metersOf('sealed'), journal: metersOf('journal') };
}
