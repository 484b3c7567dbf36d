/** Uploads by segments over JSON-RPC, to a store that follows a real chain (spec log-layer §4.4, §6, §9; test/vectors/rpc-observed.json). */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TABLES } from '../../../../src/db/tables.js';
import { LIMITS } from '../../../../src/limits.js';
import { fileRoot } from '../../../../src/native/addon.js';
import { hexOf, SEGMENT_BYTES, type TxSeq } from '../../../../src/units.js';
import { startChain, type TestChain } from '../../../support/chain.js';
import { caughtUp, openChainStore, until, type ChainStore } from '../../../support/chain-store.js';
import { Prng } from '../../../support/prng.js';
import { Access } from '../../../../src/api/auth/access.js';
import { emptyRegistry, tokenFor } from '../../../support/open-access.js';
import { ask, serve, type ServedStore } from '../../../support/rest-server.js';
import { call, result, type RpcAnswer } from '../../../support/rpc.js';
import { segmentsOf, type JsonSegment } from '../../../support/segments.js';
import { SimulatedClock } from '../../../support/simulated-clock.js';
import { dumpView, readBack, useTestStores } from '../../../support/test-store.js';

const stores = useTestStores();
const prng = new Prng(60);

/** A store with its server; closed and opened again as often as a test wants. */
class Node {
	readonly chain: TestChain;
	readonly dataDir: string;
	store!: ChainStore;
	rest!: ServedStore;

	constructor(chain: TestChain, dataDir: string) {
		this.chain = chain;
		this.dataDir = dataDir;
	}

	async open(options: Parameters<typeof openChainStore>[2] = {}): Promise<void> {
		this.store = await openChainStore(stores, this.chain, options, this.dataDir);
		this.rest = await serve(this.store.files);
	}

	async close(): Promise<void> {
		await this.rest.server.close();
		await this.store.close();
	}

	async restart(options: Parameters<typeof openChainStore>[2] = {}): Promise<void> {
		await this.close();
		await this.open(options);
	}

	async info(
		root: string,
	): Promise<{ finalized: boolean; isCached: boolean; uploadedSegNum: number; tx: { seq: number } } | null> {
		return (await result(this.rest, 'zgs_getFileInfo', root, true)) as never;
	}

	/** Pays for a content and waits until the node knows; its sequence number. */
	async submitted(content: Uint8Array): Promise<number> {
		await this.chain.submit([content]);
		await caughtUp(this.store, this.chain);
		const info = await this.info(hexOf(fileRoot(content).root));
		assert.ok(info);
		return info.tx.seq;
	}

	async assertHolds(content: Uint8Array): Promise<void> {
		const root = hexOf(fileRoot(content).root);
		const info = await this.info(root);
		assert.equal(info?.finalized, true);
		assert.ok((await readBack(this.store, { txSeq: info.tx.seq as TxSeq })).equals(content));
	}
}

function shuffled<T>(list: readonly T[]): readonly T[] {
	return list
		.map((item) => ({ item, at: prng.below(1 << 20) }))
		.sort((a, b) => a.at - b.at)
		.map(({ item }) => item);
}

/** What is remembered of uploads goes with its time, in a rebuild sooner. */
async function dumpWithoutUploads(dataDir: string): Promise<unknown> {
	return [...(await dumpView(dataDir))].filter(([key]) => !key.startsWith(`0x0${TABLES.resumable.toString(16)}`));
}

function errorOf(answer: RpcAnswer): RpcAnswer['error'] {
	assert.ok(answer.error, JSON.stringify(answer));
	return answer.error;
}

const SIZES = [1, 256, 300, 4352, SEGMENT_BYTES, SEGMENT_BYTES + 1, 787_209, 5_242_893];

describe('uploads by segments', () => {
	let chain: TestChain;
	let node: Node;
	before(async () => {
		chain = await startChain();
		node = new Node(chain, await stores.newDirectory());
		await node.open();
	});
	after(async () => {
		await node.close();
		await chain.stop();
	});

	for (const size of SIZES) {
		it(`${size} bytes, each segment in a call, in any order, after the submission`, async () => {
			const content = prng.bytes(size);
			const { root, segments } = segmentsOf(content);
			assert.equal(root, hexOf(fileRoot(content).root));
			const seq = await node.submitted(content);
			for (const [at, segment] of shuffled(segments).entries()) {
				assert.equal((await node.info(root))?.finalized, false);
				assert.equal(await result(node.rest, 'zgs_uploadSegmentsByTxSeq', [segment], seq), null);
				if (at < segments.length - 1) assert.equal((await node.info(root))?.isCached, false);
			}
			const info = await node.info(root);
			assert.deepEqual([info?.finalized, info?.uploadedSegNum], [true, segments.length]);
			await node.assertHolds(content);
		});

		it(`${size} bytes before the submission is known`, async () => {
			const content = prng.bytes(size);
			const { root, segments } = segmentsOf(content);
			assert.equal(await result(node.rest, 'zgs_uploadSegments', shuffled(segments)), null);
			assert.equal(await node.info(root), null);
			await node.submitted(content);
			await node.assertHolds(content);
		});
	}

	it('partly before, partly after the submission, over restarts in between; a rebuild gives the same', async () => {
		const content = prng.bytes(9 * SEGMENT_BYTES + 77);
		const { root, segments } = segmentsOf(content);
		await result(node.rest, 'zgs_uploadSegment', segments[0]);
		await result(node.rest, 'zgs_uploadSegments', [segments[4], segments[9]]);
		await node.restart();
		const seq = await node.submitted(content);
		assert.deepEqual(
			{ ...(await node.info(root)), tx: 0 },
			{ tx: 0, finalized: false, isCached: false, uploadedSegNum: 1, pruned: false, isHeldWhole: false },
		);
		await result(node.rest, 'zgs_uploadSegmentByTxSeq', segments[1], seq);
		assert.equal((await node.info(root))?.uploadedSegNum, 2);
		// What came in an earlier run may come again; what came in this one not, when it is sent alone.
		assert.equal((await call(node.rest, 'zgs_uploadSegment', [segments[4]])).result, null);
		const repeated = { code: -32000, message: 'segment has already been uploaded or is being uploaded' };
		assert.deepEqual(errorOf(await call(node.rest, 'zgs_uploadSegment', [segments[1]])), repeated);
		assert.deepEqual(errorOf(await call(node.rest, 'zgs_uploadSegmentByTxSeq', [segments[1], seq])), repeated);
		await node.restart({ rebuild: true });
		await caughtUp(node.store, chain);
		assert.equal((await node.info(root))?.uploadedSegNum, 2);
		assert.equal(await result(node.rest, 'zgs_uploadSegmentsByTxSeq', shuffled(segments), seq), null);
		await node.assertHolds(content);
		await node.close();
		const before = await dumpWithoutUploads(node.dataDir);
		await node.open({ rebuild: true });
		await caughtUp(node.store, chain);
		await node.assertHolds(content);
		await node.close();
		assert.deepEqual(await dumpWithoutUploads(node.dataDir), before);
		await node.open();
	});

	it('all segments at once over many connections, twice each', async () => {
		const content = prng.bytes(24 * SEGMENT_BYTES - 5);
		const { segments } = segmentsOf(content);
		const seq = await node.submitted(content);
		const answers = await Promise.all(
			shuffled([...segments, ...segments]).map((segment) =>
				call(node.rest, 'zgs_uploadSegmentsByTxSeq', [[segment], seq]),
			),
		);
		for (const { error } of answers) if (error) assert.equal(error.data, 'already uploaded and finalized');
		await node.assertHolds(content);
	});

	it('two submissions of one root share what came, and both are files', async () => {
		const content = prng.bytes(3 * SEGMENT_BYTES);
		const { root, segments } = segmentsOf(content);
		const first = await node.submitted(content);
		await result(node.rest, 'zgs_uploadSegmentsByTxSeq', segments.slice(0, 2), first);
		const [one, two, three] = await Promise.all(
			segments.map((_, at) => result(node.rest, 'zgs_downloadSegment', root, at * 1024, (at + 1) * 1024)),
		);
		assert.deepEqual([one, two, three], [segments[0]?.data, segments[1]?.data, null]);
		assert.equal(await result(node.rest, 'zgs_downloadSegmentWithProof', root, 0), null);
		await node.chain.submit([content]);
		await caughtUp(node.store, chain);
		await result(node.rest, 'zgs_uploadSegmentsByTxSeq', segments.slice(2), first + 1);
		for (const seq of [first, first + 1]) assert.equal(await result(node.rest, 'zgs_checkFileFinalized', seq), true);
		assert.equal(await result(node.rest, 'zgs_checkFileFinalized', root), true);
	});

	it('a submission that is taken back keeps what came, and finds it when it is there again', async () => {
		const content = prng.bytes(3 * SEGMENT_BYTES + 1);
		const { root, segments } = segmentsOf(content);
		const seq = await node.submitted(content);
		await result(node.rest, 'zgs_uploadSegmentsByTxSeq', segments.slice(1), seq);
		await chain.rollBack(1);
		await chain.mine(2);
		await until('the submission is gone', async () => (await node.info(root)) === null);
		await node.submitted(content);
		await result(node.rest, 'zgs_uploadSegments', [segments[0]]);
		await node.assertHolds(content);
	});

	it('the root of a flow that was taken back proves nothing any more', async () => {
		await node.submitted(prng.bytes(300));
		const [before] = (await result(node.rest, 'zgs_getFlowContext')) as readonly [string, number];
		await chain.rollBack(1);
		const content = prng.bytes(301);
		await chain.submit([content]);
		await chain.mine(1);
		await until('the other submission', async () => (await node.info(segmentsOf(content).root)) !== null);
		const [now] = (await result(node.rest, 'zgs_getFlowContext')) as readonly [string, number];
		assert.notEqual(now, before);
		const { error } = await call(node.rest, 'zgs_getSectorProof', [1, before]);
		const message = `old root unavailable, root=OptionalHash(Some(${before}))`;
		assert.deepEqual(error, { code: -32000, message });
		assert.ok(await result(node.rest, 'zgs_getSectorProof', 1, now));
	});

	describe('what does not fit is refused as by the reference, in its order of checks', () => {
		const content = new Prng(61).bytes(2 * SEGMENT_BYTES + 700);
		const { segments } = segmentsOf(content);
		const [first, second, third] = segments as [JsonSegment, JsonSegment, JsonSegment];
		let seq = 0;
		before(async () => {
			seq = await node.submitted(content);
		});
		const other = segmentsOf(new Prng(62).bytes(3 * SEGMENT_BYTES)).segments[0] as JsonSegment;
		const { lemma, path } = first.proof;
		const bytes = (text: string): number[] => [...Buffer.from(text.slice(2), 'hex')];
		const list = (text: string | undefined): string => `[${bytes(text ?? '0x').join(', ')}]`;
		const invalid = (name: string, data: string): object => ({
			code: -32602,
			message: `Invalid params: ${name}`,
			data,
		});
		const cases: readonly (readonly [string, object, object])[] = [
			['no data', { ...first, data: '' }, { code: -32000, message: 'data is empty' }],
			[
				'1000 bytes',
				{ ...first, data: Buffer.alloc(1000).toString('base64') },
				{ code: -32000, message: 'invalid data length' },
			],
			['another file', other, { code: -32603, message: 'Internal error', data: 'data root and tx seq not match' }],
			[
				'another size',
				{ ...first, fileSize: content.length + 1 },
				invalid('file_size', 'segment file size not matched with tx file size'),
			],
			['an index behind the end', { ...first, index: 3 }, invalid('index', 'index out of bound')],
			['the length of another segment', { ...first, index: 2 }, invalid('data', 'invalid data length')],
			['a short proof', { ...first, proof: { lemma: lemma.slice(1), path } }, invalid('proof', 'invalid proof')],
			['no proof', { ...first, proof: { lemma: [], path: [] } }, invalid('proof', 'invalid proof')],
			[
				'the place of another segment',
				{ ...first, index: 1 },
				{ code: -32000, message: 'wrong position: proof_pos=0 provided=1' },
			],
			[
				'other data',
				{ ...first, data: second.data },
				{
					code: -32000,
					message: `data hash mismatch: leaf_hash=${list(second.proof.lemma[0])} proof_item=${list(lemma[0])}`,
				},
			],
			[
				'a proof of another root',
				{ ...first, proof: { lemma: [...lemma.slice(0, -1), other.root], path } },
				{ code: -32000, message: `root mismatch, proof_root=${list(other.root)} provided=${list(first.root)}` },
			],
		];
		for (const [what, segment, error] of cases) {
			it(what, async () => {
				assert.deepEqual(errorOf(await call(node.rest, 'zgs_uploadSegmentByTxSeq', [segment, seq])), error);
			});
		}

		it('a call ends at the first segment that is refused; those before it are stored, those behind it are not', async () => {
			const wrong = { ...second, data: first.data };
			errorOf(await call(node.rest, 'zgs_uploadSegmentsByTxSeq', [[first, wrong, third], seq]));
			assert.equal((await node.info(first.root))?.uploadedSegNum, 1);
			await result(node.rest, 'zgs_uploadSegments', [second]);
			assert.equal((await node.info(first.root))?.finalized, false);
			await result(node.rest, 'zgs_uploadSegments', [third]);
			await node.assertHolds(content);
		});

		it('what is finalised is said to be, before the proof is looked at', async () => {
			const finalized = invalid('root', 'already uploaded and finalized');
			const broken = { ...first, proof: { lemma: [], path: [] } };
			for (const [method, params] of [
				['zgs_uploadSegment', [broken]],
				['zgs_uploadSegments', [[broken]]],
				['zgs_uploadSegmentByTxSeq', [broken, seq]],
				['zgs_uploadSegmentsByTxSeq', [[broken], seq]],
			] as const)
				assert.deepEqual(errorOf(await call(node.rest, method, params)), finalized, method);
		});

		it('no segments at all', async () => {
			assert.equal(await result(node.rest, 'zgs_uploadSegments', []), null);
			assert.equal(await result(node.rest, 'zgs_uploadSegmentsByTxSeq', [], seq), null);
		});

		it('parameters that are no segment', async () => {
			const { fileSize: _, ...rest } = first;
			for (const [params, text] of [
				[[rest], /^missing field `fileSize` at line 1 column \d+$/],
				[[{ ...other, data: `~${other.data.slice(1)}` }], /^Invalid base64 text/],
				[[{ ...first, data: first.data.slice(1) }], /^Invalid base64 length/],
				[[{ ...first, data: 5 }], /^invalid type: integer `5`, expected a base64 string/],
				[[{ ...first, root: '0x12' }], /^invalid length 2/],
				[[], /^No more params$/],
			] as const)
				assert.match(errorOf(await call(node.rest, 'zgs_uploadSegment', params))?.message ?? '', text);
		});

		it('a large file whose submission is not known', async () => {
			const segment = { ...first, fileSize: LIMITS.cachedFileBytes + 1 };
			const why = 'caching of large file when tx is unavailable is not supported';
			const unknown = { ...segment, root: `0x${'77'.repeat(32)}` };
			assert.deepEqual(errorOf(await call(node.rest, 'zgs_uploadSegment', [unknown])), invalid('file_size', why));
		});

		it('content that an operator has deleted', async () => {
			const small = prng.bytes(500);
			const known = segmentsOf(small);
			const smallSeq = await node.submitted(small);
			await result(node.rest, 'zgs_uploadSegments', known.segments);
			await node.store.files.deleteFile(known.root);
			assert.deepEqual(
				errorOf(await call(node.rest, 'zgs_uploadSegmentsByTxSeq', [known.segments, smallSeq])),
				invalid('root', 'already pruned'),
			);
		});
	});

	it('one valid segment under an unknown sequence number does not keep a file from being finalised', async () => {
		const content = prng.bytes(2 * SEGMENT_BYTES + 9);
		const { segments } = segmentsOf(content);
		await node.submitted(content);
		assert.equal(await result(node.rest, 'zgs_uploadSegmentByTxSeq', segments[1], 99_999), null);
		await result(node.rest, 'zgs_uploadSegments', [segments[0], segments[2]]);
		await node.assertHolds(content);
	});
});

describe('segments whose submission never comes', () => {
	it('are given up in time, those of submitted files never', async () => {
		const chain = await startChain();
		const clock = new SimulatedClock();
		const node = new Node(chain, await stores.newDirectory());
		await node.open({ clock });
		try {
			const paid = prng.bytes(2 * SEGMENT_BYTES);
			const seq = await node.submitted(paid);
			const [one, two] = segmentsOf(paid).segments;
			await result(node.rest, 'zgs_uploadSegmentByTxSeq', one, seq);
			const unpaid = [100, SEGMENT_BYTES + 9, 2 * SEGMENT_BYTES].map((size) => segmentsOf(prng.bytes(size)).segments);
			await result(node.rest, 'zgs_uploadSegments', unpaid[0]);
			await result(node.rest, 'zgs_uploadSegments', unpaid[1]);
			await result(node.rest, 'zgs_uploadSegments', unpaid[2]?.slice(1));
			await node.store.settle();
			assert.deepEqual([node.store.waiting.unnamed, node.store.waiting.resumables], [2, 2]);
			clock.advance(LIMITS.cachedSegmentsMs);
			await node.store.settle();
			assert.deepEqual([node.store.waiting.unnamed, node.store.waiting.resumables], [0, 1]);
			clock.advance(100 * 24 * 3_600_000);
			await node.store.settle();
			await result(node.rest, 'zgs_uploadSegmentByTxSeq', two, seq);
			await node.assertHolds(paid);
		} finally {
			await node.close();
			await chain.stop();
		}
	});
});

describe('uploads where tokens are asked for', () => {
	it('need one that may write, and count toward its quota', async (t) => {
		const store = await stores.open();
		const writer = tokenFor('writer', ['read', 'write'], { maxBytes: 5000 });
		const reader = tokenFor('reader', ['read']);
		const registry = emptyRegistry();
		registry.replace([writer.entry, reader.entry]);
		const access = new Access(registry, { read: 'never', write: 'in force', admin: 'always' });
		const rest = await serve(store.files, { access });
		t.after(() => rest.server.close());
		const { segments } = segmentsOf(prng.bytes(1500));
		const send = async (
			headers: Record<string, string>,
			method: string,
			params: unknown,
		): Promise<string | null | undefined> => {
			const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
			const answer = await ask(rest, '/', {
				method: 'POST',
				headers: { 'Content-Type': 'application/json', ...headers },
				body,
			});
			const { error, result: value } = JSON.parse(answer.text) as RpcAnswer;
			return error ? error.data?.split(':')[0] : (value as null);
		};
		assert.equal(await send({}, 'zgs_getFileInfoByTxSeq', [0]), null);
		assert.equal(await send({}, 'zgs_uploadSegments', [segments]), 'UNAUTHORIZED');
		assert.equal(await send({ Authorization: reader.bearer }, 'zgs_uploadSegments', [segments]), 'FORBIDDEN');
		assert.equal(await send({ Authorization: writer.bearer }, 'zgs_uploadSegments', [segments]), null);
		assert.equal(await send({ Authorization: writer.bearer }, 'zgs_uploadSegments', [segments]), null);
		assert.equal(await send({ Authorization: writer.bearer }, 'zgs_uploadSegments', [segments]), 'QUOTA_EXCEEDED');
		assert.deepEqual(rest.logged, [], 'callers that are refused are no trouble of the node');
	});
});
