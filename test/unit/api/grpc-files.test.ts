import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { loadServices } from '../../../src/api/grpc/proto.js';
import { LIMITS } from '../../../src/limits.js';
import { fileRoot } from '../../../src/native/addon.js';
import { hexOf, SEGMENT_BYTES } from '../../../src/units.js';
import {
	beginUpload,
	connectFiles,
	download,
	failureOf,
	type Message,
	type Outcome,
	refusal,
	startGrpc,
	stat,
	stored,
	upload,
} from '../../support/grpc-server.js';

const rootOf = (bytes: Uint8Array): string => hexOf(fileRoot(bytes).root);
const answerOf = (outcome: Outcome): Message => {
	if ('error' in outcome) throw outcome.error;
	return outcome.answer;
};

test('files of all sizes come back as they went, however they were cut into chunks', async (t) => {
	const grpc = await startGrpc(t);
	const client = connectFiles(t, grpc.target);
	const sizes = [1, 127, 128, 255, 256, 257, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 2 ** 20, 3_145_741];
	for (const [index, size] of sizes.entries()) {
		const content = randomBytes(size);
		for (const chunkBytes of [SEGMENT_BYTES, 2 ** 20, Math.max(1, Math.ceil(size / 7))]) {
			const answer = answerOf(await upload(client, content, { chunkBytes, options: { name: `f-${size}` } }));
			assert.deepEqual(answer, {
				root: rootOf(content),
				txSeq: String(index),
				size: String(size),
				segments: String(Math.ceil(size / SEGMENT_BYTES)),
				existed: chunkBytes !== SEGMENT_BYTES,
				pending: null,
				_txSeq: 'txSeq',
			});
		}
		const { header, bytes, largestChunk, error } = await download(client, { root: rootOf(content) });
		assert.equal(error, undefined);
		assert.ok(bytes.equals(content), `${size} bytes`);
		assert.ok(largestChunk <= LIMITS.grpcSentChunkBytes);
		assert.equal(header?.['length'], String(size));
	}
	assert.equal(grpc.store.outstandingPieces, 0);
	assert.equal(grpc.store.openUploads, 0);
});

test('a range is what was asked for, and its header says what it is', async (t) => {
	const grpc = await startGrpc(t);
	const client = connectFiles(t, grpc.target);
	const content = randomBytes(1_500_000);
	const options = { name: 'r.bin', contentType: 'application/x-test' };
	const root = await stored(client, content, options);
	const read = LIMITS.grpcReadBytes;
	for (const [offset, length] of [
		[0, 0],
		[0, 1],
		[1_499_999, 1],
		[read - 1, 2],
		[read, read],
		[123, read],
		[700_000, 0],
		[1_000_000, 9_000_000],
		[1, '18446744073709551615'],
	] as const) {
		const { header, bytes, error } = await download(client, { root, offset, length });
		assert.equal(error, undefined);
		const expected = content.subarray(offset, length === 0 ? undefined : offset + Number(length));
		assert.ok(bytes.equals(expected), `${offset}+${length}`);
		assert.deepEqual(header, {
			root,
			txSeq: '0',
			size: '1500000',
			offset: String(offset),
			length: String(expected.length),
			...options,
		});
	}
	for (const offset of [1_500_000, '18446744073709551615']) {
		const refused = await download(client, { root, offset });
		assert.deepEqual(failureOf(refused.error), [status.OUT_OF_RANGE, 'RANGE_NOT_SATISFIABLE']);
		assert.equal(refused.header, undefined);
	}
	const bySeq = await download(client, { txSeq: 0, length: 5 });
	assert.ok(bySeq.bytes.equals(content.subarray(0, 5)));
});

test('with VERIFY_MERKLE every segment is led up to the root before it is sent', async (t) => {
	const grpc = await startGrpc(t);
	const client = connectFiles(t, grpc.target);
	const content = randomBytes(3 * SEGMENT_BYTES + 5);
	const root = await stored(client, content);
	const good = await download(client, { root, verify: 'VERIFY_MERKLE', offset: 100, length: 2 * SEGMENT_BYTES });
	assert.ok(good.bytes.equals(content.subarray(100, 100 + 2 * SEGMENT_BYTES)));
	// A store whose checksums fit wrong bytes: only the root knows.
	const segmentProof = grpc.store.segmentProof.bind(grpc.store);
	grpc.store.segmentProof = async (file, index) => {
		const { data, proof } = await segmentProof(file, index);
		const other = Buffer.from(data);
		if (index === 2) other[7]! ^= 1;
		return { data: other, proof };
	};
	const bad = await download(client, { root, verify: 'VERIFY_MERKLE' });
	assert.deepEqual(failureOf(bad.error), [status.DATA_LOSS, 'DATA_DAMAGED']);
	assert.ok(bad.bytes.equals(content.subarray(0, bad.bytes.length)));
	assert.ok(bad.bytes.length <= 2 * SEGMENT_BYTES);
	assert.ok((await download(client, { root })).bytes.equals(content));
	const unknown = await download(client, { root, verify: 7 });
	assert.deepEqual(failureOf(unknown.error), [status.INVALID_ARGUMENT, 'BAD_REQUEST']);
});

test('Stat tells what the store knows, by root and by sequence number', async (t) => {
	const grpc = await startGrpc(t);
	const client = connectFiles(t, grpc.target);
	const content = randomBytes(600_000);
	const root = await stored(client, content, { name: 'first', contentType: 'text/plain' });
	await stored(client, content, { name: 'second' });
	const file = await grpc.store.fileByRoot(root as never);
	assert.ok(file);
	const expected = {
		root,
		txSeq: '0',
		size: '600000',
		segments: '3',
		segmentsPadded: String(file.segmentsPadded),
		startSector: String(file.startSector),
		paddedSectors: String(file.paddedSectors),
		finalized: true,
		deleted: false,
		heldSegments: '3',
		name: 'second',
		contentType: '',
		uploadedAtMs: String(file.uploadedAtMs),
		submitter: file.submitter,
		tags: Buffer.alloc(0),
		nodes: file.nodes.map((node) => ({ root: hexOf(node.root), height: node.height })),
	};
	assert.deepEqual(answerOf(await stat(client, { root })), expected);
	assert.deepEqual(answerOf(await stat(client, { root: root.toUpperCase().replace('0X', '0x') })), expected);
	const bySeq = { ...expected, name: 'first', contentType: 'text/plain' };
	assert.deepEqual(answerOf(await stat(client, { txSeq: 0 })), bySeq);
});

test('64-bit numbers are written and read without loss', async () => {
	const { files } = await loadServices();
	const { responseSerialize: write, responseDeserialize: read } = files['Stat']!;
	for (const value of ['0', '9007199254740993', '9223372036854775808', '18446744073709551615']) {
		const message = read(write({ startSector: value, paddedSectors: value })) as Message;
		assert.deepEqual([message['startSector'], message['paddedSectors']], [value, value]);
	}
});

test('what cannot be stored is refused with its code, and nothing of it stays', async (t) => {
	const grpc = await startGrpc(t, { maxFileBytes: 1_000_000 });
	const client = connectFiles(t, grpc.target);
	const one = Buffer.from('one');
	const sha256 = createHash('sha256').update('two').digest();
	const refusals: [Message, Uint8Array, number, string][] = [
		[{}, Buffer.alloc(0), status.INVALID_ARGUMENT, 'EMPTY_FILE'],
		[{ name: 'a\n' }, one, status.INVALID_ARGUMENT, 'BAD_NAME'],
		[{ name: 'a/b' }, one, status.INVALID_ARGUMENT, 'BAD_NAME'],
		[{ name: 'n'.repeat(LIMITS.nameBytes + 1) }, one, status.INVALID_ARGUMENT, 'BAD_NAME'],
		[{ expectedRoot: '0x12' }, one, status.INVALID_ARGUMENT, 'BAD_ROOT'],
		[{ expectedRoot: `0x${'0'.repeat(64)}` }, one, status.INVALID_ARGUMENT, 'ROOT_MISMATCH'],
		[{ expectedSha256: Buffer.alloc(31) }, one, status.INVALID_ARGUMENT, 'BAD_DIGEST'],
		[{ expectedSha256: sha256 }, one, status.INVALID_ARGUMENT, 'DIGEST_MISMATCH'],
		[{ announcedBytes: 4 }, one, status.INVALID_ARGUMENT, 'BAD_REQUEST'],
		[{ announcedBytes: 2 }, one, status.INVALID_ARGUMENT, 'BAD_REQUEST'],
		[{ announcedBytes: 1_000_001 }, one, status.RESOURCE_EXHAUSTED, 'BODY_TOO_LARGE'],
		[{ announcedBytes: '18446744073709551615' }, one, status.RESOURCE_EXHAUSTED, 'BODY_TOO_LARGE'],
		[{}, Buffer.alloc(1_000_001), status.RESOURCE_EXHAUSTED, 'BODY_TOO_LARGE'],
	];
	for (const [options, content, code, name] of refusals) {
		assert.deepEqual(refusal(await upload(client, content, { options })), [code, name], JSON.stringify(options));
	}
	assert.equal(grpc.store.count, 0);
	assert.equal(grpc.store.openUploads, 0);
	const good = { expectedRoot: rootOf(one), expectedSha256: createHash('sha256').update(one).digest() };
	assert.equal(answerOf(await upload(client, one, { options: { ...good, announcedBytes: 3 } }))['root'], rootOf(one));
	grpc.store.bends.maxUploads = 0;
	const busy = await upload(client, one);
	assert.deepEqual(refusal(busy), [status.UNAVAILABLE, 'TOO_MANY_UPLOADS']);
	assert.ok('error' in busy);
	assert.deepEqual(busy.error.metadata.get('grpc-retry-pushback-ms'), ['1000']);
	assert.match(busy.error.details, /Too many uploads at once\. Try again/);
});

test('the first message has the options, and no other has', async (t) => {
	const grpc = await startGrpc(t);
	const client = connectFiles(t, grpc.target);
	const orders: [Message[], RegExp][] = [
		[[], /first message is missing/],
		[[{ chunk: Buffer.from('x') }], /first message has no options/],
		[[{ options: {} }, { chunk: Buffer.from('x') }, { options: {} }], /after the first has options again/],
		[[{}], /first message has neither options, nor a chunk, nor the end/],
		[[{ options: {} }, {}], /after the first has neither/],
		[[{ end: {} }], /first message has no options/],
		[[{ options: {} }, { chunk: Buffer.from('x') }, { end: {} }, { chunk: Buffer.from('y') }], /after the end/],
		[[{ options: {} }, { chunk: Buffer.from('x') }], /without an announced size and without the message `end`/],
	];
	for (const [messages, reason] of orders) {
		const { call, outcome } = beginUpload(client);
		for (const message of messages) call.write(message);
		call.end();
		const ended = await outcome;
		assert.deepEqual(refusal(ended), [status.INVALID_ARGUMENT, 'BAD_REQUEST']);
		assert.match('error' in ended ? ended.error.details : '', reason);
	}
	assert.equal(grpc.store.count, 0);
	assert.equal(grpc.store.openUploads, 0);
});

test('an announced size stands for the end', async (t) => {
	const grpc = await startGrpc(t);
	const content = randomBytes(300_000);
	const options = { announcedBytes: content.length };
	const ended = await upload(connectFiles(t, grpc.target), content, { options, isEnded: false });
	assert.equal(answerOf(ended)['root'], rootOf(content));
});

test('an empty chunk is no chunk', async (t) => {
	const grpc = await startGrpc(t);
	const { call, outcome } = beginUpload(connectFiles(t, grpc.target));
	call.write({ options: {} });
	for (const text of ['', 'ab', '', 'c', '']) call.write({ chunk: Buffer.from(text) });
	call.write({ end: {} });
	call.end();
	const ended = await outcome;
	assert.deepEqual('answer' in ended ? ended.answer['root'] : refusal(ended), rootOf(Buffer.from('abc')));
});

test('files that are not known, not named, deleted or not held', async (t) => {
	const grpc = await startGrpc(t);
	const client = connectFiles(t, grpc.target);
	const none = `0x${'1'.repeat(64)}`;
	for (const [request, code, name] of [
		[{ root: none }, status.NOT_FOUND, 'NOT_FOUND'],
		[{ txSeq: 7 }, status.NOT_FOUND, 'NOT_FOUND'],
		[{ txSeq: '18446744073709551615' }, status.INVALID_ARGUMENT, 'BAD_REQUEST'],
		[{ root: 'x' }, status.INVALID_ARGUMENT, 'BAD_ROOT'],
		[{ root: '' }, status.INVALID_ARGUMENT, 'BAD_ROOT'],
		[{}, status.INVALID_ARGUMENT, 'BAD_REQUEST'],
	] as const) {
		assert.deepEqual(refusal(await stat(client, request)), [code, name]);
		assert.deepEqual(failureOf((await download(client, request)).error), [code, name]);
	}
	const root = await stored(client, randomBytes(1000));
	await grpc.store.deleteFile(root as never);
	assert.deepEqual(failureOf((await download(client, { root })).error), [status.NOT_FOUND, 'GONE']);
	assert.equal(answerOf(await stat(client, { root }))['deleted'], true);
});
