/**
 * Clients that mean harm, against a real node: what they send ends at a documented limit (docs/operations.md, "Limits against hostile clients"),
 * others are answered meanwhile, and the node's memory returns. PERIGEE_FLOOD_REQUESTS=1000000 makes the flood longer.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { LIMITS } from '../../src/limits.js';
import { spawnCli, temporaryDirectory } from '../support/processes.js';
import { ask, put, RawConnection } from '../support/rest-server.js';

const MIB = 2 ** 20;
const IDLE_CONNECTIONS = 10_000;
const FLOOD_REQUESTS = Number(process.env['PERIGEE_FLOOD_REQUESTS'] ?? 100_000);
/** Memory afterwards, at most this many times what it was before, and the allowance for what a runtime keeps. */
const MEMORY_RATIO = 1.5;
const MEMORY_SLACK = 32 * MIB;
const HEAD = 'HTTP/1.1\r\nHost: x\r\n';

interface Node {
	readonly port: number;
	readonly pid: number;
}

async function start(t: TestContext, env: Readonly<Record<string, string>>): Promise<Node> {
	const dataDir = join(temporaryDirectory(t), 'data');
	const child = spawnCli(['start', '--data-dir', dataDir, '--http', '127.0.0.1:0', '--json'], { env });
	let logged = '';
	child.stderr?.on('data', (chunk: Buffer) => (logged += chunk.toString()));
	const ended = once(child, 'exit');
	t.after(async () => {
		assert.equal(child.exitCode, null, `the node ended by itself: ${logged}`);
		child.kill('SIGKILL');
		await ended;
	});
	const [said] = (await Promise.race([once(child.stdout!, 'data'), ended])) as [Buffer | number | null];
	if (!Buffer.isBuffer(said)) throw new Error(`the node ended with ${said}: ${logged}`);
	const { url } = JSON.parse(said.toString()) as { url: string };
	return { port: Number(new URL(url).port), pid: child.pid ?? 0 };
}

const noProc = existsSync('/proc/self/status') ? false : 'no /proc to read memory from';

function residentBytes({ pid }: Node): number {
	return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

/** Waits until the memory is what it was, give or take. */
async function assertMemoryReturns(t: TestContext, node: Node, beforeBytes: number): Promise<void> {
	const most = beforeBytes * MEMORY_RATIO + MEMORY_SLACK;
	let bytes = residentBytes(node);
	for (let look = 0; look < 150 && bytes > most; look++) {
		await new Promise((resolve) => setTimeout(resolve, 100));
		bytes = residentBytes(node);
	}
	t.diagnostic(`memory: ${(beforeBytes / MIB).toFixed(0)} MiB before, ${(bytes / MIB).toFixed(0)} MiB after`);
	assert.ok(bytes <= most, `${bytes} bytes resident, ${beforeBytes} before`);
}

async function metric(node: Node, name: string): Promise<number> {
	const { text } = await ask(node, '/metrics');
	return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
}

async function eventually(holds: () => Promise<boolean>, what: string): Promise<void> {
	for (let look = 0; look < 400; look++) {
		if (await holds()) return;
		await new Promise((resolve) => setTimeout(resolve, 25));
	}
	throw new Error(`never happened: ${what}`);
}

/** Sends one byte after another until the other side closes. */
async function drip(connection: RawConnection, byte: string): Promise<string> {
	const timer = setInterval(() => connection.send(byte), 50);
	try {
		return await connection.closed();
	} finally {
		clearInterval(timer);
	}
}

// Two at a time: some of them only wait.
describe('hostile clients', { concurrency: 2 }, () => {
	it('slow loris: heads and bodies that never end are ended, and leave nothing', async (t) => {
		const node = await start(t, { PERIGEE_UPLOAD_IDLE_TIMEOUT_MS: '1000' });
		const open = async (text: string): Promise<RawConnection> => {
			const connection = await RawConnection.open(node);
			connection.send(text);
			return connection;
		};
		const silent = open('').then((connection) => connection.closed());
		const slowHead = open(`GET /health/live ${HEAD}`).then((connection) => drip(connection, 'X-A: b\r\n'));
		const part = '--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n';
		const form = `Content-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n\r\n${part.length.toString(16)}\r\n${part}\r\n`;
		const bodies = [
			open(`PUT /v1/upload/a ${HEAD}Content-Length: 1000\r\n\r\nx`).then((connection) => connection.closed()),
			open(`PUT /v1/upload/a ${HEAD}Content-Length: 1000000\r\n\r\n`).then((connection) => drip(connection, 'x')),
			open(`PUT /v1/upload/a ${HEAD}Transfer-Encoding: chunked\r\n\r\n`).then((connection) =>
				drip(connection, '1\r\nx\r\n'),
			),
			open(`POST /v1/upload ${HEAD}${form}`).then((connection) => drip(connection, '1\r\nx\r\n')),
		];
		for (const [index, body] of (await Promise.all(bodies)).entries())
			assert.match(body, /^HTTP\/1.1 408 [^]*"code":"UPLOAD_TIMEOUT"/, `body ${index}`);
		assert.equal(await metric(node, 'perigee_uploads_in_progress'), 0);
		assert.deepEqual((await ask(node, '/v1/files')).json['files'], []);
		// In their own time, LIMITS.httpHeadersTimeoutMs, which no setting changes.
		for (const head of await Promise.all([silent, slowHead])) assert.match(head, /^HTTP\/1.1 408 .*/);
		await put(node, randomBytes(100_000));
	});

	it('floods of headers and endless bodies end at their limits; nothing is half stored', {
		skip: noProc,
	}, async (t) => {
		const node = await start(t, { PERIGEE_STORAGE_MAX_FILE_BYTES: String(MIB) });
		await put(node, randomBytes(1000), 'first');
		const beforeBytes = residentBytes(node);
		const flood = async (text: string, more: string | Uint8Array): Promise<string> => {
			const connection = await RawConnection.open(node);
			connection.send(text);
			const pour = (): void => {
				while (!connection.socket.destroyed && connection.socket.write(more)) if (isOver()) return;
			};
			const isOver = () => connection.socket.closed || connection.socket.errored !== null;
			connection.socket.on('drain', pour);
			pour();
			// An error of its socket is what is waited for.
			return connection.closed().catch(() => connection.closed());
		};
		const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
		const many = await Promise.all(
			Array.from({ length: 20 }, async (_, index) => {
				const heads = await flood(`GET /health/live ${HEAD}`, `X-${index}: ${'y'.repeat(100)}\r\n`.repeat(100));
				const long = await flood(`GET /${'z'.repeat(1000)}`, 'z'.repeat(65_536));
				const body = await flood(`PUT /v1/upload/a ${HEAD}Transfer-Encoding: chunked\r\n\r\n`, chunk);
				const extension = await flood(
					`PUT /v1/upload/a ${HEAD}Transfer-Encoding: chunked\r\n\r\n1;`,
					'a'.repeat(65_536),
				);
				return { heads, long, body, extension };
			}),
		);
		for (const { heads, long, body, extension } of many) {
			assert.match(heads, /^(HTTP\/1.1 431 |$)/);
			assert.match(long, /^(HTTP\/1.1 431 |$)/);
			assert.match(body, /^(HTTP\/1.1 413 |$)/);
			assert.match(extension, /^(HTTP\/1.1 4\d\d |$)/);
		}
		// An answer may be lost to a client that goes on writing; the node has counted what it said.
		const { text } = await ask(node, '/metrics');
		assert.equal(/perigee_errors_total\{code="BODY_TOO_LARGE"\} (\d+)/.exec(text)?.[1], '20');
		assert.ok(many.some(({ heads }) => heads !== ''));
		const { files } = (await ask(node, '/v1/files')).json as { files: { name: string }[] };
		assert.deepEqual(
			files.map(({ name }) => name),
			['first'],
		);
		assert.equal(await metric(node, 'perigee_uploads_in_progress'), 0);
		assert.equal(await metric(node, 'perigee_unnamed_objects'), 0);
		await assertMemoryReturns(t, node, beforeBytes);
	});

	it('10,000 idle connections: those beyond the limit are closed, who is connected is answered, memory returns', {
		skip: noProc,
	}, async (t) => {
		const openFiles = Number(/Max open files\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 1024);
		const count = Math.min(IDLE_CONNECTIONS, openFiles - 300);
		const node = await start(t, {});
		const agent = new Agent({ keepAlive: true, maxSockets: 1 });
		t.after(() => agent.destroy());
		await ask(node, '/health/live', { agent });
		const beforeBytes = residentBytes(node);
		const sockets: Socket[] = [];
		t.after(() => sockets.forEach((socket) => socket.destroy()));
		let refused = 0;
		for (let opened = 0; opened < count; opened += 250) {
			const batch = Array.from({ length: Math.min(250, count - opened) }, () => connect(node.port, '127.0.0.1'));
			for (const socket of batch) socket.on('error', () => {}).once('close', () => refused++);
			sockets.push(...batch);
			await Promise.all(batch.map((socket) => Promise.race([once(socket, 'connect'), once(socket, 'close')])));
			assert.equal((await ask(node, '/health/live', { agent })).status, 200);
		}
		const expected = Math.max(0, count + 1 - LIMITS.httpConnections);
		await eventually(async () => refused >= expected, 'those beyond the limit are closed');
		t.diagnostic(`${count} connections (${openFiles} open files allowed), ${refused} closed by the node`);
		assert.equal(refused, expected);
		const connected = async (): Promise<number> =>
			Number(/^perigee_http_connections (\d+)$/m.exec((await ask(node, '/metrics', { agent })).text)?.[1]);
		assert.equal(await connected(), Math.min(count + 1, LIMITS.httpConnections));
		for (const socket of sockets) socket.destroy();
		await eventually(async () => (await connected()) === 1, 'all are gone');
		assert.equal((await ask(node, '/health/live')).status, 200, 'there is room again');
		await assertMemoryReturns(t, node, beforeBytes);
	});

	it('a flood of tiny requests: all are answered, others too, and memory returns', { skip: noProc }, async (t) => {
		const node = await start(t, {});
		const root = await put(node, randomBytes(10));
		const requests = [`GET /health/live ${HEAD}\r\n`, `HEAD /v1/files/${root} ${HEAD}\r\n`, `GET /nowhere ${HEAD}\r\n`];
		const connections = 20;
		const inOne = 300;
		const flood = async (total: number): Promise<number> => {
			let answered = 0;
			const one = async (share: number): Promise<void> => {
				const socket = connect(node.port, '127.0.0.1');
				await once(socket, 'connect');
				let got = 0;
				let tail = '';
				const batch = requests.join('').repeat(inOne / requests.length);
				let wake = (): void => {};
				socket.on('data', (data: Buffer) => {
					const text = tail + data.toString('latin1');
					got += text.split('HTTP/1.1 ').length - 1;
					tail = text.slice(-8);
					wake();
				});
				socket.on('close', () => wake());
				for (let sent = 0; sent < share && !socket.destroyed; ) {
					socket.write(batch);
					sent += inOne;
					while (got < sent && !socket.destroyed) await new Promise<void>((resolve) => (wake = resolve));
				}
				answered += got;
				socket.destroy();
			};
			await Promise.all(Array.from({ length: connections }, () => one(total / connections)));
			return answered;
		};
		// What the code itself needs once it runs hot is there before it is measured.
		await flood(20_000);
		const beforeBytes = residentBytes(node);
		const flooding = flood(FLOOD_REQUESTS);
		for (let request = 0; request < 10; request++) await put(node, randomBytes(1000 + request));
		const answered = await flooding;
		t.diagnostic(`${answered} requests answered`);
		assert.ok(answered >= FLOOD_REQUESTS);
		await assertMemoryReturns(t, node, beforeBytes);
	});

	it('downloads that nobody takes do not keep others from theirs', async (t) => {
		const node = await start(t, {});
		const bytes = randomBytes(24 * MIB);
		const root = await put(node, bytes);
		const stalled = await Promise.all(
			Array.from({ length: 40 }, async () => {
				const socket = connect(node.port, '127.0.0.1');
				socket.on('error', () => {});
				await once(socket, 'connect');
				socket.pause();
				socket.write(`GET /v1/files/${root} ${HEAD}\r\n`);
				return socket;
			}),
		);
		t.after(() => stalled.forEach((socket) => socket.destroy()));
		await eventually(async () => (await metric(node, 'perigee_http_connections')) >= 41, 'all are connected');
		const answer = await ask(node, `/v1/files/${root}`);
		assert.ok(answer.body.equals(bytes));
	});
});
