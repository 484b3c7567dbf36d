/** What a block of the embedded ledger may hold beside submissions (docs/format.md §6). */
import type { ByteReader, ByteWriter } from '../../../bytes.js';
import type { PoraAnswer } from '../../../native/addon.js';
import { BLOCK_BYTES, HASH_BYTES } from '../../../units.js';
import { SUBMITTER_BYTES } from '../../flow/submission-rules.js';
import { readParams, writeParams, type MiningParams } from './params.js';

export type LedgerTransaction =
	| { readonly kind: 'begin'; readonly params: MiningParams }
	/** `beneficiary`: 20 bytes. */
	| { readonly kind: 'register'; readonly beneficiary: Uint8Array; readonly seed: bigint }
	| { readonly kind: 'answer'; readonly answer: PoraAnswer };

const KINDS = { begin: 0, register: 1, answer: 2 } as const;
/** Levels of the largest flow. */
const MOST_SIBLINGS = 64;

/** Bytes of the largest transaction. */
export const TRANSACTION_BYTES = 1 + 4 * HASH_BYTES + 6 * 8 + BLOCK_BYTES + 1 + MOST_SIBLINGS * HASH_BYTES;

/** kind u8, then its fields. */
export function writeTransaction(writer: ByteWriter, transaction: LedgerTransaction): void {
	writer.u8(KINDS[transaction.kind]);
	switch (transaction.kind) {
		case 'begin':
			return writeParams(writer, transaction.params);
		case 'register':
			writer.fixed(transaction.beneficiary, SUBMITTER_BYTES).u64(transaction.seed);
			return;
		case 'answer':
			writeAnswer(writer, transaction.answer);
	}
}

export function readTransaction(reader: ByteReader): LedgerTransaction {
	const kind = reader.u8('kind of a transaction');
	switch (kind) {
		case KINDS.begin:
			return { kind: 'begin', params: readParams(reader) };
		case KINDS.register:
			return { kind: 'register', beneficiary: reader.bytes(SUBMITTER_BYTES, 'beneficiary'), seed: reader.u64('seed') };
		case KINDS.answer:
			return { kind: 'answer', answer: readAnswer(reader) };
		default:
			return reader.fail(`the kind of a transaction is ${kind}`);
	}
}

/** Whether an answer has the shape that a journal can hold. */
export function isWellFormed({ merkleProof, sealedData }: PoraAnswer): boolean {
	const siblings = merkleProof.length / HASH_BYTES;
	return sealedData.length === BLOCK_BYTES && Number.isInteger(siblings) && siblings <= MOST_SIBLINGS;
}

function writeAnswer(writer: ByteWriter, answer: PoraAnswer): void {
	const { startPosition, mineLength, shardId, shardMask } = answer.range;
	writer
		.fixed(answer.contextDigest, HASH_BYTES)
		.fixed(answer.nonce, HASH_BYTES)
		.fixed(answer.minerId, HASH_BYTES)
		.u64(startPosition)
		.u64(mineLength)
		.u64(shardId)
		.u64(shardMask)
		.u64(answer.recallPosition)
		.u64(answer.sealOffset)
		.fixed(answer.sealedContextDigest, HASH_BYTES)
		.fixed(answer.sealedData, BLOCK_BYTES)
		.u8(answer.merkleProof.length / HASH_BYTES)
		.raw(answer.merkleProof);
}

function readAnswer(reader: ByteReader): PoraAnswer {
	const hash = (field: string): Uint8Array => reader.bytes(HASH_BYTES, field);
	const [contextDigest, nonce, minerId] = [hash('context digest'), hash('nonce'), hash('miner id')];
	const range = {
		startPosition: reader.u64('start'),
		mineLength: reader.u64('length'),
		shardId: reader.u64('shard'),
		shardMask: reader.u64('mask'),
	};
	const recallPosition = reader.u64('recall position');
	const sealOffset = reader.u64('seal offset');
	const sealedContextDigest = hash('sealed context digest');
	const sealedData = reader.bytes(BLOCK_BYTES, 'sealed data');
	const merkleProof = reader.bytes(reader.u8('siblings') * HASH_BYTES, 'proof');
	return {
		contextDigest,
		nonce,
		minerId,
		range,
		recallPosition,
		sealOffset,
		sealedContextDigest,
		sealedData,
		merkleProof,
	};
}
