/** Stands for mining on a node that does not mine. */
import { PerigeeError } from '../errors.js';
import type { MiningControl, MiningStatus } from './mining-status.js';

const STATUS: MiningStatus = {
	state: 'off',
	reason: 'the configuration does not ask for it: start with --mine',
	sinceMs: 0,
	sealing: { segments: 0, seals: 0, backlog: 0 },
	totals: {
		nonces: 0n,
		qualities: 0n,
		reads: 0n,
		failures: 0n,
		hits: 0,
		accepted: 0,
		refused: 0,
		givenUp: 0,
		rewards: 0n,
		gasSpent: 0n,
	},
	noncesPerSecond: 0,
	cpuPercent: 0,
	threads: 0,
};

function refuse(): never {
	throw new PerigeeError('MINING_OFF');
}

export const MINING_OFF: MiningControl = {
	status: () => STATUS,
	start: refuse,
	stop: refuse,
	setStartPosition: refuse,
};
