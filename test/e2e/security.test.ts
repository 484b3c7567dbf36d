/** A real node that serves others: what it refuses to start as, tokens and certificates that change while it runs, the Unix socket. */
import assert from 'node:assert/strict';
import { existsSync, lstatSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import * as https from 'node:https';
import { join } from 'node:path';
import { test } from 'node:test';
import { type JsonNode, runCli, startJsonNode, temporaryDirectory } from '../support/processes.js';
import { ask, put } from '../support/rest-server.js';
import { certPath, type Pair, placePair, tlsTexts } from '../support/tls-files.js';

async function makeToken(dataDir: string, name: string, scope: string): Promise<string> {
	const ran = await runCli(['token', 'create', name, '--scope', scope, '--data-dir', dataDir]);
	assert.equal(ran.code, 0, ran.stderr);
	return ran.stdout.toString().trim();
}

/** Asks again until the answer is as wanted: files are looked at now and then. */
async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
	for (let look = 0; look < 200; look++) {
		if (await holds()) return;
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
	throw new Error(`never happened: ${what}`);
}

const upload = (node: JsonNode, token?: string) =>
	ask(node, '/v1/upload/a', {
		method: 'PUT',
		body: 'hello',
		headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
	});

test('what other machines reach does not start without a token, says what to do, and leaves nothing behind', async (t) => {
	const home = temporaryDirectory(t);
	const dataDir = join(home, 'data');
	const token = /perigee token create <name> --scope (write|admin|read) --data-dir /;
	for (const [args, env, scope] of [
		[['--http', '0.0.0.0:0'], {}, 'write'],
		[['--http', '[::]:0'], {}, 'write'],
		[['--http', '127.0.0.1:0', '--admin', '0.0.0.0:0'], {}, 'admin'],
		[['--http', '127.0.0.1:0'], { PERIGEE_AUTH_WRITES: 'token' }, 'write'],
		[['--http', '127.0.0.1:0'], { PERIGEE_AUTH_READS: 'token' }, 'read'],
	] as const) {
		const ran = await runCli(['start', '--data-dir', dataDir, ...args, '--json'], { env });
		assert.equal(ran.code, 2, args.join(' '));
		const { error } = JSON.parse(ran.stderr) as { error: { message: string; code: string } };
		assert.equal(error.code, 'CONFIG_INVALID');
		assert.equal(token.exec(error.message)?.[1], scope, error.message);
		assert.deepEqual(readdirSync(home), []);
	}
	await makeToken(dataDir, 'reader', 'read');
	assert.equal(
		(await runCli(['start', '--data-dir', dataDir, '--http', '0.0.0.0:0'])).code,
		2,
		'no other scope will do',
	);
	const write = await makeToken(dataDir, 'writer', 'write');
	const node = await startJsonNode(t, dataDir, ['--http', '0.0.0.0:0']);
	assert.deepEqual([(await upload(node)).status, (await upload(node, write)).status], [401, 201]);
	assert.match(node.logged(), /without TLS/);
	await node.end('SIGTERM');
});

test('tokens take effect, and lose it, while the node runs; a broken or missing file opens nothing', async (t) => {
	const dataDir = join(temporaryDirectory(t), 'data');
	const path = join(dataDir, 'tokens.json');
	const node = await startJsonNode(t, dataDir);
	assert.equal((await upload(node)).status, 201, 'on loopback without tokens everybody may');
	const first = await makeToken(dataDir, 'first', 'write');
	await until(async () => (await upload(node)).status === 401, 'the token is in force');
	assert.equal((await upload(node, first)).status, 200);
	const env = { PERIGEE_ADMIN: node.admin };
	const closed = await runCli(['scrub', 'status'], { env });
	assert.deepEqual([closed.code, /PERIGEE_TOKEN or --token-file/.test(closed.stderr)], [6, true], closed.stderr);
	const ops = await makeToken(dataDir, 'ops', 'admin');
	await until(
		async () => (await runCli(['scrub', 'status'], { env: { ...env, PERIGEE_TOKEN: ops } })).code === 0,
		'admin',
	);
	writeFileSync(path, 'nonsense');
	await until(async () => node.logged().includes('cannot be used'), 'the broken file is told of');
	assert.deepEqual([(await upload(node)).status, (await upload(node, first)).status], [401, 200]);
	rmSync(path);
	await until(async () => node.logged().includes('is gone'), 'the missing file is told of');
	assert.deepEqual([(await upload(node)).status, (await upload(node, first)).status], [401, 200]);
	const second = await makeToken(dataDir, 'second', 'write');
	await until(async () => (await upload(node, second)).status === 200, 'the new file is in force');
	assert.equal((await upload(node, first)).status, 401);
	const { text } = await ask(node, '/metrics');
	assert.match(text, /perigee_reloads_total\{what="tokens",outcome="refused"\} 2/);
	assert.match(text, /perigee_tokens 1\n/);
	assert.ok(![first, second, ops].some((token) => node.logged().includes(token)), 'no token stands in the log');
	await node.end('SIGTERM');
});

test('the admin listener on a Unix socket is its user’s, and survives a kill', async (t) => {
	const home = temporaryDirectory(t);
	const dataDir = join(home, 'data');
	const socket = join(home, 'admin.sock');
	const flag = ['--admin', `unix:${socket}`];
	await makeToken(dataDir, 'ops', 'admin');
	let node = await startJsonNode(t, dataDir, flag);
	assert.equal(node.admin, `unix:${socket}`);
	assert.equal(lstatSync(socket).mode & 0o777, 0o600);
	const ran = await runCli(['scrub', 'status', ...flag]);
	assert.equal(ran.code, 0, ran.stderr);
	const other = await runCli(['start', '--data-dir', join(home, 'other'), '--http', '127.0.0.1:0', ...flag]);
	assert.match(other.stderr, /admin\.sock is in use by another program/);
	assert.ok(!existsSync(join(home, 'other')));
	await node.end('SIGKILL');
	assert.ok(existsSync(socket));
	node = await startJsonNode(t, dataDir, flag);
	assert.equal((await runCli(['errors', 'list', ...flag])).code, 0);
	await node.end('SIGTERM');
	assert.ok(!existsSync(socket));
});

test('TLS: certificates are replaced while it runs, a broken pair is told of, and the command line checks them', async (t) => {
	const home = temporaryDirectory(t);
	const files = { cert: join(home, 'cert.pem'), key: join(home, 'key.pem') };
	const env = { PERIGEE_TLS_CERT: files.cert, PERIGEE_TLS_KEY: files.key };
	const missing = await runCli(['start', '--data-dir', join(home, 'data')], { env });
	assert.deepEqual([missing.code, /tls\.cert: .*cert\.pem: no such file/.test(missing.stderr)], [2, true]);
	placePair('first', files);
	const node = await startJsonNode(t, join(home, 'data'), [], env);
	assert.match(node.url, /^https:/);
	assert.match(node.admin, /^https:/);
	const isServed = (pair: Pair): Promise<boolean> =>
		new Promise((resolve) => {
			https
				.get(`${node.url}/health/live`, { ca: tlsTexts(pair).cert, agent: false }, (answer) => {
					answer.resume();
					resolve(answer.statusCode === 200);
				})
				.on('error', () => resolve(false));
		});
	assert.ok(await isServed('first'));
	placePair('second', files);
	await until(() => isServed('second'), 'the new certificate is served');
	writeFileSync(files.key, tlsTexts('first').key);
	await until(async () => node.logged().includes('those before stay'), 'the broken pair is told of');
	assert.ok(await isServed('second'));
	const untrusted = await runCli(['ping', '--node', node.url]);
	assert.deepEqual([untrusted.code, /NODE_EXTRA_CA_CERTS/.test(untrusted.stderr)], [5, true], untrusted.stderr);
	const trusted = { NODE_EXTRA_CA_CERTS: certPath('second') };
	assert.equal((await runCli(['ping', '--node', node.url], { env: trusted })).code, 0);
	assert.equal((await runCli(['scrub', 'status', '--admin', node.admin], { env: trusted })).code, 0);
	await node.end('SIGTERM');
});

test('tokens of a file elsewhere, reads that need one, and a limit of the day', async (t) => {
	const home = temporaryDirectory(t);
	const tokensFile = join(home, 'secret', '..', 't.json');
	const env = { PERIGEE_AUTH_TOKENS_FILE: tokensFile, PERIGEE_AUTH_READS: 'token' };
	const args = [
		'token',
		'create',
		'a',
		'--scope',
		'read,write',
		'--max-bytes',
		'1000',
		'--data-dir',
		join(home, 'data'),
	];
	const ran = await runCli(args, { env });
	assert.equal(ran.code, 0, ran.stderr);
	assert.ok(existsSync(join(home, 't.json')) && !existsSync(join(home, 'data')));
	const node = await startJsonNode(t, join(home, 'data'), [], env);
	const headers = { Authorization: `Bearer ${ran.stdout.toString().trim()}` };
	const root = await put(node, Buffer.alloc(900, 1), 'a', headers);
	assert.equal((await ask(node, `/v1/files/${root}`)).status, 401);
	assert.equal((await ask(node, `/v1/files/${root}`, { headers })).status, 200);
	const over = await ask(node, '/v1/upload/b', { method: 'PUT', body: Buffer.alloc(200), headers });
	assert.deepEqual([over.status, over.json['code']], [429, 'QUOTA_EXCEEDED']);
	for (const open of ['/', '/metrics', '/health/ready', '/openapi.json'])
		assert.equal((await ask(node, open)).status, 200, open);
	await node.end('SIGTERM');
});
