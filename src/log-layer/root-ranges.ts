/** Which flow segments a content covers, over all its submissions. */
import { LIMITS } from '../limits.js';
import { SEGMENT_SECTORS, type DataRoot, type FlowId, type TxSeq } from '../units.js';
import { rowKeys, type RootSubmissions } from './rows.js';
import { submissionAt } from './submissions.js';
import type { View } from './view.js';

/** Flow segments [first, end). */
export interface FlowSegmentRange {
	readonly first: bigint;
	readonly end: bigint;
}

/** `isWhole`: false when there are too many submissions to name all their places. */
export async function segmentsOfRoot(
	view: View,
	root: DataRoot,
	{ flowId, firstSeq, more }: RootSubmissions,
): Promise<{ readonly ranges: readonly FlowSegmentRange[]; readonly isWhole: boolean }> {
	const further = more ? await furtherSeqs(view, root, flowId) : [];
	const found = await Promise.all([firstSeq, ...further].map((txSeq) => submissionAt(view, flowId, txSeq)));
	const unit = BigInt(SEGMENT_SECTORS);
	const ranges = found.flatMap((row) =>
		row ? [{ first: row.startSector / unit, end: (row.lengthAfter + unit - 1n) / unit }] : [],
	);
	return { ranges, isWhole: further.length < LIMITS.keptResidues };
}

/** Those of them behind the first, the oldest ones. */
export async function furtherSeqs(view: View, root: DataRoot, flowId: FlowId): Promise<readonly TxSeq[]> {
	const seqs: TxSeq[] = [];
	const from = rowKeys.rootSeq(root, flowId, 0 as TxSeq);
	const to = rowKeys.rootSeq(root, flowId, Number.MAX_SAFE_INTEGER as TxSeq);
	for await (const rows of view.scan({ from, to, limitRows: LIMITS.keptResidues }))
		for (const { key } of rows) seqs.push(Number(Buffer.from(key).readBigUInt64BE(37)) as TxSeq);
	return seqs;
}
