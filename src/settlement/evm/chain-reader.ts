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
	/** Errors: also WrongChainError, when the endpoints are of different chains. */
	chainId(): Promise<bigint>;
	/** From now on only endpoints of this chain count. */
	expect(chainId: bigint): void;
	/** Errors: also WrongChainError, when no contract stands at the address of the flow. */
	requireContract(): Promise<void>;
	/** What is asked from now on belongs together; what was asked before has fitted. */
	begin(): void;
	/** What was asked since `begin` does not fit: other endpoints are asked first for a while. */
	distrust(): void;
	/** The submissions that were shown fit the contract. */
	shownRight(): void;
	/**
	 * Submissions that were shown since they last fitted are wrong: who had a part in that least often is asked first for them. True: each endpoint
	 * had, so often that reading them again changes nothing.
	 */
	shownWrong(): boolean;
	/** What each endpoint that answers has as the hash of a block; undefined: it does not have the block. */
	opinions(number: number): Promise<readonly (Uint8Array | undefined)[]>;
	/** What each endpoint that tells has as the contract's flow root after a submission. */
	flowRootOpinions(txSeq: number): Promise<readonly Uint8Array[]>;
	/** What each endpoint that answers has as the number of the newest block. */
	heads(): Promise<readonly number[]>;
	/** Number of the newest block. */
	head(): Promise<number>;
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

/** An endpoint has less of the chain than this node, or than another one. */
export class BehindError extends ChainError {
	override name = 'BehindError';
}

/** The endpoint does not answer for so many blocks at once. */
export class RangeTooLargeError extends ChainError {
	override name = 'RangeTooLargeError';
}

/** The chain is another one than the configuration means. */
export class WrongChainError extends ChainError {
	override name = 'WrongChainError';
}

/** The contract, or a rule of the chain, refuses what was asked for. */
export class RefusedError extends ChainError {
	override name = 'RefusedError';
}
