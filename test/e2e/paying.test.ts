/** A node as a process that pays for uploads, and the command line that pays in its place. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, before, beforeEach, afterEach, describe, it, type TestContext } from 'node:test';
import type { Hex } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { chainEnvironment, startChain, type TestChain } from '../support/chain.js';
import { chainProxy } from '../support/chain-proxy.js';
import { until } from '../support/chain-store.js';
import { Prng } from '../support/prng.js';
import { type JsonNode, runCli, spawnCli, startJsonNode, temporaryDirectory } from '../support/processes.js';
import { ask } from '../support/rest-server.js';

interface KeyFile {
	readonly key: Hex;
	readonly path: string;
	readonly address: Hex;
}

describe('paying on a chain', () => {
	let chain: TestChain;
	let mining: NodeJS.Timeout;
	before(async () => {
		chain = await startChain();
	});
	after(() => chain.stop());
	beforeEach(() => {
		mining = setInterval(() => void chain.mine(1).catch(() => undefined), 40);
	});
	afterEach(() => clearInterval(mining));

	async function keyFile(t: TestContext, mode = 0o600): Promise<KeyFile> {
		const key = generatePrivateKey();
		const { address } = privateKeyToAccount(key);
		await chain.client.setBalance({ address, value: 10n ** 18n });
		const path = join(temporaryDirectory(t), 'key');
		writeFileSync(path, `${key}\n`, { mode });
		return { key, path, address };
	}

	const start = (t: TestContext, dataDir: string, env: Record<string, string>): Promise<JsonNode> =>
		startJsonNode(t, dataDir, [], { ...chainEnvironment(chain), ...env });

	it('a node with a key pays, and shows the key to nobody', async (t: TestContext) => {
		const { key, path } = await keyFile(t);
		const secret = key.slice(2);
		for (const env of [{ PERIGEE_CHAIN_KEY_FILE: path }, { PERIGEE_CHAIN_KEY: key }]) {
			const node = await start(t, temporaryDirectory(t), env);
			const content = new Prng(secret.length).bytes(5000);
			const stored = await fetch(`${node.url}/v1/upload/n`, { method: 'PUT', body: content });
			assert.ok([200, 201].includes(stored.status));
			const { text } = await ask(node, '/metrics');
			assert.match(text, /perigee_chain_payments\{state="wanted"\} 0/);
			const printed = await runCli(['config', 'print'], { env });
			assert.equal(await node.end('SIGTERM'), 0);
			for (const shown of [node.logged(), text, printed.stdout.toString(), printed.stderr])
				assert.ok(!shown.toLowerCase().includes(secret));
		}
	});

	it('a key that others may read, or that is none, is refused, and is not shown', async (t: TestContext) => {
		const { path, key } = await keyFile(t, 0o644);
		const env = { ...chainEnvironment(chain), PERIGEE_CHAIN_KEY_FILE: path, PERIGEE_DATA_DIR: temporaryDirectory(t) };
		const open = await runCli(['start', '--http', '127.0.0.1:0'], { env });
		assert.equal(open.code, 2);
		assert.match(open.stderr, /PERIGEE_CHAIN_KEY_FILE: .*can be read by other users: chmod 600/);
		writeFileSync(`${path}2`, `${key.slice(0, -1)}x`, { mode: 0o600 });
		const wrong = await runCli(['start', '--http', '127.0.0.1:0'], {
			env: { ...env, PERIGEE_CHAIN_KEY_FILE: `${path}2` },
		});
		assert.equal(wrong.code, 2);
		assert.match(wrong.stderr, /has no key: 64 hexadecimal digits/);
		assert.ok(!wrong.stderr.includes(key.slice(2, 20)));
	});

	it('perigee upload --rpc pays for files and directories, and once for what it has paid for before', async (t: TestContext) => {
		const prng = new Prng(0xc11);
		const home = temporaryDirectory(t);
		const node = await start(t, temporaryDirectory(t), {});
		const { path, address } = await keyFile(t);
		const directory = join(home, 'tree');
		mkdirSync(join(directory, 'sub'), { recursive: true });
		const contents = [prng.bytes(300), prng.bytes(400_000), prng.bytes(17_000_000)];
		const files = [join(directory, 'small'), join(directory, 'sub', 'middle'), join(home, 'large')];
		for (const [index, file] of files.entries()) writeFileSync(file, contents[index] as Buffer);
		const env = { XDG_STATE_HOME: join(home, 'state') };
		const upload = (args: readonly string[]) => runCli(['upload', '--node', node.url, ...args], { env });
		const paying = ['--rpc', chain.url, '--key-file', path];
		const before = await chain.submissions();

		const plain = await upload([files[0] as string]);
		assert.equal(plain.code, 0, plain.stderr);
		assert.match(plain.stderr, /it is a file once somebody submits it to 0x[0-9a-f]{40} on chain 31337, fee 6 wei/);
		for (const args of [[files[2] as string], [directory]]) {
			const paid = await upload([...args, ...paying, '--json']);
			assert.equal(paid.code, 0, paid.stderr);
			const { root, txSeq } = JSON.parse(paid.stdout.toString()) as { readonly root: string; readonly txSeq: number };
			assert.equal(typeof txSeq, 'number');
			assert.equal((await ask(node, `/v1/files/${root}/info`)).json['finalized'], true);
		}
		// The large file, two files of the directory, and its metadata.
		assert.equal((await chain.submissions()) - before, 4);
		const again = await upload([directory, ...paying, '--json']);
		assert.equal(again.code, 0, again.stderr);
		assert.equal((await chain.submissions()) - before, 4);
		assert.equal(await chain.client.getTransactionCount({ address }), 2);
		assert.equal(await node.end('SIGTERM'), 0);
	});

	it('perigee upload --rpc pays for files apart that differ in zeros at their end, and each once, also from two calls at a time', async (t: TestContext) => {
		const home = temporaryDirectory(t);
		const node = await start(t, temporaryDirectory(t), {});
		const { path, address } = await keyFile(t);
		const content = new Prng(0x7a1).bytes(700);
		const files = [0, 5].map((zeros) => {
			const file = join(home, `with ${zeros}`);
			writeFileSync(file, Buffer.concat([content, Buffer.alloc(zeros)]));
			return file;
		});
		const env = { XDG_STATE_HOME: join(home, 'state') };
		// A call that was killed while it paid has left its lock.
		mkdirSync(join(home, 'state', 'perigee', 'payments'), { recursive: true });
		writeFileSync(join(home, 'state', 'perigee', 'payments', 'lock'), '4194304');
		const before = await chain.submissions();
		const payFor = async (file: string): Promise<number> => {
			const args = ['upload', '--node', node.url, file, '--rpc', chain.url, '--key-file', path, '--json'];
			const paid = await runCli(args, { env });
			assert.equal(paid.code, 0, paid.stderr);
			return (JSON.parse(paid.stdout.toString()) as { readonly txSeq: number }).txSeq;
		};
		const [first, second] = files as [string, string];
		const txSeqs = [await payFor(first)];
		const both = await Promise.all([payFor(second), payFor(second)]);
		assert.equal(new Set([...txSeqs, ...both]).size, 2);
		for (const [file, txSeq] of [
			[first, txSeqs[0]],
			[second, both[0]],
		] as const) {
			assert.equal(await payFor(file), txSeq);
			const info = (await ask(node, `/v1/submissions/${txSeq}/info`)).json;
			assert.deepEqual([info['size'], info['finalized']], [file === first ? 700 : 705, true]);
		}
		assert.equal((await chain.submissions()) - before, 2);
		assert.equal(await chain.client.getTransactionCount({ address }), 2);
		assert.equal(await node.end('SIGTERM'), 0);
	});

	it('perigee upload --rpc pays for the file that it has sent, to whom it was told to, and not more than it may', async (t: TestContext) => {
		const { path, address } = await keyFile(t);
		const node = await start(t, temporaryDirectory(t), {});
		const home = { env: { XDG_STATE_HOME: temporaryDirectory(t) } };
		const file = join(temporaryDirectory(t), 'content');
		const content = new Prng(41).bytes(20_000);
		writeFileSync(file, content);
		const balance = (): Promise<bigint> => chain.client.getBalance({ address });
		const before = await balance();
		/** A node that changes what is to be paid for. */
		const lying = async (change: (text: string) => string): Promise<string> => {
			const server = createServer((request, response) => {
				void buffer(request).then(async (body) => {
					const type = request.headers['content-type'];
					const answer = await fetch(`${node.url}${request.url}`, {
						method: request.method ?? 'GET',
						headers: type === undefined ? {} : { 'content-type': type },
						...(body.length === 0 ? {} : { body }),
					});
					response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' });
					response.end(change(await answer.text()));
				});
			});
			await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
			t.after(() => server.close());
			return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
		};
		const taller = await lying((text) =>
			text.replace(/"height":(\d+)/, (_, height) => `"height":${Number(height) + 9}`),
		);
		const longer = await lying((text) => text.replace('"length":20000', '"length":20001'));
		const elsewhere = await lying((text) => text.replaceAll(chain.flowAddress.toLowerCase(), `0x${'5e'.repeat(20)}`));
		const dear = await chainProxy(chain.url, (method, [call]) => {
			const { data = '' } = (call ?? {}) as { readonly data?: string };
			return method === 'eth_call' && data === '0x61ec5082'
				? { result: `0x${(10n ** 15n).toString(16).padStart(64, '0')}` }
				: undefined;
		});
		t.after(() => dear.close());
		const pays = (url: string, rpc: string, ...more: readonly string[]) =>
			runCli(['upload', '--node', url, file, '--rpc', rpc, '--key-file', path, ...more], home);
		for (const [args, words] of [
			[[taller, chain.url], /the node names another submission than that of the file/],
			[[longer, chain.url], /the node names another submission than that of the file/],
			[[elsewhere, chain.url, '--flow', chain.flowAddress], /the node wants 0x5e5e.* to be paid, not 0x/],
			[[node.url, dear.url], /asks 80000000000000000 wei for 80 sectors, more than 800000000000000: nothing is paid/],
			[[node.url, chain.url, '--max-fee', '239'], /asks 240 wei for 80 sectors, more than 239: nothing is paid/],
		] as const) {
			const [url, rpc, ...more] = args;
			const refused = await pays(url, rpc, ...more);
			assert.notEqual(refused.code, 0);
			assert.match(refused.stderr, words);
		}
		assert.equal(await balance(), before, 'nothing was paid');
		const paid = await pays(node.url, chain.url, '--max-fee', '240', '--flow', chain.flowAddress);
		assert.equal(paid.code, 0, paid.stderr);
		assert.match(paid.stderr, /paying 240 wei to 0x/);
	});

	it('perigee upload --rpc that was interrupted goes on with the same transaction', async (t: TestContext) => {
		clearInterval(mining);
		const home = temporaryDirectory(t);
		const node = await start(t, temporaryDirectory(t), {});
		const { path, address } = await keyFile(t);
		const file = join(home, 'f');
		writeFileSync(file, new Prng(77).bytes(5000));
		const env = { XDG_STATE_HOME: join(home, 'state') };
		const args = ['upload', '--node', node.url, file, '--rpc', chain.url, '--key-file', path];
		const first = spawnCli(args, { env });
		const ended = once(first, 'exit');
		const pending = () => chain.client.getTransactionCount({ address, blockTag: 'pending' });
		await until('the transaction', async () => (await pending()) === 1);
		first.kill('SIGKILL');
		await ended;
		mining = setInterval(() => void chain.mine(1).catch(() => undefined), 40);
		const second = await runCli(args, { env });
		assert.equal(second.code, 0, second.stderr);
		assert.equal(await pending(), 1);
		for (const [wrong, text] of [
			[['--key-file', path], /--key-file goes with --rpc/],
			[['--rpc', chain.url], /--rpc pays for files and needs a key/],
		] as const) {
			const refused = await runCli(['upload', '--node', node.url, file, ...wrong], { env });
			assert.equal(refused.code, 2);
			assert.match(refused.stderr, text);
		}
		const other = await startChain(4242);
		t.after(() => other.stop());
		writeFileSync(file, new Prng(78).bytes(5000));
		const foreign = await runCli([...args.slice(0, 5), other.url, '--key-file', path], { env });
		assert.notEqual(foreign.code, 0);
		assert.match(foreign.stderr, /it is of chain 4242, this node follows 31337/);
		assert.equal(await node.end('SIGTERM'), 0);
	});
});
