/** JSON-RPC over a real store: everything that reads, and the protocol around it (spec log-layer §4, §9; test/vectors/rpc-observed.json). */
import assert from 'node:assert/strict';
import { after, before, describe, it, test } from 'node:test';
import { fileRoot, verifyFlowProof } from '../../../../src/native/addon.js';
import { proofRefusal } from '../../../../src/native/segment-proof.js';
import { bytesOfHex, hexOf, type DataRoot } from '../../../../src/units.js';
import { Prng } from '../../../support/prng.js';
import { ask, serve, type ServedStore } from '../../../support/rest-server.js';
import { call, observed, post, result, type RpcAnswer } from '../../../support/rpc.js';
import { put, type TestStore, useTestStores } from '../../../support/test-store.js';

const stores = useTestStores();
const servers: ServedStore[] = [];
after(() => Promise.all(servers.map(({ server }) => server.close())));
const ZERO = `0x${'00'.repeat(32)}`;

interface Proof {
	readonly lemma: readonly string[];
	readonly path: readonly boolean[];
}

async function opened(): Promise<{ store: TestStore; rest: ServedStore }> {
	const store = await stores.open();
	const rest = await serve(store.files);
	servers.push(rest);
	return { store, rest };
}

describe('an empty node answers as the reference did', () => {
	let store: TestStore;
	let rest: ServedStore;
	before(async () => {
		({ store, rest } = await opened());
	});

	const questions: readonly (readonly [string, string, readonly unknown[]])[] = [
		['zgs_getShardConfig() # empty node', 'zgs_getShardConfig', []],
		['zgs_getFlowContext() # empty node', 'zgs_getFlowContext', []],
		['zgs_getSectorProof(0, null) # empty node', 'zgs_getSectorProof', [0, null]],
		['zgs_getSectorProof(1, null) # empty node', 'zgs_getSectorProof', [1, null]],
		['zgs_getHashAtNodeIndex(0) # empty node', 'zgs_getHashAtNodeIndex', [0]],
		['zgs_getHashAtNodeIndex(1) # empty node', 'zgs_getHashAtNodeIndex', [1]],
		['zgs_getMetaDataByNodeIndex(0) # empty node', 'zgs_getMetaDataByNodeIndex', [0]],
		['zgs_getMetaDataByNodeIndex(1) # empty node', 'zgs_getMetaDataByNodeIndex', [1]],
		[`zgs_getFileInfo("${ZERO}", true) # unknown file`, 'zgs_getFileInfo', [ZERO, true]],
		[`zgs_getFileInfo("${ZERO}") # unknown file`, 'zgs_getFileInfo', [ZERO]],
		['zgs_getFileInfoByTxSeq(0) # unknown file', 'zgs_getFileInfoByTxSeq', [0]],
		['zgs_checkFileFinalized(0) # unknown file', 'zgs_checkFileFinalized', [0]],
		[`zgs_checkFileFinalized("${ZERO}") # unknown file`, 'zgs_checkFileFinalized', [ZERO]],
		[`zgs_downloadSegment("${ZERO}", 1, 1) # unknown file`, 'zgs_downloadSegment', [ZERO, 1, 1]],
		[`zgs_downloadSegment("${ZERO}", 0, 1025) # unknown file`, 'zgs_downloadSegment', [ZERO, 0, 1025]],
		['zgs_downloadSegmentByTxSeq(0, 0, 1) # unknown file', 'zgs_downloadSegmentByTxSeq', [0, 0, 1]],
		['zgs_downloadSegmentWithProofByTxSeq(0, 0) # unknown file', 'zgs_downloadSegmentWithProofByTxSeq', [0, 0]],
	];
	for (const [question, method, params] of questions) {
		it(question, async () => {
			assert.deepEqual(await call(rest, method, params), observed(question).answer);
		});
	}

	it('its status has every field that clients insist on', async () => {
		const status = (await result(rest, 'zgs_getStatus')) as Record<string, unknown>;
		const known = observed('zgs_getStatus() # empty node').answer.result as Record<string, object>;
		assert.deepEqual(Object.keys(status), Object.keys(known));
		const network = status['networkIdentity'] as Record<string, unknown>;
		assert.deepEqual(Object.keys(network), Object.keys(known['networkIdentity'] ?? {}));
		assert.equal(network['chainId'], Number(store.files.network().chainId));
		assert.match(String(network['flowAddress']), /^0x[0-9a-f]{40}$/);
		assert.match(String(status['logSyncBlock']), /^0x[0-9a-f]{64}$/);
	});
});

describe('files of one to three segments', () => {
	let store: TestStore;
	let rest: ServedStore;
	const first = new Prng(1).bytes(300);
	const second = new Prng(2).bytes(639_900);
	const roots = [first, second].map((content) => hexOf(fileRoot(content).root) as DataRoot);
	const [firstRoot = ZERO as DataRoot, root = ZERO as DataRoot] = roots;
	before(async () => {
		({ store, rest } = await opened());
		await put(store, first);
		await put(store, second);
	});

	it('are told like those of the reference', async () => {
		const known = observed(
			'zgs_getFileInfo("0xb7d439eac0b00a3d58ee50d4d41ecc31e47f170634267612e405e63a17127a2c", true) # after all three segments',
		).answer.result as { readonly tx: Record<string, unknown> };
		const { nodes } = fileRoot(second);
		const merkleNodes = nodes.map((node) => [node.height + 1, hexOf(node.root)]);
		const tx = { ...known.tx, dataMerkleRoot: root, merkleNodes };
		// And one field more.
		const expected = { ...known, tx, isHeldWhole: true };
		assert.deepEqual(await result(rest, 'zgs_getFileInfo', root, true), expected);
		assert.deepEqual(await result(rest, 'zgs_getFileInfoByTxSeq', 1), expected);
		assert.equal(await result(rest, 'zgs_checkFileFinalized', 1), true);
		assert.equal(await result(rest, 'zgs_checkFileFinalized', root), true);
	});

	it('have their roots read with and without 0x, in either case (§9.19)', async () => {
		for (const text of [root, root.slice(2), root.toUpperCase().replace('X', 'x'), root.slice(2).toUpperCase()]) {
			assert.equal(await result(rest, 'zgs_checkFileFinalized', text), true);
		}
	});

	it('are downloaded by chunks, the last one filled with zeros (§9.15)', async () => {
		const padded = Buffer.concat([second, Buffer.alloc(100)]);
		const ranges: readonly (readonly [number, number])[] = [
			[0, 1024],
			[1000, 1100],
			[1024, 2048],
			[2048, 2500],
			[2499, 2500],
		];
		for (const [start, end] of ranges) {
			const bytes = padded.subarray(start * 256, end * 256);
			for (const text of [
				await result(rest, 'zgs_downloadSegment', root, start, end),
				await result(rest, 'zgs_downloadSegmentByTxSeq', 1, start, end),
			]) {
				assert.equal(text, bytes.toString('base64'));
			}
		}
		assert.equal(
			await result(rest, 'zgs_downloadSegment', firstRoot, 0, 2),
			Buffer.concat([first, Buffer.alloc(212)]).toString('base64'),
		);
	});

	const edges: readonly (readonly [number, number])[] = [
		[0, 1025],
		[5, 5],
		[6, 5],
		[0, 2 ** 40],
	];
	const OBSERVED_ROOT = '0xb7d439eac0b00a3d58ee50d4d41ecc31e47f170634267612e405e63a17127a2c';
	for (const [start, end] of edges) {
		it(`refuse the range ${start} to ${end} as the reference does`, async () => {
			const { answer } = observed(`zgs_downloadSegment("${OBSERVED_ROOT}", ${start}, ${end})`);
			assert.deepEqual(await call(rest, 'zgs_downloadSegment', [root, start, end]), answer);
		});
	}

	it('refuse a range behind their end with the text of the reference', async () => {
		const { error } = await call(rest, 'zgs_downloadSegment', [root, 2400, 2501]);
		assert.deepEqual(error, {
			code: -32000,
			message: 'end entry index exceeds tx size: end=2400 tx size=639900',
		});
	});

	it('come with proofs that verify, also in the padding (§9.16, §9.32)', async () => {
		for (const [which, sizeBytes, segments] of [
			[firstRoot, first.length, 1],
			[root, second.length, 3],
		] as const) {
			for (let index = 0; index < segments; index++) {
				const segment = (await result(rest, 'zgs_downloadSegmentWithProof', which, index)) as {
					readonly root: string;
					readonly data: string;
					readonly index: number;
					readonly proof: Proof;
					readonly fileSize: number;
				};
				assert.deepEqual([segment.root, segment.index, segment.fileSize], [which, index, sizeBytes]);
				const data = Buffer.from(segment.data, 'base64');
				assert.equal(data.length, Math.ceil(Math.min(262_144, sizeBytes - index * 262_144) / 256) * 256);
				const proof = { lemma: segment.proof.lemma.map(bytesOfHex), path: segment.proof.path };
				assert.equal(proofRefusal({ root: which, sizeBytes }, index, data, proof, true), null);
			}
		}
		for (const question of ['zgs_downloadSegmentWithProof', 'zgs_downloadSegmentWithProofByTxSeq']) {
			const known = observed(`${question}(${question.endsWith('Seq') ? '1' : `"${OBSERVED_ROOT}"`}, 3)`);
			assert.deepEqual(await call(rest, question, [question.endsWith('Seq') ? 1 : root, 3]), known.answer);
		}
	});

	it('lie in a flow whose sectors are all proved, now and at roots that were told before', async () => {
		const [flowRoot, length] = (await result(rest, 'zgs_getFlowContext')) as [string, number];
		assert.equal(length, 4608);
		const check = async (sector: number, which: string | null, at: string, flowLength: number): Promise<void> => {
			const proof = (await result(rest, 'zgs_getSectorProof', sector, which)) as Proof;
			const refusal = verifyFlowProof(
				bytesOfHex(at),
				BigInt(flowLength),
				BigInt(sector),
				bytesOfHex(proof.lemma[0] ?? ZERO),
				Buffer.concat(proof.lemma.map(bytesOfHex)),
				Uint8Array.from(proof.path, Number),
			);
			assert.equal(refusal, null);
		};
		for (const sector of [0, 2, 3, 2047, 2048, 4096, 4607]) {
			await check(sector, null, flowRoot, length);
			await check(sector, flowRoot, flowRoot, length);
		}
		await put(store, new Prng(3).bytes(1000));
		await check(2048, flowRoot, flowRoot, length);
		const unknown = observed(`zgs_getSectorProof(0, "${ZERO}")`).answer;
		assert.deepEqual(await call(rest, 'zgs_getSectorProof', [0, ZERO]), unknown);
		const far = observed('zgs_getSectorProof(1099511627776, null)').answer;
		assert.deepEqual(await call(rest, 'zgs_getSectorProof', [2 ** 40, null]), far);
	});

	it('are seen as segments of the flow', async () => {
		const bytes = (await result(rest, 'zgs_getDataByNodeIndex', 3)) as readonly number[][];
		assert.equal(bytes.length, 1);
		assert.ok(Buffer.from(bytes[0] ?? []).equals(second.subarray(262_144, 524_288)));
		const zeros = (await result(rest, 'zgs_getDataByNodeIndex', 1)) as readonly number[][];
		assert.ok(Buffer.from(zeros[0] ?? []).equals(Buffer.alloc(262_144)));
		const start = (await result(rest, 'zgs_getDataByNodeIndex', 0)) as readonly number[][];
		assert.equal(start[0]?.length, 1023 * 256, 'sector 0 has no bytes');
		assert.equal(await result(rest, 'zgs_getDataByNodeIndex', 99), null);
		assert.equal(
			await result(rest, 'zgs_getHashAtNodeIndex', 3),
			hexOf(fileRoot(second.subarray(262_144, 524_288)).root),
		);
		assert.deepEqual(await call(rest, 'zgs_getHashAtNodeIndex', [6]), observed('zgs_getHashAtNodeIndex(6)').answer);
		assert.match(String(await result(rest, 'zgs_getMetaDataByNodeIndex', 3)), /^Some\(EntryBatch/);
		assert.equal(await result(rest, 'zgs_getMetaDataByNodeIndex', 7), 'None');
	});

	it('are pruned once they are deleted: by root unknown, by sequence number told, and no bytes', async () => {
		await store.files.deleteFile(firstRoot);
		assert.equal(await result(rest, 'zgs_getFileInfo', firstRoot, false), null);
		assert.equal(await result(rest, 'zgs_checkFileFinalized', firstRoot), null);
		const info = (await result(rest, 'zgs_getFileInfoByTxSeq', 0)) as Record<string, unknown>;
		assert.deepEqual([info['finalized'], info['pruned'], info['uploadedSegNum']], [false, true, 1]);
		assert.equal(await result(rest, 'zgs_checkFileFinalized', 0), false);
		assert.equal(await result(rest, 'zgs_downloadSegmentByTxSeq', 0, 0, 1), null);
		assert.equal(await result(rest, 'zgs_downloadSegmentWithProofByTxSeq', 0, 0), null);
	});
});

describe('the protocol', () => {
	let rest: ServedStore;
	before(async () => {
		({ rest } = await opened());
	});
	const ours = async (body: string): Promise<unknown> => JSON.parse((await post(rest, body)).text) as unknown;

	it('gives ids back as they came (§9.8)', async () => {
		for (const id of ['18014398509481985', '"abc"', 'null', '0', '123456789012345678901234567890']) {
			const { text } = await post(rest, `{"jsonrpc":"2.0","id": ${id} ,"method":"zgs_getShardConfig"}`);
			assert.equal(text, `{"jsonrpc":"2.0","result":{"shardId":0,"numShard":1},"id":${id}}`);
			const refused = await post(rest, `{"jsonrpc":"2.0","method":"nothing","id":${id}}`);
			assert.ok(refused.text.endsWith(`"id":${id}}`), refused.text);
		}
		assert.deepEqual(await ours('{"jsonrpc":"2.0","id":-1,"method":"zgs_getShardConfig"}'), {
			jsonrpc: '2.0',
			error: { code: -32700, message: 'Parse error' },
			id: null,
		});
	});

	it('takes params that are absent, null, empty, positional, named, or more than asked for (§9.9)', async () => {
		const expected = { jsonrpc: '2.0', result: { shardId: 0, numShard: 1 }, id: 1 };
		for (const params of ['', ',"params":null', ',"params":[]', ',"params":{}', ',"params":[1,2]']) {
			assert.deepEqual(await ours(`{"jsonrpc":"2.0","id":1,"method":"zgs_getShardConfig"${params}}`), expected);
		}
		assert.equal((await call(rest, 'zgs_getFileInfoByTxSeq', '{"tx_seq":7}')).result, null);
		assert.deepEqual(
			(await call(rest, 'zgs_getFileInfoByTxSeq', '{"txSeq": 1}')).error,
			observed('params object, camelCase').answer.error,
		);
		assert.deepEqual(
			(await call(rest, 'zgs_getFileInfoByTxSeq', '["1"]')).error,
			observed('param of wrong type').answer.error,
		);
		assert.deepEqual((await call(rest, 'zgs_getFileInfoByTxSeq', '[]')).error, observed('param missing').answer.error);
		assert.deepEqual(
			(await call(rest, 'zgs_getFileInfo', '["0x1234",true]')).error,
			observed('short root').answer.error,
		);
	});

	it('keeps numbers of 64 bits exact, and refuses others', async () => {
		assert.equal((await call(rest, 'zgs_getFileInfoByTxSeq', '[18446744073709551615]')).result, null);
		for (const [params, why] of [
			['[18446744073709551616]', /^invalid value: integer `18446744073709551616`, expected u64/],
			['[-1]', /^invalid value: integer `-1`, expected u64/],
			['[1.5]', /^invalid type: floating point `1.5`, expected u64/],
			['[null]', /^invalid type: null, expected u64/],
			['[{}]', /^invalid type: map, expected u64/],
		] as const) {
			const { error } = await call(rest, 'zgs_getFileInfoByTxSeq', params);
			assert.equal(error?.code, -32602);
			assert.match(error?.message ?? '', why);
		}
	});

	it('answers batches in order and notifications with nothing', async () => {
		const calls =
			'{"jsonrpc":"2.0","id":"x","method":"nothing"},{"jsonrpc":"2.0","id":1,"method":"zgs_getShardConfig"}';
		const notification = '{"jsonrpc":"2.0","method":"zgs_getShardConfig"}';
		assert.deepEqual(await ours(`[${calls}]`), observed('batch of two, one unknown').answer);
		assert.deepEqual(await ours(`[${notification},${calls}]`), observed('batch of two, one unknown').answer);
		for (const body of [notification, `[${notification}]`]) {
			const { status, text } = await post(rest, body);
			assert.deepEqual([status, text], [200, '']);
		}
		const mixed = (await ours(`[1,${calls}]`)) as RpcAnswer[];
		assert.deepEqual(
			mixed.map(({ error }) => error?.code),
			[-32600, -32601, undefined],
		);
	});

	it('refuses what is no call with the codes of the reference', async () => {
		const parse = { jsonrpc: '2.0', error: { code: -32700, message: 'Parse error' }, id: null };
		for (const body of ['{', '[', '{"id":1,}', 'nonsense', '{"a":1}x', '"\u0001"', '['.repeat(100)]) {
			assert.deepEqual(await ours(body), parse, body);
		}
		const empty = await post(rest, '');
		assert.deepEqual([empty.status, empty.json], [400, observed('empty body').answer]);
		assert.deepEqual(await ours('{"id":1,"method":"zgs_getShardConfig"}'), observed('no jsonrpc field').answer);
		assert.deepEqual(await ours('[]'), {
			jsonrpc: '2.0',
			error: { code: -32600, message: 'Invalid request' },
			id: null,
		});
		assert.deepEqual((await call(rest, 'nothing')).error, observed('unknown method').answer.error);
		assert.deepEqual((await call(rest, 'constructor')).error, observed('unknown method').answer.error);
	});

	it('takes JSON alone, and no more than it can hold', async () => {
		const body = '{"jsonrpc":"2.0","id":1,"method":"zgs_getShardConfig"}';
		assert.equal((await post(rest, body, 'application/json;charset=utf-8')).status, 200);
		assert.equal((await post(rest, body, 'text/plain')).status, 415);
		assert.equal((await post(rest, body, 'application/json; charset=latin1')).status, 415);
		const tooBig = await ask(rest, '/', {
			method: 'POST',
			headers: { 'Content-Type': 'application/json', 'Content-Length': 2 ** 30 },
			body: 'x',
		});
		assert.deepEqual([tooBig.status, (tooBig.json['error'] as { code: number }).code], [413, -32701]);
		const many = (await ours(`[${'0,'.repeat(300_000)}0]`)) as RpcAnswer;
		assert.equal(many.error?.code, -32700);
	});

	it('counts calls and errors by method', async () => {
		const text = await rest.metrics.registry.metrics();
		assert.match(text, /perigee_rpc_requests_total\{method="zgs_getShardConfig",outcome="ok"\} [1-9]/);
		assert.match(text, /perigee_rpc_requests_total\{method="unknown",outcome="-32601"\} [1-9]/);
		assert.doesNotMatch(text, /method="nothing"/);
	});
});

test('bodies of all lengths, announced or in pieces, are read alike and leave no trace', async () => {
	const { rest } = await opened();
	for (const bytes of [100, 3000, 70_000, 5_000_000]) {
		const call = `{"jsonrpc":"2.0","id":${bytes},"method":"zgs_getShardConfig","params":["${'x'.repeat(bytes)}"]}`;
		for (let round = 0; round < 3; round++) {
			for (const chunked of [true, false]) {
				const length = chunked ? {} : { 'Content-Length': String(call.length) };
				const headers = { 'Content-Type': 'application/json', ...length };
				const answer = await ask(rest, '/', {
					method: 'POST',
					headers: chunked ? { ...headers, 'Transfer-Encoding': 'chunked' } : headers,
					body: call,
				});
				const json = JSON.parse(answer.text) as { result: unknown; id: number };
				assert.deepEqual([json.result, json.id], [{ shardId: 0, numShard: 1 }, bytes]);
			}
		}
	}
	// Small buffers of the process share memory: none of it may have been given away.
	for (let at = 0; at < 100; at++) assert.equal(Buffer.from(`text ${at}`).toString(), `text ${at}`);
});
