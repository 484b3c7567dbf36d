/** What `perigee top` shows: two scrapes of a node and its health, as rates and sizes. Times in seconds, sizes in bytes, rates per second. */
import type { Static } from 'typebox';
import type { READINESS } from '../api/rest/schemas.js';
import { METRICS, type MetricKey } from '../metrics/metrics.js';
import { type Bucket, quantileOf, type Sample, type Samples } from './prometheus-text.js';

export interface NodeState {
	/** ISO 8601, UTC. */
	readonly time: string;
	readonly node: string;
	readonly version: string;
	readonly uptimeSeconds: number;
	readonly ready: boolean;
	readonly reasons: Static<typeof READINESS>['reasons'];
	readonly uploads: Traffic & { readonly failedPerSecond: number; readonly inProgress: number };
	readonly downloads: Traffic;
	readonly errorsPerSecond: number;
	readonly connections: number;
	/** What waits: segments for hashing, uploads for room in memory, writes for their group in the log. */
	readonly waiting: { readonly segments: number; readonly uploads: number; readonly writes: number };
	readonly disks: readonly { readonly volume: string; readonly freeBytes: number; readonly reserveBytes: number }[];
	readonly log: {
		readonly fileBytes: number;
		readonly deadBytes: number;
		readonly bytesPerSecond: number;
		readonly syncP99Seconds: number | null;
	};
	readonly scrub: { readonly running: boolean; readonly bytesPerSecond: number };
	readonly compaction: { readonly running: boolean; readonly bytesPerSecond: number };
	readonly damaged: { readonly segments: number; readonly stretches: number };
	readonly submissions: number;
	readonly process: {
		readonly residentBytes: number;
		/** Processor time a second: 1 is one core. */
		readonly cores: number;
		readonly eventLoopP99Seconds: number | null;
	};
}

interface Traffic {
	/** Of files that were stored or found here; of answers with content. */
	readonly perSecond: number;
	readonly bytesPerSecond: number;
	/** Of the requests that ended in between; null when there were none. */
	readonly p50Seconds: number | null;
	readonly p99Seconds: number | null;
}

export interface Scrape {
	readonly samples: Samples;
	readonly health: Static<typeof READINESS>;
	/** When it was made. */
	readonly atMs: number;
}

const isUpload = ({ route = '' }: Sample['labels']): boolean => /^\/v1\/(?:upload|tus)\b/.test(route);
const isDownload = ({ route = '' }: Sample['labels']): boolean =>
	/^\/v1\/(?:files\/\{root\}|submissions\/\{txSeq\})(?:\/path\/\{path\}|\/segments\/\{i\})?$/.test(route);

/** `node`: its address. `before` and `after`: two scrapes, the first of which may be of an earlier life of the node. */
export function nodeStateOf(node: string, before: Scrape, after: Scrape): NodeState {
	const seconds = Math.max((after.atMs - before.atMs) / 1000, 0.001);
	const { samples, health } = after;
	const now = (key: MetricKey): number => samples.sum(METRICS[key].name);
	const rate = (key: MetricKey, isRight?: (labels: Sample['labels']) => boolean): number => {
		const [earlier, later] = [before, after].map((scrape) => scrape.samples.sum(METRICS[key].name, isRight)) as [
			number,
			number,
		];
		// A counter that fell began anew.
		return rounded((later >= earlier ? later - earlier : later) / seconds);
	};
	const quantile = (key: MetricKey, q: number, isRight?: (labels: Sample['labels']) => boolean): number | null =>
		quantileBetween(before.samples, after.samples, `${METRICS[key].name}_bucket`, q, isRight);
	const traffic = (isRight: (labels: Sample['labels']) => boolean) => ({
		p50Seconds: quantile('httpSeconds', 0.5, isRight),
		p99Seconds: quantile('httpSeconds', 0.99, isRight),
	});
	const delay = samples.of(METRICS.eventLoopDelaySeconds.name).find(({ labels }) => labels['quantile'] === '0.99');
	return {
		time: new Date(after.atMs).toISOString(),
		node,
		version: samples.of(METRICS.buildInfo.name)[0]?.labels['version'] ?? '',
		uptimeSeconds: Math.max(0, Math.round(after.atMs / 1000 - now('startTimeSeconds'))),
		ready: health.ready,
		reasons: health.reasons,
		uploads: {
			perSecond: rate('uploads', ({ outcome }) => outcome !== 'failed'),
			failedPerSecond: rate('uploads', ({ outcome }) => outcome === 'failed'),
			bytesPerSecond: rate('uploadBytes'),
			inProgress: now('uploadsInProgress'),
			...traffic(isUpload),
		},
		downloads: {
			perSecond: rate(
				'httpRequests',
				(labels) => labels['method'] === 'GET' && isDownload(labels) && labels['status']?.startsWith('2') === true,
			),
			bytesPerSecond: rate('downloadBytes'),
			...traffic(isDownload),
		},
		errorsPerSecond: rate('errors'),
		connections: now('httpConnections'),
		waiting: { segments: now('hashQueueSegments'), uploads: now('slabWaiting'), writes: now('logWaitingWrites') },
		disks: samples.of(METRICS.diskFreeBytes.name).map(({ labels, value }) => ({
			volume: labels['volume'] ?? '',
			freeBytes: value,
			reserveBytes: samples.sum(METRICS.diskReserveBytes.name, ({ volume }) => volume === labels['volume']),
		})),
		log: {
			fileBytes: now('compactionFileBytes'),
			deadBytes: now('compactionDeadBytes'),
			bytesPerSecond: rate('logBytes'),
			syncP99Seconds: quantile('logSyncSeconds', 0.99),
		},
		scrub: { running: now('scrubRunning') > 0, bytesPerSecond: rate('scrubBytes') },
		compaction: { running: now('compactionRunning') > 0, bytesPerSecond: rate('compactionCopiedBytes') },
		damaged: { segments: now('damagedPlaces'), stretches: now('damagedStretches') },
		submissions: now('submissions'),
		process: {
			residentBytes: now('residentBytes'),
			cores: rate('cpuSeconds'),
			eventLoopP99Seconds: delay === undefined || !Number.isFinite(delay.value) ? null : rounded(delay.value),
		},
	};
}

/** A quantile of what a histogram saw between two scrapes. */
function quantileBetween(
	before: Samples,
	after: Samples,
	name: string,
	q: number,
	isRight: (labels: Sample['labels']) => boolean = () => true,
): number | null {
	const [earlier, later] = [countsOf(before, name, isRight), countsOf(after, name, isRight)];
	const isAnew = [...later].some(([bound, count]) => count < (earlier.get(bound) ?? 0));
	const buckets: Bucket[] = [...later]
		.map(([bound, count]) => ({ bound, count: isAnew ? count : count - (earlier.get(bound) ?? 0) }))
		.sort((left, right) => left.bound - right.bound);
	const value = quantileOf(buckets, q);
	return value === undefined ? null : rounded(value);
}

/** Counts by the upper bound of their bucket. */
function countsOf(samples: Samples, name: string, isRight: (labels: Sample['labels']) => boolean): Map<number, number> {
	const counts = new Map<number, number>();
	for (const { labels, value } of samples.of(name)) {
		if (!isRight(labels)) continue;
		const bound = labels['le'] === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels['le']);
		counts.set(bound, (counts.get(bound) ?? 0) + value);
	}
	return counts;
}

/** Four digits behind the point are enough. */
function rounded(value: number): number {
	return Math.round(value * 10_000) / 10_000;
}
