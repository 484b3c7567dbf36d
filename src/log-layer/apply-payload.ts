/**
 * Takes the records of the payload lanes into the view: objects and the places of their segments. A record's effect on a row part is an
 * absolute value, so that applying records again, in their order, changes nothing. No record of an object stands behind its delete fact, so
 * nothing need be remembered of an object once its rows are removed.
 */
import type { LogRecord } from '../append-log/types.js';
import { PerigeeError } from '../errors.js';
import { rootFromBytes, type DataRoot, type Lsn } from '../units.js';
import { NEW_OBJECT, objectRow, openObject, placeOf, putObjectRow, type ApplyMemory } from './apply-object.js';
import { applyPolicy } from './apply-kept.js';
import { applySealed, applySealedDropped } from './apply-sealed.js';
import { applyResumable, applyStaged, dropStaged, dropStagedOf } from './apply-resumable.js';
import type { LiveBytes } from './live-bytes.js';
import { completeObject, segmentsOf } from './object-completion.js';
import { deletionKeys } from './liveness.js';
import {
	DELETED_BECAUSE,
	NO_ROOT,
	RECORDS,
	decodeClosed,
	decodeDeleted,
	decodeDropped,
	decodeSegment,
	decodeWholeObject,
	type DroppedRecord,
	type ObjectId,
	type SegmentRecord,
} from './records.js';
import {
	OBJECT_CLOSED,
	OBJECT_DELETED,
	decodeRootRow,
	decodeSegmentRow,
	encodeRootRow,
	encodeSegmentRow,
	rowKeys,
	type ObjectRow,
	type RootObject,
	type RootRow,
	type SegmentRow,
} from './rows.js';
import { includesSegment, withRange } from './segment-ranges.js';
import { segmentRows } from './segment-rows.js';
import { isKept } from './shard.js';
import type { ViewTurn } from './view.js';

const PRESENT = Uint8Array.of(1);
const NO_KEYS: readonly Buffer[] = [];

/** Applies records of one lane in order. */
export async function applyPayloadRecords(
	turn: ViewTurn,
	records: readonly LogRecord[],
	memory: ApplyMemory,
): Promise<void> {
	const filled = new Set<ObjectId>();
	const expected = records.flatMap((record) => rowsOf(record, memory));
	if (expected.length > 0) await turn.expect(expected);
	for (const record of records) {
		// Most records need no look at the view: waiting for nothing, a thousand times a group, costs as much as the rows.
		const applying = applyRecord(turn, record, memory);
		if (applying) await applying;
		if (isCopiedSegment(record) && (await fillsHole(turn, record))) filled.add(decodeSegment(record).objectId);
		const relief = turn.relieve();
		if (relief) await relief;
	}
	for (const objectId of filled) {
		const row = await objectRow(turn, objectId);
		// It may have been deleted further on in these records.
		if (row?.state === OBJECT_CLOSED) await complete(turn, objectId, row, memory);
	}
}

/**
 * Rows that a record is compared with and that are seldom in memory: those of what compaction copies, by hundreds at a time. One way each
 * to the engine would hold up all other changes.
 */
function rowsOf(record: LogRecord, memory: ApplyMemory): readonly Buffer[] {
	if (!isCopy(record)) return rowsOfResumed(record, memory);
	switch (record.type) {
		case RECORDS.segment: {
			const { objectId, segment } = decodeSegment(record);
			return [rowKeys.segment(objectId, segment), rowKeys.object(objectId)];
		}
		case RECORDS.wholeObject:
			return [rowKeys.root(rootFromBytes(decodeWholeObject(record).root))];
		case RECORDS.objectDeleted:
			return deletionKeys(record);
		default:
			return NO_KEYS;
	}
}

/** A segment of a resumable upload may stand here already. */
function rowsOfResumed(record: LogRecord, memory: ApplyMemory): readonly Buffer[] {
	// Most stores have none: their segments are not taken apart twice.
	const hasResumed = memory.pending.resumables > 0 || memory.staged.size > 0;
	if (record.type !== RECORDS.segment || !hasResumed) return NO_KEYS;
	const { objectId, segment } = decodeSegment(record);
	return isResumed(objectId, memory) ? [rowKeys.segment(objectId, segment)] : NO_KEYS;
}

function isResumed(objectId: ObjectId, { pending, staged }: ApplyMemory): boolean {
	return pending.isResumable(objectId) || staged.get(objectId) === true;
}

function applyRecord(turn: ViewTurn, record: LogRecord, memory: ApplyMemory): Promise<void> | undefined {
	switch (record.type) {
		case RECORDS.objectOpened:
			return openObject(turn, record.origin, memory);
		case RECORDS.segment:
			return applySegment(turn, record, memory);
		case RECORDS.wholeObject: {
			const place = placeOf(record);
			const root = rootFromBytes(decodeWholeObject(record).root);
			// Its submission is on its way and will put the same row.
			const object = { objectId: record.origin, sizeBytes: place.lengthBytes, place };
			return setObject(turn, root, object, isCopy(record) ? 'now' : 'later', memory);
		}
		case RECORDS.objectClosed:
			return applyClosed(turn, record, memory);
		case RECORDS.objectDeleted:
			return applyDeleted(turn, record, memory);
		case RECORDS.segmentsDropped:
			return applyDropped(turn, decodeDropped(record), memory);
		case RECORDS.stagedBytes:
			return applyStaged(turn, record, memory);
		case RECORDS.resumableUpload:
			return applyResumable(turn, record, memory);
		case RECORDS.objectPolicy:
			return applyObjectPolicy(turn, record, memory);
		case RECORDS.sealedFlowSegment:
			return applySealed(turn, record, memory.live);
		case RECORDS.flowSegmentDropped:
			return applySealedDropped(turn, record, memory.live);
		default:
			throw new PerigeeError(
				'FORMAT_UNKNOWN',
				`record type ${record.type} in lane ${record.lane} comes from a newer version`,
			);
	}
}

function applySegment(turn: ViewTurn, record: LogRecord, memory: ApplyMemory): Promise<void> | undefined {
	const decoded = decodeSegment(record);
	const { objectId, segment, root } = decoded;
	const row = record.place ? { root, place: placeOf(record) } : { root };
	if (isCopy(record)) {
		memory.trees.forget(objectId);
		return applyCopy(turn, decoded, row, record.origin, memory);
	}
	memory.trees.segment(objectId, segment, root);
	// Only a resumable upload may write a segment again, or have staged bytes of it.
	if (isResumed(objectId, memory)) return putResumed(turn, decoded, row, record.origin, memory);
	const key = rowKeys.segment(objectId, segment);
	memory.live.moved(key, undefined, row.place);
	turn.put(key, encodeSegmentRow(row));
	// A power cut may have taken the record that opened the object with the end of the file before: it is open all the same.
	return memory.pending.isOpen(objectId) ? undefined : openObject(turn, objectId, memory);
}

/** A copy without payload is what is left of a dropped segment. One of a segment that is not held any more may stand behind the fact that says so. */
async function applyCopy(
	turn: ViewTurn,
	decoded: SegmentRecord,
	row: SegmentRow,
	origin: Lsn,
	memory: ApplyMemory,
): Promise<void> {
	const { objectId, segment } = decoded;
	if (!isKept((await objectRow(turn, objectId))?.kept, segment)) return;
	await putResumed(turn, decoded, row, origin, memory);
	if (!row.place) await noteDropped(turn, objectId, segment, memory);
}

/** Puts a segment that may stand here already, or in staged bytes. */
async function putResumed(
	turn: ViewTurn,
	{ objectId, segment }: SegmentRecord,
	row: SegmentRow,
	origin: Lsn,
	memory: ApplyMemory,
): Promise<void> {
	await putIfNewest(turn, rowKeys.segment(objectId, segment), row, origin, memory.live);
	if (isResumed(objectId, memory) && memory.staged.get(objectId) !== false)
		await dropStagedOf(turn, objectId, segment, origin, memory);
}

/** Only a copy made by compaction can be older than what stands here; a segment that was dropped stays dropped. */
async function putIfNewest(turn: ViewTurn, key: Buffer, row: SegmentRow, origin: Lsn, live: LiveBytes): Promise<void> {
	const value = await turn.get(key);
	const before = value && decodeSegmentRow(value);
	if (before && (!before.place || before.place.origin > origin)) return;
	live.moved(key, before?.place, row.place);
	turn.put(key, encodeSegmentRow(row));
}

/** What is left of a dropped segment says so itself: the file with the fact may be lost. */
async function noteDropped(turn: ViewTurn, objectId: ObjectId, segment: number, memory: ApplyMemory): Promise<void> {
	const known = await objectRow(turn, objectId);
	if (!known) memory.pending.opened(objectId);
	const row = known ?? NEW_OBJECT;
	if (row.state === OBJECT_DELETED || includesSegment(row.dropped, segment)) return;
	putObjectRow(turn, objectId, { ...row, dropped: withRange(row.dropped, { first: segment, count: 1 }) });
	if (row.state === OBJECT_CLOSED) await markPruned(turn, objectId, row.root);
}

async function applyClosed(turn: ViewTurn, record: LogRecord, memory: ApplyMemory): Promise<void> {
	const { objectId, sizeBytes, root } = decodeClosed(record);
	await dropStaged(turn, objectId, memory);
	memory.staged.delete(objectId);
	memory.pending.closed(objectId);
	const known = await objectRow(turn, objectId);
	if (known?.state === OBJECT_DELETED) {
		memory.trees.forget(objectId);
		return;
	}
	// A copy may find its object closed by the first writing, which then has counted what stood before it.
	const isCounted = isCopy(record) && known?.state === OBJECT_CLOSED;
	const fresh = { ...(known ?? NEW_OBJECT), state: OBJECT_CLOSED, sizeBytes, root, heldSegments: 0 };
	const row = isCounted ? known : fresh;
	if (row.heldSegments < segmentsOf(row)) await complete(turn, objectId, row, memory);
}

/** What an object is to hold may be known only behind the fact that closes it, where compaction has moved that one. */
async function applyObjectPolicy(turn: ViewTurn, record: LogRecord, memory: ApplyMemory): Promise<void> {
	const { objectId, row } = (await applyPolicy(turn, record, memory)) ?? {};
	if (objectId === undefined || row?.state !== OBJECT_CLOSED) return;
	if (row.heldSegments < segmentsOf(row)) await complete(turn, objectId, row, memory);
	else await markPruned(turn, objectId, row.root);
}

/** Makes a closed object findable if all is there that it is to hold. */
async function complete(turn: ViewTurn, objectId: ObjectId, before: ObjectRow, memory: ApplyMemory): Promise<void> {
	const { row, isWhole } = await completeObject(turn, objectId, before, memory.trees);
	putObjectRow(turn, objectId, row);
	if (!isWhole) return;
	const object: RootObject = { objectId, sizeBytes: Number(row.sizeBytes) };
	const isPruned = row.dropped.length > 0 || row.kept !== undefined;
	await setObject(turn, rootFromBytes(row.root), isPruned ? { ...object, isPruned } : object, 'now', memory);
}

/** Written again by compaction: its object, or a part of it, may stand in the view already. */
function isCopy({ origin, lsn }: LogRecord): boolean {
	return origin !== lsn;
}

function isCopiedSegment(record: LogRecord): boolean {
	return record.type === RECORDS.segment && isCopy(record);
}

/** A copy is the first segment that its closed object was missing. */
async function fillsHole(turn: ViewTurn, record: LogRecord): Promise<boolean> {
	const { objectId, segment } = decodeSegment(record);
	const row = await objectRow(turn, objectId);
	return row?.state === OBJECT_CLOSED && row.heldSegments === segment;
}

/** Takes the object out of its root's row at once; the rows of its segments are removed in the background (purge.ts). */
async function applyDeleted(
	turn: ViewTurn,
	record: LogRecord,
	{ trees, pending, staged, live, changes }: ApplyMemory,
): Promise<void> {
	const { objectId, root, cause } = decodeDeleted(record);
	trees.forget(objectId);
	pending.ended(objectId);
	staged.delete(objectId);
	if (record.lane === 'bulk') {
		const { sizeBytes } = (await objectRow(turn, objectId)) ?? NEW_OBJECT;
		putObjectRow(turn, objectId, { ...NEW_OBJECT, sizeBytes, state: OBJECT_DELETED });
		turn.put(rowKeys.purge(objectId), PRESENT);
	}
	if (Buffer.from(root).equals(NO_ROOT)) return;
	const dataRoot = rootFromBytes(root);
	const key = rowKeys.root(dataRoot);
	const { object, ended, ...kept } = await rootRow(turn, key);
	const isNewest = [object, ended, kept.deletion].every((known) => (known?.objectId ?? 0n) <= objectId);
	if (!isNewest) return;
	pending.settled(dataRoot);
	const isDeleted = cause === DELETED_BECAUSE.unwanted;
	const marker = isDeleted || cause === DELETED_BECAUSE.dropped ? { ended: { objectId, isDeleted } } : {};
	// The journal remembers it already; or this is a copy, and finds what the first writing left.
	if (kept.deletion?.objectId === objectId) return;
	if (marker.ended && ended?.objectId === objectId && ended.isDeleted === isDeleted) return;
	live.moved(key, object?.place, undefined);
	changes.tell(dataRoot);
	const rest: RootRow = { ...marker, ...kept };
	if (Object.keys(rest).length === 0) turn.del(key);
	else turn.put(key, encodeRootRow(rest));
}

/** The segments' roots stay: proofs of the others need them. */
async function applyDropped(
	turn: ViewTurn,
	{ objectId, root, ...range }: DroppedRecord,
	{ live, changes }: ApplyMemory,
): Promise<void> {
	const known = (await objectRow(turn, objectId)) ?? NEW_OBJECT;
	if (known.state === OBJECT_DELETED) return;
	putObjectRow(turn, objectId, { ...known, dropped: withRange(known.dropped, range) });
	await markPruned(turn, objectId, root);
	changes.tell(rootFromBytes(root));
	for await (const { first, rows } of segmentRows(turn, objectId, range.first, range.first + range.count)) {
		for (const [index, value] of rows.entries()) {
			if (!value) continue;
			const segmentKey = rowKeys.segment(objectId, first + index);
			const row = decodeSegmentRow(value);
			live.moved(segmentKey, row.place, undefined);
			turn.put(segmentKey, encodeSegmentRow({ root: row.root }));
		}
		await turn.relieve();
	}
}

/** Whoever finds the object by its root learns that segments of it were dropped. */
async function markPruned(turn: ViewTurn, objectId: ObjectId, root: Uint8Array): Promise<void> {
	const key = rowKeys.root(rootFromBytes(root));
	const current = await rootRow(turn, key);
	if (current.object?.objectId === objectId)
		turn.put(key, encodeRootRow({ ...current, object: { ...current.object, isPruned: true } }));
}

/** Of several objects with one root the newest counts. */
function setObject(
	turn: ViewTurn,
	root: DataRoot,
	object: RootObject,
	when: 'now' | 'later',
	{ pending, live, changes }: ApplyMemory,
): Promise<void> | undefined {
	const key = rowKeys.root(root);
	const put = (row: Uint8Array | undefined): void => {
		const { object: current, ended, ...kept }: RootRow = row ? decodeRootRow(row) : {};
		const isEnded = [ended, kept.deletion].some((known) => known && known.objectId >= object.objectId);
		if (isEnded || (current && current.objectId > object.objectId)) return;
		if (kept.submissions) changes.tell(root);
		else pending.unnamed(root, object.objectId);
		live.moved(key, current?.place, object.place);
		const value = encodeRootRow({ object, ...kept });
		if (when === 'later') turn.putLater(key, value);
		else turn.put(key, value);
	};
	const row = turn.get(key);
	if (row instanceof Promise) return row.then(put);
	put(row);
	return undefined;
}

async function rootRow(turn: ViewTurn, key: Buffer): Promise<RootRow> {
	const row = await turn.get(key);
	return row ? decodeRootRow(row) : {};
}
