/**
 * The transaction record of 0G nodes: SSZ bytes and the hash that stands for a submission between peers (spec log-layer §3.3).
 */
import { ByteWriter } from '../bytes.js';
import { HASH_BYTES } from '../units.js';
import type { FlowHashing } from './flow/hashing.js';
import type { SubmissionNode } from './settlement.js';

/** What the record says of a submission; `streamIds` and `data` are always empty. */
export interface TransactionRecord {
	/** 32 bytes. */
	readonly dataRoot: Uint8Array;
	readonly nodes: readonly SubmissionNode[];
	/** First sector in the flow. */
	readonly startEntryIndex: bigint;
	readonly sizeBytes: bigint;
	readonly txSeq: number;
}

/** Bytes of the fixed part: offsets of the lists, root, start, size, sequence. */
const FIXED_BYTES = 68;

/** The SSZ container, little-endian. */
export function encodeTransactionRecord(record: TransactionRecord): Uint8Array {
	// Both empty lists and the list of nodes begin behind the fixed part.
	const out = new ByteWriter(FIXED_BYTES + record.nodes.length * (8 + HASH_BYTES))
		.u32(FIXED_BYTES)
		.u32(FIXED_BYTES)
		.fixed(record.dataRoot, HASH_BYTES)
		.u32(FIXED_BYTES)
		.u64(record.startEntryIndex)
		.u64(record.sizeBytes)
		.u64(record.txSeq);
	for (const node of record.nodes) out.u64(node.height + 1).fixed(node.root, HASH_BYTES);
	return out.toBytes();
}

/** Keccak-256 of the record, 32 bytes. */
export function transactionHash(record: TransactionRecord, hashing: Pick<FlowHashing, 'keccak256'>): Uint8Array {
	return hashing.keccak256(encodeTransactionRecord(record));
}
