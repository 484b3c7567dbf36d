/** A process that serves the REST interface over a MemoryFileStore; prints its URL, ends on SIGTERM. */
import { startHttpServer } from '../../src/api/http-server.js';
import { systemClock } from '../../src/io/clock.js';
import { systemRandomness } from '../../src/io/randomness.js';
import { createMetrics } from '../../src/metrics/metrics.js';
import { MemoryFileStore } from './memory-file-store.js';
import { openAccess } from './open-access.js';

const store = new MemoryFileStore();
const server = await startHttpServer(
	{
		listen: { host: '127.0.0.1', port: 0 },
		version: '0.0.0',
		maxFileBytes: 2 ** 40,
		idleTimeoutMs: 60_000,
		minBytesPerSecond: 0,
		corsOrigins: [],
		graceMs: 10_000,
	},
	{
		store,
		metrics: createMetrics(),
		refreshMetrics() {},
		clock: systemClock,
		randomness: systemRandomness,
		access: openAccess(),
		log: { error() {}, warn() {} },
	},
);
process.stdout.write(`${server.url}\n`);
process.on('SIGTERM', () => void server.close());
