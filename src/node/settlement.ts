/** Which settlement a node has: one of its own, or the chain that the configuration names. */
import type { Logger } from 'pino';
import type { Config } from '../config/schema.js';
import type { StoreOptions } from '../log-layer/store.js';
import type { Metrics } from '../metrics/metrics.js';
import { makeEmbedded } from './embedded.js';

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
	const [{ makeEvm }, { payingAccount }] = await Promise.all([import('./evm.js'), import('./paying-key.js')]);
	const account = await payingAccount(config.chain, process.env);
	return (journal, historyOf) => makeEvm({ config, account, ...modules }, journal, historyOf);
}
