import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import * as http from 'node:http';
import * as net from 'node:net';
import { test } from 'node:test';
import { Check } from 'typebox/value';
import { type EndpointDefinition, ENDPOINTS } from '../../../src/api/rest/definitions.js';
import { PROBLEM, READINESS } from '../../../src/api/rest/schemas.js';
import { encodeDirectory } from '../../../src/api/rest/directory-metadata.js';
import { REST_ENDPOINTS } from '../../../src/api/rest/endpoints.js';
import { ERRORS, type ErrorCode } from '../../../src/errors.js';
import { LIMITS } from '../../../src/limits.js';
import { openAccess } from '../../support/open-access.js';
import { startMemoryNode } from '../../support/processes.js';
import { ask, eventually, put, RawConnection, readAnswer, startRest } from '../../support/rest-server.js';
import { SimulatedClock } from '../../support/simulated-clock.js';
import { fakeMining } from '../../support/fake-mining.js';

test('every endpoint that is defined is served, once, and answers JSON as its schema says', async (t) => {
	const definitions: readonly EndpointDefinition[] = Object.values(ENDPOINTS);
	assert.deepEqual(new Set(REST_ENDPOINTS.map((endpoint) => endpoint.definition)), new Set(definitions));
	assert.equal(REST_ENDPOINTS.length, definitions.length);
	const rest = await startRest(t);
	// A directory is a file too.
	const root = await put(rest, encodeDirectory({ type: 'directory', name: '', entries: [] }));
	for (const definition of definitions.filter((candidate) => candidate.methods.includes('GET'))) {
		const parts = { root, cid: root, txSeq: '0', i: '0', path: '', asset: 'start.js' };
		let url = definition.url;
		for (const [name, value] of Object.entries(parts)) url = url.replace(`{${name}}`, value);
		const answer = await ask(rest, url);
		const expected = definition.answers[answer.status];
		assert.ok(expected, `${url}: ${answer.status}`);
		if (expected.body !== undefined && answer.headers['content-type'] === 'application/json') {
			assert.ok(Check(expected.body, answer.json), `${url}: ${answer.text}`);
		}
	}
});

test('a problem says everything that the table of errors says', async (t) => {
	const rest = await startRest(t);
	const answer = await ask(rest, '/v1/files/0x12');
	const problem = answer.json;
	assert.ok(Check(PROBLEM, problem), answer.text);
	const rule = ERRORS[problem['code'] as ErrorCode];
	assert.deepEqual(
		[problem['status'], problem['title'], problem['hint'], problem['retryable'], answer.status],
		[rule.status, rule.title, rule.hint, rule.retryable, rule.status],
	);
	const other = (await ask(rest, '/v1/files/0x12')).json;
	assert.notEqual(problem['instance'], other['instance']);
});

test('what is no HTTP gets a problem and a closed connection', async (t) => {
	const rest = await startRest(t);
	for (const [bytes, status, code] of [
		['nonsense\r\n\r\n', 400, 'BAD_REQUEST'],
		['GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400, 'BAD_REQUEST'],
		[`GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(LIMITS.httpHeaderBytes)}\r\n\r\n`, 431, 'HEADERS_TOO_LARGE'],
		['GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n', 400, 'BAD_REQUEST'],
	] as const) {
		const connection = await RawConnection.open(rest);
		connection.send(bytes);
		const answer = await connection.closed();
		assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `));
		assert.match(answer, new RegExp(`"code":"${code}"`));
	}
	assert.equal((await ask(rest, '/health/live')).status, 200);
});

test('health tells whether uploads are taken, with reasons', async (t) => {
	const rest = await startRest(t);
	assert.deepEqual((await ask(rest, '/health/live')).json, { status: 'live', version: '9.9.9' });
	assert.deepEqual((await ask(rest, '/health/ready')).json, { ready: true, reasons: [] });
	rest.store.bends.health = [{ code: 'DAMAGE', message: 'one place is damaged', ready: true }];
	assert.equal((await ask(rest, '/health/ready')).status, 200);
	rest.store.bends.health = [{ code: 'DISK_FULL', message: 'no room', ready: false }];
	const answer = await ask(rest, '/health/ready');
	assert.equal(answer.status, 503);
	assert.ok(Check(READINESS, answer.json));
	assert.equal(answer.json['ready'], false);
});

test('the greeting names the version and a command that works', async (t) => {
	const rest = await startRest(t);
	const { text } = await ask(rest, '/', { headers: { Host: `127.0.0.1:${rest.port}` } });
	assert.match(text, /9\.9\.9/);
	assert.ok(text.includes(`curl -T file http://127.0.0.1:${rest.port}/v1/upload/`));
});

test('requests, bytes and errors are counted by route', async (t) => {
	const rest = await startRest(t);
	const root = await put(rest, randomBytes(100_000));
	await ask(rest, `/v1/files/${root}`);
	await ask(rest, `/v1/files/${root}`, { headers: { Range: 'bytes=0-9' } });
	await ask(rest, '/v1/files/0x12');
	await ask(rest, '/nothing');
	const { text, headers } = await ask(rest, '/metrics');
	assert.match(String(headers['content-type']), /^text\/plain; version=0\.0\.4/);
	for (const line of [
		'perigee_http_requests_total{method="PUT",route="/v1/upload/{name}",status="201"} 1',
		'perigee_http_requests_total{method="GET",route="/v1/files/{root}",status="200"} 1',
		'perigee_http_requests_total{method="GET",route="/v1/files/{root}",status="206"} 1',
		'perigee_http_requests_total{method="GET",route="/v1/files/{root}",status="400"} 1',
		'perigee_http_requests_total{method="GET",route="unmatched",status="404"} 1',
		'perigee_http_request_seconds_count{route="/v1/files/{root}"} 3',
		'perigee_upload_bytes_total 100000',
		'perigee_download_bytes_total 100010',
		'perigee_errors_total{code="BAD_ROOT"} 1',
		'perigee_uploads_total{outcome="stored"} 1',
		'perigee_uploads_in_progress 0',
	]) {
		assert.ok(text.includes(`${line}\n`), line);
	}
});

test('an upload whose client broke off is counted as 499 and CLIENT_GONE', async (t) => {
	const rest = await startRest(t);
	const connection = await RawConnection.open(rest);
	connection.send('PUT /v1/upload/a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc');
	await eventually(() => rest.store.openUploads === 1, 'the upload begins');
	connection.socket.destroy();
	await eventually(() => rest.store.abortedUploads === 1, 'the upload is given up');
	const { text } = await ask(rest, '/metrics');
	assert.match(text, /perigee_errors_total\{code="CLIENT_GONE"\} 1/);
	assert.match(text, /route="\/v1\/upload\/\{name\}",status="499"\} 1/);
});

test('closing lets running requests finish and takes no new ones', async (t) => {
	const rest = await startRest(t);
	let proceed = (): void => {};
	rest.store.bends.onFinish = () => new Promise((resolve) => (proceed = resolve));
	const agent = new http.Agent({ keepAlive: true });
	t.after(() => agent.destroy());
	await ask(rest, '/health/live', { agent });
	const request = http.request({ host: '127.0.0.1', port: rest.port, method: 'PUT', path: '/v1/upload/a', agent });
	request.end('abc');
	await eventually(() => rest.store.openUploads === 1, 'the upload begins');
	const closed = rest.server.close();
	await assert.rejects(ask(rest, '/health/live'), /ECONNREFUSED/);
	proceed();
	const [response] = (await once(request, 'response')) as [http.IncomingMessage];
	assert.equal((await readAnswer(response)).status, 201);
	await closed;
});

test('closing waits neither for idle connections nor for those that never asked', async (t) => {
	const rest = await startRest(t, { clock: new SimulatedClock() });
	const silent = await RawConnection.open(rest);
	const half = await RawConnection.open(rest);
	half.send('GET / HT');
	const idle = await RawConnection.open(rest);
	idle.send('GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n');
	await idle.until('live');
	await rest.server.close();
	await Promise.all([silent.closed(), half.closed(), idle.closed()]);
});

test('closing cuts what does not end in time', async (t) => {
	const clock = new SimulatedClock();
	const rest = await startRest(t, { clock });
	const connection = await RawConnection.open(rest);
	connection.send('PUT /v1/upload/a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc');
	await eventually(() => rest.store.openUploads === 1, 'the upload begins');
	const closed = rest.server.close();
	clock.advance(10_000);
	await closed;
	await eventually(() => rest.store.abortedUploads === 1, 'the upload is given up');
});

test('a process without file descriptors to spare refuses connections and goes on', async (t) => {
	const url = new URL(await startMemoryNode(t, { openFiles: 400 }));
	const rest = { port: Number(url.port) };
	const sockets: net.Socket[] = [];
	for (let count = 0; count < 450; count++) {
		const socket = net.connect(rest.port, '127.0.0.1');
		sockets.push(socket);
		// Refused ones are closed by the other side, some before they say that they are connected.
		await Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => undefined);
		socket.on('error', () => {});
	}
	for (const socket of sockets) socket.destroy();
	const live = async () => (await ask(rest, '/health/live').catch(() => undefined))?.status;
	let status = await live();
	for (let attempt = 0; status !== 200 && attempt < 1000; attempt++) status = await live();
	assert.equal(status, 200);
});

test('an address that is taken is a clear error', async (t) => {
	const rest = await startRest(t);
	const { startHttpServer } = await import('../../../src/api/http-server.js');
	const { createMetrics } = await import('../../../src/metrics/metrics.js');
	const { systemRandomness } = await import('../../../src/io/randomness.js');
	await assert.rejects(
		startHttpServer(
			{
				listen: { host: '127.0.0.1', port: rest.port },
				version: '0',
				maxFileBytes: 1,
				idleTimeoutMs: 1000,
				minBytesPerSecond: 0,
				corsOrigins: [],
				graceMs: 10_000,
			},
			{
				store: rest.store,
				mining: fakeMining(),
				metrics: createMetrics(),
				refreshMetrics() {},
				clock: new SimulatedClock(),
				randomness: systemRandomness,
				access: openAccess(),
				log: { error() {}, warn() {} },
			},
		),
		new RegExp(`127.0.0.1:${rest.port} is in use`),
	);
});
