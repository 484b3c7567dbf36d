/** `perigee upload` of a large file over broken connections, a killed node and its own end. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileRoot } from '../../src/native/addon.js';
import { rootFromBytes } from '../../src/units.js';
import { RealNode } from '../crash/real-node.js';
import { Prng } from '../support/prng.js';
import { runCli, spawnCli, temporaryDirectory } from '../support/processes.js';

const CONTENT = new Prng(11).bytes(40 * 2 ** 20 + 12_345);
const ROOT = rootFromBytes(fileRoot(CONTENT).root);

/** Stands between the command line and a node that may get another port, counts what is sent, and tells when some of it has passed. */
class Relay {
	url = '';
	port = 0;
	sentBytes = 0;
	/** Called once so many bytes have passed. */
	#mark: { readonly at: number; readonly call: () => void } | undefined;

	static async start(t: TestContext): Promise<Relay> {
		const relay = new Relay();
		const server = createServer((client) => {
			const upstream = connect(relay.port, '127.0.0.1');
			const end = (): void => {
				client.destroy();
				upstream.destroy();
			};
			for (const socket of [client, upstream]) socket.on('error', end).on('close', end);
			upstream.pipe(client);
			client.on('data', (chunk) => {
				relay.#passed(chunk.length);
				if (!upstream.write(chunk)) {
					client.pause();
					upstream.once('drain', () => client.resume());
				}
			});
		});
		server.listen(0, '127.0.0.1');
		await once(server, 'listening');
		t.after(() => server.close());
		relay.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
		return relay;
	}

	/** Resolves when so many bytes more have passed. */
	async passed(bytes: number): Promise<void> {
		await new Promise<void>((resolve) => {
			this.#mark = { at: this.sentBytes + bytes, call: resolve };
		});
	}

	#passed(bytes: number): void {
		this.sentBytes += bytes;
		if (!this.#mark || this.sentBytes < this.#mark.at) return;
		const { call } = this.#mark;
		this.#mark = undefined;
		call();
	}
}

async function setUp(t: TestContext) {
	const directory = temporaryDirectory(t);
	const file = join(directory, 'large.bin');
	writeFileSync(file, CONTENT);
	const node = new RealNode(join(directory, 'data'), { PERIGEE_GRPC: '127.0.0.1:0' });
	const relay = await Relay.start(t);
	const start = async (): Promise<void> => {
		relay.port = Number(new URL(await node.start()).port);
	};
	await start();
	t.after(() => node.stop(10_000));
	const env = { XDG_STATE_HOME: join(directory, 'state'), PERIGEE_NODE: relay.url };
	const notes = (): string[] => readdirSync(join(directory, 'state', 'perigee', 'uploads'));
	return { file, node, relay, start, env, notes, out: join(directory, 'back.bin') };
}

describe('perigee upload', () => {
	it('goes on with a node that was killed and started again', async (t) => {
		const { file, node, relay, start, env, notes, out } = await setUp(t);
		const passed = relay.passed(15 * 2 ** 20);
		const running = runCli(['upload', file, '--json'], { env });
		await passed;
		await node.kill();
		await start();
		const { code, stdout, stderr } = await running;
		assert.equal(code, 0, stderr);
		const answer = JSON.parse(stdout.toString()) as Record<string, unknown>;
		assert.deepEqual([answer['root'], answer['txSeq'], answer['size']], [ROOT, 0, CONTENT.length]);
		assert.deepEqual(notes(), []);
		assert.equal((await runCli(['download', ROOT, '-o', out], { env })).code, 0);
	});

	it('goes on where it was killed itself, when it is run again', async (t) => {
		const { file, relay, env, notes } = await setUp(t);
		const passed = relay.passed(25 * 2 ** 20);
		const first = spawnCli(['upload', file], { env });
		await passed;
		first.kill('SIGKILL');
		await once(first, 'exit');
		assert.equal(notes().length, 1);
		const before = relay.sentBytes;
		const { code, stdout, stderr } = await runCli(['upload', file], { env });
		assert.equal(code, 0, stderr);
		assert.ok(stdout.toString().includes(ROOT));
		// What was on its way when it was killed may have been lost.
		assert.ok(relay.sentBytes - before < CONTENT.length - 10 * 2 ** 20, `${relay.sentBytes - before} bytes were sent`);
		assert.deepEqual(notes(), []);
	});

	it('begins anew when the file has changed or the upload is gone', async (t) => {
		const { file, relay, env } = await setUp(t);
		const passed = relay.passed(12 * 2 ** 20);
		const first = spawnCli(['upload', file], { env });
		await passed;
		first.kill('SIGKILL');
		await once(first, 'exit');
		const other = new Prng(12).bytes(CONTENT.length + 1);
		writeFileSync(file, other);
		const { code, stdout } = await runCli(['upload', file], { env });
		assert.equal(code, 0);
		assert.ok(stdout.toString().includes(rootFromBytes(fileRoot(other).root)));
	});

	it('stores nothing mixed when the content has changed behind the same size and time, and sends it anew', async (t) => {
		const { file, relay, env, notes } = await setUp(t);
		const at = new Date(1_700_000_000_000);
		utimesSync(file, at, at);
		const passed = relay.passed(25 * 2 ** 20);
		const first = spawnCli(['upload', file], { env });
		await passed;
		first.kill('SIGKILL');
		await once(first, 'exit');
		assert.equal(notes().length, 1);
		const other = new Prng(13).bytes(CONTENT.length);
		writeFileSync(file, other);
		utimesSync(file, at, at);
		const { code, stdout, stderr } = await runCli(['upload', file], { env });
		assert.equal(code, 0, stderr);
		const otherRoot = rootFromBytes(fileRoot(other).root);
		assert.ok(stdout.toString().includes(otherRoot));
		assert.deepEqual(notes(), []);
		const listed = (await runCli(['ls', '--json'], { env })).stdout.toString().trim().split('\n');
		assert.deepEqual(
			listed.map((line) => (JSON.parse(line) as { root: string }).root),
			[otherRoot],
		);
	});

	it('goes on without notes where none can be written, and says so once', {
		skip: !existsSync('/proc/1'),
	}, async (t) => {
		const { file, env } = await setUp(t);
		const { code, stdout, stderr } = await runCli(['upload', file, file], {
			env: { ...env, XDG_STATE_HOME: '/proc/1/state' },
		});
		assert.equal(code, 0, stderr);
		assert.ok(stdout.toString().includes(ROOT));
		assert.equal(stderr.match(/cannot be written/g)?.length, 1, stderr);
	});
});
