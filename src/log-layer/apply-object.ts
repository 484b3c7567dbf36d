/** What applying any record of an object needs: its row, and what is kept in memory beside the view. */
import type { LogRecord } from '../append-log/types.js';
import { PerigeeError } from '../errors.js';
import type { ContentChanges } from './content-changes.js';
import type { LiveBytes } from './live-bytes.js';
import type { OpenTrees } from './open-trees.js';
import type { PendingObjects } from './pending-objects.js';
import { NO_ROOT, type ObjectId } from './records.js';
import { OBJECT_OPEN, decodeObjectRow, encodeObjectRow, rowKeys, type ObjectRow, type PlainPlace } from './rows.js';
import type { ViewTurn } from './view.js';

/** What is kept in memory beside the view, and learns of each record. */
export interface ApplyMemory {
	readonly trees: OpenTrees;
	/** Objects that no submission names. */
	readonly pending: PendingObjects;
	/** Open objects: whether bytes of them are staged. Absent: only the view tells, or it is no object of a resumable upload. */
	readonly staged: Map<ObjectId, boolean>;
	/** How much of each log file counts. */
	readonly live: LiveBytes;
	/** Hears of what is held otherwise than before. */
	readonly changes: ContentChanges;
}

export const NEW_OBJECT: ObjectRow = { state: OBJECT_OPEN, sizeBytes: 0n, root: NO_ROOT, heldSegments: 0, dropped: [] };

/** An object is open, unless its row says more. */
export async function openObject(turn: ViewTurn, objectId: ObjectId, { pending }: ApplyMemory): Promise<void> {
	pending.opened(objectId);
	// What stands there already is as new or newer.
	if (!(await objectRow(turn, objectId))) putObjectRow(turn, objectId, NEW_OBJECT);
}

export async function objectRow(turn: ViewTurn, objectId: ObjectId): Promise<ObjectRow | undefined> {
	const row = await turn.get(rowKeys.object(objectId));
	return row && decodeObjectRow(row);
}

export function putObjectRow(turn: ViewTurn, objectId: ObjectId, row: ObjectRow): void {
	turn.put(rowKeys.object(objectId), encodeObjectRow(row));
}

/** Errors: FORMAT_UNKNOWN when the record has no payload. */
export function placeOf(record: LogRecord): PlainPlace {
	if (!record.place) throw new PerigeeError('FORMAT_UNKNOWN', `a record of type ${record.type} has no payload`);
	// Field by field: a spread took a twentieth of the time of a rebuild.
	const { lane, fileNo, offset, lengthBytes } = record.place;
	return { lane, fileNo, offset, lengthBytes, blockCrcs: record.blockCrcs, origin: record.origin };
}
