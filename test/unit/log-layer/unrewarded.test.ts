/** A node with a limit drops what the chain pays nothing for any more (spec log-layer §2.9), of what came over the 0G protocol. */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import type { Hex } from 'viem';
import { PRICING_CHUNK_SECTORS, SEGMENT_BYTES, type TxSeq } from '../../../src/units.js';
import { startChain, type TestChain } from '../../support/chain.js';
import { caughtUp, type ChainStoreOptions, openChainStore, type ChainStore, until } from '../../support/chain-store.js';
import { rootOf } from '../../support/paying.js';
import { Prng } from '../../support/prng.js';
import { provedSegmentsOf } from '../../support/segments.js';
import { put, readBack, useTestStores } from '../../support/test-store.js';

const stores = useTestStores();
const prng = new Prng(0x0b1);
const REWARD: Hex = '0x00000000000000000000000000000000000000bb';
const CHUNK_HEIGHT = Math.log2(Number(PRICING_CHUNK_SECTORS));
const SUBMITTED = { isSubmitted: true, skipRepeated: true };
let chain: TestChain;

before(async () => {
	chain = await startChain();
});

after(() => chain.stop());

/** A contract that answers every call with a chunk and the time of the block, which may be another one. */
async function pays(fromChunk: number, secondsAgo = 0): Promise<void> {
	const word = (value: number): string => value.toString(16).padStart(4, '0');
	// PUSH2 chunk, MSTORE at 0; TIMESTAMP less seconds, MSTORE at 32; RETURN of 64 bytes.
	await chain.client.setCode({
		address: REWARD,
		bytecode: `0x61${word(fromChunk)}60005261${word(secondsAgo)}420360205260406000f3`,
	});
}

async function upload(store: ChainStore, content: Uint8Array): Promise<void> {
	await store.files.segmentUploads.put(provedSegmentsOf(content), SUBMITTED);
}

const open = (options: ChainStoreOptions = {}, dataDir?: string): Promise<ChainStore> =>
	openChainStore(stores, chain, { maxSectors: 2 ** 40, rewardAddress: REWARD, ...options }, dataDir);

it('what lies before the first rewardable chunk goes, and nothing else', async () => {
	await pays(0);
	const [small, large, rest, both, late] = [300, 3 * SEGMENT_BYTES + 5, 2 * SEGMENT_BYTES, 700, 900].map((size) =>
		prng.bytes(size),
	);
	assert.ok(small && large && rest && both && late);
	const partial = prng.bytes(4 * SEGMENT_BYTES);
	await chain.submit([small, large, rest, both, partial]);
	// A submission of a whole pricing chunk pushes the others behind it.
	await chain.submitNodes([
		{ lengthBytes: PRICING_CHUNK_SECTORS * 256n, nodes: [{ root: prng.bytes(32), height: CHUNK_HEIGHT }] },
	]);
	await chain.submit([both, late]);
	let store = await open();
	const { dataDir } = store;
	await caughtUp(store, chain);
	for (const content of [small, large, both, late]) await upload(store, content);
	const begun = provedSegmentsOf(partial).slice(0, 1);
	await store.files.segmentUploads.put(begun, SUBMITTED);
	assert.equal(await store.files.segmentUploads.progress(rootOf(partial), partial.length), 1);
	await put(store, rest);
	await store.settle();
	for (const content of [small, large, rest, both, late])
		assert.equal((await store.files.fileByRoot(rootOf(content)))?.finalized, true);

	// A chain whose time is another one is not believed.
	await pays(1, 7300);
	await store.settle();
	assert.equal((await store.files.fileByRoot(rootOf(small)))?.deleted, false);
	await pays(1);
	await store.settle();
	assert.deepEqual(
		store.told.filter((text) => text.startsWith('paid from')),
		[`paid from sector ${PRICING_CHUNK_SECTORS}`],
	);
	await store.settle();
	assert.equal(await store.files.segmentUploads.progress(rootOf(partial), partial.length), 0);
	const assertDropped = async (): Promise<void> => {
		for (const [content, txSeq] of [
			[small, 0],
			[large, 1],
		] as const) {
			const file = await store.files.fileBySeq(txSeq as TxSeq);
			assert.ok(file);
			assert.deepEqual([file.root, file.deleted, file.finalized, file.heldSegments], [rootOf(content), true, false, 0]);
			await assert.rejects(readBack(store, file), { code: 'NOT_HELD' });
		}
		for (const content of [rest, both, late]) {
			const file = await store.files.fileByRoot(rootOf(content));
			assert.ok(file);
			assert.deepEqual([file.deleted, file.finalized], [false, true]);
			assert.ok((await readBack(store, file)).equals(content));
		}
	};
	await assertDropped();
	// Nothing comes back by a restart, a rebuild, or a chain that goes back.
	await pays(0);
	for (const rebuild of [false, true]) {
		await store.close();
		store = await open({ rebuild }, dataDir);
		await store.settle();
		await assertDropped();
	}
	// Uploaded here it is kept, and submitted anew it may come again.
	await put(store, small);
	assert.equal((await store.files.fileByRoot(rootOf(small)))?.finalized, true);
	await chain.submit([large]);
	await caughtUp(store, chain);
	assert.equal((await store.files.fileByRoot(rootOf(large)))?.deleted, false);
	await upload(store, large);
	await store.settle();
	assert.equal((await store.files.fileByRoot(rootOf(large)))?.finalized, true);
	// What is not there yet cannot be over.
	await pays(900);
	await store.settle();
	assert.equal(store.told.at(-1), `paid from sector ${2n * PRICING_CHUNK_SECTORS}`);
	assert.equal((await store.files.fileByRoot(rootOf(late)))?.finalized, true);
	await store.close();
});

it('a chain that says nothing holds up no stop', async () => {
	const store = await stores.open({ maxSectors: 2 ** 40 });
	let isAsked = false;
	let answer = (): void => undefined;
	const firstRewardableChunk = (): Promise<undefined> => {
		isAsked = true;
		return new Promise((resolve) => (answer = () => resolve(undefined)));
	};
	Object.assign(store.settlement, { firstRewardableChunk });
	const settling = store.settle();
	await until('the question', () => isAsked);
	let isClosed = false;
	const closing = store.close().then(() => (isClosed = true));
	await until('the stop', () => isClosed, 5000).finally(answer);
	await closing;
	await settling;
});
