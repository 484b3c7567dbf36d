import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { decodeDirectory, DIRECTORY_TYPE, encodeDirectory } from '../../../src/api/rest/directory-metadata.js';
import { LIMITS } from '../../../src/limits.js';
import { fileRoot } from '../../../src/native/addon.js';
import { type DataRoot, hexOf } from '../../../src/units.js';
import { BOUNDARY, formOf, type Part } from '../../support/forms.js';
import { ask, eventually, put, type RestServer, startRest } from '../../support/rest-server.js';

const rootOf = (bytes: Uint8Array) => hexOf(fileRoot(bytes).root) as DataRoot;

function store(
	rest: RestServer,
	parts: readonly Part[],
	name = 'data',
	headers: Readonly<Record<string, string>> = {},
) {
	return ask(rest, `/v1/upload?directory=${encodeURIComponent(name)}`, {
		method: 'POST',
		body: formOf(parts),
		headers: { 'Content-Type': `multipart/form-data; boundary=${BOUNDARY}`, ...headers },
	});
}

describe('directory uploads', () => {
	it('store each file and what holds them together', async (t) => {
		const rest = await startRest(t);
		const big = randomBytes(700_000);
		const parts = [
			{ filename: 'b/big.bin', type: 'image/png', body: big },
			{ filename: 'a.txt', body: 'abc' },
			{ filename: 'b/ü/empty', body: '' },
		];
		const answer = await store(rest, parts, 'my data');
		assert.equal(answer.status, 201, answer.text);
		const { root, files, name } = answer.json as { root: string; name: string; files: unknown };
		assert.equal(name, 'my data');
		assert.deepEqual(files, [
			{ path: 'b/big.bin', size: 700_000, root: rootOf(big), txSeq: 0 },
			{ path: 'a.txt', size: 3, root: rootOf(Buffer.from('abc')), txSeq: 1 },
			{ path: 'b/ü/empty', size: 0 },
		]);
		assert.equal(answer.headers.location, `/v1/files/${root}/path/`);
		const metadata = await ask(rest, `/v1/files/${root}`);
		assert.equal(metadata.headers['content-type'], DIRECTORY_TYPE);
		const expected = encodeDirectory({
			type: 'directory',
			name: '',
			entries: [
				{ type: 'file', name: 'a.txt', size: 3, roots: [rootOf(Buffer.from('abc'))] },
				{
					type: 'directory',
					name: 'b',
					entries: [
						{ type: 'file', name: 'big.bin', size: 700_000, roots: [rootOf(big)] },
						{ type: 'directory', name: 'ü', entries: [{ type: 'file', name: 'empty', size: 0, roots: [] }] },
					],
				},
			],
		});
		assert.ok(metadata.body.equals(expected));
		const info = await ask(rest, `/v1/files/${rootOf(big)}/info`);
		assert.deepEqual([info.json['name'], info.json['type']], ['big.bin', 'image/png']);
		assert.equal((await store(rest, parts)).status, 200);
		assert.equal(rest.store.openUploads, 0);
	});

	it('refuse paths that lead anywhere else, and name what was stored before', async (t) => {
		const rest = await startRest(t);
		for (const filename of ['/etc/passwd', '../x', 'a/../b', 'a//b', 'good', 'good/x', 'a/', '.']) {
			const answer = await store(rest, [
				{ filename: 'good', body: 'abc' },
				{ filename, body: 'x' },
			]);
			assert.deepEqual([answer.status, answer.json['code']], [400, 'BAD_PATH'], filename);
			assert.deepEqual(
				(answer.json['files'] as { name: string }[]).map(({ name }) => name),
				['good'],
			);
		}
		assert.equal(rest.store.count, 1);
		assert.equal(rest.store.openUploads, 0);
	});

	it('hold nothing together when a file fails; what was stored stays', async (t) => {
		const rest = await startRest(t, { maxFileBytes: 100_000 });
		const answer = await store(rest, [
			{ filename: 'a', body: 'abc' },
			{ filename: 'b', body: randomBytes(200_000) },
		]);
		assert.deepEqual([answer.status, answer.json['code']], [413, 'BODY_TOO_LARGE']);
		await eventually(() => rest.store.openUploads === 0, 'the upload is given up');
		assert.equal(rest.store.count, 1);
		assert.equal((await ask(rest, `/v1/files/${rootOf(Buffer.from('abc'))}`)).text, 'abc');
	});

	it('without files, with a digest of the form, or with a bad name are refused', async (t) => {
		const rest = await startRest(t);
		const parts = [{ filename: 'a', body: 'abc' }];
		assert.equal((await store(rest, [{ name: 'a', body: 'b' }])).json['code'], 'BAD_REQUEST');
		const digest = { 'Content-Digest': `sha-256=:${Buffer.alloc(32).toString('base64')}:` };
		assert.equal((await store(rest, parts, 'x', digest)).json['code'], 'BAD_REQUEST');
		assert.equal((await store(rest, parts, 'a/b')).json['code'], 'BAD_NAME');
		const twice = await ask(rest, '/v1/upload?directory=a&directory=b', {
			method: 'POST',
			headers: { 'Content-Type': 'multipart/form-data; boundary=x' },
		});
		assert.equal(twice.json['code'], 'BAD_REQUEST');
		assert.equal(rest.store.count, 0);
	});

	it('expect the root of their metadata', async (t) => {
		const rest = await startRest(t);
		const parts = [{ filename: 'a', body: 'abc' }];
		const wrong = await store(rest, parts, '', { 'Perigee-Expected-Root': rootOf(Buffer.from('abc')) });
		assert.deepEqual([wrong.status, wrong.json['code']], [422, 'ROOT_MISMATCH']);
		assert.equal(rest.store.count, 1);
		const roots = [rootOf(Buffer.from('abc'))];
		const right = rootOf(
			encodeDirectory({ type: 'directory', name: '', entries: [{ type: 'file', name: 'a', size: 3, roots }] }),
		);
		assert.equal((await store(rest, parts, '', { 'Perigee-Expected-Root': right })).json['root'], right);
	});

	it('of empty files alone store their metadata only', async (t) => {
		const rest = await startRest(t);
		const answer = await store(rest, [{ filename: 'x/__init__.py', body: '' }]);
		assert.equal(answer.status, 201);
		assert.equal(rest.store.count, 1);
	});

	it('take more files than other forms, and are bounded too', async (t) => {
		const rest = await startRest(t);
		const files = (count: number) => Array.from({ length: count }, (_, at) => ({ filename: `f${at}`, body: '' }));
		assert.equal((await store(rest, files(LIMITS.multipartFiles + 1))).status, 201);
		assert.equal((await store(rest, files(LIMITS.directoryFiles + 1))).json['code'], 'BAD_REQUEST');
	});
});

describe('paths in directories', () => {
	const body = randomBytes(300_000);

	async function stored(rest: RestServer): Promise<string> {
		const answer = await store(rest, [
			{ filename: 'sub/ü %2F#?.bin', type: 'image/png', body },
			{ filename: 'sub/empty', body: '' },
			{ filename: 'a', body: 'abc' },
		]);
		return `/v1/files/${String(answer.json['root'])}`;
	}

	it('answer files like GET of their root, under their name there', async (t) => {
		const rest = await startRest(t);
		const url = `${await stored(rest)}/path/sub/${encodeURIComponent('ü %2F#?.bin')}`;
		// Stored under another name too, newer.
		await put(rest, body, 'other.bin', { 'Content-Type': 'text/plain' });
		const whole = await ask(rest, url);
		assert.equal(whole.status, 200);
		assert.ok(whole.body.equals(body));
		assert.equal(whole.headers.etag, `"${rootOf(body)}"`);
		assert.match(String(whole.headers['content-disposition']), /filename\*=UTF-8''%C3%BC%20%252F%23%3F\.bin/);
		const part = await ask(rest, url, { headers: { Range: 'bytes=10-19' } });
		assert.deepEqual([part.status, part.body.equals(body.subarray(10, 20))], [206, true]);
		assert.equal((await ask(rest, url, { headers: { 'If-None-Match': `"${rootOf(body)}"` } })).status, 304);
		const head = await ask(rest, url, { method: 'HEAD' });
		assert.deepEqual([head.status, head.headers['content-length'], head.body.length], [200, '300000', 0]);
		const meta = await ask(rest, `${url}?meta=1`);
		assert.deepEqual(meta.json, { name: 'ü %2F#?.bin', type: 'file', size: 300_000, roots: [rootOf(body)] });
	});

	it('answer directories and links as JSON, and empty files as such', async (t) => {
		const rest = await startRest(t);
		const url = await stored(rest);
		const top = await ask(rest, `${url}/path/`);
		assert.deepEqual(top.json, {
			name: '',
			type: 'directory',
			entries: [
				{ name: 'a', type: 'file', size: 3, roots: [rootOf(Buffer.from('abc'))] },
				{ name: 'sub', type: 'directory' },
			],
		});
		assert.match(String(top.headers['cache-control']), /immutable/);
		for (const path of ['sub', 'sub/']) {
			const sub = await ask(rest, `${url}/path/${path}`);
			assert.deepEqual(
				(sub.json['entries'] as { name: string }[]).map(({ name }) => name),
				['empty', 'ü %2F#?.bin'],
			);
		}
		const etag = String(top.headers.etag);
		assert.equal((await ask(rest, `${url}/path/`, { headers: { 'If-None-Match': etag } })).status, 304);
		const empty = await ask(rest, `${url}/path/sub/empty`);
		assert.deepEqual([empty.status, empty.headers['content-length'], empty.body.length], [200, '0', 0]);
		const link = encodeDirectory({
			type: 'directory',
			name: '',
			entries: [{ type: 'symbolic', name: 'l', link: '/etc' }],
		});
		const answer = await ask(rest, `/v1/files/${await put(rest, link)}/path/l`);
		assert.deepEqual(answer.json, { name: 'l', type: 'symbolic', link: '/etc' });
	});

	it('that are not there, and files that are no directories, are told apart', async (t) => {
		const rest = await startRest(t);
		const url = await stored(rest);
		for (const path of [
			'x',
			'a/b',
			'..',
			'sub/../a',
			'sub//empty',
			'sub/x',
			'%2e%2e',
			'sub%2Fempty',
			'a/',
			'sub/empty/',
			'sub//',
			'/',
		])
			assert.deepEqual([(await ask(rest, `${url}/path/${path}`)).status, path], [404, path]);
		assert.match(String((await ask(rest, `${url}/path/a/?meta=1`)).json['detail']), /^a is no directory; ask without/);
		assert.equal((await ask(rest, `${url}/path/%ff`)).json['code'], 'BAD_REQUEST');
		assert.equal((await ask(rest, `${url}/path/a?meta=2`)).json['code'], 'BAD_REQUEST');
		assert.equal((await ask(rest, `/v1/files/0x12/path/`)).json['code'], 'BAD_ROOT');
		assert.equal((await ask(rest, `/v1/files/${rootOf(Buffer.from('no'))}/path/`)).json['code'], 'NOT_FOUND');
		for (const bytes of ['abc', randomBytes(1000)]) {
			const root = await put(rest, Buffer.from(bytes));
			const answer = await ask(rest, `/v1/files/${root}/path/a`);
			assert.deepEqual([answer.status, answer.json['code']], [422, 'NOT_A_DIRECTORY']);
		}
		const good = encodeDirectory({ type: 'directory', name: '', entries: [] });
		const bad = await put(rest, Buffer.concat([good, Buffer.from('x')]));
		assert.equal((await ask(rest, `/v1/files/${bad}/path/`)).json['code'], 'BAD_DIRECTORY');
		const large = await put(rest, Buffer.concat([good, Buffer.alloc(LIMITS.directoryMetadataBytes, ' ')]));
		const tooLarge = await ask(rest, `/v1/files/${large}/path/`);
		assert.deepEqual([tooLarge.status, tooLarge.json['code']], [413, 'DIRECTORY_TOO_LARGE']);
	});

	it('of files or directories that were deleted, or never were here, say so', async (t) => {
		const rest = await startRest(t);
		const url = await stored(rest);
		await ask(rest, `/v1/files/${rootOf(body)}`, { method: 'DELETE' });
		assert.equal((await ask(rest, `${url}/path/sub/${encodeURIComponent('ü %2F#?.bin')}`)).json['code'], 'GONE');
		assert.equal((await ask(rest, `${url}/path/a`)).text, 'abc');
		await ask(rest, url, { method: 'DELETE' });
		assert.equal((await ask(rest, `${url}/path/a`)).json['code'], 'GONE');
		const unknown = `0x${'ab'.repeat(32)}` as DataRoot;
		const entries = [{ type: 'file', name: 'f', size: 3, roots: [unknown] } as const];
		const root = await put(rest, encodeDirectory({ type: 'directory', name: '', entries }));
		const answer = await ask(rest, `/v1/files/${root}/path/f`);
		assert.deepEqual([answer.status, answer.json['code']], [404, 'NOT_HELD']);
	});

	it('of a file in several stored files give it whole', async (t) => {
		const rest = await startRest(t);
		const [first, second] = [randomBytes(300_000), randomBytes(500)];
		const roots = [await put(rest, first), await put(rest, second)];
		const json = JSON.stringify({
			name: '/',
			type: 'directory',
			entries: [{ name: 'f', type: 'file', size: 300_500, roots }],
		});
		const head = Buffer.from(encodeDirectory({ type: 'directory', name: '', entries: [] })).subarray(0, 34);
		head[33] = 2;
		const metadata = Buffer.concat([head, Buffer.from(json)]);
		assert.equal(decodeDirectory(metadata).entries.length, 1);
		const url = `/v1/files/${await put(rest, metadata)}/path/f`;
		const answer = await ask(rest, url, { headers: { Range: 'bytes=0-1' } });
		assert.equal(answer.status, 200);
		assert.ok(answer.body.equals(Buffer.concat([first, second])));
		assert.equal((await ask(rest, url, { method: 'HEAD' })).headers['content-length'], '300500');
		await ask(rest, `/v1/files/${String(roots[1])}`, { method: 'DELETE' });
		assert.equal((await ask(rest, url)).json['code'], 'GONE');
		assert.equal(rest.store.outstandingPieces, 0);
	});

	it('are kept for directories that were asked for last, within a bound', async (t) => {
		const rest = await startRest(t);
		let reads = 0;
		rest.store.bends.onRead = () => void reads++;
		const url = await stored(rest);
		const meta = async (path: string) => (await ask(rest, `${path}/path/?meta=1`)).status;
		assert.equal(await meta(url), 200);
		const first = reads;
		assert.equal(await meta(url), 200);
		assert.equal(reads, first);
		const links = (mark: number) =>
			Array.from(
				{ length: 900 },
				(_, at) => ({ type: 'symbolic', name: `l${at}`, link: `${mark}${'x'.repeat(4000)}` }) as const,
			);
		for (let mark = 0; mark < 3; mark++) {
			const root = await put(rest, encodeDirectory({ type: 'directory', name: '', entries: links(mark) }));
			assert.equal(await meta(`/v1/files/${root}`), 200);
		}
		const later = reads;
		assert.equal(await meta(url), 200);
		assert.ok(reads > later, 'the oldest was given up');
	});
});
