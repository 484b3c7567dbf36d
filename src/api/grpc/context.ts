/** What the calls of gRPC share. Everything is passed in; nothing is global. */
import type { Logger } from 'pino';
import type { Clock } from '../../io/clock.js';
import type { FileStore } from '../../log-layer/types.js';
import type { Metrics } from '../../metrics/metrics.js';
import type { UploadWatch } from '../rest/upload-watch.js';
import type { Calls } from './calls.js';

export interface GrpcContext {
	readonly store: FileStore;
	readonly metrics: Metrics;
	readonly clock: Clock;
	readonly log: Pick<Logger, 'error' | 'warn'>;
	readonly maxFileBytes: number;
	/** Ends uploads of which nothing arrives. */
	readonly uploads: UploadWatch;
	/** Ends downloads of which nothing is taken. */
	readonly downloads: UploadWatch;
	readonly calls: Calls;
}
