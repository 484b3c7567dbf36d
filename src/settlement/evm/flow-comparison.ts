/** Compares what was taken of the chain with what the contract says: how many submissions there are, and which flow roots they give. */
import { hexOf } from '../../units.js';
import { BehindError, ChainError, type ChainReader } from './chain-reader.js';
import { ChainMismatchError } from './evm-flow.js';
import type { EvmSettlement } from './evm-settlement.js';
import { rightSubmissions } from './fork-point.js';

/** Every so many submissions the contract's flow root is compared, and whenever the head is reached. */
const ROOT_EVERY = 500;
/** Endpoints may be of two minds for a moment: what is so often in a row is so. */
const TIMES = 3;

/** A submission that no answer shows. */
export class GapError extends ChainError {}

/** Most endpoints say otherwise than this node, so that the one that was asked is not to blame. */
export class DifferenceError extends ChainError {}

/** What was taken is not what the contract has. */
export interface WrongFlow {
	readonly difference: string;
	/** So many submissions are right. */
	readonly right: number;
}

export class FlowComparison {
	readonly #reader: ChainReader;
	#settlement!: EvmSettlement;
	/** Submissions whose flow root was compared; of those of an earlier run once `isCompared` says so. */
	#compared = 0;
	#isCompared = false;
	/** Times in a row that the flow root was another one, while the chain was that of this node. */
	#mismatches = 0;
	#isUncounted = false;
	/** Times in a row that the contract had more submissions than the logs showed. */
	#missing = 0;

	constructor(reader: ChainReader) {
		this.#reader = reader;
	}

	begin(settlement: EvmSettlement): void {
		this.#settlement = settlement;
		this.#compared = settlement.state.submissions;
	}

	/** The flow root was compared in this run. */
	get isCompared(): boolean {
		return this.#isCompared;
	}

	/** Enough submissions came since. */
	get isDue(): boolean {
		return this.#settlement.state.submissions - this.#compared >= ROOT_EVERY;
	}

	/** No endpoint told how many submissions there are at the last block, or another number. */
	get isUncounted(): boolean {
		return this.#isUncounted;
	}

	/** Blocks were taken. */
	taken(): void {
		this.#missing = 0;
	}

	/** So many submissions stay. */
	cut(submissions: number): void {
		this.#compared = Math.min(this.#compared, submissions);
	}

	/** The contract's submissions at a block, as far as they are told, are to be so many. Resolves with why logs have to be read again, if so. Errors: ChainError. */
	async count(at: number, shown: number): Promise<string | undefined> {
		const count = await this.#reader.submissionCount(at);
		this.#isUncounted = count !== shown;
		if (count === undefined || count === shown) return undefined;
		const difference = `the contract has ${count} submissions at block ${at}, the logs show ${shown}`;
		if (count < shown) throw new ChainError(difference);
		if (++this.#missing < TIMES) throw new GapError(difference);
		return difference;
	}

	/** The contract's flow root is to be that of this node. Resolves with what is wrong, where reading again may help. Errors: ChainMismatchError, ChainError. */
	async root(head: number): Promise<WrongFlow | undefined> {
		const { submissions, flowRoot, block } = this.#settlement.state;
		if (submissions === 0) this.#isCompared = true;
		// A chain that is about to take blocks back has another flow for as long as it is shorter.
		if ((submissions === this.#compared && this.#isCompared) || head < block.number) return undefined;
		const opinions = await this.#flowRoots(submissions - 1);
		const same = opinions.filter((opinion) => Buffer.compare(opinion, flowRoot) === 0).length;
		const isRight = opinions.length === 0 || (same > 0 && 2 * same >= opinions.length);
		if (!isRight) return this.#wrong(opinions);
		this.#mismatches = 0;
		this.#reader.shownRight();
		this.#isCompared = true;
		this.#compared = submissions;
		return undefined;
	}

	/** As each endpoint that tells has it; none: no endpoint tells. Errors: ChainError, when none answers. */
	async #flowRoots(txSeq: number): Promise<readonly Uint8Array[]> {
		const opinions = await this.#reader.flowRootOpinions(txSeq);
		if (opinions.length > 0) return opinions;
		const root = await this.#reader.flowRootAfter(txSeq);
		return root ? [root] : [];
	}

	async #wrong(opinions: readonly Uint8Array[]): Promise<WrongFlow> {
		const { submissions, flowRoot, block } = this.#settlement.state;
		const other = opinions.find((opinion) => Buffer.compare(opinion, flowRoot) !== 0);
		const difference = `after submission ${submissions - 1} the contract's flow root is ${other && hexOf(other)}, here it is ${hexOf(flowRoot)}`;
		const now = await this.#reader.block(block.number);
		if (!now) throw new BehindError(`the endpoint does not have block ${block.number} (yet)`);
		this.#mismatches = Buffer.compare(now.hash, block.hash) === 0 ? this.#mismatches + 1 : 0;
		if (this.#mismatches < TIMES) throw new DifferenceError(difference);
		if (this.#reader.shownWrong()) throw new ChainMismatchError(difference);
		// An endpoint may have shown other submissions than the chain has, also from the first one on.
		const right = await rightSubmissions(this.#reader, this.#settlement);
		this.#mismatches = 0;
		return { difference, right };
	}
}
