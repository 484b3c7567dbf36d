/** The gRPC listener: it takes connections from the start, and loads the library that serves them with the first one. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { type ListenAddress, urlOfAddress } from '../../config/listen-address.js';
import { LIMITS } from '../../limits.js';
import type { FileStore } from '../../log-layer/types.js';
import type { Access } from '../auth/access.js';
import { addressError } from '../free-address.js';
import type { ServerModules } from '../http-server.js';
import { reportRefusedConnections } from '../refused-connections.js';
import type { GrpcService } from './grpc-service.js';

export interface GrpcServerOptions {
	readonly listen: ListenAddress;
	/** storage.maxFileBytes */
	readonly maxFileBytes: number;
	/** upload.idleTimeoutMs */
	readonly idleTimeoutMs: number;
	/** upload.minBytesPerSecond */
	readonly minBytesPerSecond: number;
	/** shutdown.graceMs */
	readonly graceMs: number;
}

export interface GrpcServerModules extends ServerModules {
	readonly store: FileStore;
	/** Who may do what. */
	readonly access: Access;
}

export interface GrpcServer {
	/** `host:port`, as clients of gRPC take it, with the port that was really taken. */
	readonly target: string;
	/** Stops accepting, lets running calls finish for the grace time, then cuts them. */
	close(): Promise<void>;
}

/** Errors: CONFIG_INVALID when the address cannot be taken. */
export async function startGrpcServer(options: GrpcServerOptions, modules: GrpcServerModules): Promise<GrpcServer> {
	const { listen } = options;
	const connections = new Set<Socket>();
	const load = (): Promise<GrpcService> =>
		import('./grpc-service.js').then(({ buildGrpcService }) => buildGrpcService(options, modules));
	let loading: Promise<GrpcService> | undefined;
	let isClosing = false;
	const server = createServer({ noDelay: true }, (socket) => {
		track(socket, connections, modules);
		loading ??= load();
		loading.then(
			(service) => {
				if (!socket.destroyed && !isClosing) service.accept(socket);
				else socket.destroy();
			},
			(error: unknown) => {
				modules.log.error({ err: error }, 'gRPC cannot be served');
				socket.destroy();
				// The next connection tries again.
				loading = undefined;
			},
		);
	});
	server.maxConnections = LIMITS.grpcConnections;
	reportRefusedConnections(server, modules);
	try {
		server.listen(listen);
		await once(server, 'listening');
	} catch (error) {
		throw addressError(listen, 'grpc', error);
	}
	const { port } = server.address() as AddressInfo;
	return {
		target: urlOfAddress({ host: listen.host, port }).slice('http://'.length),
		async close() {
			isClosing = true;
			const closed = closeListener(server);
			const service = await loading?.catch(() => undefined);
			const cut = (): void => {
				for (const socket of connections) socket.destroy();
			};
			if (service) {
				const cancelDeadline = modules.clock.schedule(options.graceMs, cut);
				await service.close();
				cancelDeadline();
			}
			cut();
			await closed;
		},
	};
}

function track(socket: Socket, connections: Set<Socket>, { metrics }: ServerModules): void {
	connections.add(socket);
	metrics.grpcConnections.inc();
	// A connection that breaks ends its calls; there is nobody else to tell.
	socket.on('error', () => socket.destroy());
	socket.once('close', () => {
		connections.delete(socket);
		metrics.grpcConnections.dec();
	});
}

function closeListener(server: Server): Promise<void> {
	return new Promise((resolve) => server.close(() => resolve()));
}
