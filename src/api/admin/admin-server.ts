/** The admin listener: what an operator may do and nobody else. It keeps to the loopback address or a Unix socket, or asks for tokens. */
import type { IncomingMessage } from 'node:http';
import type { ListenAddress, ListenPlace } from '../../config/listen-address.js';
import { LIMITS } from '../../limits.js';
import type { StoreAdmin } from '../../log-layer/types.js';
import type { Access } from '../auth/access.js';
import { serve, type HttpServer, type ServerModules } from '../http-server.js';
import { isLocal } from '../rest/admission.js';
import type { Endpoint } from '../rest/endpoint.js';
import { UploadWatch } from '../rest/upload-watch.js';
import { CallBodies } from '../rpc/call-bodies.js';
import { rpcEndpoint } from '../rpc/endpoint.js';
import type { RpcFamily } from '../rpc/method.js';
import { ADMIN_LISTENER, type AdminContext } from './endpoints.js';
import { guardAdmin, guardBodiless } from './guard.js';
import { adminFamily, type AdminRpcModules } from './rpc-family.js';

export interface AdminServerOptions {
	readonly listen: ListenPlace;
	/** upload.idleTimeoutMs */
	readonly idleTimeoutMs: number;
	/** upload.minBytesPerSecond */
	readonly minBytesPerSecond: number;
	/** shutdown.graceMs */
	readonly graceMs: number;
}

export interface AdminModules extends AdminRpcModules {
	readonly admin: StoreAdmin;
}

/** Errors: CONFIG_INVALID when the address cannot be taken. */
export async function startAdminServer(
	{ listen, idleTimeoutMs, minBytesPerSecond, graceMs }: AdminServerOptions,
	modules: AdminModules & ServerModules,
): Promise<HttpServer> {
	const host = 'socketPath' in listen ? 'localhost' : listen.host;
	const { admin, mining, metrics, clock, log, access } = modules;
	const context: AdminContext = {
		admin,
		mining,
		metrics,
		clock,
		log,
		access,
		answering: new WeakMap(),
		allowances: new WeakMap(),
		guard: guardBodiless(host),
	};
	const uploads = new UploadWatch({ idleTimeoutMs, minBytesPerSecond, clock });
	const rpc = rpcEndpoint(context, {
		scope: 'admin',
		// Whoever may not administer gets no further than the listener.
		families: [adminFamily(modules, () => undefined)],
		bodies: new CallBodies(uploads, clock, LIMITS.rpcSmallBodyBytes),
		guard: guardAdmin(host),
	});
	return serve({ listen, setting: 'admin', graceMs }, modules, context, [...ADMIN_LISTENER, rpc]);
}

/** What the public listener offers besides, where both have one address. */
export interface Administration {
	readonly endpoints: readonly Endpoint[];
	readonly family: RpcFamily;
}

export function administrationAt(
	{ host }: ListenAddress,
	modules: AdminModules & { readonly access: Access },
): Administration {
	const { admin, mining, access } = modules;
	const guard = guardBodiless(host);
	const guardCalls = guardAdmin(host);
	const permit = (request: IncomingMessage): void => {
		guardCalls(request);
		const caller = { isLocal: isLocal(request), isCounted: access.asksFor('read') };
		access.admit(request.headers.authorization, 'admin', caller);
	};
	return {
		endpoints: ADMIN_LISTENER.map(({ definition, handle }) => ({
			definition,
			guard,
			// The guard refuses bodies, in its own words.
			anyBody: true,
			handle: (context, request, response) => handle({ ...context, admin, mining }, request, response),
		})),
		family: adminFamily(modules, permit),
	};
}
