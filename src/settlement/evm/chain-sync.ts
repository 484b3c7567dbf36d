/**
 * Follows the chain (spec pora-and-contracts §6): page by page while it is far ahead, block by block near its head, where the chain of parent
 * hashes is checked, and back again where the chain has taken blocks back. Nothing that an endpoint says is believed because it said it: sequence
 * numbers must follow each other, logs must belong to their blocks, and the contract's own count and flow roots are compared. Of an endpoint whose
 * answers do not fit the others are asked first from then on; where they disagree, most of them count.
 *
 * It never stops without saying why: `trouble` tells what it waits for.
 */
import { deferred, type Deferred } from '../../deferred.js';
import type { Clock } from '../../io/clock.js';
import {
	BehindError,
	ChainError,
	RangeTooLargeError,
	WrongChainError,
	type ChainReader,
	type FoundSubmission,
	type LinkedBlock,
} from './chain-reader.js';
import type { ChainBlock } from './chain-submission.js';
import type { SettlementTrouble } from '../settlement.js';
import { ChainHead } from './chain-head.js';
import { ChainMismatchError } from './evm-flow.js';
import type { ChainFollower, EvmSettlement } from './evm-settlement.js';
import { isBeginning } from './evm-state.js';
import { DifferenceError, FlowComparison, GapError } from './flow-comparison.js';
import { lastCommonPoint } from './fork-point.js';
import { PageSize } from './page-size.js';
import { RecentBlocks } from './recent-blocks.js';

export interface ChainSyncSettings {
	/** Blocks behind the newest one that are left alone. */
	readonly confirmations: number;
	readonly pollMs: number;
	/** Blocks of one page while catching up. */
	readonly pageBlocks: number;
}

/** Codes: CHAIN_UNREACHABLE, CHAIN_BEHIND, CHAIN_GAP, CHAIN_MISMATCH, CHAIN_NOT_STORED. */
export type SyncTrouble = SettlementTrouble;

export interface ChainSyncObserver {
	/** Number of the chain's newest block, whenever it was asked. */
	head(block: number): void;
	/** Blocks were taken, with so many submissions. */
	advanced(submissions: number): void;
	/** So many submissions were taken back. */
	reverted(submissions: number, block: number): void;
	/** A new reason not to go on; undefined: it goes on again. */
	trouble(trouble: SyncTrouble | undefined): void;
}

/** Near the head each block is looked at. */
const WATCHED_BLOCKS = 32;
/** Of a block that was not asked for. */
const NOTHING = new Uint8Array(0);
const LONGEST_PAUSE_MS = 30_000;
const FIRST_ASK_MS = 30_000;

export class ChainSync implements ChainFollower {
	readonly #reader: ChainReader;
	readonly #clock: Clock;
	readonly #settings: ChainSyncSettings;
	readonly #observer: ChainSyncObserver;
	readonly #recent = new RecentBlocks();
	#settlement!: EvmSettlement;
	readonly #pages: PageSize;
	readonly #head: ChainHead;
	#hasContract = false;
	#trouble: SyncTrouble | undefined;
	readonly #comparison: FlowComparison;
	/** The block from which a page was read again after a gap. */
	#rereadFrom: number | undefined;
	#isClosing = false;
	#wake: Deferred<void> | undefined;
	#running: Promise<void> = Promise.resolve();

	constructor(reader: ChainReader, clock: Clock, settings: ChainSyncSettings, observer: ChainSyncObserver) {
		this.#reader = reader;
		this.#clock = clock;
		this.#settings = settings;
		this.#observer = observer;
		this.#pages = new PageSize(settings.pageBlocks);
		this.#head = new ChainHead(reader, clock);
		this.#comparison = new FlowComparison(reader);
	}

	/** What keeps it from going on. */
	get trouble(): SyncTrouble | undefined {
		return this.#trouble;
	}

	/** Number of the chain's newest block, once it was asked. */
	get head(): number | undefined {
		return this.#head.block;
	}

	behind(): string | undefined {
		if (this.#trouble?.isFinal) return this.#trouble.message;
		if (this.#head.block === undefined) return 'it was not asked yet';
		const left = this.#head.block - this.#settings.confirmations - this.#settlement.state.block.number;
		return left > WATCHED_BLOCKS ? `${left} blocks are still to be read` : undefined;
	}

	async chainId(): Promise<bigint> {
		const untilMs = this.#clock.monotonicMs() + FIRST_ASK_MS;
		for (;;) {
			try {
				const chainId = await this.#reader.chainId();
				await this.#reader.requireContract();
				this.#hasContract = true;
				return chainId;
			} catch (error) {
				if (error instanceof WrongChainError || this.#clock.monotonicMs() > untilMs) throw error;
				await this.#pause(this.#settings.pollMs);
			}
		}
	}

	start(settlement: EvmSettlement): void {
		this.#settlement = settlement;
		this.#comparison.begin(settlement);
		this.#reader.expect(settlement.state.genesis.chainId);
		this.#running = this.#run();
	}

	async close(): Promise<void> {
		this.#isClosing = true;
		this.#wake?.resolve();
		this.#reader.close();
		await this.#running;
	}

	async #run(): Promise<void> {
		for (let failures = 0; !this.#isClosing; ) {
			let pauseMs = this.#settings.pollMs;
			try {
				if (await this.#step()) pauseMs = 0;
				failures = 0;
			} catch (error) {
				if (this.#isClosing) return;
				if (error instanceof ChainError && !(error instanceof DifferenceError)) this.#reader.distrust();
				this.#tell(troubleOf(error));
				if (this.#trouble?.isFinal) return;
				pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2 ** Math.min(failures++, 10));
			}
			if (pauseMs > 0) await this.#pause(pauseMs);
		}
	}

	/** One page, or what stands in its way. True: there is more to do at once. */
	async #step(): Promise<boolean> {
		this.#reader.begin();
		const head = await this.#reader.head();
		this.#head.seen(head);
		this.#observer.head(head);
		if (!this.#hasContract) await this.#reader.requireContract();
		this.#hasContract = true;
		const { block } = this.#settlement.state;
		if (!(await this.#isOnChain(block, head))) return true;
		if (!this.#comparison.isCompared) await this.#compareRoot(head);
		const last = head - this.#settings.confirmations;
		const from = block.number + 1;
		if (from > last) {
			if (last < block.number - this.#settings.confirmations - WATCHED_BLOCKS)
				throw new BehindError(`the endpoint is at block ${head}, this node at ${block.number}`);
			const missing = this.#comparison.isUncounted && (await this.#comparison.count(block.number, this.#submissions));
			if (missing) {
				await this.#reread(missing);
				return true;
			}
			await this.#compareRoot(head);
			await this.#head.agree(block, this.#recent);
			await this.#head.compare();
			this.#tell(this.#head.split ?? this.#head.standstill());
			return false;
		}
		const isWatched = last - from < WATCHED_BLOCKS;
		const to = Math.min(isWatched ? last : last - WATCHED_BLOCKS, from + this.#pages.blocks - 1);
		await (isWatched ? this.#watch(block, from, to) : this.#catchUp(from, to));
		if (this.#comparison.isDue) await this.#compareRoot(head);
		return true;
	}

	/** Submissions of a page; undefined: it was too large, and the next one is smaller. */
	async #page(from: number, to: number): Promise<readonly FoundSubmission[] | undefined> {
		try {
			const found = await this.#reader.submissions(from, to);
			this.#pages.taken();
			return found;
		} catch (error) {
			if (!this.#pages.refused(error instanceof RangeTooLargeError)) throw error;
			return undefined;
		}
	}

	/** Far from the head: pages of logs, and the hash of the last block of each. */
	async #catchUp(from: number, to: number): Promise<void> {
		const found = await this.#page(from, to);
		if (found) await this.#take(found, await this.#blockAt(to));
	}

	/** Near the head: every block, linked to the one before it. */
	async #watch(before: ChainBlock, from: number, to: number): Promise<void> {
		const blocks = await this.#linkedBlocks(before, from, to);
		const last = blocks.at(-1);
		const found = last && (await this.#page(from, last.number));
		if (!last || !found) return;
		const hashes = new Map(blocks.map(({ number, hash }) => [number, hash]));
		for (const { blockNumber, blockHash, txSeq } of found) {
			if (Buffer.compare(hashes.get(blockNumber) ?? NOTHING, blockHash) !== 0)
				throw new ChainError(`submission ${txSeq} is in another block ${blockNumber} than the endpoint shows`);
		}
		const shown = Math.max(this.#submissions, (found.at(-1)?.txSeq ?? -1) + 1);
		const missing = await this.#comparison.count(last.number, shown);
		if (missing) return this.#reread(missing);
		await this.#take(found, last);
		for (const block of blocks) this.#recent.add(block);
	}

	/** Blocks as far as they are there and follow each other. */
	async #linkedBlocks(before: ChainBlock, from: number, to: number): Promise<readonly LinkedBlock[]> {
		const numbers = Array.from({ length: to + 1 - from }, (_, index) => from + index);
		const asked = await Promise.all(numbers.map((number) => this.#reader.block(number)));
		const blocks: LinkedBlock[] = [];
		for (const block of asked) {
			const parent = blocks.at(-1) ?? before;
			const isFirst = isBeginning(parent);
			if (!block || (!isFirst && Buffer.compare(block.parentHash, parent.hash) !== 0)) break;
			blocks.push(block);
		}
		if (blocks.length === 0)
			throw new BehindError(`block ${from} does not follow block ${before.number}, or is not there yet`);
		return blocks;
	}

	/** Takes what is new; what is missing in between is read again. */
	async #take(found: readonly FoundSubmission[], upTo: ChainBlock): Promise<void> {
		const { submissions } = this.#settlement.state;
		const fresh = found.filter(({ txSeq }) => txSeq >= submissions);
		const gap = fresh.findIndex(({ txSeq }, index) => txSeq !== submissions + index);
		if (gap >= 0) return this.#reread(`submission ${fresh[gap]?.txSeq} is there and ${submissions + gap} is not`);
		await this.#extend(fresh, upTo);
		this.#comparison.taken();
		this.#rereadFrom = undefined;
		this.#observer.advanced(fresh.length);
		this.#tell(undefined);
	}

	/** Submissions that stand elsewhere than they can are the chain's own only where every endpoint shows them so again and again. */
	async #extend(fresh: readonly FoundSubmission[], upTo: ChainBlock): Promise<void> {
		try {
			await this.#settlement.extend(fresh, upTo);
		} catch (error) {
			if (!(error instanceof ChainMismatchError) || this.#reader.shownWrong()) throw error;
			throw new ChainError(error.message, { cause: error });
		}
	}

	/** Endpoints that lag, or are several behind one address, leave logs out: it goes back to where the last submission was. */
	async #reread(why: string): Promise<void> {
		const number = await this.#goBackTo(this.#settlement.state.submissions);
		const isAgain = this.#rereadFrom === number;
		this.#rereadFrom = number;
		const hint =
			this.#settlement.state.submissions === 0 ? '; chain.startBlock may lie behind the first submission' : '';
		if (isAgain) throw new GapError(`${why}; read again from block ${number}${hint}`);
	}

	/** Keeps so many submissions, and reads on in the block of the last one. Resolves with its number. */
	async #goBackTo(submissions: number): Promise<number> {
		const { history, beginning } = this.#settlement;
		const last = submissions === 0 ? undefined : await history.submission(submissions - 1);
		const number = last ? last.blockNumber : beginning.number + 1;
		await this.#settlement.revert(submissions, await this.#blockOrBeginning(number - 1));
		this.#recent.clear();
		this.#comparison.cut(submissions);
		return number;
	}

	/** Whether the last block is on the chain still. False: it went back to one that is. */
	async #isOnChain(block: ChainBlock, head: number): Promise<boolean> {
		// The chain may have got shorter, or what was taken of it was none of it.
		const known = block.number > head ? this.#recent.find(head) : block;
		if (!known || isBeginning(known)) return true;
		const now = await this.#blockAt(known.number);
		if (Buffer.compare(now.hash, known.hash) === 0) return true;
		await this.#askAll(known);
		const before = this.#settlement.state.submissions;
		const { submissions, upTo } = await lastCommonPoint(this.#reader, this.#settlement, this.#recent, head);
		this.#recent.cut(upTo.number);
		await this.#settlement.revert(submissions, upTo);
		this.#comparison.cut(submissions);
		this.#observer.reverted(before - submissions, upTo.number);
		return false;
	}

	/** One endpoint may be on a branch of its own: nothing is taken back while as many of them still have the block. Errors: ChainError. */
	async #askAll(block: ChainBlock): Promise<void> {
		const hashes = (await this.#reader.opinions(block.number)).filter((hash) => hash !== undefined);
		const same = hashes.filter((hash) => Buffer.compare(hash, block.hash) === 0).length;
		if (same > 0 && 2 * same >= hashes.length)
			throw new ChainError(
				`the endpoints disagree about block ${block.number}: ${same} of ${hashes.length} have the one that was taken`,
			);
	}

	/** Errors: ChainMismatchError, ChainError, also where something is read again. */
	async #compareRoot(head: number): Promise<void> {
		const wrong = await this.#comparison.root(head);
		if (!wrong) return;
		const number = await this.#goBackTo(wrong.right);
		throw new ChainError(`${wrong.difference}; read again from block ${number}`);
	}

	get #submissions(): number {
		return this.#settlement.state.submissions;
	}

	async #blockAt(number: number): Promise<LinkedBlock> {
		const block = await this.#reader.block(number);
		if (block) return block;
		throw new BehindError(`the endpoint does not have block ${number} (yet)`);
	}

	/** Before the first block that may hold a submission nothing is known. */
	async #blockOrBeginning(number: number): Promise<ChainBlock> {
		const { beginning } = this.#settlement;
		return number <= beginning.number ? beginning : this.#blockAt(number);
	}

	#tell(trouble: SyncTrouble | undefined): void {
		if (trouble?.message === this.#trouble?.message && trouble?.code === this.#trouble?.code) return;
		this.#trouble = trouble;
		this.#observer.trouble(trouble);
	}

	async #pause(pauseMs: number): Promise<void> {
		if (this.#isClosing) return;
		const wake = deferred();
		this.#wake = wake;
		const cancel = this.#clock.schedule(pauseMs, () => wake.resolve());
		await wake.promise;
		cancel();
		this.#wake = undefined;
	}
}

function troubleOf(error: unknown): SyncTrouble {
	const { message } = error as Error;
	if (error instanceof ChainMismatchError) return { code: 'CHAIN_MISMATCH', message, isFinal: true };
	if (error instanceof GapError) return { code: 'CHAIN_GAP', message, isFinal: false };
	if (error instanceof BehindError) return { code: 'CHAIN_BEHIND', message, isFinal: false };
	if (error instanceof ChainError) return { code: 'CHAIN_UNREACHABLE', message, isFinal: false };
	return { code: 'CHAIN_NOT_STORED', message, isFinal: false };
}
