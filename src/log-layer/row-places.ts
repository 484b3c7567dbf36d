/** Which places of the log a row points to, whatever its table. */
import type { Place } from '../append-log/types.js';
import { TABLES } from '../db/tables.js';
import { decodeStagedRow } from './resumable-rows.js';
import { decodeRootRow, decodeSegmentRow } from './rows.js';
import { decodeSealedRow } from './sealed-rows.js';

export function placesOf(key: Uint8Array, value: Uint8Array): readonly Place[] {
	switch (key[0]) {
		case TABLES.root:
			return listed(decodeRootRow(value).object?.place);
		case TABLES.segment:
			return listed(decodeSegmentRow(value).place);
		case TABLES.sealed: {
			const row = decodeSealedRow(value);
			return listed('place' in row ? row.place : undefined);
		}
		case TABLES.staged:
			return decodeStagedRow(value).map(({ place }) => place);
		default:
			return [];
	}
}

function listed(place: Place | undefined): readonly Place[] {
	return place ? [place] : [];
}
