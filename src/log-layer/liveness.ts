/**
 * Which records of the payload lanes still count (docs/architecture.md §4, "Deleting and compaction").
 *
 * A segment or whole object is alive if the view's place is exactly this record; of a segment that was dropped its root stays. That an object was opened counts
 * while it is open, that it was closed while it stands. A delete fact counts as long as an older file may hold a record of its object, as
 * the object's rows are not all removed, or as the root remembers the deletion by it alone: once the journal tells of it, that of an object of
 * one record is not needed any more.
 */
import type { LogRecord } from '../append-log/types.js';
import { PerigeeError } from '../errors.js';
import { rootFromBytes } from '../units.js';
import {
	RECORDS,
	decodeClosed,
	decodeDeleted,
	decodeDropped,
	decodeSegment,
	decodeWholeObject,
	objectOfPart,
	type ObjectId,
} from './records.js';
import { decodeResumable, decodeStaged } from './resumable-records.js';
import { decodeResumableRow, decodeStagedRow, stagedSegment } from './resumable-rows.js';
import {
	OBJECT_CLOSED,
	OBJECT_DELETED,
	OBJECT_OPEN,
	decodeObjectRow,
	decodeRootRow,
	decodeSegmentRow,
	rowKeys,
	type PlainPlace,
	type RootRow,
} from './rows.js';
import { decodeFlowSegmentDropped, decodeSealed } from './sealed-records.js';
import { decodeSealedRow, sealedKey } from './sealed-rows.js';
import { isKept } from './shard.js';
import type { ViewTurn } from './view.js';

/** `rootOnly`: the bytes were dropped, the segment's root is still needed. */
export type Fate = 'live' | 'dead' | 'rootOnly';

/** The view has an object and lacks the row of one of its segments: nothing it says about what is dead can be relied on. */
export class ViewIncompleteError extends Error {
	constructor(objectId: ObjectId, segment: number) {
		super(`the index has no row of segment ${segment} of object ${objectId}, whose record is in the log`);
		this.name = 'ViewIncompleteError';
	}
}

/** A record and the object it belongs to. */
export interface JudgedRecord {
	readonly record: LogRecord;
	readonly objectId: ObjectId;
	readonly fate: Fate;
}

/** True when a file other than the judged one, in whatever payload lane, may hold records numbered from `from` to `to`. */
export type OlderFiles = (from: bigint, to: bigint) => boolean;

interface Question {
	readonly record: LogRecord;
	readonly objectId: ObjectId;
	/** Rows that the answer depends on. */
	readonly keys: readonly Buffer[];
	readonly fate: (rows: readonly (Uint8Array | undefined)[]) => Fate;
}

/** Judges records by the rows as they stand in this turn. Errors: FORMAT_UNKNOWN for a record that this version does not know. */
export async function judge(
	turn: ViewTurn,
	records: readonly LogRecord[],
	mayOlderHold: OlderFiles,
): Promise<readonly JudgedRecord[]> {
	const questions = records.map((record) => questionOf(record, mayOlderHold));
	const rows = await turn.getMany(questions.flatMap(({ keys }) => keys));
	let at = 0;
	return questions.map(({ record, objectId, keys, fate }) => {
		const own = rows.slice(at, at + keys.length);
		at += keys.length;
		return { record, objectId, fate: fate(own) };
	});
}

function questionOf(record: LogRecord, mayOlderHold: OlderFiles): Question {
	switch (record.type) {
		case RECORDS.objectOpened:
			return ofObject(record, record.origin, (state) => state === OBJECT_OPEN);
		case RECORDS.segment:
			return segmentQuestion(record);
		case RECORDS.objectClosed:
			return ofObject(record, decodeClosed(record).objectId, (state) => state === OBJECT_CLOSED);
		case RECORDS.wholeObject: {
			const keys = [rowKeys.root(rootFromBytes(decodeWholeObject(record).root))];
			return {
				record,
				objectId: record.origin,
				keys,
				fate: ([row]) => (isAt(row && decodeRootRow(row).object?.place, record) ? 'live' : 'dead'),
			};
		}
		case RECORDS.objectDeleted:
			return deletedQuestion(record, mayOlderHold);
		case RECORDS.segmentsDropped:
			return ofObject(record, decodeDropped(record).objectId, isThere);
		case RECORDS.stagedBytes:
			return stagedQuestion(record);
		case RECORDS.resumableUpload:
			return resumableQuestion(record);
		case RECORDS.sealedFlowSegment:
			return sealedQuestion(record);
		case RECORDS.flowSegmentDropped:
			return sealedDroppedQuestion(record);
		case RECORDS.objectPolicy:
			return ofObject(record, objectOfPart(record), isThere);
		default:
			throw new PerigeeError(
				'FORMAT_UNKNOWN',
				`record type ${record.type} in lane ${record.lane} comes from a newer version`,
			);
	}
}

/** A question that the state of the object's row answers (undefined: it has none). */
function ofObject(record: LogRecord, objectId: ObjectId, isLive: (state: number | undefined) => boolean): Question {
	const fate = ([row]: readonly (Uint8Array | undefined)[]): Fate =>
		isLive(row && decodeObjectRow(row).state) ? 'live' : 'dead';
	return { record, objectId, keys: [rowKeys.object(objectId)], fate };
}

function isThere(state: number | undefined): boolean {
	return state === OBJECT_OPEN || state === OBJECT_CLOSED;
}

function segmentQuestion(record: LogRecord): Question {
	const { objectId, segment } = decodeSegment(record);
	return {
		record,
		objectId,
		keys: [rowKeys.object(objectId), rowKeys.segment(objectId, segment)],
		fate([object, row]) {
			const known = object && decodeObjectRow(object);
			if (!isThere(known?.state) || !isKept(known?.kept, segment)) return 'dead';
			if (!row) throw new ViewIncompleteError(objectId, segment);
			const { place } = decodeSegmentRow(row);
			if (!place) return 'rootOnly';
			return isAt(place, record) ? 'live' : 'dead';
		},
	};
}

/** Staged bytes count until their segment was written after them, and as long as none were staged over them. */
function stagedQuestion(record: LogRecord): Question {
	const staged = decodeStaged(record);
	const { objectId } = staged;
	const segment = stagedSegment(staged);
	return {
		record,
		objectId,
		keys: [rowKeys.object(objectId), rowKeys.staged(objectId), rowKeys.segment(objectId, segment)],
		fate([object, row, whole]) {
			if (!object || decodeObjectRow(object).state !== OBJECT_OPEN || !row) return 'dead';
			if (((whole && decodeSegmentRow(whole).place?.origin) ?? 0n) > record.origin) return 'dead';
			return decodeStagedRow(row).some(({ place }) => isAt(place, record)) ? 'live' : 'dead';
		},
	};
}

/** What is said of a resumable upload counts until a later record says it, while its object is there or it has ended well. */
function resumableQuestion(record: LogRecord): Question {
	const { objectId } = decodeResumable(record.ext);
	return {
		record,
		objectId,
		keys: [rowKeys.resumable(objectId), rowKeys.object(objectId)],
		fate([row, object]) {
			const known = row && decodeResumableRow(row);
			if (known?.origin !== record.origin) return 'dead';
			return known.fact.stored || isThere(object && decodeObjectRow(object).state) ? 'live' : 'dead';
		},
	};
}

function deletedQuestion(record: LogRecord, mayOlderHold: OlderFiles): Question {
	const { objectId } = decodeDeleted(record);
	return {
		record,
		objectId,
		keys: deletionKeys(record),
		fate([row, object]) {
			const { ended, deletion }: RootRow = row ? decodeRootRow(row) : {};
			const isRemembered = ended?.objectId === objectId;
			const isInJournal = deletion !== undefined && deletion.objectId >= objectId;
			if (isInJournal && record.lane === 'small') return 'dead';
			const isBeingRemoved = object !== undefined && decodeObjectRow(object).state === OBJECT_DELETED;
			return isRemembered || isBeingRemoved || mayOlderHold(objectId, record.origin) ? 'live' : 'dead';
		},
	};
}

/** Belongs to no object. */
const NO_OBJECT: ObjectId = 0n;

function sealedQuestion(record: LogRecord): Question {
	return {
		record,
		objectId: NO_OBJECT,
		keys: [sealedKey(decodeSealed(record))],
		fate([row]) {
			const known = row && decodeSealedRow(row);
			return known && 'place' in known && isAt(known.place, record) ? 'live' : 'dead';
		},
	};
}

/** That a sealed copy is gone counts until there is another one: its row stands for it. */
function sealedDroppedQuestion(record: LogRecord): Question {
	return {
		record,
		objectId: NO_OBJECT,
		keys: [sealedKey(decodeFlowSegmentDropped(record))],
		fate([row]) {
			const known = row && decodeSealedRow(row);
			const isLast = known !== undefined && 'droppedBy' in known && known.droppedBy === record.origin;
			return isLast ? 'live' : 'dead';
		},
	};
}

/** Rows that a deletion is about: that of its root, and of its object, unless that is one of a single record, which has none. */
export function deletionKeys(record: LogRecord): readonly Buffer[] {
	const { objectId, root } = decodeDeleted(record);
	const rootKey = rowKeys.root(rootFromBytes(root));
	return record.lane === 'bulk' ? [rootKey, rowKeys.object(objectId)] : [rootKey];
}

function isAt(place: PlainPlace | undefined, { lane, place: own }: LogRecord): boolean {
	return (
		place !== undefined &&
		own !== undefined &&
		place.lane === lane &&
		place.fileNo === own.fileNo &&
		place.offset === own.offset
	);
}
