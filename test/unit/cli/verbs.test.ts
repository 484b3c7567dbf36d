import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
	closeSync,
	ftruncateSync,
	lstatSync,
	mkdirSync,
	openSync,
	readdirSync,
	readFileSync,
	symlinkSync,
	writeFileSync,
} from 'node:fs';
import * as http from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileRoot } from '../../../src/native/addon.js';
import { hexOf } from '../../../src/units.js';
import { runCli, spawnCli, useMemoryNode, temporaryDirectory } from '../../support/processes.js';

const rootOf = (bytes: Uint8Array) => hexOf(fileRoot(bytes).root);
const UNKNOWN = `0x${'ab'.repeat(32)}`;

describe('verbs without a node', () => {
	it('root prints the data root alone, or exactly the promised JSON', async (t) => {
		const directory = temporaryDirectory(t);
		const bytes = randomBytes(700_000);
		const path = join(directory, 'a b');
		writeFileSync(path, bytes);
		const plain = await runCli(['root', path]);
		assert.deepEqual([plain.code, plain.stdout.toString(), plain.stderr], [0, `${rootOf(bytes)}\n`, '']);
		const { root, nodes } = fileRoot(bytes);
		const json = await runCli(['root', path, '--json']);
		assert.deepEqual(JSON.parse(json.stdout.toString()), {
			root: hexOf(root),
			size: 700_000,
			segments: 3,
			submission: { nodes: nodes.map((node) => ({ root: hexOf(node.root), height: node.height })) },
		});
	});

	it('root reads large sparse files in constant memory', async (t) => {
		const path = join(temporaryDirectory(t), 'sparse');
		const file = openSync(path, 'w');
		ftruncateSync(file, 256 * 2 ** 20);
		closeSync(file);
		const { stdout, code } = await runCli(['root', path, '--json'], {
			env: { NODE_OPTIONS: '--max-old-space-size=64' },
		});
		assert.equal(code, 0);
		assert.equal((JSON.parse(stdout.toString()) as { segments: number }).segments, 1024);
	});

	it('verify answers 0 for the right root and 4 for another', async (t) => {
		const path = join(temporaryDirectory(t), 'file');
		writeFileSync(path, 'abc');
		const right = await runCli([
			'verify',
			path,
			'--root',
			rootOf(Buffer.from('abc')).toUpperCase().replace('0X', '0x'),
		]);
		assert.equal(right.code, 0);
		const wrong = await runCli(['verify', path, '--root', UNKNOWN]);
		assert.equal(wrong.code, 4);
		assert.match(wrong.stderr, /has the data root/);
	});

	it('usage errors are 2, missing files 3, empty files and directories 2, each with a reason', async (t) => {
		const directory = temporaryDirectory(t);
		const empty = join(directory, 'empty');
		writeFileSync(empty, '');
		for (const [args, code, reason] of [
			[['nonsense'], 2, /unknown command/],
			[['root'], 2, /missing required argument/],
			[['root', '--nonsense', empty], 2, /unknown option/],
			[['verify', empty], 2, /required option/],
			[['verify', empty, '--root', '0x12'], 2, /not a data root/],
			[['root', join(directory, 'none')], 3, /no such file/],
			[['root', empty], 2, /empty file/],
			[['root', directory], 2, /is a directory/],
			[['info', 'nonsense'], 2, /neither a data root nor a sequence number/],
			[['upload', empty, '--node', 'ftp://x'], 2, /not the address of a node/],
			[['start', '--http', 'nonsense'], 2, /not host:port/],
			[['start', '--config', join(directory, 'none.toml')], 2, /cannot be read/],
		] as const) {
			const ran = await runCli(args);
			assert.equal(ran.code, code, `${args.join(' ')}: ${ran.stderr}`);
			assert.match(ran.stderr, reason);
			assert.equal(ran.stdout.length, 0);
		}
		for (const args of [['--help'], ['--version'], ['root', '--help']]) assert.equal((await runCli(args)).code, 0);
	});

	it('a failure with --json is one object on standard error', async (t) => {
		const ran = await runCli(['root', join(temporaryDirectory(t), 'none'), '--json']);
		const { error } = JSON.parse(ran.stderr) as { error: { message: string; exitCode: number } };
		assert.equal(error.exitCode, 3);
		assert.equal(ran.code, 3);
	});

	it('a command line that cannot be used is told as JSON too, when JSON was asked for', async () => {
		for (const [args, reason] of [
			[['nonsense', '--json'], /unknown command 'nonsense'/],
			[['root', '--json'], /missing required argument 'file'/],
			[['--json', 'root', '--nonsense', 'x'], /unknown option/],
			[['scrub', 'nonsense', '--json'], /Allowed choices/],
		] as const) {
			const ran = await runCli(args);
			assert.equal(ran.code, 2);
			assert.equal(ran.stdout.length, 0);
			const { error } = JSON.parse(ran.stderr) as { error: { message: string; hint: string; exitCode: number } };
			assert.match(error.message, reason);
			assert.match(error.hint, /--help/);
			assert.equal(error.exitCode, 2);
		}
	});

	it('a node that does not answer is 5 with a hint', async (t) => {
		const path = join(temporaryDirectory(t), 'file');
		writeFileSync(path, 'abc');
		for (const args of [
			['info', '0'],
			['upload', path],
			['download', UNKNOWN, '-o', `${path}.out`],
		]) {
			const ran = await runCli([...args, '--node', 'http://127.0.0.1:1']);
			assert.equal(ran.code, 5, ran.stderr);
			assert.match(ran.stderr, /hint: .*perigee start/);
		}
	});
});

describe('verbs with a node', () => {
	const node = useMemoryNode();
	const cli = (args: readonly string[], options: Parameters<typeof runCli>[1] = {}) =>
		runCli(args, { ...options, env: { PERIGEE_NODE: node(), ...options.env } });

	it('upload prints a root for each file, download gives the same bytes back', async (t) => {
		const directory = temporaryDirectory(t);
		const files = [randomBytes(10), randomBytes(5_000_000)].map((bytes, index) => {
			const path = join(directory, `ü ${index}.bin`);
			writeFileSync(path, bytes);
			return { path, bytes, root: rootOf(bytes) };
		});
		const sent = await cli(['upload', ...files.map((file) => file.path)]);
		assert.deepEqual([sent.code, sent.stderr], [0, '']);
		assert.equal(sent.stdout.toString(), files.map((file) => `${file.root}  ${file.path}\n`).join(''));
		for (const { root, bytes } of files) {
			const target = join(directory, root);
			assert.equal((await cli(['download', root, '-o', target])).code, 0);
			assert.ok(readFileSync(target).equals(bytes));
			const piped = await cli(['download', root, '-o', '-']);
			assert.deepEqual([piped.code, piped.stderr], [0, '']);
			assert.ok(piped.stdout.equals(bytes));
		}
		const into = join(directory, 'into');
		mkdirSync(into);
		assert.equal((await cli(['download', files[0]!.root, '-o', into])).code, 0);
		assert.deepEqual(readdirSync(into), ['ü 0.bin']);
	});

	it('upload takes standard input, names and types, and prints JSON lines', async () => {
		const ran = await cli(['upload', '-', '--name', 'n.txt', '--type', 'text/plain', '--json'], {
			input: Buffer.from('from a pipe'),
		});
		assert.equal(ran.code, 0, ran.stderr);
		const answer = JSON.parse(ran.stdout.toString()) as { root: string; name: string; size: number };
		assert.deepEqual([answer.root, answer.name, answer.size], [rootOf(Buffer.from('from a pipe')), 'n.txt', 11]);
		const info = JSON.parse((await cli(['info', answer.root, '--json'])).stdout.toString()) as Record<string, unknown>;
		assert.deepEqual([info['name'], info['type'], info['finalized']], ['n.txt', 'text/plain', true]);
		assert.match((await cli(['info', String(info['txSeq'])])).stdout.toString(), /^type: text\/plain$/m);
		assert.equal((await cli(['upload', '-'], { input: Buffer.alloc(0) })).code, 2);
	});

	it('download does not overwrite, unless it is told to', async (t) => {
		const directory = temporaryDirectory(t);
		const { stdout } = await cli(['upload', '-', '--json'], { input: Buffer.from('new') });
		const { root } = JSON.parse(stdout.toString()) as { root: string };
		const target = join(directory, 'target');
		writeFileSync(target, 'old');
		const refused = await cli(['download', root, '-o', target]);
		assert.equal(refused.code, 2);
		assert.match(refused.stderr, /--force/);
		assert.equal(readFileSync(target, 'utf8'), 'old');
		assert.equal((await cli(['download', root, '-o', target, '--force'])).code, 0);
		assert.equal(readFileSync(target, 'utf8'), 'new');
		assert.deepEqual(readdirSync(directory), ['target']);
	});

	it('download follows a link, and replaces nothing that is no regular file', async (t) => {
		const directory = temporaryDirectory(t);
		const { stdout } = await cli(['upload', '-', '--json'], { input: Buffer.from('linked') });
		const { root } = JSON.parse(stdout.toString()) as { root: string };
		const [file, link, socket] = ['file', 'link', 'socket'].map((name) => join(directory, name)) as [
			string,
			string,
			string,
		];
		writeFileSync(file, 'old');
		symlinkSync('file', link);
		assert.equal((await cli(['download', root, '-o', link, '--force'])).code, 0);
		assert.equal(readFileSync(file, 'utf8'), 'linked');
		assert.ok(lstatSync(link).isSymbolicLink());
		const server = createServer().listen(socket);
		t.after(() => server.close());
		await once(server, 'listening');
		for (const target of [socket, '', join(directory, 'nowhere', 'file')]) {
			const ran = await cli(['download', root, '-o', target, '--force']);
			assert.equal(ran.code, 2, ran.stderr);
			assert.match(ran.stderr, /regular file|needs a name|no such directory/);
		}
		assert.ok(lstatSync(socket).isSocket());
		assert.deepEqual(readdirSync(directory), ['file', 'link', 'socket']);
	});

	it('download shortens a name that no file system takes, and keeps its extension', async (t) => {
		const directory = temporaryDirectory(t);
		const bytes = randomBytes(100);
		for (const name of [`${'a'.repeat(300)}.tar`, `${'ü'.repeat(127)}.tar`]) {
			const { root } = JSON.parse(
				(await cli(['upload', '-', '--name', name, '--json'], { input: bytes })).stdout.toString(),
			) as { root: string };
			const into = join(directory, String(name.length));
			mkdirSync(into);
			const ran = await cli(['download', root, '-o', into]);
			assert.equal(ran.code, 0, ran.stderr);
			const [given = '', ...others] = readdirSync(into);
			assert.deepEqual(others, []);
			assert.match(given, /^(a+|ü+)\.tar$/);
			assert.ok(Buffer.byteLength(given) > 250 && Buffer.byteLength(given) <= 255);
			assert.ok(readFileSync(join(into, given)).equals(bytes));
		}
		const long = await cli(['download', rootOf(bytes), '-o', join(directory, 'a'.repeat(300))]);
		assert.equal(long.code, 2);
		assert.match(long.stderr, /name is too long/);
	});

	it('what the node does not know is 3, and leaves no file', async (t) => {
		const directory = temporaryDirectory(t);
		for (const args of [
			['info', '999'],
			['info', UNKNOWN],
			['download', UNKNOWN, '-o', join(directory, 'x')],
		]) {
			const ran = await cli(args);
			assert.equal(ran.code, 3, args.join(' '));
			assert.match(ran.stderr, /hint: /);
		}
		assert.deepEqual(readdirSync(directory), []);
	});

	it('what the node refuses is 6 with its hint', async () => {
		const ran = await cli(['upload', '-', '--name', 'a'.repeat(2000), '--json'], { input: Buffer.from('x') });
		assert.equal(ran.code, 6);
		const { error } = JSON.parse(ran.stderr) as { error: { code: string; hint: string } };
		assert.equal(error.code, 'BAD_NAME');
	});

	it('a reader that has seen enough ends the download quietly', async () => {
		const { stdout } = await cli(['upload', '-', '--json'], { input: randomBytes(3_000_000) });
		const { root } = JSON.parse(stdout.toString()) as { root: string };
		const child = spawnCli(['download', root, '-o', '-', '--node', node()]);
		await once(child.stdout!, 'data');
		child.stdout!.destroy();
		const [code] = (await once(child, 'exit')) as [number];
		assert.equal(code, 0);
	});
});

describe('verbs with a node that lies or breaks', () => {
	const body = randomBytes(600_000);
	const root = rootOf(body);

	/** A node whose content comes from `content`; everything else is as a good node would answer. */
	async function evilNode(
		t: { after(fn: () => void): void },
		content: (response: http.ServerResponse) => void,
	): Promise<string> {
		const server = http.createServer((request, response) => {
			const url = request.url ?? '';
			if (request.method === 'PUT') {
				request.resume().on('end', () => content(response));
			} else if (url.endsWith('/info')) {
				response.end(JSON.stringify({ size: body.length, name: 'evil' }));
			} else {
				content(response);
			}
		});
		server.listen(0, '127.0.0.1');
		await once(server, 'listening');
		t.after(() => {
			server.closeAllConnections();
			server.close();
		});
		return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
	}

	for (const [what, content, code] of [
		['one changed bit', (response) => response.end(flipped(body, 300_000)), 4],
		['one byte too many', (response) => response.end(Buffer.concat([body, Buffer.from('x')])), 4],
		['a body that ends early', (response) => response.end(body.subarray(0, 500_000)), 5],
		[
			'a connection that breaks',
			(response) => {
				response.writeHead(200, { 'Content-Length': body.length });
				response.write(body.subarray(0, 500_000), () => response.destroy());
			},
			5,
		],
		['an error', (response) => response.writeHead(500).end('no JSON'), 1],
		['disk full', (response) => response.writeHead(507).end(), 7],
	] as [string, (response: http.ServerResponse) => void, number][]) {
		it(`download of ${what} ends with ${code} and leaves nothing behind`, async (t) => {
			const directory = temporaryDirectory(t);
			const node = await evilNode(t, content);
			const ran = await runCli(['download', root, '-o', join(directory, 'x'), '--node', node]);
			assert.equal(ran.code, code, ran.stderr);
			assert.deepEqual(readdirSync(directory), []);
		});
	}

	it('download to standard output writes nothing of a segment without a valid proof', async (t) => {
		const node = await evilNode(t, (response) => {
			response.end(
				JSON.stringify({
					data: flipped(body, 5).subarray(0, 262_144).toString('base64'),
					proof: { lemma: [root], path: [] },
				}),
			);
		});
		const ran = await runCli(['download', root, '-o', '-', '--node', node]);
		assert.equal(ran.code, 4, ran.stderr);
		assert.equal(ran.stdout.length, 0);
	});

	it('upload fails with 4 when the node claims another root', async (t) => {
		const node = await evilNode(t, (response) =>
			response.end(JSON.stringify({ root: UNKNOWN, size: 3, txSeq: 0, name: '', segments: 1 })),
		);
		const ran = await runCli(['upload', '-', '--node', node], { input: Buffer.from('abc') });
		assert.equal(ran.code, 4, ran.stderr);
	});

	for (const [signal, exitCode] of [
		['SIGINT', 130],
		['SIGTERM', 143],
		['SIGHUP', 129],
	] as const)
		it(`a download that ${signal} interrupts leaves nothing behind`, async (t) => {
			const directory = temporaryDirectory(t);
			let half = (): void => {};
			const isHalf = new Promise<void>((resolve) => (half = resolve));
			const node = await evilNode(t, (response) => {
				response.writeHead(200, { 'Content-Length': body.length });
				response.write(body.subarray(0, 500_000), half);
			});
			const child = spawnCli(['download', root, '-o', join(directory, 'x'), '--node', node]);
			await isHalf;
			while (readdirSync(directory).length === 0) await new Promise((resolve) => setImmediate(resolve));
			child.kill(signal);
			const [code] = (await once(child, 'exit')) as [number];
			assert.equal(code, exitCode);
			assert.deepEqual(readdirSync(directory), []);
		});
});

function flipped(bytes: Buffer, at: number): Buffer {
	const copy = Buffer.from(bytes);
	copy.writeUInt8(copy.readUInt8(at) ^ 1, at);
	return copy;
}
