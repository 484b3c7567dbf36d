import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test, type TestContext } from 'node:test';
import { type Content, PerigeeClient, RequestError, VerifyError } from 'perigee/client';
import { VerifyError as VerifyErrorOfModule } from 'perigee/verify';
import { fileRoot } from '../../../src/native/addon.js';
import { hexOf } from '../../../src/units.js';
import { startFlakyProxy } from '../../support/flaky-proxy.js';
import { put, startRest } from '../../support/rest-server.js';

const rootOf = (bytes: Uint8Array): string => hexOf(fileRoot(bytes).root);

async function collected(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
	const parts: Uint8Array[] = [];
	for await (const part of bytes) parts.push(part);
	return Buffer.concat(parts);
}

async function* inChunks(bytes: Uint8Array, chunkBytes: number): AsyncGenerator<Uint8Array> {
	for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
}

/** A server that answers what it is told. */
async function startServer(t: TestContext, answer: http.RequestListener): Promise<string> {
	const server = http.createServer(answer).listen(0, '127.0.0.1');
	await once(server, 'listening');
	t.after(() => {
		server.closeAllConnections();
		server.close();
	});
	return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('uploads', () => {
	test('of every kind of content are stored with name, type and progress', async (t) => {
		const rest = await startRest(t);
		const client = new PerigeeClient({ node: rest.url });
		const bytes = randomBytes(700_000);
		const kinds: [string, () => Content][] = [
			['bytes', () => bytes],
			['a blob', () => new Blob([bytes])],
			['a stream', () => new Blob([bytes]).stream() as ReadableStream<Uint8Array>],
			['an iterable', () => inChunks(bytes, 100_000)],
		];
		for (const [kind, content] of kinds) {
			const told: (number | undefined)[][] = [];
			const onProgress = (...progress: (number | undefined)[]): void => void told.push(progress);
			const options = { name: `ü ${kind}`, type: 'text/plain', size: bytes.length, onProgress };
			const result = await client.upload(content(), options);
			const [root, txSeq, size] = [rootOf(bytes), 0, bytes.length];
			assert.deepEqual(result, { root, txSeq, size, name: `ü ${kind}`, segments: 3 }, kind);
			assert.deepEqual(told.at(-1), [size, size], kind);
			const info = await client.info(result.root);
			assert.deepEqual([info.name, info.type], [`ü ${kind}`, 'text/plain']);
		}
		const typed = await client.upload(new Blob(['x'], { type: 'text/css' }));
		assert.equal((await client.submission(typed.txSeq ?? -1)).type, 'text/css');
	});

	test('are refused when the content has another root than expected', async (t) => {
		const rest = await startRest(t);
		const client = new PerigeeClient({ node: rest.url });
		const expectedRoot = `0x${'ab'.repeat(32)}`;
		await assert.rejects(client.upload(Buffer.from('x'), { expectedRoot }), { code: 'ROOT_MISMATCH', status: 422 });
		assert.equal(rest.store.count, 0);
	});

	test('end with their signal, and the content is not read any more', async (t) => {
		const rest = await startRest(t);
		const aborter = new AbortController();
		let isOver = false;
		async function* endless(): AsyncGenerator<Uint8Array> {
			try {
				for (;;) yield Buffer.alloc(100_000);
			} finally {
				isOver = true;
			}
		}
		const client = new PerigeeClient({ node: rest.url });
		const onProgress = (done: number): void => {
			if (done > 1_000_000) aborter.abort(new Error('enough'));
		};
		await assert.rejects(client.upload(endless(), { signal: aborter.signal, onProgress }), /enough/);
		while (!isOver) await new Promise((resolve) => setImmediate(resolve));
	});
});

describe('downloads', () => {
	test('give verified bytes of the whole or of a range, as an iterable and as a stream, with progress', async (t) => {
		const rest = await startRest(t);
		const client = new PerigeeClient({ node: rest.url });
		for (const size of [1, 300, 262_145, 3_000_000]) {
			const bytes = randomBytes(size);
			const root = await put(rest, bytes);
			let told: readonly number[] = [];
			const onProgress = (...progress: number[]): void => void (told = progress);
			assert.ok(bytes.equals(await collected(client.download(root, { onProgress }))));
			assert.deepEqual(told, [size, size]);
			const [from, to] = [size >> 2, (size >> 1) + 1];
			assert.ok(bytes.subarray(from, to).equals(await collected(client.download(root, { size, from, to }))));
			const stream = client.downloadStream(root, { from });
			assert.ok(bytes.subarray(from).equals(Buffer.from(await new Response(stream).arrayBuffer())));
			assert.equal(await client.size(root), size);
		}
		await assert.rejects(collected(client.download(await put(rest, Buffer.from('abc')), { from: 3 })), RangeError);
	});

	test('go on where a connection broke off, and ask for no byte twice that was verified', async (t) => {
		const rest = await startRest(t);
		const bytes = randomBytes(5_000_000);
		const root = await put(rest, bytes);
		const proxy = await startFlakyProxy(t, rest.port, [
			{ answerBytes: 700_000 },
			{ answerBytes: 0 },
			{ answerBytes: 2_000_000 },
		]);
		let verified = 0;
		const asked: (string | null)[] = [];
		const expected: string[] = [];
		const watched: typeof fetch = (url, init) => {
			asked.push(new Headers(init?.headers).get('range'));
			expected.push(`bytes=${verified}-${bytes.length - 1}`);
			return fetch(url, init);
		};
		const client = new PerigeeClient({ node: proxy.url, fetch: watched });
		const onProgress = (done: number): void => void (verified = done);
		assert.ok(bytes.equals(await collected(client.download(root, { size: bytes.length, onProgress }))));
		assert.deepEqual(asked, expected);
		assert.equal(asked.length, 4);
		assert.notEqual(asked[0], asked[1], 'the first try got somewhere');
	});

	test('are given up after some tries without a new byte', async (t) => {
		const rest = await startRest(t);
		const root = await put(rest, randomBytes(1_000_000));
		const proxy = await startFlakyProxy(
			t,
			rest.port,
			Array.from({ length: 9 }, () => ({ answerBytes: 1000 })),
		);
		const client = new PerigeeClient({ node: proxy.url });
		const failing = collected(client.download(root, { size: 1_000_000, tries: 2 }));
		await assert.rejects(failing, { name: 'RequestError', code: 'UNREACHABLE', retryable: true });
		assert.equal(proxy.connections, 2);
	});

	test('never give a byte that was changed, and are not tried again', async (t) => {
		const rest = await startRest(t);
		const bytes = randomBytes(1_000_000);
		const root = await put(rest, bytes);
		let asked = 0;
		const lying: typeof fetch = async (...args) => {
			asked++;
			const changed = Buffer.from(await (await fetch(...args)).arrayBuffer());
			changed.writeUInt8(changed.readUInt8(600_000) ^ 1, 600_000);
			return new Response(changed);
		};
		const client = new PerigeeClient({ node: rest.url, fetch: lying });
		const got: Uint8Array[] = [];
		await assert.rejects(
			async () => {
				for await (const part of client.download(root, { size: bytes.length })) got.push(part);
			},
			(error) => error instanceof VerifyError && error instanceof VerifyErrorOfModule,
		);
		assert.ok(bytes.subarray(0, Buffer.concat(got).length).equals(Buffer.concat(got)));
		assert.equal(asked, 1);
	});

	test('are not led astray by a node that lies about the size', async (t) => {
		const rest = await startRest(t);
		const root = await put(rest, randomBytes(300_000));
		for (const size of [299_000, 400_000, 1, 0, 2 ** 53, 'x', undefined]) {
			const lying: typeof fetch = async (url, init) =>
				url instanceof URL && url.pathname.endsWith('/info') ? Response.json({ size }) : fetch(url, init);
			const client = new PerigeeClient({ node: rest.url, fetch: lying });
			await assert.rejects(
				client.size(root),
				(error) => error instanceof VerifyError || error instanceof RequestError,
				String(size),
			);
		}
	});

	test('end with their signal, and with the loop that takes them', async (t) => {
		const rest = await startRest(t);
		const root = await put(rest, Buffer.alloc(20_000_000, 1));
		const client = new PerigeeClient({ node: rest.url });
		const aborter = new AbortController();
		const onProgress = (): void => aborter.abort(new Error('enough'));
		const aborted = collected(client.download(root, { signal: aborter.signal, onProgress }));
		await assert.rejects(aborted, /enough/);
		for await (const part of client.download(root)) {
			assert.ok(part.length > 0);
			break;
		}
		const reader = client.downloadStream(root).getReader();
		await reader.read();
		await reader.cancel();
		while (rest.store.outstandingPieces > 0) await new Promise((resolve) => setImmediate(resolve));
	});
});

describe('what else a node answers', () => {
	test('lists come page by page, deletions and the flow are asked for', async (t) => {
		const rest = await startRest(t);
		const client = new PerigeeClient({ node: `${rest.url}/` });
		const names = Array.from({ length: 120 }, (_, index) => `n${index % 2}-${index}`);
		for (const name of names) await put(rest, Buffer.from(name), name);
		const listed = async (query: Parameters<PerigeeClient['list']>[0]): Promise<string[]> => {
			const found: string[] = [];
			for await (const { name } of client.list(query)) found.push(name);
			return found;
		};
		assert.deepEqual(await listed({}), names);
		assert.deepEqual(await listed({ newestFirst: true, submissions: true }), names.toReversed());
		assert.deepEqual(
			await listed({ prefix: 'n1-' }),
			names.filter((name) => name.startsWith('n1-')),
		);
		const root = rootOf(Buffer.from('n0-0'));
		await client.remove(root);
		assert.deepEqual(await listed({ deleted: true }), ['n0-0']);
		assert.equal((await client.flow()).submissions, 120);
		assert.deepEqual(await client.live(), { status: 'live', version: '9.9.9' });
		assert.deepEqual(await client.ready(), { ready: true, reasons: [] });
		const reasons = [{ code: 'X', message: 'x', ready: false }];
		rest.store.bends.health = reasons;
		assert.deepEqual(await client.ready(), { ready: false, reasons });
		await assert.rejects(collected(client.download(root)), { code: 'GONE', status: 410, retryable: false });
	});

	test('a refusal has code, status, hint and whether trying again helps', async (t) => {
		const rest = await startRest(t);
		const client = new PerigeeClient({ node: rest.url });
		await assert.rejects(client.info('0x12'), (error) => {
			assert.ok(error instanceof RequestError);
			const { code, status, retryable, hint = '', message } = error;
			assert.deepEqual([code, status, retryable], ['BAD_ROOT', 400, false]);
			assert.match(`${message} ${hint}`, /data root is 0x and 64/);
			return true;
		});
		rest.store.bends.maxUploads = 0;
		await assert.rejects(client.upload(Buffer.from('x')), { code: 'TOO_MANY_UPLOADS', status: 503, retryable: true });
	});

	test('no answer, or one that no node gives, is told as such', async (t) => {
		await assert.rejects(new PerigeeClient({ node: 'http://127.0.0.1:1' }).live(), {
			code: 'UNREACHABLE',
			status: 0,
			retryable: true,
		});
		const bodies: [string, number, Record<string, unknown>][] = [
			['<html>', 200, { code: 'UNREADABLE' }],
			['x'.repeat(2_000_000), 200, { code: 'UNREADABLE' }],
			['<html>', 502, { code: 'HTTP_502', status: 502, retryable: true }],
			['null', 418, { code: 'HTTP_418', status: 418, retryable: false }],
		];
		for (const [body, status, expected] of bodies) {
			const node = await startServer(t, (_request, response) => void response.writeHead(status).end(body));
			await assert.rejects(new PerigeeClient({ node }).live(), { name: 'RequestError', ...expected });
		}
	});

	test('the token goes along, below the path of the address', async (t) => {
		const seen: (string | undefined)[] = [];
		const node = await startServer(t, (request, response) => {
			seen.push(request.url, request.headers.authorization);
			response.end('{}');
		});
		await new PerigeeClient({ node: `${node}/base`, token: 'secret' }).flow();
		await new PerigeeClient({ node }).flow();
		assert.deepEqual(seen, ['/base/v1/flow', 'Bearer secret', '/v1/flow', undefined]);
	});
});
