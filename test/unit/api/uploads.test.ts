import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { LIMITS } from '../../../src/limits.js';
import { fileRoot } from '../../../src/native/addon.js';
import { hexOf } from '../../../src/units.js';
import { SimulatedClock } from '../../support/simulated-clock.js';
import { ask, eventually, put, RawConnection, startRest } from '../../support/rest-server.js';

const rootOf = (bytes: Uint8Array) => hexOf(fileRoot(bytes).root);
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('base64');

test('a raw body is stored under its root, and again answers 200 with the same submission', async (t) => {
	const rest = await startRest(t);
	const body = randomBytes(700_000);
	const first = await ask(rest, '/v1/upload/model.bin', { method: 'PUT', body });
	assert.equal(first.status, 201);
	assert.deepEqual(first.json, { root: rootOf(body), txSeq: 0, size: body.length, name: 'model.bin', segments: 3 });
	assert.equal(first.headers.location, `/v1/files/${rootOf(body)}`);
	assert.deepEqual((await ask(rest, first.headers.location)).body, body);

	const again = await ask(rest, '/v1/upload/other', { method: 'PUT', body });
	assert.equal(again.status, 200);
	assert.deepEqual(again.json, { ...first.json, name: 'other' });
	assert.equal(rest.store.count, 1);
});

test('bodies come chunked, byte by byte, or in one packet with their head', async (t) => {
	const rest = await startRest(t);
	const chunked = await RawConnection.open(rest);
	chunked.send(
		'PUT /v1/upload/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n',
	);
	assert.match(await chunked.until('}'), /^HTTP\/1.1 201 /);
	const slow = await RawConnection.open(rest);
	slow.send('PUT /v1/upload/b HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n');
	for (const byte of 'wxyz') {
		slow.send(byte);
		await new Promise((resolve) => setImmediate(resolve));
	}
	assert.match(await slow.until('}'), new RegExp(rootOf(Buffer.from('wxyz'))));
	assert.deepEqual((await ask(rest, `/v1/files/${rootOf(Buffer.from('abcde'))}`)).text, 'abcde');
});

test('two uploads on one connection follow each other', async (t) => {
	const rest = await startRest(t);
	const connection = await RawConnection.open(rest);
	const request = (text: string) =>
		`PUT /v1/upload/ HTTP/1.1\r\nHost: x\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
	connection.send(request('one') + request('two'));
	const answers = await connection.until(rootOf(Buffer.from('two')));
	assert.ok(answers.indexOf(rootOf(Buffer.from('one'))) > 0);
	assert.equal(answers.match(/HTTP\/1.1 201 /g)?.length, 2);
});

test('names: none, unicode, encoded, and what cannot be stored', async (t) => {
	const rest = await startRest(t);
	const nameOf = async (path: string) => (await ask(rest, path, { method: 'PUT', body: 'x' })).json['name'];
	assert.equal(await nameOf('/v1/upload/'), '');
	assert.equal(await nameOf('/v1/upload/%E3%83%A2%20a%25.bin'), 'モ a%.bin');
	assert.equal(await nameOf(`/v1/upload/${'a'.repeat(LIMITS.nameBytes)}`), 'a'.repeat(LIMITS.nameBytes));
	for (const path of [
		'a/b',
		'a%2Fb',
		'a%00',
		'%0a',
		'..%2f',
		'a'.repeat(LIMITS.nameBytes + 1),
		encodeURIComponent('ü'.repeat(600)),
	]) {
		const answer = await ask(rest, `/v1/upload/${path}`, { method: 'PUT', body: 'x' });
		assert.deepEqual([answer.status, answer.json['code']], [400, 'BAD_NAME'], path.slice(0, 40));
	}
	const broken = await ask(rest, '/v1/upload/%zz', { method: 'PUT', body: 'x' });
	assert.deepEqual([broken.status, broken.headers['content-type']], [400, 'application/problem+json']);
});

test('an empty body is refused, announced or not', async (t) => {
	const rest = await startRest(t);
	const announced = await ask(rest, '/v1/upload/a', { method: 'PUT', body: '' });
	assert.deepEqual([announced.status, announced.json['code']], [400, 'EMPTY_FILE']);
	const chunked = await RawConnection.open(rest);
	chunked.send('PUT /v1/upload/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n');
	assert.match(await chunked.until('EMPTY_FILE'), /^HTTP\/1.1 400 /);
	assert.equal(rest.store.openUploads, 0);
	assert.equal(rest.store.count, 0);
});

test('Content-Digest is checked; after a mismatch nothing is visible', async (t) => {
	const rest = await startRest(t);
	const body = randomBytes(5000);
	const send = (digest: string) =>
		ask(rest, '/v1/upload/a', { method: 'PUT', body, headers: { 'Content-Digest': digest } });
	const wrong = await send(`sha-256=:${sha256(Buffer.from('other'))}:`);
	assert.deepEqual([wrong.status, wrong.json['code'], wrong.json['retryable']], [422, 'DIGEST_MISMATCH', true]);
	assert.equal((await ask(rest, `/v1/files/${rootOf(body)}`)).status, 404);
	assert.equal((await send('sha-256=nonsense')).json['code'], 'BAD_DIGEST');
	assert.equal((await send(`sha-512=:${Buffer.alloc(64).toString('base64')}:`)).status, 201);
	assert.equal((await send(`sha-256=:${sha256(body)}:`)).status, 200);
});

test('Perigee-Expected-Root is checked; after a mismatch nothing is visible', async (t) => {
	const rest = await startRest(t);
	const body = randomBytes(5000);
	const send = (root: string) =>
		ask(rest, '/v1/upload/a', { method: 'PUT', body, headers: { 'Perigee-Expected-Root': root } });
	assert.equal((await send(rootOf(Buffer.from('other')))).json['code'], 'ROOT_MISMATCH');
	assert.equal(rest.store.count, 0);
	assert.equal((await send('0x12')).json['code'], 'BAD_ROOT');
	assert.equal((await send(rootOf(body).toUpperCase().replace('0X', '0x'))).status, 201);
});

test('a body that is announced too large is refused before it is read', async (t) => {
	const rest = await startRest(t, { maxFileBytes: 1000 });
	const connection = await RawConnection.open(rest);
	connection.send('PUT /v1/upload/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n');
	const answer = await connection.until('BODY_TOO_LARGE');
	assert.match(answer, /^HTTP\/1.1 413 /);
	assert.match(answer, /Connection: close/);
	connection.socket.destroy();
	assert.equal(rest.store.abortedUploads, 0);
	assert.equal((await put(rest, Buffer.alloc(1000, 1))).length, 66);
});

test('a chunked body is cut off when it passes the limit, and the answer still arrives', async (t) => {
	const rest = await startRest(t, { maxFileBytes: 100_000 });
	const answer = await ask(rest, '/v1/upload/a', {
		method: 'PUT',
		body: Buffer.alloc(2_000_000, 1),
		headers: { 'Transfer-Encoding': 'chunked' },
	});
	assert.deepEqual([answer.status, answer.json['code']], [413, 'BODY_TOO_LARGE']);
	assert.equal(answer.headers.connection, 'close');
	assert.equal(rest.store.abortedUploads, 1);
	assert.equal(rest.store.openUploads, 0);
});

test('Expect: 100-continue is answered once the upload may begin, and not before a refusal', async (t) => {
	const rest = await startRest(t, { maxFileBytes: 1000 });
	const welcome = await RawConnection.open(rest);
	welcome.send('PUT /v1/upload/a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n');
	assert.equal(await welcome.until('\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n');
	welcome.send('abc');
	assert.match(await welcome.until('}'), /HTTP\/1.1 201 /);
	const refused = await RawConnection.open(rest);
	refused.send('PUT /v1/upload/a HTTP/1.1\r\nHost: x\r\nContent-Length: 3000\r\nExpect: 100-continue\r\n\r\n');
	assert.match(await refused.closed(), /^HTTP\/1.1 413 /);
	const unknown = await RawConnection.open(rest);
	unknown.send('PUT /v1/upload/a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: magic\r\n\r\n');
	assert.match(await unknown.until('EXPECTATION_FAILED'), /^HTTP\/1.1 417 /);
});

test('a body with a content encoding is refused', async (t) => {
	const rest = await startRest(t);
	const send = (encoding: string) =>
		ask(rest, '/v1/upload/a', { method: 'PUT', body: 'x', headers: { 'Content-Encoding': encoding } });
	assert.deepEqual([(await send('gzip')).status, (await send('gzip')).json['code']], [415, 'ENCODING_UNSUPPORTED']);
	assert.equal((await send('Identity')).status, 201);
	const coded = await RawConnection.open(rest);
	coded.send('PUT /v1/upload/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n');
	assert.match(await coded.until('ENCODING_UNSUPPORTED'), /^HTTP\/1.1 415 /);
});

test('any content type is taken, sensible or not', async (t) => {
	const rest = await startRest(t);
	const typeOf = async (type: string) => {
		const root = await put(rest, randomBytes(10), 'a', { 'Content-Type': type });
		return (await ask(rest, `/v1/files/${root}`)).headers['content-type'];
	};
	assert.equal(await typeOf('image/png'), 'image/png');
	assert.equal(await typeOf('text/html; charset=utf-8'), 'text/html; charset=utf-8');
	assert.equal(await typeOf('application/json'), 'application/json');
	assert.equal(await typeOf('multipart/form-data; boundary=x'), 'multipart/form-data; boundary=x');
	assert.equal(await typeOf('nonsense'), 'application/octet-stream');
	assert.equal(await typeOf(`a/${'b'.repeat(1000)}`), 'application/octet-stream');
});

test('a client that breaks off leaves nothing behind', async (t) => {
	const rest = await startRest(t);
	const connection = await RawConnection.open(rest);
	connection.send('PUT /v1/upload/a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc');
	await eventually(() => rest.store.openUploads === 1, 'the upload begins');
	connection.socket.destroy();
	await eventually(() => rest.store.abortedUploads === 1, 'the upload is given up');
	assert.equal(rest.store.openUploads, 0);
	assert.equal(rest.store.count, 0);
});

test('a client that breaks off while the store holds it up is given up only when the write has settled', async (t) => {
	const rest = await startRest(t);
	let proceed = (): void => {};
	rest.store.bends.onWrite = () => new Promise((resolve) => (proceed = resolve));
	const connection = await RawConnection.open(rest);
	connection.send('PUT /v1/upload/a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc');
	await eventually(() => rest.store.openUploads === 1, 'the upload begins');
	connection.socket.resetAndDestroy();
	for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
	assert.equal(rest.store.abortedUploads, 0);
	proceed();
	await eventually(() => rest.store.abortedUploads === 1, 'the upload is given up');
});

test('the store holds the socket up: no chunk comes while one is being written', async (t) => {
	const rest = await startRest(t);
	let writing = false;
	rest.store.bends.onWrite = async () => {
		assert.equal(writing, false, 'two writes at once');
		writing = true;
		await new Promise((resolve) => setImmediate(resolve));
		writing = false;
	};
	const body = randomBytes(3_000_000);
	assert.equal(await put(rest, body), rootOf(body));
});

test('an error of the store in the middle of a body is answered, and the upload is aborted', async (t) => {
	const rest = await startRest(t);
	for (const mode of ['throws', 'rejects'] as const) {
		rest.store.bends.onWrite = (received) => {
			if (received < 100_000) return undefined;
			const error = new Error('the roof is on fire');
			if (mode === 'throws') throw error;
			return Promise.reject(error);
		};
		const answer = await ask(rest, '/v1/upload/a', { method: 'PUT', body: randomBytes(1_000_000) });
		assert.deepEqual([answer.status, answer.json['code']], [500, 'INTERNAL'], mode);
		assert.doesNotMatch(answer.text, /roof/);
	}
	assert.equal(rest.store.abortedUploads, 2);
	assert.equal(rest.logged.length, 2);
});

test('an upload of which nothing arrives is given up with 408', async (t) => {
	const clock = new SimulatedClock();
	const rest = await startRest(t, { clock, idleTimeoutMs: 1000 });
	const connection = await RawConnection.open(rest);
	connection.send('PUT /v1/upload/a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc');
	await eventually(() => rest.store.openUploads === 1, 'the upload begins');
	clock.advance(2000);
	assert.match(await connection.until('UPLOAD_TIMEOUT'), /^HTTP\/1.1 408 /);
	await eventually(() => rest.store.abortedUploads === 1, 'the upload is given up');
	clock.advance(LIMITS.httpLingerMs);
	await connection.closed();
});

test('too many uploads at once: 503 with Retry-After', async (t) => {
	const rest = await startRest(t);
	rest.store.bends.maxUploads = 0;
	const answer = await ask(rest, '/v1/upload/a', { method: 'PUT', body: 'abc' });
	assert.deepEqual([answer.status, answer.json['code']], [503, 'TOO_MANY_UPLOADS']);
	assert.equal(answer.headers['retry-after'], '1');
	assert.equal(answer.json['retryable'], true);
});
