/** Looks submissions up: by sequence, and by the sector of the flow that they cover. */
import { ViewDamagedError } from '../db/kv-engine.js';
import type { FlowId, TxSeq } from '../units.js';
import { decodeSubmissionRow, rowKeys, type SubmissionRow } from './rows.js';

/** Reads one row; the view, or a turn of it. */
export interface RowReader {
	get(key: Buffer): Promise<Uint8Array | undefined>;
}

export async function submissionAt(rows: RowReader, flowId: FlowId, txSeq: number): Promise<SubmissionRow | undefined> {
	const row = await rows.get(rowKeys.submission(flowId, txSeq));
	return row ? decodeSubmissionRow(flowId, txSeq as TxSeq, row) : undefined;
}

/** The first of the submissions [0, count) that ends behind `sector`; undefined when all end before it. They lie in flow order. */
export async function firstEndingBehind(
	rows: RowReader,
	flowId: FlowId,
	count: number,
	sector: bigint,
): Promise<SubmissionRow | undefined> {
	let low = 0;
	let high = count;
	let found: SubmissionRow | undefined;
	while (low < high) {
		const middle = Math.floor((low + high) / 2);
		const row = await submissionAt(rows, flowId, middle);
		if (!row) throw new ViewDamagedError(`submission ${middle} of flow ${flowId} has no row`);
		if (row.lengthAfter > sector) {
			found = row;
			high = middle;
		} else {
			low = middle + 1;
		}
	}
	return found;
}

/** Submissions that cover sectors of [from, to), in order, out of the first `count`. */
export async function* submissionsIn(
	rows: RowReader,
	flowId: FlowId,
	count: number,
	from: bigint,
	to: bigint,
): AsyncGenerator<SubmissionRow> {
	let row = await firstEndingBehind(rows, flowId, count, from);
	while (row && row.startSector < to) {
		yield row;
		row = row.txSeq + 1 < count ? await submissionAt(rows, flowId, row.txSeq + 1) : undefined;
	}
}
