/** The HTTP listeners: what they serve and where, and a close that lets running requests finish. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import fastify, { type FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { type ListenPlace, urlOfPlace } from '../config/listen-address.js';
import { about } from '../config/refusal.js';
import type { Clock } from '../io/clock.js';
import type { Randomness } from '../io/randomness.js';
import { placeSocket } from '../io/unix-socket.js';
import { LIMITS } from '../limits.js';
import type { MiningControl } from '../pora/mining-status.js';
import type { FileStore } from '../log-layer/types.js';
import type { Metrics } from '../metrics/metrics.js';
import type { Administration } from './admin/admin-server.js';
import type { Access } from './auth/access.js';
import { BoundedServers } from './bounded-servers.js';
import { addressError, type ListenSetting } from './free-address.js';
import { Cors } from './rest/cors.js';
import { DownloadWatch } from './rest/download-watch.js';
import { requestIds } from './request-ids.js';
import { DirectoryReader } from './rest/directory-reader.js';
import type { Endpoint, RestContext, ServerContext } from './rest/endpoint.js';
import { REST_ENDPOINTS } from './rest/endpoints.js';
import { answerFailure, frameworkError, mount } from './rest/mount.js';
import { RouteMeter } from './rest/route-meter.js';
import { UploadWatch } from './rest/upload-watch.js';
import { CallBodies } from './rpc/call-bodies.js';
import { rpcEndpoint } from './rpc/endpoint.js';
import { publicFamily } from './rpc/public-family.js';
import type { TlsPair } from './tls-pair.js';

export interface HttpServerOptions {
	readonly listen: ListenPlace;
	readonly version: string;
	/** storage.maxFileBytes */
	readonly maxFileBytes: number;
	/** upload.idleTimeoutMs */
	readonly idleTimeoutMs: number;
	/** upload.minBytesPerSecond */
	readonly minBytesPerSecond: number;
	/** shutdown.graceMs */
	readonly graceMs: number;
	/** api.publicUrl */
	readonly publicUrl?: string;
	/** cors.origins */
	readonly corsOrigins: readonly string[];
	/** Where both have one address. */
	readonly administration?: Administration;
}

/** What every listener is built with. */
export interface ServerModules {
	readonly metrics: Metrics;
	readonly clock: Clock;
	readonly randomness: Randomness;
	readonly log: Pick<Logger, 'error' | 'warn'>;
	/** Who may do what on this listener. */
	readonly access: Access;
	/** Absent: it speaks plain HTTP. */
	readonly tls?: TlsPair | undefined;
}

export interface HttpServerModules extends ServerModules {
	readonly store: FileStore;
	readonly mining: Pick<MiningControl, 'status'>;
	/** Brings gauges up to date before each scrape. */
	readonly refreshMetrics: () => void | Promise<void>;
}

export interface HttpServer {
	/** Where it listens, with the port that was really taken; `unix:` and a path for a Unix socket. */
	readonly url: string;
	/** Stops accepting, lets running requests finish for the grace time, then cuts them. */
	close(): Promise<void>;
}

/** How often, while closing, connections that have become idle are closed. */
const CLOSING_LOOK_MS = 20;

/** The listener of REST, metrics and health. Errors: CONFIG_INVALID when the address cannot be taken. */
export async function startHttpServer(options: HttpServerOptions, modules: HttpServerModules): Promise<HttpServer> {
	const { idleTimeoutMs, minBytesPerSecond, corsOrigins, administration } = options;
	const uploads = new UploadWatch({ idleTimeoutMs, minBytesPerSecond, clock: modules.clock });
	const context: RestContext = {
		store: modules.store,
		mining: modules.mining,
		metrics: modules.metrics,
		refreshMetrics: modules.refreshMetrics,
		clock: modules.clock,
		log: modules.log,
		version: options.version,
		publicUrl: options.publicUrl ?? '',
		maxFileBytes: options.maxFileBytes,
		randomness: modules.randomness,
		answering: new WeakMap(),
		access: modules.access,
		allowances: new WeakMap(),
		...(corsOrigins.length === 0 ? {} : { cors: new Cors(corsOrigins) }),
		downloads: new DownloadWatch(modules.clock),
		uploads,
		bodies: new CallBodies(uploads, modules.clock, LIMITS.rpcBodyBytes),
		directories: new DirectoryReader(modules.store),
	};
	const rpc = rpcEndpoint(context, {
		scope: 'read',
		families: [publicFamily(context), ...(administration ? [administration.family] : [])],
		bodies: context.bodies,
		cors: new Cors(['*']),
	});
	return serve({ listen: options.listen, setting: 'http', graceMs: options.graceMs }, modules, context, [
		...REST_ENDPOINTS,
		rpc,
		...(administration?.endpoints ?? []),
	]);
}

interface ListenOptions {
	readonly listen: ListenPlace;
	/** The one that says where. */
	readonly setting: ListenSetting;
	/** How long running requests may go on once the listener closes. */
	readonly graceMs: number;
}

/** Builds a server for some endpoints and listens. Errors: CONFIG_INVALID when the address cannot be taken. */
export async function serve<C extends ServerContext>(
	{ listen, setting, graceMs }: ListenOptions,
	modules: ServerModules,
	context: C,
	endpoints: readonly Endpoint<C>[],
): Promise<HttpServer> {
	const newRequestId = requestIds(modules.randomness);
	const { answering } = context;
	// What only this user can reach needs no secrecy on its way.
	const tls = 'socketPath' in listen ? undefined : modules.tls;
	const servers = new BoundedServers({ ...modules, tls, answering, newRequestId });
	const app = buildApp(context, newRequestId, servers);
	await mount(app, context, endpoints);
	const remove = await start(app, listen, setting);
	const place =
		'socketPath' in listen ? listen : { host: listen.host, port: (app.server.address() as AddressInfo).port };
	return {
		url: urlOfPlace(place, tls === undefined ? 'http' : 'https'),
		async close() {
			servers.closeSilent();
			await Promise.all([close(app, servers, modules.clock, graceMs), remove()]);
		},
	};
}

/** The answer removes what a listener leaves in the file system. */
async function start(app: FastifyInstance, listen: ListenPlace, setting: ListenSetting): Promise<() => Promise<void>> {
	try {
		if ('socketPath' in listen)
			return await about([setting], () => placeSocket(listen.socketPath, (path) => app.listen({ path })));
		await app.listen({ host: listen.host, port: listen.port });
		return async () => undefined;
	} catch (error) {
		await app.close();
		throw addressError(listen, setting, error);
	}
}

function buildApp(context: ServerContext, newRequestId: () => string, servers: BoundedServers): FastifyInstance {
	const unmatched = new RouteMeter(context.metrics, 'unmatched');
	return fastify({
		serverFactory: (handler) => servers.make(handler) satisfies Server,
		routerOptions: { maxParamLength: LIMITS.httpParamBytes },
		return503OnClosing: false,
		exposeHeadRoutes: false,
		genReqId: newRequestId,
		frameworkErrors: (error, request, reply) => {
			answerFailure(context, request, reply, unmatched, frameworkError(error));
		},
		// Each of the servers answers for itself.
		clientErrorHandler: () => undefined,
	});
}

async function close(app: FastifyInstance, servers: BoundedServers, clock: Clock, graceMs: number): Promise<void> {
	const cancelDeadline = clock.schedule(graceMs, () => servers.closeAll());
	let closed = false;
	const look = (): void => {
		if (closed) return;
		servers.closeIdle();
		clock.schedule(CLOSING_LOOK_MS, look);
	};
	look();
	await app.close();
	closed = true;
	cancelDeadline();
}
