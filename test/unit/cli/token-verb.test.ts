import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { sha256OfToken, TOKEN_SHAPE } from '../../../src/api/auth/token-file.js';
import { runCli, temporaryDirectory } from '../../support/processes.js';

/** A server that answers 401 or the version, and tells who asked. */
async function startEcho(t: TestContext, place?: string) {
	const asked: (string | undefined)[] = [];
	const server = http.createServer((request, response) => {
		asked.push(request.headers.authorization);
		response.writeHead(200, { 'Content-Type': 'application/json' });
		response.end('{"status":"live","version":"1"}');
	});
	t.after(() => server.close());
	server.listen(place ?? 0);
	await once(server, 'listening');
	const url = place === undefined ? `http://127.0.0.1:${(server.address() as AddressInfo).port}` : `unix:${place}`;
	return { asked, url };
}

describe('perigee token', () => {
	it('makes a token once, keeps its hash only, lists and removes it', async (t) => {
		const dataDir = join(temporaryDirectory(t), 'data');
		const path = join(dataDir, 'tokens.json');
		const limits = ['--max-bytes', '1_000', '--requests-per-second', '5'];
		const made = await runCli([
			'token',
			'create',
			'ci',
			'--scope',
			'write',
			'--scope',
			'read',
			...limits,
			'--data-dir',
			dataDir,
		]);
		assert.equal(made.code, 0, made.stderr);
		const token = made.stdout.toString().trim();
		assert.match(token, TOKEN_SHAPE);
		assert.match(made.stderr, /shown this once/);
		assert.equal(statSync(path).mode & 0o777, 0o600);
		const text = readFileSync(path, 'utf8');
		assert.ok(!text.includes(token.slice(3)) && text.includes(sha256OfToken(token)));
		const json = await runCli(['token', 'create', 'ops', '--scope', 'admin', '--data-dir', dataDir, '--json']);
		const { token: second, ...rest } = JSON.parse(json.stdout.toString()) as Record<string, unknown>;
		assert.match(String(second), TOKEN_SHAPE);
		assert.deepEqual([rest['name'], rest['scopes'], rest['file'], json.stderr], ['ops', ['admin'], path, '']);
		const listed = await runCli(['token', 'ls', '--data-dir', dataDir, '--json']);
		const entries = listed.stdout.toString().trim().split('\n');
		const { createdAt: _, ...first } = JSON.parse(entries[0] ?? '') as Record<string, unknown>;
		assert.deepEqual(first, { name: 'ci', scopes: ['read', 'write'], maxBytes: 1000, requestsPerSecond: 5 });
		assert.equal(entries.length, 2);
		assert.equal((await runCli(['token', 'rm', 'ci', 'none', '--data-dir', dataDir])).code, 3);
		assert.equal(readFileSync(path, 'utf8').includes('"ci"'), true, 'all or nothing');
		assert.equal((await runCli(['token', 'rm', 'ci', 'ops', '--data-dir', dataDir])).code, 0);
		assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')), { format: 1, tokens: [] });
		assert.ok(!existsSync(`${path}.new`));
	});

	it('refuses what it cannot do, and changes nothing', async (t) => {
		const directory = temporaryDirectory(t);
		const path = join(directory, 'tokens.json');
		const run = (...args: string[]) => runCli(['token', ...args, '--data-dir', directory]);
		for (const args of [
			['create'],
			['create', 'a'],
			['create', 'a', 'b', '--scope', 'read'],
			['create', 'a b', '--scope', 'read'],
			['create', 'a', '--scope', 'root'],
			['create', 'a', '--scope', 'read', '--max-bytes', '0'],
			['create', 'a', '--scope', 'read', '--requests-per-second', '1.5'],
			['rm'],
			['ls', 'a'],
			['other'],
		])
			assert.equal((await run(...args)).code, 2, args.join(' '));
		assert.ok(!existsSync(path));
		assert.equal((await run('create', 'a', '--scope', 'read')).code, 0);
		const before = readFileSync(path, 'utf8');
		const twice = await run('create', 'a', '--scope', 'write');
		assert.deepEqual([twice.code, /already/.test(twice.stderr)], [2, true]);
		writeFileSync(`${path}.new`, '');
		const busy = await run('create', 'b', '--scope', 'read');
		assert.deepEqual([busy.code, /at work/.test(busy.stderr)], [7, true]);
		assert.equal(readFileSync(path, 'utf8'), before);
		writeFileSync(path, 'nonsense');
		assert.equal((await run('ls')).code, 2);
	});
});

describe('who a verb says it is', () => {
	it('takes the token from a file or the environment, and sends nothing without one', async (t) => {
		const { asked, url } = await startEcho(t);
		const directory = temporaryDirectory(t);
		const [first, second] = ['pg_'.padEnd(46, 'a'), 'pg_'.padEnd(46, 'b')];
		const file = join(directory, 'token');
		writeFileSync(file, `${second}\n`);
		const ping = (args: readonly string[], env = {}) => runCli(['ping', '--node', url, ...args], { env });
		assert.equal((await ping([])).code, 0);
		assert.equal((await ping([], { PERIGEE_TOKEN: '' })).code, 0);
		assert.equal((await ping([], { PERIGEE_TOKEN: first })).code, 0);
		assert.equal((await ping(['--token-file', file], { PERIGEE_TOKEN: first })).code, 0);
		assert.deepEqual([...new Set(asked)], [undefined, `Bearer ${first}`, `Bearer ${second}`]);
		const wrong = await ping([], { PERIGEE_TOKEN: 'secret?' });
		assert.equal(wrong.code, 2);
		assert.ok(!wrong.stderr.includes('secret?'), 'what might be a secret is not printed');
		assert.equal((await ping(['--token-file', join(directory, 'none')])).code, 3);
	});

	it('speaks over a Unix socket', async (t) => {
		const path = join(temporaryDirectory(t), 'a b.sock');
		const { url } = await startEcho(t, path);
		assert.equal((await runCli(['ping', '--node', url])).code, 0);
		const gone = await runCli(['ping', '--node', 'unix:/nonexistent/s']);
		assert.equal(gone.code, 5);
		assert.match(gone.stderr, /no answer from unix:\/nonexistent\/s \(ENOENT\)/);
	});
});
