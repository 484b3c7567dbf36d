/** Several endpoints of which one is wrong: the node follows the chain all the same, as most of them have it, and says what does not fit. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Hex } from 'viem';
import { PerigeeError } from '../../../../src/errors.js';
import { LIMITS } from '../../../../src/limits.js';
import { hexOf, type TxSeq } from '../../../../src/units.js';
import { startChain, type TestChain } from '../../../support/chain.js';
import { chainProxy, type Bend, type ChainProxy, type Rule } from '../../../support/chain-proxy.js';
import { caughtUp, openChainStore, until, type ChainStore } from '../../../support/chain-store.js';
import { Prng } from '../../../support/prng.js';
import { useTestStores } from '../../../support/test-store.js';

// Lower, so that a test need not wait.
Object.assign(LIMITS, { chainStaleMs: 100 });

const stores = useTestStores();
const prng = new Prng(0xe9d);
const NUMBER = /^0x[0-9a-f]+$/;
const asNumber = (value: unknown): number => (typeof value === 'string' && NUMBER.test(value) ? Number(value) : 0);

type Log = Readonly<Record<string, string>>;

const changedLogs =
	(change: (log: Log) => Log): Rule =>
	(method) =>
		method === 'eth_getLogs' ? { change: (logs) => (logs as readonly Log[]).map(change) } : undefined;

/** Answers one method so. */
const says =
	(method: string, bend: Bend): Rule =>
	(asked) =>
		asked === method ? bend : undefined;

const isRootCall = ([call]: readonly unknown[]): boolean =>
	(call as { readonly data?: string } | undefined)?.data?.startsWith('0x6d7ad0fc') === true;

describe('of several endpoints', () => {
	let chain: TestChain;
	const proxies: ChainProxy[] = [];
	before(async () => {
		chain = await startChain();
		await chain.fill(3, 1);
	});
	after(async () => {
		for (const proxy of proxies) proxy.close();
		await chain.stop();
	});

	async function endpoints(count: number): Promise<readonly ChainProxy[]> {
		const made = await Promise.all(Array.from({ length: count }, () => chainProxy(chain.url)));
		proxies.push(...made);
		return made;
	}

	async function assertFollowed(store: ChainStore): Promise<void> {
		const submissions = await chain.submissions();
		const root = await chain.flowRootAfter(submissions - 1);
		const isThere = (): boolean => {
			const flow = store.settlement.flow();
			return flow.submissions === submissions && hexOf(flow.root) === root && store.sync.trouble === undefined;
		};
		await until('the flow of the chain', isThere, 12_000).catch((error: unknown) => {
			const troubles = store.troubles.slice(-3).map((trouble) => trouble?.message);
			throw new Error(`${(error as Error).message}: ${submissions}, ${JSON.stringify(troubles)}`);
		});
	}

	const zeros: Hex = `0x${'00'.repeat(32)}`;
	const faults: readonly (readonly [string, Rule])[] = [
		['an empty body', () => ({ body: '' })],
		['an object that is no answer', () => ({ body: '{}' })],
		['a list', () => ({ body: '[]' })],
		['a web page', () => ({ body: '<html>Bad gateway</html>', status: 502 })],
		['no head', says('eth_blockNumber', { result: null })],
		['words as head', says('eth_blockNumber', { result: 'soon' })],
		['a head without end', says('eth_blockNumber', { result: `0x${'f'.repeat(40)}` })],
		['a head far ahead', says('eth_blockNumber', { result: '0xffffffff' })],
		['no logs', says('eth_getLogs', { result: null })],
		['logs left out', says('eth_getLogs', { result: [] })],
		['broken logs', changedLogs((log) => ({ ...log, data: '0x12' }))],
		['logs of another contract', changedLogs((log) => ({ ...log, address: `0x${'77'.repeat(20)}` }))],
		['logs of other blocks', changedLogs((log) => ({ ...log, blockNumber: '0x1' }))],
		['submissions that are none of the chain', changedLogs((log) => ({ ...log, data: withRoot(log['data'] ?? '') }))],
		['submissions at another place', changedLogs((log) => ({ ...log, data: elsewhere(log['data'] ?? '') }))],
		['no blocks', says('eth_getBlockByNumber', { result: null })],
		['half a block', says('eth_getBlockByNumber', { result: { number: '0x5' } })],
		['another block', says('eth_getBlockByNumber', { result: { number: '0x5', hash: zeros, parentHash: zeros } })],
		['another count', says('eth_call', { result: zeros })],
		[
			'another flow root',
			(method, params) =>
				method === 'eth_call' && isRootCall(params) ? { result: `0x${'77'.repeat(32)}` } : undefined,
		],
		['no code', says('eth_getCode', { result: '0x' })],
		['nothing about code', says('eth_getCode', { error: { code: -32_601, message: 'the method does not exist' } })],
		['another chain', says('eth_chainId', { result: '0x1' })],
	];

	/** A submission event with another root in its first node. */
	function withRoot(data: string): string {
		return `${data.slice(0, -128)}${'77'.repeat(32)}${data.slice(-64)}`;
	}

	/** A submission event with another first sector. */
	function elsewhere(data: string): string {
		return `${data.slice(0, 66)}${'77'.padStart(64, '0')}${data.slice(130)}`;
	}

	for (const [what, rule] of faults)
		it(`the first answers ${what}: the chain is followed`, async () => {
			const [first, second] = (await endpoints(2)) as [ChainProxy, ChainProxy];
			const dataDir = await stores.newDirectory();
			let store = await openChainStore(stores, chain, { endpoints: [first.url, second.url] }, dataDir);
			await assertFollowed(store);
			first.rule = rule;
			await chain.fill(2, 1);
			await chain.mine(1);
			await assertFollowed(store);
			await store.close();
			store = await openChainStore(stores, chain, { endpoints: [first.url, second.url] }, dataDir);
			await chain.fill(1, 1);
			await assertFollowed(store);
			assert.ok(store.troubles.every((trouble) => trouble?.isFinal !== true));
			await store.close();
		});

	it('one stands still while the others go on: it is left', async () => {
		const [first, second] = (await endpoints(2)) as [ChainProxy, ChainProxy];
		const store = await openChainStore(stores, chain, { endpoints: [first.url, second.url] });
		await assertFollowed(store);
		const head = Number(await chain.client.getBlockNumber({ cacheTime: 0 }));
		first.rule = (method, [number]) => {
			if (method === 'eth_blockNumber') return { result: `0x${head.toString(16)}` };
			return method === 'eth_getBlockByNumber' && asNumber(number) > head ? { result: null } : undefined;
		};
		await chain.fill(3, 1);
		await chain.mine(40);
		await assertFollowed(store);
		await store.close();
	});

	it('one is on a branch of its own: it is left, and nothing is taken back', async () => {
		const [first, second, third] = (await endpoints(3)) as [ChainProxy, ChainProxy, ChainProxy];
		const urls = [first.url, second.url, third.url];
		const store = await openChainStore(stores, chain, { endpoints: urls });
		// Of the blocks behind its own, one could be taken and taken back as long as it holds no submission.
		await caughtUp(store, chain);
		first.rule = says('eth_getBlockByNumber', {
			change: (block) => block && { ...block, hash: `0x${'99'.repeat(32)}` },
		});
		await chain.fill(1, 1);
		await assertFollowed(store);
		assert.deepEqual(store.reverts, []);
		assert.match(
			String(store.troubles.map((trouble) => trouble?.message)),
			/2 of 3 have the one that was taken|does not follow/,
		);
		await store.close();
	});

	it('the only one has left submissions out while they were read: they are found when it shows them', async () => {
		const [only] = (await endpoints(1)) as [ChainProxy];
		let store = await openChainStore(stores, chain, { endpoints: [only.url] });
		await assertFollowed(store);
		const { dataDir } = store;
		// One of several behind one address, which has neither logs nor state of the newest blocks.
		only.rule = (method, [, block]) => {
			if (method === 'eth_getLogs') return { result: [] };
			return method === 'eth_call' && block !== 'latest'
				? { error: { code: -32_000, message: 'header not found' } }
				: undefined;
		};
		await chain.fill(2, 1);
		const head = Number(await chain.client.getBlockNumber({ cacheTime: 0 }));
		await until('the blocks', () => store.settlement.flow().blockNumber >= head);
		only.rule = () => undefined;
		await assertFollowed(store);
		await store.close();
		store = await openChainStore(stores, chain, { endpoints: [only.url] }, dataDir);
		await assertFollowed(store);
		await store.close();
	});

	it('none answers for more than five blocks: near the head, too, it is asked for fewer', async () => {
		const made = await endpoints(2);
		for (const proxy of made)
			proxy.rule = (method, [filter]) => {
				const { fromBlock, toBlock } = (filter ?? {}) as { readonly fromBlock?: string; readonly toBlock?: string };
				const isTooLarge = method === 'eth_getLogs' && asNumber(toBlock) - asNumber(fromBlock) >= 5;
				return isTooLarge
					? { error: { code: -32_600, message: 'You can make eth_getLogs requests with up to a 5 block range.' } }
					: undefined;
			};
		await chain.fill(4, 1);
		await chain.mine(60);
		const store = await openChainStore(stores, chain, { endpoints: made.map(({ url }) => url) });
		await assertFollowed(store);
		await chain.fill(2, 1);
		await chain.mine(25);
		await assertFollowed(store);
		await store.close();
	});

	it('most say that the flow is another one: that ends it, is said after a restart too, and nothing more is taken', async () => {
		const made = await endpoints(3);
		const urls = made.map(({ url }) => url);
		let store = await openChainStore(stores, chain, { endpoints: urls });
		await assertFollowed(store);
		for (const proxy of made.slice(1))
			proxy.rule = (method, params) =>
				method === 'eth_call' && isRootCall(params) ? { result: `0x${'66'.repeat(32)}` } : undefined;
		await store.close();
		for (let pass = 0; pass < 2; pass++) {
			const { submissions: known } = store.settlement.flow();
			store = await openChainStore(stores, chain, { endpoints: urls.toReversed() }, store.dataDir);
			await until('the end', () => store.sync.trouble?.isFinal === true);
			// Before anything new is taken.
			assert.match(store.troubles[0]?.message ?? '', new RegExp(`^after submission ${known - 1} `));
			assert.equal(store.sync.trouble?.code, 'CHAIN_MISMATCH');
			// All was read again before.
			const { submissions } = store.settlement.flow();
			assert.equal(submissions, await chain.submissions());
			await chain.fill(1, 1);
			assert.equal(store.settlement.flow().submissions, submissions);
			assert.ok(await store.files.fileBySeq(0 as TxSeq));
			await store.close();
		}
	});

	it('one has shown a wrong submission once, and the node stopped then: the others put it right after the restart', async () => {
		const [first, second, third] = (await endpoints(3)) as [ChainProxy, ChainProxy, ChainProxy];
		let store = await openChainStore(stores, chain, { endpoints: [first.url, second.url, third.url] });
		await assertFollowed(store);
		first.rule = changedLogs((log) => ({ ...log, data: withRoot(log['data'] ?? '') }));
		await chain.fill(1, 1);
		const submissions = await chain.submissions();
		await until('the submission', () => store.settlement.flow().submissions === submissions);
		await store.close();
		store = await openChainStore(stores, chain, { endpoints: [second.url, third.url] }, store.dataDir);
		await assertFollowed(store);
		assert.ok(store.troubles.every((trouble) => trouble?.isFinal !== true));
		await store.close();
	});

	it('one has shown a wrong first submission: all is read again from the others', async () => {
		const [first, second, third] = (await endpoints(3)) as [ChainProxy, ChainProxy, ChainProxy];
		const urls = [first.url, second.url, third.url];
		first.rule = says('eth_getLogs', {
			change: (logs) => {
				const [log, ...others] = logs as readonly Log[];
				return log ? [{ ...log, data: withRoot(log['data'] ?? '') }, ...others] : [];
			},
		});
		const store = await openChainStore(stores, chain, { endpoints: urls });
		await assertFollowed(store);
		assert.ok(store.troubles.every((trouble) => trouble?.isFinal !== true));
		await store.close();
	});

	it('one shows wrong submissions, is asked first again before they were read again, and the other fails meanwhile', async () => {
		const [first, second] = (await endpoints(2)) as [ChainProxy, ChainProxy];
		first.rule = changedLogs((log) => ({ ...log, data: withRoot(log['data'] ?? '') }));
		let failures = 0;
		second.rule = (method) => (method === 'eth_getLogs' && failures++ % 3 < 2 ? { body: '' } : undefined);
		const options = { endpoints: [first.url, second.url], endpointMs: () => 1e4 * Date.now() };
		const store = await openChainStore(stores, chain, options);
		await assertFollowed(store);
		assert.ok(store.troubles.every((trouble) => trouble?.isFinal !== true));
		await store.close();
	});

	it('one shows a wrong submission and calls every flow root wrong from then on: the others put it right', async () => {
		const [first, second] = (await endpoints(2)) as [ChainProxy, ChainProxy];
		const store = await openChainStore(stores, chain, { endpoints: [first.url, second.url] });
		await assertFollowed(store);
		await caughtUp(store, chain);
		const { submissions } = store.settlement.flow();
		const wrongLogs = changedLogs((log) => ({ ...log, data: withRoot(log['data'] ?? '') }));
		const isTaken = (): boolean => store.settlement.flow().submissions > submissions;
		first.rule = (method, params) =>
			method === 'eth_call' && isRootCall(params) && isTaken()
				? { result: `0x${'77'.repeat(32)}` }
				: wrongLogs(method, params);
		const readFrom: number[] = [];
		second.rule = (method, [filter]) => {
			if (method === 'eth_getLogs') readFrom.push(asNumber((filter as { readonly fromBlock?: string }).fromBlock));
			return undefined;
		};
		await chain.fill(1, 1);
		await assertFollowed(store);
		// What is right stays.
		assert.ok(Math.min(...readFrom) > 1);
		assert.ok(store.troubles.every((trouble) => trouble?.isFinal !== true));
		await store.close();
	});

	for (const count of [2, 3])
		it(`one of ${count} shows a branch that is longer than the chain, and fits in itself`, async () => {
			const made = await endpoints(count);
			const [first] = made as [ChainProxy];
			const store = await openChainStore(stores, chain, { endpoints: made.map(({ url }) => url) });
			await assertFollowed(store);
			await caughtUp(store, chain);
			const { submissions, blockNumber, blockHash } = store.settlement.flow();
			const hashOf = (number: number): Hex =>
				number === blockNumber ? (hexOf(blockHash) as Hex) : `0x${number.toString(16).padStart(64, '9')}`;
			first.rule = (method, [what]) => {
				if (method === 'eth_blockNumber') return { result: `0x${(blockNumber + 20).toString(16)}` };
				if (method === 'eth_getLogs') return { result: [] };
				if (method === 'eth_call') return { result: `0x${submissions.toString(16).padStart(64, '0')}` };
				const number = asNumber(what);
				if (method !== 'eth_getBlockByNumber' || number <= blockNumber) return undefined;
				const [hash, parentHash] = [hashOf(number), hashOf(number - 1)];
				return { result: { number: what, hash, parentHash, timestamp: '0x1' } };
			};
			await until('the branch is taken', () => store.settlement.flow().blockNumber > blockNumber + 10);
			await chain.fill(2, 1);
			if (count === 2) {
				await until('it is said', () => /1 of 2 endpoints have the block/.test(store.sync.trouble?.message ?? ''));
				first.rule = () => undefined;
			}
			await assertFollowed(store);
			await store.close();
		});

	it('a first block behind the first submission is said, and an earlier one heals it', async () => {
		const head = Number(await chain.client.getBlockNumber({ cacheTime: 0 }));
		const late = { startBlock: head + 1 };
		const store = await openChainStore(stores, chain, late);
		await chain.mine(2);
		await until('trouble', () => /chain\.startBlock may lie behind/.test(store.sync.trouble?.message ?? ''));
		await store.close();
		const again = await openChainStore(stores, chain, { startBlock: 1 }, store.dataDir);
		await assertFollowed(again);
		await again.close();
	});

	it('a new directory begins with none where they are of different chains, or the contract is not there', async () => {
		const [first, second] = (await endpoints(2)) as [ChainProxy, ChainProxy];
		first.rule = says('eth_chainId', { result: '0x1' });
		const isRefusal = (words: RegExp) => (error: unknown) =>
			error instanceof PerigeeError && error.code === 'CONFIG_INVALID' && words.test(error.message);
		const opening = openChainStore(stores, chain, { endpoints: [first.url, second.url] });
		await assert.rejects(opening, isRefusal(/of different chains: 1, 31337/));
		first.rule = says('eth_getCode', { result: '0x' });
		const alone = openChainStore(stores, chain, { endpoints: [first.url] });
		await assert.rejects(alone, isRefusal(/no contract stands at 0x/));
	});

	it('a chain that stands still is said to', async () => {
		const { chainStandstillMs } = LIMITS;
		Object.assign(LIMITS, { chainStandstillMs: 200 });
		const store = await openChainStore(stores, chain);
		await until('it is said', () => store.sync.trouble?.code === 'CHAIN_BEHIND');
		assert.match(store.sync.trouble?.message ?? '', /^no endpoint has shown a block after \d+ since /);
		assert.ok(store.files.health().some(({ code, ready }) => code === 'CHAIN_BEHIND' && ready));
		Object.assign(LIMITS, { chainStandstillMs });
		await chain.submit([prng.bytes(300)]);
		await assertFollowed(store);
		await store.close();
	});
});
