/**
 * A chain's flow as a pure state machine: a state and an entry give the next state and the events, and nothing else happens. Where the contract
 * placed a submission is compared with where the rules place it, before anything is written down.
 */
import { ByteWriter } from '../../bytes.js';
import { PerigeeError } from '../../errors.js';
import { type FlowId, hexOf, rootFromBytes, type TxSeq } from '../../units.js';
import { FlowDraft, frontierBytes } from '../flow/flow-draft.js';
import type { FlowHashing } from '../flow/hashing.js';
import { OrderedSubmission } from '../flow/placed-submission.js';
import { foldRoots } from '../flow/submission-rules.js';
import type { SettlementEvent } from '../settlement.js';
import type { ChainBlock, ChainSubmission } from './chain-submission.js';
import {
	type BlocksEntry,
	chainSubmissionBytes,
	decodeEvmEntry,
	encodeBlocks,
	encodeGenesis,
	encodeRevert,
	ENTRY_SUBMISSION_BYTES,
	ENTRY_SUBMISSIONS,
	type EvmGenesis,
	type RevertEntry,
	writeChainSubmission,
} from './evm-entry.js';
import { type EvmState, initialEvmState } from './evm-state.js';

/** What an entry does. */
export interface EvmTransition {
	/** The journal's bytes of the entry. */
	readonly entry: Uint8Array;
	readonly state: EvmState;
	readonly events: readonly SettlementEvent[];
}

/** Where a flow stands with fewer submissions. */
export interface FlowPoint {
	readonly submissions: number;
	readonly flowLength: bigint;
	readonly frontier: Uint8Array;
}

/** The chain says something that the rules of the flow do not allow. */
export class ChainMismatchError extends Error {
	override name = 'ChainMismatchError';
}

/** The machine of one flow. It holds no state. */
export class EvmFlow {
	readonly flowId: FlowId;
	readonly #hashing: FlowHashing;

	constructor(flowId: FlowId, hashing: FlowHashing) {
		this.flowId = flowId;
		this.#hashing = hashing;
	}

	begin(genesis: EvmGenesis): EvmTransition {
		const state = initialEvmState(genesis);
		return { entry: encodeGenesis(genesis), state, events: [this.#progress(state)] };
	}

	/**
	 * The next entry: as many of `submissions` as it takes, all of which follow the state; `upTo` is the block behind the last one that is taken.
	 * Errors: ChainMismatchError.
	 */
	blocks(
		state: EvmState,
		submissions: readonly ChainSubmission[],
		upTo: ChainBlock,
	): EvmTransition & { readonly taken: number } {
		let taken = 0;
		for (let bytes = 0; taken < Math.min(submissions.length, ENTRY_SUBMISSIONS); taken++) {
			bytes += chainSubmissionBytes(submissions[taken] as ChainSubmission);
			if (bytes > ENTRY_SUBMISSION_BYTES) break;
		}
		if (taken === 0 && submissions.length > 0)
			throw new ChainMismatchError('a submission is too large to be written down');
		const part = submissions.slice(0, taken);
		const writer = new ByteWriter(taken * 256 + 64);
		for (const submission of part) writeChainSubmission(writer, submission);
		// The rest comes with a later entry.
		const reached = taken === submissions.length ? upTo : state.block;
		const { state: next, events } = this.#placeAll(state, part, reached);
		const fields = { upTo: reached, firstSeq: state.submissions, flowRoot: next.flowRoot };
		return { entry: encodeBlocks(fields, taken, writer.toBytes()), state: next, events, taken };
	}

	/** The entry that takes submissions back. `upTo`: the last block that counts. */
	revert(state: EvmState, to: FlowPoint, upTo: ChainBlock): EvmTransition {
		const fields = { ...to, upTo };
		return { entry: encodeRevert(fields), ...this.#reverted(state, { kind: 'revert', ...fields }) };
	}

	/** Applies an entry of the journal to the state before it (undefined: before the first). Errors: FORMAT_UNKNOWN. */
	apply(state: EvmState | undefined, bytes: Uint8Array): EvmTransition {
		const entry = decodeEvmEntry(bytes);
		if (entry.kind === 'genesis') {
			if (state) throw diverged('a second beginning follows the first');
			return this.begin(entry.genesis);
		}
		if (!state) throw diverged('its first entry does not say which flow it is');
		const next = entry.kind === 'revert' ? this.#reverted(state, entry) : this.#replayed(state, entry);
		return { entry: bytes, ...next };
	}

	#replayed(state: EvmState, entry: BlocksEntry): Omit<EvmTransition, 'entry'> {
		if (entry.firstSeq !== state.submissions)
			throw diverged(`submission ${entry.firstSeq} follows ${state.submissions} submissions`);
		const next = this.#placeAll(state, entry.submissions, entry.upTo);
		// What does not fit was refused before it was written.
		if (Buffer.compare(next.state.flowRoot, entry.flowRoot) === 0) return next;
		throw diverged(`the flow root is ${hexOf(next.state.flowRoot)}, the entry says ${hexOf(entry.flowRoot)}`);
	}

	#placeAll(state: EvmState, submissions: readonly ChainSubmission[], upTo: ChainBlock): Omit<EvmTransition, 'entry'> {
		const draft = new FlowDraft(this.#hashing, state.flowLength, state.frontier);
		const events: SettlementEvent[] = submissions.map((submission, index) => {
			const placed = this.#place(draft, submission, (state.submissions + index) as TxSeq);
			return { kind: 'submission', submission: placed };
		});
		const isMoved = submissions.length > 0;
		const flowLength = draft.length;
		const next: EvmState = {
			genesis: state.genesis,
			block: upTo,
			submissions: state.submissions + submissions.length,
			flowLength,
			frontier: isMoved ? new Uint8Array(draft.frontier) : state.frontier,
			flowRoot: isMoved ? this.#hashing.flowRoot(flowLength, draft.frontier) : state.flowRoot,
		};
		return { state: next, events: [...events, this.#progress(next)] };
	}

	#place(draft: FlowDraft, submission: ChainSubmission, txSeq: TxSeq): OrderedSubmission {
		if (submission.txSeq !== txSeq)
			throw new ChainMismatchError(`submission ${submission.txSeq} came where ${txSeq} is the next`);
		const lengthBefore = draft.length;
		draft.append(submission.nodes);
		if (draft.start !== submission.startSector)
			throw new ChainMismatchError(
				`the contract placed submission ${txSeq} at sector ${submission.startSector}, the rules place it at ${draft.start}`,
			);
		return new OrderedSubmission(this.#hashing, submission, {
			flowId: this.flowId,
			txSeq,
			dataRoot: rootFromBytes(foldRoots(submission.nodes, this.#hashing)),
			startSector: draft.start,
			lengthBefore,
			lengthAfter: draft.length,
			timeMs: submission.timeMs,
			blockNumber: submission.blockNumber,
			frontier: Buffer.from(draft.frontier),
		});
	}

	#reverted(state: EvmState, to: RevertEntry): Omit<EvmTransition, 'entry'> {
		const { submissions, flowLength, upTo } = to;
		if (submissions > state.submissions) throw diverged(`${submissions} submissions stay of ${state.submissions}`);
		if (to.frontier.length !== frontierBytes(flowLength)) throw diverged('a frontier does not fit its flow');
		const frontier = to.frontier.slice();
		const flowRoot = this.#hashing.flowRoot(flowLength, frontier);
		const next: EvmState = { genesis: state.genesis, block: upTo, submissions, flowLength, frontier, flowRoot };
		const fromSeq = submissions as TxSeq;
		const reverted: SettlementEvent = { kind: 'revertedTo', flowId: this.flowId, fromSeq, flowLength, frontier };
		return { state: next, events: [reverted, this.#progress(next)] };
	}

	#progress({ block }: EvmState): SettlementEvent {
		return { kind: 'progress', flowId: this.flowId, blockNumber: block.number, timeMs: block.timeMs };
	}
}

function diverged(what: string): PerigeeError {
	return new PerigeeError('FORMAT_UNKNOWN', `The chain's entries cannot be replayed: ${what}`);
}
