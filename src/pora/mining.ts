/** Mining as an operator steers it: one session after another on the store that is open, whatever happens to it. */
import { asPerigeeError, PerigeeError } from '../errors.js';
import type { Clock } from '../io/clock.js';
import type { Randomness } from '../io/randomness.js';
import { LIMITS } from '../limits.js';
import type { HealingStore } from '../log-layer/healing-store.js';
import { MiningPool } from '../native/mining-pool.js';
import { SlabRing } from '../native/slab-ring.js';
import type { MiningControl, MiningState, MiningStatus } from './mining-status.js';
import { MiningTotals } from './mining-totals.js';
import { pause } from './pause.js';
import { MiningSession, type MiningObserver, type MiningSettings, type Standing } from './session.js';

export interface MiningParts {
	readonly healing: HealingStore;
	readonly clock: Clock;
	readonly randomness: Randomness;
	readonly settings: MiningSettings;
	/** 0: one less than there are processors, at least one. */
	readonly threads: number;
	/** First sector to mine from. */
	readonly startSector: bigint;
	readonly observer: MiningObserver & {
		/** Why it mines or does not is another thing than before. */
		standing(state: MiningState, reason: string): void;
	};
}

class SessionEnded extends Error {}

export class Mining implements MiningControl {
	readonly #parts: MiningParts;
	readonly #pool: MiningPool;
	readonly #totals = new MiningTotals();
	readonly #slab = new SlabRing(1).bytes;
	readonly #closing = new AbortController();
	#session: MiningSession | undefined;
	#isStopped = false;
	#startSector: bigint;
	#failure: string | undefined;
	#told: { readonly standing: Standing; readonly sinceMs: number };
	readonly #running: Promise<void>;

	constructor(parts: MiningParts) {
		this.#parts = parts;
		this.#startSector = parts.startSector;
		this.#pool = new MiningPool(parts.threads);
		this.#told = { standing: { state: 'starting', reason: 'it begins' }, sinceMs: parts.clock.nowMs() };
		this.#running = this.#run();
	}

	status(): MiningStatus {
		this.#tell();
		const { settings, clock } = this.#parts;
		const session = this.#session;
		const aim = session?.aim;
		const identity = session?.identity;
		const waiting = session?.rewardsWaiting;
		const lastRefusal = session?.lastRefusal;
		return {
			...this.#told.standing,
			sinceMs: this.#told.sinceMs,
			...identity,
			...(aim && {
				work: {
					epoch: aim.work.context.epoch,
					contextDigest: aim.work.context.digest,
					flowLength: aim.work.context.flowLength,
					poraTarget: aim.work.poraTarget,
					startPosition: aim.range.startPosition,
					mineLength: aim.range.mineLength,
				},
			}),
			sealing: session?.sealing ?? { segments: 0, seals: 0, backlog: 0 },
			totals: this.#totals.sums,
			noncesPerSecond: this.#totals.rate(clock.monotonicMs()),
			...(waiting === undefined ? {} : { rewardsWaiting: waiting }),
			...(lastRefusal && { lastRefusal }),
			cpuPercent: settings.cpuPercent,
			threads: this.#pool.threads,
		};
	}

	start(): void {
		this.#isStopped = false;
		this.#session?.nudge();
		this.#tell();
	}

	stop(): void {
		this.#isStopped = true;
		this.#tell();
	}

	setStartPosition(sector: bigint): void {
		this.#startSector = sector;
		this.#session?.nudge();
	}

	/** Ends it; resolves when no thread works any more and nothing of the store is used. */
	async close(): Promise<void> {
		this.#closing.abort(new PerigeeError('SHUTTING_DOWN'));
		await this.#running;
		await this.#pool.close();
	}

	/** Never rejects. */
	async #run(): Promise<void> {
		const { healing, clock } = this.#parts;
		const { signal } = this.#closing;
		while (!signal.aborted) {
			const store = healing.isHealing ? undefined : healing.current;
			if (store) {
				const leave = healing.enter();
				try {
					await this.#serve(store);
				} catch (error) {
					const isAsked = error instanceof SessionEnded || signal.aborted;
					this.#failure = isAsked ? undefined : asPerigeeError(error).message;
				} finally {
					leave();
				}
			}
			this.#tell();
			await pause(clock, LIMITS.mineWatchMs, signal);
		}
	}

	/** One session, for as long as the store is there. */
	async #serve(store: NonNullable<HealingStore['current']>): Promise<void> {
		const { healing, clock, randomness, settings, observer } = this.#parts;
		const ended = new AbortController();
		const signal = AbortSignal.any([this.#closing.signal, ended.signal]);
		const session = new MiningSession({
			store,
			pool: this.#pool,
			clock,
			randomness,
			settings,
			totals: this.#totals,
			observer,
			slab: this.#slab,
			isStopped: () => this.#isStopped,
			startSector: () => this.#startSector,
		});
		this.#session = session;
		const watch = async (): Promise<void> => {
			while (!signal.aborted) {
				if (healing.isHealing || healing.current !== store) ended.abort(new SessionEnded());
				this.#tell();
				await pause(clock, LIMITS.mineWatchMs, signal);
			}
		};
		const watching = watch();
		try {
			await session.run(signal);
		} finally {
			ended.abort(new SessionEnded());
			await watching;
			this.#session = undefined;
		}
	}

	/** Notes why it mines or does not, and says so when that has changed. */
	#tell(): void {
		const standing = this.#standing();
		const { state } = this.#told.standing;
		if (standing.state === state) {
			this.#told = { ...this.#told, standing };
			return;
		}
		this.#told = { standing, sinceMs: this.#parts.clock.nowMs() };
		this.#parts.observer.standing(standing.state, standing.reason);
	}

	#standing(): Standing {
		const { healing } = this.#parts;
		if (this.#isStopped) return { state: 'stopped', reason: 'an operator has stopped it: perigee mine start' };
		if (healing.isHealing || !healing.current) return { state: 'rebuilding', reason: 'the index is rebuilt' };
		if (this.#session) return this.#session.standing;
		if (this.#failure !== undefined) return { state: 'failed', reason: this.#failure };
		return { state: 'starting', reason: 'it begins' };
	}
}
