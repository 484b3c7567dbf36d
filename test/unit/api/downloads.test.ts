import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import * as http from 'node:http';
import { test } from 'node:test';
import { Check } from 'typebox/value';
import { FILE_INFO, SECTOR_WITH_PROOF, SEGMENT_WITH_PROOF } from '../../../src/api/rest/schemas.js';
import { PerigeeError } from '../../../src/errors.js';
import { LIMITS } from '../../../src/limits.js';
import { keccak256, sectorLeaves, treeRoot, verifyFileProof, verifyFlowProof } from '../../../src/native/addon.js';
import { bytesOfHex } from '../../../src/units.js';
import { ask, eventually, put, RawConnection, startRest } from '../../support/rest-server.js';

test('a whole file comes back with its type, its name and the headers of immutable, untrusted content', async (t) => {
	const rest = await startRest(t);
	const body = randomBytes(200_000);
	const root = await put(rest, body, 'ü "x".html', { 'Content-Type': 'text/html' });
	for (const path of [`/v1/files/${root}`, '/v1/submissions/0', `/v1/files/0x${root.slice(2).toUpperCase()}`]) {
		const answer = await ask(rest, path);
		assert.equal(answer.status, 200);
		assert.ok(answer.body.equals(body));
		assert.equal(answer.headers['content-type'], 'text/html');
		assert.equal(answer.headers['content-length'], String(body.length));
		assert.equal(answer.headers.etag, `"${root}"`);
		assert.equal(answer.headers['accept-ranges'], 'bytes');
		assert.equal(answer.headers['cache-control'], 'public, max-age=31536000, immutable');
		assert.equal(answer.headers['x-content-type-options'], 'nosniff');
		assert.match(String(answer.headers['content-security-policy']), /sandbox/);
		assert.equal(
			answer.headers['content-disposition'],
			`inline; filename="_ _x_.html"; filename*=UTF-8''%C3%BC%20%22x%22.html`,
		);
		const head = await ask(rest, path, { method: 'HEAD' });
		assert.equal(head.status, 200);
		assert.equal(head.body.length, 0);
		const { date: _date, ...headers } = head.headers;
		const { date: _other, ...expected } = answer.headers;
		assert.deepEqual(headers, expected);
	}
});

test('/v1/files names the newest upload, /v1/submissions the one that made it', async (t) => {
	const rest = await startRest(t);
	const root = await put(rest, Buffer.from('abc'), 'old', { 'Content-Type': 'text/plain' });
	await put(rest, Buffer.from('abc'), 'new', { 'Content-Type': 'text/css' });
	const byRoot = await ask(rest, `/v1/files/${root}`);
	assert.equal(byRoot.headers['content-disposition'], 'inline; filename="new"');
	assert.equal(byRoot.headers['content-type'], 'text/css');
	assert.equal((await ask(rest, '/v1/submissions/0')).headers['content-disposition'], 'inline; filename="old"');
});

test('ranges at every edge of small and large files', async (t) => {
	const rest = await startRest(t);
	for (const size of [1, 255, 256, 65_536, 65_537, 262_144, 262_145, 3_000_001]) {
		const body = randomBytes(size);
		const root = await put(rest, body);
		const positions = [0, 1, size >> 1, size - 2, size - 1].filter((at) => at >= 0 && at < size);
		for (const from of positions) {
			for (const to of positions.filter((at) => at >= from)) {
				const answer = await ask(rest, `/v1/files/${root}`, { headers: { Range: `bytes=${from}-${to}` } });
				assert.equal(answer.status, 206);
				assert.equal(answer.headers['content-range'], `bytes ${from}-${to}/${size}`);
				assert.ok(answer.body.equals(body.subarray(from, to + 1)), `${from}-${to} of ${size}`);
			}
		}
		const suffix = await ask(rest, `/v1/files/${root}`, { headers: { Range: 'bytes=-1' } });
		assert.ok(suffix.body.equals(body.subarray(size - 1)));
		const beyond = await ask(rest, `/v1/files/${root}`, { headers: { Range: `bytes=0-${size + 10}` } });
		assert.deepEqual([beyond.status, beyond.headers['content-range']], [206, `bytes 0-${size - 1}/${size}`]);
		const outside = await ask(rest, `/v1/files/${root}`, { headers: { Range: `bytes=${size}-` } });
		assert.deepEqual([outside.status, outside.headers['content-range']], [416, `bytes */${size}`]);
		assert.equal(outside.json['code'], 'RANGE_NOT_SATISFIABLE');
	}
	assert.equal(rest.store.outstandingPieces, 0);
});

test('ranges that are not understood, and ranges of HEAD give the whole file', async (t) => {
	const rest = await startRest(t);
	const root = await put(rest, Buffer.from('0123456789'));
	for (const range of ['items=0-1', 'bytes=5-2', 'bytes=0-1,4-x', 'nonsense']) {
		const answer = await ask(rest, `/v1/files/${root}`, { headers: { Range: range } });
		assert.deepEqual([answer.status, answer.text], [200, '0123456789'], range);
	}
	const head = await ask(rest, `/v1/files/${root}`, { method: 'HEAD', headers: { Range: 'bytes=0-1' } });
	assert.deepEqual([head.status, head.headers['content-length']], [200, '10']);
});

test('conditions: 304, 412, and If-Range', async (t) => {
	const rest = await startRest(t);
	const root = await put(rest, Buffer.from('0123456789'));
	const path = `/v1/files/${root}`;
	const status = async (headers: Readonly<Record<string, string>>, method = 'GET') =>
		(await ask(rest, path, { method, headers })).status;
	assert.equal(await status({ 'If-None-Match': `"${root}"` }), 304);
	assert.equal(await status({ 'If-None-Match': `"x", W/"${root}"` }, 'HEAD'), 304);
	assert.equal(await status({ 'If-None-Match': '*' }), 304);
	assert.equal(await status({ 'If-None-Match': '"x"' }), 200);
	assert.equal(await status({ 'If-Match': '"x"' }), 412);
	assert.equal(await status({ 'If-Match': `"${root}"` }), 200);
	const ranged = { Range: 'bytes=2-3' };
	assert.equal(await status({ ...ranged, 'If-Range': `"${root}"` }), 206);
	assert.equal(await status({ ...ranged, 'If-Range': '"x"' }), 200);
	assert.equal(await status({ ...ranged, 'If-Range': `W/"${root}"` }), 200);
	assert.equal(await status({ Range: 'bytes=99-', 'If-Range': '"x"' }), 200);
	const known = await ask(rest, path, { headers: { 'If-None-Match': `"${root}"` } });
	assert.deepEqual([known.headers.etag, known.body.length], [`"${root}"`, 0]);
});

test('what is not there, or cannot be named, is told apart', async (t) => {
	const rest = await startRest(t);
	const expected: Readonly<Record<string, readonly [number, string]>> = {
		[`/v1/files/0x${'ab'.repeat(32)}`]: [404, 'NOT_FOUND'],
		'/v1/files/0x12': [400, 'BAD_ROOT'],
		[`/v1/files/${'ab'.repeat(32)}`]: [400, 'BAD_ROOT'],
		'/v1/submissions/0': [404, 'NOT_FOUND'],
		'/v1/submissions/-1': [400, 'BAD_REQUEST'],
		'/v1/submissions/01': [400, 'BAD_REQUEST'],
		'/v1/submissions/99999999999999999999999': [400, 'BAD_REQUEST'],
		'/v1/submissions/1e3': [400, 'BAD_REQUEST'],
		'/v1/sectors/7/proof': [404, 'NOT_FOUND'],
		'/v1/sectors/x/proof': [400, 'BAD_REQUEST'],
		'/v1/nothing': [404, 'NOT_FOUND'],
		'/v1/file': [404, 'NOT_FOUND'],
		[`/v1/${'x'.repeat(10_000)}`]: [404, 'NOT_FOUND'],
	};
	for (const [path, [status, code]] of Object.entries(expected)) {
		const answer = await ask(rest, path);
		assert.deepEqual([answer.status, answer.json['code']], [status, code], path.slice(0, 60));
		assert.equal(answer.headers['content-type'], 'application/problem+json');
		const head = await ask(rest, path, { method: 'HEAD' });
		assert.deepEqual([head.status, head.body.length], [status, 0]);
	}
});

test('a method that an address does not take is answered with those it takes', async (t) => {
	const rest = await startRest(t);
	for (const [path, allow] of [
		['/v1/flow', 'GET, HEAD'],
		[`/v1/files/0x${'ab'.repeat(32)}/info`, 'GET, HEAD'],
		['/v1/upload', 'POST'],
		['/v1/upload/name', 'PUT'],
	] as const) {
		const answer = await ask(rest, path, { method: 'DELETE' });
		assert.deepEqual(
			[answer.status, answer.headers.allow, answer.json['code']],
			[405, allow, 'METHOD_NOT_ALLOWED'],
			path,
		);
	}
});

test('damage before the first byte is an answer, damage later cuts the connection', async (t) => {
	const rest = await startRest(t);
	const root = await put(rest, randomBytes(3_000_000));
	const small = await put(rest, randomBytes(100));
	rest.store.bends.onRead = () => {
		throw new PerigeeError('DATA_DAMAGED');
	};
	for (const path of [root, small]) {
		const answer = await ask(rest, `/v1/files/${path}`);
		assert.deepEqual([answer.status, answer.json['code']], [500, 'DATA_DAMAGED']);
	}
	rest.store.bends.onRead = (from) => {
		if (from > 0) throw new PerigeeError('DATA_DAMAGED');
	};
	await assert.rejects(ask(rest, `/v1/files/${root}`), /aborted/);
	await eventually(() => rest.store.outstandingPieces === 0, 'all pieces are released');
	assert.equal(rest.logged.length, 3);
});

test('a client that stops reading holds a bounded number of pieces, and none once it is gone', async (t) => {
	const rest = await startRest(t);
	rest.store.bends.pieceBytes = 256 * 1024;
	const root = await put(rest, Buffer.alloc(64 * 1024 * 1024, 7));
	const request = http.get({ host: '127.0.0.1', port: rest.port, path: `/v1/files/${root}` });
	const [response] = (await once(request, 'response')) as [http.IncomingMessage];
	response.pause();
	let most = 0;
	let last = -1;
	// The kernel's buffers fill up first; then nothing moves any more.
	for (let same = 0; same < 200; ) {
		await new Promise((resolve) => setImmediate(resolve));
		same = rest.store.outstandingPieces === last ? same + 1 : 0;
		last = rest.store.outstandingPieces;
		most = Math.max(most, last);
	}
	assert.ok(most >= 1);
	assert.ok(most <= LIMITS.httpDownloadAheadBytes / rest.store.bends.pieceBytes + 2, `${most} pieces`);
	request.destroy();
	await eventually(() => rest.store.outstandingPieces === 0, 'all pieces are released');
});

test('every piece of many downloads at once is released once', async (t) => {
	const rest = await startRest(t);
	rest.store.bends.pieceBytes = 100_000;
	const body = randomBytes(2_000_000);
	const root = await put(rest, body);
	const answers = await Promise.all(Array.from({ length: 12 }, () => ask(rest, `/v1/files/${root}`)));
	for (const answer of answers) assert.ok(answer.body.equals(body));
	assert.equal(rest.store.outstandingPieces, 0);
});

test('pipelined requests are answered in order', async (t) => {
	const rest = await startRest(t);
	const big = await put(rest, Buffer.alloc(2_000_000, 0x61));
	const small = await put(rest, Buffer.from('small-file'));
	const connection = await RawConnection.open(rest);
	const get = (root: string) => `GET /v1/files/${root} HTTP/1.1\r\nHost: x\r\n\r\n`;
	connection.send(get(big) + get(small) + get(big) + get(small));
	const text = await connection.until('small-file');
	assert.ok(text.indexOf('small-file') > 2_000_000);
	connection.socket.destroy();
	await eventually(() => rest.store.outstandingPieces === 0, 'all pieces are released');
});

test('info describes the file as its schema says', async (t) => {
	const rest = await startRest(t);
	const root = await put(rest, randomBytes(700_000), 'n', { 'Content-Type': 'text/plain' });
	for (const path of [`/v1/files/${root}/info`, '/v1/submissions/0/info']) {
		const { json } = await ask(rest, path);
		assert.ok(Check(FILE_INFO, json), JSON.stringify(json));
		assert.deepEqual(
			[json['root'], json['txSeq'], json['size'], json['segments'], json['name'], json['type'], json['finalized']],
			[root, 0, 700_000, 3, 'n', 'text/plain', true],
		);
	}
});

test('segments come as bytes, and with a proof that verifies', async (t) => {
	const rest = await startRest(t);
	const body = randomBytes(5_242_893);
	const root = await put(rest, body);
	const parts: Buffer[] = [];
	for (let index = 0; index < 21; index++) {
		const plain = await ask(rest, `/v1/files/${root}/segments/${index}`);
		parts.push(plain.body);
		const { json } = await ask(rest, `/v1/submissions/0/segments/${index}?proof=1`);
		assert.ok(Check(SEGMENT_WITH_PROOF, json));
		const data = Buffer.from(json.data, 'base64');
		assert.ok(data.subarray(0, plain.body.length).equals(plain.body));
		const proof = json.proof;
		const verdict = verifyFileProof(
			bytesOfHex(root),
			BigInt(body.length),
			BigInt(index),
			treeRoot(sectorLeaves(data, 1024)),
			Buffer.concat(proof.lemma.map(bytesOfHex)),
			Uint8Array.from(proof.path, Number),
			true,
		);
		assert.equal(verdict, null);
	}
	assert.ok(Buffer.concat(parts).equals(body));
	const beyond = await ask(rest, `/v1/files/${root}/segments/21`);
	assert.deepEqual([beyond.status, beyond.json['code']], [404, 'NOT_FOUND']);
	assert.equal((await ask(rest, `/v1/files/${root}/segments/0?proof=maybe`)).status, 400);
	assert.equal(
		(await ask(rest, `/v1/files/${root}/segments/0`, { headers: { 'If-None-Match': `"${root}:0"` } })).status,
		304,
	);
});

test('sectors prove themselves against the flow root, now and earlier', async (t) => {
	const rest = await startRest(t);
	await put(rest, randomBytes(1000));
	const earlier = (await ask(rest, '/v1/flow')).json;
	await put(rest, randomBytes(3000));
	const now = (await ask(rest, '/v1/flow')).json;
	assert.notEqual(earlier['root'], now['root']);
	for (const [query, flow] of [
		['?at=0', earlier],
		['', now],
	] as const) {
		for (let sector = 0; sector < Number(flow['lengthSectors']); sector++) {
			const { json } = await ask(rest, `/v1/sectors/${sector}/proof${query}`);
			assert.ok(Check(SECTOR_WITH_PROOF, json));
			assert.equal(json['flowRoot'], flow['root']);
			const proof = json.proof;
			const data = Buffer.from(json.data, 'base64');
			const verdict = verifyFlowProof(
				bytesOfHex(String(flow['root'])),
				BigInt(Number(flow['lengthSectors'])),
				BigInt(sector),
				sector === 0 ? data : keccak256(data),
				Buffer.concat(proof.lemma.map(bytesOfHex)),
				Uint8Array.from(proof.path, Number),
			);
			assert.equal(verdict, null);
		}
	}
	assert.equal((await ask(rest, '/v1/sectors/1/proof?at=9')).status, 404);
	assert.equal((await ask(rest, '/v1/sectors/1/proof?at=x')).status, 400);
});
