import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import * as http from 'node:http';
import { Readable } from 'node:stream';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Upload, type UploadOptions } from 'tus-js-client';
import { fileRoot } from '../../../src/native/addon.js';
import { rootFromBytes } from '../../../src/units.js';
import { Prng } from '../../support/prng.js';
import { type Answer, ask, type Ask, serve } from '../../support/rest-server.js';
import { type TestStore, useTestStores } from '../../support/test-store.js';

const stores = useTestStores();
const VERSION = { 'Tus-Resumable': '1.0.0' };
const BYTES = { ...VERSION, 'Content-Type': 'application/offset+octet-stream' };
const CONTENT = Buffer.from(new Prng(3).bytes(3_000_007));

interface Rest {
	readonly port: number;
	readonly store: TestStore;
}

async function start(t: TestContext, maxFileBytes?: number): Promise<Rest> {
	const store = await stores.open(maxFileBytes === undefined ? {} : { maxFileBytes });
	const { server, port } = await serve(store.files, maxFileBytes === undefined ? {} : { maxFileBytes });
	t.after(() => server.close());
	t.after(() => store.close());
	return { port, store };
}

function tus(rest: Rest, method: string, path: string, options: Omit<Ask, 'method'> = {}): Promise<Answer> {
	return ask(rest, path, { ...options, method, headers: { ...VERSION, ...options.headers } });
}

async function create(rest: Rest, sizeBytes: number, headers: http.OutgoingHttpHeaders = {}): Promise<string> {
	const answer = await tus(rest, 'POST', '/v1/tus/', { headers: { 'Upload-Length': sizeBytes, ...headers } });
	assert.equal(answer.status, 201, answer.text);
	return String(answer.headers.location);
}

function patch(rest: Rest, path: string, offset: number, body: Uint8Array, headers: http.OutgoingHttpHeaders = {}) {
	return tus(rest, 'PATCH', path, { headers: { ...BYTES, 'Upload-Offset': offset, ...headers }, body });
}

async function offsetOf(rest: Rest, path: string): Promise<number> {
	const { status, headers } = await tus(rest, 'HEAD', path);
	assert.equal(status, 200);
	return Number(headers['upload-offset']);
}

async function assertServed(rest: Rest, root: unknown, content: Uint8Array): Promise<void> {
	assert.equal(root, rootFromBytes(fileRoot(content).root));
	const { status, body } = await ask(rest, `/v1/files/${String(root)}`);
	assert.equal(status, 200);
	assert.ok(body.equals(content));
}

/** Sends a source with the real client; answers the headers of its last answer. */
async function upload(
	rest: Rest,
	source: Buffer | Readable,
	options: Partial<UploadOptions>,
): Promise<ReadonlyMap<string, string | undefined>> {
	const last = new Map<string, string | undefined>();
	await new Promise<void>((resolve, reject) => {
		const client = new Upload(source, {
			endpoint: `http://127.0.0.1:${rest.port}/v1/tus/`,
			metadata: { filename: 'Bildschirm ü.png', filetype: 'image/png' },
			retryDelays: null,
			onAfterResponse(_request, response) {
				for (const name of ['Perigee-Root', 'Upload-Expires']) last.set(name, response.getHeader(name));
			},
			onError: reject,
			onSuccess: () => resolve(),
			...options,
		});
		client.start();
	});
	return last;
}

describe('the real client', () => {
	for (const chunkSize of [Number.POSITIVE_INFINITY, 1_000_003, 262_144, 77_777]) {
		it(`uploads a buffer in chunks of ${chunkSize} bytes`, async (t) => {
			const rest = await start(t);
			const last = await upload(rest, CONTENT, { chunkSize });
			await assertServed(rest, last.get('Perigee-Root'), CONTENT);
			const { headers } = await ask(rest, `/v1/files/${last.get('Perigee-Root')}`, { method: 'HEAD' });
			assert.equal(headers['content-type'], 'image/png');
			assert.match(String(headers['content-disposition']), /filename\*=UTF-8''Bildschirm%20%C3%BC\.png/);
			assert.ok(Date.parse(last.get('Upload-Expires') ?? '') > Date.now());
		});
	}

	it('uploads a stream whose length it does not know', async (t) => {
		const rest = await start(t);
		const source = Readable.from([CONTENT.subarray(0, 1_234_567), CONTENT.subarray(1_234_567)], { objectMode: false });
		const last = await upload(rest, source, { chunkSize: 500_001, uploadLengthDeferred: true });
		await assertServed(rest, last.get('Perigee-Root'), CONTENT);
	});

	it('begins with bytes in its first request', async (t) => {
		const rest = await start(t);
		const last = await upload(rest, CONTENT, { chunkSize: 900_001, uploadDataDuringCreation: true });
		await assertServed(rest, last.get('Perigee-Root'), CONTENT);
	});

	it('goes on with POST alone', async (t) => {
		const rest = await start(t);
		const last = await upload(rest, CONTENT, { chunkSize: 900_001, overridePatchMethod: true });
		await assertServed(rest, last.get('Perigee-Root'), CONTENT);
	});

	it('is broken off, asks how far it came, and goes on there', async (t) => {
		const rest = await start(t);
		let client: Upload | undefined;
		let broken = 0;
		await new Promise<void>((resolve, reject) => {
			client = new Upload(CONTENT, {
				endpoint: `http://127.0.0.1:${rest.port}/v1/tus/`,
				chunkSize: 400_001,
				onError: reject,
				onSuccess: reject,
				onChunkComplete(_size, accepted) {
					broken = accepted;
					if (accepted > 1_000_000) void client?.abort(false).then(resolve, reject);
				},
			});
			client.start();
		});
		const uploadUrl = client?.url ?? '';
		assert.ok(broken > 1_000_000 && broken < CONTENT.length);
		const seen: number[] = [];
		const onProgress = (sent: number): void => void seen.push(sent);
		const last = await upload(rest, CONTENT, { uploadUrl, onProgress, chunkSize: 400_001 });
		assert.ok(seen.every((sent) => sent >= broken));
		await assertServed(rest, last.get('Perigee-Root'), CONTENT);
	});

	it('ends an upload for good', async (t) => {
		const rest = await start(t);
		const path = await create(rest, 100);
		await Upload.terminate(`http://127.0.0.1:${rest.port}${path}`);
		assert.equal((await tus(rest, 'HEAD', path)).status, 404);
	});
});

describe('tus at /v1/tus/', () => {
	it('says what it can do', async (t) => {
		const rest = await start(t, 12_345);
		const { status, headers } = await ask(rest, '/v1/tus/', { method: 'OPTIONS' });
		assert.equal(status, 204);
		assert.equal(headers['tus-resumable'], '1.0.0');
		assert.equal(headers['tus-version'], '1.0.0');
		assert.equal(headers['tus-max-size'], '12345');
		assert.match(String(headers['tus-extension']), /creation,.*checksum,.*termination/);
		assert.match(String(headers['tus-checksum-algorithm']), /sha1/);
	});

	it('answers how an upload stands', async (t) => {
		const rest = await start(t);
		const metadata = 'filename YQ==,is_confidential';
		const path = await create(rest, 1000, { 'Upload-Metadata': metadata });
		const before = await tus(rest, 'HEAD', path);
		assert.equal(before.headers['cache-control'], 'no-store');
		assert.deepEqual([before.headers['upload-offset'], before.headers['upload-length']], ['0', '1000']);
		assert.equal(before.headers['upload-metadata'], metadata);
		assert.equal((await patch(rest, path, 0, CONTENT.subarray(0, 999))).headers['upload-offset'], '999');
		const done = await patch(rest, path, 999, CONTENT.subarray(999, 1000));
		assert.deepEqual([done.status, done.headers['perigee-tx-seq']], [204, '0']);
		const after = await tus(rest, 'HEAD', path);
		assert.equal(after.headers['upload-offset'], '1000');
		assert.equal(after.headers['perigee-root'], done.headers['perigee-root']);
		await assertServed(rest, after.headers['perigee-root'], CONTENT.subarray(0, 1000));
		for (const answer of [await tus(rest, 'DELETE', path), await patch(rest, path, 1000, Buffer.from('x'))])
			assert.equal(answer.json['code'], 'UPLOAD_CONFLICT');
	});

	it('takes a length later', async (t) => {
		const rest = await start(t);
		const { headers } = await tus(rest, 'POST', '/v1/tus/', { headers: { 'Upload-Defer-Length': '1' } });
		const path = String(headers.location);
		assert.equal((await tus(rest, 'HEAD', path)).headers['upload-defer-length'], '1');
		await patch(rest, path, 0, CONTENT.subarray(0, 500));
		const checked = { 'Upload-Checksum': `md5 ${createHash('md5').update('x').digest('base64')}` };
		assert.equal((await patch(rest, path, 500, Buffer.from('x'), checked)).status, 400);
		assert.equal((await patch(rest, path, 500, Buffer.alloc(0), { 'Upload-Length': 499 })).status, 409);
		const last = await patch(rest, path, 500, CONTENT.subarray(500, 700), { 'Upload-Length': 700 });
		await assertServed(rest, last.headers['perigee-root'], CONTENT.subarray(0, 700));
	});

	it('counts a body only if it has its checksum', async (t) => {
		const rest = await start(t);
		const path = await create(rest, CONTENT.length);
		for (const [from, to] of [
			[0, 700_001],
			[700_001, 1_500_000],
			[1_500_000, CONTENT.length],
		] as const) {
			const body = CONTENT.subarray(from, to);
			for (const algorithm of ['sha1', 'sha256', 'sha512', 'md5']) {
				const wrong = createHash(algorithm).update('something else').digest('base64');
				const answer = await patch(rest, path, from, body, { 'Upload-Checksum': `${algorithm} ${wrong}` });
				assert.deepEqual([answer.status, answer.json['code']], [460, 'CHECKSUM_MISMATCH']);
				assert.equal(await offsetOf(rest, path), from);
			}
			const right = createHash('sha1').update(body).digest('base64');
			assert.equal((await patch(rest, path, from, body, { 'Upload-Checksum': `sha1 ${right}` })).status, 204);
		}
		await assertServed(rest, rootFromBytes(fileRoot(CONTENT).root), CONTENT);
	});

	it('keeps what came of a request that broke off, and lets the next one take over', async (t) => {
		const rest = await start(t);
		const path = await create(rest, CONTENT.length);
		let offset = 0;
		for (let turn = 0; turn < 3; turn++) {
			const request = http.request({ port: rest.port, host: '127.0.0.1', method: 'PATCH', path });
			request.on('error', () => {});
			for (const [name, value] of Object.entries({ ...BYTES, 'Upload-Offset': offset })) request.setHeader(name, value);
			request.setHeader('Content-Length', CONTENT.length - offset);
			const before = rest.store.log.nextLsn;
			const answered = turn > 0 ? once(request, 'response') : undefined;
			await new Promise<void>((resolve) => request.write(CONTENT.subarray(offset, offset + 600_001), () => resolve()));
			while (rest.store.log.nextLsn < before + 2n) await delay(5);
			// The first time the client goes; later its connection stays, as dead ones do, and another one asks.
			if (turn === 0) request.destroy();
			const now = await offsetOf(rest, path);
			assert.ok(now > offset);
			if (answered) {
				const [response] = (await answered) as [http.IncomingMessage];
				assert.equal(response.statusCode, 409);
				response.resume();
				request.destroy();
			}
			offset = now;
		}
		const last = await patch(rest, path, offset, CONTENT.subarray(offset));
		await assertServed(rest, last.headers['perigee-root'], CONTENT);
	});

	it('refuses what it cannot understand, and changes nothing', async (t) => {
		const rest = await start(t, 10_000);
		const path = await create(rest, 5000);
		const refused: readonly [() => Promise<Answer>, number, string][] = [
			[() => ask(rest, path, { method: 'HEAD' }), 412, ''],
			[() => ask(rest, '/v1/tus/', { method: 'POST', headers: { 'Tus-Resumable': '0.2.2' } }), 412, 'TUS_VERSION'],
			[() => tus(rest, 'POST', '/v1/tus/'), 400, 'BAD_REQUEST'],
			[() => tus(rest, 'POST', '/v1/tus/', { headers: { 'Upload-Length': '0' } }), 400, 'EMPTY_FILE'],
			[() => tus(rest, 'POST', '/v1/tus/', { headers: { 'Upload-Length': '-1' } }), 400, 'BAD_REQUEST'],
			[() => tus(rest, 'POST', '/v1/tus/', { headers: { 'Upload-Length': '10001' } }), 413, 'BODY_TOO_LARGE'],
			[
				() => tus(rest, 'POST', '/v1/tus/', { headers: { 'Upload-Length': '9', 'Upload-Metadata': 'a b c' } }),
				400,
				'BAD_REQUEST',
			],
			[
				() => tus(rest, 'POST', '/v1/tus/', { headers: { 'Upload-Length': '9', 'Upload-Metadata': 'filename a/Y=' } }),
				400,
				'BAD_NAME',
			],
			[
				() => tus(rest, 'POST', '/v1/tus/', { headers: { 'Upload-Length': '9', 'Upload-Concat': 'partial' } }),
				400,
				'BAD_REQUEST',
			],
			[
				() => tus(rest, 'POST', '/v1/tus/', { headers: { 'Upload-Length': '9', 'Upload-Metadata': 'root YQ==' } }),
				400,
				'BAD_ROOT',
			],
			[
				() => tus(rest, 'POST', '/v1/tus/', { headers: { 'Upload-Length': '9', 'Sec-Fetch-Site': 'cross-site' } }),
				403,
				'CROSS_SITE',
			],
			[() => tus(rest, 'PATCH', path, { headers: { 'Upload-Offset': 0 }, body: 'x' }), 415, 'TUS_BODY'],
			[() => tus(rest, 'PATCH', path, { headers: BYTES, body: 'x' }), 400, 'BAD_REQUEST'],
			[() => patch(rest, path, 1, Buffer.from('x')), 409, 'UPLOAD_CONFLICT'],
			[() => patch(rest, path, 0, Buffer.from('x'), { 'Upload-Checksum': 'crc9 AA==' }), 400, 'BAD_CHECKSUM'],
			[() => patch(rest, path, 0, Buffer.from('x'), { 'Upload-Checksum': 'sha1 AA==' }), 400, 'BAD_CHECKSUM'],
			[() => patch(rest, path, 0, Buffer.alloc(5001)), 413, 'UPLOAD_OVERRUN'],
			[() => patch(rest, `${path}x`, 0, Buffer.from('x')), 404, 'UPLOAD_NOT_FOUND'],
			[() => tus(rest, 'POST', path, { headers: { 'X-HTTP-Method-Override': 'GET' } }), 400, 'BAD_REQUEST'],
		];
		for (const [asked, status, code] of refused) {
			const answer = await asked();
			assert.equal(answer.status, status, answer.text);
			assert.equal(answer.headers['tus-resumable'], '1.0.0');
			if (code !== '') assert.equal(answer.json['code'], code);
		}
		assert.equal(await offsetOf(rest, path), 0);
		assert.equal(rest.store.files.flow().submissions, 0);
		assert.equal(rest.store.files.uploadsInProgress, 0);
	});

	it('leaves nothing of an upload whose first request is refused, since nobody could go on with it', async (t) => {
		const rest = await start(t);
		for (const [length, checksum, status] of [
			[3, undefined, 413],
			[5, `sha1 ${Buffer.alloc(20).toString('base64')}`, 460],
			[5, 'sha1', 400],
		] as const) {
			const headers = { ...BYTES, 'Upload-Length': length, ...(checksum && { 'Upload-Checksum': checksum }) };
			const answer = await tus(rest, 'POST', '/v1/tus/', { headers, body: 'hello' });
			assert.deepEqual([answer.status, answer.headers.location], [status, undefined], answer.text);
			assert.equal(rest.store.waiting.resumables, 0);
		}
		assert.equal(rest.store.files.flow().submissions, 0);
	});

	it('says what is wrong with a checksum or a length, and what to do', async (t) => {
		const rest = await start(t, 10_000);
		const path = await create(rest, 5000);
		for (const [checksum, detail] of [
			['crc9 AA==', /names the algorithm "crc9"; sha1, sha256, sha512, md5 are known\.$/],
			['sha1', /is an algorithm, one space, and a digest in base64\.$/],
			['sha1  AA==', /is an algorithm, one space, and a digest/],
			['sha1 A!==', /no base64/],
			['sha1 AA==', /has 1 bytes; a sha1 has 20\.$/],
		] as const) {
			const answer = await patch(rest, path, 0, Buffer.from('x'), { 'Upload-Checksum': checksum });
			assert.deepEqual([answer.status, answer.json['code']], [400, 'BAD_CHECKSUM'], checksum);
			assert.match(String(answer.json['detail']), detail);
			assert.match(String(answer.json['hint']), /Upload-Checksum: sha256 <base64>.*OPTIONS \/v1\/tus\//);
		}
		const over = await patch(rest, path, 0, Buffer.alloc(5001));
		assert.equal(over.json['detail'], 'the upload has 5000 bytes, and these end at 5001');
		assert.match(String(over.json['hint']), /HEAD .* a longer file needs a new upload/);
		const { headers } = await tus(rest, 'POST', '/v1/tus/', { headers: { 'Upload-Defer-Length': '1' } });
		const deferred = String(headers.location);
		await patch(rest, deferred, 0, CONTENT.subarray(0, 500));
		const long = await patch(rest, deferred, 500, Buffer.from('x'), { 'Upload-Length': 20_000 });
		assert.deepEqual(
			[long.json['code'], long.json['detail']],
			['BODY_TOO_LARGE', 'the upload has 20000 bytes; 10000 are allowed'],
		);
		const short = await patch(rest, deferred, 500, Buffer.from('x'), { 'Upload-Length': 400 });
		assert.equal(short.json['detail'], '500 bytes have come, more than the 400 of the upload');
	});
});
