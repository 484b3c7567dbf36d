/** The whole path on a real process: real sockets, real log files, real index. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
	fileRoot,
	keccak256,
	sectorLeaves,
	treeRoot,
	verifyFileProof,
	verifyFlowProof,
} from '../../src/native/addon.js';
import { bytesOfHex, hexOf } from '../../src/units.js';
import { runCli, type RunningNode, startNode, temporaryDirectory } from '../support/processes.js';
import { ask, eventually, put, RawConnection } from '../support/rest-server.js';

async function end(node: RunningNode, signal: NodeJS.Signals): Promise<number | null> {
	node.child.kill(signal);
	const [code] = (await once(node.child, 'exit')) as [number | null];
	return code;
}

const rootOf = (bytes: Uint8Array) => hexOf(fileRoot(bytes).root);
const SIZES = [1, 256, 4096, 262_143, 262_144, 262_145, 5_242_893];

test('files of all sizes come back whole, in ranges and with proofs, also after a clean restart', async (t) => {
	const dataDir = join(temporaryDirectory(t), 'data');
	let node = await startNode(t, dataDir);
	const files = SIZES.map((size) => randomBytes(size));
	for (const [index, bytes] of files.entries()) {
		const answer = await ask(node, `/v1/upload/f${index}`, { method: 'PUT', body: bytes });
		assert.equal(answer.status, 201, answer.text);
		assert.deepEqual([answer.json['root'], answer.json['txSeq']], [rootOf(bytes), index]);
	}
	for (const round of ['running', 'restarted']) {
		for (const [index, bytes] of files.entries()) await checkFile(node, bytes, index, round);
		await checkFlow(node, files);
		if (round === 'restarted') break;
		assert.equal(await end(node, 'SIGTERM'), 0);
		assert.equal(existsSync(join(dataDir, 'node.json')), false);
		node = await startNode(t, dataDir);
	}
	assert.equal(await end(node, 'SIGINT'), 0);
});

async function checkFile(node: RunningNode, bytes: Buffer, index: number, round: string): Promise<void> {
	const root = rootOf(bytes);
	const what = `${bytes.length} bytes, ${round}`;
	for (const path of [`/v1/files/${root}`, `/v1/submissions/${index}`]) {
		const whole = await ask(node, path);
		assert.equal(whole.status, 200, what);
		assert.ok(whole.body.equals(bytes), what);
		assert.equal(whole.headers['content-disposition'], `inline; filename="f${index}"`);
		const from = bytes.length >> 1;
		const range = await ask(node, path, { headers: { Range: `bytes=${from}-` } });
		assert.equal(range.status, 206);
		assert.ok(range.body.equals(bytes.subarray(from)), what);
	}
	const info = (await ask(node, `/v1/files/${root}/info`)).json;
	assert.deepEqual(
		[info['size'], info['txSeq'], info['finalized'], info['name']],
		[bytes.length, index, true, `f${index}`],
	);
	for (let segment = 0; segment < Number(info['segments']); segment++) {
		const { json } = await ask(node, `/v1/files/${root}/segments/${segment}?proof=1`);
		const proof = json['proof'] as { lemma: string[]; path: boolean[] };
		const data = Buffer.from(json['data'] as string, 'base64');
		const padded = Number(info['paddedSectors']) - segment * 1024;
		const verdict = verifyFileProof(
			bytesOfHex(root),
			BigInt(bytes.length),
			BigInt(segment),
			treeRoot(sectorLeaves(data, Math.min(1024, padded))),
			Buffer.concat(proof.lemma.map(bytesOfHex)),
			Uint8Array.from(proof.path, Number),
			true,
		);
		assert.equal(verdict, null, `${what}, segment ${segment}`);
	}
}

/** First and last sector of every file prove themselves against the flow root after each submission. */
async function checkFlow(node: RunningNode, files: readonly Buffer[]): Promise<void> {
	for (let at = 0; at < files.length; at++) {
		const info = (await ask(node, `/v1/submissions/${at}/info`)).json;
		for (const sector of [
			Number(info['startSector']),
			Number(info['startSector']) + Number(info['paddedSectors']) - 1,
		]) {
			for (const seq of [at, files.length - 1]) {
				const { json, status } = await ask(node, `/v1/sectors/${sector}/proof?at=${seq}`);
				assert.equal(status, 200);
				const proof = json['proof'] as { lemma: string[]; path: boolean[] };
				const verdict = verifyFlowProof(
					bytesOfHex(json['flowRoot'] as string),
					BigInt(json['flowLengthSectors'] as number),
					BigInt(sector),
					keccak256(Buffer.from(json['data'] as string, 'base64')),
					Buffer.concat(proof.lemma.map(bytesOfHex)),
					Uint8Array.from(proof.path, Number),
				);
				assert.equal(verdict, null, `sector ${sector} at ${seq}`);
			}
		}
	}
	const flow = (await ask(node, '/v1/flow')).json;
	const last = (await ask(node, `/v1/sectors/1/proof`)).json;
	assert.deepEqual([flow['root'], flow['submissions']], [last['flowRoot'], files.length]);
}

test('what was acknowledged survives kill -9, and each upload keeps its name', async (t) => {
	const dataDir = join(temporaryDirectory(t), 'data');
	const first = await startNode(t, dataDir);
	const bytes = randomBytes(700_000);
	const root = await put(first, bytes, 'old');
	assert.equal((await ask(first, '/v1/upload/new', { method: 'PUT', body: bytes })).status, 200);
	await end(first, 'SIGKILL');
	const second = await startNode(t, dataDir);
	const byRoot = await ask(second, `/v1/files/${root}`);
	assert.ok(byRoot.body.equals(bytes));
	assert.equal(byRoot.headers['content-disposition'], 'inline; filename="new"');
	assert.equal((await ask(second, '/v1/submissions/0')).headers['content-disposition'], 'inline; filename="old"');
	assert.equal((await ask(second, '/v1/upload/again', { method: 'PUT', body: bytes })).status, 200);
});

test('wrong digests, wrong roots and broken uploads leave nothing visible', async (t) => {
	const node = await startNode(t, join(temporaryDirectory(t), 'data'));
	for (const size of [1000, 1_000_000]) {
		const bytes = randomBytes(size);
		for (const [headers, code] of [
			[{ 'Content-Digest': `sha-256=:${Buffer.alloc(32).toString('base64')}:` }, 'DIGEST_MISMATCH'],
			[{ 'Perigee-Expected-Root': `0x${'ab'.repeat(32)}` }, 'ROOT_MISMATCH'],
		] as const) {
			const answer = await ask(node, '/v1/upload/x', { method: 'PUT', body: bytes, headers });
			assert.deepEqual([answer.status, answer.json['code']], [422, code]);
		}
		assert.equal((await ask(node, `/v1/files/${rootOf(bytes)}`)).status, 404);
	}
	assert.equal((await ask(node, '/v1/upload/x', { method: 'PUT', body: '' })).json['code'], 'EMPTY_FILE');
	assert.equal((await ask(node, '/v1/flow')).json['submissions'], 0);
});

test('node.json says where the node listens; a second node on the directory is refused with the pid', async (t) => {
	const dataDir = join(temporaryDirectory(t), 'data');
	const node = await startNode(t, dataDir);
	const file = JSON.parse(readFileSync(join(dataDir, 'node.json'), 'utf8')) as Record<string, unknown>;
	assert.equal(file['pid'], node.child.pid);
	assert.equal((file['listeners'] as { http: string }).http, node.url);
	for (const key of ['version', 'format', 'simd']) assert.ok(key in file, key);
	const second = await runCli(['start', '--data-dir', dataDir, '--http', '127.0.0.1:0']);
	assert.equal(second.code, 1);
	assert.match(second.stderr, new RegExp(`process ${node.child.pid}`));
	assert.equal((await ask(node, '/health/ready')).status, 200);
	const rebuild = await runCli(['rebuild', '--data-dir', dataDir]);
	assert.equal(rebuild.code, 1);
});

test('hashing stands behind the main thread of a node, and nothing else does', {
	skip: process.platform === 'linux' ? false : 'threads have priorities of their own on Linux only',
}, async (t) => {
	const node = await startNode(t, join(temporaryDirectory(t), 'data'));
	const main = String(node.child.pid);
	const threads = `/proc/${main}/task`;
	const niceOf = (thread: string): number => {
		const stat = readFileSync(`${threads}/${thread}/stat`, 'latin1');
		// Field 19; the name in brackets may hold spaces.
		return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]);
	};
	const behind = readdirSync(threads).filter((thread) => niceOf(thread) > niceOf(main));
	assert.equal(behind.length, Math.max(1, availableParallelism() - 1));
});

test('rebuild of a directory without a store is refused and leaves nothing there', async (t) => {
	const dataDir = join(temporaryDirectory(t), 'nothing');
	const rebuild = await runCli(['rebuild', '--data-dir', dataDir]);
	assert.equal(rebuild.code, 2);
	assert.match(rebuild.stderr, /holds no store/);
	assert.equal(existsSync(dataDir), false);
});

test('the command line works against a real node, and rebuild restores its view', async (t) => {
	const directory = temporaryDirectory(t);
	const dataDir = join(directory, 'data');
	const node = await startNode(t, dataDir);
	const bytes = randomBytes(3_000_000);
	const path = join(directory, 'model.bin');
	writeFileSync(path, bytes);
	const env = { PERIGEE_NODE: node.url };
	const sent = await runCli(['upload', path], { env });
	assert.deepEqual([sent.code, sent.stdout.toString()], [0, `${rootOf(bytes)}  ${path}\n`]);
	const back = join(directory, 'back.bin');
	assert.equal((await runCli(['download', rootOf(bytes), '-o', back], { env })).code, 0);
	assert.ok(readFileSync(back).equals(bytes));
	assert.equal((await runCli(['verify', back, '--root', rootOf(bytes)])).code, 0);
	assert.ok((await runCli(['download', rootOf(bytes), '-o', '-'], { env })).stdout.equals(bytes));
	await end(node, 'SIGTERM');
	const rebuilt = await runCli(['rebuild', '--data-dir', dataDir, '--json']);
	assert.equal(rebuilt.code, 0, rebuilt.stderr);
	assert.equal((JSON.parse(rebuilt.stdout.toString()) as { submissions: number }).submissions, 1);
	const again = await startNode(t, dataDir);
	assert.ok((await ask(again, `/v1/files/${rootOf(bytes)}`)).body.equals(bytes));
});

test('a signal lets a running upload finish; a second one does not wait for it', async (t) => {
	const patient = await startNode(t, join(temporaryDirectory(t), 'data'));
	const upload = await beginUpload(patient);
	const exited = once(patient.child, 'exit');
	patient.child.kill('SIGTERM');
	await eventually(() => refuses(patient), 'new connections are refused');
	upload.send('z');
	assert.match(await upload.until('}'), /^HTTP\/1.1 201 /);
	assert.deepEqual(await exited, [0, null]);

	const hurried = await startNode(t, join(temporaryDirectory(t), 'data'));
	await beginUpload(hurried);
	hurried.child.kill('SIGTERM');
	await eventually(() => refuses(hurried), 'new connections are refused');
	assert.equal(await end(hurried, 'SIGTERM'), 143);
});

/** An upload of which one byte is missing. */
async function beginUpload(node: RunningNode): Promise<RawConnection> {
	const connection = await RawConnection.open(node);
	connection.send('PUT /v1/upload/a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nxy');
	const isUnderWay = async () => (await ask(node, '/metrics')).text.includes('\nperigee_uploads_in_progress 1\n');
	while (!(await isUnderWay())) await new Promise((resolve) => setImmediate(resolve));
	return connection;
}

async function refuses(node: RunningNode): Promise<boolean> {
	return await ask(node, '/health/live').then(
		() => false,
		() => true,
	);
}

test('what was deleted before kill -9 stays deleted, what was not stays, and both can be sent again', async (t) => {
	const dataDir = join(temporaryDirectory(t), 'data');
	let node = await startNode(t, dataDir);
	const files = [700, 300_000, 5_000_000].map((size) => randomBytes(size));
	const kept = randomBytes(400_000);
	await put(node, kept);
	for (const bytes of files) {
		const root = await put(node, bytes);
		assert.equal((await ask(node, `/v1/files/${root}`, { method: 'DELETE' })).status, 204);
	}
	// One that nobody finishes: its bytes must not stay for ever.
	const half = await RawConnection.open(node);
	half.send('PUT /v1/upload/half HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n');
	half.send(randomBytes(3_000_000));
	const says = async (line: RegExp): Promise<boolean> => line.test((await ask(node, '/metrics')).text);
	await eventually(
		() => says(/perigee_log_unsynced_bytes\{lane="bulk"\} [1-9]/),
		'bytes of the half upload are written',
	);
	await end(node, 'SIGKILL');
	node = await startNode(t, dataDir);
	assert.ok((await ask(node, `/v1/files/${rootOf(kept)}`)).body.equals(kept));
	for (const bytes of files) {
		const address = `/v1/files/${rootOf(bytes)}`;
		assert.deepEqual((await ask(node, address)).json['code'], 'GONE');
		const { json: before } = await ask(node, `${address}/info`);
		const again = await ask(node, '/v1/upload/again', { method: 'PUT', body: bytes });
		assert.deepEqual([again.status, again.json['txSeq']], [201, before['txSeq']]);
		assert.ok((await ask(node, address)).body.equals(bytes));
	}
	await eventually(() => says(/perigee_expired_objects_total 1\n/), 'the half upload expires');
	assert.equal(await end(node, 'SIGTERM'), 0);
});
