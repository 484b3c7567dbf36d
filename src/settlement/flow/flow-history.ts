/** What a driver may ask of the submissions that it has ordered, as the view holds them. */
import type { DataRoot } from '../../units.js';
import type { SubmissionNode } from '../settlement.js';

export interface KnownSubmission {
	readonly txSeq: number;
	readonly dataRoot: DataRoot;
	readonly lengthBytes: bigint;
	readonly nodes: readonly SubmissionNode[];
	readonly startSector: bigint;
	readonly lengthAfter: bigint;
	readonly blockNumber: number;
	/** Opaque to storage. */
	readonly tags: Uint8Array;
	/** 20 bytes. */
	readonly submitter: Uint8Array;
}

export interface FlowHistory {
	/** Errors: those of the view. */
	submission(txSeq: number): Promise<KnownSubmission | undefined>;
	/** Whether somebody has uploaded the content here, and it is held. Errors: those of the view. */
	isUploadedHere(root: DataRoot): Promise<boolean>;
	/** Roots of the complete subtrees that the flow is made of after its first `submissions`, largest first. */
	frontier(submissions: number, flowLength: bigint): Promise<Uint8Array>;
}
