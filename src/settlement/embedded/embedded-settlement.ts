/**
 * The embedded settlement: one ledger block for each journal group, with all submissions that came while the group before it was
 * on its way; and a block for each interval of idle time, many of them in one entry.
 *
 * Promises: a submission is answered once its block is durable and the view has it. The state that others see is that of the last
 * such block. A failed write leaves no trace: its submitters get the error, and the next block builds on the last durable one.
 */
import { PerigeeError } from '../../errors.js';
import type { Clock } from '../../io/clock.js';
import type { Randomness } from '../../io/randomness.js';
import { LIMITS } from '../../limits.js';
import { OWN_FLOW } from '../../units.js';
import { ByteWriter } from '../../bytes.js';
import type { Journal, JournalDriver } from '../journal.js';
import { checkUploadName, type SettingRecord, type UploadRecord } from '../journal-records.js';
import type {
	EpochContext,
	FlowState,
	PlacedSubmission,
	Settlement,
	SettlementEvent,
	SettlementIdentity,
	Submission,
	UploadName,
} from '../settlement.js';
import { type ChoiceDifference, differentChoices, flowAddressOf, type LedgerGenesis } from './genesis.js';
import { differentMining, type MiningDifference, type MiningParams } from './mining/params.js';
import type { LedgerHashing, Refusal } from './mining/rules.js';
import type { LedgerTransaction } from './mining/transactions.js';
import { idleBlocks, uploadOf, type Executed, type Taken, type Waiting, type WaitingTransaction } from './waiting.js';
import { EmbeddedMining } from './embedded-mining.js';
import { type BlockDraft, Ledger, maxEmptyBlocks, type TransactionResult, type Transition } from './ledger.js';
import { submissionBytes } from './ledger-entry.js';
import { decodeState, encodeState, initialState, type LedgerState } from './ledger-state.js';
import { checkSubmission } from '../flow/submission-rules.js';

/** The flow id of the embedded settlement. */

/** Idle time after which the ledger's blocks are written: 17,520 entries, 18 MB of journal, in a year without a submission. */
const IDLE_ENTRY_MS = 30 * 60_000;
/** Longest sleep of the timer. */
const LONGEST_SLEEP_MS = 24 * 3_600_000;

/** Hears what the ledger does; for metrics and the log. */
export interface LedgerObserver {
	/** An entry became durable and is applied. */
	committed(submissions: number, blocks: number): void;
	/** Idle blocks could not be written; it is tried again after another `idleEntryMs`. */
	idleFailed(error: unknown): void;
	/** The ledger began with other parameters than those of the options, and keeps its own. */
	choicesDiffer?(differences: readonly ChoiceDifference[]): void;
	/** The same of mining. */
	miningDiffers?(differences: readonly MiningDifference[]): void;
}

export interface EmbeddedSettlementOptions {
	readonly journal: Journal;
	readonly clock: Clock;
	readonly hashing: LedgerHashing;
	/** Used when the journal holds none. */
	readonly genesis: LedgerGenesis;
	/** The ledger takes answers of miners, by these rules if it has none yet. Absent: it takes none now. */
	readonly mining?: { readonly params: MiningParams; readonly randomness: Randomness };
	readonly observer?: LedgerObserver;
	/** Idle time after which an entry covers it (default 30 minutes; at least one block interval). */
	readonly idleEntryMs?: number;
}

/** The flow with what the ledger knows of it. */
export interface EmbeddedFlow extends FlowState {
	readonly context: EpochContext;
	/** Of one sector, in the ledger's smallest unit. */
	readonly pricePerSector: bigint;
}

export class EmbeddedSettlement implements Settlement, JournalDriver {
	readonly flowId = OWN_FLOW;
	readonly #options: EmbeddedSettlementOptions;
	readonly #ledger: Ledger;
	/** After the last entry that the journal handed over; undefined: there was none. */
	#taken: LedgerState | undefined;
	/** The same as of the last `confirm`. */
	#confirmed: LedgerState | undefined;
	/** What this process has executed and handed to the journal. */
	#inFlight: Transition | undefined;
	#waiting: Waiting[] = [];
	#waitingBytes = 0;
	readonly #transactions: WaitingTransaction[] = [];
	#miningSide: EmbeddedMining | undefined;
	#idleDue = false;
	/** Somebody has to know what the time brings: a block is closed although its interval is not over. */
	#isTimeAsked = false;
	#pumping: Promise<void> | undefined;
	#started = false;
	#closing = false;
	#cancelIdle: () => void = () => undefined;
	#identity: SettlementIdentity | undefined;

	/** Registers itself with the journal. Restore and replay come next, then `start`. */
	constructor(options: EmbeddedSettlementOptions) {
		this.#options = options;
		this.#ledger = new Ledger(OWN_FLOW, options.hashing);
		options.journal.register(this);
	}

	/** Begins the ledger if the journal held none, and lets time pass in it. Call it after the replay. Errors as of `submit`. */
	async start(): Promise<void> {
		if (this.#confirmed) {
			const different = differentChoices(this.#options.genesis, this.#confirmed.genesis);
			if (different.length > 0) this.#options.observer?.choicesDiffer?.(different);
		} else {
			const transition = this.#ledger.begin(this.#options.genesis);
			await this.#commit(transition, [], [this.#flowSetting()]);
		}
		await this.#beginMining();
		this.#started = true;
		this.#scheduleIdle();
	}

	/** Absent when the options do not ask for it. Of a settlement that is started. */
	get mining(): EmbeddedMining | undefined {
		const { mining, hashing } = this.#options;
		if (!mining || !this.#confirmed?.mining) return undefined;
		this.#miningSide ??= new EmbeddedMining(
			{
				hashing,
				randomness: mining.randomness,
				state: () => this.#durable(),
				nowMs: () => this.#nowMs(this.#durable()),
				passTime: () => this.#passTime(),
				transact: (transaction) => this.#transact(transaction),
			},
			this.identity().flowAddress,
		);
		return this.#miningSide;
	}

	identity(): SettlementIdentity {
		if (this.#identity) return this.#identity;
		const genesis = this.#confirmed?.genesis ?? this.#options.genesis;
		const flowAddress = flowAddressOf(genesis, this.#options.hashing);
		const identity = { flowId: OWN_FLOW, driver: 'embedded', chainId: genesis.chainId, flowAddress };
		if (this.#confirmed) this.#identity = identity;
		return identity;
	}

	flow(): EmbeddedFlow {
		const state = this.#confirmed ?? initialState(this.#options.genesis, this.#options.hashing);
		return {
			lengthSectors: state.flowLength,
			root: state.flowRoot,
			submissions: state.submissions,
			frontier: state.frontier,
			context: state.context,
			blockNumber: state.blockNumber,
			blockHash: state.blockHash,
			stateHash: state.stateHash,
			pricePerSector: state.pricePerSector,
		};
	}

	/** The bytes of `submission` must not change until it is answered. */
	async submit(submission: Submission, upload?: UploadName): Promise<PlacedSubmission> {
		if (this.#closing) throw new PerigeeError('SHUTTING_DOWN');
		if (!this.#started) throw new Error('the settlement is not started');
		checkSubmission(submission);
		if (upload) checkUploadName(upload);
		const bytes = this.#waitingBytes + submissionBytes(submission);
		if (this.#waiting.length >= LIMITS.ledgerQueueSubmissions || bytes > LIMITS.ledgerQueueBytes) {
			throw new PerigeeError('OVERLOADED', `${this.#waiting.length} submissions already wait for the journal`);
		}
		this.#waitingBytes = bytes;
		return new Promise((resolve, reject) => {
			this.#waiting.push({ submission, upload, resolve, reject });
			this.#startPumping();
		});
	}

	async close(): Promise<void> {
		this.#closing = true;
		this.#cancelIdle();
		while (this.#pumping) await this.#pumping;
	}

	take(entry: Uint8Array): readonly SettlementEvent[] {
		// A live entry was executed before it was written.
		const own = this.#inFlight && Buffer.compare(this.#inFlight.entry, entry) === 0 ? this.#inFlight : undefined;
		const transition = own ?? this.#ledger.apply(this.#taken, entry);
		this.#taken = transition.state;
		return transition.events;
	}

	confirm(): void {
		this.#confirmed = this.#taken;
	}

	saveState(): Uint8Array {
		return this.#confirmed ? encodeState(this.#confirmed) : new Uint8Array(0);
	}

	restoreState(saved: Uint8Array): void {
		this.#taken = saved.length > 0 ? decodeState(saved, this.#options.hashing) : undefined;
		this.#confirmed = this.#taken;
		this.#identity = undefined;
	}

	#durable(): LedgerState {
		if (!this.#confirmed) throw new Error('the ledger has no genesis');
		return this.#confirmed;
	}

	#nowMs(state: LedgerState): number {
		return Math.max(this.#options.clock.nowMs(), state.blockTimeMs);
	}

	/** The first node that is to mine on the ledger lays down the rules. */
	async #beginMining(): Promise<void> {
		const { mining, observer } = this.#options;
		const state = this.#durable();
		if (!mining) return;
		if (state.mining) {
			const different = differentMining(mining.params, state.mining.params);
			if (different.length > 0) observer?.miningDiffers?.(different);
			return;
		}
		const nowMs = this.#nowMs(state);
		const emptyBlocks = idleBlocks(state, nowMs);
		const draft = this.#ledger.draft(state, emptyBlocks, nowMs);
		draft.transact({ kind: 'begin', params: mining.params });
		await this.#commit(draft.seal(), [], []);
		observer?.committed(0, emptyBlocks + 1);
	}

	async #transact(transaction: LedgerTransaction): Promise<TransactionResult | Refusal> {
		if (this.#closing) throw new PerigeeError('SHUTTING_DOWN');
		if (this.#transactions.length >= LIMITS.ledgerQueueTransactions)
			throw new PerigeeError('OVERLOADED', `${this.#transactions.length} transactions already wait for the journal`);
		return new Promise((resolve, reject) => {
			this.#transactions.push({ transaction, resolve, reject });
			this.#startPumping();
		});
	}

	/** Writes a block at the present time, with the idle ones before it. */
	async #passTime(): Promise<void> {
		if (this.#closing) throw new PerigeeError('SHUTTING_DOWN');
		this.#idleDue = true;
		this.#isTimeAsked = true;
		this.#startPumping();
		await this.#pumping;
	}

	#startPumping(): void {
		if (this.#pumping) return;
		this.#pumping = this.#pump()
			.catch((error: unknown) => this.#rejectWaiting(error))
			.finally(() => {
				this.#pumping = undefined;
				if (this.#hasWork()) this.#startPumping();
			});
	}

	/** After a fault of the ledger itself nobody must wait for it in vain. */
	#rejectWaiting(error: unknown): void {
		this.#idleDue = false;
		this.#waitingBytes = 0;
		for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
		for (const waiting of this.#transactions.splice(0)) waiting.reject(error);
	}

	#hasWork(): boolean {
		return this.#waiting.length > 0 || this.#transactions.length > 0 || this.#idleDue;
	}

	async #pump(): Promise<void> {
		// Submissions of the same turn share a block.
		await Promise.resolve();
		while (this.#hasWork()) {
			const state = this.#durable();
			const nowMs = this.#nowMs(state);
			if (this.#waiting.length > 0 || this.#transactions.length > 0) await this.#commitBlock(state, nowMs);
			else await this.#commitIdle(state, nowMs);
		}
	}

	async #commitBlock(state: LedgerState, nowMs: number): Promise<void> {
		// The block itself stands for the last interval that has passed.
		const emptyBlocks = Math.max(0, idleBlocks(state, nowMs) - 1);
		const draft = this.#ledger.draft(state, emptyBlocks, nowMs);
		const taken = this.#fill(draft);
		const executed = this.#execute(draft);
		if (taken.length === 0 && executed.length === 0) return;
		try {
			const uploads = taken.flatMap(({ waiting, placed }) =>
				waiting.upload ? [uploadOf(placed, waiting.upload)] : [],
			);
			await this.#commit(draft.seal(), uploads, []);
		} catch (error) {
			for (const { waiting } of [...taken, ...executed]) waiting.reject(error);
			return;
		}
		this.#options.observer?.committed(taken.length, emptyBlocks + 1);
		for (const { waiting, placed } of taken) waiting.resolve(placed);
		for (const { waiting, result } of executed) waiting.resolve(result);
	}

	/** Moves waiting transactions into the draft; a refused one is answered alone. */
	#execute(draft: BlockDraft): Executed[] {
		const executed: Executed[] = [];
		while (draft.hasRoomForTransaction) {
			const waiting = this.#transactions.shift();
			if (!waiting) break;
			const result = draft.transact(waiting.transaction);
			if ('refusal' in result) waiting.resolve(result);
			else executed.push({ waiting, result });
		}
		return executed;
	}

	/** Moves waiting submissions into the draft; an invalid one is answered alone. */
	#fill(draft: BlockDraft): Taken[] {
		const taken: Taken[] = [];
		let count = 0;
		for (const waiting of this.#waiting) {
			if (!draft.hasRoomFor(waiting.submission)) break;
			count++;
			this.#waitingBytes -= submissionBytes(waiting.submission);
			try {
				taken.push({ waiting, placed: draft.add(waiting.submission) });
			} catch (error) {
				waiting.reject(error);
			}
		}
		this.#waiting.splice(0, count);
		return taken;
	}

	async #commitIdle(state: LedgerState, nowMs: number): Promise<void> {
		this.#idleDue = false;
		const isAsked = this.#isTimeAsked;
		this.#isTimeAsked = false;
		const passed = idleBlocks(state, nowMs);
		const blocks = isAsked ? Math.max(1, passed) : passed;
		try {
			if (blocks > 0) {
				// Whole intervals, so that the rest counts towards the next block; after a very long pause, all of it.
				const endMs = state.blockTimeMs + blocks * state.genesis.blockIntervalMs;
				const timeMs = !isAsked && blocks < maxEmptyBlocks(state.genesis) ? endMs : nowMs;
				await this.#commit(this.#ledger.draft(state, blocks, timeMs).seal(), [], []);
				this.#options.observer?.committed(0, blocks);
			}
			this.#scheduleIdle();
		} catch (error) {
			this.#options.observer?.idleFailed(error);
			this.#scheduleIdle(this.#idleEntryMs());
		}
	}

	async #commit(
		transition: Transition,
		uploads: readonly UploadRecord[],
		settings: readonly SettingRecord[],
	): Promise<void> {
		this.#inFlight = transition;
		try {
			await this.#options.journal.append({
				entry: { flowId: OWN_FLOW, entry: transition.entry },
				uploads,
				settings,
			});
		} finally {
			this.#inFlight = undefined;
		}
	}

	/** Wakes up once the ledger has been idle for long enough, or after `delayMs`. */
	#scheduleIdle(delayMs = this.#idleLeftMs()): void {
		this.#cancelIdle();
		if (this.#closing) return;
		this.#cancelIdle = this.#options.clock.schedule(Math.min(delayMs, LONGEST_SLEEP_MS), () => {
			if (this.#idleLeftMs() > 0) return this.#scheduleIdle();
			this.#idleDue = true;
			this.#startPumping();
		});
	}

	#idleEntryMs(): number {
		const { idleEntryMs = IDLE_ENTRY_MS, genesis } = this.#options;
		return Math.max(idleEntryMs, (this.#confirmed?.genesis ?? genesis).blockIntervalMs);
	}

	/** A clock that was set back does not make the ledger wait for longer than usual. */
	#idleLeftMs(): number {
		const nowMs = this.#options.clock.nowMs();
		const sinceMs = Math.max(0, nowMs - (this.#confirmed?.blockTimeMs ?? nowMs));
		return Math.max(0, this.#idleEntryMs() - sinceMs);
	}

	/** Which chain and flow stand behind the flow id (docs/format.md §6): chain id u64, flow address 20. */
	#flowSetting(): SettingRecord {
		const { chainId, flowAddress } = this.identity();
		return { key: `flow/${OWN_FLOW}`, value: new ByteWriter(28).u64(chainId).raw(flowAddress).toBytes() };
	}
}
