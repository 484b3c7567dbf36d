/**
 * The settlement of a node that follows the Flow contract of a chain. It is the one that writes what the chain says into the journal; what it asks
 * the chain, and when, is the business of chain-sync.ts.
 *
 * Promises: submissions are taken in their order, each once, and only where the contract's place for them is the one that the rules give. What was
 * taken back is gone from journal order, flow and view alike, also across restarts.
 */
import { PerigeeError } from '../../errors.js';
import { ByteWriter } from '../../bytes.js';
import { hexOf, rootFromBytes, type DataRoot, type FlowId } from '../../units.js';
import { checkSubmission, foldRoots, sectorsOf } from '../flow/submission-rules.js';
import { LIMITS } from '../../limits.js';
import type { FlowHashing } from '../flow/hashing.js';
import type { FlowHistory } from '../flow/flow-history.js';
import type { Journal, JournalDriver } from '../journal.js';
import type { SettingRecord } from '../journal-records.js';
import type {
	AwaitedSubmission,
	FlowState,
	PendingSubmission,
	Settlement,
	SettlementEvent,
	SettlementIdentity,
	SettlementTrouble,
	Submission,
	UploadName,
} from '../settlement.js';
import type { ChainBlock, ChainSubmission } from './chain-submission.js';
import type { EvmGenesis } from './evm-entry.js';
import { EvmFlow, type EvmTransition } from './evm-flow.js';
import type { EvmMining } from './evm-mining.js';
import type { Payer } from './payer.js';
import type { Payment } from './payment-records.js';
import type { Payments, ShownSubmission } from './payments.js';
import type { RewardContract } from './reward-contract.js';
import { decodeEvmState, encodeEvmState, initialEvmState, type EvmState, beginningOf } from './evm-state.js';

/** The flow id of a chain; that of the embedded settlement is 0. */
const EVM_FLOW = 1 as FlowId;
/** Until the chain was asked for the first time. */
const UNKNOWN_CHAIN = 0n;

/** Blocks without a submission that a restart may look at again, rather than an entry of the journal for each. */
const UNWRITTEN_BLOCKS = 10_000;

/** Follows the chain for a settlement. */
export interface ChainFollower {
	/** The chain's id, asked once, when a data directory is new. Errors: ChainError. */
	chainId(): Promise<bigint>;
	/** What keeps it from going on. */
	readonly trouble: SettlementTrouble | undefined;
	/** Why the node does not know all that the chain shows; undefined when it does. */
	behind(): string | undefined;
	start(settlement: EvmSettlement): void;
	/** Asks nothing more and waits for what is under way. */
	close(): Promise<void>;
}

export interface EvmSettlementOptions {
	readonly journal: Journal;
	readonly hashing: FlowHashing;
	/** What the view knows of a flow. */
	readonly historyOf: (flowId: FlowId) => FlowHistory;
	/** 20 bytes. */
	readonly flowAddress: Uint8Array;
	readonly startBlock: number;
	readonly follower: ChainFollower;
	/** Milliseconds since 1970. */
	readonly nowMs: () => number;
	/** Wei that the flow asks for a sector; undefined where no endpoint tells. */
	readonly pricePerSector: () => Promise<bigint | undefined>;
	/** Absent: this node asks nobody what is still paid for. */
	readonly rewards?: Pick<RewardContract, 'firstRewardableChunk'>;
	/** What this node has to pay for, also what it had to while it had a key. */
	readonly payments: Payments;
	/** Absent: this node does not pay. */
	readonly payer?: Payer;
	/** Absent: this node does not mine. */
	readonly miningOf?: (parts: { readonly flowLength: () => bigint; readonly chainId: () => bigint }) => EvmMining;
}

export class EvmSettlement implements Settlement, JournalDriver {
	readonly flowId = EVM_FLOW;
	readonly mining: EvmMining | undefined;
	readonly #options: EvmSettlementOptions;
	readonly #flow: EvmFlow;
	/** What was ordered before. */
	readonly history: FlowHistory;
	/** After the last entry that the journal handed over; undefined: there was none. */
	#taken: EvmState | undefined;
	/** The same as of the last `confirm`. */
	#confirmed: EvmState | undefined;
	/** The last block that was looked at, while nothing behind the last entry had a submission. */
	#seen: ChainBlock | undefined;
	/** What this process has worked out and handed to the journal. */
	#inFlight: EvmTransition | undefined;

	/** Registers itself with the journal. Restore and replay come next, then `start`. */
	constructor(options: EvmSettlementOptions) {
		this.#options = options;
		this.#flow = new EvmFlow(EVM_FLOW, options.hashing);
		this.history = options.historyOf(EVM_FLOW);
		options.journal.register(this);
		this.mining = options.miningOf?.({
			flowLength: () => this.flow().lengthSectors,
			chainId: () => this.identity().chainId,
		});
	}

	/** Begins to follow the chain. Call it after the replay. Errors: CONFIG_INVALID when the directory follows another flow, or no endpoint answers a new one. */
	async start(): Promise<void> {
		const { flowAddress, startBlock, follower, payments, payer } = this.#options;
		if (!this.#confirmed) {
			const chainId = await follower.chainId().catch((error: unknown) => {
				const { message } = error as Error;
				throw new PerigeeError(
					'CONFIG_INVALID',
					`chain.endpoints, chain.flowAddress: a new directory cannot follow it (${message})`,
					{
						cause: error,
					},
				);
			});
			const genesis = { chainId, flowAddress, startBlock };
			await this.#commit(this.#flow.begin(genesis), [flowSetting(genesis)]);
		}
		const { genesis } = this.state;
		if (Buffer.compare(genesis.flowAddress, flowAddress) !== 0)
			throw new PerigeeError(
				'CONFIG_INVALID',
				`this data directory follows the flow ${hexOf(genesis.flowAddress)}, the configuration names ${hexOf(flowAddress)}`,
			);
		payments.begin();
		follower.start(this);
		payer?.start({
			chainId: genesis.chainId,
			behind: () => follower.behind(),
			block: () => this.state.block.number,
		});
	}

	get submitter(): Uint8Array | undefined {
		return this.#options.payer?.address;
	}

	/** As far as it is durable and in the view; blocks without submissions count before they are written down. */
	get state(): EvmState {
		const { flowAddress, startBlock } = this.#options;
		const state = this.#confirmed ?? initialEvmState({ chainId: UNKNOWN_CHAIN, flowAddress, startBlock });
		return this.#seen ? { ...state, block: this.#seen } : state;
	}

	/** Stands for the blocks before the first that is read: the configuration may name an earlier one than the directory began with. */
	get beginning(): ChainBlock {
		const { genesis } = this.state;
		return beginningOf({ ...genesis, startBlock: Math.min(genesis.startBlock, this.#options.startBlock) });
	}

	/** The flow root after so many submissions, at least one. Errors: those of the view. */
	async flowRootAfter(submissions: number): Promise<Uint8Array> {
		const last = await this.history.submission(submissions - 1);
		if (!last) throw new Error(`submission ${submissions - 1} is not known`);
		const frontier = await this.history.frontier(submissions, last.lengthAfter);
		return this.#options.hashing.flowRoot(last.lengthAfter, frontier);
	}

	/** The data root of what the chain shows. */
	readonly rootOf = ({ nodes }: ChainSubmission): DataRoot => rootFromBytes(foldRoots(nodes, this.#options.hashing));

	identity(): SettlementIdentity {
		const { chainId, flowAddress } = this.state.genesis;
		return { flowId: EVM_FLOW, driver: 'evm', chainId, flowAddress };
	}

	flow(): FlowState {
		const { state } = this;
		const confirmed = this.#confirmed;
		const { hashing } = this.#options;
		return {
			lengthSectors: state.flowLength,
			root: state.flowRoot,
			submissions: state.submissions,
			frontier: state.frontier,
			blockNumber: state.block.number,
			blockHash: state.block.hash,
			// Looked at now and then, while the rest is asked for with every call.
			get stateHash() {
				return hashing.keccak256(confirmed ? encodeEvmState(confirmed) : new Uint8Array(0));
			},
		};
	}

	awaits(root: DataRoot): boolean {
		return this.#options.payments.includes(root);
	}

	trouble(): SettlementTrouble | undefined {
		return this.#options.follower.trouble;
	}

	async firstRewardableChunk(): Promise<number | undefined> {
		const { follower, rewards } = this.#options;
		return follower.behind() === undefined ? await rewards?.firstRewardableChunk() : undefined;
	}

	async submit(submission: Submission, upload: UploadName = NAMELESS): Promise<AwaitedSubmission> {
		const { hashing, journal, nowMs, payments, payer } = this.#options;
		checkSubmission(submission);
		const { lengthBytes, tags, nodes } = submission;
		const root = rootFromBytes(foldRoots(nodes, hashing));
		const { name, contentType } = upload;
		const record = { flowId: EVM_FLOW, root, timeMs: nowMs(), name, contentType };
		const payment = { root, lengthBytes, nodes };
		const state = (): Promise<PendingSubmission> => this.#pending({ lengthBytes, tags, nodes }, payment);
		if (payer) return { state, ...(await payments.want(payment, record)) };
		await journal.recordUpload(record);
		return { state };
	}

	async #pending(submission: PendingSubmission['submission'], payment: Payment): Promise<PendingSubmission> {
		const { chainId, flowAddress } = this.state.genesis;
		const { pricePerSector, payments, payer } = this.#options;
		const price = await pricePerSector();
		const fee = price === undefined ? undefined : price * sectorsOf(submission.nodes);
		const pending = { chainId, flowAddress, submission, fee };
		if (!payer) return pending;
		const transaction = payments.transactionFor(payment)?.hashes.at(-1);
		const trouble = payer.troubleOf(payment);
		return {
			...pending,
			payment: { ...(transaction && { transaction }), ...(trouble !== undefined && { trouble }) },
		};
	}

	/**
	 * Takes submissions that follow those that are known, and all of the blocks up to `upTo`. Resolves when they are durable and in the view.
	 * Errors: ChainMismatchError, and those of the journal.
	 */
	async extend(submissions: readonly ChainSubmission[], upTo: ChainBlock): Promise<void> {
		const known = this.#confirmed?.block.number ?? 0;
		if (submissions.length === 0 && upTo.number - known < UNWRITTEN_BLOCKS) {
			this.#seen = upTo;
			return;
		}
		let rest = submissions;
		do {
			const { taken, ...transition } = this.#flow.blocks(this.state, rest, upTo);
			const write = (settings: readonly SettingRecord[]) => this.#commit(transition, settings);
			await this.#options.payments.shown(() => shownBy(transition, rest), write);
			rest = rest.slice(taken);
		} while (rest.length > 0);
	}

	/** Goes back to the first `submissions` and to a block that counts. Errors: those of the journal and the view. */
	async revert(submissions: number, upTo: ChainBlock): Promise<void> {
		const last = submissions === 0 ? undefined : await this.history.submission(submissions - 1);
		if (submissions > 0 && !last) throw new Error(`submission ${submissions - 1} is not known`);
		const flowLength = last?.lengthAfter ?? 1n;
		const frontier = await this.history.frontier(submissions, flowLength);
		const transition = this.#flow.revert(this.state, { submissions, flowLength, frontier }, upTo);
		const write = (settings: readonly SettingRecord[]) => this.#commit(transition, settings);
		const lost = await this.#uploadedHere(submissions, this.state.submissions);
		await this.#options.payments.reverted({ submissions, block: upTo.number }, lost, write);
	}

	/** What this node would have paid for, had nobody else: uploads whose submissions are among those from `from` to `to`. */
	async #uploadedHere(from: number, to: number): Promise<readonly Payment[]> {
		const payments: Payment[] = [];
		if (!this.#options.payer) return payments;
		for (let txSeq = from; txSeq < to && payments.length < LIMITS.payments; txSeq++) {
			const found = await this.history.submission(txSeq);
			if (found?.tags.length !== 0 || !(await this.history.isUploadedHere(found.dataRoot))) continue;
			const { dataRoot: root, lengthBytes, nodes } = found;
			payments.push({ root, lengthBytes, nodes });
		}
		return payments;
	}

	async close(): Promise<void> {
		const { follower, payer } = this.#options;
		await Promise.all([this.mining?.close(), follower.close(), payer?.close()]);
	}

	take(entry: Uint8Array): readonly SettlementEvent[] {
		// A live entry was worked out before it was written.
		const own = this.#inFlight && Buffer.compare(this.#inFlight.entry, entry) === 0 ? this.#inFlight : undefined;
		const transition = own ?? this.#flow.apply(this.#taken, entry);
		this.#taken = transition.state;
		return transition.events;
	}

	confirm(): void {
		this.#confirmed = this.#taken;
	}

	saveState(): Uint8Array {
		return this.#confirmed ? encodeEvmState(this.#confirmed) : new Uint8Array(0);
	}

	restoreState(saved: Uint8Array): void {
		this.#taken = saved.length > 0 ? decodeEvmState(saved, this.#options.hashing) : undefined;
		this.#confirmed = this.#taken;
	}

	async #commit(transition: EvmTransition, settings: readonly SettingRecord[]): Promise<void> {
		this.#inFlight = transition;
		try {
			await this.#options.journal.append({ entry: { flowId: EVM_FLOW, entry: transition.entry }, settings });
			this.#seen = undefined;
		} finally {
			this.#inFlight = undefined;
		}
	}
}

const NAMELESS: UploadName = { name: '', contentType: '' };

/** What an entry shows, with the transactions that it came in. `submissions`: what it was made of, and maybe more. */
function shownBy({ events }: EvmTransition, submissions: readonly ChainSubmission[]): readonly ShownSubmission[] {
	const placed = events.flatMap((event) => (event.kind === 'submission' ? [event.submission] : []));
	return placed.map((submission, index) => {
		const { txHash } = submissions[index] as ChainSubmission;
		return { placed: submission, txHash };
	});
}

function flowSetting({ chainId, flowAddress }: EvmGenesis): SettingRecord {
	return { key: `flow/${EVM_FLOW}`, value: new ByteWriter(28).u64(chainId).raw(flowAddress).toBytes() };
}
