/** Paying for uploads on a real chain: once for each, whatever breaks in between. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createWalletClient, type Hex, http, parseGwei } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { LIMITS } from '../../../../src/limits.js';
import { fileRoot } from '../../../../src/native/addon.js';
import { RefusedError } from '../../../../src/settlement/evm/chain-reader.js';
import { submitCall } from '../../../../src/settlement/evm/submit-call.js';
import { sectorsOf } from '../../../../src/settlement/flow/submission-rules.js';
import { hexOf } from '../../../../src/units.js';
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
const prng = new Prng(0x9a9);
let chain: TestChain;

before(async () => {
	chain = await startChain();
});

after(async () => {
	await chain.stop();
});

const funded = (wei?: bigint) => fundedAccount(chain, wei);
const mining: Mining = (what, holds) => miningUntil(chain, what, holds);

describe('a node without a key', () => {
	it('tells the exact submission and its fee, and has the file with its name once somebody has paid', async () => {
		const store = await openChainStore(stores, chain);
		for (const content of [prng.bytes(1), prng.bytes(700_001)]) {
			const { awaited, existed, root } = await store.upload(content, 'unpaid');
			assert.equal(existed, false);
			const pending = (await awaited?.state()) ?? assert.fail();
			const { nodes } = fileRoot(content);
			const { submission } = pending;
			assert.deepEqual([submission.lengthBytes, submission.tags.length], [BigInt(content.length), 0]);
			const shown = submission.nodes.map(({ root: node, height }) => [hexOf(node), height]);
			assert.deepEqual(
				shown,
				nodes.map(({ root: node, height }) => [hexOf(node), height]),
			);
			assert.equal(pending.fee, sectorsOf(nodes) * chain.price);
			assert.equal(hexOf(pending.flowAddress), chain.flowAddress);
			assert.equal(pending.payment, undefined);
			assert.equal(await store.files.fileByRoot(root), undefined);
			await chain.submit([content]);
			await until('the file', () => isFile(store, content));
			const txSeq = await assertFile(store, content, 'unpaid');
			const again = await store.upload(content, 'again');
			assert.deepEqual([again.txSeq, again.existed], [txSeq, true]);
			await assertFile(store, content, 'again');
		}
		const { dataDir } = store;
		await store.close();
		const rebuilt = await openChainStore(stores, chain, { rebuild: true }, dataDir);
		assert.equal(rebuilt.settlement.flow().submissions, await chain.submissions());
		await rebuilt.close();
	});

	it('keeps the newest name over a restart, a rebuild, and a checkpoint in between', async () => {
		let store = await openChainStore(stores, chain);
		const content = prng.bytes(5000);
		await store.upload(content, 'first');
		await store.checkpoint();
		await store.upload(content, 'second');
		const { dataDir } = store;
		for (const rebuild of [false, true]) {
			await store.close();
			store = await openChainStore(stores, chain, { rebuild }, dataDir);
		}
		await chain.submit([content]);
		await until('the file', () => isFile(store, content));
		const txSeq = await assertFile(store, content, 'second');
		for (const rebuild of [false, true, true]) {
			await store.close();
			store = await openChainStore(stores, chain, { rebuild }, dataDir);
			assert.equal(await assertFile(store, content, 'second'), txSeq);
		}
		await store.close();
	});

	it('does not wait for endpoints that tell no price', async () => {
		const dead = await startChain();
		const store = await openChainStore(stores, dead);
		await dead.stop();
		const pending = await (await store.upload(prng.bytes(300))).awaited?.state();
		assert.ok(pending);
		assert.equal(pending.fee, undefined);
		await store.close();
	});
});

describe('a node with a key', () => {
	it('pays for each upload once, in its own name and with the exact fee', async () => {
		const { key, address } = await funded();
		const store = await openChainStore(stores, chain, { key });
		const before = await chain.submissions();
		for (const content of [prng.bytes(256), prng.bytes(1_000_000)]) {
			const { awaited } = await store.upload(content, 'paid');
			assert.ok(awaited?.placed);
			let isPlaced = false;
			awaited.placed.then(() => (isPlaced = true)).catch(() => undefined);
			await until('the transaction', async () => (await awaited.state()).payment?.transaction !== undefined);
			const same = await store.upload(content, 'paid');
			assert.ok(same.awaited, 'the same again meanwhile');
			await mining('the submission', () => isPlaced);
			const placed = await awaited.placed;
			assert.equal(hexOf(placed.submitter), address.toLowerCase());
			assert.equal(await assertFile(store, content, 'paid'), placed.txSeq);
			assert.equal((await same.awaited.placed)?.txSeq, placed.txSeq);
			const { transactions } = await chain.client.getBlock({ blockNumber: BigInt(placed.blockNumber) });
			const { value } = await chain.client.getTransaction({ hash: transactions.at(-1) as Hex });
			assert.equal(value, sectorsOf(placed.nodes) * chain.price);
		}
		assert.equal((await chain.submissions()) - before, 2);
		assert.deepEqual(
			store.sent.map(({ submissions }) => submissions),
			[1, 1],
		);
		await store.close();
	});

	it('gathers what is wanted at the same time into few transactions', async () => {
		const { key } = await funded();
		const store = await openChainStore(stores, chain, { key });
		const contents = Array.from({ length: 60 }, (_, index) => prng.bytes(200 + index * 97));
		const results = await Promise.all(contents.map((content, index) => store.upload(content, `${index}`)));
		const before = await chain.submissions();
		let placed = 0;
		for (const { awaited } of results) void awaited?.placed?.then(() => placed++);
		await mining('all submissions', () => placed === contents.length);
		for (const [index, content] of contents.entries()) await assertFile(store, content, `${index}`);
		assert.equal((await chain.submissions()) - before, contents.length);
		assert.ok(store.sent.length < contents.length / 4, `${store.sent.length} transactions`);
		assert.ok(store.sent.every(({ submissions }) => submissions <= LIMITS.paymentBatch));
		await store.close();
	});

	it('goes on with the same transaction after a stop before or after it was sent', async () => {
		const { key, address } = await funded();
		const before = await chain.submissions();
		const content = prng.bytes(400_000);
		const closed = new Gate();
		let store = await openChainStore(stores, chain, { key, wrapPaying: closed.bend });
		const { awaited } = await store.upload(content, 'n');
		const stopped = assert.rejects(awaited?.placed ?? Promise.resolve(), { code: 'SHUTTING_DOWN' });
		await until('a signed transaction', () => closed.tried > 0);
		assert.match(store.payTroubles.at(-1) ?? '', /^CHAIN_UNREACHABLE/);
		const { dataDir } = store;
		await store.close();
		await stopped;
		const transactions = () => chain.client.getTransactionCount({ address, blockTag: 'pending' });
		assert.equal(await transactions(), 0);
		// Sent, and not mined when it stops.
		store = await openChainStore(stores, chain, { key }, dataDir);
		await until('the transaction', async () => (await transactions()) === 1);
		assert.deepEqual(store.sent, [], 'it was signed before');
		await store.close();
		store = await openChainStore(stores, chain, { key, rebuild: true }, dataDir);
		await mining('the file', () => isFile(store, content));
		await assertFile(store, content, 'n');
		await chain.mine(2);
		assert.deepEqual([await transactions(), (await chain.submissions()) - before], [1, 1]);
		await store.close();
		// Nothing is left to do.
		store = await openChainStore(stores, chain, { key }, dataDir);
		await chain.mine(1);
		assert.deepEqual([await transactions(), store.sent], [1, []]);
		await store.close();
	});

	it('whose key is taken away and comes back, or is another one, pays for nothing twice', async () => {
		const [first, second] = [await funded(), await funded()];
		const before = await chain.submissions();
		const content = prng.bytes(30_000);
		const closed = new Gate();
		let store = await openChainStore(stores, chain, { key: first.key, wrapPaying: closed.bend });
		const { dataDir } = store;
		const reopen = async (options: Parameters<typeof openChainStore>[2]): Promise<void> => {
			await store.close();
			store = await openChainStore(stores, chain, options, dataDir);
		};
		await store.upload(content, 'n');
		await until('a signed transaction', () => closed.tried > 0);
		// Another account sends what the first one has signed, and signs nothing for it.
		await reopen({ key: second.key });
		const pending = () => chain.client.getTransactionCount({ address: first.address, blockTag: 'pending' });
		await until('the transaction', async () => (await pending()) === 1);
		// It is mined while nobody pays.
		await reopen({});
		await mining('the file', () => isFile(store, content));
		await reopen({ key: first.key });
		await chain.mine(3);
		await until('the head', async () => {
			const head = Number(await chain.client.getBlockNumber({ cacheTime: 0 }));
			return store.settlement.flow().blockNumber === head;
		});
		// What is wanted and not signed is met by somebody else meanwhile.
		const other = prng.bytes(40_000);
		let isDear = true;
		const wrapPaying = bent((plain) => ({
			gasPrices: () => (isDear ? Promise.resolve({ most: 9n, tip: 1n, base: 8n }) : plain.gasPrices()),
		}));
		await reopen({ key: first.key, wrapPaying, mostForGas: 7n });
		await store.upload(other, 'other');
		await until('the trouble', () => store.payTroubles.length > 0);
		await reopen({});
		await chain.submit([other]);
		await until('the other file', () => isFile(store, other));
		isDear = false;
		await reopen({ key: first.key, wrapPaying });
		await store.upload(prng.bytes(100), 'a third');
		await mining('the third', async () => (await chain.submissions()) - before === 3);
		await assertFile(store, content, 'n');
		await assertFile(store, other, 'other');
		assert.equal(await pending(), 2);
		assert.equal(await chain.client.getTransactionCount({ address: second.address }), 0);
		await store.close();
	});

	it('waits until it knows what the chain shows already', async () => {
		const { key, address } = await funded();
		const content = prng.bytes(1000);
		await chain.submit([content]);
		await chain.mine(60);
		let goOn = (): void => undefined;
		const open = new Promise<void>((resolve) => (goOn = resolve));
		const store = await openChainStore(stores, chain, {
			key,
			pageBlocks: 5,
			wrapReader: (reader) =>
				bentReader(reader, {
					async submissions(from, to) {
						await open;
						return reader.submissions(from, to);
					},
				}),
		});
		const { awaited } = await store.upload(content, 'n');
		await until('the trouble', () =>
			store.payTroubles.some((trouble) => /^CHAIN_BEHIND .*still to be read/.test(trouble ?? '')),
		);
		goOn();
		await until('the file', () => isFile(store, content));
		await awaited?.placed;
		await assertFile(store, content, 'n');
		assert.equal(await chain.client.getTransactionCount({ address, blockTag: 'pending' }), 0);
		await store.close();
	});

	it('does not pay for what somebody else submits before it does', async () => {
		const { key, address } = await funded();
		let isDear = true;
		const wrapPaying = bent((plain) => ({
			gasPrices: () => (isDear ? Promise.resolve({ most: 9n, tip: 1n, base: 8n }) : plain.gasPrices()),
		}));
		const store = await openChainStore(stores, chain, { key, wrapPaying, mostForGas: 7n });
		const content = prng.bytes(3000);
		const { awaited } = await store.upload(content, 'theirs');
		await until('the trouble', () => store.payTroubles.at(-1)?.startsWith('GAS_TOO_DEAR') === true);
		assert.match((await awaited?.state())?.payment?.trouble ?? '', /a unit of gas costs 8 wei/);
		await chain.submit([content]);
		await until('the file', () => isFile(store, content));
		await awaited?.placed;
		await assertFile(store, content, 'theirs');
		isDear = false;
		await until('the trouble to end', () => store.payTroubles.at(-1) === undefined);
		assert.equal(await chain.client.getTransactionCount({ address, blockTag: 'pending' }), 0);
		await store.close();
	});

	it('waits for funds, and says so', async () => {
		const { key, address } = await funded(1000n);
		const store = await openChainStore(stores, chain, { key });
		const content = prng.bytes(100_000);
		const { awaited } = await store.upload(content, 'poor');
		await until('the trouble', () => store.payTroubles.length > 0);
		assert.match(store.payTroubles.at(-1) ?? '', /^PAYMENT_REFUSED .*insufficient funds/i);
		assert.equal((await awaited?.state())?.payment?.transaction, undefined);
		await chain.client.setBalance({ address, value: 10n ** 18n });
		await mining('the file', () => isFile(store, content));
		await assertFile(store, content, 'poor');
		assert.equal(store.payTroubles.at(-1), undefined);
		await store.close();
	});

	it('pays anew when another transaction of its account has taken the nonce', async () => {
		const { key, address } = await funded();
		const closed = new Gate();
		const store = await openChainStore(stores, chain, { key, wrapPaying: closed.bend });
		const content = prng.bytes(2000);
		await store.upload(content, 'n');
		await until('a signed transaction', () => closed.tried > 0);
		const wallet = createWalletClient({ account: privateKeyToAccount(key), transport: http(chain.url) });
		await wallet.sendTransaction({ chain: null, to: address, value: 1n, nonce: 0 });
		await chain.mine(1);
		closed.isOpen = true;
		await mining('the file', () => isFile(store, content));
		await assertFile(store, content, 'n');
		assert.deepEqual(store.died, [0]);
		assert.deepEqual(
			store.sent.map(({ nonce }) => nonce),
			[0, 1],
		);
		await store.close();
	});

	it('pays more where gas has become dearer, and still once', async () => {
		const { key, address } = await funded();
		const before = await chain.submissions();
		const store = await openChainStore(stores, chain, { key });
		const content = prng.bytes(2000);
		const { awaited } = await store.upload(content, 'n');
		await until('the transaction', async () => (await awaited?.state())?.payment?.transaction !== undefined);
		const first = hexOf((await awaited?.state())?.payment?.transaction ?? new Uint8Array(0)) as Hex;
		// It is told before it is sent.
		await until(
			'it on its way',
			async () => (await chain.client.getTransactionCount({ address, blockTag: 'pending' })) === 1,
		);
		const { maxFeePerGas = 0n } = await chain.client.getTransaction({ hash: first });
		await chain.client.setNextBlockBaseFeePerGas({ baseFeePerGas: maxFeePerGas * 4n });
		await chain.mine(1);
		await until('a dearer one', () => store.sent.some(({ isAgain }) => isAgain));
		await mining('the file', () => isFile(store, content));
		await assertFile(store, content, 'n');
		assert.equal((await chain.submissions()) - before, 1);
		assert.equal(await chain.client.getTransactionCount({ address }), 1);
		assert.ok(store.sent.every(({ nonce }) => nonce === 0));
		await store.close();
	});

	it('has its transaction on the way again when the chain takes its block back', async () => {
		const { key, address } = await funded();
		const store = await openChainStore(stores, chain, { key });
		const content = prng.bytes(80_000);
		const other = prng.bytes(900);
		await chain.mine(1);
		const { awaited } = await store.upload(content, 'n');
		await mining('the file', () => isFile(store, content));
		const { blockNumber } = (await awaited?.placed) ?? assert.fail();
		const head = Number(await chain.client.getBlockNumber({ cacheTime: 0 }));
		await chain.rollBack(head + 1 - blockNumber);
		await chain.submit([other]);
		// Which of both comes first, nobody knows.
		await mining('the other one', async () => (await store.files.fileByRoot(rootOf(other))) !== undefined);
		await mining('the file again', () => isFile(store, content));
		assert.deepEqual(store.reverts, [1]);
		assert.equal(store.settlement.flow().submissions, await chain.submissions());
		await assertFile(store, content, 'n');
		assert.equal(await chain.client.getTransactionCount({ address }), 1);
		await store.close();
	});

	it('pays for content whose submission the chain takes back just before its upload is written down', async () => {
		const { key } = await funded();
		const [content, other] = [prng.bytes(5000), prng.bytes(6000)];
		let beforeRecord = (): Promise<void> => Promise.resolve();
		let store = await openChainStore(stores, chain, { key, beforeRecord: () => beforeRecord() });
		const before = await chain.client.snapshot();
		await chain.submit([content]);
		await until('the submission', async () => (await store.files.fileByRoot(rootOf(content))) !== undefined);
		beforeRecord = async () => {
			beforeRecord = () => Promise.resolve();
			await chain.client.revert({ id: before });
			await chain.submit([other]);
			await until('the other one', async () => (await store.files.fileByRoot(rootOf(other))) !== undefined);
			assert.equal(await store.files.fileByRoot(rootOf(content)), undefined);
		};
		const { awaited } = await store.upload(content, 'second');
		await mining('the file', () => isFile(store, content));
		assert.equal((await awaited?.placed)?.dataRoot, rootOf(content));
		const { dataDir } = store;
		for (const rebuild of [false, true]) {
			await assertFile(store, content, 'second');
			await store.close();
			store = await openChainStore(stores, chain, { key, rebuild }, dataDir);
		}
		await assertFile(store, content, 'second');
		await store.close();
	});

	it('refuses more than it may owe, and keeps what it was sent', async () => {
		const { key } = await funded(1n);
		const store = await openChainStore(stores, chain, { key });
		const contents = Array.from({ length: LIMITS.payments }, () => prng.bytes(300));
		for (const content of contents) await store.upload(content);
		await assert.rejects(store.upload(prng.bytes(300)), { code: 'OVERLOADED' });
		const known = await store.upload(contents[0] as Uint8Array);
		assert.ok(known.awaited);
		const { dataDir } = store;
		await store.close();
		const again = await openChainStore(stores, chain, { key }, dataDir);
		await assert.rejects(again.upload(prng.bytes(300)), { code: 'OVERLOADED' });
		await again.close();
	});
});

describe('the interfaces of the contract', () => {
	const submissions = [prng.bytes(5), prng.bytes(70_000)].map((content) => {
		const { nodes } = fileRoot(content);
		return { lengthBytes: BigInt(content.length), tags: new Uint8Array(0), nodes };
	});

	it('have the selectors that the field knows', () => {
		const payer = new Uint8Array(20).fill(1);
		const [first] = submissions;
		assert.ok(first);
		const selector = (generation: 'current' | 'old', count: number) =>
			submitCall(generation, submissions.slice(0, count), payer).slice(0, 10);
		assert.deepEqual(
			[selector('current', 1), selector('current', 2), selector('old', 1), selector('old', 2)],
			['0xbc8c11f8', '0x49aa3395', '0xef3e12dc', '0x9e62a38e'],
		);
	});

	it('are told apart before anything is paid', async () => {
		const { key, address } = await funded();
		const raws: Hex[] = [];
		const wrapPaying = bent(() => ({
			estimateGas: (call) =>
				call.data.startsWith('0xef3e12dc')
					? Promise.resolve(100_000n)
					: Promise.reject(new RefusedError('execution reverted')),
			send: (raw) => {
				raws.push(raw);
				return Promise.resolve();
			},
		}));
		const store = await openChainStore(stores, chain, { key, wrapPaying });
		await store.upload(prng.bytes(1000));
		await until('a transaction', () => raws.length > 0);
		assert.ok(raws[0]?.includes('ef3e12dc'));
		assert.equal(await chain.client.getTransactionCount({ address, blockTag: 'pending' }), 0);
		await store.close();
	});

	it('neither of which takes it: what the current one says is the reason', async () => {
		const { key } = await funded();
		const reasons = { '0xbc8c11f8': 'execution reverted: Pausable: paused', '0xef3e12dc': 'execution reverted' };
		const wrapPaying = bent(() => ({
			estimateGas: ({ data }) => Promise.reject(new RefusedError(reasons[data.slice(0, 10) as keyof typeof reasons])),
		}));
		const store = await openChainStore(stores, chain, { key, wrapPaying, mostForGas: parseGwei('100') });
		await store.upload(prng.bytes(1000));
		await until('the trouble', () => store.payTroubles.length > 0);
		assert.equal(store.payTroubles[0], 'PAYMENT_REFUSED execution reverted: Pausable: paused');
		await store.close();
	});
});
