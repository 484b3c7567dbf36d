/** Rows of sealed flow segments (docs/format.md §8). The lane `sealed` alone writes them. */
import { ByteReader, ByteWriter } from '../bytes.js';
import { TABLES } from '../db/tables.js';
import { HASH_BYTES, type Lsn } from '../units.js';
import { putPlace, takePlace, type PlainPlace } from './rows.js';
import type { DecodedSealed, SealContext, SealedKey } from './sealed-records.js';

export type SealedRow =
	| (Omit<DecodedSealed, 'flowId' | 'index'> & { readonly place: PlainPlace })
	/** There is none any more, and none that was written before this is one. */
	| { readonly droppedBy: Lsn };

const SEALED = 1;
const DROPPED = 2;

export function sealedKey({ flowId, index }: SealedKey): Buffer {
	const key = Buffer.allocUnsafe(13);
	key.writeUInt8(TABLES.sealed, 0);
	key.writeUInt32BE(flowId, 1);
	key.writeBigUInt64BE(index, 5);
	return key;
}

export function encodeSealedRow(row: SealedRow): Uint8Array {
	if ('droppedBy' in row) return new ByteWriter(12).u8(DROPPED).varint(row.droppedBy).toBytes();
	const out = new ByteWriter(448).u8(SEALED).fixed(row.minerId, HASH_BYTES).u64(row.seals);
	out.fixed(row.content, HASH_BYTES).varint(row.contexts.length);
	for (const { digest, endSector } of row.contexts) out.fixed(digest, HASH_BYTES).varint(endSector);
	putPlace(out, row.place);
	return out.toBytes();
}

export function decodeSealedRow(bytes: Uint8Array): SealedRow {
	const reader = new ByteReader(bytes, 'a row of a sealed flow segment');
	const kind = reader.u8('kind');
	if (kind === DROPPED) return { droppedBy: reader.varint('dropped by') as Lsn };
	if (kind !== SEALED) reader.fail(`its kind is ${kind}`);
	const minerId = reader.bytes(HASH_BYTES, 'miner id');
	const seals = reader.u64('seals');
	const content = reader.bytes(HASH_BYTES, 'content');
	const contexts: SealContext[] = Array.from({ length: reader.safeVarint('contexts') }, () => ({
		digest: reader.bytes(HASH_BYTES, 'digest'),
		endSector: reader.varint('end'),
	}));
	return { minerId, seals, content, contexts, place: takePlace(reader) };
}

/** The writing that a row stands for. */
export function originOf(row: SealedRow): Lsn {
	return 'droppedBy' in row ? row.droppedBy : row.place.origin;
}
