/** What following a chain needs to ask it. */
import type { ChainBlock, ChainSubmission } from './chain-submission.js';

export interface LinkedBlock extends ChainBlock {
	/** Hash of the block before, 32 bytes. */
	readonly parentHash: Uint8Array;
}

/** A submission with the hash of the block that the endpoint found it in. */
export interface FoundSubmission extends ChainSubmission {
	readonly blockHash: Uint8Array;
}

/** Errors of all: ChainError. */
export interface ChainReader {
	chainId(): Promise<bigint>;
	/** From now on only endpoints of this chain count. */
	expect(chainId: bigint): void;
	/** What each endpoint that answers has as the hash of a block; undefined: it does not have the block. */
	opinions(number: number): Promise<readonly (Uint8Array | undefined)[]>;
	/** Number of the newest block. */
	head(): Promise<number>;
	/** Number of the newest block that will not be taken back; undefined where the chain does not tell. */
	finalized(): Promise<number | undefined>;
	/** Undefined: the endpoint does not have it (yet). */
	block(number: number): Promise<LinkedBlock | undefined>;
	/** Submissions in the blocks from `from` to `to`, in order. Errors: also RangeTooLargeError. */
	submissions(from: number, to: number): Promise<readonly FoundSubmission[]>;
	/** Submissions that the contract has after block `at`; undefined where the endpoint does not keep that state. */
	submissionCount(at: number): Promise<number | undefined>;
	/** The contract's flow root after a submission; undefined when it does not tell. */
	flowRootAfter(txSeq: number): Promise<Uint8Array | undefined>;
	/** What was asked fails; nothing is asked any more. */
	close(): void;
}

/** No endpoint answered usefully; the message says which and why. */
export class ChainError extends Error {
	override name = 'ChainError';
}

/** The endpoint does not answer for so many blocks at once. */
export class RangeTooLargeError extends ChainError {
	override name = 'RangeTooLargeError';
}

/** The contract, or a rule of the chain, refuses what was asked for. */
export class RefusedError extends ChainError {
	override name = 'RefusedError';
}
