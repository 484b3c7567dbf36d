/**
 * The reference that a node is measured against: the least that a node:http server can do. A PUT writes its body to a file of
 * its own and calls fdatasync before it answers; a GET sends a plain file. No hashes, no checksums, no index, no limits.
 * A POST is read to its end and answered. It speaks the addresses of the node, so that both get the same requests.
 */
import * as fs from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';

const [directory = '.'] = process.argv.slice(2);
const UPLOADS = '/v1/upload/';
const FILES = '/v1/files/';
const RPC_ANSWER = '{"jsonrpc":"2.0","result":null,"id":1}';
/** Bytes of a body that may wait for the file; beyond it the socket waits. */
const MAX_WAITING_BYTES = 1024 * 1024;
/** Larger files are streamed. */
const SMALL_FILE_BYTES = 65_536;
/** Of 64 KiB to 1 MiB this served whole files and ranges best, together. */
const STREAM_CHUNK_BYTES = 512 * 1024;
/** As src/metrics/process-metrics.ts does. */
const PROBE_MS = 20;

const delay = monitorEventLoopDelay({ resolution: PROBE_MS });
delay.enable();
fs.mkdirSync(directory, { recursive: true });

const server = createServer((request, response) => {
	const url = request.url ?? '';
	if (request.method === 'PUT' && url.startsWith(UPLOADS)) receive(request, response, url.slice(UPLOADS.length));
	else if (request.method === 'POST' && url === '/') drain(request, response);
	else if (url.startsWith(FILES)) send(request, response, url.slice(FILES.length));
	else if (url === '/metrics') sendDelay(response);
	else fail(response, 404, url);
});
server.keepAliveTimeout = 65_000;
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
process.on('SIGTERM', () => process.exit(0));

function receive(request: IncomingMessage, response: ServerResponse, name: string): void {
	let waiting: Buffer[] = [];
	let waitingBytes = 0;
	let isBusy = true;
	let hasEnded = false;
	let file = -1;
	request.on('data', (chunk: Buffer) => {
		waiting.push(chunk);
		waitingBytes += chunk.length;
		if (waitingBytes >= MAX_WAITING_BYTES) request.pause();
		if (!isBusy) write();
	});
	request.on('end', () => {
		hasEnded = true;
		if (!isBusy) write();
	});
	fs.open(join(directory, name), 'w', (error, fd) => {
		if (error) return fail(response, 500, error.message);
		file = fd;
		write();
	});
	const write = (): void => {
		isBusy = waiting.length > 0 || hasEnded;
		if (waiting.length > 0) {
			const chunks = waiting;
			waiting = [];
			waitingBytes = 0;
			fs.writev(file, chunks, (error) => {
				if (error) return fail(response, 500, error.message);
				write();
			});
			request.resume();
		} else if (hasEnded) sync(file, response, name);
	};
}

/** The answer that a node gives to segments that it has stored. */
function drain(request: IncomingMessage, response: ServerResponse): void {
	request.resume().on('end', () => {
		response.writeHead(200, { 'Content-Length': RPC_ANSWER.length, 'Content-Type': 'application/json' });
		response.end(RPC_ANSWER);
	});
}

function sync(file: number, response: ServerResponse, name: string): void {
	fs.fdatasync(file, (error) => {
		fs.close(file);
		if (error) return fail(response, 500, error.message);
		response.writeHead(201, { 'Content-Length': 2, Location: FILES + name });
		response.end('ok');
	});
}

function send(request: IncomingMessage, response: ServerResponse, name: string): void {
	const path = join(directory, name);
	const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
	if (range) {
		const start = Number(range[1]);
		const end = Number(range[2]);
		response.writeHead(206, { 'Content-Length': end + 1 - start, 'Content-Type': 'application/octet-stream' });
		stream(path, response, { start, end });
		return;
	}
	fs.open(path, 'r', (error, file) => {
		if (error) return fail(response, 404, error.message);
		fs.fstat(file, (statError, stats) => {
			if (statError) return fail(response, 500, statError.message);
			if (stats.size <= SMALL_FILE_BYTES) return sendSmall(file, stats.size, response);
			response.writeHead(200, { 'Content-Length': stats.size, 'Content-Type': 'application/octet-stream' });
			stream(path, response, { fd: file });
		});
	});
}

function sendSmall(file: number, sizeBytes: number, response: ServerResponse): void {
	fs.read(file, Buffer.allocUnsafe(sizeBytes), 0, sizeBytes, 0, (error, count, bytes) => {
		fs.close(file);
		if (error || count < sizeBytes) return fail(response, 500, error?.message ?? 'the file shrank');
		response.writeHead(200, { 'Content-Length': sizeBytes, 'Content-Type': 'application/octet-stream' });
		response.end(bytes);
	});
}

function stream(path: string, response: ServerResponse, part: { fd: number } | { start: number; end: number }): void {
	const source = fs.createReadStream(path, { ...part, highWaterMark: STREAM_CHUNK_BYTES });
	source.on('error', () => response.destroy());
	source.pipe(response);
}

/** The same figure under the same name as a node's. */
function sendDelay(response: ServerResponse): void {
	const seconds = Math.max(0, delay.percentile(99) / 1e9 - PROBE_MS / 1e3);
	delay.reset();
	const text = `perigee_event_loop_delay_seconds{quantile="0.99"} ${Number.isFinite(seconds) ? seconds : 0}\n`;
	response.writeHead(200, { 'Content-Length': text.length });
	response.end(text);
}

function fail(response: ServerResponse, status: number, message: string): void {
	response.writeHead(status, { 'Content-Length': Buffer.byteLength(message) });
	response.end(message);
}
