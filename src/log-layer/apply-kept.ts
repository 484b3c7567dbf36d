/** Takes into the view which segments of an object are held, where not all are, and their proofs (kept-records.ts). */
import type { LogRecord } from '../append-log/types.js';
import { fileGeometry } from '../native/addon.js';
import { objectRow, putObjectRow, NEW_OBJECT, type ApplyMemory } from './apply-object.js';
import { treeKeys } from './object-tree.js';
import { decodePolicy, type KeptRecord } from './kept-records.js';
import type { ObjectId } from './records.js';
import { decodeSegmentRow, OBJECT_DELETED, rowKeys, type ObjectRow } from './rows.js';
import { segmentRows } from './segment-rows.js';
import { includesKept, isKept } from './shard.js';
import type { ViewTurn } from './view.js';

/** The object, where the record says which of its segments are held. */
export async function applyPolicy(
	turn: ViewTurn,
	record: LogRecord,
	memory: ApplyMemory,
): Promise<{ readonly objectId: ObjectId; readonly row: ObjectRow } | undefined> {
	const policy = decodePolicy(record);
	if (policy?.kind === 'kept') return applyKept(turn, policy, memory);
	if (policy) turn.put(rowKeys.segmentProof(policy.objectId, policy.segment), policy.siblings);
	return undefined;
}

/** Of two such facts, which compaction may have put out of order, the one that keeps less counts. */
async function applyKept(
	turn: ViewTurn,
	{ objectId, kept, range }: KeptRecord,
	{ live, trees }: ApplyMemory,
): Promise<{ readonly objectId: ObjectId; readonly row: ObjectRow } | undefined> {
	const known = (await objectRow(turn, objectId)) ?? NEW_OBJECT;
	if (known.state === OBJECT_DELETED) return undefined;
	trees.forget(objectId);
	const row = includesKept(known.kept, kept) ? { ...known, kept } : known;
	putObjectRow(turn, objectId, row);
	for await (const { first, rows } of segmentRows(turn, objectId, range.first, range.first + range.count)) {
		for (const [index, value] of rows.entries()) {
			if (!value || isKept(row.kept, first + index)) continue;
			const key = rowKeys.segment(objectId, first + index);
			live.moved(key, decodeSegmentRow(value).place, undefined);
			turn.del(key);
			turn.del(rowKeys.segmentProof(objectId, first + index));
		}
		await turn.relieve();
	}
	// The last stretch: nothing asks for the tree any more.
	const isLast = row.sizeBytes > 0n && range.first + range.count === Number(fileGeometry(row.sizeBytes).segments);
	if (isLast) for (const key of treeKeys(objectId, row.sizeBytes)) turn.del(key);
	return { objectId, row };
}
