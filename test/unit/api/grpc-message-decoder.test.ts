/** Messages of a call come whole, however their bytes are cut, and their buffers are used again only when they were given back. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MessageBuffers, MessageDecoder } from '../../../src/api/grpc/message-decoder.js';
import { LIMITS } from '../../../src/limits.js';
import { Prng } from '../../support/prng.js';

function framed(message: Uint8Array, flag = 0): Buffer {
	const prefix = Buffer.alloc(5);
	prefix[0] = flag;
	prefix.writeUInt32BE(message.length, 1);
	return Buffer.concat([prefix, message]);
}

function* cut(bytes: Buffer, prng: Prng): Generator<Buffer> {
	for (let at = 0; at < bytes.length; ) {
		const length = prng.chance(0.3) ? 1 + prng.below(8) : 1 + prng.below(200_000);
		yield bytes.subarray(at, at + length);
		at += length;
	}
}

describe('messages of a call', () => {
	it('are the same however they are cut', () => {
		const buffers = new MessageBuffers();
		for (let seed = 1; seed <= 60; seed++) {
			const prng = new Prng(seed);
			const sizes = [0, 1, 5, 131_071, 131_072, 400_000, LIMITS.grpcMessageBytes];
			const messages = Array.from({ length: 1 + prng.below(5) }, () =>
				framed(prng.bytes(prng.pick(sizes)), prng.below(2)),
			);
			const decoder = new MessageDecoder(buffers);
			const got = [...cut(Buffer.concat(messages), prng)].flatMap((piece) => decoder.write(piece));
			assert.equal(got.length, messages.length);
			for (const [index, message] of messages.entries()) assert.ok(got[index]?.equals(message), `seed ${seed}`);
			decoder.release();
		}
	});

	it('keep their bytes until they are given back', () => {
		const buffers = new MessageBuffers();
		const prng = new Prng(1);
		const [first, second] = [framed(prng.bytes(300_000)), framed(prng.bytes(300_000))];
		const [one, other] = [new MessageDecoder(buffers), new MessageDecoder(buffers)];
		const [held] = one.write(first);
		const [next] = other.write(second);
		assert.ok(held && next);
		assert.ok(held.equals(first) && next.equals(second));
		one.release();
		one.release();
		const [again] = new MessageDecoder(buffers).write(second);
		assert.equal(again?.buffer, held.buffer, 'used again, once');
		assert.notEqual(new MessageDecoder(buffers).write(first)[0]?.buffer, held.buffer);
		assert.ok(next.equals(second));
	});

	it('are refused when they are too long', () => {
		const prefix = Buffer.alloc(5);
		prefix.writeUInt32BE(LIMITS.grpcMessageBytes + 1, 1);
		assert.throws(() => new MessageDecoder(new MessageBuffers()).write(prefix), /Received message larger than max/);
	});
});
