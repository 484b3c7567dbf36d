/** Mining that does nothing but note what it is told. */
import { MINING_OFF } from '../../src/pora/mining-off.js';
import type { MiningControl, MiningStatus } from '../../src/pora/mining-status.js';

export interface FakeMining extends MiningControl {
	readonly told: string[];
}

const MINING_STATUS: MiningStatus = {
	...MINING_OFF.status(),
	state: 'mining',
	reason: 'nonces are tried',
	sinceMs: Date.UTC(2026, 10, 24, 12),
	minerId: new Uint8Array(32).fill(0xab),
	beneficiary: new Uint8Array(20).fill(0xcd),
	work: {
		epoch: 7,
		contextDigest: new Uint8Array(32).fill(1),
		flowLength: 2n ** 60n,
		poraTarget: 2n ** 250n,
		startPosition: 0n,
		mineLength: 2n ** 35n,
	},
	sealing: { segments: 3, seals: 190, backlog: 2, trouble: 'the disk is full' },
	totals: { ...MINING_OFF.status().totals, nonces: 2n ** 62n, hits: 5, accepted: 4, refused: 1, rewards: 10n ** 20n },
	noncesPerSecond: 14_123.4,
	rewardsWaiting: 9n,
	lastRefusal: { reason: 'Inconsistent merkle root', timeMs: Date.UTC(2026, 10, 24, 11) },
	cpuPercent: 50,
	threads: 2,
};

export function fakeMining(): FakeMining {
	const told: string[] = [];
	return {
		told,
		status: () => (told.at(-1) === 'stop' ? { ...MINING_STATUS, state: 'stopped', reason: 'stopped' } : MINING_STATUS),
		start: () => void told.push('start'),
		stop: () => void told.push('stop'),
		setStartPosition: (sector) => void told.push(`from ${sector}`),
	};
}
