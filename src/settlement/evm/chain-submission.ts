/** A submission as the chain shows it: the Submit event of the flow contract (spec log-layer §3.1), with the block that holds it. */
import type { Submission } from '../settlement.js';

export interface ChainSubmission extends Submission {
	/** Its place in the order of all submissions, from 0. */
	readonly txSeq: number;
	/** First sector in the flow, as the contract placed it. */
	readonly startSector: bigint;
	readonly blockNumber: number;
	/** Of the transaction, 32 bytes. */
	readonly txHash: Uint8Array;
	/** Milliseconds since 1970 of the block, or of one soon after it where the endpoint does not tell. */
	readonly timeMs: number;
}

/** A block of the chain. */
export interface ChainBlock {
	readonly number: number;
	/** 32 bytes. */
	readonly hash: Uint8Array;
	/** Milliseconds since 1970. */
	readonly timeMs: number;
}
