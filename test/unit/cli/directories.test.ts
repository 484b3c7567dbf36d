import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
	existsSync,
	lstatSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	readlinkSync,
	rmSync,
	statSync,
	symlinkSync,
	utimesSync,
	writeFileSync,
} from 'node:fs';
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'node:test';
import { encodeDirectory } from '../../../src/api/rest/directory-metadata.js';
import { DirectoryBuilder } from '../../../src/api/rest/directory-tree.js';
import { fileRoot } from '../../../src/native/addon.js';
import { type DataRoot, hexOf } from '../../../src/units.js';
import { type Ran, runCli, useMemoryNode, temporaryDirectory } from '../../support/processes.js';

const rootOf = (bytes: Uint8Array) => hexOf(fileRoot(bytes).root) as DataRoot;

/** Writes files below a directory. */
function plant(directory: string, files: Readonly<Record<string, Uint8Array | string>>): void {
	for (const [path, bytes] of Object.entries(files)) {
		mkdirSync(dirname(join(directory, path)), { recursive: true });
		writeFileSync(join(directory, path), bytes);
	}
}

/** Every path below a directory: contents of files, targets of links, null for directories. */
function contents(directory: string, above = ''): Record<string, string | null> {
	const found: Record<string, string | null> = {};
	for (const name of readdirSync(join(directory, above)).sort()) {
		const path = join(above, name);
		const entry = lstatSync(join(directory, path));
		if (entry.isSymbolicLink()) found[path] = `-> ${readlinkSync(join(directory, path))}`;
		else if (entry.isDirectory()) Object.assign(found, { [path]: null }, contents(directory, path));
		else found[path] = readFileSync(join(directory, path)).toString('base64');
	}
	return found;
}

const jsonOf = (ran: Ran) => JSON.parse(ran.stdout.toString()) as Record<string, unknown>;
const errorOf = (ran: Ran) => (JSON.parse(ran.stderr) as { error: { message: string; code?: string } }).error;

/** A node that serves `served` under the roots of `right`. */
async function nodeOf(
	t: { after(fn: () => void): void },
	right: readonly Uint8Array[],
	served: readonly Uint8Array[] = right,
): Promise<string> {
	const byRoot = new Map(right.map((bytes, at) => [rootOf(bytes), served[at] as Uint8Array]));
	const server = http.createServer((request, response) => {
		const bytes = byRoot.get((request.url ?? '').split('/')[3] as DataRoot);
		if (bytes === undefined) response.writeHead(404).end();
		else response.end(bytes);
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	t.after(() => {
		server.closeAllConnections();
		server.close();
	});
	return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('directories on the command line', () => {
	const node = useMemoryNode();
	const cli = (args: readonly string[]) => runCli(args, { env: { PERIGEE_NODE: node() } });

	async function stored(directory: string): Promise<string> {
		const ran = await cli(['upload', directory, '--json']);
		assert.equal(ran.code, 0, ran.stderr);
		return String(jsonOf(ran)['root']);
	}

	it('go up and come back as they were', async (t) => {
		const directory = temporaryDirectory(t);
		const local = join(directory, 'my data');
		const files = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`many/f${at}`, randomBytes(1000 + at)]));
		plant(local, { ...files, 'a.txt': 'abc', 'ü/日本 語': randomBytes(700_000), empty: '' });
		mkdirSync(join(local, 'none/in/here'), { recursive: true });
		symlinkSync('../a.txt', join(local, 'ü/link'));
		const ran = await cli(['upload', local, '--json']);
		assert.deepEqual([ran.code, ran.stderr], [0, '']);
		const { root, txSeq, size, ...rest } = jsonOf(ran);
		assert.ok(Number.isInteger(txSeq) && Number.isInteger(size));
		assert.deepEqual(rest, {
			name: 'my data',
			segments: 1,
			directory: { files: 23, directories: 5, links: 1, bytes: 20_000 + 190 + 700_003 },
		});
		const plain = await cli(['upload', local]);
		assert.equal(plain.stdout.toString(), `${String(root)}  ${local}\n`);
		const target = join(directory, 'new', 'place');
		const fetched = await cli(['download', String(root), '--out', target, '--json']);
		assert.equal(fetched.code, 0, fetched.stderr);
		assert.deepEqual(jsonOf(fetched), {
			root,
			directory: target,
			files: 23,
			unchanged: 0,
			directories: 5,
			links: 1,
			skippedLinks: 0,
			bytes: 720_193,
		});
		assert.deepEqual(contents(target), contents(local));
	});

	it('are named as they lie in their place, or as they are told', async (t) => {
		const directory = temporaryDirectory(t);
		plant(directory, { 'sub/a': 'abc' });
		const inside = await runCli(['upload', '.', '--json'], {
			env: { PERIGEE_NODE: node() },
			cwd: join(directory, 'sub'),
		});
		assert.equal(jsonOf(inside)['name'], 'sub');
		assert.equal(jsonOf(await cli(['upload', directory, '--name', 'other', '--json']))['name'], 'other');
	});

	it('a second download goes on where a first one ended, and touches nothing that is right', async (t) => {
		const directory = temporaryDirectory(t);
		const [local, target] = [join(directory, 'a'), join(directory, 'b')];
		plant(local, { one: randomBytes(300_000), 'sub/two': 'two', 'sub/three': 'three', empty: '' });
		symlinkSync('one', join(local, 'link'));
		const root = await stored(local);
		assert.equal((await cli(['download', root, '--out', target])).code, 0);
		rmSync(join(target, 'sub/two'));
		utimesSync(join(target, 'one'), 1000, 1000);
		const again = await cli(['download', root, '--out', target, '--json']);
		assert.equal(jsonOf(again)['unchanged'], 3);
		assert.equal(statSync(join(target, 'one')).mtimeMs, 1_000_000);
		assert.deepEqual(contents(target), contents(local));
		writeFileSync(join(target, 'sub/two'), 'owt');
		const refused = await cli(['download', root, '--out', target, '--json']);
		assert.equal(refused.code, 2);
		assert.match(errorOf(refused).message, /sub\/two: is there already/);
		assert.equal(readFileSync(join(target, 'sub/two'), 'utf8'), 'owt');
		assert.equal((await cli(['download', root, '--out', target, '--force'])).code, 0);
		assert.deepEqual(contents(target), contents(local));
	});

	it('are never written through links, also when told to overwrite', async (t) => {
		const directory = temporaryDirectory(t);
		const [local, target, outside] = ['a', 'b', 'outside'].map((name) => join(directory, name)) as [
			string,
			string,
			string,
		];
		plant(local, { 'sub/x': 'xyz', file: 'abc' });
		const root = await stored(local);
		mkdirSync(outside);
		mkdirSync(target);
		symlinkSync(outside, join(target, 'sub'));
		for (const flags of [[], ['--force']]) {
			const ran = await cli(['download', root, '--out', target, ...flags]);
			assert.equal(ran.code, 2, ran.stderr);
			assert.match(ran.stderr, /sub: is there already and is no directory/);
		}
		rmSync(join(target, 'sub'));
		writeFileSync(join(outside, 'file'), 'old');
		symlinkSync(join(outside, 'file'), join(target, 'file'));
		assert.equal((await cli(['download', root, '--out', target])).code, 2);
		assert.equal((await cli(['download', root, '--out', target, '--force'])).code, 0);
		assert.deepEqual(contents(target), contents(local));
		assert.deepEqual(contents(outside), { file: Buffer.from('old').toString('base64') });
	});

	it('with links that lead out of them are refused, or as they are told', async (t) => {
		const directory = temporaryDirectory(t);
		const local = join(directory, 'a');
		plant(local, { file: 'abc' });
		symlinkSync('/etc/passwd', join(local, 'away'));
		const root = await stored(local);
		const refused = await cli(['download', root, '--out', join(directory, 'b'), '--json']);
		assert.deepEqual([refused.code, errorOf(refused).code], [6, 'UNSAFE_LINK']);
		assert.ok(!existsSync(join(directory, 'b')));
		const skipped = await cli(['download', root, '--out', join(directory, 'c'), '--links', 'skip', '--json']);
		assert.equal(jsonOf(skipped)['skippedLinks'], 1);
		assert.deepEqual(readdirSync(join(directory, 'c')), ['file']);
		assert.equal((await cli(['download', root, '--out', join(directory, 'd'), '--links', 'keep'])).code, 0);
		assert.equal(readlinkSync(join(directory, 'd', 'away')), '/etc/passwd');
	});

	it('holding what cannot be stored are refused before anything is sent', async (t) => {
		const directory = temporaryDirectory(t);
		const lines = async () => (await cli(['ls'])).stdout.toString().split('\n').length;
		const before = await lines();
		for (const [name, make, reason] of [
			[
				'pipe',
				(local: string) => execFileSync('mkfifo', [join(local, 'p')]),
				/p: is neither a file nor a directory nor a link/,
			],
			['line', (local: string) => writeFileSync(join(local, 'a\nb'), 'x'), /"a\\nb"/],
			[
				'bytes',
				(local: string) => writeFileSync(Buffer.concat([Buffer.from(`${local}/`), Buffer.of(0xff)]), 'x'),
				/not UTF-8/,
			],
			['deep', (local: string) => mkdirSync(join(local, 'd/'.repeat(70)), { recursive: true }), /too deep/],
		] as const) {
			const local = join(directory, name);
			plant(local, { 'first of all': randomBytes(100) });
			make(local);
			const ran = await cli(['upload', local]);
			assert.equal(ran.code, 2, ran.stderr);
			assert.match(ran.stderr, reason);
		}
		assert.equal(await lines(), before);
	});

	it('tell on a terminal how far they are, how fast, and how long it takes', {
		skip: existsSync('/usr/bin/script') ? false : 'script(1) is not installed',
	}, async (t) => {
		const directory = temporaryDirectory(t);
		plant(directory, { 'sub/big': randomBytes(20_000_000), small: 'abc' });
		const runner = fileURLToPath(new URL('../../support/run-cli.js', import.meta.url));
		const command = `stty cols 200; exec "${process.execPath}" "${runner}" upload "${directory}" --node ${node()} > /dev/null`;
		const shown = execFileSync('script', ['-qefc', command, '/dev/null'], { stdio: ['ignore', 'pipe', 'ignore'] });
		assert.match(shown.toString(), /0\/20 MiB, 0\.0 MiB\/s, +\S+ left/);
	});

	it('ls shows what they hold', async (t) => {
		const directory = temporaryDirectory(t);
		plant(directory, { 'sub/x': 'xyz', file: 'abc', empty: '' });
		symlinkSync('file', join(directory, 'link'));
		const root = await stored(directory);
		const top = (await cli(['ls', root])).stdout
			.toString()
			.split('\n')
			.map((line) => line.trim().split(/\s+/));
		assert.deepEqual(top, [
			['file', '0', '-', 'empty'],
			['file', '3', rootOf(Buffer.from('abc')), 'file'],
			['symbolic', '-', '-', 'link', '->', 'file'],
			['directory', '-', '-', 'sub/'],
			[''],
		]);
		const expected = { name: 'x', type: 'file', size: 3, roots: [rootOf(Buffer.from('xyz'))] };
		for (const path of ['sub', 'sub/', 'sub/x'])
			assert.deepEqual(jsonOf(await cli(['ls', `${root}/${path}`, '--json'])), expected);
		const none = await cli(['ls', `${root}/nothing`]);
		assert.deepEqual([none.code, none.stdout.length], [3, 0]);
		const plain = await cli(['ls', rootOf(Buffer.from('abc')), '--json']);
		assert.deepEqual([plain.code, errorOf(plain).code], [6, 'NOT_A_DIRECTORY']);
	});

	it('a plain file is told apart also when it is larger than any metadata', async (t) => {
		const directory = temporaryDirectory(t);
		const file = join(directory, 'large.bin');
		writeFileSync(file, randomBytes(5 * 2 ** 20));
		const root = (await cli(['upload', file])).stdout.toString().slice(0, 66);
		const ran = await cli(['download', root, '--out', join(directory, 'out')]);
		assert.equal(ran.code, 6);
		assert.match(ran.stderr, /NOT_A_DIRECTORY/);
	});

	it('files are told apart from directories, and flags that do not go together are', async (t) => {
		const directory = temporaryDirectory(t);
		const file = join(directory, 'file');
		writeFileSync(file, 'abc');
		const root = await stored(file);
		const ran = await cli(['download', root, '--out', join(directory, 'x'), '--json']);
		assert.deepEqual([ran.code, errorOf(ran).code], [6, 'NOT_A_DIRECTORY']);
		for (const args of [
			['download', root, '--out', directory, '-o', file],
			['download', root, '-o', file, '--links', 'keep'],
			['download', root, '--out', directory, '--links', 'all'],
			['upload', directory, file, '--name', 'x'],
		])
			assert.equal((await cli(args)).code, 2, args.join(' '));
		assert.equal((await cli(['download', root, '--out', file])).code, 6);
		const holder = await stored(directory);
		assert.equal((await cli(['download', holder, '--out', file])).code, 2);
		assert.equal((await cli(['upload', join(directory, 'nothing')])).code, 3);
	});
});

describe('directories of nodes that lie', () => {
	const good = randomBytes(400_000);
	const builder = new DirectoryBuilder();
	builder.addFile('a', { size: 3, roots: [rootOf(Buffer.from('abc'))] });
	builder.addFile('b/c', { size: good.length, roots: [rootOf(good)] });
	const metadata = encodeDirectory(builder.tree());

	/** Downloads from a node that serves `served` under the root of `right`. */
	async function attempt(
		t: { after(fn: () => void): void },
		right: readonly Uint8Array[],
		served: readonly Uint8Array[],
	) {
		const target = join(temporaryDirectory(t), 'out');
		const url = await nodeOf(t, right, served);
		const ran = await runCli(['download', rootOf(right[0] as Uint8Array), '--out', target, '--node', url, '--json']);
		return { ran, target };
	}

	it('leave nothing when the metadata has another root', async (t) => {
		const other = Buffer.from(metadata);
		other[60] = (other[60] as number) ^ 1;
		const { ran, target } = await attempt(t, [metadata], [other]);
		assert.equal(ran.code, 4, ran.stderr);
		assert.ok(!existsSync(target));
	});

	it('leave nothing of a file with another root or size', async (t) => {
		const abc = Buffer.from('abc');
		for (const wrong of [
			Buffer.concat([good.subarray(1), Buffer.of(0)]),
			Buffer.concat([good, Buffer.of(0)]),
			good.subarray(0, 399_000),
		]) {
			const { ran, target } = await attempt(t, [metadata, abc, good], [metadata, abc, wrong]);
			assert.ok(ran.code === 4 || ran.code === 5, ran.stderr);
			assert.deepEqual(readdirSync(join(target, 'b')), []);
		}
	});

	it('write nowhere else, whatever names the metadata has', async (t) => {
		const head = Buffer.from(metadata).subarray(0, 34);
		const abc = Buffer.from('abc');
		for (const name of ['../escaped', '..', '/tmp/perigee-escaped', 'a/../../escaped', '.', 'a\0b', '']) {
			const file = { name, type: 'file', size: 3, hash: rootOf(abc) };
			const hostile = Buffer.concat([
				head,
				Buffer.from(JSON.stringify({ name: '/', type: 'directory', entries: [file] })),
			]);
			const { ran, target } = await attempt(t, [hostile, abc], [hostile, abc]);
			assert.deepEqual([ran.code, errorOf(ran).code], [6, 'BAD_DIRECTORY'], name);
			assert.deepEqual(readdirSync(dirname(target)), [], name);
		}
	});

	it('cannot make a file system without room for long names write others', async (t) => {
		const long = new DirectoryBuilder();
		long.addFile('a'.repeat(300), { size: 0, roots: [] });
		const bytes = encodeDirectory(long.tree());
		const { ran, target } = await attempt(t, [bytes], [bytes]);
		assert.equal(ran.code, 2, ran.stderr);
		assert.ok(!existsSync(target));
	});

	it('are read in version 2, a file in several parts too', async (t) => {
		const second = randomBytes(5000);
		const entries = [{ name: 'f', type: 'file', size: 405_000, roots: [rootOf(good), rootOf(second)] }];
		const head = Buffer.from(metadata).subarray(0, 34);
		head[33] = 2;
		const bytes = Buffer.concat([head, Buffer.from(JSON.stringify({ name: '/', type: 'directory', entries }))]);
		const node = await nodeOf(t, [bytes, good, second]);
		const target = join(temporaryDirectory(t), 'out');
		const ran = await runCli(['download', rootOf(bytes), '--out', target, '--node', node]);
		assert.equal(ran.code, 0, ran.stderr);
		assert.ok(readFileSync(join(target, 'f')).equals(Buffer.concat([good, second])));
	});

	it('upload says which file a node refuses', async (t) => {
		const directory = temporaryDirectory(t);
		plant(directory, { 'd/one': 'one', 'd/two': 'two' });
		const server = http.createServer((request, response) => {
			request.resume().on('end', () => response.writeHead(507).end());
		});
		server.listen(0, '127.0.0.1');
		await once(server, 'listening');
		t.after(() => server.close());
		const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
		const ran = await runCli(['upload', join(directory, 'd'), '--node', url]);
		assert.equal(ran.code, 7, ran.stderr);
		assert.match(ran.stderr, /d\/(one|two): /);
		assert.equal(ran.stdout.length, 0);
	});
});
