/** What official clients rely on that no document of theirs promises: the quirks of spec log-layer §9, each under its number. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { packageFolder } from '../../../../src/config/package-file.js';
import { fileRoot, keccak256 } from '../../../../src/native/addon.js';
import { hexOf, SECTOR_BYTES, SEGMENT_BYTES, SEGMENT_SECTORS } from '../../../../src/units.js';
import { startChain, type TestChain } from '../../../support/chain.js';
import { caughtUp, openChainStore, type ChainStore, until } from '../../../support/chain-store.js';
import { Prng } from '../../../support/prng.js';
import { ask, serve, type ServedStore } from '../../../support/rest-server.js';
import { call, post, result, type RpcAnswer } from '../../../support/rpc.js';
import { segmentsOf, type JsonSegment } from '../../../support/segments.js';
import { useTestStores } from '../../../support/test-store.js';

/** Numbers of §9 in the version of the spec that these tests were written for. */
const QUIRKS = 32;

const stores = useTestStores();
const prng = new Prng(0x9);
const tested = new Set<number>();
let chain: TestChain;
let store: ChainStore;
let rest: ServedStore;

interface Info {
	readonly tx: {
		readonly streamIds: unknown;
		readonly data: unknown;
		readonly dataMerkleRoot: string;
		readonly startEntryIndex: number;
		readonly size: number;
		readonly seq: number;
	};
	readonly finalized: boolean;
	readonly uploadedSegNum: number;
}

function quirk(number: number, name: string, run: () => Promise<void>): void {
	tested.add(number);
	it(`§9.${number} ${name}`, run);
}

async function infoOf(root: string, needAvailable = true): Promise<Info | null> {
	return (await result(rest, 'zgs_getFileInfo', root, needAvailable)) as Info | null;
}

/** Pays for contents, and waits until the node knows them; their sequence numbers. */
async function submitted(...contents: readonly Uint8Array[]): Promise<readonly number[]> {
	const first = await chain.submissions();
	await chain.submit(contents);
	await caughtUp(store, chain);
	return contents.map((_, index) => first + index);
}

/** A file that is here whole. */
async function stored(bytes: number): Promise<{
	readonly content: Uint8Array;
	readonly root: string;
	readonly seq: number;
	readonly segments: readonly JsonSegment[];
}> {
	const content = prng.bytes(bytes);
	const { root, segments } = segmentsOf(content);
	const [seq = 0] = await submitted(content);
	assert.equal(await result(rest, 'zgs_uploadSegmentsByTxSeq', segments, seq), null);
	assert.equal((await infoOf(root))?.finalized, true);
	return { content, root, seq, segments };
}

function errorOf({ error }: RpcAnswer): NonNullable<RpcAnswer['error']> {
	return error ?? assert.fail('it was answered');
}

function bytesOf(segment: unknown): Buffer {
	return Buffer.from((segment as { readonly data: string }).data, 'base64');
}

const FINALIZED = { code: -32_602, message: 'Invalid params: root', data: 'already uploaded and finalized' };

describe('the quirks that 0G clients rely on', () => {
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

	quirk(1, 'null is a result: what has nothing to say still says result', async () => {
		const content = prng.bytes(300);
		const { segments } = segmentsOf(content);
		await submitted(content);
		const answer = await call(rest, 'zgs_uploadSegment', segments);
		assert.deepEqual(answer, { jsonrpc: '2.0', result: null, id: 1 });
		assert.deepEqual(await call(rest, 'zgs_getFileInfo', [`0x${'9'.repeat(64)}`, false]), answer);
	});

	quirk(2, 'errors come with HTTP 200, split into message and data', async () => {
		const [segment] = segmentsOf(prng.bytes(300)).segments;
		const params = JSON.stringify([{ ...segment, fileSize: 0 }]);
		const answer = await post(rest, `{"jsonrpc":"2.0","id":1,"method":"zgs_uploadSegment","params":${params}}`);
		assert.equal(answer.status, 200);
		const { error } = JSON.parse(answer.text) as RpcAnswer;
		assert.deepEqual(error, { code: -32_602, message: 'Invalid params: file_size', data: 'file is empty' });
	});

	quirk(3, 'a segment of a file that is whole is refused in the words that clients look for', async () => {
		const { segments, seq } = await stored(2 * SEGMENT_BYTES + 7);
		const [first] = segments;
		for (const [method, params] of [
			['zgs_uploadSegment', [first]],
			['zgs_uploadSegments', [segments]],
			['zgs_uploadSegmentByTxSeq', [first, seq]],
			['zgs_uploadSegmentsByTxSeq', [segments, seq]],
		] as const)
			assert.deepEqual(errorOf(await call(rest, method, params)), FINALIZED, method);
	});

	quirk(4, 'many segments at once wait inside instead of being refused', async () => {
		const content = prng.bytes(64 * SEGMENT_BYTES);
		const { root, segments } = segmentsOf(content);
		const [seq = 0] = await submitted(content);
		const answers = await Promise.all(
			segments.map((segment) => call(rest, 'zgs_uploadSegmentByTxSeq', [segment, seq])),
		);
		assert.ok(answers.every(({ error }) => error === undefined || error.data === FINALIZED.data));
		assert.equal((await infoOf(root))?.finalized, true);
	});

	quirk(5, 'a node of every shard says so: clients then sort nothing wrong', async () => {
		assert.deepEqual(await result(rest, 'zgs_getShardConfig'), { shardId: 0, numShard: 1 });
	});

	quirk(6, 'segments by root are taken before the submission is known, and count when it comes', async () => {
		const content = prng.bytes(3 * SEGMENT_BYTES);
		const { root, segments } = segmentsOf(content);
		for (const segment of segments) assert.equal(await result(rest, 'zgs_uploadSegments', [segment]), null);
		assert.equal(await infoOf(root), null);
		await submitted(content);
		assert.equal((await infoOf(root))?.finalized, true);
	});

	quirk(7, 'segments that come twice in a list by root are passed over', async () => {
		const content = prng.bytes(3 * SEGMENT_BYTES);
		const { root, segments } = segmentsOf(content);
		await submitted(content);
		const [first, second, third] = segments;
		assert.equal(await result(rest, 'zgs_uploadSegments', [first, first, second]), null);
		assert.equal(await result(rest, 'zgs_uploadSegments', [first, second, third, third]), null);
		assert.equal((await infoOf(root))?.finalized, true);
	});

	quirk(8, 'ids above 2^53 come back as they were written, with errors too', async () => {
		for (const id of ['9007199254740993', '18446744073709551615', '"x"'])
			for (const method of ['zgs_getStatus', 'zgs_nothing']) {
				const { text } = await post(rest, `{"jsonrpc":"2.0","id":${id},"method":"${method}","params":[]}`);
				assert.ok(text.includes(`"id":${id}`), text);
			}
	});

	quirk(9, 'methods without parameters take none, an empty list, and null', async () => {
		for (const params of ['', ',"params":[]', ',"params":null']) {
			const { text } = await post(rest, `{"jsonrpc":"2.0","id":1,"method":"zgs_getStatus"${params}}`);
			assert.ok('result' in (JSON.parse(text) as RpcAnswer), text);
		}
	});

	quirk(10, 'flowAddress is the key in networkIdentity, and chainId a number', async () => {
		const { networkIdentity } = (await result(rest, 'zgs_getStatus')) as {
			readonly networkIdentity: Readonly<Record<string, unknown>>;
		};
		assert.deepEqual([networkIdentity['flowAddress'], networkIdentity['chainId']], [chain.flowAddress, 31_337]);
	});

	quirk(11, 'data and streamIds of a submission are lists', async () => {
		const { root } = await stored(100);
		const info = await infoOf(root);
		assert.deepEqual([info?.tx.data, info?.tx.streamIds], [[], []]);
	});

	quirk(12, 'zgs_checkFileFinalized tells a number from a root; a sequence number in quotes is neither', async () => {
		const { root, seq } = await stored(100);
		assert.equal(await result(rest, 'zgs_checkFileFinalized', seq), true);
		assert.equal(await result(rest, 'zgs_checkFileFinalized', root), true);
		assert.equal(errorOf(await call(rest, 'zgs_checkFileFinalized', [String(seq)])).code, -32_602);
	});

	quirk(13, 'zgs_getFileInfo may be asked again and again while segments come', async () => {
		const content = prng.bytes(20 * SEGMENT_BYTES);
		const { root, segments } = segmentsOf(content);
		const [seq = 0] = await submitted(content);
		const uploading = call(rest, 'zgs_uploadSegmentsByTxSeq', [segments, seq]);
		for (let finalized = false; !finalized; ) {
			const info = await infoOf(root);
			assert.ok(info);
			({ finalized } = info);
		}
		assert.equal((await uploading).result, null);
	});

	quirk(14, 'finalized is said of what is served, and of nothing else', async () => {
		const content = prng.bytes(2 * SEGMENT_BYTES);
		const { root, segments } = segmentsOf(content);
		const [seq = 0] = await submitted(content);
		for (const needAvailable of [false, true]) assert.equal((await infoOf(root, needAvailable))?.finalized, false);
		await result(rest, 'zgs_uploadSegmentsByTxSeq', segments, seq);
		assert.equal((await infoOf(root, false))?.finalized, true);
		const whole = await result(rest, 'zgs_downloadSegmentByTxSeq', seq, 0, SEGMENT_SECTORS);
		assert.ok(Buffer.from(String(whole), 'base64').equals(content.subarray(0, SEGMENT_BYTES)));
	});

	quirk(15, 'a download ends at the last sector of the file, which comes whole', async () => {
		const { root, content } = await stored(5 * SECTOR_BYTES + 3);
		const last = Buffer.from(String(await result(rest, 'zgs_downloadSegment', root, 5, 6)), 'base64');
		assert.equal(last.length, SECTOR_BYTES);
		assert.ok(last.subarray(0, 3).equals(content.subarray(5 * SECTOR_BYTES)));
		assert.ok(last.subarray(3).every((byte) => byte === 0));
	});

	quirk(
		16,
		'with a proof the last segment has the length that was uploaded, and its root is of the padded one',
		async () => {
			const { root, segments } = await stored(SEGMENT_BYTES + 700);
			const proved = (await result(rest, 'zgs_downloadSegmentWithProof', root, 1)) as JsonSegment;
			assert.equal(bytesOf(proved).length, bytesOf(segments[1]).length);
			assert.deepEqual(proved.proof, segments[1]?.proof);
		},
	);

	quirk(17, 'segments are in standard base64 with padding; that for addresses is refused', async () => {
		const content = Buffer.alloc(300, 0xff);
		const { segments } = segmentsOf(content);
		await submitted(content);
		const [segment] = segments as [JsonSegment];
		assert.match(segment.data, /^\/{4}.*=$/);
		for (const data of [segment.data.replaceAll('/', '_'), segment.data.replaceAll('=', '')])
			assert.equal(errorOf(await call(rest, 'zgs_uploadSegment', [{ ...segment, data }])).code, -32_602);
		assert.equal(await result(rest, 'zgs_uploadSegment', segment), null);
	});

	quirk(18, 'the largest answer of numbers is far below 10 MiB', async () => {
		const { seq, root } = await stored(3 * SEGMENT_BYTES);
		const { startEntryIndex: start = 0 } = (await infoOf(root))?.tx ?? {};
		const answer = await post(
			rest,
			`{"jsonrpc":"2.0","id":${seq},"method":"zgs_getDataByNodeIndex","params":[${Math.ceil(start / SEGMENT_SECTORS)}]}`,
		);
		const { result: bytes } = JSON.parse(answer.text) as { readonly result: readonly number[] | null };
		assert.ok(bytes === null || bytes.length <= SEGMENT_BYTES);
		assert.ok(answer.body.length < 2 * 1024 * 1024, `${answer.body.length} bytes`);
	});

	quirk(19, 'roots may be of upper case, and without 0x', async () => {
		const { root } = await stored(100);
		for (const text of [root.toUpperCase().replace('0X', '0x'), root.slice(2)])
			assert.equal((await infoOf(text))?.tx.dataMerkleRoot, root, text);
	});

	quirk(20, 'that a file is whole is told before anything is said of the proof', async () => {
		const { segments, seq } = await stored(2 * SEGMENT_BYTES);
		const [segment] = segments as [JsonSegment];
		const proof = { lemma: [`0x${'1'.repeat(64)}`], path: [true, false] };
		for (const [method, ...more] of [['zgs_uploadSegment'], ['zgs_uploadSegmentByTxSeq', seq]] as const)
			assert.deepEqual(errorOf(await call(rest, method, [{ ...segment, proof }, ...more])), FINALIZED);
	});

	quirk(21, 'a file is final by the time its last segment is answered', async () => {
		const content = prng.bytes(4 * SEGMENT_BYTES);
		const { root, segments } = segmentsOf(content);
		const [seq = 0] = await submitted(content);
		await result(rest, 'zgs_uploadSegmentsByTxSeq', segments, seq);
		assert.equal((await infoOf(root))?.finalized, true);
	});

	quirk(22, 'what came before a restart counts, and the same bytes again are no error', async () => {
		const content = prng.bytes(4 * SEGMENT_BYTES);
		const { root, segments } = segmentsOf(content);
		const [seq = 0] = await submitted(content);
		const [first, second] = segments;
		assert.equal(await result(rest, 'zgs_uploadSegmentsByTxSeq', [first, second], seq), null);
		const { dataDir } = store;
		await rest.server.close();
		await store.close();
		store = await openChainStore(stores, chain, {}, dataDir);
		rest = await serve(store.files);
		assert.equal((await infoOf(root))?.uploadedSegNum, 2);
		assert.equal(await result(rest, 'zgs_uploadSegmentByTxSeq', first, seq), null);
		assert.equal(await result(rest, 'zgs_uploadSegmentsByTxSeq', segments, seq), null);
		assert.equal((await infoOf(root))?.finalized, true);
	});

	quirk(23, 'a submission is known by its event, however it was called', async () => {
		const [one, two] = [prng.bytes(10), prng.bytes(20)];
		const seqs = await submitted(one, two);
		for (const [index, content] of [one, two].entries())
			assert.equal((await infoOf(hexOf(fileRoot(content).root)))?.tx.seq, seqs[index]);
	});

	quirk(24, 'size is in bytes, the root is that of the content, and not the hash over the nodes', async () => {
		const content = prng.bytes(700_000);
		await submitted(content);
		const { nodes, root } = fileRoot(content);
		const info = await infoOf(hexOf(root));
		assert.deepEqual([info?.tx.size, info?.tx.dataMerkleRoot], [content.length, hexOf(root)]);
		const identity = hexOf(keccak256(Buffer.concat(nodes.map((node) => node.root))));
		assert.equal(await infoOf(identity), null);
	});

	quirk(25, 'a root is known as soon as its block is, so that nobody pays again', async () => {
		const content = prng.bytes(900);
		await chain.submit([content]);
		await until('the root', async () => (await infoOf(hexOf(fileRoot(content).root))) !== null);
	});

	quirk(26, 'a root may have several submissions, each of which is served', async () => {
		const content = prng.bytes(SEGMENT_BYTES + 1);
		const { segments } = segmentsOf(content);
		const [first = 0, second = 0] = await submitted(content, content);
		await result(rest, 'zgs_uploadSegmentsByTxSeq', segments, second);
		for (const seq of [first, second]) {
			const info = (await result(rest, 'zgs_getFileInfoByTxSeq', seq)) as Info;
			assert.deepEqual([info.finalized, info.tx.seq], [true, seq]);
			const data = Buffer.from(String(await result(rest, 'zgs_downloadSegmentByTxSeq', seq, 0, 1)), 'base64');
			assert.ok(data.equals(content.subarray(0, SECTOR_BYTES)));
		}
	});

	quirk(27, 'pages of every origin may call, and ask before', async () => {
		const headers = { Origin: 'https://any.example', 'Access-Control-Request-Method': 'POST' };
		const asked = await ask(rest, '/', { method: 'OPTIONS', headers });
		assert.deepEqual([asked.status, asked.headers['access-control-allow-origin']], [204, '*']);
	});

	quirk(28, 'zgs_getShardConfig answers from the first moment, and never with no shards', async () => {
		const { numShard } = (await result(rest, 'zgs_getShardConfig')) as { readonly numShard: number };
		assert.ok(Number.isInteger(Math.log2(numShard)));
	});

	quirk(29, 'lists of the indexer are lists, with whole addresses', async () => {
		const { trusted, discovered } = (await result(rest, 'indexer_getShardedNodes')) as {
			readonly trusted: readonly { readonly url: string }[];
			readonly discovered: readonly unknown[];
		};
		assert.deepEqual(discovered, []);
		assert.match(trusted[0]?.url ?? '', /^http:\/\/[^/]+:\d+\/?$/);
	});

	quirk(30, 'uploadedSegNum counts', async () => {
		const { root } = await stored(2 * SEGMENT_BYTES + 1);
		assert.equal((await infoOf(root))?.uploadedSegNum, 3);
	});

	quirk(31, 'members that are not known are passed over', async () => {
		const content = prng.bytes(300);
		const { segments } = segmentsOf(content);
		await submitted(content);
		assert.equal(await result(rest, 'zgs_uploadSegment', { ...segments[0], later: { version: [1] } }), null);
	});

	quirk(32, 'the proof of the only segment is its root; one of two hashes and no steps is none', async () => {
		const content = prng.bytes(300);
		const { root, segments } = segmentsOf(content);
		const [segment] = segments as [JsonSegment];
		await submitted(content);
		const proof = { lemma: [root, root], path: [] };
		assert.equal(errorOf(await call(rest, 'zgs_uploadSegment', [{ ...segment, proof }])).code, -32_602);
		assert.equal(await result(rest, 'zgs_uploadSegment', segment), null);
		const { proof: shown } = (await result(rest, 'zgs_downloadSegmentWithProof', root, 0)) as JsonSegment;
		assert.deepEqual(shown, { lemma: [root], path: [] });
	});

	it('each number has its test', () => {
		assert.deepEqual(
			[...tested],
			Array.from({ length: QUIRKS }, (_, index) => index + 1),
		);
		const spec = join(packageFolder('.'), '..', 'shared', 'spec', 'log-layer-and-rpc.md');
		if (!existsSync(spec)) return;
		const [, section = ''] = readFileSync(spec, 'utf8').split(/^## 9\. .*$/m);
		const [text = ''] = section.split(/^## /m);
		assert.equal([...text.matchAll(/^\d+\. /gm)].length, QUIRKS);
	});
});
