import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectHttp2, constants } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { encodeChunk } from '../../../src/api/grpc/codec.js';
import { deferred } from '../../../src/deferred.js';
import { PerigeeError } from '../../../src/errors.js';
import { LIMITS } from '../../../src/limits.js';
import {
	beginUpload,
	collect,
	connectFiles,
	download,
	failureOf,
	type GrpcTestServer,
	refusal,
	startGrpc,
	stat,
	stored,
	upload,
} from '../../support/grpc-server.js';
import { eventually } from '../../support/rest-server.js';
import { SimulatedClock } from '../../support/simulated-clock.js';

const MIB = 2 ** 20;
const counted = async (grpc: GrpcTestServer, method: string, name: string): Promise<number> => {
	const { values } = await grpc.metrics.grpcRequests.get();
	return values.find(({ labels }) => labels['method'] === method && labels['status'] === name)?.value ?? 0;
};

test('an upload that its client cancels leaves nothing', async (t) => {
	const grpc = await startGrpc(t);
	// The client of grpc-js ends its stream when it cancels, as if it were done.
	for (const [index, announcedBytes] of [0, 2000].entries()) {
		const { call, outcome } = beginUpload(connectFiles(t, grpc.target));
		call.write({ options: { name: 'half', announcedBytes } });
		call.write({ chunk: randomBytes(1000) });
		await eventually(() => grpc.store.openUploads === 1, 'the upload begins');
		call.cancel();
		assert.equal(refusal(await outcome)[0], status.CANCELLED);
		await eventually(() => grpc.store.abortedUploads === index + 1, 'the upload is given up');
		assert.deepEqual([grpc.store.count, grpc.store.openUploads], [0, 0]);
	}
});

test('an upload whose client dies, or whose deadline passes, leaves nothing', async (t) => {
	const grpc = await startGrpc(t);
	const late = beginUpload(connectFiles(t, grpc.target), { deadline: Date.now() + 300 });
	late.call.write({ options: {} });
	late.call.write({ chunk: randomBytes(1000) });
	assert.equal(refusal(await late.outcome)[0], status.DEADLINE_EXCEEDED);
	await eventually(() => grpc.store.abortedUploads === 1, 'the late upload is given up');

	const socket = connectTcp(grpc.port, '127.0.0.1');
	const session = connectHttp2(`http://${grpc.target}`, { createConnection: () => socket });
	session.on('error', () => {});
	const stream = session.request(headersOf('/perigee.v1.Files/Upload'));
	stream.on('error', () => {});
	stream.write(framed(Buffer.from([0x0a, 0x00])));
	stream.write(framed(encodeChunk(randomBytes(1000))));
	await eventually(() => grpc.store.openUploads === 1, 'the upload of the second client begins');
	socket.destroy();
	await eventually(() => grpc.store.abortedUploads === 2, 'it is given up');
	assert.deepEqual([grpc.store.count, grpc.store.openUploads], [0, 0]);
});

test('an upload waits for the store: a bounded part of it leaves the client, and all of it arrives in the end', async (t) => {
	const grpc = await startGrpc(t);
	const gate = deferred();
	let writes = 0;
	grpc.store.bends.onWrite = () => {
		writes++;
		return gate.promise;
	};
	const { call, outcome } = beginUpload(connectFiles(t, grpc.target));
	const chunkBytes = 64 * 1024;
	const content = randomBytes(16 * MIB);
	let taken = 0;
	call.write({ options: {} });
	for (let at = 0; at < content.length; at += chunkBytes)
		call.write({ chunk: content.subarray(at, at + chunkBytes) }, () => (taken += chunkBytes));
	call.write({ end: {} });
	call.end();
	await eventually(() => taken >= LIMITS.grpcWindowBytes, 'the window is filled');
	// Whatever the client could still send it has sent when the server has answered other calls on this connection meanwhile.
	for (let round = 0; round < 20; round++) await stat(connectFiles(t, grpc.target), { txSeq: 0 });
	assert.equal(writes, 1);
	// The window, and what both sides keep in buffers of their own, whatever the content's size.
	assert.ok(taken <= 2 * LIMITS.grpcWindowBytes, `${taken} bytes left the client`);
	gate.resolve();
	const ended = await outcome;
	assert.ok('answer' in ended);
	assert.equal(ended.answer['size'], String(content.length));
});

test('a client that reads slowly costs a bounded number of reads and holds no piece of the store', async (t) => {
	const grpc = await startGrpc(t);
	const client = connectFiles(t, grpc.target);
	const content = randomBytes(32 * MIB);
	for (let at = 0; at < content.length; at += MIB) content.writeUInt32LE(at, at);
	const root = await stored(client, content);
	let readTo = 0;
	grpc.store.bends.onRead = (from) => {
		readTo = Math.max(readTo, from);
	};
	const call = client.Download({ root });
	call.pause();
	await eventually(() => readTo > 0, 'reading begins');
	for (let round = 0; round < 20; round++) await stat(connectFiles(t, grpc.target), { txSeq: 0 });
	// What is on its way, the stretch behind it, and what the client's own buffers take: 16 messages and its window.
	const most = LIMITS.grpcDownloadAheadBytes + 2 * LIMITS.grpcReadBytes + 17 * LIMITS.grpcSentChunkBytes + MIB;
	assert.ok(readTo <= most, `${readTo} bytes were read`);
	assert.equal(grpc.store.outstandingPieces, 0);
	const { bytes, error } = await collect(call.resume());
	assert.equal(error, undefined);
	assert.ok(bytes.equals(content));
});

test('a download that is cancelled, or whose client dies, ends reading', async (t) => {
	const grpc = await startGrpc(t);
	const client = connectFiles(t, grpc.target);
	const root = await stored(client, randomBytes(16 * MIB));
	const call = client.Download({ root });
	call.on('error', () => {});
	call.once('data', () => call.cancel());
	call.resume();
	await eventually(async () => (await counted(grpc, 'Download', 'CANCELLED')) === 1, 'the call ends');
	const socket = connectTcp(grpc.port, '127.0.0.1');
	const session = connectHttp2(`http://${grpc.target}`, { createConnection: () => socket });
	session.on('error', () => {});
	const stream = session.request(headersOf('/perigee.v1.Files/Download'));
	stream.on('error', () => {});
	stream.end(framed(Buffer.concat([Buffer.from([0x0a, root.length]), Buffer.from(root)])));
	await once(stream, 'response');
	socket.destroy();
	await eventually(async () => (await counted(grpc, 'Download', 'CANCELLED')) === 2, 'so does the second');
	await eventually(() => grpc.store.outstandingPieces === 0, 'all pieces are back');
	assert.deepEqual(grpc.logged, []);
});

test('damage in the middle ends a download with a status, behind bytes that are right', async (t) => {
	const grpc = await startGrpc(t);
	const client = connectFiles(t, grpc.target);
	const content = randomBytes(4 * MIB);
	const root = await stored(client, content);
	grpc.store.bends.onRead = (from) => {
		if (from >= 2 * MIB) throw new PerigeeError('DATA_DAMAGED', 'segment 8 is damaged');
	};
	const { bytes, error } = await download(client, { root });
	assert.deepEqual(failureOf(error), [status.DATA_LOSS, 'DATA_DAMAGED']);
	assert.ok(bytes.equals(content.subarray(0, bytes.length)));
	assert.ok(bytes.length <= 2 * MIB);
	assert.equal(grpc.store.outstandingPieces, 0);
	assert.equal(grpc.logged.length, 1);
	const [{ requestId }] = grpc.logged[0] as [{ readonly requestId: string }];
	assert.deepEqual(error?.metadata.get('perigee-request-id'), [requestId]);
	assert.equal((await grpc.metrics.errors.get()).values[0]?.labels['code'], 'DATA_DAMAGED');
});

test('who falls silent is given up: in an upload, in a download, in a request that does not end', async (t) => {
	const clock = new SimulatedClock();
	const grpc = await startGrpc(t, { clock });
	const client = connectFiles(t, grpc.target);
	const { call, outcome } = beginUpload(client);
	call.write({ options: {} });
	await eventually(() => grpc.store.openUploads === 1, 'the upload begins');
	clock.advance(120_000);
	assert.deepEqual(refusal(await outcome), [status.DEADLINE_EXCEEDED, 'UPLOAD_TIMEOUT']);
	assert.equal(grpc.store.openUploads, 0);

	const root = await stored(client, randomBytes(32 * MIB));
	const reading = client.Download({ root });
	reading.pause();
	const cut = collect(reading);
	reading.pause();
	let readTo = 0;
	grpc.store.bends.onRead = (from) => void (readTo = from);
	await eventually(() => readTo > 2 * MIB, 'the download fills what takes it');
	await eventually(async () => {
		clock.advance(LIMITS.httpSocketIdleMs);
		return (await counted(grpc, 'Download', 'CANCELLED')) === 1;
	}, 'the download is cut');
	reading.resume();
	assert.equal((await cut).error?.code, status.CANCELLED);
	assert.equal(grpc.store.outstandingPieces, 0);

	const session = connectHttp2(`http://${grpc.target}`);
	t.after(() => session.destroy());
	const stream = session.request(headersOf('/perigee.v1.Files/Stat'));
	stream.write(framed(Buffer.from([0x10, 0x00])));
	const asked = once(stream, 'response');
	let headers: Record<string, unknown> | undefined;
	void asked.then(([answer]) => (headers = answer as Record<string, unknown>));
	await eventually(() => {
		clock.advance(LIMITS.grpcRequestMs);
		return headers !== undefined;
	}, 'it is answered');
	assert.deepEqual(
		[headers?.['grpc-status'], headers?.['perigee-code']],
		[String(status.DEADLINE_EXCEEDED), 'REQUEST_TIMEOUT'],
	);
});

test('messages that are none, and those that are too large, are refused', async (t) => {
	const grpc = await startGrpc(t);
	const client = connectFiles(t, grpc.target);
	const same = (bytes: Buffer): Buffer => bytes;
	const sendRaw = (path: string, message: Buffer): Promise<readonly [number, string]> =>
		new Promise((resolve) => {
			client.makeUnaryRequest(path, same, same, message, (error) => resolve(failureOf(error ?? undefined)));
		});
	const bad = [status.INVALID_ARGUMENT, 'BAD_REQUEST'];
	for (const garbage of [Buffer.alloc(0), Buffer.from([0xff]), Buffer.from([0x1a]), Buffer.alloc(100, 0xff)]) {
		assert.deepEqual(await sendRaw('/perigee.v1.Files/Stat', garbage), bad);
		assert.deepEqual(await sendRaw('/perigee.v1.Files/Upload', garbage), bad);
	}
	// Options whose name, of one byte, is no UTF-8; a lone surrogate; a chunk whose length lies.
	for (const message of [
		[0x0a, 0x03, 0x0a, 0x01, 0xff],
		[0x0a, 0x05, 0x0a, 0x03, 0xed, 0xa0, 0x80],
		[0x12, 0x05, 0x41],
	])
		assert.deepEqual(await sendRaw('/perigee.v1.Files/Upload', Buffer.from(message)), bad);
	for (const chunkBytes of [LIMITS.grpcChunkBytes + 1, LIMITS.grpcMessageBytes + 1]) {
		const large = await upload(client, Buffer.alloc(2 * LIMITS.grpcMessageBytes), { chunkBytes });
		assert.equal(refusal(large)[0], status.RESOURCE_EXHAUSTED);
	}
	await eventually(() => grpc.store.openUploads === 0, 'nothing is left of it');
	assert.equal(grpc.store.count, 0);
	const mostBytes = await upload(client, Buffer.alloc(3 * MIB, 1), { chunkBytes: MIB });
	assert.ok('answer' in mostBytes);
});

for (const [what, path, begun, code] of [
	[
		'goes on sending after a refusal',
		'/perigee.v1.Files/Upload',
		encodeChunk(Buffer.from('no options')),
		'BAD_REQUEST',
	],
	['never ends its request', '/perigee.v1.Files/Stat', Buffer.from([0x10, 0x00]), 'REQUEST_TIMEOUT'],
] as const)
	test(`a client that ${what} is told to stop`, async (t) => {
		const clock = new SimulatedClock();
		const grpc = await startGrpc(t, { clock });
		const session = connectHttp2(`http://${grpc.target}`);
		t.after(() => session.destroy());
		const stream = session.request(headersOf(path));
		stream.write(framed(begun));
		let told: unknown;
		const look = (answer: Record<string, unknown>): void => void (told ??= answer['perigee-code']);
		stream.once('response', look);
		stream.once('trailers', look);
		stream.resume();
		await eventually(() => {
			if (code === 'REQUEST_TIMEOUT') clock.advance(LIMITS.grpcRequestMs);
			return told !== undefined;
		}, 'it is answered');
		assert.equal(told, code);
		await eventually(() => {
			clock.advance(LIMITS.httpLingerMs);
			return stream.destroyed;
		}, 'the stream is closed');
		assert.equal(stream.rstCode, constants.NGHTTP2_NO_ERROR);
	});

test('a stream of reflection has its time', async (t) => {
	const clock = new SimulatedClock();
	const grpc = await startGrpc(t, { clock });
	const session = connectHttp2(`http://${grpc.target}`);
	t.after(() => session.destroy());
	const stream = session.request(headersOf('/grpc.reflection.v1.ServerReflection/ServerReflectionInfo'));
	stream.write(framed(Buffer.alloc(0)));
	await once(stream, 'response');
	stream.resume();
	const ended = once(stream, 'trailers');
	clock.advance(LIMITS.grpcRequestMs);
	const [trailers] = (await ended) as [Record<string, unknown>];
	assert.equal(trailers['perigee-code'], 'REQUEST_TIMEOUT');
	await eventually(() => {
		clock.advance(LIMITS.httpLingerMs);
		return stream.destroyed;
	}, 'the stream is closed');
});

function headersOf(path: string): Record<string, string> {
	return { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' };
}

/** A message as it stands on the stream: not compressed, its length, the bytes. */
function framed(message: Uint8Array): Buffer {
	const head = Buffer.alloc(5);
	head.writeUInt32BE(message.length, 1);
	return Buffer.concat([head, message]);
}
