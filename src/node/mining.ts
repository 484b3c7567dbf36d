/** Mining of a node: its parameters from the configuration, what it does to the log. */
import { systemClock } from '../io/clock.js';
import { systemRandomness } from '../io/randomness.js';
import type { HealingStore } from '../log-layer/healing-store.js';
import { Mining } from '../pora/mining.js';
import type { MiningState } from '../pora/mining-status.js';
import { bytesOfHex, hexOf } from '../units.js';
import type { MiningSite } from './start-mining.js';

/** States that an operator should do something about. */
const FAULTS: ReadonlySet<MiningState> = new Set([
	'noKey',
	'unregistered',
	'version',
	'tooManyShards',
	'rejected',
	'failed',
]);
/** Refused answers are told one by one only so often. */
const REFUSAL_LINE_MS = 60_000;

export function openMining({ config: { mining: config }, log, metrics }: MiningSite, healing: HealingStore): Mining {
	let toldMs = Number.NEGATIVE_INFINITY;
	const { minerId, cpuPercent, pollMs, sealTranquility, sealZeros, threads, startSector } = config;
	return new Mining({
		healing,
		clock: systemClock,
		randomness: systemRandomness,
		settings: {
			...(minerId === '' ? {} : { minerId: bytesOfHex(minerId) }),
			cpuPercent,
			pollMs,
			sealTranquility,
			sealsZeros: sealZeros === 'yes',
		},
		threads,
		startSector: BigInt(startSector),
		observer: {
			standing(state, reason) {
				log[FAULTS.has(state) ? 'warn' : 'info']({ state }, `mining: ${reason}`);
			},
			registered: (id) => log.info({ minerId: hexOf(id) }, 'a miner was registered'),
			changed: (before, now) =>
				log.warn(
					{ before: hexOf(before), now: hexOf(now) },
					'this directory has another miner id now: all that was sealed is sealed anew',
				),
			answered(outcome) {
				if (outcome.kind === 'accepted') {
					log.info({ reward: String(outcome.reward), gas: String(outcome.gasSpent) }, 'an answer was accepted');
					return;
				}
				const nowMs = systemClock.monotonicMs();
				if (nowMs - toldMs < REFUSAL_LINE_MS) return;
				toldMs = nowMs;
				log.warn({ outcome: outcome.kind, reason: outcome.reason }, 'an answer was not accepted');
			},
			sealing: {
				sealed: (_segments, seals) => metrics.sealsMade.inc(seals),
				outdated: (segments) => log.info({ segments }, 'sealed copies did not fit any more; they are made anew'),
				trouble: (message) =>
					message === undefined
						? log.info('sealing goes on')
						: log.warn({ reason: message }, 'sealing does not go on; it is tried again'),
			},
		},
	});
}
