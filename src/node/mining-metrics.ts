/** What mining has done, as metrics; looked up when somebody asks for them. */
import type { Metrics } from '../metrics/metrics.js';
import { MINING_STATES, type MiningControl, type MiningStatus } from '../pora/mining-status.js';
import { SEGMENT_BYTES } from '../units.js';

/** The answer brings the metrics up to date. */
export function miningMeter(metrics: Metrics, mining: MiningControl): () => void {
	let last: MiningStatus['totals'] | undefined;
	return () => {
		const { state, totals, sealing, noncesPerSecond, rewardsWaiting } = mining.status();
		for (const each of MINING_STATES) metrics.miningState.set({ state: each }, each === state ? 1 : 0);
		// Counters go on from what they have been told.
		const gain = (key: keyof MiningStatus['totals']): number => Number(totals[key]) - Number(last?.[key] ?? 0);
		metrics.miningNonces.inc(gain('nonces'));
		metrics.miningQualities.inc(gain('qualities'));
		metrics.miningReads.inc(gain('reads'));
		metrics.miningReadBytes.inc(gain('reads') * SEGMENT_BYTES);
		metrics.miningReadFailures.inc(gain('failures'));
		metrics.miningHits.inc(gain('hits'));
		metrics.miningAnswers.inc({ outcome: 'accepted' }, gain('accepted'));
		metrics.miningAnswers.inc({ outcome: 'refused' }, gain('refused'));
		metrics.miningAnswers.inc({ outcome: 'given_up' }, gain('givenUp'));
		metrics.miningRewards.inc(gain('rewards'));
		metrics.miningGas.inc(gain('gasSpent'));
		last = totals;
		metrics.miningNonceRate.set(noncesPerSecond);
		if (rewardsWaiting !== undefined) metrics.miningRewardsWaiting.set(Number(rewardsWaiting));
		metrics.sealedSegments.set(sealing.segments);
		metrics.sealedSeals.set(sealing.seals);
		metrics.sealBacklog.set(sealing.backlog);
	};
}
