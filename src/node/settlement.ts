/** Which settlement a node has: one of its own, or the chain that the configuration names. */
import type { Logger } from 'pino';
import type { Config } from '../config/schema.js';
import type { StoreOptions } from '../log-layer/store.js';
import type { Metrics } from '../metrics/metrics.js';
import type { PayingAccount } from '../settlement/evm/payment-signer.js';
import { makeEmbedded } from './embedded.js';
import type { EvmMiner, EvmModules } from './evm.js';

export interface SettlementModules {
	readonly metrics: Metrics;
	readonly log: Logger;
}

/** What follows a chain is loaded only where there is one. Errors: CONFIG_INVALID for a key that cannot be used. */
export async function settlementMaker(
	config: Config,
	modules: SettlementModules,
): Promise<StoreOptions['makeSettlement']> {
	if (config.chain.endpoints.length === 0) return (journal) => makeEmbedded(config, journal, modules);
	const [{ makeEvm }, keys] = await Promise.all([import('./evm.js'), import('./paying-key.js')]);
	const account = await keys.payingAccount(config.chain, process.env);
	const miner = await minerOf(config, () => keys.miningAccount(config.mining, account, process.env));
	return (journal, historyOf) => makeEvm({ config, account, miner, ...modules }, journal, historyOf);
}

/** Errors: CONFIG_INVALID. */
async function minerOf(
	{ mining, chain }: Config,
	accountOf: () => Promise<PayingAccount | undefined>,
): Promise<EvmModules['miner']> {
	if (mining.mode === 'off') return undefined;
	return { account: await accountOf(), mineAddress: chain.mineAddress.toLowerCase() as EvmMiner['mineAddress'] };
}
