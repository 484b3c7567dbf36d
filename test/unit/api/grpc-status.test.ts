import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { failureOf } from '../../../src/api/grpc/failure.js';
import { chunkOf, encodeChunk } from '../../../src/api/grpc/codec.js';
import { GRPC_STATUS, STATUS_NAMES } from '../../../src/api/grpc/status.js';
import { loadServices } from '../../../src/api/grpc/proto.js';
import { ERRORS, type ErrorCode, PerigeeError } from '../../../src/errors.js';

test('every error code has a gRPC status, and no other has one', () => {
	assert.deepEqual(Object.keys(GRPC_STATUS).sort(), Object.keys(ERRORS).sort());
	for (const [code, name] of Object.entries(GRPC_STATUS)) {
		assert.notEqual(name, 'OK', code);
		// What clients retry by themselves must be worth it.
		if (name === 'UNAVAILABLE') assert.ok(ERRORS[code as ErrorCode].retryable, code);
	}
});

test('the statuses are those of gRPC', () => {
	for (const [number, name] of STATUS_NAMES.entries()) assert.equal(status[name], number);
	assert.equal(STATUS_NAMES.length, Object.keys(status).length / 2);
});

test('a failure carries its code, and text that can be sent whatever it holds', () => {
	const failure = failureOf(new PerigeeError('OVERLOADED', 'too much \ud800'), 'id-1');
	assert.equal(failure.code, status.UNAVAILABLE);
	assert.equal(failure.details, `too much \ufffd. ${ERRORS.OVERLOADED.hint}`);
	assert.equal(encodeURI(failure.details).includes('%EF%BF%BD'), true);
	assert.deepEqual(failure.metadata.getMap(), {
		'perigee-code': 'OVERLOADED',
		'perigee-request-id': 'id-1',
		'grpc-retry-pushback-ms': '1000',
	});
	assert.doesNotMatch(failureOf(new PerigeeError('INTERNAL', 'a secret'), 'id-2').details, /secret/);
});

test('chunks that are written by hand are what the general reader and writer know', async () => {
	const { described } = await loadServices();
	const methods: unknown = described['perigee.v1.Files'];
	const { Download: general } = methods as Record<
		'Download',
		{
			responseSerialize(message: object): Buffer;
			responseDeserialize(message: Buffer): { readonly part: string; readonly chunk: Buffer };
		}
	>;
	for (const size of [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152]) {
		const bytes = Buffer.alloc(size, 7);
		const message = encodeChunk(bytes);
		assert.ok(message.equals(general.responseSerialize({ chunk: bytes })), `${size}`);
		assert.ok(general.responseDeserialize(message).chunk.equals(bytes));
		assert.ok(chunkOf(message)?.equals(bytes));
	}
	// Not a chunk alone: left to the general reader.
	for (const other of [
		[],
		[0x0a, 0x00],
		[0x12],
		[0x12, 0x80],
		[0x12, 0x02, 0x41],
		[0x12, 0x01, 0x41, 0x0a, 0x00],
		[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
	])
		assert.equal(chunkOf(Buffer.from(other)), undefined);
});
