/** The admin listener: what an operator may do and nobody else. It keeps to the loopback address or a Unix socket, or asks for tokens. */
import type { ListenAddress, ListenPlace } from '../../config/listen-address.js';
import type { StoreAdmin } from '../../log-layer/types.js';
import { serve, type HttpServer, type ServerModules } from '../http-server.js';
import type { Endpoint } from '../rest/endpoint.js';
import { ADMIN_LISTENER, type AdminContext } from './endpoints.js';
import { guardAdmin } from './guard.js';

export interface AdminServerModules extends ServerModules {
	readonly admin: StoreAdmin;
}

/** Errors: CONFIG_INVALID when the address cannot be taken. */
export async function startAdminServer(
	{ listen, graceMs }: { readonly listen: ListenPlace; readonly graceMs: number },
	modules: AdminServerModules,
): Promise<HttpServer> {
	const guard = guardAdmin('socketPath' in listen ? 'localhost' : listen.host);
	const context: AdminContext = { ...modules, answering: new WeakMap(), allowances: new WeakMap(), guard };
	return serve({ listen, setting: 'admin', graceMs }, modules, context, ADMIN_LISTENER);
}

/** The same calls for the public listener, where both have one address. */
export function adminEndpoints({ host }: ListenAddress, admin: StoreAdmin): readonly Endpoint[] {
	const guard = guardAdmin(host);
	return ADMIN_LISTENER.map(({ definition, handle }) => ({
		definition,
		guard,
		// The guard refuses bodies, in its own words.
		anyBody: true,
		handle: (context, request, response) => handle({ ...context, admin }, request, response),
	}));
}
