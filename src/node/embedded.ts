/** The embedded settlement of a node: its parameters from the configuration, what it does to metrics and log. */
import type { Logger } from 'pino';
import type { Config } from '../config/schema.js';
import { systemClock } from '../io/clock.js';
import { systemRandomness } from '../io/randomness.js';
import type { Metrics } from '../metrics/metrics.js';
import * as addon from '../native/addon.js';
import { EmbeddedSettlement } from '../settlement/embedded/embedded-settlement.js';
import { miningParams } from '../settlement/embedded/mining/params.js';
import { createGenesis } from '../settlement/embedded/genesis.js';
import type { Journal } from '../settlement/journal.js';

/** Chain id of an embedded ledger; no public chain uses it. */
const EMBEDDED_CHAIN_ID = 5_678_000n;

export function makeEmbedded(
	config: Config,
	journal: Journal,
	{ metrics, log }: { readonly metrics: Metrics; readonly log: Logger },
): EmbeddedSettlement {
	const { blocksPerEpoch, blockIntervalMs, pricePerSector, mineBlocks, targetSubmissions, maxShards } = config.embedded;
	const choices = {
		chainId: EMBEDDED_CHAIN_ID,
		blocksPerEpoch,
		blockIntervalMs,
		pricePerSector: BigInt(pricePerSector),
	};
	return new EmbeddedSettlement({
		journal,
		clock: systemClock,
		hashing: addon,
		observer: {
			committed: (_submissions, blocks) => metrics.ledgerBlocks.inc(blocks),
			idleFailed: (error) =>
				log.warn({ err: error }, 'idle time could not be written to the ledger; it is tried again'),
			choicesDiffer: (differences) => tellKept(log, differences),
			miningDiffers: (differences) =>
				tellKept(
					log,
					differences.map((each) => ({
						...each,
						choice: each.choice === 'difficulty' ? 'mineDifficulty' : each.choice,
					})),
				),
		},
		genesis: createGenesis(choices, systemClock, systemRandomness),
		...(config.mining.mode === 'on' && {
			mining: {
				params: miningParams({
					difficulty: BigInt(config.embedded.mineDifficulty),
					mineBlocks,
					targetSubmissions,
					maxShards,
					baseReward: BigInt(config.embedded.baseReward),
				}),
				randomness: systemRandomness,
			},
		}),
	});
}

/** A ledger never changes what it has begun with; whoever chooses something else should know. */
function tellKept(
	log: Logger,
	differences: readonly {
		readonly choice: string;
		readonly chosen: bigint | number;
		readonly inForce: bigint | number;
	}[],
): void {
	for (const { choice, chosen, inForce } of differences) {
		const setting = `embedded.${choice}`;
		log.warn(
			{ setting, configured: String(chosen), inForce: String(inForce) },
			`${setting} is ${chosen} in the configuration, but the ledger of this data directory began with ${inForce} and keeps it; set it to ${inForce}, or begin a new data directory`,
		);
	}
}
