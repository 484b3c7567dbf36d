import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import { ADMIN_ENDPOINTS } from '../../../src/api/admin/definitions.js';
import { Access, type TokenNeeds } from '../../../src/api/auth/access.js';
import type { TokenEntry } from '../../../src/api/auth/token-file.js';
import { type EndpointDefinition, ENDPOINTS } from '../../../src/api/rest/definitions.js';
import { emptyRegistry, tokenFor } from '../../support/open-access.js';
import { ask, eventually, put, RawConnection, startRest } from '../../support/rest-server.js';

const ALWAYS: TokenNeeds = { read: 'always', write: 'always', admin: 'always' };
const MIB = 2 ** 20;

async function startWith(t: TestContext, entries: readonly TokenEntry[], needs: TokenNeeds = ALWAYS) {
	const registry = emptyRegistry();
	registry.replace(entries);
	return startRest(t, { access: new Access(registry, needs) });
}

/** A body in pieces without a length. */
function chunked(...pieces: readonly Uint8Array[]): Buffer {
	const parts = pieces.flatMap((piece) => [`${piece.length.toString(16)}\r\n`, piece, '\r\n']);
	return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
}

describe('REST with tokens', () => {
	it('asks for a token at every address but those that are open, before anything else', async (t) => {
		const { entry, bearer } = tokenFor('stranger', ['admin']);
		const rest = await startWith(t, [entry]);
		for (const definition of Object.values<EndpointDefinition>(ENDPOINTS)) {
			const url = definition.url.replaceAll(/\{\w+\}/g, 'start.js');
			for (const method of definition.methods) {
				const what = `${method} ${url}`;
				const none = await ask(rest, url, { method });
				const other = await ask(rest, url, { method, headers: { Authorization: bearer } });
				if (definition.scope === 'open') {
					assert.ok([200, 204, 503].includes(none.status), what);
					continue;
				}
				assert.deepEqual([none.status, other.status], [401, 403], what);
				assert.match(String(none.headers['www-authenticate']), /^Bearer realm="perigee"$/, what);
				assert.match(
					String(other.headers['www-authenticate']),
					// Whoever uploads segments must be allowed to read first.
					new RegExp(
						`error="insufficient_scope", scope="${definition.scope === 'segments' ? 'read' : definition.scope}"`,
					),
				);
				if (method !== 'HEAD') assert.deepEqual([none.json['code'], other.json['code']], ['UNAUTHORIZED', 'FORBIDDEN']);
			}
		}
		assert.equal(rest.store.openUploads, 0);
	});

	it('what writes or deletes is never open, what is read is never for writers alone', () => {
		for (const { methods, url, scope } of Object.values<EndpointDefinition>(ENDPOINTS))
			if (methods.some((method) => !['GET', 'HEAD', 'OPTIONS'].includes(method)))
				assert.equal(scope, url === '/file/segment' ? 'segments' : 'write', url);
			else if (methods.includes('GET')) assert.ok(scope === 'read' || scope === 'open', url);
		for (const { url, scope } of Object.values<EndpointDefinition>(ADMIN_ENDPOINTS)) assert.equal(scope, 'admin', url);
	});

	it('a token with the scope stores, reads and deletes', async (t) => {
		const { entry, bearer } = tokenFor('all', ['read', 'write']);
		const rest = await startWith(t, [entry]);
		const headers = { Authorization: bearer };
		const body = randomBytes(1000);
		const root = await put(rest, body, 'f', headers);
		const read = await ask(rest, `/v1/files/${root}`, { headers });
		assert.ok(read.body.equals(body));
		assert.equal(read.headers['cache-control'], 'private, max-age=31536000, immutable', 'no shared cache may keep it');
		const again = await ask(rest, `/v1/files/${root}`, { headers: { ...headers, 'If-None-Match': `"${root}"` } });
		assert.deepEqual([again.status, again.headers['cache-control']], [304, 'private, max-age=31536000, immutable']);
		assert.equal((await ask(rest, `/v1/files/${root}`, { method: 'DELETE', headers })).status, 204);
	});

	it('open reads look at no token', async (t) => {
		const { entry, bearer } = tokenFor('w', ['write'], { requestsPerSecond: 1 });
		const rest = await startWith(t, [entry], { ...ALWAYS, read: 'never' });
		const root = await put(rest, randomBytes(10), 'f', { Authorization: bearer });
		for (const headers of [{}, { Authorization: bearer }, { Authorization: 'Bearer nonsense' }]) {
			const answer = await ask(rest, `/v1/files/${root}`, { headers });
			assert.deepEqual([answer.status, answer.headers['cache-control']], [200, 'public, max-age=31536000, immutable']);
		}
	});

	it('who waits for 100 Continue is refused instead, and nothing of a body is taken', async (t) => {
		const rest = await startWith(t, []);
		const connection = await RawConnection.open(rest);
		connection.send('PUT /v1/upload/a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n');
		const answer = await connection.closed();
		assert.match(answer, /^HTTP\/1\.1 401 /);
		const eager = await RawConnection.open(rest);
		eager.send(`PUT /v1/upload/a HTTP/1.1\r\nHost: x\r\nContent-Length: ${MIB}\r\n\r\n`);
		eager.send(randomBytes(MIB));
		assert.match(await eager.closed(), /^HTTP\/1\.1 401 /);
		assert.deepEqual([rest.store.openUploads, rest.store.abortedUploads], [0, 0]);
	});

	it('a token that asks too often gets 429 with the time to wait; others do not feel it', async (t) => {
		const quick = tokenFor('quick', ['read'], { requestsPerSecond: 2 });
		const other = tokenFor('other', ['read']);
		const rest = await startWith(t, [quick.entry, other.entry]);
		const statuses: number[] = [];
		for (let request = 0; request < 6; request++) {
			const answer = await ask(rest, '/v1/flow', { headers: { Authorization: quick.bearer } });
			statuses.push(answer.status);
			if (answer.status !== 429) continue;
			assert.deepEqual([answer.json['code'], answer.headers['retry-after']], ['RATE_LIMITED', '1']);
		}
		assert.ok(statuses.slice(0, 2).every((status) => status === 200) && statuses.includes(429), statuses.join());
		assert.equal((await ask(rest, '/v1/flow', { headers: { Authorization: other.bearer } })).status, 200);
	});
});

describe('a quota of bytes', () => {
	const limited = () => tokenFor('limited', ['write'], { maxBytes: 1000 });

	it('is refused before the body when its length is told, and what failed early costs nothing', async (t) => {
		const { entry, bearer } = limited();
		const rest = await startWith(t, [entry]);
		const headers = { Authorization: bearer };
		const tooMuch = await ask(rest, '/v1/upload/a', { method: 'PUT', headers, body: randomBytes(1001) });
		assert.deepEqual([tooMuch.status, tooMuch.json['code']], [429, 'QUOTA_EXCEEDED']);
		assert.ok(Number(tooMuch.headers['retry-after']) > 80_000);
		const bad = await ask(rest, '/v1/upload/..%2f', { method: 'PUT', headers, body: randomBytes(900) });
		assert.equal(bad.status, 400);
		await put(rest, randomBytes(600), 'a', headers);
		await put(rest, randomBytes(400), 'b', headers);
		assert.equal((await ask(rest, '/v1/upload/c', { method: 'PUT', headers, body: 'x' })).status, 429);
	});

	it('holds for chunked bodies side by side, and nothing of what passes it is stored', async (t) => {
		const { entry, bearer } = limited();
		const rest = await startWith(t, [entry]);
		const connections = await Promise.all([1, 2, 3].map(() => RawConnection.open(rest)));
		for (const connection of connections)
			connection.send(
				`PUT /v1/upload/a HTTP/1.1\r\nHost: x\r\nAuthorization: ${bearer}\r\nTransfer-Encoding: chunked\r\n\r\n`,
			);
		await eventually(() => rest.store.openUploads === 3, 'all begin');
		for (const connection of connections) connection.send(chunked(randomBytes(400)));
		await eventually(() => rest.store.openUploads === 2, 'one is refused');
		for (const connection of connections) if (!connection.socket.destroyed) connection.send('0\r\n\r\n');
		const answers = await Promise.all(connections.map((connection) => connection.until('\r\n\r\n')));
		assert.deepEqual(answers.map((answer) => answer.slice(9, 12)).sort(), ['201', '201', '429']);
		assert.equal(rest.store.abortedUploads, 1);
		for (const connection of connections) connection.socket.destroy();
	});

	it('counts the files of forms', async (t) => {
		const { entry, bearer } = limited();
		const rest = await startWith(t, [entry]);
		const form = (size: number): string =>
			`--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n${'x'.repeat(size)}\r\n--b--\r\n`;
		const headers = { Authorization: bearer, 'Content-Type': 'multipart/form-data; boundary=b' };
		const send = (body: string, more = {}) =>
			ask(rest, '/v1/upload', { method: 'POST', headers: { ...headers, ...more }, body });
		const chunkedForm = { 'Transfer-Encoding': 'chunked' };
		assert.equal((await send(form(700), chunkedForm)).status, 201);
		assert.equal((await send(form(700), chunkedForm)).status, 429);
		assert.equal((await send(form(100))).status, 201);
	});

	it('counts the pieces of resumable uploads, announced or not', async (t) => {
		const { entry, bearer } = limited();
		const rest = await startWith(t, [entry]);
		const headers = { Authorization: bearer, 'Tus-Resumable': '1.0.0' };
		const created = await ask(rest, '/v1/tus/', { method: 'POST', headers: { ...headers, 'Upload-Length': '1500' } });
		assert.equal(created.status, 201);
		const send = (offset: number, size: number, more = {}) =>
			ask(rest, String(created.headers['location']), {
				method: 'PATCH',
				headers: {
					...headers,
					'Content-Type': 'application/offset+octet-stream',
					'Upload-Offset': String(offset),
					...more,
				},
				body: randomBytes(size),
			});
		assert.equal((await send(0, 900)).status, 204);
		const refused = await send(900, 600);
		assert.deepEqual([refused.status, refused.json['code']], [429, 'QUOTA_EXCEEDED']);
		assert.equal((await send(900, 100, { 'Transfer-Encoding': 'chunked' })).headers['upload-offset'], '1000');
		assert.equal((await send(1000, 1, { 'Transfer-Encoding': 'chunked' })).status, 429);
	});
});
