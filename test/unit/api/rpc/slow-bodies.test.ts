/** Bodies that come slowly: they harm nobody, or they go. */
import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { test, type TestContext } from 'node:test';
import { LIMITS } from '../../../../src/limits.js';
import { ask, type RestServer, startRest } from '../../../support/rest-server.js';

// Less and sooner, so that a test need not wait.
Object.assign(LIMITS, {
	rpcBodiesBytes: 2_000_000,
	rpcMiddleBodyBytes: 1_000_000,
	rpcBodyWaitMs: 100,
	rpcBodyRestMs: 500,
});

/** A body of which little comes, again and again. Answers the status that ends it. */
function drip(t: TestContext, { port }: RestServer, headers: Readonly<Record<string, string>>): Promise<number> {
	return new Promise((resolve) => {
		const request = httpRequest({
			port,
			host: '127.0.0.1',
			method: 'POST',
			path: '/',
			headers: { 'Content-Type': 'application/json', ...headers },
		});
		request.on('error', () => undefined);
		request.on('response', (response) => {
			response.resume();
			resolve(response.statusCode ?? 0);
		});
		request.write(' ');
		const timer = setInterval(() => request.write(' '.repeat(100)), 20);
		t.after(() => {
			clearInterval(timer);
			request.destroy();
		});
	});
}

async function call(rest: RestServer, bytes: number): Promise<unknown> {
	const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'zgs_getShardConfig', params: ['x'.repeat(bytes)] });
	const headers = { 'Content-Type': 'application/json' };
	return (await ask(rest, '/', { method: 'POST', headers, body })).json['id'];
}

test('nobody waits for a large body, or one of unknown length, that comes slowly', async (t) => {
	const rest = await startRest(t);
	void drip(t, rest, { 'Content-Length': '60000000' });
	void drip(t, rest, { 'Transfer-Encoding': 'chunked' });
	assert.deepEqual([await call(rest, 10), await call(rest, 350_000)], [1, 1]);
});

test('bodies that come slowly go when another one has waited for their room', async (t) => {
	const rest = await startRest(t);
	const slow = [0, 1].map(() => drip(t, rest, { 'Content-Length': '1000000' }));
	assert.equal(await call(rest, 350_000), 1);
	assert.deepEqual(await Promise.all(slow), [408, 408]);
	const large = [0, 1].map(() => drip(t, rest, { 'Content-Length': '60000000' }));
	assert.equal(await Promise.race(large), 408);
});
