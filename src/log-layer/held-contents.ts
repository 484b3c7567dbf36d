/** A way through all submitted content that is held, by the submissions in their order, each content once. */
import { LIMITS } from '../limits.js';
import { fileGeometry } from '../native/addon.js';
import { SECTOR_BYTES, SEGMENT_SECTORS, type DataRoot, type FlowId, type SectorIndex, type TxSeq } from '../units.js';
import type { HeldContent } from './held-content.js';
import {
	decodeRootRow,
	decodeSubmissionRow,
	rowKeys,
	type RootObject,
	type RootRow,
	type SubmissionRow,
} from './rows.js';
import { keptCount, keptWithin } from './shard.js';
import type { View } from './view.js';

export interface HeldContentEntry {
	readonly root: DataRoot;
	/** Of its first submission. */
	readonly startSector: SectorIndex;
	/** About so many are held: whole segments, but in small files. */
	readonly heldSectors: number;
	/** It came over REST once, or over a protocol of this project. */
	readonly isUploadedHere: boolean;
}

/** From submission `from` on, up to LIMITS.scrubRows submissions at a time. Errors: those of the view. */
export async function* heldContents(
	view: View,
	held: HeldContent,
	flow: () => { readonly flowId: FlowId; readonly submissions: number },
	from: number,
): AsyncGenerator<readonly HeldContentEntry[]> {
	const { flowId } = flow();
	for (let first = from; first < flow().submissions; first += LIMITS.scrubRows) {
		const count = Math.min(LIMITS.scrubRows, flow().submissions - first);
		const seqs = Array.from({ length: count }, (_, at) => (first + at) as TxSeq);
		const values = await view.getMany(seqs.map((txSeq) => rowKeys.submission(flowId, txSeq)));
		const submissions = values.flatMap((value, at) =>
			value ? [decodeSubmissionRow(flowId, (first + at) as TxSeq, value)] : [],
		);
		const roots = await view.getMany(submissions.map(({ dataRoot }) => rowKeys.root(dataRoot)));
		const entries: HeldContentEntry[] = [];
		for (const [at, submission] of submissions.entries()) {
			const value = roots[at];
			const row = value ? decodeRootRow(value) : {};
			if (!row.object || row.submissions?.firstSeq !== submission.txSeq) continue;
			const heldSectors = await sectorsOf(held, row.object);
			const { dataRoot: root, startSector } = submission;
			entries.push({ root, startSector, heldSectors, isUploadedHere: isUploadedHere(row, submission) });
		}
		yield entries;
	}
}

/** `first`: the first submission of the root. */
export function isUploadedHere({ newest }: RootRow, first: SubmissionRow | undefined): boolean {
	return newest !== undefined || first?.upload !== undefined;
}

async function sectorsOf(held: HeldContent, object: RootObject): Promise<number> {
	if (!object.isPruned) return Math.ceil(object.sizeBytes / SECTOR_BYTES);
	const { kept, dropped } = await held.holding(object);
	const gone = dropped.reduce((sum, { first, count }) => sum + keptWithin(kept, first, count), 0);
	return (keptCount(kept, Number(fileGeometry(BigInt(object.sizeBytes)).segments)) - gone) * SEGMENT_SECTORS;
}
