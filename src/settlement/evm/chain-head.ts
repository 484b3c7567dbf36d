/** The newest block of the chain as far as endpoints show it, and whether it goes on. */
import type { Clock } from '../../io/clock.js';
import { LIMITS } from '../../limits.js';
import type { SettlementTrouble } from '../settlement.js';
import { BehindError, type ChainReader } from './chain-reader.js';

/** Endpoints do not learn of a block in the same moment. */
const LAG_BLOCKS = 1;

export class ChainHead {
	readonly #reader: ChainReader;
	readonly #clock: Clock;
	#block: number | undefined;
	#sinceMs = 0;
	/** When the other endpoints were asked last. */
	#comparedMs = 0;
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
		const most = Math.max(...(await this.#reader.heads()));
		if (this.#block !== undefined && most > this.#block + LAG_BLOCKS)
			throw new BehindError(`an endpoint shows no block after ${this.#block}, another one shows ${most}`);
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
