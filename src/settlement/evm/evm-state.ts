/** How far a chain's flow is known, and its bytes in the checkpoint (docs/format.md §6). */
import { ByteReader, ByteWriter } from '../../bytes.js';
import { HASH_BYTES } from '../../units.js';
import type { FlowHashing } from '../flow/hashing.js';
import { frontierBytes } from '../flow/flow-draft.js';
import { MAX_FLOW_SECTORS } from '../flow/submission-rules.js';
import type { ChainBlock } from './chain-submission.js';
import { type EvmGenesis, readBlock, readGenesis, writeBlock, writeGenesis } from './evm-entry.js';

const STATE_VERSION = 1;
const NO_HASH = new Uint8Array(HASH_BYTES);

/** Never changed, only replaced. */
export interface EvmState {
	readonly genesis: EvmGenesis;
	/** The last block whose submissions are known; that before the start block at the beginning, with a hash of zeros. */
	readonly block: ChainBlock;
	/** Submissions so far: the txSeq of the next one. */
	readonly submissions: number;
	readonly flowLength: bigint;
	/** Roots of the complete subtrees of the flow, largest first, one for each binary digit of the length. */
	readonly frontier: Uint8Array;
	readonly flowRoot: Uint8Array;
}

/** Before the first block: sector 0 of the flow is 32 zero bytes, and nothing else is there. */
export function initialEvmState(genesis: EvmGenesis): EvmState {
	const zero = new Uint8Array(HASH_BYTES);
	return { genesis, block: beginningOf(genesis), submissions: 0, flowLength: 1n, frontier: zero, flowRoot: zero };
}

/** Stands for all blocks before the first that may hold a submission; nothing is known of them, its hash is zeros. */
export function beginningOf({ startBlock }: EvmGenesis): ChainBlock {
	return { number: Math.max(0, startBlock - 1), hash: NO_HASH, timeMs: 0 };
}

/** Whether no block was looked at yet. */
export function isBeginning({ hash }: ChainBlock): boolean {
	return Buffer.compare(hash, NO_HASH) === 0;
}

export function encodeEvmState({ genesis, block, submissions, flowLength, frontier }: EvmState): Uint8Array {
	const writer = writeGenesis(new ByteWriter(512).u8(STATE_VERSION), genesis);
	return writeBlock(writer, block).u64(submissions).u64(flowLength).raw(frontier).toBytes();
}

/** Errors: FORMAT_UNKNOWN. */
export function decodeEvmState(bytes: Uint8Array, hashing: FlowHashing): EvmState {
	// A copy: the state outlives the buffer it came in.
	const reader = new ByteReader(bytes.slice(), 'the saved state of a chain');
	const version = reader.u8('version');
	if (version !== STATE_VERSION) reader.fail(`its version is ${version}, this program knows ${STATE_VERSION}`);
	const genesis = readGenesis(reader);
	const block = readBlock(reader);
	const submissions = reader.safeU64('submissions');
	const flowLength = reader.u64('flow length');
	const frontier = reader.bytes(reader.remaining, 'frontier');
	if (flowLength > MAX_FLOW_SECTORS || flowLength < 1n || frontier.length !== frontierBytes(flowLength))
		reader.fail('the frontier does not fit the flow');
	return { genesis, block, submissions, flowLength, frontier, flowRoot: hashing.flowRoot(flowLength, frontier) };
}
