/** The gateway of 0G over a real store: files, paths in directories, what is known of files, and everything that it refuses. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import { encodeDirectory, type TreeNode } from '../../../src/api/rest/directory-metadata.js';
import { LIMITS } from '../../../src/limits.js';
import type { DataRoot } from '../../../src/units.js';
import { type Answer, ask, put, serve, type ServedStore } from '../../support/rest-server.js';
import { result } from '../../support/rpc.js';
import { useTestStores } from '../../support/test-store.js';

const stores = useTestStores();
const UNKNOWN = `0x${'12'.repeat(32)}`;
const SEGMENT = 262_144;

async function start(t: TestContext): Promise<ServedStore> {
	const rest = await serve((await stores.open()).files);
	t.after(() => rest.server.close());
	return rest;
}

/** The envelope, which every answer but a file is. */
async function told(rest: ServedStore, path: string, status = 200): Promise<readonly [number, string, unknown]> {
	const answer = await ask(rest, path);
	assert.deepEqual([answer.status, answer.headers['content-type']], [status, 'application/json'], answer.text);
	assert.equal(answer.headers['cache-control'], 'no-store');
	assert.deepEqual(Object.keys(answer.json), ['code', 'message', 'data']);
	const { code, message, data } = answer.json as { code: number; message: string; data: unknown };
	return [code, message, data];
}

function assertServes(answer: Answer, content: Uint8Array, disposition: string): void {
	assert.equal(answer.status, 200, answer.text);
	assert.ok(answer.body.equals(content));
	assert.equal(answer.headers['content-disposition'], `attachment; ${disposition}`);
}

/** A directory as somebody made it; answers its root. */
async function storeTree(rest: ServedStore, ...entries: readonly TreeNode[]): Promise<string> {
	return put(rest, encodeDirectory({ type: 'directory', name: '', entries }), '');
}

test('a file comes as an attachment, by its root in any form or its submission', async (t) => {
	const rest = await start(t);
	const content = randomBytes(2 * SEGMENT + 5);
	const root = await put(rest, content, '', { 'Content-Type': 'image/png' });
	for (const query of [`root=${root}`, `root=${root.slice(2).toUpperCase()}`, 'txSeq=0', `txSeq=0&root=${UNKNOWN}`]) {
		const answer = await ask(rest, `/file?${query}`);
		assertServes(answer, content, `filename="${root}"`);
		assert.equal(answer.headers['content-type'], 'image/png');
		assert.equal(answer.headers['accept-ranges'], 'bytes');
	}
	assertServes(await ask(rest, '/file?txSeq=0&name=a%20b.png&utm=1'), content, 'filename="a b.png"');
	const foreign = await ask(rest, `/file?root=${root}&name=%C3%BC.png`);
	assertServes(foreign, content, `filename="_.png"; filename*=UTF-8''%C3%BC.png`);
	const named = await put(rest, Buffer.from('named'), 'its name.txt');
	assertServes(await ask(rest, `/file?root=${named}`), Buffer.from('named'), 'filename="its name.txt"');
	// Parameters of other addresses mean nothing here.
	assertServes(await ask(rest, '/file?txSeq=0&proof=range&verify=x'), content, `filename="${root}"`);
	const head = await ask(rest, '/file?txSeq=0', { method: 'HEAD' });
	assert.deepEqual([head.status, head.headers['content-length']], [200, String(content.length)]);
});

test('ranges and conditions hold as at /v1/files', async (t) => {
	const rest = await start(t);
	const content = randomBytes(SEGMENT + 700);
	const root = await put(rest, content);
	const url = `/file?root=${root}`;
	const part = await ask(rest, url, { headers: { Range: `bytes=${SEGMENT - 3}-${SEGMENT + 2}` } });
	assert.equal(part.status, 206);
	assert.ok(part.body.equals(content.subarray(SEGMENT - 3, SEGMENT + 3)));
	assert.equal(part.headers['content-range'], `bytes ${SEGMENT - 3}-${SEGMENT + 2}/${content.length}`);
	const several = await ask(rest, url, { headers: { Range: 'bytes=0-1,9-10' } });
	assert.equal(several.status, 206);
	assert.match(String(several.headers['content-type']), /^multipart\/byteranges/);
	const beyond = await ask(rest, url, { headers: { Range: `bytes=${content.length}-` } });
	assert.deepEqual([beyond.status, beyond.headers['content-range']], [416, `bytes */${content.length}`]);
	const etag = `"${root}"`;
	assert.equal((await ask(rest, url, { headers: { 'If-None-Match': etag } })).status, 304);
	assert.equal((await ask(rest, url, { headers: { 'If-Match': '"other"' } })).status, 412);
	assert.equal((await ask(rest, url, { headers: { Range: 'bytes=0-0', 'If-Range': '"other"' } })).status, 200);
});

test('questions that cannot be answered are told why', async (t) => {
	const rest = await start(t);
	const needed = "Either 'root' or 'txSeq' must be provided";
	const parsing = 'strconv.ParseUint: parsing';
	for (const [query, why] of [
		['', needed],
		['?root=&txSeq=', needed],
		['?txSeq=x', `${parsing} "x": invalid syntax`],
		['?txSeq=-1', `${parsing} "-1": invalid syntax`],
		['?txSeq=18446744073709551616', `${parsing} "18446744073709551616": value out of range`],
		['?root=0x12', '"0x12" is no data root: 0x and 64 hexadecimal digits'],
		['?txSeq=0&name=a%2Fb', 'A name has no "/": send the last part of the path only.'],
	])
		assert.deepEqual(await told(rest, `/file${query}`), [1, 'Invalid parameter', why], query);
	for (const query of [`root=${UNKNOWN}`, 'txSeq=0', 'txSeq=18446744073709551615'])
		assert.deepEqual(await told(rest, `/file?${query}`), [101, 'File not found', null], query);
});

test('a pruned file, and one that is not whole, are told apart', async (t) => {
	const rest = await start(t);
	const tree = encodeDirectory({ type: 'directory', name: '', entries: [] });
	for (const content of [randomBytes(3 * SEGMENT), tree]) {
		const root = await put(rest, content);
		const paths = [`/file?root=${root}`, `/file/${root}/a`];
		if (content.length > SEGMENT) {
			assert.equal((await ask(rest, `/v1/files/${root}/segments?from=1&to=2`, { method: 'DELETE' })).status, 204);
			for (const path of paths) assert.deepEqual(await told(rest, path), [103, 'File not finalized yet', null]);
		}
		assert.equal((await ask(rest, `/v1/files/${root}`, { method: 'DELETE' })).status, 204);
		for (const path of paths) assert.deepEqual(await told(rest, path), [102, 'File already pruned', null]);
		const [code, , info] = await told(rest, `/file/info/${root}`);
		assert.deepEqual([code, (info as { pruned: boolean }).pruned], [0, true]);
	}
});

test('paths in a directory lead to files, lists and links', async (t) => {
	const rest = await start(t);
	const [big, small] = [randomBytes(SEGMENT + 9), Buffer.from('abc')];
	const [bigRoot, smallRoot] = (await Promise.all([put(rest, big), put(rest, small)])) as DataRoot[];
	assert.ok(bigRoot && smallRoot);
	const root = await storeTree(
		rest,
		{ type: 'file', name: 'a.txt', size: 3, roots: [smallRoot] },
		{ type: 'symbolic', name: 'link', link: 'a.txt' },
		{
			type: 'directory',
			name: 'sub',
			entries: [
				{ type: 'file', name: 'empty', size: 0, roots: [] },
				{ type: 'file', name: 'ü #.bin', size: big.length, roots: [bigRoot] },
			],
		},
	);
	const top = [
		{ name: 'a.txt', type: 'file', size: 3 },
		{ name: 'link', type: 'symbolic' },
		{ name: 'sub', type: 'directory' },
	];
	const below = [
		{ name: 'empty', type: 'file' },
		{ name: 'ü #.bin', type: 'file', size: big.length },
	];
	for (const cid of [root, root.slice(2), '2']) {
		assert.deepEqual(await told(rest, `/file/${cid}/`), [0, 'Success', top]);
		assert.deepEqual(await told(rest, `/file/${cid}/sub`), [0, 'Success', below]);
		assert.deepEqual(await told(rest, `/file/${cid}/sub/`), [0, 'Success', below]);
		assertServes(await ask(rest, `/file/${cid}/a.txt`), small, 'filename="a.txt"');
	}
	const link = { type: 'symbolic', name: 'link', link: 'a.txt' };
	assert.deepEqual(await told(rest, `/file/${root}/link`), [0, 'Success', link]);
	const path = `/file/${root}/sub/%C3%BC%20%23.bin`;
	assertServes(await ask(rest, path), big, `filename="_ #.bin"; filename*=UTF-8''%C3%BC%20%23.bin`);
	const part = await ask(rest, path, { headers: { Range: 'bytes=-9' } });
	assert.deepEqual([part.status, part.body.equals(big.subarray(-9))], [206, true]);
	assertServes(await ask(rest, `/file/${root}/sub/empty`), Buffer.alloc(0), 'filename="empty"');
	for (const wrong of ['b', 'a.txt/', 'a.txt/x', 'link/x', 'sub//empty', '..', 'sub/%2E%2E/a.txt'])
		assert.equal((await told(rest, `/file/${root}/${wrong}`))[0], 104, wrong);
	assert.deepEqual(await told(rest, `/file/${root}/b/c`), [
		104,
		'File path not found',
		'The directory has no entry b/c',
	]);
});

test('a directory that cannot be used, and files in it that cannot be had', async (t) => {
	const rest = await start(t);
	const plain = await put(rest, Buffer.from('no directory'));
	const [code, message, why] = await told(rest, `/file/${plain}/a`, 500);
	assert.deepEqual([code, message, typeof why], [2, 'Internal server error', 'string']);
	assert.deepEqual(await told(rest, `/file/${UNKNOWN}/a`), [101, 'File not found', null]);
	assert.equal((await told(rest, '/file/nonsense/a'))[0], 1);
	const max = LIMITS.gatewayEntryBytes;
	const root = await storeTree(
		rest,
		{ type: 'file', name: 'at most', size: max, roots: [UNKNOWN as DataRoot] },
		{ type: 'file', name: 'large', size: max + 1, roots: [UNKNOWN as DataRoot] },
	);
	assert.deepEqual(await told(rest, `/file/${root}/at%20most`), [101, 'File not found', null]);
	const tooLarge = { actual: max + 1, max };
	assert.deepEqual(await told(rest, `/file/${root}/large`), [105, 'File size too large', tooLarge]);
});

test('what is really there is bounded too, and comes from anybody', async (t) => {
	const rest = await start(t);
	const content = randomBytes(LIMITS.gatewayEntryBytes + 1);
	const large = (await put(rest, content)) as DataRoot;
	const root = await storeTree(rest, { type: 'file', name: 'says little', size: 1, roots: [large] });
	const { length: actual } = content;
	const [code, , data] = await told(rest, `/file/${root}/says%20little`);
	assert.deepEqual([code, data], [105, { actual, max: LIMITS.gatewayEntryBytes }]);
	// The bound is of directories alone.
	const whole = await ask(rest, `/file?root=${large}`);
	assert.ok(whole.body.equals(content));
});

test('what is known of files, one or many', async (t) => {
	const rest = await start(t);
	const root = await put(rest, randomBytes(SEGMENT + 1));
	const info = {
		tx: { streamIds: [], data: '', dataMerkleRoot: root, startEntryIndex: 1024, size: SEGMENT + 1, seq: 0 },
		finalized: true,
		isCached: false,
		uploadedSegNum: 2,
		pruned: false,
		isHeldWhole: true,
	};
	for (const cid of [root, '0', '000'])
		assert.deepEqual(await told(rest, `/file/info/${cid}`), [0, 'Success', info], cid);
	assert.deepEqual(await told(rest, '/file/info/1'), [101, 'File not found', null]);
	const wrong = '"x" is neither a sequence number nor a data root';
	assert.deepEqual(await told(rest, '/file/info/x'), [1, 'Invalid parameter', wrong]);
	const many = await told(rest, `/files/info?cid=7&cid=${root}&cid=x&cid=${UNKNOWN}&cid=0`);
	assert.deepEqual(many, [0, 'Success', [null, info, wrong, null, info]]);
	assert.deepEqual(await told(rest, '/files/info'), [1, 'Invalid parameter', 'No cid specified']);
	const cids = (count: number) => Array.from({ length: count }, () => 'cid=0').join('&');
	assert.equal((await told(rest, `/files/info?${cids(LIMITS.gatewayCids)}`))[0], 0);
	const tooMany = [1, 'Invalid parameter', 'Too many cid specified, exceeded 100'];
	assert.deepEqual(await told(rest, `/files/info?${cids(LIMITS.gatewayCids + 1)}`), tooMany);
});

test('the status is that of JSON-RPC', async (t) => {
	const rest = await start(t);
	await put(rest, Buffer.from('a file'));
	const status = (await result(rest, 'zgs_getStatus')) as { nextTxSeq: number };
	assert.equal(status.nextTxSeq, 1);
	assert.deepEqual(await told(rest, '/node/status'), [0, 'Success', status]);
});

test('a store that fails is a failure of the gateway, with nothing of its inside', async (t) => {
	const store = await stores.open();
	const failing = Object.create(store.files, {
		fileByRoot: { value: () => Promise.reject(new Error('a path of this machine')) },
	}) as typeof store.files;
	const rest = await serve(failing);
	t.after(() => rest.server.close());
	const [code, message, why] = await told(rest, `/file?root=${UNKNOWN}`, 500);
	assert.deepEqual([code, message], [2, 'Internal server error']);
	assert.ok(!String(why).includes('machine'));
	assert.equal(rest.logged.length, 1);
});

test('addresses beside the gateway are no part of it', async (t) => {
	const rest = await start(t);
	for (const path of ['/file/', '/files', '/node', '/local/nodes'])
		assert.equal((await ask(rest, path)).status, 404, path);
	assert.equal((await ask(rest, '/file', { method: 'DELETE' })).status, 405);
	assert.equal((await ask(rest, '/file/segment')).status, 405);
});
