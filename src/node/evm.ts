/** The settlement of a node that follows a chain: its parameters from the configuration, what it does to metrics and log. */
import type { Hex } from 'viem';
import type { Config } from '../config/schema.js';
import { systemClock } from '../io/clock.js';
import * as addon from '../native/addon.js';
import { ChainSync } from '../settlement/evm/chain-sync.js';
import { EvmSettlement, type EvmSettlementOptions } from '../settlement/evm/evm-settlement.js';
import { ViemReader } from '../settlement/evm/viem-reader.js';
import type { Journal } from '../settlement/journal.js';
import { bytesOfHex } from '../units.js';
import type { SettlementModules } from './settlement.js';

const ENDPOINT_TIMEOUT_MS = 30_000;

export function makeEvm(
	config: Config,
	journal: Journal,
	historyOf: EvmSettlementOptions['historyOf'],
	{ metrics, log }: SettlementModules,
): EvmSettlement {
	const { endpoints, flowAddress, startBlock, confirmations, pollMs, pageBlocks } = config.chain;
	const address = flowAddress.toLowerCase();
	const reader = new ViemReader({
		endpoints,
		flowAddress: address as Hex,
		timeoutMs: ENDPOINT_TIMEOUT_MS,
		nowMs: () => systemClock.nowMs(),
	});
	const follower = new ChainSync(
		reader,
		systemClock,
		{ confirmations, pollMs, pageBlocks },
		{
			advanced(submissions) {
				if (follower.head !== undefined) metrics.chainHead.set(follower.head);
				metrics.chainSubmissions.inc(submissions);
			},
			reverted(submissions, block) {
				metrics.chainReverted.inc(submissions);
				log.warn({ submissions, block }, `the chain took ${submissions} submissions back; block ${block} still counts`);
			},
			trouble(trouble) {
				metrics.chainTrouble.reset();
				if (trouble === undefined) {
					log.info('the chain is followed again');
					return;
				}
				metrics.chainTrouble.set({ code: trouble.code }, 1);
				log[trouble.isFinal ? 'error' : 'warn'](
					{ code: trouble.code },
					`the chain is not followed: ${trouble.message}`,
				);
			},
		},
	);
	return new EvmSettlement({
		journal,
		hashing: addon,
		historyOf,
		flowAddress: bytesOfHex(address),
		startBlock,
		follower,
	});
}
