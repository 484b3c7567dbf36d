/** A real store that follows a real chain. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../src/io/clock.js';
import * as addon from '../../src/native/addon.js';
import type { ChainReader } from '../../src/settlement/evm/chain-reader.js';
import { ChainSync, type SyncTrouble } from '../../src/settlement/evm/chain-sync.js';
import { EvmSettlement } from '../../src/settlement/evm/evm-settlement.js';
import { ViemReader } from '../../src/settlement/evm/viem-reader.js';
import { bytesOfHex } from '../../src/units.js';
import type { TestChain } from './chain.js';
import type { TestStore, TestStoreOptions, TestStores } from './test-store.js';

export interface ChainStoreOptions extends TestStoreOptions {
	readonly endpoints?: readonly string[];
	readonly confirmations?: number;
	readonly pageBlocks?: number;
	/** Of one question. */
	readonly timeoutMs?: number;
	/** Puts something between the node and the chain. */
	readonly wrapReader?: (reader: ChainReader) => ChainReader;
}

export interface ChainStore extends TestStore {
	readonly sync: ChainSync;
	/** What its observer heard of trouble; undefined where it went on again. */
	readonly troubles: readonly (SyncTrouble | undefined)[];
	/** Submissions that were taken back, one number for each time. */
	readonly reverts: readonly number[];
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
	const plain = new ViemReader({
		endpoints: options.endpoints ?? [chain.url],
		flowAddress: chain.flowAddress,
		timeoutMs: options.timeoutMs ?? 5000,
		nowMs: () => Date.now(),
	});
	const reader = options.wrapReader?.(plain) ?? plain;
	const settings = { confirmations: options.confirmations ?? 0, pollMs: 10, pageBlocks: options.pageBlocks ?? 999 };
	const sync = new ChainSync(reader, systemClock, settings, {
		advanced: () => undefined,
		reverted: (submissions) => void reverts.push(submissions),
		trouble: (trouble) => void troubles.push(trouble),
	});
	const store = await stores.open(
		{
			clock: systemClock,
			...options,
			makeSettlement: (journal, historyOf) =>
				new EvmSettlement({
					journal,
					hashing: addon,
					historyOf,
					flowAddress: bytesOfHex(chain.flowAddress),
					startBlock: 1,
					follower: sync,
				}),
		},
		dataDir,
	);
	return Object.assign(store, { sync, troubles, reverts });
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
