/** The real process under limits of the system: few file descriptors, a disk that fills while another has room, a disk that becomes read-only. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Prng } from '../support/prng.js';
import { SmallDisk } from '../support/small-disk.js';
import { smallDiskRefusal } from './full-disk.js';
import { makeContent, type Content } from './oracle.js';

const RUN_CLI = fileURLToPath(new URL('../support/run-cli.js', import.meta.url));
const MIB = 2 ** 20;

interface Node {
	readonly url: string;
	/** Ends it with a signal; its exit code. */
	end(signal: NodeJS.Signals): Promise<number | null>;
}

async function startNode(t: TestContext, dataDirs: readonly string[], openFiles?: number): Promise<Node> {
	const limit = openFiles === undefined ? '' : `ulimit -n ${openFiles}; `;
	const args = dataDirs.flatMap((directory) => ['--data-dir', directory]);
	const ports = ['--http', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--grpc', '127.0.0.1:0', '--log-level', 'silent'];
	const command = [process.execPath, RUN_CLI, 'start', '--json', ...args, ...ports];
	const child: ChildProcess = spawn('sh', ['-c', `${limit}exec "$@"`, 'sh', ...command], {
		stdio: ['ignore', 'pipe', 'inherit'],
		env: { ...process.env, UV_THREADPOOL_SIZE: '8' },
	});
	const ended = once(child, 'exit') as Promise<[number | null]>;
	const end = async (signal: NodeJS.Signals): Promise<number | null> => {
		child.kill(signal);
		return (await ended)[0];
	};
	t.after(() => end('SIGKILL'));
	const line = await Promise.race([once(child.stdout as NodeJS.ReadableStream, 'data'), ended.then(() => undefined)]);
	assert.ok(line, 'the node does not start');
	return { url: (JSON.parse(String(line[0])) as { readonly url: string }).url, end };
}

async function put({ url }: Node, { bytes }: Content): Promise<number> {
	const answer = await fetch(`${url}/v1/upload/file`, { method: 'PUT', body: new Uint8Array(bytes) });
	await answer.arrayBuffer();
	return answer.status;
}

async function assertServed({ url }: Node, contents: readonly Content[]): Promise<void> {
	for (const { root, bytes } of contents) {
		const answer = await fetch(`${url}/v1/files/${root}`);
		assert.equal(answer.status, 200);
		assert.ok(Buffer.from(await answer.arrayBuffer()).equals(bytes));
	}
}

async function mountDisk(t: TestContext, sizeBytes: number): Promise<SmallDisk> {
	const disk = await SmallDisk.mount(sizeBytes);
	assert.ok(typeof disk !== 'string');
	t.after(() => disk.unmount());
	return disk;
}

it('with few file descriptors serves on, and answers what it cannot do now; the next start has everything', async (t) => {
	const home = await mkdtemp(join(tmpdir(), 'perigee-limits-'));
	t.after(() => rm(home, { recursive: true }));
	const dataDir = join(home, 'data');
	const prng = new Prng(1);
	let node = await startNode(t, [dataDir], 120);
	const stored: Content[] = [];
	for (const sizeBytes of [1000, 700_000, 40_000]) {
		const content = makeContent(prng, sizeBytes);
		assert.equal(await put(node, content), 201);
		stored.push(content);
	}
	// Connections take the descriptors that are left.
	const { hostname, port } = new URL(node.url);
	const sockets = Array.from({ length: 120 }, () => connect(Number(port), hostname));
	for (const socket of sockets) socket.on('error', () => undefined);
	await Promise.all(sockets.map((socket) => once(socket, 'connect')));
	const answers = await Promise.all(
		Array.from({ length: 8 }, (_, index) => {
			const content = makeContent(prng, 1 + index * 90_000);
			const signal = AbortSignal.timeout(2000);
			return fetch(`${node.url}/v1/upload/file`, { method: 'PUT', body: new Uint8Array(content.bytes), signal }).then(
				(answer) => {
					if (answer.status === 201) stored.push(content);
					return answer.status;
				},
				() => 'no connection',
			);
		}),
	);
	for (const answer of answers) assert.ok([201, 503, 'no connection'].includes(answer), String(answer));
	for (const socket of sockets) socket.destroy();
	await assertServed(node, stored);
	const after = makeContent(prng, 500_000);
	assert.equal(await put(node, after), 201);
	stored.push(after);
	assert.equal(await node.end('SIGTERM'), 0);
	node = await startNode(t, [dataDir]);
	await assertServed(node, stored);
});

/** Two small disks and the data directories on them. */
async function mountTwo(t: TestContext): Promise<{ readonly second: SmallDisk; readonly dataDirs: readonly string[] }> {
	const [first, second] = [await mountDisk(t, 192 * MIB), await mountDisk(t, 192 * MIB)];
	return { second, dataDirs: [first, second].map(({ directory }) => join(directory, 'data')) };
}

/** Uploads content of a size to the node of the moment, which must take it. */
function uploader(prng: Prng, node: () => Node, stored: Content[]) {
	return async (sizeBytes: number): Promise<void> => {
		const content = makeContent(prng, sizeBytes);
		assert.equal(await put(node(), content), 201);
		stored.push(content);
	};
}

describe('a node on several small disks', { skip: (await smallDiskRefusal()) ?? false }, () => {
	it('goes on writing to the disk that has room when another one is filled by something else', async (t) => {
		const { second, dataDirs } = await mountTwo(t);
		let node = await startNode(t, dataDirs);
		const stored: Content[] = [];
		const upload = uploader(new Prng(2), () => node, stored);
		for (let round = 0; round < 3; round++) for (const sizeBytes of [900, 1_200_000]) await upload(sizeBytes);
		assert.ok((await readdir(join(second.directory, 'data', 'log'))).length > 0);
		await second.fill(0);
		for (let round = 0; round < 6; round++) for (const sizeBytes of [900, 1_200_000]) await upload(sizeBytes);
		await assertServed(node, stored);
		await node.end('SIGKILL');
		node = await startNode(t, dataDirs);
		await assertServed(node, stored);
		await upload(300_000);
		await second.empty();
		await upload(300_000);
		assert.equal(await node.end('SIGTERM'), 0);
	});

	it('passes over a disk that is mounted read-only, serves its files, and writes to it again later', async (t) => {
		const { second, dataDirs } = await mountTwo(t);
		let node = await startNode(t, dataDirs);
		const stored: Content[] = [];
		const upload = uploader(new Prng(3), () => node, stored);
		for (const sizeBytes of [900, 1_200_000, 77, 800_000]) await upload(sizeBytes);
		assert.equal(await node.end('SIGTERM'), 0);
		const names = await readdir(join(second.directory, 'data', 'log'));
		assert.ok(names.length > 0);
		await second.remount('ro');
		node = await startNode(t, dataDirs);
		await assertServed(node, stored);
		for (const sizeBytes of [900, 1_200_000]) await upload(sizeBytes);
		await assertServed(node, stored);
		assert.deepEqual(await readdir(join(second.directory, 'data', 'log')), names);
		assert.equal(await node.end('SIGTERM'), 0);
		await second.remount('rw');
		node = await startNode(t, dataDirs);
		await assertServed(node, stored);
		assert.equal(await node.end('SIGTERM'), 0);
	});

	it('a data directory on a read-only file system ends the start with a sentence, and nothing is lost', async (t) => {
		const disk = await mountDisk(t, 96 * MIB);
		const dataDir = join(disk.directory, 'data');
		let node = await startNode(t, [dataDir]);
		const content = makeContent(new Prng(4), 400_000);
		assert.equal(await put(node, content), 201);
		await node.end('SIGKILL');
		await disk.remount('ro');
		await assert.rejects(startNode(t, [dataDir]), /does not start/);
		await disk.remount('rw');
		node = await startNode(t, [dataDir]);
		await assertServed(node, [content]);
		assert.equal(await node.end('SIGTERM'), 0);
	});
});
