import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import * as http from 'node:http';
import { describe, test } from 'node:test';
import { verifyRange } from 'perigee/verify';
import { rangeProof, RANGE_PROOF_TYPE } from '../../../src/api/rest/range-proof.js';
import { PerigeeError } from '../../../src/errors.js';
import { LIMITS } from '../../../src/limits.js';
import { naiveAnswer, naiveTree } from '../../support/naive-range-proof.js';
import { Prng } from '../../support/prng.js';
import { ask, eventually, put, startRest } from '../../support/rest-server.js';
import { put as store, useTestStores } from '../../support/test-store.js';

const SEGMENT = 262_144;

test('an answer is, byte for byte, what the document says, for every kind of range', async (t) => {
	const rest = await startRest(t);
	const prng = new Prng(1);
	for (const [index, size] of [
		1,
		255,
		256,
		257,
		5000,
		SEGMENT - 1,
		SEGMENT,
		SEGMENT + 1,
		3 * SEGMENT - 300,
		9 * SEGMENT + 77,
	].entries()) {
		const body = randomBytes(size);
		const tree = naiveTree(body);
		const root = await put(rest, body);
		rest.store.bends.pieceBytes = 100_000;
		const places = [0, 1, 256, SEGMENT - 1, SEGMENT, 2 * SEGMENT, size - 1, prng.below(size), prng.below(size)].filter(
			(at) => at < size,
		);
		for (const from of new Set(places)) {
			for (const to of new Set([from + 1, size, from + 1 + prng.below(size - from)])) {
				const path = index % 2 === 0 ? `/v1/files/${root}` : `/v1/submissions/${index}`;
				const answer = await ask(rest, `${path}?proof=range`, { headers: { Range: `bytes=${from}-${to - 1}` } });
				const what = `${from}-${to} of ${size}`;
				assert.equal(answer.status, 200, what);
				assert.equal(answer.headers['content-type'], RANGE_PROOF_TYPE);
				assert.equal(answer.headers['content-length'], String(answer.body.length), what);
				assert.ok(naiveAnswer(tree, size, from, to)?.equals(answer.body), what);
				assert.ok(body.subarray(from, to).equals(verifyRange(answer.body, { root, size, from, to })), what);
			}
		}
	}
	assert.equal(rest.store.outstandingPieces, 0);
});

test('headers: no cache may keep it, HEAD tells the length of the whole, conditions are those of content', async (t) => {
	const rest = await startRest(t);
	const root = await put(rest, randomBytes(700_000));
	const path = `/v1/files/${root}?proof=range`;
	const whole = await ask(rest, path);
	assert.ok(verifyRange(whole.body, { root, size: 700_000, from: 0, to: 700_000 }));
	assert.deepEqual(
		[whole.headers['cache-control'], whole.headers.vary, whole.headers.etag, whole.headers['x-content-type-options']],
		['no-store', 'Range', `"${root}:0-699999:proof"`, 'nosniff'],
	);
	const head = await ask(rest, path, { method: 'HEAD', headers: { Range: 'bytes=0-9' } });
	assert.deepEqual([head.status, head.body.length], [200, 0]);
	const { date: _date, ...headers } = head.headers;
	const { date: _other, ...expected } = whole.headers;
	assert.deepEqual(headers, expected);
	const etag = `"${root}:5-9:proof"`;
	const Range = 'bytes=5-9';
	const known = await ask(rest, path, { headers: { Range, 'If-None-Match': etag } });
	assert.deepEqual([known.status, known.headers.etag, known.headers['cache-control']], [304, etag, 'no-store']);
	assert.equal((await ask(rest, path, { headers: { Range, 'If-None-Match': `"${root}"` } })).status, 200);
	assert.equal((await ask(rest, path, { headers: { Range, 'If-Match': `"${root}"` } })).status, 412);
	const stale = await ask(rest, path, { headers: { Range, 'If-Range': '"x"' } });
	assert.equal(stale.headers['content-length'], whole.headers['content-length']);
});

test('what cannot be answered is refused with its code', async (t) => {
	const rest = await startRest(t);
	const root = await put(rest, randomBytes(1000));
	const refusal = async (query: string, headers: http.OutgoingHttpHeaders = {}, path = `/v1/files/${root}`) => {
		const answer = await ask(rest, `${path}?${query}`, { headers });
		return [answer.status, answer.json['code']];
	};
	assert.deepEqual(await refusal('proof=1'), [400, 'BAD_REQUEST']);
	assert.deepEqual(await refusal('proof=range&proof=range'), [400, 'BAD_REQUEST']);
	assert.deepEqual(await refusal('proof=range&verify=merkle'), [400, 'BAD_REQUEST']);
	assert.deepEqual(await refusal('proof=range', { Range: 'bytes=0-1,5-6' }), [400, 'BAD_REQUEST']);
	assert.deepEqual(await refusal('proof=range', { Range: 'bytes=1000-' }), [416, 'RANGE_NOT_SATISFIABLE']);
	const unknown = `/v1/files/0x${'ab'.repeat(32)}`;
	assert.deepEqual(await refusal('proof=range', {}, unknown), [404, 'NOT_FOUND']);
	assert.deepEqual(await refusal('proof=range', { 'Cache-Control': 'only-if-cached' }, unknown), [412, 'NOT_CACHED']);
	await ask(rest, `/v1/files/${root}`, { method: 'DELETE' });
	assert.deepEqual(await refusal('proof=range'), [410, 'GONE']);
});

test('damage before the first byte is an answer, damage later cuts the connection; nothing stays lent', async (t) => {
	const rest = await startRest(t);
	rest.store.bends.pieceBytes = 300_000;
	const root = await put(rest, randomBytes(3_000_000));
	for (const range of ['bytes=0-', 'bytes=5-9', 'bytes=300000-2000000']) {
		rest.store.bends.onRead = () => {
			throw new PerigeeError('DATA_DAMAGED');
		};
		const answer = await ask(rest, `/v1/files/${root}?proof=range`, { headers: { Range: range } });
		assert.deepEqual([answer.status, answer.json['code']], [500, 'DATA_DAMAGED'], range);
	}
	rest.store.bends.onRead = (from) => {
		if (from > 1_500_000) throw new PerigeeError('DATA_DAMAGED');
	};
	for (const range of ['bytes=0-', 'bytes=100-2999998'])
		await assert.rejects(ask(rest, `/v1/files/${root}?proof=range`, { headers: { Range: range } }), /aborted/);
	await eventually(() => rest.store.outstandingPieces === 0, 'all pieces are released');
});

test('a client that stops reading holds a bounded number of pieces, and none once it is gone', async (t) => {
	const rest = await startRest(t);
	rest.store.bends.pieceBytes = 1024 * 1024;
	const root = await put(rest, Buffer.alloc(64 * 1024 * 1024, 7));
	const request = http.get({ host: '127.0.0.1', port: rest.port, path: `/v1/files/${root}?proof=range` });
	const [response] = (await once(request, 'response')) as [http.IncomingMessage];
	response.pause();
	let most = 0;
	for (let same = 0, last = -1; same < 200; last = rest.store.outstandingPieces) {
		await new Promise((resolve) => setImmediate(resolve));
		same = rest.store.outstandingPieces === last ? same + 1 : 0;
		most = Math.max(most, rest.store.outstandingPieces);
	}
	assert.ok(most >= 1 && most <= LIMITS.httpDownloadAheadBytes / rest.store.bends.pieceBytes + 3, `${most} pieces`);
	request.destroy();
	await eventually(() => rest.store.outstandingPieces === 0, 'all pieces are released');
});

describe('from a store on a disk', () => {
	const stores = useTestStores();

	test('any range of files of one and of many segments verifies, also beside dropped segments', async () => {
		const node = await stores.open();
		const prng = new Prng(7);
		for (const size of [100, SEGMENT, SEGMENT + 1, 40 * SEGMENT + 5]) {
			const body = randomBytes(size);
			const { root } = await store(node, body);
			const verifies = async (from: number, to: number): Promise<void> => {
				const file = await node.files.fileByRoot(root);
				assert.ok(file);
				const { lengthBytes, pieces } = rangeProof(node.files, file, { from, to });
				const parts: Buffer[] = [];
				for await (const { bytes, release } of pieces()) {
					parts.push(Buffer.from(bytes));
					release();
				}
				const answer = Buffer.concat(parts);
				assert.equal(answer.length, lengthBytes);
				assert.ok(
					body.subarray(from, to).equals(verifyRange(answer, { root, size, from, to })),
					`${from}-${to} of ${size}`,
				);
			};
			await verifies(0, size);
			for (let round = 0; round < 12; round++) {
				const from = prng.below(size);
				await verifies(from, from + 1 + prng.below(Math.min(size - from, round < 6 ? 1000 : 6 * SEGMENT)));
			}
			if (size < 30 * SEGMENT) continue;
			await node.files.dropSegments(root, 5, 20);
			await verifies(30 * SEGMENT - 7, 30 * SEGMENT + 7);
			await verifies(0, 5 * SEGMENT);
			await assert.rejects(verifies(0, 5 * SEGMENT + 1), { code: 'NOT_HELD' });
		}
		await node.close();
	});
});
