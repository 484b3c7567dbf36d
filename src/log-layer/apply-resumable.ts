/**
 * Takes the records of resumable uploads into the view. They count while their object is open; of an upload that has ended well the row stays
 * until it expires, so that its client learns of the end.
 */
import type { LogRecord } from '../append-log/types.js';
import type { Lsn } from '../units.js';
import { objectRow, openObject, placeOf, type ApplyMemory } from './apply-object.js';
import type { LiveBytes } from './live-bytes.js';
import type { ObjectId } from './records.js';
import { decodeResumable, decodeStaged } from './resumable-records.js';
import {
	decodeResumableRow,
	decodeStagedRow,
	encodeResumableRow,
	encodeStagedRow,
	stagedSegment,
	withStaged,
	type StagedPlace,
} from './resumable-rows.js';
import { OBJECT_OPEN, rowKeys } from './rows.js';
import type { ViewTurn } from './view.js';

/** The newest record of an upload replaces what the others said. */
export async function applyResumable(turn: ViewTurn, record: LogRecord, memory: ApplyMemory): Promise<void> {
	const { objectId, expiresMs, stored } = decodeResumable(record.ext);
	const key = rowKeys.resumable(objectId);
	if ((await originOf(turn, key)) > record.origin) return;
	turn.put(key, encodeResumableRow(record.origin, record.ext));
	if (stored) return;
	const isInView = await isOpen(turn, objectId, memory);
	// A view that is newer than this record may know of the object's end, which comes further on.
	if (isInView || memory.pending.isOpen(objectId)) memory.pending.resumable(objectId, expiresMs);
}

export async function applyStaged(turn: ViewTurn, record: LogRecord, memory: ApplyMemory): Promise<void> {
	const { objectId, offset } = decodeStaged(record);
	if (!(await isOpen(turn, objectId, memory))) return;
	const key = rowKeys.staged(objectId);
	const before = await stagedAt(turn, key);
	const after = withStaged(before, { offset, place: placeOf(record) });
	move(memory.live, key, before, after);
	memory.staged.set(objectId, true);
	turn.put(key, encodeStagedRow(after));
}

/** The object is closed: all its bytes stand in whole segments. */
export function dropStaged(turn: ViewTurn, objectId: ObjectId, memory: ApplyMemory): Promise<void> {
	return keepStaged(turn, objectId, memory, () => false);
}

/** A segment was written, by a record of this origin: what was staged of it before counts no more. */
export function dropStagedOf(
	turn: ViewTurn,
	objectId: ObjectId,
	segment: number,
	origin: Lsn,
	memory: ApplyMemory,
): Promise<void> {
	const isOver = (one: StagedPlace): boolean => stagedSegment(one) === segment && one.place.origin < origin;
	return keepStaged(turn, objectId, memory, (staged) => !isOver(staged));
}

async function keepStaged(
	turn: ViewTurn,
	objectId: ObjectId,
	{ live, staged }: ApplyMemory,
	isKept: (staged: StagedPlace) => boolean,
): Promise<void> {
	const key = rowKeys.staged(objectId);
	const before = await stagedAt(turn, key);
	const after = before.filter(isKept);
	staged.set(objectId, after.length > 0);
	if (after.length === before.length) return;
	move(live, key, before, after);
	if (after.length === 0) turn.del(key);
	else turn.put(key, encodeStagedRow(after));
}

/** A power cut may have taken the record that opened the object: then this one opens it. */
async function isOpen(turn: ViewTurn, objectId: ObjectId, memory: ApplyMemory): Promise<boolean> {
	const row = await objectRow(turn, objectId);
	if (!row) await openObject(turn, objectId, memory);
	return !row || row.state === OBJECT_OPEN;
}

async function originOf(turn: ViewTurn, key: Buffer): Promise<Lsn> {
	const row = await turn.get(key);
	return row ? decodeResumableRow(row).origin : (0n as Lsn);
}

async function stagedAt(turn: ViewTurn, key: Buffer): Promise<readonly StagedPlace[]> {
	const row = await turn.get(key);
	return row ? decodeStagedRow(row) : [];
}

function move(live: LiveBytes, key: Buffer, before: readonly StagedPlace[], after: readonly StagedPlace[]): void {
	for (const { place } of before) live.moved(key, place, undefined);
	for (const { place } of after) live.moved(key, undefined, place);
}
