/** The REST interface over a MemoryFileStore on a real socket, and raw requests to it. */
import { once } from 'node:events';
import * as http from 'node:http';
import * as net from 'node:net';
import type { TestContext } from 'node:test';
import type { Administration } from '../../src/api/admin/admin-server.js';
import { type HttpServer, startHttpServer } from '../../src/api/http-server.js';
import { type Clock, systemClock } from '../../src/io/clock.js';
import type { Access } from '../../src/api/auth/access.js';
import type { TlsPair } from '../../src/api/tls-pair.js';
import { systemRandomness } from '../../src/io/randomness.js';
import type { FileStore } from '../../src/log-layer/types.js';
import { MINING_OFF } from '../../src/pora/mining-off.js';
import { createMetrics, type Metrics } from '../../src/metrics/metrics.js';
import { MemoryFileStore } from './memory-file-store.js';
import { openAccess } from './open-access.js';

export interface RestServerOptions {
	readonly clock?: Clock;
	readonly maxFileBytes?: number;
	readonly idleTimeoutMs?: number;
	readonly minBytesPerSecond?: number;
	readonly access?: Access;
	readonly tls?: TlsPair;
	readonly publicUrl?: string;
	readonly corsOrigins?: readonly string[];
}

/** What a test may ask of a server, and what only some servers differ in. */
export interface ServeOptions extends RestServerOptions {
	readonly version?: string;
	/** As where the admin listener has the same address. */
	readonly administration?: Administration;
}

export interface ServedStore {
	readonly metrics: Metrics;
	readonly server: HttpServer;
	readonly url: string;
	readonly port: number;
	readonly logged: unknown[];
}

export interface RestServer extends ServedStore {
	readonly store: MemoryFileStore;
}

/** The REST interface over any store, on a free port of 127.0.0.1. */
export async function serve(store: FileStore, options: ServeOptions = {}): Promise<ServedStore> {
	const metrics = createMetrics();
	const logged: unknown[] = [];
	const log = { error: (...args: unknown[]) => logged.push(args), warn: (...args: unknown[]) => logged.push(args) };
	const server = await startHttpServer(
		{
			listen: { host: '127.0.0.1', port: 0 },
			version: options.version ?? '9.9.9',
			maxFileBytes: options.maxFileBytes ?? 2 ** 30,
			idleTimeoutMs: options.idleTimeoutMs ?? 60_000,
			minBytesPerSecond: options.minBytesPerSecond ?? 0,
			publicUrl: options.publicUrl ?? '',
			corsOrigins: options.corsOrigins ?? [],
			graceMs: 10_000,
			...(options.administration && { administration: options.administration }),
		},
		{
			store,
			mining: MINING_OFF,
			metrics,
			refreshMetrics() {},
			clock: options.clock ?? systemClock,
			randomness: systemRandomness,
			access: options.access ?? openAccess(),
			tls: options.tls,
			log,
		},
	);
	return { metrics, server, url: server.url, port: Number(new URL(server.url).port), logged };
}

/** A server of its own over a MemoryFileStore for one test, closed with it. */
export async function startRest(test: TestContext, options: RestServerOptions = {}): Promise<RestServer> {
	const store = new MemoryFileStore();
	const served = await serve(store, options);
	test.after(() => served.server.close());
	return { store, ...served };
}

export interface Answer {
	readonly status: number;
	readonly headers: http.IncomingHttpHeaders;
	readonly body: Buffer;
	readonly text: string;
	readonly json: Readonly<Record<string, unknown>>;
}

export interface Ask {
	readonly method?: string;
	readonly headers?: http.OutgoingHttpHeaders;
	readonly body?: Uint8Array | string;
	readonly agent?: http.Agent;
}

/** One request with its address as given: nothing is normalised on the way. */
export async function ask(rest: { readonly port: number }, path: string, options: Ask = {}): Promise<Answer> {
	const request = http.request({
		host: '127.0.0.1',
		port: rest.port,
		path,
		method: options.method ?? 'GET',
		headers: { ...options.headers },
		...(options.agent === undefined ? {} : { agent: options.agent }),
	});
	request.end(options.body);
	const [response] = (await once(request, 'response')) as [http.IncomingMessage];
	return await readAnswer(response);
}

export async function readAnswer(response: http.IncomingMessage): Promise<Answer> {
	const chunks: Buffer[] = [];
	for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
	const body = Buffer.concat(chunks);
	return {
		status: response.statusCode ?? 0,
		headers: response.headers,
		body,
		text: body.toString('utf8'),
		get json() {
			return JSON.parse(body.toString('utf8')) as Answer['json'];
		},
	};
}

/** Stores bytes and answers their root. */
export async function put(
	rest: { readonly port: number },
	body: Uint8Array,
	name = 'file',
	headers: http.OutgoingHttpHeaders = {},
): Promise<string> {
	const answer = await ask(rest, `/v1/upload/${encodeURIComponent(name)}`, { method: 'PUT', body, headers });
	if (answer.status !== 201 && answer.status !== 200)
		throw new Error(`upload answered ${answer.status}: ${answer.text}`);
	return String(answer.json['root']);
}

/** A bare connection, for what no client library would send. */
export class RawConnection {
	readonly socket: net.Socket;
	#received = '';

	private constructor(socket: net.Socket) {
		this.socket = socket;
		socket.on('data', (chunk: Buffer) => {
			this.#received += chunk.toString('latin1');
			socket.emit('more');
		});
		socket.on('error', () => {});
	}

	static async open(rest: { readonly port: number }): Promise<RawConnection> {
		const socket = net.connect(rest.port, '127.0.0.1');
		await once(socket, 'connect');
		return new RawConnection(socket);
	}

	send(text: string | Uint8Array): void {
		this.socket.write(text);
	}

	/** Resolves with all that came once it contains the text. */
	async until(text: string): Promise<string> {
		while (!this.#received.includes(text)) {
			if (this.socket.destroyed) throw new Error(`closed after ${JSON.stringify(this.#received)}`);
			const isOver = new AbortController();
			const { signal } = isOver;
			const events = ['more', 'close'].map((event) => once(this.socket, event, { signal }).catch(() => undefined));
			await Promise.race(events);
			isOver.abort(); // the other one goes on listening otherwise
		}
		return this.#received;
	}

	/** Resolves with all that came once the other side has closed. */
	async closed(): Promise<string> {
		if (!this.socket.destroyed) await once(this.socket, 'close');
		return this.#received;
	}
}

/** Waits until something holds, looking after every turn of the event loop that brought something. */
export async function eventually(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
	for (let turn = 0; turn < 20_000; turn++) {
		if (await holds()) return;
		await new Promise((resolve) => setImmediate(resolve));
	}
	throw new Error(`never happened: ${what}`);
}
