/** A store that follows the real contract on a real chain: catching up, watching, reorganisations, endpoints that fail (spec pora-and-contracts §6). */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { LIMITS } from '../../../../src/limits.js';
import { fileRoot } from '../../../../src/native/addon.js';
import { hexOf, type DataRoot, type TxSeq } from '../../../../src/units.js';
import { startChain, type TestChain } from '../../../support/chain.js';
import { caughtUp, openChainStore, until, type ChainStore } from '../../../support/chain-store.js';
import { Prng } from '../../../support/prng.js';
import { useTestStores } from '../../../support/test-store.js';

const stores = useTestStores();
const rootOf = (content: Uint8Array): DataRoot => hexOf(fileRoot(content).root) as DataRoot;
const contents = (seed: number, count: number, bytes = 3000): Uint8Array[] => {
	const prng = new Prng(seed);
	return Array.from({ length: count }, () => prng.bytes(1 + prng.below(bytes)));
};

/** The store has the submissions of the contract, and its flow roots. */
async function assertFollows(store: ChainStore, chain: TestChain, expected: readonly Uint8Array[]): Promise<void> {
	const { submissions, root } = store.settlement.flow();
	assert.equal(submissions, expected.length);
	for (const [txSeq, content] of expected.entries()) {
		const file = await store.files.fileBySeq(txSeq as TxSeq);
		assert.equal(file?.root, rootOf(content), `submission ${txSeq}`);
		assert.equal(file?.sizeBytes, content.length);
		assert.equal((await store.files.fileByRoot(rootOf(content)))?.root, rootOf(content));
	}
	if (submissions > 0) assert.equal(hexOf(root), await chain.flowRootAfter(submissions - 1));
	for (const txSeq of [0, Math.floor(submissions / 2), submissions - 1]) {
		const known = await chain.flowRootAfter(txSeq);
		assert.equal(hexOf(await store.files.flowRoot(txSeq as TxSeq)), known, `flow root after ${txSeq}`);
	}
}

describe('a store that follows a chain', () => {
	let chain: TestChain;
	before(async () => {
		chain = await startChain();
	});
	after(() => chain.stop());

	it('catches up, goes on as blocks come, and goes on after a restart', async () => {
		const first = contents(1, 40, 400_000);
		await chain.submit(first);
		await chain.mine(120);
		const dataDir = await stores.newDirectory();
		let store = await openChainStore(stores, chain, { pageBlocks: 7 }, dataDir);
		await caughtUp(store, chain);
		await assertFollows(store, chain, first);
		const second = contents(2, 5);
		await chain.submit(second);
		await caughtUp(store, chain);
		await assertFollows(store, chain, [...first, ...second]);
		await store.close();

		const third = contents(3, 5);
		await chain.submit(third);
		store = await openChainStore(stores, chain, {}, dataDir);
		await caughtUp(store, chain);
		await assertFollows(store, chain, [...first, ...second, ...third]);
		await store.close();

		store = await openChainStore(stores, chain, { rebuild: true }, dataDir);
		await caughtUp(store, chain);
		await assertFollows(store, chain, [...first, ...second, ...third]);
		assert.deepEqual(store.reverts, []);
		await store.close();
	});

	it('leaves the newest blocks alone as it was told to', async () => {
		await chain.mine(3);
		const store = await openChainStore(stores, chain, { confirmations: 3 });
		await caughtUp(store, chain, 3);
		const { submissions } = store.settlement.flow();
		await chain.submit(contents(4, 1));
		await chain.mine(2);
		await until(
			'a look at the head',
			async () => store.sync.head === Number(await chain.client.getBlockNumber({ cacheTime: 0 })),
		);
		assert.equal(store.settlement.flow().submissions, submissions);
		await chain.mine(1);
		await until('the submission', () => store.settlement.flow().submissions === submissions + 1);
		await store.close();
	});
});

describe('a reorganisation', () => {
	let chain: TestChain;
	before(async () => {
		chain = await startChain();
	});
	after(() => chain.stop());

	for (const isRestarted of [false, true]) {
		it(`${isRestarted ? 'while the node was stopped ' : ''}takes back what is gone, and nothing else`, async () => {
			const kept: Uint8Array[] = [];
			const dataDir = await stores.newDirectory();
			let store = await openChainStore(stores, chain, {}, dataDir);
			await caughtUp(store, chain);
			const known = store.settlement.flow().submissions;
			const seed = isRestarted ? 20 : 10;
			for (let block = 0; block < 6; block++) {
				const added = contents(seed + block, 3, 700_000);
				kept.push(...added);
				await chain.submit(added);
			}
			await caughtUp(store, chain);
			assert.equal(store.settlement.flow().submissions, known + 18);
			if (isRestarted) await store.close();
			await chain.rollBack(4);
			const replacing = [...contents(seed + 7, 4, 600_000), kept[17] as Uint8Array, kept[0] as Uint8Array];
			await chain.submit(replacing);
			await chain.mine(6);
			if (isRestarted) store = await openChainStore(stores, chain, {}, dataDir);
			const now = [...kept.slice(0, 6), ...replacing];
			await until('what the chain has now', async () => {
				const file = await store.files.fileBySeq((known + now.length - 1) as TxSeq);
				return (
					file?.root === rootOf(kept[0] as Uint8Array) && store.settlement.flow().submissions === known + now.length
				);
			});
			await caughtUp(store, chain);
			for (const [index, content] of now.entries()) {
				assert.equal((await store.files.fileBySeq((known + index) as TxSeq))?.root, rootOf(content));
			}
			const gone = kept.slice(6, 17);
			for (const content of gone) assert.equal(await store.files.fileByRoot(rootOf(content)), undefined);
			assert.equal(await store.files.fileBySeq((known + now.length) as TxSeq), undefined);
			assert.equal((await store.files.fileByRoot(rootOf(kept[17] as Uint8Array)))?.txSeq, known + 10);
			assert.equal((await store.files.fileByRoot(rootOf(kept[0] as Uint8Array)))?.txSeq, known);
			const { submissions, root } = store.settlement.flow();
			assert.equal(hexOf(root), await chain.flowRootAfter(submissions - 1));
			assert.equal(hexOf(await store.files.flowRoot((submissions - 1) as TxSeq)), hexOf(root));
			assert.deepEqual(store.reverts, [12]);
			await store.close();

			// A view that is made anew from the journal is the same.
			store = await openChainStore(stores, chain, { rebuild: true }, dataDir);
			for (const [index, content] of now.entries()) {
				assert.equal((await store.files.fileBySeq((known + index) as TxSeq))?.root, rootOf(content));
			}
			for (const content of gone) assert.equal(await store.files.fileByRoot(rootOf(content)), undefined);
			assert.equal(hexOf(await store.files.flowRoot((submissions - 1) as TxSeq)), hexOf(root));
			await store.close();
		});
	}
});

it('takes tags of any length, and keeps the beginning of those that are too long', async () => {
	const chain = await startChain();
	const store = await openChainStore(stores, chain);
	for (const tagBytes of [LIMITS.chainTagsBytes, LIMITS.chainTagsBytes + 1, 600_000]) {
		const tags = new Uint8Array(tagBytes).fill(7);
		const [content] = contents(tagBytes, 1);
		assert.ok(content);
		await chain.submitNodes([{ lengthBytes: BigInt(content.length), nodes: fileRoot(content).nodes, tags }]);
		await caughtUp(store, chain);
		const { submissions } = store.settlement.flow();
		assert.equal(submissions, await chain.submissions());
		const file = await store.files.fileBySeq((submissions - 1) as TxSeq);
		assert.deepEqual([file?.root, file?.tags.length], [hexOf(fileRoot(content).root), LIMITS.chainTagsBytes]);
	}
	await store.close();
	await chain.stop();
});
