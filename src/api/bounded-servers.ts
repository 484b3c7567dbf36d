/**
 * Node's servers with our bounds on them. One listener may have several: `localhost` is both 127.0.0.1 and ::1. Of each it knows the open
 * connections, so that a close need not wait for those that ask nothing.
 */
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { type ErrorCode, PerigeeError } from '../errors.js';
import type { Clock } from '../io/clock.js';
import { LIMITS } from '../limits.js';
import type { Metrics } from '../metrics/metrics.js';
import { reportRefusedConnections } from './refused-connections.js';
import { PROBLEM_TYPE, problemOf, sendProblem } from './rest/problem.js';
import type { TlsPair } from './tls-pair.js';

export interface BoundedServersModules {
	readonly metrics: Metrics;
	readonly clock: Clock;
	readonly log: Pick<Logger, 'warn'>;
	/** The answer that each connection waits for, or got last. */
	readonly answering: WeakMap<Socket, ServerResponse>;
	readonly newRequestId: () => string;
	/** Absent: plain HTTP. */
	readonly tls: TlsPair | undefined;
}

const BOUNDS = {
	maxHeaderSize: LIMITS.httpHeaderBytes,
	connectionsCheckingInterval: LIMITS.httpHeadersTimeoutMs / 4,
	headersTimeout: LIMITS.httpHeadersTimeoutMs,
	keepAliveTimeout: LIMITS.httpKeepAliveMs,
	// A long upload is no slow request; idle ones are ended by the upload watch and the socket's time limit.
	requestTimeout: 0,
};

export class BoundedServers {
	readonly #modules: BoundedServersModules;
	readonly #servers: Server[] = [];
	/** By the client's address: in TLS one connection is first a socket and then another around it. */
	readonly #connections = new Map<unknown, Socket>();
	/** TLS sockets whose handshake has succeeded. */
	readonly #secured = new WeakSet<Socket>();

	constructor(modules: BoundedServersModules) {
		this.#modules = modules;
	}

	/** One more server that calls `handler`. */
	make(handler: RequestListener): Server {
		const { tls, clock, newRequestId } = this.#modules;
		const server = tls === undefined ? createServer(BOUNDS, handler) : this.#makeTls(tls, handler);
		this.#servers.push(server);
		server.maxConnections = LIMITS.httpConnections;
		server.maxHeadersCount = LIMITS.httpHeaderCount;
		server.setTimeout(LIMITS.httpSocketIdleMs);
		// 100-continue is sent by the handler once it wants the body; see sendContinue.
		server.on('checkContinue', (request, response) => server.emit('request', request, response));
		server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
			sendProblem(request, response, new PerigeeError('EXPECTATION_FAILED'), newRequestId(), clock);
		});
		server.on('clientError', (error, socket: Socket) => {
			// Who speaks no TLS, or breaks it, understands no answer. (Never ask a destroyed TLS socket for its protocol: that ends the process.)
			const isDeaf = tls !== undefined && (!this.#secured.has(socket) || isOfTls(error));
			if (isDeaf) socket.destroy();
			else refuseUnreadable(error, socket, newRequestId);
		});
		server.on('timeout', (socket: Socket) => this.#closeStalled(socket));
		reportRefusedConnections(server, this.#modules);
		server.on('connection', (socket: Socket) => this.#track(socket));
		return server;
	}

	/** Closes connections on which nothing was asked yet: they wait for nothing. */
	closeSilent(): void {
		for (const socket of this.#connections.values()) if (!this.#modules.answering.has(socket)) socket.destroy();
	}

	/** Closes connections whose request has ended, which would be kept for a next one. */
	closeIdle(): void {
		for (const server of this.#servers) server.closeIdleConnections();
	}

	closeAll(): void {
		for (const socket of this.#connections.values()) socket.destroy();
	}

	#makeTls(tls: TlsPair, handler: RequestListener): Server {
		const bounds = { ...BOUNDS, handshakeTimeout: LIMITS.httpHeadersTimeoutMs };
		const server = createTlsServer({ ...bounds, ...tls.options }, handler);
		tls.serve(server);
		server.on('secureConnection', (socket) => {
			this.#secured.add(socket);
			const key = connectionKey(socket);
			if (this.#connections.has(key)) this.#connections.set(key, socket);
		});
		return server;
	}

	#track(socket: Socket): void {
		const { metrics } = this.#modules;
		const key = connectionKey(socket);
		this.#connections.set(key, socket);
		metrics.httpConnections.inc();
		socket.once('close', () => {
			this.#connections.delete(key);
			metrics.httpConnections.dec();
		});
	}

	/** Closes a connection on which nothing moved for a long time, unless it is the node that owes an answer. */
	#closeStalled(socket: Socket): void {
		const response = this.#modules.answering.get(socket);
		if (response !== undefined && !response.headersSent) socket.setTimeout(LIMITS.httpSocketIdleMs);
		else socket.destroy();
	}
}

/** The same for a connection and the TLS around it. A client's address and port name one of the open ones; where there are none, the socket does. */
function connectionKey(socket: Socket): unknown {
	const { remoteAddress, remotePort, localAddress } = socket;
	return remotePort === undefined ? socket : `${remoteAddress} ${remotePort} ${localAddress}`;
}

/** An error of the encryption, not of what came through it. */
function isOfTls(error: NodeJS.ErrnoException): boolean {
	return error.code?.startsWith('ERR_SSL') === true || error.code?.startsWith('ERR_TLS') === true;
}

/** What Node's parser cannot read never becomes a request; the answer goes straight to the socket. */
function refuseUnreadable(error: Error & { readonly code?: string }, socket: Socket, newRequestId: () => string): void {
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
