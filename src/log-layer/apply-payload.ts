/** Takes the records of the payload lanes into the view: objects and the places of their segments. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { LogRecord } from '../append-log/types.js';
import { PerigeeError } from '../errors.js';
import { fileGeometry } from '../native/addon.js';
import { HASH_BYTES, rootFromBytes, type DataRoot, type Lsn } from '../units.js';
import { ObjectTreeBuilder, zeroSegmentRoot } from './object-tree.js';
import type { OpenTrees } from './open-trees.js';
import {
	RECORDS,
	decodeClosed,
	decodeDeleted,
	decodeSegment,
	decodeWholeObject,
	type ClosedRecord,
	type ObjectId,
} from './records.js';
import {
	OBJECT_CLOSED,
	OBJECT_DELETED,
	OBJECT_OPEN,
	decodeRootRow,
	decodeSegmentRow,
	encodeObjectRow,
	encodeRootRow,
	encodeSegmentRow,
	rowKeys,
	type PlainPlace,
	type RootObject,
	type RootRow,
} from './rows.js';
import type { ViewTurn } from './view.js';

/** Roots of zero segments that are added at once: a file has up to a sixteenth of its segments as padding. */
const PADDING_AT_ONCE = 16_384;

/** Applies records of one lane in order. Applying them again changes nothing. */
export async function applyPayloadRecords(
	turn: ViewTurn,
	records: readonly LogRecord[],
	trees: OpenTrees,
): Promise<void> {
	for (const record of records) {
		// Most records need no look at the view: waiting for nothing, a thousand times a group, costs as much as the rows.
		const applying = applyRecord(turn, record, trees);
		if (applying) await applying;
		const relief = turn.relieve();
		if (relief) await relief;
	}
}

function applyRecord(turn: ViewTurn, record: LogRecord, trees: OpenTrees): Promise<void> | undefined {
	switch (record.type) {
		case RECORDS.objectOpened:
			turn.put(
				rowKeys.object(record.origin),
				encodeObjectRow({ state: OBJECT_OPEN, sizeBytes: 0n, root: new Uint8Array(HASH_BYTES), heldSegments: 0 }),
			);
			return undefined;
		case RECORDS.segment:
			return applySegment(turn, record, trees);
		case RECORDS.wholeObject: {
			const place = placeOf(record);
			const root = rootFromBytes(decodeWholeObject(record).root);
			// Its submission is on its way and will put the same row.
			return setObject(turn, root, { objectId: record.origin, sizeBytes: place.lengthBytes, place }, 'later');
		}
		case RECORDS.objectClosed:
			return applyClosed(turn, decodeClosed(record), trees);
		case RECORDS.objectDeleted:
			return applyDeleted(turn, decodeDeleted(record).objectId, rootFromBytes(decodeDeleted(record).root));
		case RECORDS.segmentsDropped:
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

function applySegment(turn: ViewTurn, record: LogRecord, trees: OpenTrees): Promise<void> | undefined {
	const { objectId, segment, root } = decodeSegment(record);
	const key = rowKeys.segment(objectId, segment);
	const value = encodeSegmentRow({ root, place: placeOf(record) });
	if (record.origin !== record.lsn) {
		trees.forget(objectId);
		return putIfNewest(turn, key, value, record.origin);
	}
	trees.segment(objectId, segment, root);
	turn.put(key, value);
	return undefined;
}

/** A copy made by compaction can be older than what stands here. */
async function putIfNewest(turn: ViewTurn, key: Buffer, value: Uint8Array, origin: Lsn): Promise<void> {
	const row = await turn.get(key);
	if (!row || decodeSegmentRow(row).place.origin <= origin) turn.put(key, value);
}

/** Builds the tree above the segments, and makes the object findable if it is whole. */
async function applyClosed(turn: ViewTurn, closed: ClosedRecord, trees: OpenTrees): Promise<void> {
	const { objectId, sizeBytes } = closed;
	const geometry = fileGeometry(sizeBytes);
	const segments = Number(geometry.segments);
	const tree = trees.take(objectId, segments) ?? (await treeOfRows(turn, objectId, segments));
	const heldSegments = tree.count;
	const isHeld = heldSegments === segments;
	while (isHeld && tree.count < Number(geometry.segmentsPadded)) {
		tree.push(zeroSegmentRoot());
		if (tree.count % PADDING_AT_ONCE === 0) await nextTurn();
	}
	const isWhole = isHeld && Buffer.from(tree.finish()).equals(closed.root);
	if (isHeld) await tree.write(turn, objectId);
	turn.put(
		rowKeys.object(objectId),
		encodeObjectRow({ state: OBJECT_CLOSED, sizeBytes, root: closed.root, heldSegments }),
	);
	if (isWhole) await setObject(turn, rootFromBytes(closed.root), { objectId, sizeBytes: Number(sizeBytes) }, 'now');
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

async function applyDeleted(turn: ViewTurn, objectId: ObjectId, root: DataRoot): Promise<void> {
	await turn.commit();
	for await (const rows of turn.scan({ from: rowKeys.segment(objectId, 0), to: rowKeys.segment(objectId + 1n, 0) })) {
		for (const { key } of rows) turn.del(Buffer.from(key));
		await turn.relieve();
	}
	for await (const rows of turn.scan({
		from: rowKeys.objectNode(objectId, 0, 0),
		to: rowKeys.objectNode(objectId, 255, 0),
	})) {
		for (const { key } of rows) turn.del(Buffer.from(key));
	}
	turn.put(
		rowKeys.object(objectId),
		encodeObjectRow({ state: OBJECT_DELETED, sizeBytes: 0n, root: new Uint8Array(HASH_BYTES), heldSegments: 0 }),
	);
	const key = rowKeys.root(root);
	const row = await turn.get(key);
	const current: RootRow = row ? decodeRootRow(row) : {};
	if (current.object?.objectId !== objectId) return;
	if (current.submissions) turn.put(key, encodeRootRow({ submissions: current.submissions }));
	else turn.del(key);
}

/** Of several objects with one root the newest counts. */
async function setObject(turn: ViewTurn, root: DataRoot, object: RootObject, when: 'now' | 'later'): Promise<void> {
	const key = rowKeys.root(root);
	const row = await turn.get(key);
	const current: RootRow = row ? decodeRootRow(row) : {};
	if (current.object && current.object.objectId > object.objectId) return;
	const value = encodeRootRow({ ...current, object });
	if (when === 'later') turn.putLater(key, value);
	else turn.put(key, value);
}

function placeOf(record: LogRecord): PlainPlace {
	if (!record.place) throw new PerigeeError('FORMAT_UNKNOWN', `a record of type ${record.type} has no payload`);
	// Field by field: a spread took a twentieth of the time of a rebuild.
	const { lane, fileNo, offset, lengthBytes } = record.place;
	return { lane, fileNo, offset, lengthBytes, blockCrcs: record.blockCrcs, origin: record.origin };
}
