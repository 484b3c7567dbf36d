import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { PerigeeError } from '../../../src/errors.js';
import { ask, eventually, put, RawConnection, startRest } from '../../support/rest-server.js';

interface Part {
	readonly head: string;
	readonly bytes: Buffer;
}

/** Takes a multipart/byteranges body apart by the lengths that its parts tell. */
function partsOf(body: Buffer, contentType: string): Part[] {
	const boundary = /^multipart\/byteranges; boundary=([0-9a-f]{32})$/.exec(contentType)?.[1];
	assert.ok(boundary, contentType);
	const parts: Part[] = [];
	let at = 0;
	for (;;) {
		const end = `\r\n--${boundary}--\r\n`;
		if (body.subarray(at).toString('latin1') === end) return parts;
		const start: string = `${at === 0 ? '' : '\r\n'}--${boundary}\r\n`;
		assert.equal(body.subarray(at, at + start.length).toString('latin1'), start);
		const headEnd = body.indexOf('\r\n\r\n', at + start.length) + 4;
		const head = body.subarray(at + start.length, headEnd).toString('latin1');
		const [, from, to] = /Content-Range: bytes (\d+)-(\d+)\//.exec(head) ?? [];
		at = headEnd + Number(to) - Number(from) + 1;
		parts.push({ head, bytes: body.subarray(headEnd, at) });
	}
}

test('several ranges come as parts of one answer, small and large, in the order they were asked for', async (t) => {
	const rest = await startRest(t);
	const content = randomBytes(3_000_000);
	const root = await put(rest, content, 'x', { 'Content-Type': 'image/png' });
	const ranges = [
		[2_999_000, 2_999_999],
		[0, 0],
		[100_000, 1_900_000],
	] as const;
	const range = `bytes=${ranges.map(([from, to]) => `${from}-${to}`).join(', ')}`;
	const answer = await ask(rest, `/v1/files/${root}`, { headers: { Range: range } });
	assert.equal(answer.status, 206);
	assert.equal(answer.headers['content-range'], undefined);
	assert.equal(answer.headers['content-length'], String(answer.body.length));
	assert.equal(answer.headers.etag, `"${root}"`);
	const parts = partsOf(answer.body, String(answer.headers['content-type']));
	assert.equal(parts.length, ranges.length);
	for (const [index, [from, to]] of ranges.entries()) {
		assert.equal(parts[index]?.head, `Content-Type: image/png\r\nContent-Range: bytes ${from}-${to}/3000000\r\n\r\n`);
		assert.ok(parts[index]?.bytes.equals(content.subarray(from, to + 1)));
	}
	const one = await ask(rest, `/v1/files/${root}`, { headers: { Range: 'bytes=0-9,5-19' } });
	assert.deepEqual([one.status, one.headers['content-range']], [206, 'bytes 0-19/3000000']);
	const ifRange = { Range: range, 'If-Range': '"other"' };
	assert.equal((await ask(rest, `/v1/files/${root}`, { headers: ifRange })).status, 200);
	const many = `bytes=${Array.from({ length: 101 }, (_, at) => `${at * 100}-${at * 100}`).join()}`;
	const refused = await ask(rest, `/v1/files/${root}`, { headers: { Range: many } });
	assert.deepEqual([refused.status, refused.json['code']], [400, 'BAD_REQUEST']);
	assert.equal(rest.store.outstandingPieces, 0);
});

test('an error in the first part is an answer, in a later one it cuts the connection; whoever leaves gives everything back', async (t) => {
	const rest = await startRest(t);
	const content = randomBytes(2_000_000);
	const root = await put(rest, content);
	const headers = { Range: 'bytes=0-9,1000000-1999999' };
	rest.store.bends.onRead = () => {
		throw new PerigeeError('DATA_DAMAGED');
	};
	assert.equal((await ask(rest, `/v1/files/${root}`, { headers })).status, 500);
	rest.store.bends.onRead = (from) => {
		if (from > 0) throw new PerigeeError('DATA_DAMAGED');
	};
	await assert.rejects(ask(rest, `/v1/files/${root}`, { headers }));
	delete rest.store.bends.onRead;
	const connection = await RawConnection.open(rest);
	connection.send(`GET /v1/files/${root} HTTP/1.1\r\nHost: x\r\nRange: bytes=0-9,1000000-1999999\r\n\r\n`);
	await connection.until('206 Partial');
	connection.socket.destroy();
	await eventually(() => rest.store.outstandingPieces === 0, 'all pieces are given back');
});

test('only-if-cached: what is not held here is 412, known or not; what is held is answered as always', async (t) => {
	const rest = await startRest(t);
	const root = await put(rest, randomBytes(300_000));
	const headers = { 'Cache-Control': 'max-age=0, only-if-cached' };
	for (const path of [`/v1/files/${root}`, '/v1/submissions/0', `/v1/files/${root}/segments/1`]) {
		assert.equal((await ask(rest, path, { headers })).status, 200, path);
	}
	const unknown = `0x${'0'.repeat(63)}1`;
	for (const path of [`/v1/files/${unknown}`, '/v1/submissions/7', `/v1/files/${unknown}/segments/0`]) {
		for (const method of ['GET', 'HEAD']) {
			assert.equal((await ask(rest, path, { headers, method })).status, 412, path);
			assert.equal((await ask(rest, path, { method })).status, 404, path);
		}
		assert.equal((await ask(rest, path, { headers })).json['code'], 'NOT_CACHED');
	}
	await rest.store.dropSegments(root as never, 1, 1);
	assert.equal((await ask(rest, `/v1/files/${root}`, { headers, method: 'HEAD' })).status, 412);
});

test('verify=merkle sends what leads to the data root, whole, in ranges and in parts, and nothing else', async (t) => {
	const rest = await startRest(t);
	for (const size of [1, 256, 4097, 262_144, 262_145, 1_000_000]) {
		const content = randomBytes(size);
		const root = await put(rest, content);
		const whole = await ask(rest, `/v1/files/${root}?verify=merkle`);
		assert.ok(whole.status === 200 && whole.body.equals(content), String(size));
		const from = size >> 1;
		const range = await ask(rest, `/v1/files/${root}?verify=merkle`, { headers: { Range: `bytes=${from}-` } });
		assert.ok(range.status === 206 && range.body.equals(content.subarray(from)), String(size));
	}
	const content = randomBytes(700_000);
	const root = await put(rest, content);
	const headers = { Range: 'bytes=600000-699999,0-9' };
	const answer = await ask(rest, `/v1/files/${root}?verify=merkle`, { headers });
	const [last, first] = partsOf(answer.body, String(answer.headers['content-type']));
	assert.ok(last?.bytes.equals(content.subarray(600_000)));
	assert.ok(first?.bytes.equals(content.subarray(0, 10)));
	const { segmentProof } = rest.store;
	rest.store.segmentProof = async (file, index) => {
		const found = await segmentProof.call(rest.store, file, index);
		// Bytes that match their checksum and not their root.
		if (index === 2) found.data[5] = (found.data[5] as number) ^ 1;
		return found;
	};
	assert.equal((await ask(rest, `/v1/files/${root}?verify=merkle`, { headers })).status, 500);
	await assert.rejects(ask(rest, `/v1/files/${root}?verify=merkle`));
	assert.equal((await ask(rest, `/v1/files/${root}?verify=merkle`, { headers: { Range: 'bytes=0-99' } })).status, 206);
	assert.equal((await ask(rest, `/v1/files/${root}?verify=yes`)).status, 400);
});
