/** grpc.health.v1.Health: the node is serving while its store is ready, as /health/ready says over HTTP. */
import type { Server } from '@grpc/grpc-js';
import type { EventEmitter } from 'node:events';
import { HealthImplementation } from 'grpc-health-check';
import type { Clock } from '../../io/clock.js';
import { LIMITS } from '../../limits.js';
import type { FileStore } from '../../log-layer/types.js';
import { FILES_SERVICE } from './proto.js';

type Handlers = Parameters<Server['addService']>[1];

export interface Health {
	/** Ends the look for changes. Watchers are told that nothing is served any more. */
	close(): void;
}

export function addHealth(server: Server, store: Pick<FileStore, 'health'>, clock: Clock): Health {
	let isClosing = false;
	let told: 'SERVING' | 'NOT_SERVING' | undefined;
	const health = new HealthImplementation({});
	const refresh = (): void => {
		const isReady = !isClosing && store.health().every(({ ready }) => ready);
		const state = isReady ? 'SERVING' : 'NOT_SERVING';
		if (state === told) return;
		told = state;
		health.setStatus('', state);
		health.setStatus(FILES_SERVICE, state);
	};
	let watchers = 0;
	let cancelLook: (() => void) | undefined;
	/** Changes are looked for only while somebody watches; who asks once gets the state of that moment. */
	const look = (): void => {
		refresh();
		cancelLook = watchers > 0 && !isClosing ? clock.schedule(LIMITS.grpcHealthLookMs, look) : undefined;
	};
	const watched = (call: EventEmitter): void => {
		watchers++;
		call.once('cancelled', () => watchers--);
		if (!cancelLook) look();
	};
	health.addToServer({
		addService(definition, handlers) {
			const fresh = Object.entries(handlers).map(([name, handle]) => [
				name,
				(call: EventEmitter, ...rest: unknown[]) => {
					refresh();
					if (name === 'watch') watched(call);
					(handle as (...args: unknown[]) => void)(call, ...rest);
				},
			]);
			server.addService(definition, Object.fromEntries(fresh) as Handlers);
		},
	});
	return {
		close() {
			isClosing = true;
			cancelLook?.();
			refresh();
		},
	};
}
