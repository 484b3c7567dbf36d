import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as https from 'node:https';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import * as tls from 'node:tls';
import { TlsPair } from '../../../src/api/tls-pair.js';
import { PerigeeError } from '../../../src/errors.js';
import { eventually, RawConnection, readAnswer, startRest } from '../../support/rest-server.js';
import { SimulatedClock } from '../../support/simulated-clock.js';
import { type Pair, tlsTexts } from '../../support/tls-files.js';

async function askTls(rest: { readonly port: number }, ca: Pair, options: https.RequestOptions = {}, body?: string) {
	const request = https.request({
		host: '127.0.0.1',
		port: rest.port,
		ca: tlsTexts(ca).cert,
		agent: false,
		...options,
	});
	request.end(body);
	const [response] = (await once(request, 'response')) as [Parameters<typeof readAnswer>[0]];
	return readAnswer(response);
}

async function openTls(rest: { readonly port: number }, options: tls.ConnectionOptions = {}): Promise<tls.TLSSocket> {
	const socket = tls.connect({ host: '127.0.0.1', port: rest.port, ca: tlsTexts('first').cert, ...options });
	socket.on('error', () => {});
	await once(socket, 'secureConnect');
	return socket;
}

describe('TLS', () => {
	it('serves over TLS 1.2 and later, and nothing else', async (t) => {
		const rest = await startRest(t, { tls: new TlsPair(tlsTexts('first')) });
		assert.match(rest.url, /^https:/);
		const stored = await askTls(rest, 'first', { method: 'PUT', path: '/v1/upload/a' }, 'hello');
		assert.equal(stored.status, 201);
		for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
			const options = { path: `/v1/files/${String(stored.json['root'])}`, minVersion: version, maxVersion: version };
			assert.equal((await askTls(rest, 'first', options)).text, 'hello');
		}
		await assert.rejects(openTls(rest, { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' }));
		const plain = await RawConnection.open(rest);
		plain.send('GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n');
		assert.ok(!(await plain.closed()).includes('200'));
		const greeting = await askTls(rest, 'first', { path: '/' });
		assert.match(greeting.text, /curl -T file https:/);
		await assert.rejects(askTls(rest, 'second', { path: '/' }), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
	});

	it('takes a new pair while it runs; open connections go on; a broken one changes nothing', async (t) => {
		const pair = new TlsPair(tlsTexts('first'));
		const rest = await startRest(t, { tls: pair });
		const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
		t.after(() => agent.destroy());
		await askTls(rest, 'first', { path: '/', agent });
		pair.replace(tlsTexts('second'));
		assert.equal((await askTls(rest, 'first', { path: '/', agent })).status, 200);
		assert.equal((await askTls(rest, 'second', { path: '/' })).status, 200);
		const { cert } = tlsTexts('first');
		for (const key of [tlsTexts('second').key, Buffer.from('nonsense')])
			assert.throws(
				() => pair.replace({ cert, key }),
				(error) => error instanceof PerigeeError && error.code === 'CONFIG_INVALID',
			);
		assert.equal((await askTls(rest, 'second', { path: '/' })).status, 200);
		assert.ok(pair.expiresMs > Date.now());
	});

	it('what breaks in the handshake or after it ends its connection and nothing else', async (t) => {
		const rest = await startRest(t, { tls: new TlsPair(tlsTexts('first')) });
		const garbage = await RawConnection.open(rest);
		garbage.send(Buffer.alloc(4096, 0x16));
		await garbage.closed();
		const broken = await openTls(rest);
		broken.write('nonsense\r\n\r\n');
		const [answer] = (await once(broken, 'data')) as [Buffer];
		assert.match(answer.toString(), /^HTTP\/1\.1 400 /);
		assert.equal((await askTls(rest, 'first', { path: '/health/live' })).status, 200);
	});

	it('a close waits neither for handshakes nor for silence, and lets a request finish', async (t) => {
		const rest = await startRest(t, { tls: new TlsPair(tlsTexts('first')), clock: new SimulatedClock() });
		const handshaking = connect(rest.port, '127.0.0.1');
		handshaking.on('error', () => {});
		await once(handshaking, 'connect');
		const silent = await openTls(rest);
		let proceed = (): void => {};
		rest.store.bends.onFinish = () => new Promise((resolve) => (proceed = resolve));
		const upload = askTls(rest, 'first', { method: 'PUT', path: '/v1/upload/a' }, 'abc');
		await eventually(() => rest.store.openUploads === 1, 'the upload begins');
		const closed = rest.server.close();
		for (const socket of [handshaking, silent]) if (!socket.destroyed) await once(socket, 'close');
		proceed();
		assert.equal((await upload).status, 201);
		await closed;
	});
});
