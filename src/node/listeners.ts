/** The listeners of a node: REST, gRPC and administration, with who may use them and the TLS that they speak. */
import { administrationAt, startAdminServer } from '../api/admin/admin-server.js';
import { startGrpcServer } from '../api/grpc/grpc-server.js';
import { startHttpServer } from '../api/http-server.js';
import { isLoopback, isSamePlace, parseListenAddress, parseListenPlace } from '../config/listen-address.js';
import type { HealingStore } from '../log-layer/healing-store.js';
import type { MiningControl } from '../pora/mining-status.js';
import { type FileModules, type NodeAccess, openAccess } from './access.js';
import { type NodeTls, openTls } from './tls.js';

/** Checked before anything is made: a start that is refused leaves nothing behind. */
export interface Doors {
	readonly access: NodeAccess;
	readonly tls: NodeTls;
	close(): void;
}

/** Errors: CONFIG_INVALID. */
export async function openDoors(modules: FileModules): Promise<Doors> {
	const access = await openAccess(modules);
	try {
		const tls = await openTls(modules);
		return {
			access,
			tls,
			close() {
				access.close();
				tls.close();
			},
		};
	} catch (error) {
		access.close();
		throw error;
	}
}

export interface ListenerModules extends FileModules {
	readonly version: string;
	readonly healing: HealingStore;
	readonly mining: MiningControl;
	readonly refreshMetrics: () => void;
	/** Stops the node, as SIGTERM does. */
	readonly shutdown: () => void;
	/** In the order of building; closing goes backwards. */
	readonly closers: (() => Promise<void> | void)[];
}

/** Opens all listeners and answers where they are reached. Errors: CONFIG_INVALID when an address cannot be taken. */
export async function startListeners(
	doors: Doors,
	modules: ListenerModules,
): Promise<{ readonly http: string; readonly admin: string; readonly grpc: string }> {
	const { config, healing, closers, log } = modules;
	const { graceMs } = config.shutdown;
	// One grace time for all of them.
	const servers: { close(): Promise<void> }[] = [];
	closers.push(async () => void (await Promise.all(servers.map((server) => server.close()))));
	const bounds = {
		maxFileBytes: config.storage.maxFileBytes,
		idleTimeoutMs: config.upload.idleTimeoutMs,
		minBytesPerSecond: config.upload.minBytesPerSecond,
		graceMs,
	};
	const shared = { ...modules, tls: doors.tls.pair, store: healing.files, admin: healing };
	const listen = parseListenAddress(config.http);
	const adminPlace = parseListenPlace(config.admin);
	const isOneServer = isSamePlace(listen, adminPlace);
	const http = await startHttpServer(
		{
			listen,
			version: modules.version,
			...bounds,
			publicUrl: config.api.publicUrl,
			corsOrigins: config.cors.origins,
			...(isOneServer ? { administration: administrationAt(listen, { ...shared, access: doors.access.http }) } : {}),
		},
		{ ...shared, access: doors.access.http },
	);
	servers.push(http);
	let admin = http;
	if (!isOneServer) {
		admin = await startAdminServer({ listen: adminPlace, ...bounds }, { ...shared, access: doors.access.admin });
		servers.push(admin);
	}
	const calls = parseListenAddress(config.grpc);
	const grpc = await startGrpcServer(
		{ ...bounds, listen: calls },
		{ ...modules, store: healing.files, access: doors.access.grpc },
	);
	servers.push(grpc);
	const isAdminWide = !('socketPath' in adminPlace) && !isLoopback(adminPlace.host);
	if (!isLoopback(calls.host) || (doors.tls.pair === undefined && (!isLoopback(listen.host) || isAdminWide)))
		log.warn('other machines reach this node without TLS: tokens and files can be read on their way');
	return { http: http.url, admin: admin.url, grpc: grpc.target };
}
