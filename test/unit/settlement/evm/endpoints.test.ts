/** Endpoints that fail, lag, or do not tell all: nothing is skipped, and it is always said what is waited for. */
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, describe, it, type TestContext } from 'node:test';
import { fileRoot } from '../../../../src/native/addon.js';
import { ChainError, RangeTooLargeError } from '../../../../src/settlement/evm/chain-reader.js';
import { Endpoints } from '../../../../src/settlement/evm/endpoints.js';
import { ViemPaying } from '../../../../src/settlement/evm/viem-paying.js';
import { hexOf, type DataRoot, type TxSeq } from '../../../../src/units.js';
import { startChain, type TestChain } from '../../../support/chain.js';
import { bentReader, caughtUp, openChainStore, until, type ChainStore } from '../../../support/chain-store.js';
import { Prng } from '../../../support/prng.js';
import { put, readBack, useTestStores } from '../../../support/test-store.js';

const stores = useTestStores();
const BLOCKS = 40;

/** Answers every request with a page for people. */
async function webPage(): Promise<{ readonly server: Server; readonly url: string }> {
	const server = createServer((request, response) => {
		request.resume();
		response.writeHead(429, { 'Content-Type': 'text/html' }).end('<html>Too many requests</html>');
	});
	await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
	return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

describe('a chain of forty submissions', () => {
	let chain: TestChain;
	before(async () => {
		chain = await startChain();
		for (let block = 0; block < BLOCKS; block++) await chain.fill(1, 1);
		await chain.mine(50);
	});
	after(() => chain.stop());

	async function assertWhole(store: ChainStore): Promise<void> {
		await until('all submissions', () => store.settlement.flow().submissions === BLOCKS);
		await caughtUp(store, chain);
		assert.equal(hexOf(store.settlement.flow().root), await chain.flowRootAfter(BLOCKS - 1));
	}

	it('is followed past endpoints that are dead or answer with web pages', async () => {
		const page = await webPage();
		const store = await openChainStore(stores, chain, { endpoints: ['http://127.0.0.1:9', page.url, chain.url] });
		await assertWhole(store);
		await store.close();
		page.server.close();
	});

	for (const refused of [
		new RangeTooLargeError('exceeds the max limit of 5'),
		new ChainError('words that nobody knows'),
	])
		it(`is followed where ranges are refused until they are small: ${refused.message}`, async () => {
			const sizes: number[] = [];
			const store = await openChainStore(stores, chain, {
				wrapReader: (reader) =>
					bentReader(reader, {
						async submissions(from, to) {
							sizes.push(to + 1 - from);
							if (to - from >= 5) throw refused;
							return reader.submissions(from, to);
						},
					}),
			});
			await until('a part', () => sizes.some((size) => size <= 5));
			await until('most of it', () => store.settlement.flow().submissions > 20);
			await store.close();
		});

	it('is left at once by a node that stops, however silent its endpoint is', async () => {
		const sockets: Socket[] = [];
		const silent = createTcpServer((socket) => void sockets.push(socket));
		await new Promise<void>((resolve) => void silent.listen(0, '127.0.0.1', resolve));
		const dataDir = await stores.newDirectory();
		let store = await openChainStore(stores, chain, {}, dataDir);
		await assertWhole(store);
		await store.close();
		const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
		store = await openChainStore(stores, chain, { endpoints: [url], timeoutMs: 600_000 }, dataDir);
		await until('a question', () => sockets.length > 0);
		await store.close();
		assert.deepEqual(store.troubles, []);
		for (const socket of sockets) socket.destroy();
		silent.close();
	});

	it('is read again where logs were left out, and no submission is skipped', async () => {
		let left = 0;
		const store = await openChainStore(stores, chain, {
			pageBlocks: 10,
			wrapReader: (reader) =>
				bentReader(reader, {
					async submissions(from, to) {
						const found = await reader.submissions(from, to);
						// An endpoint that lags behind its head, for a while.
						if (left >= 4 || !found.some(({ txSeq }) => txSeq > 15)) return found;
						left++;
						return found.filter(({ txSeq }) => txSeq < 15 || txSeq > 17);
					},
				}),
		});
		await assertWhole(store);
		assert.equal(left, 4);
		assert.ok(store.troubles.some((trouble) => trouble?.code === 'CHAIN_GAP'));
		assert.equal(store.troubles.at(-1), undefined, 'it went on again');
		await store.close();
	});

	it('is not mistaken for another one: an endpoint of another chain is passed over, and alone takes nothing back', async () => {
		const other = await startChain(5);
		await other.fill(3, 1);
		await other.mine(100);
		const dataDir = await stores.newDirectory();
		let store = await openChainStore(stores, chain, {}, dataDir);
		await assertWhole(store);
		await store.close();
		store = await openChainStore(stores, chain, { endpoints: [other.url, chain.url] }, dataDir);
		await chain.mine(1);
		await assertWhole(store);
		await store.close();
		store = await openChainStore(stores, chain, { endpoints: [other.url] }, dataDir);
		await until('trouble', () => store.sync.trouble !== undefined);
		assert.match(store.sync.trouble?.message ?? '', /it is of chain 5, this node follows 31337/);
		assert.equal(store.settlement.flow().submissions, BLOCKS);
		assert.deepEqual(store.reverts, []);
		await store.close();
		await other.stop();
	});

	it('keeps a block that half of the endpoints still have', async () => {
		let isOdd = false;
		const store = await openChainStore(stores, chain, {
			wrapReader: (reader) =>
				bentReader(reader, {
					async block(number) {
						const block = await reader.block(number);
						return block && isOdd ? { ...block, hash: new Uint8Array(32).fill(3) } : block;
					},
					opinions: async (number) => [(await reader.block(number))?.hash, new Uint8Array(32).fill(3)],
				}),
		});
		await assertWhole(store);
		isOdd = true;
		await until('trouble', () => store.sync.trouble !== undefined);
		assert.match(store.sync.trouble?.message ?? '', /disagree about block \d+: 1 of 2 have/);
		isOdd = false;
		await until('its end', () => store.sync.trouble === undefined);
		assert.deepEqual(store.reverts, []);
		await store.close();
	});

	it('is not believed where the newest logs are missing', async () => {
		let isLagging = true;
		const store = await openChainStore(stores, chain, {
			pageBlocks: 1000,
			wrapReader: (reader) =>
				bentReader(reader, {
					async submissions(from, to) {
						const found = await reader.submissions(from, to);
						return isLagging ? found.filter(({ txSeq }) => txSeq < BLOCKS) : found;
					},
				}),
		});
		await assertWhole(store);
		await chain.fill(1, 1);
		await until('trouble', () => store.sync.trouble !== undefined);
		assert.match(store.sync.trouble?.message ?? '', /the contract has 41 submissions .* the logs show 40/);
		assert.equal(store.settlement.flow().submissions, BLOCKS);
		assert.ok(store.files.health().some(({ code, ready }) => code === 'CHAIN_GAP' && ready));
		isLagging = false;
		await until('the submission', () => store.settlement.flow().submissions === BLOCKS + 1);
		assert.equal(store.sync.trouble, undefined);
		await store.close();
	});

	it('ends to be followed when its flow root is another one; reads go on', async () => {
		const store = await openChainStore(stores, chain, {
			wrapReader: (reader) =>
				bentReader(reader, {
					flowRootAfter: async () => new Uint8Array(32).fill(1),
					flowRootOpinions: async () => [new Uint8Array(32).fill(1)],
				}),
		});
		await until('trouble', () => store.sync.trouble?.isFinal === true);
		assert.equal(store.sync.trouble?.code, 'CHAIN_MISMATCH');
		assert.ok(store.files.health().some(({ code, ready }) => code === 'CHAIN_MISMATCH' && !ready));
		assert.equal((await store.files.fileBySeq(3 as TxSeq))?.txSeq, 3);
		await store.close();
	});
});

it('a flow root that is asked for while the chain takes blocks back is no reason to stop', async () => {
	const own = await startChain();
	const prng = new Prng(99);
	const [first, second] = [prng.bytes(700), prng.bytes(800)];
	let isAsked = false;
	let goOn = (): void => undefined;
	const changed = new Promise<void>((resolve) => (goOn = resolve));
	const store = await openChainStore(stores, own, {
		wrapReader: (reader) =>
			bentReader(reader, {
				async flowRootOpinions(txSeq: number) {
					isAsked = true;
					await changed;
					return reader.flowRootOpinions(txSeq);
				},
			}),
	});
	await own.submit([first]);
	await own.mine(3);
	await until('the question', () => isAsked);
	await own.rollBack(4);
	await own.submit([second]);
	goOn();
	await until('the trouble', () => store.troubles.at(-1)?.code === 'CHAIN_BEHIND');
	await own.mine(6);
	await until('the other branch', () => store.reverts.length > 0 && store.sync.trouble === undefined);
	await caughtUp(store, own);
	assert.equal((await store.files.fileBySeq(0 as TxSeq))?.root, hexOf(fileRoot(second).root));
	assert.ok(store.troubles.every((trouble) => trouble?.isFinal !== true));
	await store.close();
	await own.stop();
});

describe('content of a node that follows a chain', () => {
	let chain: TestChain;
	before(async () => {
		chain = await startChain();
	});
	after(() => chain.stop());
	const prng = new Prng(9);

	it('becomes a file under the submission that the chain shows', async () => {
		const store = await openChainStore(stores, chain);
		for (const content of [prng.bytes(1000), prng.bytes(900_000)]) {
			const block = await chain.submit([content]);
			await until('its submission', () => store.settlement.flow().blockNumber >= block);
			const { submissions } = store.settlement.flow();
			const { txSeq, existed } = await put(store, content, { name: 'paid elsewhere' });
			assert.deepEqual([txSeq, existed], [submissions - 1, false]);
			assert.equal((await store.files.fileBySeq(txSeq))?.finalized, true);
			assert.ok(Buffer.from(await readBack(store, { txSeq })).equals(content));
		}
		await store.close();
	});

	it('that comes first is kept, and a file as soon as the chain shows it, also under a submission that comes again', async () => {
		const store = await openChainStore(stores, chain);
		await caughtUp(store, chain);
		for (const content of [prng.bytes(1000), prng.bytes(900_000)]) {
			const { txSeq, awaited } = await store.upload(content, 'kept');
			assert.deepEqual([txSeq, awaited?.placed], [undefined, undefined]);
			const root = hexOf(fileRoot(content).root) as DataRoot;
			assert.equal(await store.files.fileByRoot(root), undefined);
			await chain.submit([content]);
			await until('the file', async () => (await store.files.fileByRoot(root))?.finalized === true);
			const file = await store.files.fileByRoot(root);
			assert.equal(file?.name, 'kept');
			const first = file.txSeq;
			assert.ok(Buffer.from(await readBack(store, { txSeq: first })).equals(content));
			// Its block is taken back; another submission stands in its place, and then it comes again.
			await chain.rollBack(1);
			await chain.submit([prng.bytes(100)]);
			await chain.submit([content]);
			await until('the file again', async () => (await store.files.fileByRoot(root))?.txSeq === first + 1);
			const again = await store.files.fileByRoot(root);
			assert.deepEqual([again?.finalized, again?.name], [true, 'kept']);
			assert.ok(Buffer.from(await readBack(store, { txSeq: (first + 1) as TxSeq })).equals(content));
		}
		await store.close();
	});
});

describe('what paying asks of endpoints', () => {
	/** Answers as the chain does, but for some methods. */
	async function endpointOf(t: TestContext, answers: Readonly<Record<string, object>>): Promise<string> {
		const server = createServer((request, response) => {
			void text(request).then((body) => {
				const { id, method } = JSON.parse(body) as { readonly id: number; readonly method: string };
				const answer = answers[method] ?? { error: { code: -32_000, message: 'nobody expects it' } };
				response.end(JSON.stringify({ jsonrpc: '2.0', id, ...answer }));
			});
		});
		await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
		t.after(() => server.close());
		return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
	}

	function payingOver(urls: readonly string[]): ViemPaying {
		const endpoints = new Endpoints({ urls, timeoutMs: 5000, nowMs: () => Date.now() });
		return new ViemPaying(endpoints, `0x${'11'.repeat(20)}`);
	}

	it('a method that not all of them have is done without, and the endpoint is asked on', async (t) => {
		const missing = { error: { code: -32_601, message: 'the method eth_maxPriorityFeePerGas does not exist' } };
		const own = { eth_getBlockByNumber: { result: { baseFeePerGas: '0x64' } }, eth_gasPrice: { result: '0x6e' } };
		const first = await endpointOf(t, { ...own, eth_maxPriorityFeePerGas: missing });
		const second = await endpointOf(t, { eth_gasPrice: { result: '0xffff' }, eth_maxPriorityFeePerGas: missing });
		const chain = payingOver([first, second]);
		for (let times = 0; times < 3; times++)
			assert.deepEqual(await chain.gasPrices(), { most: 210n, tip: 10n, base: 100n });
	});

	it('an endpoint that lacks the newest block does not make submissions free', async (t) => {
		const behind = { error: { code: -32_000, message: 'header not found' } };
		const chain = payingOver([await endpointOf(t, { eth_call: behind })]);
		await assert.rejects(chain.pricePerSector(), /header not found/);
		const none = payingOver([await endpointOf(t, { eth_call: { error: { code: 3, message: 'execution reverted' } } })]);
		assert.equal(await none.pricePerSector(), 0n);
	});
});
