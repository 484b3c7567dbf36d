import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { encodeDirectory } from '../../../src/api/rest/directory-metadata.js';
import { DirectoryBuilder } from '../../../src/api/rest/directory-tree.js';
import { tarHead, tarPadding } from '../../../src/api/rest/tar.js';
import { fileRoot } from '../../../src/native/addon.js';
import { type DataRoot, hexOf } from '../../../src/units.js';
import { temporaryDirectory } from '../../support/processes.js';
import { ask, eventually, put, RawConnection, type RestServer, startRest } from '../../support/rest-server.js';

const rootOf = (bytes: Uint8Array) => hexOf(fileRoot(bytes).root) as DataRoot;

/** Runs the tar of the system over an archive; answers what it prints. Fails when it complains. */
async function tar(args: readonly string[], archive: Uint8Array): Promise<string> {
	const child = spawn('tar', [...args, '-f', '-'], { stdio: ['pipe', 'pipe', 'pipe'] });
	const out: Buffer[] = [];
	const complaints: Buffer[] = [];
	child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
	child.stderr.on('data', (chunk: Buffer) => complaints.push(chunk));
	child.stdin.on('error', () => {});
	child.stdin.end(archive);
	const [code] = (await once(child, 'close')) as [number];
	assert.deepEqual([code, Buffer.concat(complaints).toString()], [0, '']);
	return Buffer.concat(out).toString('utf8');
}

/** Stores a directory: contents of files, `link` for links, null for empty directories. */
async function stored(
	rest: RestServer,
	entries: Readonly<Record<string, Uint8Array | { readonly link: string } | null>>,
	name = 'data',
): Promise<string> {
	const builder = new DirectoryBuilder();
	for (const [path, entry] of Object.entries(entries)) {
		if (entry === null) builder.addDirectory(path);
		else if ('link' in entry) builder.addLink(path, entry.link);
		else if (entry.length === 0) builder.addFile(path, { size: 0, roots: [] });
		else builder.addFile(path, { size: entry.length, roots: [(await put(rest, entry)) as DataRoot] });
	}
	return await put(rest, encodeDirectory(builder.tree()), name);
}

describe('archives', () => {
	it('are unpacked by tar to what was stored', async (t) => {
		const rest = await startRest(t);
		const directory = temporaryDirectory(t);
		const long = `${'n'.repeat(120)}/${'ü'.repeat(120)}/${'x'.repeat(200)}`;
		const files: Record<string, Buffer> = {
			'a.txt': Buffer.from('abc'),
			'sub/empty': Buffer.alloc(0),
			'sub/big.bin': randomBytes(3_000_001),
			'sub/block': randomBytes(512),
			'sub/two blocks': randomBytes(131_072),
			'ü/日本語 \u{1f600}': randomBytes(70_000),
			[`${'d'.repeat(94)}/12345`]: randomBytes(5),
			[`${'d'.repeat(94)}/123456`]: randomBytes(6),
			[long]: randomBytes(1000),
		};
		const links = { 'sub/link': { link: '../a.txt' }, 'sub/long link': { link: `./${'l'.repeat(150)}` } };
		const root = await stored(rest, { ...files, ...links, 'no files': null }, 'my data');
		const answer = await ask(rest, `/v1/files/${root}?archive=tar`);
		assert.equal(answer.status, 200);
		assert.equal(answer.headers['content-length'], String(answer.body.length));
		assert.equal(answer.headers['content-type'], 'application/x-tar');
		assert.equal(answer.headers['content-disposition'], 'inline; filename="my data.tar"');
		await tar(['-x', '-C', directory], answer.body);
		for (const [path, bytes] of Object.entries(files))
			assert.ok(readFileSync(join(directory, path)).equals(bytes), path);
		for (const [path, { link }] of Object.entries(links)) assert.equal(readlinkSync(join(directory, path)), link);
		assert.deepEqual(readdirSync(join(directory, 'no files')), []);
		assert.equal(lstatSync(join(directory, 'a.txt')).mode & 0o111, 0);
		const listed = (await tar(['-t', '--quoting-style=literal'], answer.body))
			.split('\n')
			.filter((line) => line !== '');
		assert.equal(
			listed.length,
			Object.keys(files).length + 3 + ['sub/', 'ü/', `${'d'.repeat(94)}/`, 'n/', 'ü/'].length,
		);
		assert.equal(listed[0], 'a.txt');
		assert.equal(rest.store.outstandingPieces, 0);
		const again = await ask(rest, `/v1/files/${root}?archive=tar`);
		assert.ok(again.body.equals(answer.body));
		const known = await ask(rest, `/v1/files/${root}?archive=tar`, {
			headers: { 'If-None-Match': String(answer.headers.etag) },
		});
		assert.equal(known.status, 304);
		const head = await ask(rest, `/v1/files/${root}?archive=tar`, { method: 'HEAD' });
		assert.deepEqual([head.status, head.headers['content-length']], [200, String(answer.body.length)]);
	});

	it('of one file hold it under its name', async (t) => {
		const rest = await startRest(t);
		const directory = temporaryDirectory(t);
		const body = randomBytes(500_000);
		const root = await put(rest, body, 'model.bin');
		await tar(['-x', '-C', directory], (await ask(rest, `/v1/files/${root}?archive=tar`)).body);
		assert.ok(readFileSync(join(directory, 'model.bin')).equals(body));
		const unnamed = await put(rest, Buffer.from('x'), '');
		await tar(['-x', '-C', directory], (await ask(rest, `/v1/files/${unnamed}?archive=tar`)).body);
		assert.deepEqual(readdirSync(directory).sort(), [unnamed, 'model.bin']);
	});

	it('of an empty directory are empty', async (t) => {
		const rest = await startRest(t);
		const root = await stored(rest, {});
		assert.equal(await tar(['-t'], (await ask(rest, `/v1/files/${root}?archive=tar`)).body), '');
	});

	it('with something that is not here are refused before the first byte', async (t) => {
		const rest = await startRest(t);
		const [here, gone] = [randomBytes(1000), randomBytes(600_000)];
		const root = await stored(rest, { a: here, 'b/c': gone });
		await rest.store.dropSegments(rootOf(gone), 1, 1);
		const dropped = await ask(rest, `/v1/files/${root}?archive=tar`);
		assert.deepEqual([dropped.status, dropped.json['code']], [404, 'NOT_HELD']);
		assert.match(String(dropped.json['detail']), /^b\/c /);
		assert.equal((await ask(rest, `/v1/files/${root}?archive=tar`, { method: 'HEAD' })).status, 404);
		await rest.store.deleteFile(rootOf(gone));
		assert.equal((await ask(rest, `/v1/files/${root}?archive=tar`)).json['code'], 'GONE');
		const builder = new DirectoryBuilder();
		builder.addFile('f', { size: 1, roots: [`0x${'ab'.repeat(32)}` as DataRoot] });
		const unknown = await put(rest, encodeDirectory(builder.tree()));
		assert.equal((await ask(rest, `/v1/files/${unknown}?archive=tar`)).json['code'], 'NOT_HELD');
		await rest.store.deleteFile(root as DataRoot);
		assert.equal((await ask(rest, `/v1/files/${root}?archive=tar`)).json['code'], 'GONE');
	});

	it('refuse links that lead out, unless they are told what to do with them', async (t) => {
		const rest = await startRest(t);
		for (const link of ['/etc/passwd', '../x', 'a/../../x']) {
			const root = await stored(rest, { a: Buffer.from('abc'), l: { link } });
			const refused = await ask(rest, `/v1/files/${root}?archive=tar`);
			assert.deepEqual([refused.status, refused.json['code']], [422, 'UNSAFE_LINK']);
			const skipped = await ask(rest, `/v1/files/${root}?archive=tar&links=skip`);
			assert.equal(await tar(['-t'], skipped.body), 'a\n');
			const kept = await ask(rest, `/v1/files/${root}?archive=tar&links=keep`);
			assert.match(await tar(['-tv'], kept.body), new RegExp(`^l.* l -> ${link}$`, 'm'));
			assert.notEqual(kept.headers.etag, skipped.headers.etag);
		}
	});

	it('name what was asked wrongly, and metadata that cannot be used', async (t) => {
		const rest = await startRest(t);
		const root = await stored(rest, { a: Buffer.from('abc') });
		for (const query of [
			'archive=zip',
			'archive=',
			'archive=tar&archive=tar',
			'archive=tar&links=all',
			'archive=tar&verify=merkle',
		])
			assert.equal((await ask(rest, `/v1/files/${root}?${query}`)).json['code'], 'BAD_REQUEST', query);
		const good = encodeDirectory({ type: 'directory', name: '', entries: [] });
		const bad = await put(rest, Buffer.concat([good, Buffer.from('x')]));
		assert.equal((await ask(rest, `/v1/files/${bad}?archive=tar`)).json['code'], 'BAD_DIRECTORY');
	});

	it('that meet damage on their way are cut short', async (t) => {
		const rest = await startRest(t);
		const root = await stored(rest, { a: randomBytes(5_000_000), b: randomBytes(5_000_000) });
		let reads = 0;
		rest.store.bends.onRead = () => {
			if (++reads > 7) throw new Error('the disk is gone');
		};
		await assert.rejects(ask(rest, `/v1/files/${root}?archive=tar`), /aborted|ECONNRESET|socket hang up/);
		await eventually(() => rest.store.outstandingPieces === 0, 'all pieces go back');
	});

	it('wait for a slow reader, and end with one that goes away', async (t) => {
		const rest = await startRest(t);
		const root = await stored(rest, { a: randomBytes(30_000_000), b: randomBytes(30_000_000) });
		let reads = 0;
		rest.store.bends.onRead = () => void reads++;
		const connection = await RawConnection.open(rest);
		connection.socket.pause();
		connection.send(`GET /v1/files/${root}?archive=tar HTTP/1.1\r\nHost: x\r\n\r\n`);
		await eventually(() => reads > 3, 'it begins');
		let before = -1;
		// Turns without a read: the socket is full, and nothing is read ahead any more.
		for (let quiet = 0; quiet < 2000; quiet++) {
			if (before !== reads) quiet = 0;
			before = reads;
			await new Promise((resolve) => setImmediate(resolve));
		}
		assert.ok(reads < 58, `${reads} of 60 pieces were read for a reader that takes nothing`);
		connection.socket.destroy();
		await eventually(() => rest.store.outstandingPieces === 0, 'all pieces go back');
	});
});

describe('heads of tar entries', () => {
	it('say sizes beyond 8 GiB in a pax header', () => {
		const plain = tarHead({ kind: 'file', path: 'a', sizeBytes: 8 * 2 ** 30 - 1 });
		assert.deepEqual([plain.length, plain.toString('latin1', 124, 135)], [512, '77777777777']);
		const large = tarHead({ kind: 'file', path: 'a', sizeBytes: 8 * 2 ** 30 });
		assert.equal(large.length, 3 * 512);
		assert.equal(large.toString('latin1', 512, 528).replaceAll('\0', ''), '19 size=85899345');
		assert.equal(large.toString('latin1', 512, 531), '19 size=8589934592\n');
		assert.equal(large.toString('latin1', 1024 + 124, 1024 + 135), '00000000000');
	});

	it('are understood by tar for such sizes', async () => {
		// tar lists the entry before it misses its bytes: it is asked to stop at the first name.
		const head = tarHead({ kind: 'file', path: 'huge', sizeBytes: 10 * 2 ** 40 });
		const child = spawn('tar', ['-tv', '--occurrence=1', '-f', '-', 'huge'], { stdio: ['pipe', 'pipe', 'ignore'] });
		const out: Buffer[] = [];
		child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
		child.stdin.on('error', () => {});
		child.stdin.end(head);
		await once(child, 'close');
		assert.match(Buffer.concat(out).toString(), /10995116277760 1970-01-01 .* huge$/m);
	});

	it('count the digits of their own length', async () => {
		for (const length of [88, 89, 90, 91, 92, 93, 94, 95, 987, 988, 989, 990, 991, 992, 993]) {
			const path = 'ü'.repeat(length >> 1) + 'x'.repeat(length & 1);
			const archive = Buffer.concat([
				tarHead({ kind: 'file', path, sizeBytes: 3 }),
				Buffer.from('abc'),
				tarPadding(3),
				Buffer.alloc(1024),
			]);
			assert.equal(await tar(['-t', '--quoting-style=literal'], archive), `${path}\n`);
		}
	});

	it('never carry a name that leads out of the place of unpacking', async (t) => {
		const rest = await startRest(t);
		const head = Buffer.from(encodeDirectory({ type: 'directory', name: '', entries: [] })).subarray(0, 34);
		for (const name of ['../x', '..', '/x', 'a/../../x']) {
			const json = { name: '/', type: 'directory', entries: [{ name, type: 'file' }] };
			const root = await put(rest, Buffer.concat([head, Buffer.from(JSON.stringify(json))]));
			assert.equal((await ask(rest, `/v1/files/${root}?archive=tar`)).json['code'], 'BAD_DIRECTORY', name);
		}
	});
});
