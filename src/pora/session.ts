/** Sealing and mining on one open store, for one miner, until something ends it. */
import type { Shard } from '../config/shard-position.js';
import { asPerigeeError, PerigeeError } from '../errors.js';
import type { Clock } from '../io/clock.js';
import type { Randomness } from '../io/randomness.js';
import { LIMITS } from '../limits.js';
import { Pacer } from '../log-layer/pacer.js';
import type { Store } from '../log-layer/store.js';
import type { MiningPool } from '../native/mining-pool.js';
import type { AnswerOutcome, MiningSettlement, NoWork } from '../settlement/mining.js';
import { SEGMENT_SECTORS } from '../units.js';
import { Answers } from './answers.js';
import { findIdentity, type IdentityObserver, type MinerIdentity } from './miner-identity.js';
import { type MineAim, MineThreads } from './mine-threads.js';
import type { MiningState, MiningStatus } from './mining-status.js';
import type { MiningTotals } from './mining-totals.js';
import { pause } from './pause.js';
import { mineRange, thresholdOf } from './range.js';
import { SealMap } from './seal-map.js';
import { SealOwners } from './seal-owners.js';
import { Sealer, type SealerObserver } from './sealer.js';

export interface MiningSettings {
	/** 32 bytes; absent: the store's own, or a new one. */
	readonly minerId?: Uint8Array;
	readonly cpuPercent: number;
	readonly pollMs: number;
	readonly sealTranquility: number;
	readonly sealsZeros: boolean;
}

export interface MiningObserver extends IdentityObserver {
	readonly sealing: SealerObserver;
	answered(outcome: AnswerOutcome): void;
}

export interface SessionParts {
	readonly store: Store;
	readonly pool: MiningPool;
	readonly clock: Clock;
	readonly randomness: Randomness;
	readonly settings: MiningSettings;
	readonly totals: MiningTotals;
	readonly observer: MiningObserver;
	/** Shared memory for the sealer. */
	readonly slab: Uint8Array;
	/** An operator has stopped mining. */
	readonly isStopped: () => boolean;
	/** First sector to mine from. */
	readonly startSector: () => bigint;
}

/** Why nothing is mined, or that something is. */
export interface Standing {
	readonly state: MiningState;
	readonly reason: string;
}

const NO_WORK: Readonly<Record<NoWork, MiningState>> = {
	noContext: 'noContext',
	noWindow: 'noWindow',
	quota: 'quota',
	version: 'version',
	lagging: 'lagging',
};
/** These stand before what is sealed: whether there is anything to mine is not known before. */
const FIRST_REASONS: readonly MiningState[] = ['lagging', 'version', 'noContext'];

/** What the contract says of answers that others, or the time, were faster than. */
const TOO_LATE = /enough submissions|deadline exceed|mining digest|has been submitted/i;

interface Tools {
	readonly identity: MinerIdentity;
	readonly owners: SealOwners;
	readonly map: SealMap;
	readonly sealer: Sealer;
	readonly threads: MineThreads;
	readonly answers: Answers;
}

export class MiningSession {
	readonly #parts: SessionParts;
	readonly #mining: MiningSettlement;
	readonly #shard: Shard;
	#setUp: Standing = { state: 'starting', reason: 'it begins' };
	#tools: Tools | undefined;
	#aim: MineAim | undefined;
	#none: Standing | undefined;
	#sealingTrouble: string | undefined;
	#threadTrouble: string | undefined;
	#refusedInRow = 0;
	#lastRefusal: MiningStatus['lastRefusal'];
	#rewardsWaiting: bigint | undefined;
	#lastDigest = new Uint8Array(0);
	#lastReverts = 0;
	#nudge = new AbortController();

	/** Errors: MINING_OFF when the settlement takes no proofs. */
	constructor(parts: SessionParts) {
		const { mining } = parts.store.settlement;
		if (!mining) throw new PerigeeError('MINING_OFF', 'the settlement takes no proofs');
		this.#parts = parts;
		this.#mining = mining;
		this.#shard = parts.store.files.shard;
	}

	/** Runs until the signal, and rejects with its reason. */
	async run(outer: AbortSignal): Promise<void> {
		const failed = new AbortController();
		const signal = AbortSignal.any([outer, failed.signal]);
		const identity = await this.#identify(signal);
		const tools = this.#prepare(identity, signal);
		this.#tools = tools;
		const { store } = this.#parts;
		const ends = [
			store.compaction.addHolder(tools.map),
			store.changes.listen((root) => void this.#contentChanged(root, tools.sealer)),
			store.sealed.onDamage((index) => tools.sealer.look({ first: index, end: index + 1n })),
		];
		try {
			await Promise.all([this.#watch(tools, signal), tools.sealer.run(signal), tools.threads.run(signal)]);
		} finally {
			// What one of them has ended, ends the others.
			failed.abort(new PerigeeError('INTERNAL', 'mining has ended'));
			this.#aim = undefined;
			await tools.answers.close();
			await tools.threads.quiet();
			for (const end of ends) end();
			await tools.map.close();
		}
	}

	/** Looks at once what there is to mine. */
	nudge(): void {
		this.#nudge.abort();
	}

	/** The first reason that holds. */
	get standing(): Standing {
		const tools = this.#tools;
		if (!tools) return this.#setUp;
		const none = this.#none;
		if (none && FIRST_REASONS.includes(none.state)) return none;
		return this.#sealedStanding(tools) ?? none ?? this.#threadStanding();
	}

	get identity(): MinerIdentity | undefined {
		return this.#tools?.identity;
	}

	get aim(): MineAim | undefined {
		return this.#aim;
	}

	get sealing(): MiningStatus['sealing'] {
		const { segments, seals } = this.#tools?.map.counts ?? { segments: 0, seals: 0 };
		const backlog = Math.ceil(this.#tools?.sealer.backlog ?? 0);
		const trouble = this.#sealingTrouble;
		return { segments, seals, backlog, ...(trouble === undefined ? {} : { trouble }) };
	}

	get rewardsWaiting(): bigint | undefined {
		return this.#rewardsWaiting;
	}

	get lastRefusal(): MiningStatus['lastRefusal'] {
		return this.#lastRefusal;
	}

	#sealedStanding({ map, sealer }: Tools): Standing | undefined {
		if (this.#none?.state === 'tooManyShards') return this.#none;
		if (map.counts.segments > 0) return undefined;
		if (sealer.backlog > 0) {
			const why = this.#sealingTrouble === undefined ? '' : `: ${this.#sealingTrouble}`;
			return { state: 'nothingSealed', reason: `sealing has not come so far yet${why}` };
		}
		return {
			state: 'noSegment',
			reason:
				'no flow segment that may be mined is held: one is 256 KiB of the flow, and may be sealed once an epoch has begun behind it',
		};
	}

	#threadStanding(): Standing {
		const { cpuPercent } = this.#parts.settings;
		if (this.#refusedInRow >= LIMITS.refusedAnswers)
			return { state: 'rejected', reason: `answers are refused: ${this.#lastRefusal?.reason ?? ''}` };
		if (this.#threadTrouble !== undefined) return { state: 'failed', reason: this.#threadTrouble };
		if (cpuPercent < 100) return { state: 'throttled', reason: `it mines for ${cpuPercent} % of the time` };
		return { state: 'mining', reason: 'nonces are tried' };
	}

	/** Goes on until there is a miner that the settlement knows. */
	async #identify(signal: AbortSignal): Promise<MinerIdentity> {
		const { store, settings, observer, clock } = this.#parts;
		for (;;) {
			signal.throwIfAborted();
			try {
				if (this.#mining.account) {
					this.#setUp = { state: 'noMinerId', reason: 'a miner is being registered or looked up' };
					const identity = await findIdentity(this.#mining, store.minerSetting, settings.minerId, observer);
					if (identity) return identity;
					this.#setUp = { state: 'unregistered', reason: 'the settlement does not know this miner id' };
				} else {
					this.#setUp = {
						state: 'noKey',
						reason: 'there is no key that answers could be sent with: set mining.keyFile',
					};
				}
			} catch (error) {
				this.#setUp = { state: 'noMinerId', reason: asPerigeeError(error).message };
			}
			await pause(clock, settings.pollMs, signal);
		}
	}

	#prepare(identity: MinerIdentity, signal: AbortSignal): Tools {
		const { store, pool, clock, randomness, settings, totals, observer, slab } = this.#parts;
		const { minerId } = identity;
		const { sealed, files } = store;
		const owners = new SealOwners(this.#mining);
		const map: SealMap = new SealMap({
			open: (fileNo) => sealed.open(fileNo),
			find: (indices) => sealed.find(indices),
			minerId,
			quiet: () => threads.quiet(),
		});
		const sealer = new Sealer({
			sealed,
			map,
			owners,
			pool,
			clock,
			pacer: new Pacer(clock, () => settings.sealTranquility, signal),
			shard: this.#shard,
			minerId,
			sealsZeros: settings.sealsZeros,
			slab,
			observer: {
				...observer.sealing,
				trouble: (message) => {
					if (message !== this.#sealingTrouble) observer.sealing.trouble(message);
					this.#sealingTrouble = message;
				},
			},
		});
		const answers = new Answers({
			mining: this.#mining,
			sealed,
			files,
			minerId,
			current: () => this.#aim?.work,
			suspect: (index) => sealer.look({ first: index, end: index + 1n }),
			ended: (outcome) => this.#answered(outcome),
		});
		const threads = new MineThreads({
			pool,
			map,
			clock,
			randomness,
			minerId,
			cpuPercent: settings.cpuPercent,
			aim: () => {
				const isWanted = this.#refusedInRow < LIMITS.refusedAnswers && !answers.isFull && !this.#parts.isStopped();
				return isWanted ? this.#aim : undefined;
			},
			tally: (tally) => totals.tally(tally, clock.monotonicMs()),
			found: (find, { work, range }) => answers.offer(find, work, range),
			trouble: (message) => {
				this.#threadTrouble = message;
			},
		});
		return { identity, owners, map, sealer, threads, answers };
	}

	/** Asks again and again what there is to mine, and who owns what is sealed. */
	async #watch(tools: Tools, signal: AbortSignal): Promise<void> {
		const { clock, settings } = this.#parts;
		for (;;) {
			signal.throwIfAborted();
			this.#nudge = new AbortController();
			try {
				await this.#look(tools);
			} catch (error) {
				signal.throwIfAborted();
				this.#aim = undefined;
				this.#none = { state: 'lagging', reason: asPerigeeError(error).message };
			}
			await pause(clock, settings.pollMs, AbortSignal.any([signal, this.#nudge.signal]));
		}
	}

	async #look({ identity, owners, sealer }: Tools): Promise<void> {
		const { store, startSector } = this.#parts;
		const { minerId } = identity;
		const now = await this.#mining.work(minerId);
		const owned = await this.#mining.sealableLength();
		const { reverts } = store.sealed;
		const digest = 'work' in now ? now.work.context.digest : this.#lastDigest;
		if (reverts !== this.#lastReverts || Buffer.compare(digest, this.#lastDigest) !== 0) {
			for (const { start, end } of await owners.recheck()) sealer.look(segmentsOf(start, end));
			if (reverts !== this.#lastReverts) sealer.lookAtAll();
			if (Buffer.compare(digest, this.#lastDigest) !== 0) this.#refusedInRow = 0;
			this.#lastReverts = reverts;
			this.#lastDigest = Uint8Array.from(digest);
		}
		const { lengthSectors } = store.files.flow();
		sealer.reach(owned < lengthSectors ? owned : lengthSectors);
		if ('none' in now) {
			this.#aim = undefined;
			this.#none = { state: NO_WORK[now.none], reason: now.message };
		} else {
			const { work } = now;
			const range = mineRange(work.context.flowLength, this.#shard, startSector());
			this.#none = this.#obstacle(work.maxShards, range.mineLength, work.context.flowLength);
			this.#aim = this.#none ? undefined : { work, range, threshold: thresholdOf(work, this.#shard) };
		}
		this.#rewardsWaiting = (await this.#mining.rewards(minerId)).waiting;
	}

	#obstacle(maxShards: bigint, mineLength: bigint, flowLength: bigint): Standing | undefined {
		const { count } = this.#shard;
		if (count > maxShards)
			return { state: 'tooManyShards', reason: `this node has one of ${count} shards, at most ${maxShards} may mine` };
		if (mineLength === 0n || BigInt(count) > flowLength)
			return {
				state: 'noSegment',
				reason: `the flow of this epoch has ${flowLength} sectors; mining begins with ${SEGMENT_SECTORS}`,
			};
		return undefined;
	}

	#answered(outcome: AnswerOutcome): void {
		const { totals, observer, clock } = this.#parts;
		totals.answer(outcome);
		if (outcome.kind === 'accepted') this.#refusedInRow = 0;
		else this.#lastRefusal = { reason: outcome.reason, timeMs: clock.nowMs() };
		// Who comes late or second is refused as well, and nothing is wrong with the next answer.
		if (outcome.kind === 'refused' && !TOO_LATE.test(outcome.reason)) this.#refusedInRow++;
		observer.answered(outcome);
		// The quota may be reached, and the reward has come.
		this.nudge();
	}

	async #contentChanged(root: Parameters<Store['sealed']['placesOf']>[0], sealer: Sealer): Promise<void> {
		try {
			const { ranges, isWhole } = await this.#parts.store.sealed.placesOf(root);
			for (const range of ranges) sealer.look(range);
			if (!isWhole) sealer.lookAtAll();
		} catch {
			sealer.lookAtAll();
		}
	}
}

function segmentsOf(start: bigint, end: bigint): { readonly first: bigint; readonly end: bigint } {
	const unit = BigInt(SEGMENT_SECTORS);
	return { first: start / unit, end: (end + unit - 1n) / unit };
}
