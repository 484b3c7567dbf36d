/** A directory on a real node: up by form and by command line, through a kill, back as archive and as files. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { BOUNDARY, formOf } from '../support/forms.js';
import { runCli, spawnCli, temporaryDirectory } from '../support/processes.js';
import { ask } from '../support/rest-server.js';

async function start(t: TestContext, dataDir: string) {
	const child = spawnCli(['start', '--data-dir', dataDir, '--http', '127.0.0.1:0', '--json']);
	t.after(() => void child.kill('SIGKILL'));
	const [said] = (await once(child.stdout!, 'data')) as [Buffer];
	const { url } = JSON.parse(said.toString()) as { url: string };
	return { child, url, port: Number(new URL(url).port) };
}

test('a directory that was answered for outlives a kill, file by file and whole', async (t) => {
	const home = temporaryDirectory(t);
	const local = join(home, 'local');
	mkdirSync(join(local, 'sub/empty'), { recursive: true });
	const files: Record<string, Buffer> = {
		'sub/big.bin': randomBytes(9_000_000),
		'a.txt': Buffer.from('abc'),
		none: Buffer.alloc(0),
	};
	for (let at = 0; at < 50; at++) files[`sub/f${at}`] = randomBytes(100 * at + 1);
	for (const [path, bytes] of Object.entries(files)) writeFileSync(join(local, path), bytes);
	symlinkSync('../a.txt', join(local, 'sub/link'));
	let node = await start(t, join(home, 'data'));
	const sent = await runCli(['upload', local, '--json', '--node', node.url]);
	assert.equal(sent.code, 0, sent.stderr);
	const { root } = JSON.parse(sent.stdout.toString()) as { root: string };
	const form = await ask(node, '/v1/upload?directory=form', {
		method: 'POST',
		headers: { 'Content-Type': `multipart/form-data; boundary=${BOUNDARY}` },
		body: formOf(Object.entries(files).map(([filename, body]) => ({ filename, body }))),
	});
	assert.equal(form.status, 201, form.text);
	node.child.kill('SIGKILL');
	await once(node.child, 'exit');
	node = await start(t, join(home, 'data'));
	for (const [path, bytes] of Object.entries(files)) {
		const answer = await ask(node, `/v1/files/${String(form.json['root'])}/path/${path}`);
		assert.ok(answer.status === 200 && answer.body.equals(bytes), path);
	}
	const archive = await ask(node, `/v1/files/${root}?archive=tar`);
	assert.equal(archive.headers['content-length'], String(archive.body.length));
	const [unpacked, fetched] = [join(home, 'unpacked'), join(home, 'fetched')];
	mkdirSync(unpacked);
	const tar = spawnSync('tar', ['-x', '-C', unpacked, '-f', '-'], { input: archive.body });
	assert.deepEqual([tar.status, tar.stderr.toString()], [0, '']);
	const ran = await runCli(['download', root, '--out', fetched, '--node', node.url]);
	assert.equal(ran.code, 0, ran.stderr);
	for (const copy of [unpacked, fetched]) {
		execFileSync('diff', ['-r', '--no-dereference', local, copy]);
		for (const [path, bytes] of Object.entries(files)) assert.ok(readFileSync(join(copy, path)).equals(bytes));
	}
});
