/** The listeners of a node: REST and administration, with who may use them and the TLS that they speak. */
import { startAdminServer } from '../api/admin/admin-server.js';
import { startHttpServer } from '../api/http-server.js';
import { isLoopback, parseListenAddress, parseListenPlace } from '../config/listen-address.js';
import type { HealingStore } from '../log-layer/healing-store.js';
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
	readonly refreshMetrics: () => void;
	/** In the order of building; closing goes backwards. */
	readonly closers: (() => Promise<void> | void)[];
}

/** Opens all listeners and answers where they are reached. Errors: CONFIG_INVALID when an address cannot be taken. */
export async function startListeners(
	doors: Doors,
	modules: ListenerModules,
): Promise<{ readonly http: string; readonly admin: string }> {
	const { config, healing, closers, log } = modules;
	const { graceMs } = config.shutdown;
	const shared = { ...modules, tls: doors.tls.pair };
	const listen = parseListenAddress(config.http);
	const http = await startHttpServer(
		{
			listen,
			version: modules.version,
			maxFileBytes: config.storage.maxFileBytes,
			idleTimeoutMs: config.upload.idleTimeoutMs,
			minBytesPerSecond: config.upload.minBytesPerSecond,
			corsOrigins: config.cors.origins,
			graceMs,
		},
		{ ...shared, store: healing.files, access: doors.access.http },
	);
	closers.push(() => http.close());
	const adminPlace = parseListenPlace(config.admin);
	const admin = await startAdminServer(
		{ listen: adminPlace, graceMs },
		{ ...shared, admin: healing, access: doors.access.admin },
	);
	closers.push(() => admin.close());
	const isAdminWide = !('socketPath' in adminPlace) && !isLoopback(adminPlace.host);
	if (doors.tls.pair === undefined && (!isLoopback(listen.host) || isAdminWide))
		log.warn('other machines reach this node without TLS: tokens and files can be read on their way');
	return { http: http.url, admin: admin.url };
}
