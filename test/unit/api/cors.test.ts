import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { Access } from '../../../src/api/auth/access.js';
import { emptyRegistry, tokenFor } from '../../support/open-access.js';
import { type Answer, ask, put, startRest } from '../../support/rest-server.js';

const PAGE = 'https://app.example';
const preflight = (origin: string, method = 'PUT') => ({
	method: 'OPTIONS',
	headers: {
		Origin: origin,
		'Access-Control-Request-Method': method,
		'Access-Control-Request-Headers': 'authorization, content-type',
	},
});

function corsOf({ headers }: Answer): unknown[] {
	return [headers['access-control-allow-origin'], headers['vary']];
}

describe('pages of other sites', () => {
	it('no header and no preflight without the setting', async (t) => {
		const rest = await startRest(t);
		const answer = await ask(rest, '/v1/flow', { headers: { Origin: PAGE } });
		assert.deepEqual(corsOf(answer), [undefined, undefined]);
		assert.equal((await ask(rest, '/v1/upload/a', preflight(PAGE))).status, 405);
		const write = { Origin: PAGE, 'Sec-Fetch-Site': 'cross-site' };
		const refused = await ask(rest, '/v1/upload/a', { method: 'PUT', headers: write, body: 'x' });
		assert.deepEqual([refused.status, refused.json['code']], [403, 'CROSS_SITE']);
	});

	it('a named origin reads every kind of answer, problems included, with the headers it needs', async (t) => {
		const rest = await startRest(t, { corsOrigins: [PAGE, 'http://localhost:3000'] });
		const root = await put(rest, randomBytes(300_000));
		const headers = { Origin: PAGE };
		for (const [path, more, status] of [
			[`/v1/files/${root}`, {}, 200],
			[`/v1/files/${root}`, { Range: 'bytes=0-9' }, 206],
			[`/v1/files/${root}`, { Range: 'bytes=0-9,100-200' }, 206],
			[`/v1/files/${root}`, { 'If-None-Match': `"${root}"` }, 304],
			[`/v1/files/${root}/segments/0?proof=1`, {}, 200],
			['/v1/files/nothing', {}, 400],
			['/nowhere', {}, 404],
			['/health/live', {}, 200],
		] as const) {
			const answer = await ask(rest, path, { headers: { ...headers, ...more } });
			assert.deepEqual([answer.status, ...corsOf(answer)], [status, PAGE, 'Origin'], path);
			const exposed = String(answer.headers['access-control-expose-headers']).split(', ');
			for (const name of ['ETag', 'Location', 'Content-Range', 'Accept-Ranges', 'Upload-Offset'])
				assert.ok(exposed.includes(name), name);
			assert.equal(answer.headers['access-control-allow-credentials'], undefined);
		}
		const full = await ask(rest, `/v1/files/${root}`, { headers });
		assert.deepEqual([full.headers['content-length'], full.headers['etag']], ['300000', `"${root}"`]);
		const stranger = await ask(rest, '/v1/flow', { headers: { Origin: 'https://evil.example' } });
		assert.deepEqual([stranger.status, ...corsOf(stranger)], [200, undefined, 'Origin']);
	});

	it('a preflight is answered for named origins, without a token, at every address', async (t) => {
		const registry = emptyRegistry();
		registry.replace([tokenFor('a', ['write']).entry]);
		const access = new Access(registry, { read: 'always', write: 'always', admin: 'always' });
		const rest = await startRest(t, { corsOrigins: [PAGE], access });
		for (const path of ['/v1/upload/a', '/v1/upload', '/v1/files/x', '/v1/later/x']) {
			const answer = await ask(rest, path, preflight(PAGE));
			assert.deepEqual([answer.status, ...corsOf(answer)], [204, PAGE, 'Origin'], path);
			assert.equal(answer.headers['access-control-allow-headers'], 'authorization, content-type');
			assert.match(String(answer.headers['access-control-allow-methods']), /PUT.*PATCH.*DELETE/);
		}
		const refused = await ask(rest, '/v1/upload/a', preflight('https://app.example.evil'));
		assert.deepEqual(
			[refused.status, refused.json['code'], ...corsOf(refused)],
			[403, 'CROSS_SITE', undefined, 'Origin'],
		);
		const odd = preflight(PAGE);
		odd.headers['Access-Control-Request-Headers'] = 'a b<c>';
		assert.equal((await ask(rest, '/v1/flow', odd)).headers['access-control-allow-headers'], undefined);
	});

	it('named origins may write; others of the same site may not', async (t) => {
		const rest = await startRest(t, { corsOrigins: [PAGE] });
		const write = (origin: string, site: string) =>
			ask(rest, '/v1/upload/a', { method: 'PUT', headers: { Origin: origin, 'Sec-Fetch-Site': site }, body: 'x' });
		assert.equal((await write(PAGE, 'cross-site')).status, 201);
		assert.equal((await write('https://other.app.example', 'same-site')).status, 403);
	});

	it('where all origins may ask, only a token lets them write', async (t) => {
		const { entry, bearer } = tokenFor('a', ['write']);
		const registry = emptyRegistry();
		const access = new Access(registry, { read: 'never', write: 'in force', admin: 'always' });
		const rest = await startRest(t, { corsOrigins: ['*'], access });
		const write = (headers: Readonly<Record<string, string>>) =>
			ask(rest, '/v1/upload/a', {
				method: 'PUT',
				headers: { Origin: PAGE, 'Sec-Fetch-Site': 'cross-site', ...headers },
				body: 'x',
			});
		const refused = await write({});
		assert.deepEqual([refused.status, refused.json['code'], ...corsOf(refused)], [403, 'CROSS_SITE', '*', undefined]);
		registry.replace([entry]);
		assert.equal((await write({})).status, 401);
		assert.equal((await write({ Authorization: bearer })).status, 201);
		assert.deepEqual(corsOf(await ask(rest, '/v1/flow', {})), ['*', undefined]);
	});
});

describe('pages of every site', () => {
	it('need the tokens that everybody needs, but for their question', async (t) => {
		const access = new Access(emptyRegistry(), { read: 'always', write: 'always', admin: 'always' });
		const rest = await startRest(t, { access });
		for (const path of ['/node/status', '/file?txSeq=0']) {
			assert.equal((await ask(rest, path, preflight(PAGE, 'GET'))).status, 204);
			const answer = await ask(rest, path, { headers: { Origin: PAGE } });
			assert.deepEqual([answer.status, ...corsOf(answer)], [401, '*', undefined]);
		}
	});

	for (const corsOrigins of [[], ['https://other.example']]) {
		it(`may call JSON-RPC where cors.origins is [${corsOrigins.join()}], and REST only as it says`, async (t) => {
			const rest = await startRest(t, { corsOrigins });
			const asked = await ask(rest, '/', preflight(PAGE, 'POST'));
			assert.deepEqual([asked.status, asked.headers['access-control-allow-origin']], [204, '*']);
			assert.match(String(asked.headers['access-control-allow-methods']), /POST/);
			assert.equal(asked.headers['access-control-allow-headers'], 'authorization, content-type');
			const body = '{"jsonrpc":"2.0","id":1,"method":"zgs_getShardConfig"}';
			const headers = { Origin: PAGE, 'Content-Type': 'application/json' };
			for (const sent of [body, 'no JSON']) {
				const answer = await ask(rest, '/', { method: 'POST', headers, body: sent });
				assert.deepEqual([answer.status, answer.headers['access-control-allow-origin']], [200, '*']);
			}
			const plain = await ask(rest, '/', { method: 'OPTIONS' });
			assert.deepEqual([plain.status, plain.headers.allow], [405, 'POST']);
			const listed = await ask(rest, '/v1/files', { headers: { Origin: PAGE } });
			assert.equal(listed.headers['access-control-allow-origin'], undefined);
		});

		it(`may use the gateway where cors.origins is [${corsOrigins.join()}]`, async (t) => {
			const rest = await startRest(t, { corsOrigins });
			const root = await put(rest, randomBytes(100));
			const headers = { Origin: PAGE, 'Sec-Fetch-Site': 'cross-site' };
			for (const [path, status] of [
				[`/file?root=${root}`, 200],
				['/file', 200],
				[`/file/${root}/a`, 500],
				[`/file/info/${root}`, 200],
				['/files/info?cid=0', 200],
				['/node/status', 200],
			] as const) {
				const asked = await ask(rest, path, preflight(PAGE, 'GET'));
				assert.deepEqual([asked.status, ...corsOf(asked)], [204, '*', undefined], path);
				assert.match(String(asked.headers['access-control-allow-methods']), /GET/);
				assert.equal(asked.headers['access-control-allow-headers'], 'authorization, content-type');
				const answer = await ask(rest, path, { headers });
				assert.deepEqual([answer.status, ...corsOf(answer)], [status, '*', undefined], path);
				assert.match(String(answer.headers['access-control-expose-headers']), /Content-Disposition/);
				const plain = await ask(rest, path, { method: 'OPTIONS' });
				assert.deepEqual([plain.status, plain.headers.allow], [405, 'GET, HEAD']);
			}
			const problem = await ask(rest, `/file?root=${root}`, { headers: { ...headers, 'If-Match': '"other"' } });
			assert.deepEqual([problem.status, ...corsOf(problem)], [412, '*', undefined]);
		});
	}
});
