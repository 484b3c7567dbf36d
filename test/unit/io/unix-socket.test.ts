import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { PerigeeError } from '../../../src/errors.js';
import { assertSocketFree, placeSocket } from '../../../src/io/unix-socket.js';
import { temporaryDirectory } from '../../support/processes.js';

async function listen(t: TestContext, path: string): Promise<{ readonly server: Server; remove(): Promise<void> }> {
	const server = createServer((socket) => socket.on('error', () => {}).end('hello'));
	t.after(() => server.close());
	const remove = await placeSocket(path, async (made) => {
		assert.equal(statSync(dirname(made)).mode & 0o777, 0o700, 'nobody else can reach it before it has its rights');
		server.listen(made);
		await once(server, 'listening');
	});
	return { server, remove };
}

async function heard(path: string): Promise<string> {
	const socket = connect(path);
	const [data] = (await once(socket, 'data')) as [Buffer];
	socket.destroy();
	return data.toString();
}

const isRefused = (text: RegExp) => (error: unknown) =>
	error instanceof PerigeeError && error.code === 'CONFIG_INVALID' && text.test(error.message);

describe('a Unix socket', () => {
	it('is its owner’s alone, answers by its name, and leaves nothing else', async (t) => {
		const directory = temporaryDirectory(t);
		const path = join(directory, 'admin.sock');
		const { remove } = await listen(t, path);
		assert.equal(lstatSync(path).mode & 0o777, 0o600);
		assert.equal(await heard(path), 'hello');
		assert.deepEqual(readdirSync(directory), ['admin.sock']);
		await remove();
		assert.deepEqual(readdirSync(directory), []);
	});

	it('in use, or another kind of file, is left alone', async (t) => {
		const directory = temporaryDirectory(t);
		const path = join(directory, 'admin.sock');
		await listen(t, path);
		await assert.rejects(listen(t, path), isRefused(/in use by another program/));
		assert.equal(await heard(path), 'hello');
		const file = join(directory, 'file');
		writeFileSync(file, 'x');
		await assert.rejects(listen(t, file), isRefused(/is no socket/));
		await assert.rejects(assertSocketFree(join(directory, 'none', 's')), isRefused(/there is no directory/));
		await assert.rejects(assertSocketFree(join(file, 's')), isRefused(/there is no directory/));
		assert.deepEqual(readdirSync(directory).sort(), ['admin.sock', 'file']);
	});

	it('that a killed process left behind is taken over; a stop does not take away the one of a successor', async (t) => {
		const directory = temporaryDirectory(t);
		const path = join(directory, 'admin.sock');
		const code = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`;
		const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
		await once(child.stdout, 'data');
		await assert.rejects(assertSocketFree(path), isRefused(/in use/));
		child.kill('SIGKILL');
		await once(child, 'exit');
		assert.ok(lstatSync(path).isSocket());
		const first = await listen(t, path);
		first.server.close();
		await once(first.server, 'close');
		const second = await listen(t, path);
		await first.remove();
		assert.equal(await heard(path), 'hello');
		await second.remove();
	});
});
