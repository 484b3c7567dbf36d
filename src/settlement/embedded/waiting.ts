/** What waits for the next ledger block, and what becomes of it. */
import type { UploadRecord } from '../journal-records.js';
import type { PlacedSubmission, Submission, UploadName } from '../settlement.js';
import { maxEmptyBlocks, type TransactionResult } from './ledger.js';
import type { LedgerState } from './ledger-state.js';
import type { Refusal } from './mining/rules.js';
import type { LedgerTransaction } from './mining/transactions.js';

export interface Waiting {
	readonly submission: Submission;
	readonly upload: UploadName | undefined;
	readonly resolve: (placed: PlacedSubmission) => void;
	readonly reject: (error: unknown) => void;
}

export interface Taken {
	readonly waiting: Waiting;
	readonly placed: PlacedSubmission;
}

export interface WaitingTransaction {
	readonly transaction: LedgerTransaction;
	readonly resolve: (result: TransactionResult | Refusal) => void;
	readonly reject: (error: unknown) => void;
}

export interface Executed {
	readonly waiting: WaitingTransaction;
	readonly result: TransactionResult;
}

/** Intervals that have passed since the last block, as far as one entry can hold them. */
export function idleBlocks(state: LedgerState, nowMs: number): number {
	const passed = Math.floor((nowMs - state.blockTimeMs) / state.genesis.blockIntervalMs);
	return Math.min(passed, maxEmptyBlocks(state.genesis));
}

export function uploadOf(placed: PlacedSubmission, { name, contentType }: UploadName): UploadRecord {
	const { flowId, txSeq, dataRoot, timeMs } = placed;
	return { flowId, txSeq, root: dataRoot, timeMs, name, contentType };
}
