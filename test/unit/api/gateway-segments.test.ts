/** POST /file/segment of the gateway, to a store that follows a real chain (spec log-layer §8.3). */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Access, type TokenNeeds } from '../../../src/api/auth/access.js';
import { LIMITS } from '../../../src/limits.js';
import { SEGMENT_BYTES } from '../../../src/units.js';
import { startChain, type TestChain } from '../../support/chain.js';
import { caughtUp, type ChainStore, openChainStore } from '../../support/chain-store.js';
import { emptyRegistry, tokenFor } from '../../support/open-access.js';
import { Prng } from '../../support/prng.js';
import { type Answer, ask, serve, type ServedStore } from '../../support/rest-server.js';
import { result } from '../../support/rpc.js';
import { type JsonSegment, segmentsOf } from '../../support/segments.js';
import { put, useTestStores } from '../../support/test-store.js';

const stores = useTestStores();
const prng = new Prng(91);
const UNKNOWN = `0x${'12'.repeat(32)}`;
const STORED = [0, 'Success', 'Succeeded to upload segment'];
const JSON_TYPE = { 'Content-Type': 'application/json' };

/** The segment as a gateway takes it: without the size of its file. */
function bodyOf({ root, data, index, proof }: JsonSegment, more: object = {}): object {
	return { root, data, index, proof, ...more };
}

function post(
	rest: { readonly port: number },
	body: object | string,
	headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
	const text = typeof body === 'string' ? body : JSON.stringify(body);
	return ask(rest, '/file/segment', { method: 'POST', headers: { ...JSON_TYPE, ...headers }, body: text });
}

/** Code, message and data of the envelope. */
async function told(rest: { readonly port: number }, body: object | string): Promise<readonly unknown[]> {
	const answer = await post(rest, body);
	assert.deepEqual([answer.status, answer.headers['content-type']], [200, 'application/json'], answer.text);
	return Object.values(answer.json);
}

describe('segments over the gateway', () => {
	let chain: TestChain;
	let store: ChainStore;
	let rest: ServedStore;
	before(async () => {
		chain = await startChain();
		store = await openChainStore(stores, chain);
		rest = await serve(store.files);
	});
	after(async () => {
		await rest.server.close();
		await store.close();
		await chain.stop();
	});

	/** Pays for a content and waits until the node knows. */
	async function submitted(content: Uint8Array) {
		await chain.submit([content]);
		await caughtUp(store, chain);
		const { root, segments } = segmentsOf(content);
		const info = (await result(rest, 'zgs_getFileInfo', root, true)) as { readonly tx: { readonly seq: number } };
		return { root, segments, seq: info.tx.seq };
	}

	for (const size of [1, 256, SEGMENT_BYTES, 3 * SEGMENT_BYTES + 700]) {
		it(`a file of ${size} bytes is there once its last segment came, and each may come again`, async () => {
			const content = prng.bytes(size);
			const { root, segments, seq } = await submitted(content);
			for (const [at, segment] of segments.toReversed().entries()) {
				const named = at % 2 === 0 ? {} : { root: UNKNOWN, txSeq: seq, expectedReplica: 1 };
				assert.deepEqual(await told(rest, bodyOf(segment, named)), STORED);
				assert.deepEqual(await told(rest, bodyOf(segment)), STORED, 'again');
			}
			const file = await ask(rest, `/file?root=${root}`);
			assert.ok(file.body.equals(content));
			for (const segment of segments) assert.deepEqual(await told(rest, bodyOf(segment)), STORED, 'when all is there');
		});
	}

	describe('what does not fit is refused and says why', () => {
		const content = new Prng(92).bytes(2 * SEGMENT_BYTES + 700);
		const [first, second] = segmentsOf(content).segments as [JsonSegment, JsonSegment, JsonSegment];
		const { lemma, path } = first.proof;
		const long = Array.from({ length: LIMITS.proofItems + 1 }, () => UNKNOWN);
		const wrong: readonly (readonly [string, object | string, RegExp])[] = [
			['no data, of an unknown file', { root: UNKNOWN, data: '' }, /^Segment data is empty$/],
			['data that are absent', { root: UNKNOWN, index: 0 }, /^Segment data is empty$/],
			['data that are null', bodyOf(first, { data: null }), /^Segment data is empty$/],
			['no file', { ...bodyOf(first), root: undefined }, /^Either 'root' or 'txSeq' must be provided$/],
			['a short root', bodyOf(first, { root: '0x12' }), /^invalid length 2/],
			['a sequence number in words', bodyOf(first, { txSeq: '1' }), /^invalid type: string "1", expected u64/],
			['several replicas', bodyOf(first, { expectedReplica: 2 }), /^expectedReplica is more than 1/],
			['no proof', { ...bodyOf(first), proof: undefined }, /^missing field `proof`/],
			['an index that is none', bodyOf(first, { index: -1 }), /^invalid value: integer `-1`, expected u64/],
			['a proof without end', bodyOf(first, { proof: { lemma: long, path } }), /^a proof has at most/],
			['data that are no base64', bodyOf(first, { data: `~${first.data.slice(1)}` }), /^Invalid base64 text/],
			['1000 bytes', bodyOf(first, { data: Buffer.alloc(1000).toString('base64') }), /^invalid data length$/],
			['an index behind the end', bodyOf(first, { index: 3 }), /^index out of bound$/],
			['the length of another segment', bodyOf(first, { index: 2 }), /^invalid data length$/],
			['a short proof', bodyOf(first, { proof: { lemma: lemma.slice(1), path } }), /^invalid proof$/],
			['the place of another segment', bodyOf(first, { index: 1 }), /^wrong position: |does not lead/],
			['other data', bodyOf(first, { data: second.data }), /^data hash mismatch: |does not lead/],
			['no JSON', '{"root":', /^The body is no JSON: /],
			['nothing', '', /^The body is no JSON: /],
			['a list', '[]', /^The body is no JSON object$/],
		];
		before(() => submitted(content));
		const check = async (body: object | string, why: RegExp): Promise<void> => {
			const [code, message, data] = await told(rest, body);
			assert.deepEqual([code, message], [1, 'Invalid parameter']);
			assert.match(String(data), why);
		};
		for (const [what, body, why] of wrong) it(what, () => check(body, why));

		it('also of a file that is here whole', async () => {
			const { segments } = segmentsOf(content);
			for (const segment of segments) assert.deepEqual(await told(rest, bodyOf(segment)), STORED);
			for (const [, body, why] of wrong) await check(body, why);
		});
	});

	it('files that are not known, and those that were deleted', async () => {
		const content = prng.bytes(500);
		const { root, segments, seq } = await submitted(content);
		const [segment] = segments as [JsonSegment];
		const unknown = [101, 'File not found', null];
		assert.deepEqual(await told(rest, bodyOf(segment, { root: UNKNOWN })), unknown);
		assert.deepEqual(await told(rest, bodyOf(segment, { txSeq: 9999 })), unknown);
		assert.deepEqual(await told(rest, bodyOf(segment, { txSeq: 2 ** 53 })), unknown);
		assert.deepEqual(await told(rest, bodyOf(segment)), STORED);
		await store.files.deleteFile(root);
		for (const named of [{}, { txSeq: seq }])
			assert.deepEqual(await told(rest, bodyOf(segment, named)), [102, 'File already pruned', null]);
	});

	it('JSON alone is taken, and no more than the node can hold', async () => {
		const type = await post(rest, '{}', { 'Content-Type': 'text/plain' });
		assert.deepEqual([type.status, type.json['code']], [415, 'NOT_JSON']);
		const long = await post(rest, '{}', { 'Content-Length': String(LIMITS.rpcBodyBytes + 1) });
		assert.deepEqual([long.status, long.json['code']], [413, 'BODY_TOO_LARGE']);
		const chunked = await post(rest, '{}', { 'Transfer-Encoding': 'chunked' });
		assert.equal((chunked.json as { data: string }).data, 'Segment data is empty');
	});

	it('pages of every origin may send them', async () => {
		const headers = { Origin: 'https://app.example', 'Sec-Fetch-Site': 'cross-site' };
		const question = { 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'content-type' };
		const asked = await ask(rest, '/file/segment', { method: 'OPTIONS', headers: { ...headers, ...question } });
		assert.deepEqual([asked.status, asked.headers['access-control-allow-origin']], [204, '*']);
		const answer = await post(rest, { data: '' }, headers);
		assert.deepEqual([answer.status, answer.headers['access-control-allow-origin']], [200, '*']);
	});
});

describe('who may send segments over the gateway', () => {
	const writer = tokenFor('writer', ['read', 'write'], { maxBytes: 5000 });
	const reader = tokenFor('reader', ['read']);
	const blind = tokenFor('blind', ['write']);

	/** The status of one upload by each of them, and without a token. */
	async function statuses(needs: TokenNeeds, tries: readonly (string | undefined)[]): Promise<readonly number[]> {
		const store = await stores.open();
		const content = prng.bytes(1500);
		await put(store, content);
		const registry = emptyRegistry();
		registry.replace([writer.entry, reader.entry, blind.entry]);
		const rest = await serve(store.files, { access: new Access(registry, needs) });
		const [segment] = segmentsOf(content).segments as [JsonSegment];
		const answers: number[] = [];
		for (const bearer of tries)
			answers.push((await post(rest, bodyOf(segment), bearer === undefined ? {} : { Authorization: bearer })).status);
		await rest.server.close();
		return answers;
	}

	it('whoever may upload segments over JSON-RPC, whatever is asked of other writes', async () => {
		const needs = { read: 'never', write: 'always', admin: 'always', segments: 'never' } as const;
		assert.deepEqual(await statuses(needs, [undefined, reader.bearer, writer.bearer]), [200, 200, 200]);
	});

	it('a token that may write, where one is asked for, up to its quota', async () => {
		const needs = { read: 'never', write: 'in force', admin: 'always' } as const;
		const { bearer } = writer;
		const tries = [undefined, reader.bearer, blind.bearer, bearer, bearer, bearer];
		assert.deepEqual(await statuses(needs, tries), [401, 403, 200, 200, 200, 429]);
	});

	it('nobody who may not read', async () => {
		const needs = { read: 'always', write: 'always', admin: 'always', segments: 'never' } as const;
		const tries = [undefined, blind.bearer, reader.bearer];
		assert.deepEqual(await statuses(needs, tries), [401, 403, 200]);
	});
});
