/**
 * Units and identities that every room shares (glossary: docs/architecture.md §2).
 * Branded types keep a root, a sequence number and a sector position from being mixed up; they cost nothing at run time.
 */

/** Bytes of one sector, the leaf of every Merkle tree. */
export const SECTOR_BYTES = 256;
/** Bytes of one block: the unit of checksum on disk, and of one seal. */
export const BLOCK_BYTES = 4096;
/** Bytes of one segment of a file. */
export const SEGMENT_BYTES = 262_144;
/** Sectors of one segment. */
export const SEGMENT_SECTORS = 1024;
/** What rewards are counted by: 8 GiB of the flow. */
export const PRICING_CHUNK_SECTORS = 2n ** 25n;
/** Blocks of one segment. */
export const SEGMENT_BLOCKS = SEGMENT_BYTES / BLOCK_BYTES;
/** Bytes of a Keccak-256 digest. */
export const HASH_BYTES = 32;
/** The flow of a store's own ledger: none of its submissions is ever taken back. */
export const OWN_FLOW = 0 as FlowId;
/** The largest number of 64 bits. */
export const MAX_U64 = 2n ** 64n - 1n;

declare const brand: unique symbol;
type Branded<T, B extends string> = T & { readonly [brand]: B };

/** Merkle root of a padded file as `0x` and 64 lower-case hex digits (spec log-layer §1.4). */
export type DataRoot = Branded<string, 'DataRoot'>;
/** Position of a submission in its settlement, from 0, consecutive. */
export type TxSeq = Branded<number, 'TxSeq'>;
/** Position of a sector in the flow. */
export type SectorIndex = Branded<bigint, 'SectorIndex'>;
/** Names the flow (settlement) a submission belongs to; 0 is the embedded one. */
export type FlowId = Branded<number, 'FlowId'>;
/** Log sequence number: one counter over the records of all lanes. */
export type Lsn = Branded<bigint, 'Lsn'>;

const ROOT_PATTERN = /^0x[0-9a-f]{64}$/;

/** Reads a data root; answers undefined when the text is not `0x` and 64 hex digits (upper case is accepted and lowered). */
export function parseDataRoot(text: string): DataRoot | undefined {
	const lowered = text.toLowerCase();
	return ROOT_PATTERN.test(lowered) ? (lowered as DataRoot) : undefined;
}

/** The root's text from its 32 bytes. */
export function rootFromBytes(bytes: Uint8Array): DataRoot {
	return hexOf(bytes) as DataRoot;
}

/** `0x` and lower-case hex of any bytes. */
export function hexOf(bytes: Uint8Array): string {
	return `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`;
}

/** The bytes of a `0x` hex text. The caller has checked its shape. */
export function bytesOfHex(text: string): Buffer {
	return Buffer.from(text.slice(2), 'hex');
}
