import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { LIMITS } from '../../../src/limits.js';
import { fileRoot } from '../../../src/native/addon.js';
import { hexOf } from '../../../src/units.js';
import { BOUNDARY, formOf } from '../../support/forms.js';
import { ask, eventually, RawConnection, type RestServer, startRest } from '../../support/rest-server.js';
import { SimulatedClock } from '../../support/simulated-clock.js';

const rootOf = (bytes: Uint8Array) => hexOf(fileRoot(bytes).root);
function post(rest: RestServer, body: Uint8Array, headers: Readonly<Record<string, string>> = {}) {
	return ask(rest, '/v1/upload', {
		method: 'POST',
		body,
		headers: { 'Content-Type': `multipart/form-data; boundary=${BOUNDARY}`, ...headers },
	});
}

test('a form with one file answers like PUT', async (t) => {
	const rest = await startRest(t);
	const body = randomBytes(700_000);
	const form = formOf([
		{ name: 'comment', body: 'fields are ignored' },
		{ filename: 'ü.png', type: 'image/png', body },
	]);
	const answer = await post(rest, form);
	assert.equal(answer.status, 201);
	assert.deepEqual(answer.json, { root: rootOf(body), txSeq: 0, size: body.length, name: 'ü.png', segments: 3 });
	const back = await ask(rest, String(answer.headers.location));
	assert.deepEqual([back.body.equals(body), back.headers['content-type']], [true, 'image/png']);
	assert.equal((await post(rest, form)).status, 200);
});

test('a form with several files answers with all of them in order', async (t) => {
	const rest = await startRest(t);
	const bodies = [randomBytes(10), randomBytes(300_000), randomBytes(20)];
	const form = formOf(bodies.map((body, index) => ({ filename: `f${index}`, body })));
	const answer = await post(rest, form);
	assert.equal(answer.status, 201);
	const files = answer.json['files'] as { root: string; name: string }[];
	assert.deepEqual(
		files.map(({ root, name }) => ({ root, name })),
		bodies.map((body, index) => ({ root: rootOf(body), name: `f${index}` })),
	);
	assert.equal((await post(rest, form)).status, 200);
});

test('a form without a file, an empty file, and no form at all are refused', async (t) => {
	const rest = await startRest(t);
	assert.equal((await post(rest, formOf([{ name: 'a', body: 'b' }]))).json['code'], 'BAD_REQUEST');
	assert.equal((await post(rest, formOf([{ filename: 'a', body: '' }]))).json['code'], 'EMPTY_FILE');
	for (const type of ['application/json', 'text/plain', 'nonsense', 'application/x-www-form-urlencoded']) {
		const answer = await post(rest, Buffer.from('{}'), { 'Content-Type': type });
		assert.deepEqual([answer.status, answer.json['code']], [415, 'NOT_MULTIPART'], type);
	}
	assert.equal(
		(await post(rest, Buffer.from('x'), { 'Content-Type': 'multipart/form-data' })).json['code'],
		'BAD_REQUEST',
	);
	for (const boundary of ['b'.repeat(253), `"${'b'.repeat(300)}"`, 'b'.repeat(8000)]) {
		const answer = await post(rest, Buffer.from('x'), { 'Content-Type': `multipart/form-data; boundary=${boundary}` });
		assert.deepEqual([answer.status, answer.json['code']], [400, 'BAD_REQUEST']);
	}
	assert.equal(rest.store.count, 0);
	assert.equal(rest.store.openUploads, 0);
});

test('a form that ends in the middle of a file stores nothing of it', async (t) => {
	const rest = await startRest(t);
	const whole = formOf([{ filename: 'a', body: randomBytes(1000) }]);
	const answer = await post(rest, whole.subarray(0, 900));
	assert.deepEqual([answer.status, answer.json['code']], [400, 'BAD_REQUEST']);
	await eventually(() => rest.store.openUploads === 0, 'the upload is given up');
	assert.equal(rest.store.count, 0);
});

test('when a later file fails, the problem names the files that were stored', async (t) => {
	const rest = await startRest(t);
	const answer = await post(
		rest,
		formOf([
			{ filename: 'good', body: 'abc' },
			{ filename: 'a'.repeat(1025), body: 'x' },
			{ filename: 'empty', body: '' },
		]),
	);
	assert.deepEqual([answer.status, answer.json['code']], [400, 'BAD_NAME']);
	assert.deepEqual(
		(answer.json['files'] as { name: string }[]).map((file) => file.name),
		['good'],
	);
});

test('a file above the limit is refused', async (t) => {
	const rest = await startRest(t, { maxFileBytes: 100_000 });
	const answer = await post(rest, formOf([{ filename: 'a', body: randomBytes(1_000_000) }]));
	assert.deepEqual([answer.status, answer.json['code']], [413, 'BODY_TOO_LARGE']);
	await eventually(() => rest.store.openUploads === 0, 'the upload is given up');
	assert.equal(rest.store.count, 0);
});

test('Content-Digest covers the form: right, wrong, and impossible with several files', async (t) => {
	const rest = await startRest(t);
	const one = formOf([{ filename: 'a', body: randomBytes(300_000) }]);
	const digest = (bytes: Uint8Array) => `sha-256=:${createHash('sha256').update(bytes).digest('base64')}:`;
	assert.equal((await post(rest, one, { 'Content-Digest': digest(Buffer.from('x')) })).json['code'], 'DIGEST_MISMATCH');
	assert.equal(rest.store.count, 0);
	assert.equal((await post(rest, one, { 'Content-Digest': digest(one) })).status, 201);
	const two = formOf([
		{ filename: 'b', body: 'b' },
		{ filename: 'c', body: 'c' },
	]);
	const refused = await post(rest, two, { 'Content-Digest': digest(two) });
	assert.deepEqual([refused.status, refused.json['code']], [400, 'BAD_REQUEST']);
	assert.equal(rest.store.count, 1);
	assert.equal(rest.store.openUploads, 0);
});

test('Perigee-Expected-Root holds for the files of a form', async (t) => {
	const rest = await startRest(t);
	const form = formOf([{ filename: 'a', body: 'abc' }]);
	assert.equal(
		(await post(rest, form, { 'Perigee-Expected-Root': rootOf(Buffer.from('abd')) })).json['code'],
		'ROOT_MISMATCH',
	);
	assert.equal((await post(rest, form, { 'Perigee-Expected-Root': rootOf(Buffer.from('abc')) })).status, 201);
});

test('forms with too many files or fields are refused', async (t) => {
	const rest = await startRest(t);
	const fields = Array.from({ length: LIMITS.multipartFields + 1 }, () => ({ name: 'a', body: 'b' }));
	assert.equal((await post(rest, formOf(fields))).json['code'], 'BAD_REQUEST');
	const files = Array.from({ length: LIMITS.multipartFiles + 1 }, () => ({ filename: 'a', body: 'b' }));
	const answer = await post(rest, formOf(files));
	assert.equal(answer.json['code'], 'BAD_REQUEST');
	assert.equal(rest.store.openUploads, 0);
});

test('a page of another site cannot post a form', async (t) => {
	const rest = await startRest(t);
	const form = formOf([{ filename: 'a', body: 'abc' }]);
	for (const site of ['cross-site', 'same-site']) {
		const answer = await post(rest, form, { 'Sec-Fetch-Site': site });
		assert.deepEqual([answer.status, answer.json['code']], [403, 'CROSS_SITE']);
	}
	for (const site of ['same-origin', 'none'])
		assert.ok((await post(rest, form, { 'Sec-Fetch-Site': site })).status < 300);
});

test('a form that stands still, or whose sender goes away, is given up', async (t) => {
	const clock = new SimulatedClock();
	const rest = await startRest(t, { clock, idleTimeoutMs: 1000 });
	const head = `POST /v1/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\nContent-Type: multipart/form-data; boundary=${BOUNDARY}\r\n\r\n`;
	const begin = formOf([{ filename: 'a', body: randomBytes(100) }]).subarray(0, 120);
	const still = await RawConnection.open(rest);
	still.send(Buffer.concat([Buffer.from(head), begin]));
	await eventually(() => rest.store.openUploads === 1, 'the upload begins');
	clock.advance(2000);
	assert.match(await still.until('UPLOAD_TIMEOUT'), /^HTTP\/1.1 408 /);
	await eventually(() => rest.store.openUploads === 0, 'the upload is given up');
	clock.advance(LIMITS.httpLingerMs);
	await still.closed();
	const gone = await RawConnection.open(rest);
	gone.send(Buffer.concat([Buffer.from(head), begin]));
	await eventually(() => rest.store.openUploads === 1, 'the upload begins');
	gone.socket.destroy();
	await eventually(() => rest.store.openUploads === 0, 'the upload is given up');
	assert.equal(rest.store.count, 0);
});

test('names in forms may have quotes, as browsers and curl write them', async (t) => {
	const rest = await startRest(t);
	for (const [written, meant] of [
		['say %22hi%22.txt', 'say "hi".txt'],
		['say \\"hi\\".txt', 'say "hi".txt'],
		['100%25 %41%2F%2e.txt', '100%25 %41%2F%2e.txt'],
		['a%0d%0a', 'a%0d%0a'],
	] as const) {
		const answer = await post(rest, formOf([{ filename: written, body: 'x' }]));
		assert.equal(answer.json['name'], meant);
	}
	const lines = await post(rest, formOf([{ filename: 'two%0D%0Alines', body: 'x' }]));
	assert.deepEqual([lines.status, lines.json['code']], [400, 'BAD_NAME']);
	const directory = await ask(rest, '/v1/upload?directory=d', {
		method: 'POST',
		body: formOf([{ filename: 'sub%22/a%22b', body: 'x' }]),
		headers: { 'Content-Type': `multipart/form-data; boundary=${BOUNDARY}` },
	});
	assert.deepEqual((directory.json['files'] as { path: string }[])[0]?.path, 'sub"/a"b');
});
