/**
 * Journal entries of a chain's flow (docs/format.md §6). What the chain said is written down as it was heard, so that a replay needs no endpoint:
 *
 *     genesis  version u8 = 1, kind u8 = 0, genesis
 *     blocks   version u8 = 1, kind u8 = 1, block, first txSeq u64, submissions u16, n × submission, flow root after 32
 *     revert   version u8 = 1, kind u8 = 2, block, submissions that stay u64, flow length u64, frontier
 */
import { ByteReader, ByteWriter } from '../../bytes.js';
import { HASH_BYTES } from '../../units.js';
import { nodesBytes, readNodes, writeNodes } from '../flow/nodes.js';
import { MAX_FLOW_SECTORS, SUBMITTER_BYTES } from '../flow/submission-rules.js';
import { LEDGER_ENTRY_BYTES } from '../journal-records.js';
import type { ChainBlock, ChainSubmission } from './chain-submission.js';

const ENTRY_VERSION = 1;
const KIND_GENESIS = 0;
const KIND_BLOCKS = 1;
const KIND_REVERT = 2;
const BLOCKS_HEAD_BYTES = 2 + 8 + HASH_BYTES + 8 + 8 + 2 + HASH_BYTES;

/** Bytes that the submissions of one entry may take together, and the most of them. */
export const ENTRY_SUBMISSION_BYTES = LEDGER_ENTRY_BYTES - BLOCKS_HEAD_BYTES;
export const ENTRY_SUBMISSIONS = 0xffff;

/** Which flow is followed. Fixed once a data directory exists. */
export interface EvmGenesis {
	readonly chainId: bigint;
	/** 20 bytes. */
	readonly flowAddress: Uint8Array;
	/** The first block that may hold a submission. */
	readonly startBlock: number;
}

export interface GenesisEntry {
	readonly kind: 'genesis';
	readonly genesis: EvmGenesis;
}

/** All submissions up to a block that were not known before. */
export interface BlocksEntry {
	readonly kind: 'blocks';
	/** The last block that was looked at. */
	readonly upTo: ChainBlock;
	readonly firstSeq: number;
	readonly submissions: readonly ChainSubmission[];
	readonly flowRoot: Uint8Array;
}

/** The chain took submissions back. */
export interface RevertEntry {
	readonly kind: 'revert';
	/** The last block that still counts. */
	readonly upTo: ChainBlock;
	/** Submissions that stay: those from this number on are gone. */
	readonly submissions: number;
	readonly flowLength: bigint;
	/** Of the flow with those that stay. */
	readonly frontier: Uint8Array;
}

export type EvmEntry = GenesisEntry | BlocksEntry | RevertEntry;

export function encodeGenesis(genesis: EvmGenesis): Uint8Array {
	return writeGenesis(head(KIND_GENESIS), genesis).toBytes();
}

/** `encoded`: `count` submissions, one behind another. */
export function encodeBlocks(
	{ upTo, firstSeq, flowRoot }: Omit<BlocksEntry, 'kind' | 'submissions'>,
	count: number,
	encoded: Uint8Array,
): Uint8Array {
	const writer = writeBlock(head(KIND_BLOCKS), upTo).u64(firstSeq).u16(count);
	return writer.raw(encoded).fixed(flowRoot, HASH_BYTES).toBytes();
}

export function encodeRevert({ upTo, submissions, flowLength, frontier }: Omit<RevertEntry, 'kind'>): Uint8Array {
	const writer = writeBlock(head(KIND_REVERT), upTo);
	return writer.u64(submissions).u64(flowLength).raw(frontier).toBytes();
}

/** block u64, time u64, tx hash 32, start sector u64, length u64, tags bytes u32, tags, submitter 20, nodes u8, n × (height u8, root 32). */
export function writeChainSubmission(writer: ByteWriter, submission: ChainSubmission): void {
	const { blockNumber, timeMs, txHash, startSector, lengthBytes, tags, submitter, nodes } = submission;
	writer
		.u64(blockNumber)
		.u64(timeMs)
		.fixed(txHash, HASH_BYTES)
		.u64(startSector)
		.u64(lengthBytes)
		.u32(tags.length)
		.raw(tags)
		.fixed(submitter, SUBMITTER_BYTES);
	writeNodes(writer, nodes);
}

/** Bytes that `writeChainSubmission` writes. */
export function chainSubmissionBytes({ tags, nodes }: ChainSubmission): number {
	return 8 + 8 + HASH_BYTES + 8 + 8 + 4 + tags.length + SUBMITTER_BYTES + nodesBytes(nodes);
}

/** Hashes are views of `bytes`. Errors: FORMAT_UNKNOWN. */
export function decodeEvmEntry(bytes: Uint8Array): EvmEntry {
	const reader = new ByteReader(bytes, 'an entry of a chain');
	const version = reader.u8('version');
	if (version !== ENTRY_VERSION) reader.fail(`its version is ${version}, this program knows ${ENTRY_VERSION}`);
	const kind = reader.u8('kind');
	if (kind !== KIND_GENESIS && kind !== KIND_BLOCKS && kind !== KIND_REVERT) reader.fail(`its kind is ${kind}`);
	const entry =
		kind === KIND_GENESIS
			? { kind: 'genesis' as const, genesis: readGenesis(reader) }
			: kind === KIND_BLOCKS
				? readBlocks(reader)
				: readRevert(reader);
	reader.end();
	return entry;
}

function head(kind: number): ByteWriter {
	return new ByteWriter(1024).u8(ENTRY_VERSION).u8(kind);
}

/** number u64, hash 32, time u64. */
export function writeBlock(writer: ByteWriter, { number, hash, timeMs }: ChainBlock): ByteWriter {
	return writer.u64(number).fixed(hash, HASH_BYTES).u64(timeMs);
}

export function readBlock(reader: ByteReader): ChainBlock {
	return {
		number: reader.safeU64('block'),
		hash: reader.bytes(HASH_BYTES, 'block hash'),
		timeMs: reader.safeU64('time'),
	};
}

/** chain id u64, flow address 20, start block u64. */
export function writeGenesis(writer: ByteWriter, { chainId, flowAddress, startBlock }: EvmGenesis): ByteWriter {
	return writer.u64(chainId).fixed(flowAddress, SUBMITTER_BYTES).u64(startBlock);
}

/** A copy: what it says outlives the bytes. */
export function readGenesis(reader: ByteReader): EvmGenesis {
	return {
		chainId: reader.u64('chain id'),
		flowAddress: reader.bytes(SUBMITTER_BYTES, 'flow address').slice(),
		startBlock: reader.safeU64('start block'),
	};
}

function readBlocks(reader: ByteReader): BlocksEntry {
	const upTo = readBlock(reader);
	const firstSeq = reader.safeU64('first sequence number');
	const count = reader.u16('submission count');
	const submissions: ChainSubmission[] = [];
	for (let index = 0; index < count; index++) submissions.push(readSubmission(reader, firstSeq + index));
	return { kind: 'blocks', upTo, firstSeq, submissions, flowRoot: reader.bytes(HASH_BYTES, 'flow root') };
}

function readRevert(reader: ByteReader): RevertEntry {
	const upTo = readBlock(reader);
	const submissions = reader.safeU64('submissions');
	const flowLength = reader.u64('flow length');
	const frontier = reader.bytes(reader.remaining, 'frontier');
	if (flowLength < 1n || flowLength > MAX_FLOW_SECTORS) reader.fail(`its flow has ${flowLength} sectors`);
	return { kind: 'revert', upTo, submissions, flowLength, frontier };
}

function readSubmission(reader: ByteReader, txSeq: number): ChainSubmission {
	const fields = {
		txSeq,
		blockNumber: reader.safeU64('block'),
		timeMs: reader.safeU64('time'),
		txHash: reader.bytes(HASH_BYTES, 'transaction'),
		startSector: reader.u64('start'),
		lengthBytes: reader.u64('length'),
		tags: reader.bytes(reader.u32('tags length'), 'tags'),
		submitter: reader.bytes(SUBMITTER_BYTES, 'submitter'),
	};
	return { ...fields, nodes: readNodes(reader) };
}
