/** A submission that a block has placed. What few ask for is computed when it is asked for. */
import type { DataRoot, FlowId, SectorIndex, TxSeq } from '../../units.js';
import type { PlacedSubmission, Submission, SubmissionNode } from '../settlement.js';
import type { FlowHashing } from './hashing.js';

export interface BlockPlace {
	readonly flowId: FlowId;
	readonly txSeq: TxSeq;
	readonly dataRoot: DataRoot;
	readonly startSector: SectorIndex;
	readonly lengthBefore: bigint;
	readonly lengthAfter: bigint;
	readonly timeMs: number;
	readonly blockNumber: number;
	/** Of the flow behind it. */
	readonly frontier: Uint8Array;
}

export class OrderedSubmission implements PlacedSubmission {
	readonly lengthBytes: bigint;
	readonly tags: Uint8Array;
	readonly nodes: readonly SubmissionNode[];
	readonly submitter: Uint8Array;
	readonly flowId: FlowId;
	readonly txSeq: TxSeq;
	readonly dataRoot: DataRoot;
	readonly startSector: SectorIndex;
	readonly lengthBefore: bigint;
	readonly lengthAfter: bigint;
	readonly timeMs: number;
	readonly blockNumber: number;
	readonly #hashing: FlowHashing;
	readonly #frontier: Uint8Array;

	constructor(hashing: FlowHashing, submission: Submission, place: BlockPlace) {
		this.lengthBytes = submission.lengthBytes;
		this.tags = submission.tags;
		this.nodes = submission.nodes;
		this.submitter = submission.submitter;
		this.flowId = place.flowId;
		this.txSeq = place.txSeq;
		this.dataRoot = place.dataRoot;
		this.startSector = place.startSector;
		this.lengthBefore = place.lengthBefore;
		this.lengthAfter = place.lengthAfter;
		this.timeMs = place.timeMs;
		this.blockNumber = place.blockNumber;
		this.#hashing = hashing;
		this.#frontier = place.frontier;
	}

	get identity(): Uint8Array {
		return this.#hashing.keccak256(Buffer.concat(this.nodes.map(({ root }) => root)));
	}

	get flowRoot(): Uint8Array {
		return this.#hashing.flowRoot(this.lengthAfter, this.#frontier);
	}
}
