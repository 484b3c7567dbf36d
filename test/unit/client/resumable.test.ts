/** Uploads that go on where a connection broke off (tus 1.0). */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import { type Content, PerigeeClient, RequestError } from 'perigee/client';
import { fileRoot } from '../../../src/native/addon.js';
import { type DataRoot, hexOf } from '../../../src/units.js';
import { type Budget, startFlakyProxy } from '../../support/flaky-proxy.js';
import { type RestServer, startRest } from '../../support/rest-server.js';

interface Node {
	readonly url: string;
	readonly rest: RestServer;
	/** Methods of the requests in order, as the client sends them. */
	readonly asked: string[];
	readonly client: PerigeeClient;
}

/** A node behind connections that break. */
async function startNode(t: TestContext, budgets: readonly Budget[] = []): Promise<Node> {
	const rest = await startRest(t);
	const { url } = await startFlakyProxy(t, rest.port, budgets);
	const asked: string[] = [];
	const watched: typeof fetch = (address, init) => {
		asked.push(init?.method ?? '');
		return fetch(address, init);
	};
	return { url, rest, asked, client: new PerigeeClient({ node: url, fetch: watched }) };
}

const bytes = randomBytes(2_500_000);
const root = hexOf(fileRoot(bytes).root);
const EXPECTED = { root, txSeq: 0, size: bytes.length, name: 'ü.bin', segments: 10 };
const OPTIONS = { name: 'ü.bin', size: bytes.length, pieceBytes: 400_000 };

async function* inChunks(chunkBytes: number): AsyncGenerator<Uint8Array> {
	for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
}

test('an upload in pieces has all bytes in order, whatever the content is', async (t) => {
	const kinds: (() => Content)[] = [
		() => bytes,
		() => new Blob([bytes], { type: 'text/plain' }),
		() => new Blob([bytes]).stream() as ReadableStream<Uint8Array>,
		() => inChunks(70_001),
		() => inChunks(1_000_000),
	];
	const node = await startNode(t);
	const { client } = node;
	for (const content of kinds) {
		const told: (number | undefined)[] = [];
		const result = await client.uploadResumably(content(), { ...OPTIONS, onProgress: (done) => void told.push(done) });
		assert.deepEqual(result, EXPECTED);
		assert.deepEqual(told, [400_000, 800_000, 1_200_000, 1_600_000, 2_000_000, 2_400_000, 2_500_000]);
	}
	const { name } = await client.info(root);
	assert.equal(name, 'ü.bin');
	assert.equal(node.asked.filter((method) => method === 'PATCH').length, 7 * kinds.length);
});

test('an upload goes on after connections that broke, and after answers that were lost', async (t) => {
	for (const budgets of [
		[{ requestBytes: 900_000 }, { requestBytes: 500_000 }, { requestBytes: 300_000 }],
		// The piece arrives, its answer does not: the node has more than the client knows.
		[{ answerBytes: 700 }, { answerBytes: 700 }, {}],
	]) {
		const node = await startNode(t, budgets);
		assert.deepEqual(await node.client.uploadResumably(inChunks(100_000), OPTIONS), EXPECTED);
		assert.ok(node.asked.includes('HEAD'), node.asked.join());
		assert.equal(node.asked.filter((method) => method === 'POST').length, 1);
	}
});

test('an upload goes on from its address, after the program that began it has ended', async (t) => {
	const node = await startNode(t);
	const { client } = node;
	let address = '';
	const aborter = new AbortController();
	const begun = client.uploadResumably(inChunks(50_000), {
		...OPTIONS,
		signal: aborter.signal,
		onAddress: (given) => void (address = given),
		onProgress: (done) => void (done >= 800_000 && aborter.abort(new Error('ends'))),
	});
	await assert.rejects(begun, /ends/);
	const told: number[] = [];
	const later = await new PerigeeClient({ node: node.url }).uploadResumably(inChunks(77_777), {
		...OPTIONS,
		address,
		onProgress: (done) => void told.push(done),
	});
	assert.deepEqual(later, EXPECTED);
	assert.ok((told[0] ?? 0) > 800_000, 'nothing was sent twice');
	const other = { ...OPTIONS, size: 1000, address };
	await assert.rejects(client.uploadResumably(inChunks(1000), other), { code: 'UNREADABLE', message: /another size/ });
	await assert.rejects(client.uploadResumably(bytes, { address: `${node.url}/v1/tus/none` }), { status: 404 });
});

test('a stream whose size nobody knows tells it with its last piece', async (t) => {
	const node = await startNode(t, [{}, { requestBytes: 900_000 }]);
	for (const pieceBytes of [400_000, 500_000, 2_500_000, 4_000_000]) {
		const result = await node.client.uploadResumably(inChunks(123_456), { name: 'ü.bin', pieceBytes });
		assert.deepEqual(result, EXPECTED, `in pieces of ${pieceBytes}`);
	}
});

test('an upload that was whole already answers at once', async (t) => {
	const node = await startNode(t);
	let address = '';
	const onAddress = (given: string): void => void (address = given);
	await node.client.uploadResumably(bytes, { ...OPTIONS, onAddress });
	node.asked.length = 0;
	assert.deepEqual(await node.client.uploadResumably(bytes, { ...OPTIONS, address }), EXPECTED);
	assert.deepEqual(node.asked, ['HEAD']);
});

test('what cannot end well is refused', async (t) => {
	const { client, rest, url } = await startNode(t);
	for (const size of [bytes.length + 1, bytes.length - 1, 2_400_000, 2_800_000])
		await assert.rejects(client.uploadResumably(inChunks(400_000), { ...OPTIONS, size }), TypeError);
	const expectedRoot = `0x${'ab'.repeat(32)}`;
	await assert.rejects(client.uploadResumably(bytes, { ...OPTIONS, expectedRoot }), { code: 'ROOT_MISMATCH' });
	await assert.rejects(client.uploadResumably(new Uint8Array(0)), { code: 'EMPTY_FILE' });
	assert.equal(rest.store.count, 0);
	const foreign: typeof fetch = async () =>
		new Response(null, { status: 201, headers: { Location: 'http://elsewhere/x' } });
	const led = new PerigeeClient({ node: url, token: 'secret', fetch: foreign });
	const isRefused = (error: unknown): boolean => error instanceof RequestError && /not the node/.test(error.message);
	await assert.rejects(led.uploadResumably(bytes), isRefused);
});

test('an upload that gets no further is given up after some tries', async (t) => {
	const node = await startNode(t);
	let tries = 0;
	const cut: typeof fetch = (url, init) => {
		if (init?.method !== 'PATCH') return fetch(url, init);
		tries++;
		return Promise.reject(new TypeError('cut'));
	};
	const client = new PerigeeClient({ node: node.url, fetch: cut });
	await assert.rejects(client.uploadResumably(bytes, { ...OPTIONS, tries: 2 }), { code: 'UNREACHABLE' });
	assert.equal(tries, 2);
});

/** What can be read again, and how often it was opened. */
function reopenable(content: Uint8Array) {
	const opened: number[] = [];
	return {
		opened,
		size: content.length,
		async *open(from: number): AsyncGenerator<Uint8Array> {
			opened.push(from);
			for (let at = from; at < content.length; at += 70_001) yield content.subarray(at, at + 70_001);
		},
	};
}

test('content that can be read again goes in one request, and goes on where the connection broke', async (t) => {
	const { client, asked } = await startNode(t, [{}, { requestBytes: 1_000_000 }]);
	const whole = reopenable(bytes);
	assert.deepEqual(
		await client.uploadResumably(whole, { name: 'ü.bin', pieceBytes: Number.POSITIVE_INFINITY }),
		EXPECTED,
	);
	assert.equal(whole.opened[0], 0);
	assert.equal(asked.filter((method) => method === 'PATCH').length, whole.opened.length);
	const inPieces = await client.uploadResumably(reopenable(bytes), { ...OPTIONS });
	assert.deepEqual(inPieces, EXPECTED);
	assert.deepEqual(await client.upload(reopenable(bytes), { name: 'ü.bin' }), EXPECTED);
});

test('a root that is told late is compared before there is a file', async (t) => {
	const { client } = await startNode(t);
	const wrong = `0x${'11'.repeat(32)}`;
	const OTHERS = [bytes, reopenable(bytes), inChunks(70_001)] as const;
	for (const content of OTHERS)
		await assert.rejects(
			client.uploadResumably(content, {
				size: bytes.length,
				expectedRoot: () => wrong,
				pieceBytes: content === OTHERS[2] ? 400_000 : Number.POSITIVE_INFINITY,
			}),
			{ code: 'ROOT_MISMATCH' },
		);
	await assert.rejects(client.info(root), { status: 404 });
	const right = { name: 'ü.bin', expectedRoot: () => Promise.resolve(root), pieceBytes: Number.POSITIVE_INFINITY };
	assert.deepEqual(await client.uploadResumably(reopenable(bytes), right), EXPECTED);
});

test('what reading the content throws is what the caller gets', async (t) => {
	const { client } = await startNode(t);
	const failing = {
		size: bytes.length,
		async *open(): AsyncGenerator<Uint8Array> {
			yield bytes.subarray(0, 1000);
			throw new RangeError('the disk is gone');
		},
	};
	const whole = { pieceBytes: Number.POSITIVE_INFINITY };
	await assert.rejects(client.uploadResumably(failing, whole), { name: 'RangeError', message: 'the disk is gone' });
	await assert.rejects(client.upload(failing), { name: 'RangeError', message: 'the disk is gone' });
	const short = { size: bytes.length + 1, open: (from: number) => reopenable(bytes).open(from) };
	await assert.rejects(client.uploadResumably(short, whole), TypeError);
});

test('an address that the node does not know has a clear code', async (t) => {
	const { client, url } = await startNode(t);
	const address = `${url}/v1/tus/${'A'.repeat(32)}`;
	await assert.rejects(client.uploadResumably(bytes, { address }), { code: 'UPLOAD_NOT_FOUND', status: 404 });
});

test('sizes that no piece can have are refused before anything is sent', async (t) => {
	const { client, asked } = await startNode(t);
	for (const pieceBytes of [0, -1, 1.5, Number.NaN])
		await assert.rejects(client.uploadResumably(bytes, { pieceBytes }), RangeError);
	await assert.rejects(client.uploadResumably(inChunks(1000), { pieceBytes: Number.POSITIVE_INFINITY }), RangeError);
	assert.deepEqual(asked, []);
});

test('names that no address can say are refused before anything is sent', async (t) => {
	const { client, asked } = await startNode(t);
	for (const name of ['.', '..', '\ud800', 'a\udc00b']) {
		await assert.rejects(client.upload(bytes, { name }), { code: 'BAD_NAME' });
		await assert.rejects(client.uploadResumably(bytes, { name }), { code: 'BAD_NAME' });
	}
	assert.deepEqual(asked, []);
});

test('what is no content is told at once', async (t) => {
	const { client } = await startNode(t);
	for (const wrong of [
		'hello',
		new Uint16Array(3),
		new ArrayBuffer(3),
		new DataView(new ArrayBuffer(3)),
		3,
		null,
		undefined,
		{},
		[1],
	]) {
		await assert.rejects(client.upload(wrong as Content), TypeError);
		await assert.rejects(client.uploadResumably(wrong as Content), TypeError);
	}
});

test('of several that go on with the same upload at once each ends well, or is told that somebody else is at it', async (t) => {
	const { client, rest } = await startNode(t);
	const keep: string[] = [];
	const broken = (async function* () {
		yield bytes.subarray(0, 500_000);
		throw new RangeError('enough');
	})();
	await assert.rejects(client.uploadResumably(broken, { ...OPTIONS, onAddress: (address) => void keep.push(address) }));
	const [address = ''] = keep;
	const going = Array.from({ length: 3 }, () => client.uploadResumably(bytes, { address, pieceBytes: 300_000 }));
	const ended = await Promise.allSettled(going);
	assert.ok(ended.some(({ status }) => status === 'fulfilled'));
	for (const end of ended)
		if (end.status === 'rejected') {
			assert.ok(end.reason instanceof RequestError && end.reason.retryable, String(end.reason));
			assert.match(end.reason.code, /^UPLOAD_(?:TAKEN_OVER|CONFLICT)$/);
		}
	assert.ok(await rest.store.fileByRoot(root as DataRoot));
});
