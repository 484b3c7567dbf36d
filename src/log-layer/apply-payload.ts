/**
 * Takes the records of the payload lanes into the view: objects and the places of their segments. A record's effect on a row part is an
 * absolute value, so that applying records again, in their order, changes nothing. No record of an object stands behind its delete fact, so
 * nothing need be remembered of an object once its rows are removed.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { LogRecord } from '../append-log/types.js';
import { PerigeeError } from '../errors.js';
import { fileGeometry } from '../native/addon.js';
import { rootFromBytes, type DataRoot, type Lsn } from '../units.js';
import { ObjectTreeBuilder, zeroSegmentRoot } from './object-tree.js';
import type { OpenTrees } from './open-trees.js';
import type { PendingObjects } from './pending-objects.js';
import {
	DELETED_BECAUSE,
	NO_ROOT,
	RECORDS,
	decodeClosed,
	decodeDeleted,
	decodeDropped,
	decodeSegment,
	decodeWholeObject,
	type ClosedRecord,
	type DroppedRecord,
	type ObjectId,
} from './records.js';
import {
	OBJECT_CLOSED,
	OBJECT_DELETED,
	OBJECT_OPEN,
	decodeObjectRow,
	decodeRootRow,
	decodeSegmentRow,
	encodeObjectRow,
	encodeRootRow,
	encodeSegmentRow,
	rowKeys,
	type ObjectRow,
	type PlainPlace,
	type RootObject,
	type RootRow,
} from './rows.js';
import { withRange } from './segment-ranges.js';
import type { ViewTurn } from './view.js';

/** Roots of zero segments that are added at once: a file has up to a sixteenth of its segments as padding. */
const PADDING_AT_ONCE = 16_384;
const PRESENT = Uint8Array.of(1);
const NEW_OBJECT: ObjectRow = { state: OBJECT_OPEN, sizeBytes: 0n, root: NO_ROOT, heldSegments: 0, dropped: [] };

/** What is kept in memory beside the view, and learns of each record. */
export interface ApplyMemory {
	readonly trees: OpenTrees;
	/** Objects that no submission names. */
	readonly pending: PendingObjects;
}

/** Applies records of one lane in order. */
export async function applyPayloadRecords(
	turn: ViewTurn,
	records: readonly LogRecord[],
	memory: ApplyMemory,
): Promise<void> {
	for (const record of records) {
		// Most records need no look at the view: waiting for nothing, a thousand times a group, costs as much as the rows.
		const applying = applyRecord(turn, record, memory);
		if (applying) await applying;
		const relief = turn.relieve();
		if (relief) await relief;
	}
}

function applyRecord(turn: ViewTurn, record: LogRecord, memory: ApplyMemory): Promise<void> | undefined {
	switch (record.type) {
		case RECORDS.objectOpened:
			memory.pending.opened(record.origin);
			return applyOpened(turn, record.origin);
		case RECORDS.segment:
			return applySegment(turn, record, memory.trees);
		case RECORDS.wholeObject: {
			const place = placeOf(record);
			const root = rootFromBytes(decodeWholeObject(record).root);
			// Its submission is on its way and will put the same row.
			const object = { objectId: record.origin, sizeBytes: place.lengthBytes, place };
			return setObject(turn, root, object, 'later', memory.pending);
		}
		case RECORDS.objectClosed:
			return applyClosed(turn, decodeClosed(record), memory);
		case RECORDS.objectDeleted:
			return applyDeleted(turn, record, memory);
		case RECORDS.segmentsDropped:
			return applyDropped(turn, decodeDropped(record));
		case RECORDS.objectPolicy:
		case RECORDS.stagedBytes:
		case RECORDS.sealedFlowSegment:
		case RECORDS.flowSegmentDropped:
			// Known types that no writer of this version writes (docs/format.md §5).
			return undefined;
		default:
			throw new PerigeeError(
				'FORMAT_UNKNOWN',
				`record type ${record.type} in lane ${record.lane} comes from a newer version`,
			);
	}
}

/** What stands there already is as new or newer. */
async function applyOpened(turn: ViewTurn, objectId: ObjectId): Promise<void> {
	if (!(await objectRow(turn, objectId))) putObjectRow(turn, objectId, NEW_OBJECT);
}

function applySegment(turn: ViewTurn, record: LogRecord, trees: OpenTrees): Promise<void> | undefined {
	const { objectId, segment, root } = decodeSegment(record);
	const key = rowKeys.segment(objectId, segment);
	// A copy without payload is what is kept of a dropped segment.
	const value = encodeSegmentRow(record.place ? { root, place: placeOf(record) } : { root });
	if (record.origin !== record.lsn) {
		trees.forget(objectId);
		return putIfNewest(turn, key, value, record.origin);
	}
	trees.segment(objectId, segment, root);
	turn.put(key, value);
	return undefined;
}

/** A copy made by compaction can be older than what stands here; a segment that was dropped stays dropped. */
async function putIfNewest(turn: ViewTurn, key: Buffer, value: Uint8Array, origin: Lsn): Promise<void> {
	const row = await turn.get(key);
	const place = row && decodeSegmentRow(row).place;
	if (!row || (place && place.origin <= origin)) turn.put(key, value);
}

async function applyClosed(turn: ViewTurn, closed: ClosedRecord, { trees, pending }: ApplyMemory): Promise<void> {
	const { objectId, sizeBytes, root } = closed;
	pending.ended(objectId);
	const known = await objectRow(turn, objectId);
	const tree = trees.take(objectId, Number(fileGeometry(sizeBytes).segments));
	if (known?.state === OBJECT_DELETED) return;
	const dropped = known?.dropped ?? [];
	const row = { state: OBJECT_CLOSED, sizeBytes, root, heldSegments: 0, dropped };
	await completeObject(turn, objectId, row, tree, pending);
}

/** Counts the segments of a closed object, builds the tree above them, and makes the object findable if it is whole. */
async function completeObject(
	turn: ViewTurn,
	objectId: ObjectId,
	row: ObjectRow,
	grown: ObjectTreeBuilder | undefined,
	pending: PendingObjects,
): Promise<void> {
	const { sizeBytes, root, dropped } = row;
	const geometry = fileGeometry(sizeBytes);
	const segments = Number(geometry.segments);
	const tree = grown ?? (await treeOfRows(turn, objectId, segments));
	const heldSegments = tree.count;
	const isHeld = heldSegments === segments;
	while (isHeld && tree.count < Number(geometry.segmentsPadded)) {
		tree.push(zeroSegmentRoot());
		if (tree.count % PADDING_AT_ONCE === 0) await nextTurn();
	}
	const isWhole = isHeld && Buffer.from(tree.finish()).equals(root);
	if (isHeld) await tree.write(turn, objectId);
	putObjectRow(turn, objectId, { ...row, heldSegments });
	if (!isWhole) return;
	const object: RootObject = { objectId, sizeBytes: Number(sizeBytes) };
	const isPruned = dropped.length > 0;
	await setObject(turn, rootFromBytes(root), isPruned ? { ...object, isPruned } : object, 'now', pending);
}

/** The tree over the segments that have rows, up to the first hole: an object with one was never acknowledged, or is damaged. */
async function treeOfRows(turn: ViewTurn, objectId: ObjectId, segments: number): Promise<ObjectTreeBuilder> {
	await turn.commit();
	const tree = new ObjectTreeBuilder();
	for await (const rows of turn.scan({ from: rowKeys.segment(objectId, 0), to: rowKeys.segment(objectId, segments) })) {
		for (const { key, value } of rows) {
			if (!rowKeys.segment(objectId, tree.count).equals(key)) return tree;
			tree.push(decodeSegmentRow(value).root);
		}
	}
	return tree;
}

/** Takes the object out of its root's row at once; the rows of its segments are removed in the background (purge.ts). */
async function applyDeleted(turn: ViewTurn, record: LogRecord, { trees, pending }: ApplyMemory): Promise<void> {
	const { objectId, root, cause } = decodeDeleted(record);
	trees.forget(objectId);
	pending.ended(objectId);
	if (record.lane === 'bulk') {
		putObjectRow(turn, objectId, { ...NEW_OBJECT, state: OBJECT_DELETED });
		turn.put(rowKeys.purge(objectId), PRESENT);
	}
	if (Buffer.from(root).equals(NO_ROOT)) return;
	const dataRoot = rootFromBytes(root);
	const key = rowKeys.root(dataRoot);
	const { object, deleted, submissions } = await rootRow(turn, key);
	const isNewest = (object?.objectId ?? 0n) <= objectId && (deleted ?? 0n) <= objectId;
	if (!isNewest) return;
	pending.settled(dataRoot);
	const marker = cause === DELETED_BECAUSE.unwanted ? { deleted: objectId } : {};
	const rest: RootRow = submissions ? { ...marker, submissions } : marker;
	if (rest.deleted === undefined && !submissions) turn.del(key);
	else turn.put(key, encodeRootRow(rest));
}

/** The segments' roots stay: proofs of the others need them. */
async function applyDropped(turn: ViewTurn, { objectId, root, ...range }: DroppedRecord): Promise<void> {
	const known = (await objectRow(turn, objectId)) ?? NEW_OBJECT;
	if (known.state === OBJECT_DELETED) return;
	await turn.commit();
	putObjectRow(turn, objectId, { ...known, dropped: withRange(known.dropped, range) });
	const key = rowKeys.root(rootFromBytes(root));
	const current = await rootRow(turn, key);
	if (current.object?.objectId === objectId)
		turn.put(key, encodeRootRow({ ...current, object: { ...current.object, isPruned: true } }));
	const from = rowKeys.segment(objectId, range.first);
	const to = rowKeys.segment(objectId, range.first + range.count);
	for await (const rows of turn.scan({ from, to })) {
		for (const row of rows)
			turn.put(Buffer.from(row.key), encodeSegmentRow({ root: decodeSegmentRow(row.value).root }));
		const relief = turn.relieve();
		if (relief) await relief;
	}
}

/** Of several objects with one root the newest counts. */
async function setObject(
	turn: ViewTurn,
	root: DataRoot,
	object: RootObject,
	when: 'now' | 'later',
	pending: PendingObjects,
): Promise<void> {
	const key = rowKeys.root(root);
	const { object: current, deleted, submissions } = await rootRow(turn, key);
	if ((current && current.objectId > object.objectId) || (deleted !== undefined && deleted >= object.objectId)) return;
	if (!submissions) pending.unnamed(root, object.objectId);
	const value = encodeRootRow(submissions ? { object, submissions } : { object });
	if (when === 'later') turn.putLater(key, value);
	else turn.put(key, value);
}

async function objectRow(turn: ViewTurn, objectId: ObjectId): Promise<ObjectRow | undefined> {
	const row = await turn.get(rowKeys.object(objectId));
	return row && decodeObjectRow(row);
}

function putObjectRow(turn: ViewTurn, objectId: ObjectId, row: ObjectRow): void {
	turn.put(rowKeys.object(objectId), encodeObjectRow(row));
}

async function rootRow(turn: ViewTurn, key: Buffer): Promise<RootRow> {
	const row = await turn.get(key);
	return row ? decodeRootRow(row) : {};
}

function placeOf(record: LogRecord): PlainPlace {
	if (!record.place) throw new PerigeeError('FORMAT_UNKNOWN', `a record of type ${record.type} has no payload`);
	// Field by field: a spread took a twentieth of the time of a rebuild.
	const { lane, fileNo, offset, lengthBytes } = record.place;
	return { lane, fileNo, offset, lengthBytes, blockCrcs: record.blockCrcs, origin: record.origin };
}
