/** What mining has done, as metrics; looked up when somebody asks for them. */
import type { Metrics } from '../metrics/metrics.js';
import { MINING_STATES, type MiningStatus } from '../pora/mining-status.js';
import { SEGMENT_BYTES } from '../units.js';

export function refreshMiningMetrics(metrics: Metrics, status: MiningStatus): void {
	for (const state of MINING_STATES) metrics.miningState.set({ state }, state === status.state ? 1 : 0);
	const { totals, sealing, rewardsWaiting } = status;
	metrics.miningNonces.set(Number(totals.nonces));
	metrics.miningNonceRate.set(status.noncesPerSecond);
	metrics.miningQualities.set(Number(totals.qualities));
	metrics.miningReads.set(Number(totals.reads));
	metrics.miningReadBytes.set(Number(totals.reads) * SEGMENT_BYTES);
	metrics.miningReadFailures.set(Number(totals.failures));
	metrics.miningHits.set(totals.hits);
	metrics.miningAnswers.set({ outcome: 'accepted' }, totals.accepted);
	metrics.miningAnswers.set({ outcome: 'refused' }, totals.refused);
	metrics.miningAnswers.set({ outcome: 'given_up' }, totals.givenUp);
	metrics.miningRewards.set(Number(totals.rewards));
	if (rewardsWaiting !== undefined) metrics.miningRewardsWaiting.set(Number(rewardsWaiting));
	metrics.miningGas.set(Number(totals.gasSpent));
	metrics.sealedSegments.set(sealing.segments);
	metrics.sealedSeals.set(sealing.seals);
	metrics.sealBacklog.set(sealing.backlog);
}
