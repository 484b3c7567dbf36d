/** Connections that the system refuses (no file descriptors left) must not end the node, nor flood its log. */
import type { Server } from 'node:net';
import type { Logger } from 'pino';
import type { Clock } from '../io/clock.js';

/** How often they are logged. */
const LOG_MS = 10_000;

export function reportRefusedConnections(
	server: Server,
	{ clock, log }: { readonly clock: Clock; readonly log: Pick<Logger, 'warn'> },
): void {
	let quietUntilMs = 0;
	server.on('error', (error) => {
		// Before it listens, an error belongs to whoever called listen.
		if (!server.listening || clock.monotonicMs() < quietUntilMs) return;
		quietUntilMs = clock.monotonicMs() + LOG_MS;
		log.warn({ err: error }, 'connections cannot be accepted');
	});
}
