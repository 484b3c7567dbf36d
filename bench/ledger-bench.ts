/** How many submissions a second the embedded ledger executes on one core: rules, placement, flow roots, encoding, hashes. */
import * as addon from '../src/native/addon.js';
import { Ledger } from '../src/settlement/embedded/ledger.js';
import type { LedgerState } from '../src/settlement/embedded/ledger-state.js';
import type { Submission } from '../src/settlement/settlement.js';
import type { FlowId } from '../src/units.js';

/** As many as 64 connections have on their way at once. */
const BLOCK_SUBMISSIONS = 64;
const BLOCKS = 1000;

export function benchLedger(): { readonly submissionsPerSecond: number; readonly submissionsPerSecondAlone: number } {
	const ledger = new Ledger(0 as FlowId, addon);
	const genesis = {
		chainId: 1n,
		firstBlock: 0,
		blocksPerEpoch: 200,
		blockIntervalMs: 5_000,
		timeMs: 0,
		pricePerSector: 0n,
	};
	const begin = () => ledger.begin({ ...genesis, salt: new Uint8Array(32) }).state;
	const submissions = makeSubmissions();
	run(ledger, begin(), submissions, BLOCK_SUBMISSIONS, BLOCKS / 10);
	return {
		submissionsPerSecond: run(ledger, begin(), submissions, BLOCK_SUBMISSIONS, BLOCKS),
		submissionsPerSecondAlone: run(ledger, begin(), submissions, 1, BLOCKS * 10),
	};
}

/** Executes `blocks` blocks of `size` submissions; answers submissions a second. */
function run(
	ledger: Ledger,
	begin: LedgerState,
	submissions: readonly Submission[],
	size: number,
	blocks: number,
): number {
	let state = begin;
	let next = 0;
	const startMs = performance.now();
	for (let block = 0; block < blocks; block++) {
		const draft = ledger.draft(state, 0, state.blockTimeMs + 1);
		for (let index = 0; index < size; index++) {
			const submission = submissions[next++ % submissions.length];
			if (submission) draft.add(submission);
		}
		state = draft.seal().state;
	}
	return Math.round((size * blocks * 1000) / (performance.now() - startMs));
}

/** Small files, with some of several nodes and some larger than a segment. */
function makeSubmissions(): readonly Submission[] {
	const shapes = [[0], [4], [4], [4], [3, 1], [10], [6, 5, 4, 3], [12, 11]];
	return shapes.map((heights, shape) => ({
		lengthBytes: heights.reduce((sum, height) => sum + (256n << BigInt(height)), 0n),
		tags: new Uint8Array(0),
		nodes: heights.map((height) => ({ height, root: new Uint8Array(32).fill(shape + height) })),
		submitter: new Uint8Array(20).fill(1),
	}));
}
