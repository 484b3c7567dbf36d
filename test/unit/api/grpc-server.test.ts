import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, connect as connectTcp, type AddressInfo } from 'node:net';
import { dirname } from 'node:path';
import { connect as connectHttp2 } from 'node:http2';
import { test } from 'node:test';
import {
	type Client,
	type ClientDuplexStream,
	type ClientReadableStream,
	Metadata,
	type ServiceError,
	status,
} from '@grpc/grpc-js';
import { protoPath as healthProto } from 'grpc-health-check';
import { startGrpcServer } from '../../../src/api/grpc/grpc-server.js';
import { METHODS } from '../../../src/api/grpc/methods.js';
import { loadServices } from '../../../src/api/grpc/proto.js';
import { deferred } from '../../../src/deferred.js';
import { Access } from '../../../src/api/auth/access.js';
import { LIMITS } from '../../../src/limits.js';
import { packageFolder } from '../../../src/config/package-file.js';
import {
	beginUpload,
	collect,
	connect,
	connectFiles,
	download,
	failureOf,
	type Message,
	startGrpc,
	stat,
	stored,
	upload,
} from '../../support/grpc-server.js';
import { emptyRegistry, openAccess, tokenFor } from '../../support/open-access.js';
import { Prng } from '../../support/prng.js';
import { eventually } from '../../support/rest-server.js';
import { SimulatedClock } from '../../support/simulated-clock.js';

const NOT_READY = [{ code: 'DISK_FULL', message: 'no room', ready: false }] as const;

interface HealthClient extends Client {
	Check(request: Message, answered: (error: ServiceError | null, answer: Message | undefined) => void): unknown;
	Watch(request: Message): ClientReadableStream<Message>;
}

interface ReflectionClient extends Client {
	ServerReflectionInfo(): ClientDuplexStream<Message, Message>;
}

function connectHealth(t: Parameters<typeof connect>[0], target: string): HealthClient {
	// …/proto/health/v1/health.proto
	const folder = dirname(dirname(dirname(healthProto)));
	return connect(t, target, 'health/v1/health.proto', 'grpc.health.v1.Health', folder) as HealthClient;
}

const check = (client: HealthClient, service: string): Promise<unknown> =>
	new Promise((resolve) => client.Check({ service }, (error, answer) => resolve(error?.code ?? answer?.['status'])));

test('health follows the store, for the whole server and for perigee.v1.Files', async (t) => {
	const grpc = await startGrpc(t);
	const client = connectHealth(t, grpc.target);
	for (const service of ['', 'perigee.v1.Files']) {
		grpc.store.bends.health = [];
		assert.equal(await check(client, service), 'SERVING');
		grpc.store.bends.health = NOT_READY;
		assert.equal(await check(client, service), 'NOT_SERVING');
	}
	assert.equal(await check(client, 'nothing'), status.NOT_FOUND);
});

test('who watches health is told of changes, and of the stop', async (t) => {
	const clock = new SimulatedClock();
	const grpc = await startGrpc(t, { clock });
	const call = connectHealth(t, grpc.target).Watch({ service: 'perigee.v1.Files' });
	const told: unknown[] = [];
	let ended: ServiceError | undefined;
	call.on('data', (message: Message) => told.push(message['status']));
	call.on('error', (error: ServiceError) => (ended = error));
	await eventually(() => told.length === 1, 'the state is told');
	clock.advance(10 * LIMITS.grpcHealthLookMs);
	grpc.store.bends.health = NOT_READY;
	clock.advance(LIMITS.grpcHealthLookMs);
	await eventually(() => told.length === 2, 'the change is told');
	grpc.store.bends.health = [];
	clock.advance(LIMITS.grpcHealthLookMs);
	await eventually(() => told.length === 3, 'and the next one');
	// The clock stands still: a stop that waited for watchers would never end.
	await grpc.server.close();
	await eventually(() => ended !== undefined, 'the call ends');
	assert.deepEqual(told, ['SERVING', 'NOT_SERVING', 'SERVING', 'NOT_SERVING']);
	assert.deepEqual(failureOf(ended), [status.UNAVAILABLE, 'SHUTTING_DOWN']);
	assert.equal(clock.scheduled, 0);
});

test('reflection tells what is served, in both versions of its protocol', async (t) => {
	const grpc = await startGrpc(t);
	for (const version of ['v1', 'v1alpha']) {
		const folder = packageFolder('node_modules/@grpc/reflection/build/proto');
		const file = `grpc/reflection/${version}/reflection.proto`;
		const service = `grpc.reflection.${version}.ServerReflection`;
		const call = (connect(t, grpc.target, file, service, folder) as ReflectionClient).ServerReflectionInfo();
		const answers: Message[] = [];
		call.on('data', (message: Message) => answers.push(message));
		call.write({ host: '', listServices: '' });
		call.write({ host: '', fileContainingSymbol: 'perigee.v1.Files' });
		call.write({ host: '', fileContainingSymbol: 'perigee.v1.Files.Upload' });
		call.write({ host: '', fileByFilename: 'nothing.proto' });
		call.end();
		await once(call, 'end');
		const listed = answers[0]?.['listServicesResponse'] as { readonly service: readonly { readonly name: string }[] };
		const names = listed.service.map(({ name }) => name);
		assert.ok(names.includes('perigee.v1.Files') && names.includes('grpc.health.v1.Health'), names.join());
		for (const answer of answers.slice(1, 3)) {
			const found = answer['fileDescriptorResponse'] as { readonly fileDescriptorProto: readonly Buffer[] };
			assert.ok(found.fileDescriptorProto.some((file) => file.includes('DownloadRequest')));
		}
		const refused = answers[3]?.['errorResponse'] as Message | undefined;
		assert.equal(refused?.['errorCode'], status.NOT_FOUND);
	}
});

test('each method that is served is known by its path', async () => {
	const { described } = await loadServices();
	const paths = Object.values(described)
		.flatMap((entry) => Object.values(entry as Record<string, { readonly path?: string }>))
		.flatMap(({ path }) => path ?? []);
	for (const path of paths) assert.ok(METHODS[path], path);
});

test('calls are counted by method and status', async (t) => {
	const grpc = await startGrpc(t);
	const client = connectFiles(t, grpc.target);
	const root = await stored(client, randomBytes(1000));
	await download(client, { root });
	await download(client, { root: 'x' });
	await stat(client, { root });
	const text = await grpc.metrics.registry.metrics();
	for (const line of [
		'perigee_grpc_requests_total{method="Upload",status="OK"} 1',
		'perigee_grpc_requests_total{method="Download",status="OK"} 1',
		'perigee_grpc_requests_total{method="Download",status="INVALID_ARGUMENT"} 1',
		'perigee_grpc_requests_total{method="Stat",status="OK"} 1',
		'perigee_grpc_request_seconds_count{method="Download"} 2',
		'perigee_grpc_connections 1',
		'perigee_upload_bytes_total 1000',
		'perigee_uploads_total{outcome="stored"} 1',
		'perigee_uploads_in_progress 0',
		'perigee_errors_total{code="BAD_ROOT"} 1',
	])
		assert.ok(text.includes(`${line}\n`), line);
	assert.match(text, /perigee_download_bytes_total 10\d\d\n/);
});

test('tokens are asked for before a handler runs, and a quota counts what arrives', async (t) => {
	const registry = emptyRegistry();
	const reader = tokenFor('reader', ['read']);
	const writer = tokenFor('writer', ['read', 'write'], { maxBytes: 25 });
	registry.replace([reader.entry, writer.entry]);
	const access = new Access(registry, { read: 'always', write: 'always', admin: 'always' });
	const grpc = await startGrpc(t, { access });
	const client = connectFiles(t, grpc.target);
	const send = (bearer: string | undefined): Promise<unknown> => {
		const metadata = new Metadata();
		if (bearer !== undefined) metadata.set('authorization', bearer);
		return new Promise((resolve) => {
			const call = client.Upload(metadata, {}, (error, answer) =>
				resolve(error ? failureOf(error)[1] : answer?.['size']),
			);
			for (const message of [{ options: {} }, { chunk: randomBytes(10) }, { end: {} }]) call.write(message);
			call.end();
		});
	};
	assert.deepEqual(failureOf((await download(client, { txSeq: 0 })).error), [status.UNAUTHENTICATED, 'UNAUTHORIZED']);
	assert.deepEqual(await Promise.all([send(undefined), send('Bearer pg_x'), send(reader.bearer)]), [
		'UNAUTHORIZED',
		'UNAUTHORIZED',
		'FORBIDDEN',
	]);
	assert.equal(grpc.store.openUploads, 0);
	assert.deepEqual([await send(writer.bearer), await send(writer.bearer)], ['10', '10']);
	assert.equal(await send(writer.bearer), 'QUOTA_EXCEEDED');
	assert.equal(grpc.store.count, 2);
	assert.equal(await check(connectHealth(t, grpc.target), ''), 'SERVING');
});

test('calls beyond the bound are refused, and let in again when others have ended', async (t) => {
	const grpc = await startGrpc(t);
	const gate = deferred();
	grpc.store.bends.onFinish = () => gate.promise;
	const clients = Array.from({ length: Math.ceil(LIMITS.grpcFileCalls / LIMITS.grpcStreams) }, () =>
		connectFiles(t, grpc.target),
	);
	const waiting = Array.from({ length: LIMITS.grpcFileCalls }, (_, index) =>
		upload(clients[index % clients.length]!, Buffer.from(`file ${index}`)),
	);
	await eventually(() => grpc.store.openUploads === LIMITS.grpcFileCalls, 'all have begun');
	const fresh = connectFiles(t, grpc.target);
	const refused = await stat(fresh, { txSeq: 0 });
	assert.deepEqual('error' in refused && failureOf(refused.error), [status.UNAVAILABLE, 'OVERLOADED']);
	// Watchers and reflection have a bound of their own.
	assert.equal(await check(connectHealth(t, grpc.target), ''), 'SERVING');
	gate.resolve();
	for (const outcome of await Promise.all(waiting)) assert.ok('answer' in outcome);
	assert.ok('answer' in (await stat(fresh, { txSeq: 0 })));
});

test('a stop lets running calls finish and takes no new ones', async (t) => {
	const grpc = await startGrpc(t);
	const client = connectFiles(t, grpc.target);
	const gate = deferred();
	grpc.store.bends.onFinish = () => gate.promise;
	const running = upload(client, Buffer.from('running'));
	await eventually(() => grpc.store.openUploads === 1, 'the upload begins');
	const closed = grpc.server.close();
	const late = await stat(connectFiles(t, grpc.target), { txSeq: 0 });
	assert.equal('error' in late && late.error.code, status.UNAVAILABLE);
	gate.resolve();
	assert.ok('answer' in (await running));
	await closed;
});

test('a stop cuts what has not ended within the grace time', async (t) => {
	const clock = new SimulatedClock();
	const grpc = await startGrpc(t, { clock, graceMs: 5000 });
	const { call, outcome } = beginUpload(connectFiles(t, grpc.target));
	call.write({ options: {} });
	await eventually(() => grpc.store.openUploads === 1, 'the upload begins');
	let isClosed = false;
	const closed = grpc.server.close().then(() => (isClosed = true));
	for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
	assert.equal(isClosed, false);
	clock.advance(5000);
	await closed;
	assert.ok('error' in (await outcome));
	await eventually(() => grpc.store.abortedUploads === 1, 'the upload is given up');
});

test('a server on which nobody has called stops at once, also with an open connection', async (t) => {
	const grpc = await startGrpc(t, { clock: new SimulatedClock() });
	const silent = connectTcp(grpc.port, '127.0.0.1');
	await once(silent, 'connect');
	silent.on('error', () => {});
	const gone = once(silent, 'close');
	await grpc.server.close();
	await gone;
});

test('an address that is taken is told with the flag that changes it', async (t) => {
	const taken = createServer().listen(0, '127.0.0.1');
	t.after(() => taken.close());
	await once(taken, 'listening');
	const { port } = taken.address() as AddressInfo;
	const grpc = await startGrpc(t);
	const modules = {
		...grpc,
		access: openAccess(),
		clock: new SimulatedClock(),
		randomness: { bytes: randomBytes },
		log: { error() {}, warn() {} },
	};
	const options = {
		listen: { host: '127.0.0.1', port },
		maxFileBytes: 1,
		idleTimeoutMs: 1,
		minBytesPerSecond: 0,
		graceMs: 1,
	};
	await assert.rejects(startGrpcServer(options, modules), { code: 'CONFIG_INVALID', message: /--grpc/ });
});

test('the first messages of a connection may come before the library is loaded', async (t) => {
	const grpc = await startGrpc(t);
	const socket = connectTcp(grpc.port, '127.0.0.1');
	// The preface and an empty SETTINGS frame; the answer begins with the server's own.
	socket.write(
		Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])]),
	);
	const [answer] = (await once(socket, 'data')) as [Buffer];
	assert.equal(answer[3], 4);
	socket.destroy();
});

test('the windows of flow control are wide enough for uploads', async (t) => {
	const grpc = await startGrpc(t);
	const session = connectHttp2(`http://${grpc.target}`);
	t.after(() => session.destroy());
	await eventually(() => session.remoteSettings?.initialWindowSize === LIMITS.grpcWindowBytes, 'the settings come');
	await eventually(() => session.state.remoteWindowSize === LIMITS.grpcWindowBytes, 'the connection is widened');
	assert.equal(session.remoteSettings.maxHeaderListSize, LIMITS.httpHeaderBytes);
	assert.equal(session.remoteSettings.maxConcurrentStreams, LIMITS.grpcStreams);
});

test('noise, cut frames and oversized headers end their connection and nothing else', async (t) => {
	const grpc = await startGrpc(t);
	const client = connectFiles(t, grpc.target);
	const root = await stored(client, randomBytes(5000));
	const prng = new Prng(7);
	const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
	for (let round = 0; round < 150; round++) {
		const socket = connectTcp(grpc.port, '127.0.0.1');
		socket.on('error', () => {});
		socket.resume();
		await once(socket, 'connect');
		if (prng.chance(0.8)) socket.write(preface);
		for (let frame = 0; frame < prng.below(8); frame++) {
			const payload = prng.bytes(prng.below(300));
			const head = Buffer.alloc(9);
			head.writeUIntBE(prng.chance(0.8) ? payload.length : prng.below(2 ** 24), 0, 3);
			head[3] = prng.below(prng.chance(0.9) ? 10 : 256);
			head[4] = prng.below(256);
			head.writeUInt32BE(prng.below(6), 5);
			socket.write(Buffer.concat([head, payload]));
		}
		socket.end();
		if (prng.chance(0.5)) socket.destroy();
		else if (!socket.destroyed && round % 10 === 0) await Promise.race([once(socket, 'close'), once(socket, 'end')]);
	}
	const metadata = new Metadata();
	metadata.set('large', 'x'.repeat(4 * LIMITS.httpHeaderBytes));
	const refused = await new Promise<ServiceError | null>((resolve) =>
		client.Upload(metadata, {}, (error) => resolve(error)).end(),
	);
	assert.ok(refused);
	const unknown = await new Promise<ServiceError | null>((resolve) => {
		const same = (bytes: Buffer): Buffer => bytes;
		client.makeUnaryRequest('/perigee.v1.Files/Nothing', same, same, Buffer.alloc(0), (error) => resolve(error));
	});
	assert.equal(unknown?.code, status.UNIMPLEMENTED);
	const { bytes, error } = await collect(connectFiles(t, grpc.target).Download({ root }));
	assert.deepEqual([bytes.length, error], [5000, undefined]);
	assert.equal(grpc.store.openUploads, 0);
	assert.deepEqual(grpc.logged, []);
});
