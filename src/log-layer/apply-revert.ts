/**
 * Takes submissions out of the view that the chain has taken back: their rows, the names of their roots, and the subtrees of the flow that they had
 * closed. The bytes and their names stay: content that no submission names any more waits for its root to come again, or expires.
 */
import type { SettlementEvent } from '../settlement/settlement.js';
import { MAX_U64, type FlowId, type TxSeq } from '../units.js';
import { STORED_HEIGHTS, type FlowEdge } from './flow-tree.js';
import type { PendingObjects } from './pending-objects.js';
import {
	decodeRootRow,
	decodeSubmissionRow,
	encodeRootRow,
	rowKeys,
	type RootRow,
	type SubmissionRow,
} from './rows.js';
import type { ViewTurn } from './view.js';

type RevertedTo = Extract<SettlementEvent, { readonly kind: 'revertedTo' }>;

const LAST_SEQ = Number.MAX_SAFE_INTEGER as TxSeq;

/** Applying it again changes nothing. */
export async function applyRevert(
	turn: ViewTurn,
	{ flowId, fromSeq, flowLength, frontier }: RevertedTo,
	edge: FlowEdge,
	pending: PendingObjects,
): Promise<void> {
	await turn.commit();
	const range = { from: rowKeys.submission(flowId, fromSeq), to: rowKeys.submission(flowId, LAST_SEQ) };
	for await (const rows of turn.scan(range)) {
		for (const { key, value } of rows) {
			const txSeq = Number(Buffer.from(key).readBigUInt64BE(5)) as TxSeq;
			await unname(turn, decodeSubmissionRow(flowId, txSeq, value), fromSeq, pending);
			turn.del(Buffer.from(key));
		}
	}
	for (const height of STORED_HEIGHTS) {
		const from = rowKeys.flowNode(flowId, height, flowLength >> BigInt(height));
		const to = rowKeys.flowNode(flowId, height, MAX_U64);
		for await (const rows of turn.scan({ from, to })) for (const { key } of rows) turn.del(Buffer.from(key));
	}
	await turn.commit();
	edge.reset({ flowId, lengthSectors: flowLength, submissions: fromSeq }, frontier);
}

/** Takes a submission away from its root. */
async function unname(
	turn: ViewTurn,
	{ flowId, txSeq, dataRoot }: SubmissionRow,
	fromSeq: TxSeq,
	pending: PendingObjects,
): Promise<void> {
	turn.del(rowKeys.rootSeq(dataRoot, flowId, txSeq));
	const key = rowKeys.root(dataRoot);
	const bytes = await turn.get(key);
	if (!bytes) return;
	const { submissions, ...row }: RootRow = decodeRootRow(bytes);
	if (!submissions || submissions.flowId !== flowId) return;
	if (submissions.firstSeq < fromSeq) {
		const more = submissions.more && (await hasMore(turn, dataRoot, flowId, fromSeq));
		turn.put(key, encodeRootRow({ ...row, submissions: { ...submissions, more } }));
		return;
	}
	turn.put(key, encodeRootRow(row));
	if (row.object) pending.unnamed(dataRoot, row.object.objectId);
}

/** Whether a further submission of the root stays. */
async function hasMore(
	turn: ViewTurn,
	dataRoot: SubmissionRow['dataRoot'],
	flowId: FlowId,
	fromSeq: TxSeq,
): Promise<boolean> {
	const range = { from: rowKeys.rootSeq(dataRoot, flowId, 0 as TxSeq), to: rowKeys.rootSeq(dataRoot, flowId, fromSeq) };
	for await (const rows of turn.scan(range)) if (rows.length > 0) return true;
	return false;
}
