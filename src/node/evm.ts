/** The settlement of a node that follows a chain: its parameters from the configuration, what it does to metrics and log. */
import { type Hex, parseGwei } from 'viem';
import type { Config } from '../config/schema.js';
import { systemClock } from '../io/clock.js';
import { systemRandomness } from '../io/randomness.js';
import * as addon from '../native/addon.js';
import { ChainSync, type ChainSyncObserver } from '../settlement/evm/chain-sync.js';
import { ENDPOINT_TIMEOUT_MS, Endpoints } from '../settlement/evm/endpoints.js';
import { EvmSettlement, type EvmSettlementOptions } from '../settlement/evm/evm-settlement.js';
import { EvmMining } from '../settlement/evm/evm-mining.js';
import { MineContract } from '../settlement/evm/mine-contract.js';
import { MineSender } from '../settlement/evm/mine-sender.js';
import { FlowPrice } from '../settlement/evm/flow-price.js';
import { Payer, type PayerObserver } from '../settlement/evm/payer.js';
import type { PayingAccount } from '../settlement/evm/payment-signer.js';
import type { PayingChain } from '../settlement/evm/paying-chain.js';
import { Payments } from '../settlement/evm/payments.js';
import { RewardContract } from '../settlement/evm/reward-contract.js';
import { ViemPaying } from '../settlement/evm/viem-paying.js';
import { ViemReader } from '../settlement/evm/viem-reader.js';
import type { Journal } from '../settlement/journal.js';
import type { SettlementTrouble } from '../settlement/settlement.js';
import { bytesOfHex } from '../units.js';
import type { SettlementModules } from './settlement.js';

/** Time between two looks for the receipt of an answer, and until it is sent again, dearer. */
const ANSWER_LOOK_MS = 1_000;
const ANSWER_PATIENCE_MS = 20_000;
/** A transaction that no block has taken is looked after so often. */
const RECHECK_MS = 15_000;

export interface EvmModules extends SettlementModules {
	readonly config: Config;
	/** Who pays for uploads; undefined: whoever uploads. */
	readonly account: PayingAccount | undefined;
	/** Undefined: this node does not mine. */
	readonly miner: EvmMiner | undefined;
}

export interface EvmMiner {
	/** Who sends answers; undefined: nobody. */
	readonly account: PayingAccount | undefined;
	readonly mineAddress: Hex;
}

export function makeEvm(
	modules: EvmModules,
	journal: Journal,
	historyOf: EvmSettlementOptions['historyOf'],
): EvmSettlement {
	const { endpoints: urls, flowAddress, startBlock, confirmations, pollMs, pageBlocks } = modules.config.chain;
	const address = flowAddress.toLowerCase() as Hex;
	const nowMs = (): number => systemClock.nowMs();
	const endpoints = new Endpoints({ urls, timeoutMs: ENDPOINT_TIMEOUT_MS, nowMs });
	const reader = new ViemReader({ endpoints, flowAddress: address, nowMs });
	const chain = new ViemPaying(endpoints, address);
	const price = new FlowPrice(chain, systemClock);
	const follower = new ChainSync(reader, systemClock, { confirmations, pollMs, pageBlocks }, syncObserver(modules));
	const { rewardAddress } = modules.config.chain;
	const rewards =
		rewardAddress === ''
			? undefined
			: new RewardContract({ endpoints, address: rewardAddress.toLowerCase() as Hex, nowMs });
	const payments = new Payments(journal);
	const payer = payerOf(modules, address, payments, chain);
	return new EvmSettlement({
		journal,
		hashing: addon,
		historyOf,
		flowAddress: bytesOfHex(address),
		startBlock,
		follower,
		nowMs,
		pricePerSector: () => price.perSector(),
		payments,
		...(payer && { payer }),
		...(rewards && { rewards }),
		...(modules.miner && { miningOf: miningOf(modules, modules.miner, { endpoints, chain, address }) }),
	});
}

function miningOf(
	{ config }: EvmModules,
	{ account, mineAddress }: EvmMiner,
	{ endpoints, chain, address }: { readonly endpoints: Endpoints; readonly chain: PayingChain; readonly address: Hex },
): NonNullable<EvmSettlementOptions['miningOf']> {
	const rewardAddress = config.chain.rewardAddress.toLowerCase() as Hex;
	const contract = new MineContract({
		endpoints,
		flowAddress: address,
		mineAddress,
		...(config.chain.rewardAddress !== '' && { rewardAddress }),
	});
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
					account,
					chainId,
					clock: systemClock,
					mostForGas: parseGwei(String(config.chain.maxGasPriceGwei)),
					lookMs: ANSWER_LOOK_MS,
					patienceMs: ANSWER_PATIENCE_MS,
				}),
			}),
		});
}

/** Undefined without a key. */
function payerOf(modules: EvmModules, flowAddress: Hex, payments: Payments, chain: PayingChain): Payer | undefined {
	const { account, config } = modules;
	if (!account) return undefined;
	const mostForGas = parseGwei(String(config.chain.maxGasPriceGwei));
	const settings = { flowAddress, recheckMs: RECHECK_MS, mostForGas };
	return new Payer({ payments, chain, account, clock: systemClock }, settings, payerObserver(modules));
}

function syncObserver({ metrics, log }: EvmModules): ChainSyncObserver {
	return {
		head: (block) => metrics.chainHead.set(block),
		advanced: (submissions) => metrics.chainSubmissions.inc(submissions),
		reverted(submissions, block) {
			metrics.chainReverted.inc(submissions);
			log.warn({ submissions, block }, `the chain took ${submissions} submissions back; block ${block} still counts`);
		},
		trouble: troubleTeller(metrics.chainTrouble, log, {
			begins: 'the chain is not followed',
			ends: 'the chain is followed again',
		}),
	};
}

function payerObserver({ metrics, log }: EvmModules): PayerObserver {
	return {
		standing(wanted, sent) {
			metrics.chainPayments.set({ state: 'wanted' }, wanted);
			metrics.chainPayments.set({ state: 'sent' }, sent);
		},
		sending({ isAgain, fee, ...transaction }) {
			metrics.chainTransactions.inc({ outcome: isAgain ? 'replaced' : 'sent' });
			log.info(
				{ ...transaction, fee: String(fee) },
				isAgain ? 'a transaction is sent in the place of another, dearer' : 'a transaction is sent',
			);
		},
		died(transaction) {
			metrics.chainTransactions.inc({ outcome: 'died' });
			log.warn(
				transaction,
				`a transaction has failed, or another one of the account has its nonce: what it was for is paid for anew`,
			);
		},
		trouble: troubleTeller(metrics.chainPaymentTrouble, log, {
			begins: 'submissions are not paid for',
			ends: 'submissions are paid for again',
		}),
	};
}

/** What keeps something from going on, in a gauge by its code and in the log. */
function troubleTeller(
	gauge: EvmModules['metrics']['chainTrouble'],
	log: EvmModules['log'],
	words: { readonly begins: string; readonly ends: string },
): (trouble: SettlementTrouble | undefined) => void {
	return (trouble) => {
		gauge.reset();
		if (trouble === undefined) {
			log.info(words.ends);
			return;
		}
		const { code, message, isFinal } = trouble;
		gauge.set({ code }, 1);
		log[isFinal ? 'error' : 'warn']({ code }, `${words.begins}: ${message}`);
	};
}
