/** Two nodes of half the flow each, as 0G clients see them (spec log-layer §4.4, §6.3, §7, §8.1). */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { parseShard } from '../../../../src/config/shard-position.js';
import { SEGMENT_BYTES, SEGMENT_SECTORS } from '../../../../src/units.js';
import { startChain, type TestChain } from '../../../support/chain.js';
import { caughtUp, openChainStore, type ChainStore } from '../../../support/chain-store.js';
import { Prng } from '../../../support/prng.js';
import { ask, put, serve, type ServedStore } from '../../../support/rest-server.js';
import { call, result } from '../../../support/rpc.js';
import { segmentsOf, type JsonSegment } from '../../../support/segments.js';
import { useTestStores } from '../../../support/test-store.js';

const stores = useTestStores();
const prng = new Prng(78);

interface Info {
	readonly finalized: boolean;
	readonly isHeldWhole: boolean;
	readonly uploadedSegNum: number;
	readonly tx: { readonly seq: number; readonly startEntryIndex: number };
}

interface Node {
	readonly store: ChainStore;
	readonly rest: ServedStore;
	readonly id: number;
}

describe('two shards over JSON-RPC', () => {
	let chain: TestChain;
	let pair: readonly Node[];
	before(async () => {
		chain = await startChain();
		pair = await Promise.all(
			[0, 1].map(async (id) => {
				const store = await openChainStore(stores, chain, { shard: parseShard(`${id}/2`) });
				return { store, rest: await serve(store.files), id };
			}),
		);
	});
	after(async () => {
		for (const { rest, store } of pair) {
			await rest.server.close();
			await store.close();
		}
		await chain.stop();
	});

	async function info({ rest, store }: Node, root: string): Promise<Info> {
		await caughtUp(store, chain);
		const found = (await result(rest, 'zgs_getFileInfo', root, true)) as Info | null;
		assert.ok(found);
		return found;
	}

	/** Numbers of the segments that are this node's. */
	function ownOf({ id }: Node, { tx }: Info, segments: readonly JsonSegment[]): readonly number[] {
		const first = Math.floor(tx.startEntryIndex / SEGMENT_SECTORS);
		return segments.map(({ index }) => index).filter((at) => (first + at) % 2 === id);
	}

	async function refusal({ rest }: Node, method: string, ...params: readonly unknown[]): Promise<unknown> {
		const { error } = await call(rest, method, params);
		return error?.data ?? error?.message;
	}

	/** What POST /file/segment answers. */
	async function gatewayAnswer({ rest }: Node, segment: JsonSegment): Promise<readonly unknown[]> {
		const headers = { 'Content-Type': 'application/json' };
		const answer = await ask(rest, '/file/segment', { method: 'POST', headers, body: JSON.stringify(segment) });
		return Object.values(answer.json);
	}

	it('each tells its shard, and the indexer whose only node it is', async () => {
		for (const node of pair) {
			const config = { shardId: node.id, numShard: 2 };
			assert.deepEqual(await result(node.rest, 'zgs_getShardConfig'), config);
			const { trusted } = (await result(node.rest, 'indexer_getShardedNodes')) as { trusted: readonly object[] };
			assert.deepEqual(trusted, [{ url: `http://127.0.0.1:${node.rest.port}`, config, latency: 0, since: 0 }]);
			assert.match(String(await refusal(node, 'indexer_getSelectedNodes', 1, 'min', false, [])), /cannot select/);
		}
	});

	it('a large file: own segments finish it, foreign ones are answered with success; each serves its own', async () => {
		const content = prng.bytes(11 * SEGMENT_BYTES + 300);
		const { root, segments } = segmentsOf(content);
		await chain.submit([content]);
		const served = new Array<number>(segments.length).fill(0);
		for (const node of pair) {
			const begun = await info(node, root);
			const own = ownOf(node, begun, segments);
			assert.deepEqual([begun.finalized, begun.isHeldWhole, begun.uploadedSegNum], [false, false, 0]);
			const foreign = segments.filter(({ index }) => !own.includes(index));
			assert.equal(await result(node.rest, 'zgs_uploadSegmentsByTxSeq', foreign, begun.tx.seq), null);
			assert.equal(await result(node.rest, 'zgs_uploadSegment', foreign[0]), null);
			assert.equal((await info(node, root)).uploadedSegNum, 0);
			for (const [at, index] of own.entries()) {
				assert.equal(await result(node.rest, 'zgs_uploadSegment', segments[index]), null);
				const now = await info(node, root);
				assert.equal(now.finalized, at === own.length - 1);
				if (!now.finalized) assert.equal(now.uploadedSegNum, own[at + 1]);
			}
			const done = await info(node, root);
			assert.deepEqual([done.finalized, done.isHeldWhole, done.uploadedSegNum], [true, false, segments.length]);
			assert.equal(await result(node.rest, 'zgs_checkFileFinalized', root), true);
			for (const segment of segments) {
				const { index, data } = segment;
				const range = [
					index * SEGMENT_SECTORS,
					Math.min((index + 1) * SEGMENT_SECTORS, Math.ceil(content.length / 256)),
				];
				const isOwn = own.includes(index);
				assert.equal(await result(node.rest, 'zgs_downloadSegment', root, ...range), isOwn ? data : null);
				const proved = await result(node.rest, 'zgs_downloadSegmentWithProof', root, index);
				assert.deepEqual(proved, isOwn ? segment : null);
				if (proved) served[index] = (served[index] ?? 0) + 1;
			}
			assert.equal(await refusal(node, 'zgs_uploadSegment', foreign[0]), 'already uploaded and finalized');
			for (const segment of [foreign[0], segments[own[0] ?? 0]])
				assert.deepEqual(await gatewayAnswer(node, segment as JsonSegment), [
					0,
					'Success',
					'Succeeded to upload segment',
				]);
			const wrong = { ...(foreign[0] as JsonSegment), data: (foreign[1] as JsonSegment).data };
			assert.equal((await gatewayAnswer(node, wrong))[0], 1);
			assert.equal(await result(node.rest, 'indexer_getFileLocations', root), null);
			const download = await ask(node.rest, `/v1/files/${root}`);
			assert.deepEqual([download.status, download.json['code']], [404, 'NOT_HELD']);
		}
		assert.ok(served.every((count) => count === 1));
	});

	it('of a small file one node holds all, and the other says at once that it is final, and holds nothing', async () => {
		const content = prng.bytes(5000);
		const { root, segments } = segmentsOf(content);
		await chain.submit([content]);
		const infos = await Promise.all(pair.map((node) => info(node, root)));
		const owner = pair.findIndex((node, at) => ownOf(node, infos[at] as Info, segments).length === 1);
		assert.deepEqual(
			infos.map(({ finalized, isHeldWhole }) => [finalized, isHeldWhole]),
			[0, 1].map((at) => [at !== owner, false]),
		);
		const [holder, other] = [pair[owner], pair[1 - owner]];
		assert.ok(holder && other);
		assert.equal(await result(holder.rest, 'zgs_uploadSegment', segments[0]), null);
		assert.equal((await info(holder, root)).isHeldWhole, true);
		assert.deepEqual(await result(holder.rest, 'zgs_downloadSegmentWithProof', root, 0), segments[0]);
		assert.equal(await result(other.rest, 'zgs_downloadSegmentWithProof', root, 0), null);
		assert.equal(await result(other.rest, 'zgs_downloadSegment', root, 0, 20), null);
		assert.equal(await refusal(other, 'zgs_uploadSegment', segments[0]), 'already uploaded and finalized');
	});

	it('what is uploaded over REST is held whole, and said to be', async () => {
		const content = prng.bytes(3 * SEGMENT_BYTES);
		const { segments } = segmentsOf(content);
		await chain.submit([content]);
		const [node] = pair;
		assert.ok(node);
		await caughtUp(node.store, chain);
		const root = await put(node.rest, content);
		const { finalized, isHeldWhole } = await info(node, root);
		assert.deepEqual([finalized, isHeldWhole], [true, true]);
		for (const segment of segments)
			assert.deepEqual(await result(node.rest, 'zgs_downloadSegmentWithProof', root, segment.index), segment);
		const url = `http://127.0.0.1:${node.rest.port}`;
		assert.deepEqual(await result(node.rest, 'indexer_getFileLocations', root), [
			{ url, config: { shardId: 0, numShard: 1 }, latency: 0, since: 0 },
		]);
	});

	it('a foreign segment that is wrong is refused in the words of an own one', async () => {
		const content = prng.bytes(2 * SEGMENT_BYTES);
		const { root, segments } = segmentsOf(content);
		await chain.submit([content]);
		const [first, second] = segments;
		assert.ok(first && second);
		for (const node of pair) {
			await info(node, root);
			for (const [segment, data] of [
				[first, second.data],
				[second, first.data],
			] as const)
				assert.match(String(await refusal(node, 'zgs_uploadSegment', { ...segment, data })), /^data hash mismatch/);
			const wrong = { ...first, index: 1 };
			assert.match(String(await refusal(node, 'zgs_uploadSegment', wrong)), /^wrong position/);
		}
	});
});
