/**
 * Who orders submissions into one flow. The node never asks which driver is behind this interface (docs/architecture.md §8).
 */
import type { DataRoot, FlowId, SectorIndex, TxSeq } from '../units.js';
import type { MiningSettlement } from './mining.js';

/** One aligned, zero-padded subtree of a submission: 2^height sectors (spec log-layer §1.3). */
export interface SubmissionNode {
	/** 32 bytes. */
	readonly root: Uint8Array;
	readonly height: number;
}

/** What a client submits. */
export interface Submission {
	/** Bytes of the file without padding. */
	readonly lengthBytes: bigint;
	/** Opaque to storage. */
	readonly tags: Uint8Array;
	readonly nodes: readonly SubmissionNode[];
	/** 20 bytes, not all zero. */
	readonly submitter: Uint8Array;
}

/** A submission with its place in the flow, as the settlement fixed it. */
export interface PlacedSubmission extends Submission {
	readonly flowId: FlowId;
	readonly txSeq: TxSeq;
	/** Right fold of the node roots (spec log-layer §1.4). */
	readonly dataRoot: DataRoot;
	/** Keccak-256 of all node roots, 32 bytes: what the chain's Submit event calls `identity`. Not the data root. */
	readonly identity: Uint8Array;
	readonly startSector: SectorIndex;
	/** Flow length in sectors before and after this submission (before it: without its alignment gap). */
	readonly lengthBefore: bigint;
	readonly lengthAfter: bigint;
	/** Flow root once this submission is placed, 32 bytes. */
	readonly flowRoot: Uint8Array;
	/** Milliseconds since 1970 of the (ledger) block. */
	readonly timeMs: number;
	/** Number of the (ledger) block that holds it. */
	readonly blockNumber: number;
}

/** What mining in an epoch commits to (spec pora-and-contracts §4.4). Hashes of 32 bytes. */
export interface EpochContext {
	readonly epoch: number;
	/** Number of the block whose hash is `blockDigest`; 0 in epoch 0. */
	readonly mineStart: number;
	readonly flowRoot: Uint8Array;
	readonly flowLength: bigint;
	readonly blockDigest: Uint8Array;
	/** K(blockDigest || flowRoot || u256be(flowLength)), or K("") where the epoch cannot be mined. */
	readonly digest: Uint8Array;
}

/** Ordered facts of one settlement. Consumers must take them in order and exactly once per replay. */
export type SettlementEvent =
	| { readonly kind: 'submission'; readonly submission: PlacedSubmission }
	/** All submissions with txSeq >= fromSeq are gone; length in sectors and frontier are those of the flow without them. */
	| {
			readonly kind: 'revertedTo';
			readonly flowId: FlowId;
			readonly fromSeq: TxSeq;
			readonly flowLength: bigint;
			readonly frontier: Uint8Array;
	  }
	/** A new epoch: the sectors [rangeStart, context.flowLength) are sealed under context.digest. */
	| {
			readonly kind: 'epoch';
			readonly flowId: FlowId;
			readonly context: EpochContext;
			readonly rangeStart: SectorIndex;
	  }
	| { readonly kind: 'progress'; readonly flowId: FlowId; readonly blockNumber: number; readonly timeMs: number };

export interface SettlementIdentity {
	readonly flowId: FlowId;
	/** 'embedded' or 'evm'. */
	readonly driver: string;
	readonly chainId: bigint;
	/** 20 bytes. */
	readonly flowAddress: Uint8Array;
}

/** The name under which an upload put its content into the node. */
export interface UploadName {
	readonly name: string;
	readonly contentType: string;
}

/** The flow as it stands. */
export interface FlowState {
	readonly lengthSectors: bigint;
	/** 32 bytes. */
	readonly root: Uint8Array;
	readonly submissions: number;
	/** Roots of the complete subtrees of the flow, largest first, one for each binary digit of the length. */
	readonly frontier: Uint8Array;
	/** Hash of the driver's whole state, 32 bytes; same journal → same hash. */
	readonly stateHash: Uint8Array;
	readonly blockNumber: number;
	/** 32 bytes. */
	readonly blockHash: Uint8Array;
}

/** Why a settlement does not go on. */
export interface SettlementTrouble {
	/** Stable word. */
	readonly code: string;
	readonly message: string;
	/** It will not go on by itself. */
	readonly isFinal: boolean;
}

/** A submission that somebody still has to bring to the settlement, or that is on its way there. */
export interface PendingSubmission {
	readonly chainId: bigint;
	/** 20 bytes. */
	readonly flowAddress: Uint8Array;
	/** The submitter is whoever pays. */
	readonly submission: Omit<Submission, 'submitter'>;
	/** Wei that the flow asks for now; undefined where no endpoint tells. */
	readonly fee: bigint | undefined;
	/** Absent: this node does not pay. */
	readonly payment?: {
		/** The transaction that was sent last, 32 bytes. */
		readonly transaction?: Uint8Array;
		/** What keeps the node from paying just now. */
		readonly trouble?: string;
	};
}

/** A submission that the settlement does not show yet. */
export interface AwaitedSubmission {
	/** How it stands. */
	state(): Promise<PendingSubmission>;
	/** Resolves once it is durable in the journal and applied to the view; absent where this node does not pay. Errors: SHUTTING_DOWN. */
	readonly placed?: Promise<PlacedSubmission>;
}

export interface Settlement {
	/** Absent when the driver takes no proofs. */
	readonly mining?: MiningSettlement | undefined;
	identity(): SettlementIdentity;
	flow(): FlowState;
	/** In whose name this node submits, 20 bytes; absent where nobody asks. */
	readonly submitter?: Uint8Array | undefined;
	/**
	 * Orders a submission (its data is already durable here) and records the upload's name beside it.
	 * Resolves when both are durable in the journal and applied to the view; or, where the order is a chain's, when the name is, and the
	 * payment that this node has taken on.
	 * Errors: SUBMISSION_INVALID, BAD_NAME, OVERLOADED, DISK_FULL, READ_ONLY, SHUTTING_DOWN.
	 */
	submit(submission: Submission, upload?: UploadName): Promise<PlacedSubmission | AwaitedSubmission>;
	/** Whether this node pays for a submission of that root, which is not there yet. */
	awaits?(root: DataRoot): boolean;
	/** Why it does not go on following what it follows; undefined when it does. */
	trouble?(): SettlementTrouble | undefined;
	/**
	 * What lies before that pricing chunk of the flow is not paid for any more; undefined when nobody tells. Absent where nothing is paid for. In units of
	 * 2^25 sectors.
	 */
	firstRewardableChunk?(): Promise<number | undefined>;
	/** Stops taking submissions and waits for those under way. */
	close(): Promise<void>;
}
