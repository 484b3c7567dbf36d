/**
 * The embedded ledger as a pure state machine: a state and an entry give the next state, the events, and nothing else happens.
 * No clock, no randomness and no setting of this process takes part, so the same journal gives the same state hash anywhere.
 */
import { PerigeeError } from '../../errors.js';
import { LIMITS } from '../../limits.js';
import { type FlowId, HASH_BYTES, hexOf, rootFromBytes, type SectorIndex, type TxSeq } from '../../units.js';
import { ByteWriter } from '../../bytes.js';
import type { EpochContext, PlacedSubmission, SettlementEvent, Submission } from '../settlement.js';
import { emptyBlockHash, insertRoots, makeContext, type RootHistory } from './epochs.js';
import type { LedgerGenesis } from './genesis.js';
import { FlowDraft } from '../flow/flow-draft.js';
import {
	type BlockInputs,
	decodeEntry,
	encodeBlockEntry,
	encodeGenesisEntry,
	ENTRY_CONTENT_BYTES,
	submissionBytes,
	writeSubmission,
} from './ledger-entry.js';
import { hashState, initialState, type LedgerState } from './ledger-state.js';
import {
	answered,
	begun,
	epochAt,
	paid,
	passed,
	registered,
	startOf,
	tickOf,
	type LedgerHashing,
	type MiningBlock,
	type Refusal,
} from './mining/rules.js';
import type { MiningState } from './mining/state.js';
import { TRANSACTION_BYTES, writeTransaction, type LedgerTransaction } from './mining/transactions.js';
import { OrderedSubmission } from '../flow/placed-submission.js';
import { checkRoom, checkSubmission, foldRoots } from '../flow/submission-rules.js';

/** What a transaction does: the miner that it registers, or the place of its answer in the epoch and what is paid for it. */
export interface TransactionResult {
	readonly state: MiningState;
	readonly id?: Uint8Array;
	readonly epochIndex?: number;
	readonly reward?: bigint;
}

/** What an entry does. */
export interface Transition {
	/** The journal's bytes of the entry. */
	readonly entry: Uint8Array;
	readonly state: LedgerState;
	readonly events: readonly SettlementEvent[];
}

/** The machine of one flow. It holds no state. */
export class Ledger {
	readonly flowId: FlowId;
	readonly hashing: LedgerHashing;

	constructor(flowId: FlowId, hashing: LedgerHashing) {
		this.flowId = flowId;
		this.hashing = hashing;
	}

	/** The first entry of a ledger. */
	begin(genesis: LedgerGenesis): Transition {
		const state = initialState(genesis, this.hashing);
		return { entry: encodeGenesisEntry(genesis, state.stateHash), state, events: [this.#progress(state)] };
	}

	/** A draft of the next entry: `emptyBlocks` blocks without submissions, then what is added to it. */
	draft(state: LedgerState, emptyBlocks: number, timeMs: number): BlockDraft {
		return new BlockDraft(this, state, { firstNumber: state.blockNumber + 1, emptyBlocks, timeMs });
	}

	/**
	 * Applies an entry of the journal to the state before it (undefined: before the first).
	 * Errors: FORMAT_UNKNOWN when the entry cannot be read, does not follow the state, or leads to another state than it says.
	 */
	apply(state: LedgerState | undefined, bytes: Uint8Array): Transition {
		const entry = decodeEntry(bytes);
		let transition: Transition;
		if (entry.kind === 'genesis') {
			if (state) throw diverged('a second genesis follows the first');
			transition = this.begin(entry.genesis);
		} else {
			if (!state) throw diverged('its first entry is not a genesis');
			if (entry.firstNumber !== state.blockNumber + 1) {
				throw diverged(`block ${entry.firstNumber} follows block ${state.blockNumber}`);
			}
			try {
				const draft = new BlockDraft(this, state, entry);
				for (const submission of entry.submissions) draft.add(submission);
				for (const transaction of entry.transactions) {
					const result = draft.transact(transaction);
					if ('refusal' in result) throw diverged(`a transaction of block ${entry.firstNumber}: ${result.refusal}`);
				}
				transition = draft.seal();
			} catch (error) {
				if (!(error instanceof PerigeeError) || error.code !== 'SUBMISSION_INVALID') throw error;
				throw diverged(`a submission of block ${entry.firstNumber} is invalid: ${error.message}`, error);
			}
		}
		const { stateHash, blockNumber } = transition.state;
		if (Buffer.compare(stateHash, entry.stateHash) !== 0) {
			throw diverged(
				`the state after block ${blockNumber} is ${hexOf(stateHash)}, the entry says ${hexOf(entry.stateHash)}`,
			);
		}
		return transition;
	}

	#progress(state: LedgerState): SettlementEvent {
		return { kind: 'progress', flowId: this.flowId, blockNumber: state.blockNumber, timeMs: state.blockTimeMs };
	}
}

/** Most empty blocks of one entry. */
export function maxEmptyBlocks(genesis: LedgerGenesis): number {
	return Math.min(LIMITS.ledgerRunBlocks, LIMITS.ledgerRunEpochs * genesis.blocksPerEpoch);
}

/** One entry in the making. `add` and `seal` leave the state it began with untouched. */
export class BlockDraft {
	readonly #ledger: Ledger;
	readonly #before: LedgerState;
	readonly #inputs: BlockInputs;
	readonly #placed: PlacedSubmission[] = [];
	readonly #encoded = new ByteWriter(1024);
	readonly #flow: FlowDraft;
	readonly #transactions = new ByteWriter(256);
	#transactionCount = 0;
	/** Contexts and mining as the block with transactions has them; set with the first of those. */
	#block: MiningBlock | undefined;
	#mining: MiningState | undefined;
	#hasBegun = false;

	constructor(ledger: Ledger, before: LedgerState, inputs: BlockInputs) {
		const most = maxEmptyBlocks(before.genesis);
		if (inputs.emptyBlocks > most) throw diverged(`a run of ${inputs.emptyBlocks} empty blocks: at most ${most}`);
		if (inputs.timeMs < before.blockTimeMs)
			throw diverged(`time goes back from ${before.blockTimeMs} to ${inputs.timeMs}`);
		this.#ledger = ledger;
		this.#before = before;
		this.#inputs = inputs;
		this.#flow = new FlowDraft(ledger.hashing, before.flowLength, before.frontier);
	}

	/** Submissions in it. */
	get size(): number {
		return this.#placed.length;
	}

	/** Whether another submission fits into the entry. */
	hasRoomFor(submission: Submission): boolean {
		return (
			this.#placed.length < LIMITS.ledgerBlockSubmissions &&
			this.#encoded.length + submissionBytes(submission) <= ENTRY_CONTENT_BYTES
		);
	}

	/** Places a submission. Errors: SUBMISSION_INVALID; the draft is then as before. */
	add(submission: Submission): PlacedSubmission {
		const { hashing, flowId } = this.#ledger;
		const { nodes } = submission;
		checkSubmission(submission);
		const lengthBefore = this.#flow.length;
		checkRoom(nodes, lengthBefore);
		const dataRoot = rootFromBytes(foldRoots(nodes, hashing));
		this.#flow.append(nodes);
		const placed = new OrderedSubmission(hashing, submission, {
			flowId,
			txSeq: (this.#before.submissions + this.#placed.length) as TxSeq,
			dataRoot,
			startSector: this.#flow.start,
			lengthBefore,
			lengthAfter: this.#flow.length,
			timeMs: this.#inputs.timeMs,
			blockNumber: this.#inputs.firstNumber + this.#inputs.emptyBlocks,
			frontier: Buffer.from(this.#flow.frontier),
		});
		writeSubmission(this.#encoded, submission);
		this.#placed.push(placed);
		return placed;
	}

	/** Whether a transaction fits behind what is there. */
	get hasRoomForTransaction(): boolean {
		return (
			this.#transactionCount < LIMITS.ledgerBlockTransactions &&
			this.#encoded.length + this.#transactions.length + TRANSACTION_BYTES <= ENTRY_CONTENT_BYTES
		);
	}

	/** Executes a transaction behind all submissions of the entry. A refused one leaves no trace. */
	transact(transaction: LedgerTransaction): TransactionResult | Refusal {
		this.#openBlock();
		const result = this.#execute(transaction);
		if ('refusal' in result) return result;
		this.#mining = result.state;
		writeTransaction(this.#transactions, transaction);
		this.#transactionCount++;
		return result;
	}

	#execute(transaction: LedgerTransaction): TransactionResult | Refusal {
		const { hashing } = this.#ledger;
		const mining = this.#mining;
		const block = this.#block;
		if (!block) throw new Error('no block is open');
		if (transaction.kind === 'begin') {
			if (mining) return { refusal: 'Mining has begun before' };
			this.#hasBegun = true;
			return { state: begun(transaction.params, block) };
		}
		if (!mining) return { refusal: 'Mining has not begun' };
		return transaction.kind === 'register'
			? registered(mining, transaction, block, hashing)
			: answered(mining, transaction.answer, block, hashing);
	}

	/** From here on the block takes no submissions: the fees of those that are there lie in the pools. */
	#openBlock(): void {
		if (this.#block) return;
		const { firstNumber, emptyBlocks, timeMs } = this.#inputs;
		const number = firstNumber + emptyBlocks;
		const { contexts } = this.#makeContexts(number);
		this.#mining = this.#miningAfter(contexts);
		const context = contexts.at(-1) ?? this.#before.context;
		this.#block = { tick: this.#tick, parentHash: this.#hashOfEmpty(number - 1), timeMs, context };
	}

	/** Mining with the contexts and fees of this entry, before its transactions. */
	#miningAfter(contexts: readonly EpochContext[]): MiningState | undefined {
		const { mining, epochStart: rangeStart, context: known, pricePerSector } = this.#before;
		if (!mining) return undefined;
		const context = contexts.at(-1);
		const what = {
			made: context && { context, rangeStart },
			context: context ?? known,
			tick: this.#tick,
			hashOf: (tick: number) => this.#hashOfTick(tick),
		};
		let next = passed(mining, what, this.#ledger.hashing);
		for (const submission of this.#placed) next = paid(next, submission, pricePerSector);
		return next;
	}

	/** Closes the blocks of the entry. Errors: FORMAT_UNKNOWN when it has neither empty blocks nor anything else. */
	seal(): Transition {
		const { emptyBlocks, firstNumber, timeMs } = this.#inputs;
		const filled = this.#placed.length > 0 || this.#transactionCount > 0;
		if (!filled && emptyBlocks === 0) throw diverged('an entry without blocks');
		const blockNumber = firstNumber + emptyBlocks - (filled ? 0 : 1);
		const { contexts, history } = this.#makeContexts(blockNumber);
		const mining = this.#block ? this.#mining : this.#miningAfter(contexts);
		const submissions = this.#encoded.toBytes();
		const transactions = this.#transactions.toBytes();
		const flowRoot =
			this.#placed.length > 0
				? this.#ledger.hashing.flowRoot(this.#flow.length, this.#flow.frontier)
				: this.#before.flowRoot;
		const state = hashState(
			{
				genesis: this.#before.genesis,
				blockNumber,
				blockHash: filled
					? this.#blockHash(blockNumber, submissions, transactions, flowRoot)
					: this.#hashOfEmpty(blockNumber),
				blockTimeMs: timeMs,
				submissions: this.#before.submissions + this.#placed.length,
				flowLength: this.#flow.length,
				frontier: new Uint8Array(this.#flow.frontier),
				flowRoot,
				context: contexts.at(-1) ?? this.#before.context,
				// When mining begins nobody knows what earlier contexts have owned: the next one owns it all.
				epochStart: this.#hasBegun ? 0n : contexts.length > 0 ? this.#before.flowLength : this.#before.epochStart,
				rootHistory: history,
				pricePerSector: this.#before.pricePerSector,
				...(mining && { mining }),
			},
			this.#ledger.hashing,
		);
		const entry = encodeBlockEntry(
			this.#inputs,
			{ count: this.#placed.length, bytes: submissions },
			{ count: this.#transactionCount, bytes: transactions },
			state.stateHash,
		);
		return { entry, state, events: this.#events(contexts, state) };
	}

	get #tick(): number {
		return tickOf(this.#before.genesis, this.#inputs.timeMs);
	}

	/** The context of the newest epoch, where mining counts in ticks; those that nobody saw begin are passed over. */
	#contextByTime(mining: MiningState): readonly EpochContext[] {
		const { genesis, context, flowRoot: root, flowLength: length } = this.#before;
		const epoch = epochAt(mining, genesis, this.#tick);
		if (epoch <= context.epoch) return [];
		const start = startOf(mining, genesis, epoch);
		return [makeContext(epoch, start, this.#hashOfTick(start), { root, length }, this.#ledger.hashing)];
	}

	/** Ticks have no blocks: this stands for the hash of one that this entry has passed. */
	#hashOfTick(tick: number): Uint8Array {
		return emptyBlockHash(this.#before.blockHash, tick, this.#ledger.hashing);
	}

	/**
	 * Contexts whose boundary block lies before `last`, or, once mining has begun, whose tick has passed: all of them see the flow as it was before this
	 * entry.
	 */
	#makeContexts(last: number): { contexts: readonly EpochContext[]; history: RootHistory } {
		const { mining, flowRoot, rootHistory } = this.#before;
		const contexts = mining ? this.#contextByTime(mining) : this.#contextsByBlocks(last);
		return { contexts, history: insertRoots(rootHistory, flowRoot, contexts.length, this.#ledger.hashing) };
	}

	#contextsByBlocks(last: number): readonly EpochContext[] {
		const { genesis, context, flowRoot, flowLength } = this.#before;
		const flow = { root: flowRoot, length: flowLength };
		const contexts: EpochContext[] = [];
		for (let epoch = context.epoch + 1; ; epoch++) {
			const boundary = genesis.firstBlock + epoch * genesis.blocksPerEpoch;
			if (boundary >= last) break;
			contexts.push(makeContext(epoch, boundary, this.#hashOfEmpty(boundary), flow, this.#ledger.hashing));
		}
		return contexts;
	}

	/** Hash of an empty block of this entry, or of the block before it. */
	#hashOfEmpty(number: number): Uint8Array {
		const { blockNumber, blockHash } = this.#before;
		return number === blockNumber ? blockHash : emptyBlockHash(blockHash, number, this.#ledger.hashing);
	}

	/**
	 * K(0x01 || number u64 || time u64 || parent hash || K(encoded submissions) || flow root || flow length u64); with transactions 0x03, and
	 * K(encoded transactions) behind the submissions'.
	 */
	#blockHash(number: number, submissions: Uint8Array, transactions: Uint8Array, flowRoot: Uint8Array): Uint8Array {
		const { hashing } = this.#ledger;
		const header = new ByteWriter(1 + 8 + 8 + 4 * HASH_BYTES + 8)
			.u8(transactions.length > 0 ? 3 : 1)
			.u64(number)
			.u64(this.#inputs.timeMs)
			.fixed(this.#hashOfEmpty(number - 1), HASH_BYTES)
			.raw(hashing.keccak256(submissions));
		if (transactions.length > 0) header.raw(hashing.keccak256(transactions));
		return hashing.keccak256(header.fixed(flowRoot, HASH_BYTES).u64(this.#flow.length).toBytes());
	}

	/** Epochs first: they see the flow without the submissions of this entry. */
	#events(contexts: readonly EpochContext[], state: LedgerState): readonly SettlementEvent[] {
		const { flowId } = this.#ledger;
		const { epochStart, flowLength } = this.#before;
		const events: SettlementEvent[] = contexts.map((context, index) => {
			const rangeStart = (index === 0 ? epochStart : flowLength) as SectorIndex;
			return { kind: 'epoch', flowId, context, rangeStart };
		});
		for (const submission of this.#placed) events.push({ kind: 'submission', submission });
		events.push({ kind: 'progress', flowId, blockNumber: state.blockNumber, timeMs: state.blockTimeMs });
		return events;
	}
}

function diverged(what: string, cause?: Error): PerigeeError {
	return new PerigeeError('FORMAT_UNKNOWN', `The ledger cannot be replayed: ${what}`, cause ? { cause } : undefined);
}
