/** Variable parts of addresses. */
import { PerigeeError } from '../../errors.js';
import { type DataRoot, parseDataRoot, type SectorIndex, type TxSeq } from '../../units.js';

const WHOLE = /^(?:0|[1-9][0-9]{0,19})$/;

/** Errors: BAD_ROOT. */
export function rootOf(text: string): DataRoot {
	const root = parseDataRoot(text);
	if (root === undefined) throw new PerigeeError('BAD_ROOT', 'A data root is 0x and 64 hexadecimal digits.');
	return root;
}

/** Errors: BAD_REQUEST. */
export function txSeqOf(text: string): TxSeq {
	return safeNumber(text, 'A sequence number') as TxSeq;
}

/** Errors: BAD_REQUEST. */
export function segmentIndexOf(text: string): number {
	return safeNumber(text, 'The number of a segment');
}

/** Errors: BAD_REQUEST. */
export function sectorOf(text: string): SectorIndex {
	if (!WHOLE.test(text)) throw new PerigeeError('BAD_REQUEST', 'The position of a sector is a whole number from 0.');
	return BigInt(text) as SectorIndex;
}

/** A count from 1 to `most`. Errors: BAD_REQUEST. */
export function countOf(text: string, what: string, most: number): number {
	const value = WHOLE.test(text) ? Number(text) : 0;
	if (value < 1 || value > most) throw new PerigeeError('BAD_REQUEST', `${what} is a whole number from 1 to ${most}.`);
	return value;
}

/** JSON for a 64-bit number: a number while it is exact, else a decimal string. */
export function jsonWhole(value: bigint): number | string {
	return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value.toString();
}

function safeNumber(text: string, what: string): number {
	const value = Number(text);
	if (!WHOLE.test(text) || !Number.isSafeInteger(value)) {
		throw new PerigeeError('BAD_REQUEST', `${what} is a whole number from 0.`);
	}
	return value;
}
