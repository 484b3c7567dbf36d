/** zgs_grpc over a store that follows a real chain (spec log-layer §5). */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { type Client, type ClientUnaryCall, status, type ServiceError } from '@grpc/grpc-js';
import { deferred } from '../../../src/deferred.js';
import { LIMITS } from '../../../src/limits.js';
import { packageFolder } from '../../../src/config/package-file.js';
import { SEGMENT_BYTES, type TxSeq } from '../../../src/units.js';
import { startChain } from '../../support/chain.js';
import { caughtUp, openChainStore } from '../../support/chain-store.js';
import { connect, type Message, serveGrpc, startGrpc } from '../../support/grpc-server.js';
import { Prng } from '../../support/prng.js';
import { eventually } from '../../support/rest-server.js';
import { segmentsOf, type JsonSegment } from '../../support/segments.js';
import { readBack, useTestStores } from '../../support/test-store.js';

const stores = useTestStores();

interface ZgsClient extends Client {
	Ping(request: Message, answered: (error: ServiceError | null, answer: Message | undefined) => void): void;
	UploadSegmentsByTxSeq(request: Message, answered: (error: ServiceError | null) => void): ClientUnaryCall;
}

const bytes = (hex: string): Buffer => Buffer.from(hex.slice(2), 'hex');

function messageOf({ root, data, index, proof, fileSize }: JsonSegment): Message {
	const { lemma, path } = proof;
	return {
		root: { value: bytes(root) },
		data: Buffer.from(data, 'base64'),
		index: String(index),
		proof: { lemma: lemma.map(bytes), path },
		fileSize: String(fileSize),
	};
}

function upload(client: ZgsClient, segments: readonly Message[], txSeq: number): Promise<readonly [number, string]> {
	return new Promise((resolve) => {
		client.UploadSegmentsByTxSeq({ segments, txSeq: String(txSeq) }, (error) => {
			resolve(error ? [error.code, error.details] : [status.OK, '']);
		});
	});
}

function zgsClient(t: TestContext, target: string): ZgsClient {
	return connect(t, target, 'zgs_grpc/zgs.proto', 'zgs_grpc.ZgsGrpcService', packageFolder('proto')) as ZgsClient;
}

test('the gRPC of a 0G node: a ping, segments of a file, and what is no segment', async (t) => {
	const chain = await startChain();
	t.after(() => chain.stop());
	const store = await openChainStore(stores, chain);
	t.after(() => store.close());
	const { target } = await serveGrpc(t, store.files);
	const client = zgsClient(t, target);
	const echo = await new Promise((resolve) => client.Ping({ message: 'x' }, (_error, answer) => resolve(answer)));
	assert.deepEqual(echo, { message: 'Echo: x' });

	const content = new Prng(5).bytes(11 * SEGMENT_BYTES + 300);
	const { segments } = segmentsOf(content);
	const messages = segments.map(messageOf);
	await chain.submit([content]);
	await caughtUp(store, chain);

	const [first = {}, second = {}] = messages;
	const refused = async (segment: Message): Promise<readonly [number, string]> => upload(client, [segment], 0);
	const invalid = status.INVALID_ARGUMENT;
	assert.deepEqual(await refused({ ...first, root: null }), [invalid, 'Invalid segment: root is missing']);
	assert.deepEqual(await refused({ ...first, proof: null }), [invalid, 'Invalid segment: proof is missing']);
	const short = { value: Buffer.alloc(31) };
	assert.deepEqual(await refused({ ...first, root: short }), [
		invalid,
		'Invalid segment: Invalid hash length: got 31, want 32',
	]);
	assert.deepEqual(await refused({ ...first, data: Buffer.alloc(0) }), [
		status.INTERNAL,
		'Failed to put segment: data is empty',
	]);
	const [code, details] = await refused({ ...first, data: second['data'] });
	assert.deepEqual([code, details.slice(0, 42)], [status.INTERNAL, 'Failed to put segment: data hash mismatch:']);

	assert.deepEqual(await upload(client, messages.slice(0, 10), 0), [status.OK, '']);
	const repeated = 'Failed to put segment: segment has already been uploaded or is being uploaded';
	assert.deepEqual(await upload(client, messages.slice(9), 0), [status.INTERNAL, repeated]);
	assert.deepEqual(await upload(client, messages.slice(10), 0), [status.OK, '']);
	assert.ok((await readBack(store, { txSeq: 0 as TxSeq })).equals(content));
	const finalized = 'Failed to put segment: Invalid params: root; data: already uploaded and finalized';
	assert.deepEqual(await refused(first), [status.INTERNAL, finalized]);
});

test('a node of one shard takes all segments of a file and keeps its own', async (t) => {
	const chain = await startChain();
	t.after(() => chain.stop());
	const store = await openChainStore(stores, chain, { shard: { id: 1, count: 2 } });
	t.after(() => store.close());
	const { target } = await serveGrpc(t, store.files);
	const client = zgsClient(t, target);
	const content = new Prng(6).bytes(5 * SEGMENT_BYTES);
	const messages = segmentsOf(content).segments.map(messageOf);
	await chain.submit([content]);
	await caughtUp(store, chain);
	const wrong = await upload(client, [{ ...messages[0], data: messages[1]?.['data'] }], 0);
	assert.match(wrong[1], /data hash mismatch/);
	assert.deepEqual(await upload(client, messages, 0), [status.OK, '']);
	const file = await store.files.fileBySeq(0 as TxSeq);
	assert.ok(file);
	const own = [0, 1, 2, 3, 4].filter((at) => (Number(file.startSector) / 1024 + at) % 2 === 1);
	assert.deepEqual([file.isShardHeld, file.finalized, file.heldSegments], [true, false, own.length]);
});

test('a call that is broken off counts until nobody reads its segments any more', async (t) => {
	const { store, target } = await startGrpc(t);
	const client = zgsClient(t, target);
	const room = deferred();
	let waiting = 0;
	store.segmentUploads.put = () => {
		waiting++;
		return room.promise;
	};
	const [segment = {}] = segmentsOf(new Prng(7).bytes(300)).segments.map(messageOf);
	const request = { segments: [segment], txSeq: '7' };
	const breakOff = async (): Promise<string> => {
		const before = waiting;
		let why = '';
		const call = client.UploadSegmentsByTxSeq(request, (error) => void (why = error?.details ?? ''));
		await eventually(() => waiting > before || why !== '', 'the call begins or is refused');
		call.cancel();
		return why;
	};
	for (let at = 0; at < LIMITS.grpcSegmentCalls; at++) assert.equal(await breakOff(), '');
	assert.match(await breakOff(), /calls are in progress/);
	room.resolve();
	await eventually(async () => (await breakOff()) === '', 'there is room again');
});
