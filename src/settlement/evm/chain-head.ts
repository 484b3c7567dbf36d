/** The newest block of the chain as far as endpoints show it, and whether it goes on. */
import type { Clock } from '../../io/clock.js';
import { LIMITS } from '../../limits.js';
import type { SettlementTrouble } from '../settlement.js';
import { BehindError, ChainError, type ChainReader } from './chain-reader.js';
import type { ChainBlock } from './chain-submission.js';
import { isBeginning } from './evm-state.js';
import type { RecentBlocks } from './recent-blocks.js';

/** Endpoints do not learn of a block in the same moment. */
const LAG_BLOCKS = 1;
const LASTING_SPLITS = 2;

export class ChainHead {
	readonly #reader: ChainReader;
	readonly #clock: Clock;
	#block: number | undefined;
	#sinceMs = 0;
	/** When the other endpoints were asked last. */
	#comparedMs = 0;
	/** The same for a block. */
	#agreedMs = Number.NEGATIVE_INFINITY;
	/** Times in a row that as many had another block as had that of this node. */
	#splits = 0;
	#split: SettlementTrouble | undefined;
	#standstill: SettlementTrouble | undefined;

	constructor(reader: ChainReader, clock: Clock) {
		this.#reader = reader;
		this.#clock = clock;
	}

	/** Its number, once it was asked. */
	get block(): number | undefined {
		return this.#block;
	}

	seen(block: number): void {
		if (block === this.#block) return;
		this.#block = block;
		this.#sinceMs = this.#clock.monotonicMs();
		this.#standstill = undefined;
	}

	/** An endpoint may stand still while the chain goes on: after a while without a new block the others are asked, too. Errors: BehindError. */
	async compare(): Promise<void> {
		const nowMs = this.#clock.monotonicMs();
		if (nowMs - Math.max(this.#sinceMs, this.#comparedMs) < LIMITS.chainStaleMs) return;
		this.#comparedMs = nowMs;
		const heads = await this.#heads();
		// Of two, one is enough.
		const others = heads[Math.floor((heads.length - 1) / 2)] ?? 0;
		if (this.#block !== undefined && others > this.#block + LAG_BLOCKS)
			throw new BehindError(`an endpoint shows no block after ${this.#block}, others show ${others}`);
	}

	/**
	 * One endpoint alone may show a branch that is longer than the chain and fits in itself: from time to time all are asked for the newest block that
	 * most of them have. `last`: the last block that was taken, behind `recent`. Errors: ChainError.
	 */
	async agree(last: ChainBlock, recent: Pick<RecentBlocks, 'find'>): Promise<void> {
		const nowMs = this.#clock.monotonicMs();
		if (nowMs - this.#agreedMs < LIMITS.chainStaleMs) return;
		this.#agreedMs = nowMs;
		const heads = await this.#heads();
		const number = Math.min(last.number, heads[Math.floor(heads.length / 2)] ?? 0);
		const own = number === last.number ? last : recent.find(number);
		if (heads.length < 2 || !own || isBeginning(own)) return;
		const hashes = (await this.#reader.opinions(number)).filter((hash) => hash !== undefined);
		const same = hashes.filter((hash) => Buffer.compare(hash, own.hash) === 0).length;
		const opinions = `${same} of ${hashes.length} endpoints have the block ${number} that was taken`;
		if (2 * same < hashes.length) throw new ChainError(opinions);
		this.#splits = 2 * same === hashes.length ? this.#splits + 1 : 0;
		// They do not learn of a block in the same moment.
		const isLasting = this.#splits >= LASTING_SPLITS;
		this.#split = isLasting
			? { code: 'CHAIN_UNREACHABLE', message: `${opinions}: another endpoint would settle it`, isFinal: false }
			: undefined;
	}

	/** What is said while as many endpoints have another chain. */
	get split(): SettlementTrouble | undefined {
		return this.#split;
	}

	/** Highest first. */
	async #heads(): Promise<readonly number[]> {
		return (await this.#reader.heads()).toSorted((left, right) => right - left);
	}

	/** What is said of a chain that no endpoint sees going on. */
	standstill(): SettlementTrouble | undefined {
		const standsMs = this.#clock.monotonicMs() - this.#sinceMs;
		if (standsMs < LIMITS.chainStandstillMs) return undefined;
		const since = new Date(this.#clock.nowMs() - standsMs).toISOString();
		const message = `no endpoint has shown a block after ${this.#block} since ${since}`;
		return (this.#standstill ??= { code: 'CHAIN_BEHIND', message, isFinal: false });
	}
}
