/** gRPC over a MemoryFileStore on a real socket, and a client that is built from the .proto file. */
import { fileURLToPath } from 'node:url';
import type { TestContext } from 'node:test';
import {
	type CallOptions,
	type ChannelOptions,
	type Client,
	type ClientReadableStream,
	type ClientWritableStream,
	credentials,
	makeGenericClientConstructor,
	Metadata,
	type ServiceError,
	type ServiceDefinition,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { type GrpcServer, startGrpcServer } from '../../src/api/grpc/grpc-server.js';
import type { Access } from '../../src/api/auth/access.js';
import type { FileStore } from '../../src/log-layer/types.js';
import { type Clock, systemClock } from '../../src/io/clock.js';
import { systemRandomness } from '../../src/io/randomness.js';
import { createMetrics, type Metrics } from '../../src/metrics/metrics.js';
import { MemoryFileStore } from './memory-file-store.js';
import { openAccess } from './open-access.js';

const PROTO_FOLDER = fileURLToPath(new URL('../../../proto/', import.meta.url));
const READING = { longs: String, enums: String, defaults: true, oneofs: true } as const;

export interface GrpcTestServer {
	readonly store: MemoryFileStore;
	readonly metrics: Metrics;
	readonly server: GrpcServer;
	readonly target: string;
	readonly port: number;
	readonly logged: unknown[];
}

export interface GrpcTestOptions {
	readonly clock?: Clock;
	readonly maxFileBytes?: number;
	readonly graceMs?: number;
	/** Default: everybody may do everything. */
	readonly access?: Access;
}

/** A server of its own for one test, closed with it. */
export async function startGrpc(test: TestContext, options: GrpcTestOptions = {}): Promise<GrpcTestServer> {
	const store = new MemoryFileStore();
	return { store, ...(await serveGrpc(test, store, options)) };
}

/** The same over any store. */
export async function serveGrpc(
	test: TestContext,
	store: FileStore,
	options: GrpcTestOptions = {},
): Promise<Omit<GrpcTestServer, 'store'>> {
	const metrics = createMetrics();
	const logged: unknown[] = [];
	const log = { error: (...args: unknown[]) => logged.push(args), warn: (...args: unknown[]) => logged.push(args) };
	const server = await startGrpcServer(
		{
			listen: { host: '127.0.0.1', port: 0 },
			maxFileBytes: options.maxFileBytes ?? 2 ** 30,
			idleTimeoutMs: 60_000,
			minBytesPerSecond: 0,
			graceMs: options.graceMs ?? 10_000,
		},
		{
			store,
			metrics,
			clock: options.clock ?? systemClock,
			randomness: systemRandomness,
			log,
			access: options.access ?? openAccess(),
		},
	);
	test.after(() => server.close());
	return { metrics, server, target: server.target, port: Number(server.target.split(':').at(-1)), logged };
}

export type Message = Readonly<Record<string, unknown>>;
type Answered = (error: ServiceError | null, answer: Message | undefined) => void;

/** The methods of the services that are served, as grpc-js makes them. */
export interface FilesClient extends Client {
	Upload(metadata: Metadata, options: CallOptions, answered: Answered): ClientWritableStream<Message>;
	Download(request: Message, options?: CallOptions): ClientReadableStream<Message>;
	Stat(request: Message, answered: Answered): unknown;
}

/** A client of its own for one test, closed with it. */
export function connectFiles(
	test: Pick<TestContext, 'after'>,
	target: string,
	options: ChannelOptions = {},
): FilesClient {
	return connect(test, target, 'perigee/v1/files.proto', 'perigee.v1.Files', PROTO_FOLDER, options) as FilesClient;
}

/** A client of any service of a .proto file in a folder. */
export function connect(
	test: Pick<TestContext, 'after'>,
	target: string,
	file: string,
	service: string,
	folder: string,
	options: ChannelOptions = {},
): Client {
	const definition = loadSync(file, { ...READING, includeDirs: [folder] })[service] as ServiceDefinition;
	const Service = makeGenericClientConstructor(definition, service);
	// Connections are not shared between tests, nor made again behind their backs.
	const client = new Service(target, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1, ...options });
	test.after(() => client.close());
	return client;
}

/** What an upload was answered with. */
export type Outcome = { readonly answer: Message } | { readonly error: ServiceError };

/** Begins an upload; `outcome` never rejects. */
export function beginUpload(
	client: FilesClient,
	options: CallOptions = {},
): { readonly call: ClientWritableStream<Message>; readonly outcome: Promise<Outcome> } {
	let call!: ClientWritableStream<Message>;
	const outcome = new Promise<Outcome>((resolve) => {
		call = client.Upload(new Metadata(), options, (error, answer) => resolve(error ? { error } : { answer: answer! }));
	});
	return { call, outcome };
}

/** Uploads content in chunks of so many bytes. */
export async function upload(
	client: FilesClient,
	content: Uint8Array,
	{
		options = {},
		chunkBytes = 256 * 1024,
		isEnded = true,
	}: { readonly options?: Message; readonly chunkBytes?: number; readonly isEnded?: boolean } = {},
): Promise<Outcome> {
	const { call, outcome } = beginUpload(client);
	call.write({ options });
	for (let at = 0; at < content.length; at += chunkBytes) call.write({ chunk: content.subarray(at, at + chunkBytes) });
	if (isEnded) call.write({ end: {} });
	call.end();
	return outcome;
}

/** Stores content and answers its root. */
export async function stored(client: FilesClient, content: Uint8Array, options: Message = {}): Promise<string> {
	const outcome = await upload(client, content, { options });
	if ('error' in outcome) throw outcome.error;
	return String(outcome.answer['root']);
}

export interface Downloaded {
	readonly header: Message | undefined;
	readonly bytes: Buffer;
	readonly largestChunk: number;
	readonly error: ServiceError | undefined;
}

export function download(client: FilesClient, request: Message): Promise<Downloaded> {
	return collect(client.Download(request));
}

/** Everything of a download that has begun, until its end or error. */
export function collect(call: ClientReadableStream<Message>): Promise<Downloaded> {
	const chunks: Buffer[] = [];
	let header: Message | undefined;
	let error: ServiceError | undefined;
	call.on('data', (message: Message) => {
		if (message['part'] === 'header') header = message['header'] as Message;
		else chunks.push(message['chunk'] as Buffer);
	});
	call.on('error', (cause: ServiceError) => (error = cause));
	return new Promise((resolve) => {
		call.on('close', () => {
			const largestChunk = Math.max(0, ...chunks.map(({ length }) => length));
			resolve({ header, bytes: Buffer.concat(chunks), largestChunk, error });
		});
	});
}

export async function stat(client: FilesClient, request: Message): Promise<Outcome> {
	return new Promise((resolve) => {
		client.Stat(request, (error, answer) => resolve(error ? { error } : { answer: answer! }));
	});
}

/** `[status, perigee-code]` of a failure; `OK` without one. */
export function failureOf(error: ServiceError | undefined): readonly [number, string] {
	return error ? [error.code, String(error.metadata.get('perigee-code')[0] ?? '')] : [0, ''];
}

/** The same of a call that has ended. */
export function refusal(outcome: Outcome): readonly [number, string] {
	return failureOf('error' in outcome ? outcome.error : undefined);
}
