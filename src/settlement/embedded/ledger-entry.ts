/**
 * Journal entries of the embedded ledger (docs/format.md §6):
 *
 *     genesis  version u8 = 1, kind u8 = 0, genesis, state hash 32
 *     block    version u8 = 1, kind u8 = 1, first block number u64, empty blocks u32, time u64, submissions u16,
 *              n × submission, state hash 32
 *     mining   the same with kind u8 = 2, and transactions u16, n × transaction before the state hash
 *
 * A block entry covers `empty blocks` blocks without anything and then, if it has submissions or transactions, one block that holds them.
 * `time` is that of its last block. `state hash` is the state's hash after the entry.
 */
import { HASH_BYTES } from '../../units.js';
import { ByteReader, ByteWriter } from '../../bytes.js';
import { LEDGER_ENTRY_BYTES } from '../journal-records.js';
import type { Submission } from '../settlement.js';
import { GENESIS_BYTES, type LedgerGenesis, readGenesis, writeGenesis } from './genesis.js';
import { readTransaction, type LedgerTransaction } from './mining/transactions.js';
import { nodesBytes, readNodes, writeNodes } from '../flow/nodes.js';
import { SUBMITTER_BYTES } from '../flow/submission-rules.js';

const ENTRY_VERSION = 1;
const KIND_GENESIS = 0;
const KIND_BLOCK = 1;
const KIND_MINING = 2;
const BLOCK_HEAD_BYTES = 1 + 1 + 8 + 4 + 8 + 2;
const TRANSACTION_HEAD_BYTES = 2;

/** Bytes that the submissions and transactions of one entry may take together. */
export const ENTRY_CONTENT_BYTES = LEDGER_ENTRY_BYTES - BLOCK_HEAD_BYTES - TRANSACTION_HEAD_BYTES - HASH_BYTES;

export interface GenesisEntry {
	readonly kind: 'genesis';
	readonly genesis: LedgerGenesis;
	readonly stateHash: Uint8Array;
}

/** The head of a block entry. */
export interface BlockInputs {
	/** Number of the first block that the entry covers. */
	readonly firstNumber: number;
	readonly emptyBlocks: number;
	/** Milliseconds since 1970. */
	readonly timeMs: number;
}

export interface BlockEntry extends BlockInputs {
	readonly kind: 'block';
	readonly submissions: readonly Submission[];
	readonly transactions: readonly LedgerTransaction[];
	readonly stateHash: Uint8Array;
}

export function encodeGenesisEntry(genesis: LedgerGenesis, stateHash: Uint8Array): Uint8Array {
	const writer = new ByteWriter(2 + GENESIS_BYTES + HASH_BYTES).u8(ENTRY_VERSION).u8(KIND_GENESIS);
	writeGenesis(writer, genesis);
	return writer.fixed(stateHash, HASH_BYTES).toBytes();
}

/** Encoded one behind another. */
export interface EncodedItems {
	readonly count: number;
	readonly bytes: Uint8Array;
}

export function encodeBlockEntry(
	inputs: BlockInputs,
	submissions: EncodedItems,
	transactions: EncodedItems,
	stateHash: Uint8Array,
): Uint8Array {
	const size = BLOCK_HEAD_BYTES + submissions.bytes.length + TRANSACTION_HEAD_BYTES + transactions.bytes.length;
	const writer = new ByteWriter(size + HASH_BYTES)
		.u8(ENTRY_VERSION)
		.u8(transactions.count > 0 ? KIND_MINING : KIND_BLOCK)
		.u64(inputs.firstNumber)
		.u32(inputs.emptyBlocks)
		.u64(inputs.timeMs)
		.u16(submissions.count)
		.raw(submissions.bytes);
	if (transactions.count > 0) writer.u16(transactions.count).raw(transactions.bytes);
	return writer.fixed(stateHash, HASH_BYTES).toBytes();
}

/** Submissions, roots and hashes are views of `bytes`. Errors: FORMAT_UNKNOWN. */
export function decodeEntry(bytes: Uint8Array): GenesisEntry | BlockEntry {
	const reader = new ByteReader(bytes, 'an entry of the ledger');
	const version = reader.u8('version');
	if (version !== ENTRY_VERSION) reader.fail(`its version is ${version}, this program knows ${ENTRY_VERSION}`);
	const kind = reader.u8('kind');
	if (kind > KIND_MINING) reader.fail(`its kind is ${kind}`);
	const body = kind === KIND_GENESIS ? readGenesisBody(reader) : readBlockBody(reader, kind === KIND_MINING);
	const entry = { ...body, stateHash: reader.bytes(HASH_BYTES, 'state hash') };
	reader.end();
	return entry;
}

function readGenesisBody(reader: ByteReader): Omit<GenesisEntry, 'stateHash'> {
	return { kind: 'genesis', genesis: readGenesis(reader) };
}

function readBlockBody(reader: ByteReader, hasTransactions: boolean): Omit<BlockEntry, 'stateHash'> {
	const inputs = {
		firstNumber: reader.safeU64('block number'),
		emptyBlocks: reader.u32('empty blocks'),
		timeMs: reader.safeU64('time'),
	};
	const count = reader.u16('submission count');
	const submissions: Submission[] = [];
	for (let index = 0; index < count; index++) submissions.push(readSubmission(reader));
	const transactions: LedgerTransaction[] = [];
	const transactionCount = hasTransactions ? reader.u16('transaction count') : 0;
	for (let index = 0; index < transactionCount; index++) transactions.push(readTransaction(reader));
	return { kind: 'block', ...inputs, submissions, transactions };
}

/** length u64, tags bytes u16, tags, submitter 20, nodes u8, n × (height u8, root 32). */
export function writeSubmission(writer: ByteWriter, submission: Submission): void {
	const { tags, nodes } = submission;
	writer.u64(submission.lengthBytes).u16(tags.length).raw(tags).fixed(submission.submitter, SUBMITTER_BYTES);
	writeNodes(writer, nodes);
}

/** Bytes that `writeSubmission` writes. */
export function submissionBytes(submission: Submission): number {
	return 8 + 2 + submission.tags.length + SUBMITTER_BYTES + nodesBytes(submission.nodes);
}

function readSubmission(reader: ByteReader): Submission {
	const lengthBytes = reader.u64('length');
	const tags = reader.bytes(reader.u16('tags length'), 'tags');
	const submitter = reader.bytes(SUBMITTER_BYTES, 'submitter');
	return { lengthBytes, tags, submitter, nodes: readNodes(reader) };
}
