/** A node started with the configuration of a 0G storage node and by its call form, on a real chain: what it serves, and to whom. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { type Client, Metadata, status } from '@grpc/grpc-js';
import { packageFolder } from '../../src/config/package-file.js';
import { startChain, type TestChain } from '../support/chain.js';
import { until } from '../support/chain-store.js';
import { connect, connectFiles, type FilesClient, type Message } from '../support/grpc-server.js';
import { freePort, runCli, spawnCli, temporaryDirectory } from '../support/processes.js';
import { ask } from '../support/rest-server.js';
import { result } from '../support/rpc.js';
import { segmentsOf } from '../support/segments.js';

/** Tests of command lines set these. */
const NO_VARIABLES = { PERIGEE_ADMIN: '', PERIGEE_GRPC: '' };
const OTHER_ADDRESS = Object.values(networkInterfaces())
	.flat()
	.find((address) => address?.family === 'IPv4' && !address.internal)?.address;

interface OfficialNode {
	readonly port: number;
	readonly listeners: { readonly http: string; readonly admin: string; readonly grpc: string };
	readonly said: () => string;
	readonly complained: () => string;
	end(): Promise<number | null>;
}

/** Runs `perigee <args>` in a directory with this config.toml. */
async function start(t: TestContext, home: string, toml: string, args: readonly string[]): Promise<OfficialNode> {
	writeFileSync(join(home, 'config.toml'), toml);
	const child = spawnCli(args, { cwd: home, env: NO_VARIABLES });
	t.after(() => void child.kill('SIGKILL'));
	let [said, complained] = ['', ''];
	child.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()));
	child.stderr?.on('data', (chunk: Buffer) => (complained += chunk.toString()));
	await until('the listeners', async () => {
		assert.equal(child.exitCode, null, complained);
		return /^try: /m.test(said);
	});
	const file = readFileSync(join(home, 'db', 'perigee', 'node.json'), 'utf8');
	const { listeners } = JSON.parse(file) as Pick<OfficialNode, 'listeners'>;
	return {
		port: Number(new URL(listeners.http).port),
		listeners,
		said: () => said,
		complained: () => complained,
		async end() {
			child.kill('SIGTERM');
			const [code] = (await once(child, 'exit')) as [number | null];
			return code;
		},
	};
}

async function makeToken(home: string, name: string, scope: string): Promise<string> {
	const args = ['token', 'create', name, '--scope', scope, '--config', 'config.toml', '--quiet'];
	const ran = await runCli(args, { cwd: home, env: NO_VARIABLES });
	assert.equal(ran.code, 0, ran.stderr);
	return `Bearer ${ran.stdout.toString().trim()}`;
}

/** The code that an upload without a token ends with. */
function codeOfUpload(client: FilesClient): Promise<number | undefined> {
	return new Promise((resolve) => {
		const call = client.Upload(new Metadata(), {}, (error) => resolve(error?.code));
		call.on('error', () => undefined);
		call.end();
	});
}

describe('perigee --config with the configuration of a 0G storage node', () => {
	let chain: TestChain;
	before(async () => {
		chain = await startChain();
	});
	after(() => chain.stop());

	const toml = (listeners: string): string => `
network_libp2p_port = 11000
network_private = true
blockchain_rpc_endpoint = "${chain.url}"
log_contract_address = "${chain.flowAddress}"
mine_contract_address = "0x${'cd'.repeat(20)}"
reward_contract_address = "0x${'ef'.repeat(20)}"
confirmation_block_count = 0
watch_loop_wait_time_ms = 10
log_config_file = "log_config"
shard_position = "0/1"
a_later_key = 1

[rpc]
${listeners}
[sync]
auto_sync_enabled = true
`;

	it('follows the chain, is open to 0G clients, and lists what it does not use', async (t: TestContext) => {
		const home = temporaryDirectory(t);
		const listeners =
			'listen_address = "0.0.0.0:0"\nlisten_address_admin = "127.0.0.1:0"\nlisten_address_grpc = "0.0.0.0:0"\n';
		const node = await start(t, home, toml(listeners), ['--config', 'config.toml', '--miner-key', 'ab'.repeat(32)]);

		const idle = node.said().match(/^.*(?:accepted, not used here, because|not known here).*$/gm) ?? [];
		assert.deepEqual(
			idle.map((line) => /^(\S+): (\S+): (?:accepted|not known)/.exec(line)?.slice(1)),
			[
				['--miner-key', 'miner_key'],
				['config.toml:10', 'log_config_file'],
				['config.toml:2', 'network_libp2p_port'],
				['config.toml:3', 'network_private'],
				['config.toml:20', 'sync.auto_sync_enabled'],
				['config.toml:12', 'a_later_key'],
			],
		);
		assert.ok(!node.said().includes('abab'), 'a key is shown to nobody');

		const content = Buffer.alloc(700_000, 7);
		const { root, segments } = segmentsOf(content);
		await chain.submit([content]);
		await until('the submission', async () => (await result(node, 'zgs_getFileInfo', root, true)) !== null);
		for (const segment of segments) assert.equal(await result(node, 'zgs_uploadSegment', segment), null);
		await until('the file', async () => {
			const info = (await result(node, 'zgs_getFileInfo', root, true)) as { readonly finalized: boolean };
			return info.finalized;
		});
		assert.equal((await ask(node, `/v1/files/${root}`)).body.equals(content), true);

		const target = `127.0.0.1:${node.listeners.grpc.split(':').at(-1)}`;
		const zgs = connect(
			t,
			target,
			'zgs_grpc/zgs.proto',
			'zgs_grpc.ZgsGrpcService',
			packageFolder('proto'),
		) as Client & {
			UploadSegmentsByTxSeq(request: Message, answered: (error: { readonly details: string } | null) => void): void;
		};
		const answer = await new Promise<string | undefined>((resolve) =>
			zgs.UploadSegmentsByTxSeq({ segments: [{}], txSeq: '0' }, (error) => resolve(error?.details)),
		);
		assert.match(answer ?? '', /Invalid segment: root is missing/, 'it was let in');
		assert.equal(await codeOfUpload(connectFiles(t, target)), status.UNAUTHENTICATED);

		const upload = (headers: Record<string, string> = {}) =>
			ask(node, '/v1/upload/a', { method: 'PUT', body: 'hello', headers });
		assert.equal((await upload()).status, 401);
		assert.equal((await ask(node, `/v1/files/${root}`, { method: 'DELETE' })).status, 401);
		const write = await makeToken(home, 'w', 'write');
		await until('the token', async () => (await upload({ Authorization: write })).status !== 401);
		assert.equal((await upload()).status, 401);
		assert.equal(
			(await ask(node, `/v1/files/${root}`, { method: 'DELETE', headers: { Authorization: write } })).status,
			204,
		);
		assert.equal(await node.end(), 0);
		assert.equal(node.complained(), '', 'nothing on standard error over its life');
	});

	it('administers for this machine alone until there is a token, also with one address for everything', async (t: TestContext) => {
		const home = temporaryDirectory(t);
		const port = await freePort();
		const address = `"0.0.0.0:${port}"`;
		const listeners = `listen_address = ${address}\nlisten_address_admin = ${address}\nlisten_address_grpc = "0.0.0.0:0"\n`;
		const node = await start(t, home, toml(listeners), ['start', '-c', 'config.toml']);
		assert.equal(node.listeners.admin, node.listeners.http);
		assert.equal(typeof ((await result(node, 'zgs_getStatus')) as { logSyncHeight: number }).logSyncHeight, 'number');
		const scrub = async (host: string, headers: Record<string, string> = {}): Promise<number> =>
			(await fetch(`http://${host}:${port}/v1/admin/scrub`, { headers })).status;
		assert.equal(await scrub('127.0.0.1'), 200);
		assert.equal(await scrub('127.0.0.1', { Origin: 'http://evil.example' }), 403);
		for (const name of ['Forwarded', 'Via', 'X-Forwarded-For', 'X-Real-IP'])
			assert.equal(await scrub('127.0.0.1', { [name]: '203.0.113.7' }), 401, 'a proxy asks for another machine');
		assert.deepEqual(await result(node, 'admin_getPeers'), {});
		const peers = { jsonrpc: '2.0', id: 1, method: 'admin_getPeers' };
		const proxied = await ask(node, '/', {
			method: 'POST',
			headers: { 'Content-Type': 'application/json', Via: '1.1 proxy' },
			body: JSON.stringify(peers),
		});
		assert.match((proxied.json['error'] as { data: string }).data, /^UNAUTHORIZED/);
		const body = await fetch(`http://127.0.0.1:${port}/v1/admin/scrub/start`, { method: 'POST', body: 'x' });
		assert.equal(body.status, 400);
		if (OTHER_ADDRESS === undefined) t.diagnostic('this machine has no address but the loopback one');
		else assert.equal(await scrub(OTHER_ADDRESS), 401);
		const admin = await makeToken(home, 'a', 'admin');
		await until('the token', async () => (await scrub('127.0.0.1')) === 401);
		assert.equal(await scrub(OTHER_ADDRESS ?? '127.0.0.1', { Authorization: admin }), 200);
		assert.equal(await node.end(), 0);
		assert.equal(node.complained(), '');
	});
});
