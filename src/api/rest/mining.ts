/** What mining does, for operators and their tools. */
import type { Static } from 'typebox';
import type { MiningStatus } from '../../pora/mining-status.js';
import { hexOf } from '../../units.js';
import { ENDPOINTS } from './definitions.js';
import type { Endpoint } from './endpoint.js';
import { NO_STORE, sendJson } from './json.js';
import type { MINING_STATUS } from './mining-schema.js';

export const mining: Endpoint = {
	definition: ENDPOINTS.mining,
	async handle(context, _request, response) {
		sendJson(response, 200, miningBodyOf(context.mining.status()), NO_STORE);
	},
};

export function miningBodyOf(status: MiningStatus): Static<typeof MINING_STATUS> {
	const { state, reason, sinceMs, minerId, beneficiary, work, sealing, totals, lastRefusal, rewardsWaiting } = status;
	return {
		state,
		reason,
		...(sinceMs === 0 ? {} : { since: isoTime(sinceMs) }),
		...(minerId && { minerId: hexOf(minerId) }),
		...(beneficiary && { beneficiary: hexOf(beneficiary) }),
		...(work && {
			work: {
				epoch: work.epoch,
				contextDigest: hexOf(work.contextDigest),
				flowLengthSectors: String(work.flowLength),
				poraTarget: String(work.poraTarget),
				startPosition: String(work.startPosition),
				mineLength: String(work.mineLength),
			},
		}),
		sealing,
		totals: {
			nonces: String(totals.nonces),
			qualities: String(totals.qualities),
			reads: String(totals.reads),
			readFailures: String(totals.failures),
			hits: totals.hits,
			accepted: totals.accepted,
			refused: totals.refused,
			givenUp: totals.givenUp,
			rewards: String(totals.rewards),
			gasSpent: String(totals.gasSpent),
		},
		noncesPerSecond: Math.round(status.noncesPerSecond),
		...(rewardsWaiting === undefined ? {} : { rewardsWaiting: String(rewardsWaiting) }),
		...(lastRefusal && { lastRefusal: { reason: lastRefusal.reason, at: isoTime(lastRefusal.timeMs) } }),
		cpuPercent: status.cpuPercent,
		threads: status.threads,
	};
}

function isoTime(ms: number): string {
	return new Date(ms).toISOString();
}
