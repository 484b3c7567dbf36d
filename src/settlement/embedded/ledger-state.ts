/** The whole state of the embedded ledger, its bytes and its hash (docs/format.md §6). */
import { HASH_BYTES } from '../../units.js';
import { ByteReader, ByteWriter } from '../../bytes.js';
import type { EpochContext } from '../settlement.js';
import { frontierBytes } from '../flow/flow-draft.js';
import { MAX_FLOW_SECTORS } from '../flow/submission-rules.js';
import { EMPTY_HISTORY, firstContext, HISTORY_ROOTS, type RootHistory } from './epochs.js';
import { readMiningState, readOwners, writeMiningState, writeOwners, type MiningState } from './mining/state.js';
import { genesisHash, type LedgerGenesis, readGenesis, writeGenesis } from './genesis.js';
import type { FlowHashing } from '../flow/hashing.js';

/** Versions of the state's bytes: before mining has begun, and since. */
const STATE_VERSION = 1;
const MINING_VERSION = 2;

/** Never changed, only replaced. */
export interface LedgerState {
	readonly genesis: LedgerGenesis;
	readonly blockNumber: number;
	/** 32 bytes. */
	readonly blockHash: Uint8Array;
	/** Milliseconds since 1970. */
	readonly blockTimeMs: number;
	/** Submissions so far: the txSeq of the next one. */
	readonly submissions: number;
	readonly flowLength: bigint;
	/** Roots of the complete subtrees of the flow, largest first, one for each binary digit of the length. */
	readonly frontier: Uint8Array;
	readonly flowRoot: Uint8Array;
	readonly context: EpochContext;
	/** First sector that no epoch covers. */
	readonly epochStart: bigint;
	readonly rootHistory: RootHistory;
	readonly pricePerSector: bigint;
	/** Absent: mining has not begun. */
	readonly mining?: MiningState;
	/** K(fixed part of the bytes), which commits to the history through its digest. */
	readonly stateHash: Uint8Array;
}

/** A state before its hash is known. */
export type UnhashedState = Omit<LedgerState, 'stateHash'>;

/** The state with its hash. */
export function hashState(state: UnhashedState, hashing: FlowHashing): LedgerState {
	const writer = new ByteWriter(1024);
	writeFixedPart(writer, state);
	return { ...state, stateHash: hashing.keccak256(writer.toBytes()) };
}

/** The state right after genesis: sector 0 of the flow is 32 zero bytes, and nothing else is there. */
export function initialState(genesis: LedgerGenesis, hashing: FlowHashing): LedgerState {
	const zero = new Uint8Array(HASH_BYTES);
	const state: UnhashedState = {
		genesis,
		blockNumber: genesis.firstBlock,
		blockHash: genesisHash(genesis, hashing),
		blockTimeMs: genesis.timeMs,
		submissions: 0,
		flowLength: 1n,
		frontier: zero,
		flowRoot: zero,
		context: firstContext(),
		epochStart: 0n,
		rootHistory: EMPTY_HISTORY,
		pricePerSector: genesis.pricePerSector,
	};
	return hashState(state, hashing);
}

/** The canonical bytes: fixed part, then the roots of the history, then the owners of seals. */
export function encodeState(state: LedgerState): Uint8Array {
	const writer = new ByteWriter(1024 + state.rootHistory.roots.length);
	writeFixedPart(writer, state);
	writer.raw(state.rootHistory.roots);
	if (state.mining) writeOwners(writer, state.mining);
	return writer.toBytes();
}

/** Reads a state; everything that can be recomputed is. Errors: FORMAT_UNKNOWN. */
export function decodeState(bytes: Uint8Array, hashing: FlowHashing): LedgerState {
	// A copy: the state outlives the buffer it came in.
	const reader = new ByteReader(bytes.slice(), 'the saved state of the ledger');
	const version = reader.u8('version');
	if (version !== STATE_VERSION && version !== MINING_VERSION)
		reader.fail(`its version is ${version}, this program knows ${STATE_VERSION} and ${MINING_VERSION}`);
	const genesis = readGenesis(reader);
	const blockNumber = reader.safeU64('block number');
	const blockHash = reader.bytes(HASH_BYTES, 'block hash');
	const blockTimeMs = reader.safeU64('block time');
	const submissions = reader.safeU64('submissions');
	const flowLength = reader.u64('flow length');
	if (flowLength < 1n || flowLength > MAX_FLOW_SECTORS) reader.fail(`the flow has ${flowLength} sectors`);
	const flowRoot = reader.bytes(HASH_BYTES, 'flow root');
	const frontier = reader.bytes(frontierBytes(flowLength), 'frontier');
	const context = readContext(reader);
	const epochStart = reader.u64('epoch start');
	const pricePerSector = reader.u128('price');
	const inserted = reader.safeU64('roots inserted');
	const digest = reader.bytes(HASH_BYTES, 'history digest');
	const withoutOwners = version === MINING_VERSION ? readMiningState(reader) : undefined;
	const roots = reader.bytes(Math.min(inserted, HISTORY_ROOTS) * HASH_BYTES, 'history');
	const mining = withoutOwners && readOwners(reader, withoutOwners, hashing);
	reader.end();
	if (!equal(hashing.keccak256(roots), digest)) reader.fail('the history of roots does not match its digest');
	if (!equal(hashing.flowRoot(flowLength, frontier), flowRoot))
		reader.fail('the frontier does not match the flow root');
	const rootHistory = { inserted, roots, digest };
	const fields = { genesis, blockNumber, blockHash, blockTimeMs, submissions, flowLength, frontier, flowRoot };
	const state = { ...fields, context, epochStart, rootHistory, pricePerSector };
	return hashState(mining ? { ...state, mining } : state, hashing);
}

function writeFixedPart(writer: ByteWriter, state: UnhashedState): void {
	writer.u8(state.mining ? MINING_VERSION : STATE_VERSION);
	writeGenesis(writer, state.genesis);
	writer
		.u64(state.blockNumber)
		.fixed(state.blockHash, HASH_BYTES)
		.u64(state.blockTimeMs)
		.u64(state.submissions)
		.u64(state.flowLength)
		.fixed(state.flowRoot, HASH_BYTES)
		.raw(state.frontier);
	const { context, rootHistory } = state;
	writer
		.u64(context.epoch)
		.u64(context.mineStart)
		.fixed(context.flowRoot, HASH_BYTES)
		.u64(context.flowLength)
		.fixed(context.blockDigest, HASH_BYTES)
		.fixed(context.digest, HASH_BYTES)
		.u64(state.epochStart)
		.u128(state.pricePerSector)
		.u64(rootHistory.inserted)
		.fixed(rootHistory.digest, HASH_BYTES);
	if (state.mining) writeMiningState(writer, state.mining);
}

function readContext(reader: ByteReader): EpochContext {
	return {
		epoch: reader.safeU64('epoch'),
		mineStart: reader.safeU64('mine start'),
		flowRoot: reader.bytes(HASH_BYTES, 'context flow root'),
		flowLength: reader.u64('context flow length'),
		blockDigest: reader.bytes(HASH_BYTES, 'context block digest'),
		digest: reader.bytes(HASH_BYTES, 'context digest'),
	};
}

function equal(left: Uint8Array, right: Uint8Array): boolean {
	return Buffer.compare(left, right) === 0;
}
