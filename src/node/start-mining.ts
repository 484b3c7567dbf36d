/** Mining of a node whose configuration asks for it; only then is its code loaded. */
import type { Logger } from 'pino';
import type { Config } from '../config/schema.js';
import type { HealingStore } from '../log-layer/healing-store.js';
import type { Metrics } from '../metrics/metrics.js';
import { MINING_OFF } from '../pora/mining-off.js';
import type { MiningControl } from '../pora/mining-status.js';
import { miningMeter } from './mining-metrics.js';

/** What mining needs of a node. */
export interface MiningSite {
	readonly config: Config;
	readonly log: Logger;
	readonly metrics: Metrics;
	/** In the order of building; closing goes backwards. */
	readonly closers: (() => Promise<void> | void)[];
}

/** It ends before its store does. `refreshMining` brings its metrics up to date. */
export async function startMining(
	site: MiningSite,
	healing: HealingStore,
): Promise<{ readonly mining: MiningControl; readonly refreshMining: () => void }> {
	const mining = await controlOf(site, healing);
	return { mining, refreshMining: miningMeter(site.metrics, mining) };
}

async function controlOf(site: MiningSite, healing: HealingStore): Promise<MiningControl> {
	if (site.config.mining.mode === 'off') return MINING_OFF;
	const { openMining } = await import('./mining.js');
	const mining = openMining(site, healing);
	site.closers.push(() => mining.close());
	return mining;
}
