/** What the ledger knows of mining, and its bytes (docs/format.md §6). Never changed, only replaced. */
import { type ByteReader, ByteWriter } from '../../../bytes.js';
import { LIMITS } from '../../../limits.js';
import { HASH_BYTES } from '../../../units.js';
import { EMPTY_HASH, type FlowHashing } from '../../flow/hashing.js';
import { SUBMITTER_BYTES } from '../../flow/submission-rules.js';
import type { SealOwner } from '../../mining.js';
import { targetOf } from './difficulty.js';
import { readParams, writeParams, type MiningParams } from './params.js';
import type { RewardPool, RewardPools } from './reward-pools.js';

export interface Miner {
	/** 32 bytes. */
	readonly id: Uint8Array;
	/** 20 bytes. */
	readonly beneficiary: Uint8Array;
	/** Credited for its answers so far. */
	readonly credited: bigint;
}

export interface MiningState {
	readonly params: MiningParams;
	/** The epoch in which mining began, and the tick: each later epoch begins `blocksPerEpoch` ticks behind the one before. */
	readonly firstEpoch: number;
	readonly firstTick: number;
	readonly poraTarget: bigint;
	/** 0: none yet. */
	readonly lastMinedEpoch: number;
	/** Answers of that epoch. */
	readonly answers: number;
	/** Contexts that own sectors, by ascending start, without gaps; the first one begins at 0. */
	readonly owners: readonly SealOwner[];
	/** K(digest without the last owner || end u64 || digest of its context); of none: K(""). */
	readonly ownersDigest: Uint8Array;
	/** Hashes of the blocks at which subtasks of the newest context begin, as far as they are known. */
	readonly subtaskHashes: readonly Uint8Array[];
	/** Outputs of the answers of the newest context, 32 bytes each. */
	readonly outputs: readonly Uint8Array[];
	readonly miners: readonly Miner[];
	readonly pools: RewardPools;
	readonly basePool: bigint;
}

export function firstMiningState(params: MiningParams, firstEpoch: number, firstTick: number): MiningState {
	return {
		params,
		firstEpoch,
		firstTick,
		poraTarget: targetOf(params.difficulty),
		lastMinedEpoch: 0,
		answers: 0,
		owners: [],
		ownersDigest: EMPTY_HASH,
		subtaskHashes: [],
		outputs: [],
		miners: [],
		pools: new Map(),
		basePool: params.basePool,
	};
}

/** The owners with one more behind them. Beyond the bound the last one grows, and what was sealed for it is sealed anew. */
export function withOwner(
	state: Pick<MiningState, 'owners' | 'ownersDigest'>,
	owner: SealOwner,
	hashing: FlowHashing,
): Pick<MiningState, 'owners' | 'ownersDigest'> {
	const isFull = state.owners.length >= LIMITS.ledgerOwners;
	const kept = isFull ? state.owners.slice(0, -1) : state.owners;
	const start = isFull ? (state.owners.at(-1)?.start ?? 0n) : owner.start;
	return { owners: [...kept, { ...owner, start }], ownersDigest: chained(state.ownersDigest, owner, hashing) };
}

function chained(before: Uint8Array, { end, digest }: SealOwner, hashing: FlowHashing): Uint8Array {
	return hashing.keccak256(new ByteWriter(72).fixed(before, HASH_BYTES).u64(end).fixed(digest, HASH_BYTES).toBytes());
}

/**
 * What the state hash commits to: params; first epoch u64; first tick u64; target 32 (little-endian); last mined epoch u64; answers u32; owners' digest 32; hashes u16, n × 32; outputs u32, n × 32; miners u32,
 * n × (id 32, beneficiary 20, credited u128); pools u32, n × (index u64, locked u128, claimable u128, distributed u128, start u64); base pool u128.
 */
export function writeMiningState(writer: ByteWriter, state: MiningState): void {
	writeParams(writer, state.params);
	writer.u64(state.firstEpoch).u64(state.firstTick);
	writer.u128(state.poraTarget & MAX_U128).u128(state.poraTarget >> 128n);
	writer.u64(state.lastMinedEpoch).u32(state.answers).fixed(state.ownersDigest, HASH_BYTES);
	writer.u16(state.subtaskHashes.length);
	for (const hash of state.subtaskHashes) writer.fixed(hash, HASH_BYTES);
	writer.u32(state.outputs.length);
	for (const output of state.outputs) writer.fixed(output, HASH_BYTES);
	writer.u32(state.miners.length);
	for (const { id, beneficiary, credited } of state.miners)
		writer.fixed(id, HASH_BYTES).fixed(beneficiary, SUBMITTER_BYTES).u128(credited);
	writer.u32(state.pools.size);
	for (const [index, { locked, claimable, distributed, startSeconds }] of state.pools)
		writer.u64(index).u128(locked).u128(claimable).u128(distributed).u64(startSeconds);
	writer.u128(state.basePool);
}

/** Behind it in a saved state: count u32, n × (end u64, digest 32). */
export function writeOwners(writer: ByteWriter, { owners }: MiningState): void {
	writer.u32(owners.length);
	for (const { end, digest } of owners) writer.u64(end).fixed(digest, HASH_BYTES);
}

/** Errors: FORMAT_UNKNOWN. */
export function readMiningState(reader: ByteReader): MiningState {
	const many = <T>(count: number, most: number, read: () => T): T[] => {
		if (count > most) reader.fail(`${count} entries where at most ${most} may be`);
		return Array.from({ length: count }, read);
	};
	const hash = (): Uint8Array => reader.bytes(HASH_BYTES, 'hash');
	const params = readParams(reader);
	const firstEpoch = reader.safeU64('first epoch');
	const firstTick = reader.safeU64('first tick');
	const low = reader.u128('target');
	const poraTarget = low | (reader.u128('target') << 128n);
	const lastMinedEpoch = reader.safeU64('last mined epoch');
	const answers = reader.u32('answers');
	const ownersDigest = hash();
	const subtaskHashes = many(reader.u16('subtask hashes'), params.subtasks, hash);
	const outputs = many(reader.u32('outputs'), 2 * params.targetSubmissions, hash);
	const miners = many(reader.u32('miners'), LIMITS.ledgerMiners, (): Miner => {
		const id = hash();
		return { id, beneficiary: reader.bytes(SUBMITTER_BYTES, 'beneficiary'), credited: reader.u128('credited') };
	});
	const pools = new Map(
		many(reader.u32('pools'), LIMITS.ledgerPools, (): [bigint, RewardPool] => [
			reader.u64('index'),
			{
				locked: reader.u128('locked'),
				claimable: reader.u128('claimable'),
				distributed: reader.u128('distributed'),
				startSeconds: reader.u64('start'),
			},
		]),
	);
	const basePool = reader.u128('base pool');
	return {
		params,
		firstEpoch,
		firstTick,
		poraTarget,
		lastMinedEpoch,
		answers,
		owners: [],
		ownersDigest,
		subtaskHashes,
		outputs,
		miners,
		pools,
		basePool,
	};
}

/** Reads what `writeOwners` has written. Errors: FORMAT_UNKNOWN when it is not what the digest says. */
export function readOwners(reader: ByteReader, state: MiningState, hashing: FlowHashing): MiningState {
	const count = reader.u32('owners');
	const owners: SealOwner[] = [];
	let start = 0n;
	for (let index = 0; index < count; index++) {
		const owner = { start, end: reader.u64('end'), digest: reader.bytes(HASH_BYTES, 'digest') };
		owners.push(owner);
		start = owner.end;
	}
	const digest = owners.reduce((before, owner) => chained(before, owner, hashing), EMPTY_HASH);
	if (count < LIMITS.ledgerOwners && Buffer.compare(digest, state.ownersDigest) !== 0)
		reader.fail('the owners of seals do not match their digest');
	return { ...state, owners };
}

const MAX_U128 = 2n ** 128n - 1n;
