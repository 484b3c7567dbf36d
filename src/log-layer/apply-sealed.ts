/** Takes the records of the lane `sealed` into the view: of two about one flow segment the later writing counts. */
import type { LogRecord } from '../append-log/types.js';
import { placeOf } from './apply-object.js';
import type { LiveBytes } from './live-bytes.js';
import { decodeFlowSegmentDropped, decodeSealed } from './sealed-records.js';
import { decodeSealedRow, encodeSealedRow, originOf, sealedKey, type SealedRow } from './sealed-rows.js';
import type { ViewTurn } from './view.js';

export async function applySealed(turn: ViewTurn, record: LogRecord, live: LiveBytes): Promise<void> {
	const { flowId, index, ...fields } = decodeSealed(record);
	await putIfNewest(turn, sealedKey({ flowId, index }), { ...fields, place: placeOf(record) }, live);
}

export async function applySealedDropped(turn: ViewTurn, record: LogRecord, live: LiveBytes): Promise<void> {
	await putIfNewest(turn, sealedKey(decodeFlowSegmentDropped(record)), { droppedBy: record.origin }, live);
}

async function putIfNewest(turn: ViewTurn, key: Buffer, row: SealedRow, live: LiveBytes): Promise<void> {
	const value = await turn.get(key);
	const before = value && decodeSealedRow(value);
	if (before && originOf(before) > originOf(row)) return;
	const placeIn = (one: SealedRow | undefined) => (one && 'place' in one ? one.place : undefined);
	live.moved(key, placeIn(before), placeIn(row));
	turn.put(key, encodeSealedRow(row));
}
