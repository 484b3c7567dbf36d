/** The jobs over gRPC, with the client of grpc-js: chunks are encoded beforehand and not decoded, so that it costs as little as it can. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, credentials } from '@grpc/grpc-js';
import type { MethodDefinition } from '@grpc/grpc-js';
import { chunkOf, encodeChunk } from '../../src/api/grpc/codec.js';
import { loadServices } from '../../src/api/grpc/proto.js';
import { ContentCheck, newPiece, PIECE_BYTES, stampPiece } from './content.js';
import type { GrpcDownloadJob, GrpcPostsJob, GrpcUploadJob, JobResult } from './jobs.js';

const CHUNK_BYTES = 256 * 1024;
const PIECES_IN_FLIGHT = 4;
/** As a client that cares sets it: the library's 64 KiB bound a download, whoever serves it. */
const WINDOW_BYTES = 1024 * 1024;

type Method = MethodDefinition<object, object>;

/** Errors: a status other than OK. */
export async function grpcUpload(job: GrpcUploadJob): Promise<JobResult> {
	const { client, method } = await connect(job.port, 'Upload');
	const write = (message: object): Buffer => (Buffer.isBuffer(message) ? message : method.requestSerialize(message));
	const startMs = performance.now();
	const root = await new Promise<string>((resolve, reject) => {
		const call = client.makeClientStreamRequest<object, object>(
			method.path,
			write,
			method.responseDeserialize,
			(error, answer) => (error ? reject(error) : resolve((answer as { readonly root: string }).root)),
		);
		call.write({ options: { name: job.name, announcedBytes: job.sizeBytes } });
		let next = 0;
		const send = (piece: Piece): void => {
			if (next === job.sizeBytes / PIECE_BYTES) {
				call.end();
				return;
			}
			piece.stamp(job.seed, next++);
			const last = piece.messages.length - 1;
			for (const [index, message] of piece.messages.entries())
				call.write(message, () => void (index === last && send(piece)));
		};
		for (let index = 0; index < PIECES_IN_FLIGHT; index++) send(makePiece());
	});
	const seconds = (performance.now() - startMs) / 1000;
	client.close();
	return { ...one(seconds, job.sizeBytes), locations: [root] };
}

/** Errors: a status other than OK, other bytes than expected. */
export async function grpcDownload(job: GrpcDownloadJob): Promise<JobResult> {
	const { client, method } = await connect(job.port, 'Download');
	const check = job.checkSeed === undefined ? undefined : new ContentCheck(job.checkSeed);
	let bytes = 0;
	const startMs = performance.now();
	await new Promise<void>((resolve, reject) => {
		const read = (message: Buffer): object => chunkOf(message) ?? {};
		const call = client.makeServerStreamRequest<object, object>(method.path, method.requestSerialize, read, {
			root: job.root,
		});
		call.on('data', (message: object) => {
			if (!Buffer.isBuffer(message)) return;
			bytes += message.length;
			check?.take(message);
		});
		call.on('error', reject);
		call.on('end', resolve);
	});
	const seconds = (performance.now() - startMs) / 1000;
	client.close();
	if (bytes !== job.sizeBytes) throw new Error(`${bytes} bytes came, ${job.sizeBytes} were expected`);
	return one(seconds, bytes);
}

/** Errors: a status other than OK. */
export async function grpcPosts(job: GrpcPostsJob): Promise<JobResult> {
	const messages = await Promise.all(
		Array.from({ length: job.count }, (_, index) => readFile(join(job.directory, String(index)))),
	);
	const bytes = messages.reduce((sum, { length }) => sum + length, 0);
	const clients = await Promise.all(Array.from({ length: job.connections }, () => openClient(job.port)));
	const asItIs = (message: Buffer): Buffer => message;
	let next = 0;
	const send = (client: Client, message: Buffer): Promise<void> =>
		new Promise((resolve, reject) => {
			client.makeUnaryRequest(job.method, asItIs, asItIs, message, (error) => (error ? reject(error) : resolve()));
		});
	const work = async (client: Client): Promise<void> => {
		for (let message = messages[next++]; message; message = messages[next++]) await send(client, message);
	};
	const startMs = performance.now();
	await Promise.all(clients.map(work));
	const seconds = (performance.now() - startMs) / 1000;
	for (const client of clients) client.close();
	return { ...one(seconds, bytes), requests: job.count };
}

async function connect(port: number, name: string): Promise<{ readonly client: Client; readonly method: Method }> {
	const { files } = await loadServices();
	return { client: await openClient(port), method: files[name] as Method };
}

async function openClient(port: number): Promise<Client> {
	const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
		'grpc-node.flow_control_window': WINDOW_BYTES,
		'grpc.enable_channelz': 0,
		// Each job has a connection of its own.
		'grpc.use_local_subchannel_pool': 1,
	});
	await new Promise<void>((resolve, reject) => {
		client.waitForReady(Date.now() + 10_000, (error) => (error ? reject(error) : resolve()));
	});
	return client;
}

interface Piece {
	/** Of 256 KiB each, 1 MiB together. */
	readonly messages: readonly Buffer[];
	/** Makes it the `index`-th MiB of the content of a seed. */
	stamp(seed: number, index: number): void;
}

function makePiece(): Piece {
	const piece = newPiece();
	const messages = Array.from({ length: PIECE_BYTES / CHUNK_BYTES }, (_, index) =>
		encodeChunk(piece.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES)),
	);
	return {
		messages,
		stamp(seed, index) {
			stampPiece(piece, seed, index);
			for (const [part, message] of messages.entries())
				piece.copy(message, message.length - CHUNK_BYTES, part * CHUNK_BYTES, part * CHUNK_BYTES + STAMP_BYTES);
		},
	};
}

/** Of each segment, in which a piece differs from the others. */
const STAMP_BYTES = 12;

function one(seconds: number, bytes: number): JobResult {
	return { seconds, requests: 1, bytes, latencyMs: { p50: seconds * 1000, p99: seconds * 1000 }, locations: [] };
}
