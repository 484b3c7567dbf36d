/** Where what is known and what the chain says now part, however deep, also when blocks before a restart are no longer remembered. */
import { ChainError, type ChainReader } from './chain-reader.js';
import type { ChainBlock, ChainSubmission } from './chain-submission.js';
import type { EvmSettlement } from './evm-settlement.js';
import type { RecentBlocks } from './recent-blocks.js';
import type { FlowHistory, KnownSubmission } from '../flow/flow-history.js';

export interface CommonPoint {
	/** Submissions that stay. */
	readonly submissions: number;
	/** The last block that is the same; at the beginning one with a hash of zeros. */
	readonly upTo: ChainBlock;
}

/** `head`: number of the chain's newest block. Errors: ChainError. */
export async function lastCommonPoint(
	reader: ChainReader,
	settlement: Pick<EvmSettlement, 'state' | 'history' | 'rootOf' | 'beginning'>,
	recent: RecentBlocks,
	head: number,
): Promise<CommonPoint> {
	const { state, history } = settlement;
	for (const block of recent.newestFirst()) {
		// Who has it is not who was asked for the head.
		if (block.number > head) continue;
		const now = await reader.block(block.number);
		if (now && Buffer.compare(now.hash, block.hash) === 0)
			return { submissions: await countUpTo(history, state.submissions, block.number), upTo: block };
	}
	return await pointBySubmissions(reader, settlement);
}

/** Of the first `count` submissions those in blocks up to `last`. */
async function countUpTo(history: FlowHistory, count: number, last: number): Promise<number> {
	return await firstFalse(count, async (index) => {
		const submission = await history.submission(index);
		return submission !== undefined && submission.blockNumber <= last;
	});
}

/** The newest submission that still stands where it stood; what stood before it does, too. */
async function pointBySubmissions(
	reader: ChainReader,
	{ state, history, rootOf, beginning }: Pick<EvmSettlement, 'state' | 'history' | 'rootOf' | 'beginning'>,
): Promise<CommonPoint> {
	const count = state.submissions;
	const isThere = async (index: number): Promise<boolean> => {
		const known = await history.submission(index);
		if (!known) return false;
		const found = await reader.submissions(known.blockNumber, known.blockNumber);
		return found.some((submission) => submission.txSeq === index && isSame(submission, known, rootOf));
	};
	// Near the end first: reorganisations are short.
	let low = 0;
	let high = count;
	for (let step = 1; high > 0; step *= 2) {
		const probe = Math.max(0, count - step);
		if (await isThere(probe)) {
			low = probe + 1;
			break;
		}
		high = probe;
	}
	const submissions = low + (await firstFalse(high - low, (index) => isThere(low + index)));
	if (submissions === 0) return { submissions, upTo: beginning };
	const last = await history.submission(submissions - 1);
	const upTo = last && (await reader.block(last.blockNumber));
	if (!upTo) throw new ChainError(`the block of submission ${submissions - 1} is not there`);
	// The rest of its block is read again.
	const before = upTo.number > 0 ? await reader.block(upTo.number - 1) : undefined;
	return { submissions, upTo: before ?? upTo };
}

/** How many submissions stand under the flow roots that the contract has, as most endpoints tell them. Errors: ChainError. */
export async function rightSubmissions(
	reader: ChainReader,
	settlement: Pick<EvmSettlement, 'state' | 'flowRootAfter'>,
): Promise<number> {
	return await firstFalse(settlement.state.submissions, async (index) => {
		const roots = await reader.flowRootOpinions(index);
		if (roots.length === 0) throw new ChainError(`no endpoint tells the flow root after submission ${index}`);
		const own = await settlement.flowRootAfter(index + 1);
		const same = roots.filter((root) => Buffer.compare(root, own) === 0).length;
		return same > 0 && 2 * same >= roots.length;
	});
}

function isSame(now: ChainSubmission, known: KnownSubmission, rootOf: EvmSettlement['rootOf']): boolean {
	return (
		now.startSector === known.startSector &&
		rootOf(now) === known.dataRoot &&
		Buffer.compare(now.submitter, known.submitter) === 0 &&
		Buffer.compare(now.tags, known.tags) === 0
	);
}

/** The first index of [0, count) that does not hold, where all that hold come first; `count` when all do. */
async function firstFalse(count: number, holds: (index: number) => Promise<boolean>): Promise<number> {
	let low = 0;
	let high = count;
	while (low < high) {
		const middle = Math.floor((low + high) / 2);
		if (await holds(middle)) low = middle + 1;
		else high = middle;
	}
	return low;
}
