/** Mining on a chain: the real flow contract and contracts of the rules of mining, on a real EVM; what the driver says and sends, and a node that mines. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { toHex, type Hex } from 'viem';
import { mnemonicToAccount } from 'viem/accounts';
import { systemClock } from '../../../../src/io/clock.js';
import { systemRandomness } from '../../../../src/io/randomness.js';
import { HealingStore } from '../../../../src/log-layer/healing-store.js';
import { keccak256, type PoraAnswer } from '../../../../src/native/addon.js';
import { Mining } from '../../../../src/pora/mining.js';
import { wordsOf } from '../../../../src/settlement/evm/mine-contract.js';
import { SealOwners } from '../../../../src/pora/seal-owners.js';
import type { MiningSettlement, MiningWork } from '../../../../src/settlement/mining.js';
import { hexOf } from '../../../../src/units.js';
import { MNEMONIC } from '../../../support/chain.js';
import { openChainStore, type ChainStore, type ChainStoreOptions } from '../../../support/chain-store.js';
import { mineAnswer, type PlacedContent } from '../../../support/flow-miner.js';
import { BASE_REWARD, MOST_SHARDS, startMineChain, type MineChain } from '../../../support/mine-chain.js';
import { Prng } from '../../../support/prng.js';
import { useTestStores } from '../../../support/test-store.js';

const stores = useTestStores();
const DIFFICULTY = 200n;
const LOOK_MS = 5;
/** The second of anvil's accounts has deployed the contracts; the third one mines. */
const { privateKey } = mnemonicToAccount(MNEMONIC, { addressIndex: 2 }).getHdKey();
const KEY = toHex(privateKey ?? new Uint8Array());
const ADDRESS = mnemonicToAccount(MNEMONIC, { addressIndex: 2 }).address;

interface Waiting {
	readonly hash: Hex;
	readonly maxFeePerGas?: Hex;
}

describe('mining on a chain', () => {
	let chain: MineChain;
	let store: ChainStore;
	let mining: MiningSettlement;
	let minerId: Uint8Array;
	let path: string;
	const contents: PlacedContent[] = [];
	const prng = new Prng(0xeb);

	const open = (options: Partial<NonNullable<ChainStoreOptions['mining']>> = {}): Promise<ChainStore> =>
		openChainStore(stores, chain.chain, { mining: { key: KEY, mineAddress: chain.mineAddress, ...options } });

	/** A block comes for each transaction, and none without one, until the work is done: a window lasts as long as it takes. */
	async function mined<T>(working: Promise<T>): Promise<T> {
		let isDone = false;
		const done = working.finally(() => {
			isDone = true;
		});
		while (!isDone) {
			const { pending } = await chain.chain.client.getTxpoolStatus();
			if (pending > 0) await chain.chain.mine(1);
			await Promise.race([done.catch(() => undefined), delay(LOOK_MS)]);
		}
		return done;
	}

	before(async () => {
		chain = await startMineChain(DIFFICULTY);
		path = join(await stores.newDirectory(), 'sealed');
		const files = [prng.bytes(300_000), prng.bytes(900_000)];
		await chain.chain.submit(files);
		const places = await chain.places();
		for (const [index, content] of files.entries()) contents.push({ start: places[index] as number, content });
		store = await open();
		assert.ok(store.settlement.mining);
		mining = store.settlement.mining;
		await chain.nextEpoch();
		minerId = await mined(mining.register());
	});
	after(async () => {
		await store.close();
		await chain.stop();
	});

	async function until<T>(ask: () => Promise<T | undefined>, why: string): Promise<T> {
		for (let tries = 0; tries < 1000; tries++) {
			const answer = await ask();
			if (answer !== undefined) return answer;
			await delay(10);
		}
		return assert.fail(why);
	}

	async function work(): Promise<MiningWork> {
		const now = await mining.work(minerId);
		return 'work' in now ? now.work : assert.fail(`${now.none}: ${now.message}`);
	}

	let lastDigest = '';
	/** Blocks until an epoch that was not seen yet can be mined: there is as much time for answers as there can be. */
	async function nextWindow(): Promise<void> {
		await until(async () => {
			await chain.chain.mine(1);
			const now = await mining.work(minerId);
			const digest = 'work' in now ? hexOf(now.work.context.digest) : lastDigest;
			if (digest === lastDigest) return undefined;
			lastDigest = digest;
			return true;
		}, 'no new epoch');
	}

	/** An answer to the newest epoch, by default to a new one, so that there is time for it. */
	async function newAnswer(isNewEpoch = true): Promise<PoraAnswer> {
		if (isNewEpoch) await nextWindow();
		const owners = new SealOwners(mining);
		return mineAnswer({ work: await work(), minerId, contents, ownerOf: (sector) => owners.of(sector), path, prng });
	}

	it('registers a miner, and says who is paid', async () => {
		assert.deepEqual(Buffer.from(mining.account ?? []).toString('hex'), ADDRESS.slice(2).toLowerCase());
		assert.equal(await mining.beneficiary(keccak256(Buffer.from('nobody'))), undefined);
		const other = await mined(mining.register());
		assert.notEqual(hexOf(other), hexOf(minerId));
		for (const id of [minerId, other])
			assert.equal(hexOf((await mining.beneficiary(id)) ?? new Uint8Array()), ADDRESS.toLowerCase());
		await assert.rejects(mining.work(keccak256(Buffer.from('nobody'))), /MinerId does not registered/);
	});

	it('says what there is to mine, and who owns a seal', async () => {
		const { context, maxShards } = await work();
		assert.ok(context.epoch >= 1);
		assert.equal(maxShards, MOST_SHARDS);
		assert.equal(await mining.sealableLength(), context.flowLength);
		const owner = await mining.sealOwner(15n);
		assert.deepEqual([owner?.start, owner?.end], [0n, context.flowLength]);
		assert.equal(await mining.sealOwner(context.flowLength + 15n), undefined);
	});

	it('has answers accepted and paid for until the epoch has enough, and tells why it goes on no further', async () => {
		const paid = (await mining.rewards(minerId)).waiting;
		await nextWindow();
		for (let index = 0n; index < 8n; index++) {
			const outcome = await mined(mining.answer(await newAnswer(false)));
			assert.ok(outcome.kind === 'accepted', 'reason' in outcome ? outcome.reason : '');
			assert.deepEqual([outcome.epochIndex, outcome.reward], [index, BASE_REWARD]);
			assert.ok(outcome.gasSpent > 0n);
		}
		assert.equal((await mining.rewards(minerId)).waiting, paid + 8n * BASE_REWARD);
		const full = await mining.work(minerId);
		assert.ok('none' in full && full.none === 'quota');
		await nextWindow();
		await until(async () => {
			await chain.chain.mine(1);
			const now = await mining.work(minerId);
			return ('none' in now && now.none === 'noWindow') || undefined;
		}, 'the window never ends');
	});

	it('is refused in the words of the contract, before anything is paid for', async () => {
		const answer = await newAnswer();
		const wrong = { ...answer, sealedData: answer.sealedData.map((byte, at) => (at === 7 ? byte ^ 1 : byte)) };
		const outcome = await mining.answer(wrong);
		assert.ok(outcome.kind === 'refused');
		assert.equal(outcome.reason, 'Inconsistent merkle root');
		assert.equal(outcome.gasSpent, 0n);
		assert.equal(
			wordsOf('eth_call: a: Execution reverted. execution reverted: One; b: execution reverted: Two'),
			'Two',
		);
	});

	it('sends again, dearer, what no block takes, and gives up what is late; neither stands in the way of the next one', async () => {
		const other = await open({ patienceMs: 100 });
		const impatient = other.settlement.mining as MiningSettlement;
		const client = chain.chain.client;
		const sending = impatient.answer(await newAnswer());
		const waiting = async (): Promise<readonly Waiting[]> => {
			const { pending } = await client.getTxpoolContent();
			const own = Object.entries(pending).find(([address]) => address.toLowerCase() === ADDRESS.toLowerCase());
			return Object.values(own?.[1] ?? {}) as readonly Waiting[];
		};
		const first = await until(async () => (await waiting())[0]?.maxFeePerGas, 'nothing was sent');
		await until(async () => {
			const [now] = await waiting();
			return now?.maxFeePerGas !== undefined && BigInt(now.maxFeePerGas) > BigInt(first) ? true : undefined;
		}, 'it was not sent again');
		assert.equal((await waiting()).length, 1, 'in the place of the first');
		await client.dropTransaction({ hash: (await waiting())[0]?.hash ?? '0x' });
		await chain.nextEpoch();
		const outcome = await sending;
		assert.notEqual(outcome.kind, 'accepted');
		const next = await mined(mining.answer(await newAnswer()));
		assert.ok(next.kind === 'accepted', 'reason' in next ? next.reason : '');
		assert.equal(next.reward, BASE_REWARD);
		await other.close();
	});

	it('sends nothing that costs more than is allowed, and nothing without a key', async () => {
		const cheap = await open({ mostForGas: 1n });
		const poor = cheap.settlement.mining as MiningSettlement;
		const outcome = await poor.answer(await newAnswer());
		assert.ok(outcome.kind === 'given up');
		assert.match(outcome.reason, /chain\.maxGasPriceGwei/);
		await cheap.close();
		const none = await openChainStore(stores, chain.chain, { mining: { mineAddress: chain.mineAddress } });
		assert.equal(none.settlement.mining?.account, undefined);
		const unsent = await (none.settlement.mining as MiningSettlement).answer(await newAnswer());
		assert.equal(unsent.kind, 'given up');
		await none.close();
	});

	it('knows another contract when it sees one', async () => {
		const other = await openChainStore(stores, chain.chain, {
			mining: { key: KEY, mineAddress: chain.chain.flowAddress },
		});
		const now = await (other.settlement.mining as MiningSettlement).work(minerId);
		assert.ok('none' in now && now.none === 'version');
		await other.close();
	});

	it('a node stores, seals, mines, and is paid', async () => {
		await nextWindow();
		const node = await open();
		for (const { content } of contents) await node.upload(content);
		const healing = await HealingStore.open({
			open: () => Promise.resolve(node),
			clock: systemClock,
			observer: { healing: () => undefined, healed: () => undefined, failed: () => undefined },
		});
		const control = new Mining({
			healing,
			clock: systemClock,
			randomness: systemRandomness,
			settings: { minerId, cpuPercent: 100, pollMs: 20, sealTranquility: 0, sealsZeros: true },
			threads: 1,
			startSector: 0n,
			observer: {
				standing: () => undefined,
				registered: () => undefined,
				changed: () => undefined,
				answered: () => undefined,
				sealing: { sealed: () => undefined, outdated: () => undefined, trouble: () => undefined },
			},
		});
		const accepted = () => control.status().totals.accepted;
		await mined(until(() => Promise.resolve(accepted() >= 3 || undefined), 'no answers'));
		const { totals, rewardsWaiting } = control.status();
		assert.equal(totals.rewards, BASE_REWARD * BigInt(totals.accepted));
		assert.ok((rewardsWaiting ?? 0n) >= totals.rewards - BASE_REWARD);
		await control.close();
		await healing.close();
	});
});
