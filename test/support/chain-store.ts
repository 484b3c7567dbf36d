/** A real store that follows a real chain. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { Hex } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { systemClock } from '../../src/io/clock.js';
import type { UploadResult } from '../../src/log-layer/types.js';
import * as addon from '../../src/native/addon.js';
import type { ChainReader } from '../../src/settlement/evm/chain-reader.js';
import { ChainSync, type SyncTrouble } from '../../src/settlement/evm/chain-sync.js';
import { Endpoints } from '../../src/settlement/evm/endpoints.js';
import { EvmSettlement } from '../../src/settlement/evm/evm-settlement.js';
import { FlowPrice } from '../../src/settlement/evm/flow-price.js';
import { Payer } from '../../src/settlement/evm/payer.js';
import type { PayingChain } from '../../src/settlement/evm/paying-chain.js';
import { Payments } from '../../src/settlement/evm/payments.js';
import { RewardContract } from '../../src/settlement/evm/reward-contract.js';
import { ViemPaying } from '../../src/settlement/evm/viem-paying.js';
import { ViemReader } from '../../src/settlement/evm/viem-reader.js';
import { bytesOfHex } from '../../src/units.js';
import { REWARD, type TestChain } from './chain.js';
import type { TestStore, TestStoreOptions, TestStores } from './test-store.js';
import { EvmMining } from '../../src/settlement/evm/evm-mining.js';
import { MineContract } from '../../src/settlement/evm/mine-contract.js';
import { MineSender } from '../../src/settlement/evm/mine-sender.js';
import { systemRandomness } from '../../src/io/randomness.js';

export interface ChainStoreOptions extends TestStoreOptions {
	readonly endpoints?: readonly string[];
	readonly confirmations?: number;
	readonly pageBlocks?: number;
	/** Default: 1. */
	readonly startBlock?: number;
	/** Milliseconds since 1970, as the endpoints are told. */
	readonly endpointMs?: () => number;
	/** Of one question. */
	readonly timeoutMs?: number;
	/** Of an account that pays for uploads; none: whoever uploads pays. */
	readonly key?: Hex;
	/** Puts something between whoever pays and the chain. */
	readonly wrapPaying?: (chain: PayingChain) => PayingChain;
	/** Wei that a unit of gas may cost at most. */
	readonly mostForGas?: bigint;
	/** Puts something between the node and the chain. */
	readonly wrapReader?: (reader: ChainReader) => ChainReader;
	/** Of a contract that tells from where on the flow is paid for. */
	readonly rewardAddress?: Hex;
	/** Mines with this key, by this contract. */
	readonly mining?: {
		readonly key?: Hex;
		readonly mineAddress: Hex;
		readonly mostForGas?: bigint;
		readonly patienceMs?: number;
	};
	/** Is waited for before the journal takes an upload. */
	readonly beforeRecord?: () => Promise<void>;
}

export interface ChainStore extends TestStore {
	readonly sync: ChainSync;
	/** What its observer heard of trouble; undefined where it went on again. */
	readonly troubles: readonly (SyncTrouble | undefined)[];
	/** Submissions that were taken back, one number for each time. */
	readonly reverts: readonly number[];
	/** Transactions that were sent, and those that died, by nonce. */
	readonly sent: readonly { readonly nonce: number; readonly submissions: number; readonly isAgain: boolean }[];
	readonly died: readonly number[];
	/** What kept it from paying; undefined where it went on again. */
	readonly payTroubles: readonly (string | undefined)[];
	/** Sends content as a client does. */
	upload(content: Uint8Array, name?: string): Promise<UploadResult>;
}

/** Opens a store that follows the chain from block 1 on. */
export async function openChainStore(
	stores: TestStores,
	chain: TestChain,
	options: ChainStoreOptions = {},
	dataDir?: string,
): Promise<ChainStore> {
	const troubles: (SyncTrouble | undefined)[] = [];
	const reverts: number[] = [];
	const nowMs = (): number => Date.now();
	const urls = options.endpoints ?? [chain.url];
	const endpointMs = options.endpointMs ?? nowMs;
	const endpoints = new Endpoints({ urls, timeoutMs: options.timeoutMs ?? 5000, nowMs: endpointMs });
	const plain = new ViemReader({ endpoints, flowAddress: chain.flowAddress, nowMs });
	const paying = new ViemPaying(endpoints, chain.flowAddress);
	const price = new FlowPrice(paying, systemClock);
	const reader = options.wrapReader?.(plain) ?? plain;
	const sent: { nonce: number; submissions: number; isAgain: boolean }[] = [];
	const died: number[] = [];
	const payTroubles: (string | undefined)[] = [];
	const payerOf = (payments: Payments): Payer | undefined => {
		if (options.key === undefined) return undefined;
		const account = privateKeyToAccount(options.key);
		const parts = {
			payments,
			chain: options.wrapPaying?.(paying) ?? paying,
			account: { address: account.address, sign: account.signTransaction },
			clock: systemClock,
		};
		return new Payer(
			parts,
			{
				flowAddress: chain.flowAddress,
				recheckMs: 50,
				mostForGas: options.mostForGas ?? 0n,
			},
			{
				standing: () => undefined,
				sending: ({ nonce, submissions, isAgain }) => void sent.push({ nonce, submissions, isAgain }),
				died: ({ nonce }) => void died.push(nonce),
				trouble: (trouble) => void payTroubles.push(trouble && `${trouble.code} ${trouble.message}`),
			},
		);
	};
	const { rewardAddress } = options;
	const rewards = rewardAddress && new RewardContract({ endpoints, address: rewardAddress, nowMs });
	const settings = { confirmations: options.confirmations ?? 0, pollMs: 10, pageBlocks: options.pageBlocks ?? 999 };
	const sync = new ChainSync(reader, systemClock, settings, {
		head: () => undefined,
		advanced: () => undefined,
		reverted: (submissions) => void reverts.push(submissions),
		trouble: (trouble) => void troubles.push(trouble),
	});
	const store = await stores.open(
		{
			clock: systemClock,
			...options,
			makeSettlement(journal, historyOf) {
				const record = journal.recordUpload.bind(journal);
				journal.recordUpload = async (...args) => {
					await options.beforeRecord?.();
					await record(...args);
				};
				const payments = new Payments(journal);
				const payer = payerOf(payments);
				return new EvmSettlement({
					payments,
					...(payer && { payer }),
					...(rewards && { rewards }),
					...(options.mining && { miningOf: miningOf(options.mining, endpoints, paying, chain.flowAddress) }),
					journal,
					hashing: addon,
					historyOf,
					flowAddress: bytesOfHex(chain.flowAddress),
					startBlock: options.startBlock ?? 1,
					follower: sync,
					nowMs,
					pricePerSector: () => price.perSector(),
				});
			},
		},
		dataDir,
	);
	const upload = async (content: Uint8Array, name = ''): Promise<UploadResult> => {
		const session = store.files.beginUpload({ name, contentType: '' });
		for (let at = 0; at < content.length; at += 65_536) await session.write(content.slice(at, at + 65_536));
		return await session.finish();
	};
	return Object.assign(store, { sync, troubles, reverts, sent, died, payTroubles, upload });
}

/** Waits until something holds. */
export async function until(what: string, holds: () => Promise<boolean> | boolean, withinMs = 20_000): Promise<void> {
	const endMs = Date.now() + withinMs;
	while (!(await holds())) {
		assert.ok(Date.now() < endMs, `${what} did not come about in ${withinMs} ms`);
		await delay(5);
	}
}

/** Waits until the store knows all of the chain, less its confirmations. */
export async function caughtUp(store: ChainStore, chain: TestChain, confirmations = 0): Promise<void> {
	const head = Number(await chain.client.getBlockNumber({ cacheTime: 0 })) - confirmations;
	await until(`block ${head}`, () => store.settlement.flow().blockNumber >= head);
}

/** A reader of which some answers are others. */
export function bentReader(reader: ChainReader, bends: Partial<ChainReader>): ChainReader {
	const names = [
		'chainId',
		'head',
		'block',
		'submissions',
		'submissionCount',
		'flowRootAfter',
		'shownRight',
		'shownWrong',
		'opinions',
		'flowRootOpinions',
		'heads',
		'requireContract',
		'begin',
		'distrust',
		'expect',
		'close',
	] as const;
	const plain = Object.fromEntries(names.map((name) => [name, reader[name].bind(reader)]));
	return { ...plain, ...bends } as unknown as ChainReader;
}

type MiningOf = NonNullable<ConstructorParameters<typeof EvmSettlement>[0]['miningOf']>;

function miningOf(
	{ key, mineAddress, mostForGas = 0n, patienceMs = 2000 }: NonNullable<ChainStoreOptions['mining']>,
	endpoints: Endpoints,
	chain: ViemPaying,
	flowAddress: Hex,
): MiningOf {
	const contract = new MineContract({ endpoints, flowAddress, mineAddress, rewardAddress: REWARD });
	const account = key && privateKeyToAccount(key);
	return ({ flowLength, chainId }) =>
		new EvmMining({
			contract,
			flowLength,
			randomness: systemRandomness,
			...(account && {
				address: account.address,
				sender: new MineSender({
					chain,
					contract,
					account: { address: account.address, sign: account.signTransaction },
					chainId,
					clock: systemClock,
					mostForGas,
					lookMs: 20,
					patienceMs,
				}),
			}),
		});
}
