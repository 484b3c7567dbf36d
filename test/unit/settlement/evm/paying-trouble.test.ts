/** Paying where something goes wrong: one payment holds up no other one, nothing is paid for twice, and it is said what is waited for. */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { parseGwei } from 'viem';
import { RefusedError } from '../../../../src/settlement/evm/chain-reader.js';
import { SETTLED_BLOCKS } from '../../../../src/settlement/evm/payments.js';
import { startChain, type TestChain } from '../../../support/chain.js';
import { bentReader, openChainStore, until } from '../../../support/chain-store.js';
import {
	assertFile,
	bent,
	fundedAccount,
	Gate,
	isFile,
	type Mining,
	miningUntil,
	rootOf,
} from '../../../support/paying.js';
import { Prng } from '../../../support/prng.js';
import { useTestStores } from '../../../support/test-store.js';

const stores = useTestStores();
const prng = new Prng(0x7b0b);
let chain: TestChain;
const mining: Mining = (what, holds) => miningUntil(chain, what, holds);

before(async () => {
	chain = await startChain();
});

after(() => chain.stop());

it('one payment that is refused holds up no other one, and is made when it can be', async () => {
	const { key } = await fundedAccount(chain);
	const contents = Array.from({ length: 40 }, () => prng.bytes(300));
	const refused = new Set([3, 4, 11].map((index) => rootOf(contents[index] as Uint8Array).slice(2)));
	const wrapPaying = bent((plain) => ({
		estimateGas: (call) =>
			[...refused].some((root) => call.data.includes(root))
				? Promise.reject(new RefusedError('execution reverted: not this one'))
				: plain.estimateGas(call),
	}));
	const store = await openChainStore(stores, chain, { key, wrapPaying });
	const before = await chain.submissions();
	const results = await Promise.all(contents.map((content, index) => store.upload(content, `${index}`)));
	await mining('the others', async () => (await chain.submissions()) - before === contents.length - refused.size);
	const [third, fourth] = [results[3], results[0]].map((result) => result?.awaited);
	assert.match((await third?.state())?.payment?.trouble ?? '', /not this one/);
	assert.equal((await fourth?.state())?.payment?.trouble, undefined);
	await until('it to be said', () => store.payTroubles.at(-1)?.startsWith('PAYMENT_REFUSED') === true);
	// Whoever comes now is paid for at once.
	const late = prng.bytes(1000);
	await store.upload(late, 'late');
	await mining('the late one', () => isFile(store, late));
	refused.clear();
	await mining('all', async () => (await chain.submissions()) - before === contents.length + 1);
	for (const [index, content] of contents.entries()) {
		await mining(`file ${index}`, () => isFile(store, content));
		await assertFile(store, content, `${index}`);
	}
	await mining('the end of trouble', () => store.payTroubles.at(-1) === undefined);
	await store.close();
});

it('a nonce that was counted and is then unknown is used up by an empty transaction', async () => {
	const { key, address } = await fundedAccount(chain);
	let isCounted = true;
	const wrapPaying = bent((plain) => ({
		transactionCount: async (from, at) =>
			(await plain.transactionCount(from, at)) + (isCounted && at === 'pending' ? 1 : 0),
	}));
	const store = await openChainStore(stores, chain, { key, wrapPaying });
	const before = await chain.submissions();
	const content = prng.bytes(700);
	await store.upload(content, 'n');
	await until('the transaction', () => store.sent.some(({ nonce }) => nonce === 1));
	isCounted = false;
	await until('it to be said', () => store.payTroubles.at(-1)?.startsWith('NONCE_GAP') === true);
	await mining('the file', () => isFile(store, content));
	await assertFile(store, content, 'n');
	assert.deepEqual(
		store.sent.map(({ nonce, submissions }) => [nonce, submissions]),
		[
			[1, 1],
			[0, 0],
		],
	);
	assert.equal((await chain.submissions()) - before, 1);
	assert.equal(await chain.client.getTransactionCount({ address }), 2);
	await mining('nothing left', () => store.payTroubles.at(-1) === undefined);
	const { dataDir } = store;
	await chain.mine(SETTLED_BLOCKS);
	await store.close();
	const again = await openChainStore(stores, chain, { key }, dataDir);
	await chain.mine(1);
	await again.close();
	assert.deepEqual([again.sent, again.died, store.died], [[], [], []]);
	assert.equal(await chain.client.getTransactionCount({ address, blockTag: 'pending' }), 2);
});

it('what somebody else submits while a transaction is on its way is not paid for a second time', async () => {
	const { key, address } = await fundedAccount(chain);
	const closed = new Gate();
	const store = await openChainStore(stores, chain, { key, wrapPaying: closed.bend });
	const [theirs, own] = [prng.bytes(900), prng.bytes(901)];
	const before = await chain.submissions();
	await store.upload(theirs, 'theirs');
	await until('a signed transaction', () => closed.tried > 0);
	await chain.submit([theirs]);
	await until('their submission', () => isFile(store, theirs));
	await until('an empty one', () => store.sent.some(({ isAgain, submissions }) => isAgain && submissions === 0));
	closed.isOpen = true;
	await store.upload(own, 'own');
	await mining('the own one', () => isFile(store, own));
	assert.equal(await chain.client.getTransactionCount({ address }), 2);
	assert.equal((await chain.submissions()) - before, 2);
	await assertFile(store, theirs, 'theirs');
	await assertFile(store, own, 'own');
	await store.close();
});

it('what somebody else submits while it is being signed is not paid for', async () => {
	const { key, address } = await fundedAccount(chain);
	const content = prng.bytes(5000);
	let submitting = async (): Promise<void> => {
		submitting = () => Promise.resolve();
		await chain.submit([content]);
		await until('the file', () => isFile(store, content));
	};
	const wrapPaying = bent((plain) => ({
		async balance(of) {
			await submitting();
			return await plain.balance(of);
		},
	}));
	const store = await openChainStore(stores, chain, { key, wrapPaying });
	const { awaited } = await store.upload(content, 'n');
	await awaited?.placed;
	await chain.mine(2);
	await assertFile(store, content, 'n');
	await store.close();
	assert.deepEqual(store.sent, []);
	assert.equal(await chain.client.getTransactionCount({ address, blockTag: 'pending' }), 0);
});

it('a transaction that is mined is not taken for dead while the node has not read its block', async () => {
	const { key, address } = await fundedAccount(chain);
	await chain.mine(2 * SETTLED_BLOCKS);
	let isHeld = false;
	let heldAt = 0;
	const store = await openChainStore(stores, chain, {
		key,
		wrapReader: (reader) => bentReader(reader, { head: async () => (isHeld ? heldAt : await reader.head()) }),
	});
	const content = prng.bytes(2500);
	await store.upload(content, 'n');
	await until('the transaction', async () => {
		return (await chain.client.getTransactionCount({ address, blockTag: 'pending' })) === 1;
	});
	heldAt = Number(await chain.client.getBlockNumber({ cacheTime: 0 }));
	isHeld = true;
	await chain.mine(3 * SETTLED_BLOCKS);
	// Looked after many times.
	const lookedAt = Date.now();
	await until('some looks', () => Date.now() - lookedAt > 500);
	assert.deepEqual([store.died, store.sent.length], [[], 1]);
	isHeld = false;
	await until('the file', () => isFile(store, content));
	await assertFile(store, content, 'n');
	assert.deepEqual([store.died, store.sent.length], [[], 1]);
	await store.close();
});

it('an upload that others have submitted is paid for here when the chain takes that back and it does not come again', async () => {
	const { key, address } = await fundedAccount(chain);
	const store = await openChainStore(stores, chain, { key });
	const content = prng.bytes(66_000);
	await chain.mine(1);
	const before = await chain.client.snapshot();
	await chain.submit([content]);
	await until('the submission', async () => (await store.files.fileByRoot(rootOf(content))) !== undefined);
	const { existed, awaited } = await store.upload(content, 'n');
	assert.deepEqual([existed, awaited], [false, undefined]);
	await assertFile(store, content, 'n');
	await chain.client.revert({ id: before });
	await chain.mine(2);
	await until('the revert', () => store.reverts.length === 1);
	// Whoever submitted it may do so again.
	assert.deepEqual(store.sent, []);
	await mining('the file again', () => isFile(store, content));
	await assertFile(store, content, 'n');
	assert.equal(store.sent.length, 1);
	assert.equal(await chain.client.getTransactionCount({ address }), 1);
	await store.close();
});

it('a transaction that gas has become too dear for waits, and says so', async () => {
	const { key, address } = await fundedAccount(chain);
	const { baseFeePerGas } = await chain.client.getBlock();
	const bound = 3n * (baseFeePerGas ?? parseGwei('1')) + parseGwei('3');
	const store = await openChainStore(stores, chain, { key, mostForGas: bound });
	const content = prng.bytes(1200);
	const before = await chain.submissions();
	await store.upload(content, 'n');
	await until('the transaction', async () => {
		return (await chain.client.getTransactionCount({ address, blockTag: 'pending' })) === 1;
	});
	await chain.client.setNextBlockBaseFeePerGas({ baseFeePerGas: bound * 4n });
	await chain.mine(1);
	await until('it to be said', () => store.payTroubles.at(-1)?.startsWith('GAS_TOO_DEAR') === true);
	assert.equal((await chain.submissions()) - before, 0);
	// It becomes cheaper with each empty block.
	await mining('the file', () => isFile(store, content));
	await assertFile(store, content, 'n');
	await mining('the end of trouble', () => store.payTroubles.at(-1) === undefined);
	assert.equal((await chain.submissions()) - before, 1);
	await store.close();
});
