/**
 * The mining side of a settlement: what may be mined now, who owns a seal, who is registered, and what becomes of answers
 * (spec pora-and-contracts §2 to §4). Amounts are in the settlement's smallest unit, hashes and ids of 32 bytes, addresses of 20.
 */
import type { PoraAnswer } from '../native/addon.js';
import type { EpochContext } from './settlement.js';

/** What nonces are tried for. */
export interface MiningWork {
	readonly context: EpochContext;
	/** Bigger is easier; above 0. */
	readonly poraTarget: bigint;
	readonly subtaskDigest: Uint8Array;
	/** Most shards that an answer may name. */
	readonly maxShards: bigint;
}

/**
 * Why there is nothing to mine: no epoch that can be mined has begun; the miner's window has not begun or is over; the epoch has enough answers;
 * the contract is of a version that is not known; what is followed is behind.
 */
export type NoWork = 'noContext' | 'noWindow' | 'quota' | 'version' | 'lagging';

export type WorkNow =
	| { readonly work: MiningWork }
	| { readonly none: NoWork /** For an operator. */; readonly message: string };

/** The context that owns sectors [start, end) of the flow. */
export interface SealOwner {
	readonly start: bigint;
	readonly end: bigint;
	readonly digest: Uint8Array;
}

/** What became of an answer. */
export type AnswerOutcome =
	| {
			readonly kind: 'accepted';
			/** How many answers the epoch had before it. */
			readonly epochIndex: bigint;
			/** Credited to the miner's beneficiary for it. */
			readonly reward: bigint;
			/** Wei; 0 where nothing is paid for. */
			readonly gasSpent: bigint;
	  }
	/** The rules do not take it: `reason` in the contract's words. */
	| { readonly kind: 'refused'; readonly reason: string; readonly gasSpent: bigint }
	/** It did not get there in time, or another one was there before. */
	| { readonly kind: 'given up'; readonly reason: string };

export interface MiningRewards {
	/** Credited and not withdrawn yet. */
	readonly waiting: bigint;
	/** Credited since this process began, or, where the settlement knows, ever. */
	readonly credited: bigint;
}

export interface MiningSettlement {
	/** Whose name answers and registrations go under; undefined: this node has no key, and can send none. */
	readonly account: Uint8Array | undefined;
	/** What a registered miner may work on now. Errors: OVERLOADED and the like, when nobody answers: it is asked again. */
	work(minerId: Uint8Array): Promise<WorkNow>;
	/** The flow length of the newest context: what lies before it has an owner. Errors as of `work`. */
	sealableLength(): Promise<bigint>;
	/** Who owns a seal, by its last sector; undefined: nobody yet. Errors as of `work`. */
	sealOwner(lastSector: bigint): Promise<SealOwner | undefined>;
	/** Who is paid for the answers of a miner; undefined: it is not registered. Errors as of `work`. */
	beneficiary(minerId: Uint8Array): Promise<Uint8Array | undefined>;
	/** Registers a new miner for the account. Errors as of `work`, and of whoever pays. */
	register(): Promise<Uint8Array>;
	/** Sends an answer that the native verifier has taken; resolves when its fate is known. Never twice the same. Errors: SHUTTING_DOWN. */
	answer(answer: PoraAnswer): Promise<AnswerOutcome>;
	/** Of the miner's beneficiary. Errors as of `work`. */
	rewards(minerId: Uint8Array): Promise<MiningRewards>;
}
