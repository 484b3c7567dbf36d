/** What a settlement's driver may ask of the view: the submissions that it has ordered. */
import type { FlowHistory } from '../settlement/flow/flow-history.js';
import type { FlowId } from '../units.js';
import { FlowEdge } from './flow-tree.js';
import { decodeRootRow, rowKeys } from './rows.js';
import { submissionAt, type RowReader } from './submissions.js';

export function flowHistory(rows: RowReader, flowId: FlowId): FlowHistory {
	return {
		submission: (txSeq) => submissionAt(rows, flowId, txSeq),
		async isUploadedHere(root) {
			const value = await rows.get(rowKeys.root(root));
			const { object, newest } = value ? decodeRootRow(value) : {};
			return object !== undefined && newest !== undefined;
		},
		async frontier(submissions, lengthSectors) {
			return (await FlowEdge.at(rows, { flowId, lengthSectors, submissions })).frontier;
		},
	};
}
