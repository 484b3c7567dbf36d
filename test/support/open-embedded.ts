/** The embedded ledger orders what is uploaded, a test says what is mined. */
import type { StoreOptions } from '../../src/log-layer/store.js';
import { systemClock } from '../../src/io/clock.js';
import { systemRandomness } from '../../src/io/randomness.js';
import * as addon from '../../src/native/addon.js';
import { EmbeddedSettlement } from '../../src/settlement/embedded/embedded-settlement.js';
import { createGenesis } from '../../src/settlement/embedded/genesis.js';
import type { TestMining } from './mining-settlement.js';

const CHOICES = { chainId: 1n, blocksPerEpoch: 10, blockIntervalMs: 10_000, pricePerSector: 0n };

export function openTestEmbedded(mining: TestMining): StoreOptions['makeSettlement'] {
	return (journal) => {
		const genesis = createGenesis(CHOICES, systemClock, systemRandomness);
		const settlement = new EmbeddedSettlement({ journal, clock: systemClock, hashing: addon, genesis });
		return Object.defineProperty(settlement, 'mining', { value: mining });
	};
}
