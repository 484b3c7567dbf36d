/** The admin listener: what an operator may do and nobody else. It asks for no password and keeps to the loopback address unless told otherwise. */
import type { ListenAddress } from '../../config/listen-address.js';
import type { StoreAdmin } from '../../log-layer/types.js';
import { serve, type HttpServer, type ServerModules } from '../http-server.js';
import { ADMIN_LISTENER, type AdminContext } from './endpoints.js';
import { guardAdmin } from './guard.js';

export interface AdminServerModules extends ServerModules {
	readonly admin: StoreAdmin;
}

/** Errors: CONFIG_INVALID when the address cannot be taken. */
export async function startAdminServer(
	{ listen, graceMs }: { readonly listen: ListenAddress; readonly graceMs: number },
	modules: AdminServerModules,
): Promise<HttpServer> {
	const context: AdminContext = { ...modules, answering: new WeakMap(), guard: guardAdmin(listen.host) };
	return serve({ listen, flag: '--admin', graceMs }, modules, context, ADMIN_LISTENER);
}
