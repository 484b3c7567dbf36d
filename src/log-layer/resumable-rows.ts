/** Rows of resumable uploads (docs/format.md §8): what is known of each, and where the bytes behind its whole segments lie. */
import { ByteReader, ByteWriter } from '../bytes.js';
import { SEGMENT_BYTES, type Lsn } from '../units.js';
import { decodeResumable, type ResumableFact } from './resumable-records.js';
import { putPlace, takePlace, type PlainPlace } from './rows.js';

/** object id → resumable upload. */
export interface ResumableRow {
	/** Of the record that said it: of two the later counts. */
	readonly origin: Lsn;
	readonly fact: ResumableFact;
}

/** `ext`: of the record. */
export function encodeResumableRow(origin: Lsn, ext: Uint8Array): Uint8Array {
	return new ByteWriter(ext.length + 10).varint(origin).raw(ext).toBytes();
}

export function decodeResumableRow(bytes: Uint8Array): ResumableRow {
	const reader = new ByteReader(bytes, 'a resumable row');
	const origin = reader.varint('origin') as Lsn;
	return { origin, fact: decodeResumable(reader.bytes(reader.remaining, 'fact')) };
}

/** Staged bytes: where those from `offset` of the object on lie. */
export interface StagedPlace {
	readonly offset: number;
	readonly place: PlainPlace;
}

export function encodeStagedRow(staged: readonly StagedPlace[]): Uint8Array {
	const out = new ByteWriter(64);
	for (const { offset, place } of staged) {
		out.varint(offset);
		putPlace(out, place);
	}
	return out.toBytes();
}

export function decodeStagedRow(bytes: Uint8Array): readonly StagedPlace[] {
	const reader = new ByteReader(bytes, 'a staged row');
	const staged: StagedPlace[] = [];
	while (reader.remaining > 0) staged.push({ offset: reader.safeVarint('offset'), place: takePlace(reader) });
	return staged;
}

/**
 * The list with one more place, in order of offsets. Only those of the segment that was staged last stay, and of them those that no later one
 * covers; applying a record again, or its copy, changes no byte.
 */
export function withStaged(staged: readonly StagedPlace[], added: StagedPlace): readonly StagedPlace[] {
	const all = [...staged.filter((known) => !isSame(known, added)), added];
	const newest = all.reduce((last, one) => (one.place.origin > last.place.origin ? one : last), added);
	return all
		.filter(
			(one) =>
				stagedSegment(one) === stagedSegment(newest) && !all.some((other) => other !== one && covers(other, one)),
		)
		.sort((a, b) => a.offset - b.offset);
}

/** The segment that staged bytes from `offset` on belong to. */
export function stagedSegment({ offset }: { readonly offset: number }): number {
	return Math.floor(offset / SEGMENT_BYTES);
}

/** The same record, perhaps in another place. */
function isSame(one: StagedPlace, other: StagedPlace): boolean {
	return one.place.origin === other.place.origin;
}

/** `later` begins at or before `earlier` and was written after it: what `earlier` says from there on counts no more. */
function covers(later: StagedPlace, earlier: StagedPlace): boolean {
	return later.place.origin > earlier.place.origin && later.offset <= earlier.offset;
}
