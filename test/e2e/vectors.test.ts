/** The vectors of the specification against a real process, over its socket and its command line. */
import assert from 'node:assert/strict';
import { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileContent } from '../support/file-content.js';
import { runCli, spawnCli } from '../support/processes.js';
import { readFilesWithTree } from '../support/vectors.js';

let directory: string;
let node: ChildProcess;
let url: string;

before(async () => {
	directory = mkdtempSync(join(tmpdir(), 'perigee-e2e-'));
	const args = ['--http', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--grpc', '127.0.0.1:0', '--json'];
	node = spawnCli(['start', '--data-dir', join(directory, 'data'), ...args]);
	node.stderr?.resume();
	const output = node.stdout;
	assert.ok(output);
	const [line] = (await Promise.race([once(output, 'data'), once(node, 'exit')])) as [Buffer | number | null];
	assert.ok(Buffer.isBuffer(line), `the node ended with ${String(line)}`);
	({ url } = JSON.parse(line.toString()) as { url: string });
});

after(async () => {
	if (node.exitCode === null && node.kill('SIGTERM')) await once(node, 'exit');
	rmSync(directory, { recursive: true, force: true });
});

describe('files of the vectors', () => {
	for (const vector of readFilesWithTree()) {
		it(`${vector.size} bytes of ${vector.content}: upload, bytes, a range and proofs over HTTP`, async () => {
			const body = fileContent(vector.content, vector.size);
			const uploaded = await fetch(`${url}/v1/upload/vector`, { method: 'PUT', body });
			assert.equal(uploaded.status, 201);
			const answer = (await uploaded.json()) as { root: string; txSeq: number; size: number; segments: number };
			assert.equal(answer.root, vector.dataRoot);
			assert.deepEqual([answer.size, answer.segments], [vector.size, vector.segments]);
			assert.equal((await fetch(`${url}/v1/upload/again`, { method: 'PUT', body })).status, 200);
			const file = `${url}/v1/files/${vector.dataRoot}`;
			const downloaded = await fetch(file);
			assert.equal(downloaded.headers.get('etag'), `"${vector.dataRoot}"`);
			assert.ok(Buffer.from(await downloaded.arrayBuffer()).equals(body));
			const last = await fetch(file, { headers: { range: 'bytes=-1' } });
			assert.equal(last.status, 206);
			assert.ok(Buffer.from(await last.arrayBuffer()).equals(body.subarray(-1)));
			for (const { segmentIndex, lemma, path } of vector.proofs) {
				const answered = await fetch(`${file}/segments/${segmentIndex}?proof=1`);
				if (segmentIndex >= vector.segments) {
					assert.equal(answered.status, 404);
					continue;
				}
				const { proof } = (await answered.json()) as { proof: { lemma: string[]; path: boolean[] } };
				assert.deepEqual(proof, { lemma, path });
			}
		});
	}
});

describe('an empty file', () => {
	it('is refused by PUT', async () => {
		const answer = await fetch(`${url}/v1/upload/empty`, { method: 'PUT', body: new Uint8Array(0) });
		assert.equal(answer.status, 400);
		assert.equal(((await answer.json()) as { code: string }).code, 'EMPTY_FILE');
	});

	it('is refused in a form', async () => {
		const form = new FormData();
		form.append('file', new Blob([]), 'empty.txt');
		const answer = await fetch(`${url}/v1/upload`, { method: 'POST', body: form });
		assert.ok((await answer.text()).includes('EMPTY_FILE'));
		assert.equal(answer.status, 400);
	});

	it('is refused by the verbs upload and root', async () => {
		const path = join(directory, 'empty');
		writeFileSync(path, '');
		for (const args of [
			['root', path],
			['upload', path, '--node', url],
			['verify', path, '--root', `0x${'00'.repeat(32)}`],
		]) {
			const { code, stderr } = await runCli(args);
			assert.equal(code, 2, args[0]);
			assert.match(stderr, /empty/);
		}
	});

	it('leaves nothing in the flow', async () => {
		const before = readFilesWithTree().length;
		const flow = (await (await fetch(`${url}/v1/flow`)).json()) as { submissions: number };
		assert.equal(flow.submissions, before);
	});
});
