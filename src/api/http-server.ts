/** The HTTP listener: bounds, time limits, and a close that lets running requests finish. */
import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import fastify, { type FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { type ListenAddress, urlOfAddress } from '../config/listen-address.js';
import { type ErrorCode, PerigeeError } from '../errors.js';
import type { Clock } from '../io/clock.js';
import type { Randomness } from '../io/randomness.js';
import { LIMITS } from '../limits.js';
import type { FileStore } from '../log-layer/types.js';
import type { Metrics } from '../metrics/metrics.js';
import { DirectoryReader } from './rest/directory-reader.js';
import type { Endpoint, RestContext, ServerContext } from './rest/endpoint.js';
import { REST_ENDPOINTS } from './rest/endpoints.js';
import { answerFailure, frameworkError, mount } from './rest/mount.js';
import { PROBLEM_TYPE, problemOf, sendProblem } from './rest/problem.js';
import { RouteMeter } from './rest/route-meter.js';
import { UploadWatch } from './rest/upload-watch.js';

export interface HttpServerOptions {
	readonly listen: ListenAddress;
	readonly version: string;
	/** storage.maxFileBytes */
	readonly maxFileBytes: number;
	/** upload.idleTimeoutMs */
	readonly idleTimeoutMs: number;
	/** shutdown.graceMs */
	readonly graceMs: number;
}

/** What every listener is built with. */
export interface ServerModules {
	readonly metrics: Metrics;
	readonly clock: Clock;
	readonly randomness: Randomness;
	readonly log: Pick<Logger, 'error' | 'warn'>;
}

export interface HttpServerModules extends ServerModules {
	readonly store: FileStore;
	/** Brings gauges up to date before each scrape. */
	readonly refreshMetrics: () => void | Promise<void>;
}

export interface HttpServer {
	/** Where it listens, with the port that was really taken. */
	readonly url: string;
	/** Stops accepting, lets running requests finish for the grace time, then cuts them. */
	close(): Promise<void>;
}

/** How often refused connections are logged. */
const REFUSED_LOG_MS = 10_000;
/** How often, while closing, connections that have become idle are closed. */
const CLOSING_LOOK_MS = 20;

/** The listener of REST, metrics and health. Errors: CONFIG_INVALID when the address cannot be taken. */
export async function startHttpServer(options: HttpServerOptions, modules: HttpServerModules): Promise<HttpServer> {
	const context: RestContext = {
		store: modules.store,
		metrics: modules.metrics,
		refreshMetrics: modules.refreshMetrics,
		clock: modules.clock,
		log: modules.log,
		version: options.version,
		maxFileBytes: options.maxFileBytes,
		randomness: modules.randomness,
		answering: new WeakMap(),
		directories: new DirectoryReader(modules.store),
		uploads: new UploadWatch({ idleTimeoutMs: options.idleTimeoutMs, clock: modules.clock }),
	};
	return serve({ listen: options.listen, flag: '--http', graceMs: options.graceMs }, modules, context, REST_ENDPOINTS);
}

/** Where to listen, and the flag that says so. */
interface ListenPlace {
	readonly listen: ListenAddress;
	readonly flag: string;
}

interface ListenOptions extends ListenPlace {
	/** How long running requests may go on once the listener closes. */
	readonly graceMs: number;
}

/** Errors: CONFIG_INVALID when the address cannot be taken now. */
export async function assertFree(place: ListenPlace): Promise<void> {
	const server = createServer();
	try {
		server.listen(place.listen);
		await once(server, 'listening');
	} catch (error) {
		throw addressError(place, error);
	} finally {
		server.close();
	}
}

/** Builds a server for some endpoints and listens. Errors: CONFIG_INVALID when the address cannot be taken. */
export async function serve<C extends ServerContext>(
	options: ListenOptions,
	modules: ServerModules,
	context: C,
	endpoints: readonly Endpoint<C>[],
): Promise<HttpServer> {
	const newRequestId = requestIds(modules.randomness);
	const app = buildApp(context, newRequestId);
	await mount(app, context, endpoints);
	const { server } = app;
	server.maxConnections = LIMITS.httpConnections;
	server.maxHeadersCount = LIMITS.httpHeaderCount;
	server.headersTimeout = LIMITS.httpHeadersTimeoutMs;
	// 100-continue is sent by the handler once it wants the body; see sendContinue.
	server.on('checkContinue', (request, response) => server.emit('request', request, response));
	server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
		sendProblem(request, response, new PerigeeError('EXPECTATION_FAILED'), newRequestId(), modules.clock);
	});
	closeStalled(server, context);
	reportRefusedConnections(server, modules);
	const connections = trackConnections(server, modules.metrics);
	try {
		await app.listen({ host: options.listen.host, port: options.listen.port });
	} catch (error) {
		await app.close();
		throw addressError(options, error);
	}
	const { port } = server.address() as AddressInfo;
	return {
		url: urlOfAddress({ host: options.listen.host, port }),
		async close() {
			// A connection on which nothing was asked yet waits for nothing.
			for (const socket of connections) if (!context.answering.has(socket)) socket.destroy();
			await close(app, modules.clock, options.graceMs);
		},
	};
}

function buildApp(context: ServerContext, newRequestId: () => string): FastifyInstance {
	const unmatched = new RouteMeter(context.metrics, 'unmatched');
	return fastify({
		http: { maxHeaderSize: LIMITS.httpHeaderBytes, connectionsCheckingInterval: LIMITS.httpHeadersTimeoutMs / 4 },
		keepAliveTimeout: LIMITS.httpKeepAliveMs,
		// A long upload is no slow request; idle ones are ended by the upload watch and the socket's time limit.
		requestTimeout: 0,
		connectionTimeout: LIMITS.httpSocketIdleMs,
		routerOptions: { maxParamLength: LIMITS.httpParamBytes },
		return503OnClosing: false,
		exposeHeadRoutes: false,
		genReqId: newRequestId,
		frameworkErrors: (error, request, reply) => {
			answerFailure(context, request, reply, unmatched, frameworkError(error));
		},
		clientErrorHandler: (error, socket) => refuseUnreadable(error, socket, newRequestId),
	});
}

/** Ids that differ between starts of a node, cheap to make. */
function requestIds(randomness: Randomness): () => string {
	const prefix = Buffer.from(randomness.bytes(6)).toString('hex');
	let count = 0;
	return () => `${prefix}-${(count++).toString(36)}`;
}

/** What Node's parser cannot read never becomes a request; the answer goes straight to the socket. */
function refuseUnreadable(
	error: Error & { readonly code?: string; readonly bytesParsed?: number },
	socket: Socket,
	newRequestId: () => string,
): void {
	if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) {
		socket.destroy();
		return;
	}
	const code: ErrorCode =
		error.code === 'HPE_HEADER_OVERFLOW'
			? 'HEADERS_TOO_LARGE'
			: error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
				? 'REQUEST_TIMEOUT'
				: 'BAD_REQUEST';
	const problem = problemOf(new PerigeeError(code), newRequestId());
	const body = JSON.stringify(problem);
	socket.end(
		`HTTP/1.1 ${problem.status} ${problem.title}\r\nContent-Type: ${PROBLEM_TYPE}\r\n` +
			`Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
	);
}

/** Closes a connection on which nothing moved for a long time, unless it is the node that owes an answer. */
function closeStalled(server: Server, context: ServerContext): void {
	server.on('timeout', (socket: Socket) => {
		const response = context.answering.get(socket);
		if (response !== undefined && !response.headersSent) socket.setTimeout(LIMITS.httpSocketIdleMs);
		else socket.destroy();
	});
}

/** The open connections. */
function trackConnections(server: Server, metrics: Metrics): ReadonlySet<Socket> {
	const connections = new Set<Socket>();
	server.on('connection', (socket: Socket) => {
		connections.add(socket);
		metrics.httpConnections.inc();
		socket.once('close', () => {
			connections.delete(socket);
			metrics.httpConnections.dec();
		});
	});
	return connections;
}

/** Connections that the system refuses (no file descriptors left) must not end the node, nor flood its log. */
function reportRefusedConnections(server: Server, modules: ServerModules): void {
	let quietUntilMs = 0;
	server.on('error', (error) => {
		// Before it listens, an error belongs to whoever called listen.
		if (!server.listening || modules.clock.monotonicMs() < quietUntilMs) return;
		quietUntilMs = modules.clock.monotonicMs() + REFUSED_LOG_MS;
		modules.log.warn({ err: error }, 'connections cannot be accepted');
	});
}

async function close(app: FastifyInstance, clock: Clock, graceMs: number): Promise<void> {
	const { server } = app;
	const cancelDeadline = clock.schedule(graceMs, () => server.closeAllConnections());
	let closed = false;
	const look = (): void => {
		if (closed) return;
		// A connection whose request has ended meanwhile would be kept alive for the next one.
		server.closeIdleConnections();
		clock.schedule(CLOSING_LOOK_MS, look);
	};
	look();
	await app.close();
	closed = true;
	cancelDeadline();
}

function addressError({ listen: address, flag }: ListenPlace, error: unknown): unknown {
	const { code } = error as NodeJS.ErrnoException;
	const where = urlOfAddress(address).slice('http://'.length);
	switch (code) {
		case 'EADDRINUSE':
			return new PerigeeError('CONFIG_INVALID', `${where} is in use by another program; choose another with ${flag}.`);
		case 'EACCES':
			return new PerigeeError(
				'CONFIG_INVALID',
				`${where} may not be listened on; choose a port above 1023 with ${flag}.`,
			);
		case 'EADDRNOTAVAIL':
		case 'ENOTFOUND':
			return new PerigeeError(
				'CONFIG_INVALID',
				`${address.host} is no address of this machine; choose another with ${flag}.`,
			);
		default:
			return error;
	}
}
