/** gRPC of a real node: the example of the README, the same files over REST, many at once, a stop. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { packageFolder } from '../../src/config/package-file.js';
import { fileRoot } from '../../src/native/addon.js';
import { hexOf, SEGMENT_BYTES } from '../../src/units.js';
import { beginUpload, connectFiles, download, stat, stored } from '../support/grpc-server.js';
import { spawnCli, temporaryDirectory } from '../support/processes.js';
import { ask, eventually } from '../support/rest-server.js';

interface Node {
	readonly port: number;
	readonly target: string;
	stop(): Promise<number | null>;
}

async function start(t: TestContext, dataDir: string): Promise<Node> {
	const child = spawnCli(['start', '--data-dir', dataDir, '--http', '127.0.0.1:0', '--json', '--log-level', 'error']);
	t.after(() => void child.kill('SIGKILL'));
	await once(child.stdout!, 'data');
	const { listeners } = JSON.parse(readFileSync(join(dataDir, 'node.json'), 'utf8')) as {
		readonly listeners: { readonly http: string; readonly grpc: string };
	};
	return {
		port: Number(new URL(listeners.http).port),
		target: listeners.grpc,
		async stop() {
			child.kill('SIGTERM');
			const [code] = (await once(child, 'exit')) as [number | null];
			return code;
		},
	};
}

test('the example of the README stores a file and reads it back', async (t) => {
	const node = await start(t, join(temporaryDirectory(t), 'data'));
	const readme = readFileSync(join(packageFolder('.'), 'README.md'));
	const example = /```js\n(\/\/ node example\.mjs\n[^`]*)```/.exec(readme.toString())?.[1];
	assert.ok(example, 'the README has an example');
	// Where the packages of the checkout are found.
	const path = join(packageFolder('dist'), `readme-example-${process.pid}.mjs`);
	t.after(() => rmSync(path));
	writeFileSync(path, example);
	const env = { ...process.env, PERIGEE_GRPC: node.target };
	const { stdout, stderr } = await promisify(execFile)(process.execPath, [path], { cwd: packageFolder('.'), env });
	assert.equal(stderr, '');
	assert.ok(stdout.includes(hexOf(fileRoot(readme).root)), stdout);
	assert.ok(stdout.includes(readme.subarray(0, 9).toString()), stdout);
	assert.equal(await node.stop(), 0);
});

test('what gRPC has stored REST serves, and the other way round, also after a restart', async (t) => {
	const dataDir = join(temporaryDirectory(t), 'data');
	let node = await start(t, dataDir);
	const sizes = [1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 20 * SEGMENT_BYTES + 77];
	const contents = sizes.map((size) => randomBytes(size));
	const over = connectFiles(t, node.target);
	const roots = await Promise.all(contents.map((content, index) => stored(over, content, { name: `g-${index}` })));
	const put = randomBytes(3 * SEGMENT_BYTES);
	contents.push(put);
	roots.push(String((await ask(node, '/v1/upload/r', { method: 'PUT', body: put })).json['root']));
	for (let run = 0; run < 2; run++) {
		const client = connectFiles(t, node.target, { 'grpc-node.flow_control_window': 2 ** 20 });
		const downloads = await Promise.all(roots.map((root) => download(client, { root })));
		for (const [index, content] of contents.entries()) {
			assert.ok(downloads[index]!.bytes.equals(content));
			assert.ok((await ask(node, `/v1/files/${roots[index]}`)).body.equals(content));
			const verified = await download(client, { root: roots[index], verify: 'VERIFY_MERKLE' });
			assert.ok(verified.bytes.equals(content));
			const range = await download(client, { root: roots[index], offset: content.length - 1 });
			assert.ok(range.bytes.equals(content.subarray(-1)));
			const info = (await ask(node, `/v1/files/${roots[index]}/info`)).json;
			const told = await stat(client, { root: roots[index] });
			assert.ok('answer' in told);
			assert.deepEqual(
				[told.answer['size'], told.answer['name'], told.answer['startSector'], told.answer['nodes']],
				[String(info['size']), info['name'], String(info['startSector']), info['nodes']],
			);
		}
		assert.equal(await node.stop(), 0);
		if (run === 0) node = await start(t, dataDir);
	}
});

test('a large upload that is broken off frees everything it had', async (t) => {
	const node = await start(t, join(temporaryDirectory(t), 'data'));
	const gauge = async (name: string): Promise<number> => {
		const { text } = await ask(node, '/metrics');
		return Number(new RegExp(`^perigee_${name} (\\S+)$`, 'm').exec(text)?.[1]);
	};
	const free = await gauge('slab_slots_free');
	const { call, outcome } = beginUpload(connectFiles(t, node.target));
	call.write({ options: { name: 'half' } });
	for (let index = 0; index < 64; index++) call.write({ chunk: randomBytes(SEGMENT_BYTES) });
	await eventually(
		async () => (await gauge('log_bytes_total\\{lane="bulk"\\}')) > 4 * SEGMENT_BYTES,
		'it is on its way',
	);
	call.cancel();
	assert.ok('error' in (await outcome));
	await eventually(async () => (await gauge('uploads_in_progress')) === 0, 'the upload ends');
	await eventually(async () => (await gauge('slab_slots_free')) === free, 'the ring is free again');
	assert.equal(((await ask(node, '/v1/files')).json['files'] as unknown[]).length, 0);
	assert.equal(await node.stop(), 0);
});
