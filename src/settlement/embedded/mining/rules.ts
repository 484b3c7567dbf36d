/**
 * The rules of mining as the contracts have them (spec pora-and-contracts §3, §4), as a pure function of the state before a block, the contexts that the block
 * begins with, and its transactions.
 */
import { LIMITS } from '../../../limits.js';
import type { PoraAnswer, PoraTerms, Verdict } from '../../../native/addon.js';
import { HASH_BYTES } from '../../../units.js';
import type { FlowHashing } from '../../flow/hashing.js';
import { EMPTY_HASH } from '../../flow/hashing.js';
import type { EpochContext, PlacedSubmission } from '../../settlement.js';
import type { LedgerGenesis } from '../genesis.js';
import type { SealOwner } from '../../mining.js';
import { adjustedTarget } from './difficulty.js';
import type { MiningParams } from './params.js';
import { claimed, PRICING_SECTORS, sharesOf, withShares } from './reward-pools.js';
import { firstMiningState, withOwner, type Miner, type MiningState } from './state.js';
import { isWellFormed } from './transactions.js';

/** What the ledger needs of the native addon; tests put an independent one in its place. */
export interface LedgerHashing extends FlowHashing {
	/** What the contract says of an answer, but for what only the chain knows. */
	verifyAnswer(answer: PoraAnswer, terms: PoraTerms): Verdict;
}

/** The block that transactions are part of. */
export interface MiningBlock {
	/** Ticks of the ledger's time: mining counts in them, since uploads close blocks as fast as they come. */
	readonly tick: number;
	/** 32 bytes, of the block before. */
	readonly parentHash: Uint8Array;
	/** Milliseconds since 1970. */
	readonly timeMs: number;
	/** The newest context, as this block has it. */
	readonly context: EpochContext;
}

/** A rule does not take a transaction; nothing has changed. */
export interface Refusal {
	/** In the contract's words where it has any. */
	readonly refusal: string;
}

/** Time that an entry has passed. */
export interface Passed {
	/** The context that was made, and the first sector that it owns. */
	readonly made: { readonly context: EpochContext; readonly rangeStart: bigint } | undefined;
	/** The newest context, whether new or not. */
	readonly context: EpochContext;
	/** Of the end of the entry. */
	readonly tick: number;
	/** What stands for the hash of a tick that this entry has passed. */
	readonly hashOf: (tick: number) => Uint8Array;
}

/** Ticks of one block interval since the ledger began. */
export function tickOf({ timeMs, blockIntervalMs }: LedgerGenesis, nowMs: number): number {
	return Math.floor((nowMs - timeMs) / blockIntervalMs);
}

/** The newest epoch whose first tick has passed. */
export function epochAt(
	{ firstEpoch, firstTick }: MiningState,
	{ blocksPerEpoch }: LedgerGenesis,
	tick: number,
): number {
	return firstEpoch + Math.max(0, Math.floor((tick - 1 - firstTick) / blocksPerEpoch));
}

/** The tick behind which an epoch begins. */
export function startOf(
	{ firstEpoch, firstTick }: MiningState,
	{ blocksPerEpoch }: LedgerGenesis,
	epoch: number,
): number {
	return firstTick + (epoch - firstEpoch) * blocksPerEpoch;
}

/** Mining begins: the next context owns all that comes before it. */
export function begun(params: MiningParams, { context, tick }: MiningBlock): MiningState {
	return firstMiningState(params, context.epoch, tick);
}

/** Time has passed: a context that owns something, and hashes of ticks at which subtasks begin. */
export function passed(state: MiningState, what: Passed, hashing: FlowHashing): MiningState {
	let next = state;
	if (what.made) {
		const { context, rangeStart: start } = what.made;
		const { flowLength: end, digest } = context;
		if (end > start) next = { ...next, ...withOwner(next, { start, end, digest }, hashing) };
		next = { ...next, subtaskHashes: [], outputs: [] };
	}
	const { subtasks, subtaskBlocks } = next.params;
	// The epoch in which mining began has no start that anybody could mine from.
	if (what.context.epoch === next.firstEpoch) return next;
	const hashes = [...next.subtaskHashes];
	while (hashes.length < subtasks) {
		const tick = what.context.mineStart + hashes.length * subtaskBlocks;
		if (tick >= what.tick) break;
		// The first one is the tick that the context was made of.
		hashes.push(hashes.length === 0 ? what.context.blockDigest : what.hashOf(tick));
	}
	return hashes.length === next.subtaskHashes.length ? next : { ...next, subtaskHashes: hashes };
}

/** The fees of a submission go to the pools. */
export function paid(state: MiningState, submission: PlacedSubmission, pricePerSector: bigint): MiningState {
	const { lengthBefore, startSector, lengthAfter, timeMs } = submission;
	const fee = { lengthBefore, padding: startSector - lengthBefore, upload: lengthAfter - startSector, pricePerSector };
	return { ...state, pools: withShares(state.pools, sharesOf(fee), secondsOf(timeMs)) };
}

/** A new miner: K(hash of the block before || beneficiary || seed u64 big-endian). */
export function registered(
	state: MiningState,
	{ beneficiary, seed }: { readonly beneficiary: Uint8Array; readonly seed: bigint },
	{ parentHash }: MiningBlock,
	hashing: FlowHashing,
): { readonly state: MiningState; readonly id: Uint8Array } | Refusal {
	const tail = Buffer.alloc(8);
	tail.writeBigUInt64BE(seed);
	const id = hashing.keccak256(Buffer.concat([parentHash, beneficiary, tail]));
	if (state.miners.length >= LIMITS.ledgerMiners) return { refusal: 'There are too many miners' };
	if (minerOf(state, id)) return { refusal: 'MinerId has registered' };
	return { state: { ...state, miners: [...state.miners, { id, beneficiary, credited: 0n }] }, id };
}

/** As the first answer of a later epoch finds it: the target goes on from the answers of the last epoch that had any. */
export function rolled(state: MiningState, epoch: number): MiningState {
	const { lastMinedEpoch, poraTarget, answers, params } = state;
	if (epoch <= lastMinedEpoch || lastMinedEpoch === 0) return state;
	return { ...state, poraTarget: adjustedTarget(poraTarget, answers, params), answers: 0 };
}

/** Whether the epoch takes no further answers; `state` as `rolled` for it. */
export function isQuotaReached({ answers, params }: MiningState): boolean {
	return answers >= 2 * params.targetSubmissions;
}

/** Number of a miner's subtask, and the tick at which it begins. */
export function subtaskOf(
	{ params }: MiningState,
	context: EpochContext,
	minerId: Uint8Array,
	hashing: FlowHashing,
): { readonly index: number; readonly start: number } {
	const word = BigInt(`0x${Buffer.from(hashing.hashPair(context.digest, minerId)).toString('hex')}`);
	const index = Number(word % BigInt(params.subtasks));
	return { index, start: context.mineStart + index * params.subtaskBlocks };
}

/** Who owns the seal that ends with a sector. */
export function ownerOf({ owners }: MiningState, sector: bigint): SealOwner | undefined {
	let low = 0;
	let high = owners.length;
	while (low < high) {
		const middle = (low + high) >>> 1;
		if ((owners[middle]?.end ?? 0n) > sector) high = middle;
		else low = middle + 1;
	}
	return owners[low];
}

export function minerOf({ miners }: MiningState, id: Uint8Array): Miner | undefined {
	return miners.find((miner) => Buffer.compare(miner.id, id) === 0);
}

/** Takes an answer, by the checks of the contract in its order and its words. */
export function answered(
	before: MiningState,
	answer: PoraAnswer,
	{ tick, timeMs, context }: MiningBlock,
	hashing: LedgerHashing,
): { readonly state: MiningState; readonly epochIndex: number; readonly reward: bigint } | Refusal {
	if (!isWellFormed(answer)) return { refusal: 'The answer has no shape that a block can hold' };
	if (answer.minerId.every((byte) => byte === 0)) return { refusal: 'MinerId cannot be zero' };
	const miner = minerOf(before, answer.minerId);
	if (!miner) return { refusal: 'MinerId does not registered' };
	const state = rolled(before, context.epoch);
	const { index, start } = subtaskOf(state, context, miner.id, hashing);
	if (context.epoch === state.firstEpoch) return { refusal: 'Empty digest can not mine' };
	if (tick <= start) return { refusal: 'Earlier than expected subtask start block.' };
	if (tick > start + state.params.mineBlocks) return { refusal: 'Mine deadline exceed' };
	const owner = state.owners.find(({ digest }) => Buffer.compare(digest, answer.sealedContextDigest) === 0);
	const subtaskHash = state.subtaskHashes[index] ?? EMPTY_HASH;
	const { output, refusal } = hashing.verifyAnswer(answer, {
		contextDigest: context.digest,
		flowRoot: context.flowRoot,
		flowLength: context.flowLength,
		subtaskDigest: hashing.hashPair(context.digest, subtaskHash),
		poraTarget: wordOf(state.poraTarget),
		maxShards: BigInt(state.params.maxShards),
		sealedStart: owner?.start ?? 0n,
		sealedEnd: owner?.end ?? 0n,
		isFull: isQuotaReached(state),
	});
	if (!output) return { refusal: refusal ?? 'The answer is wrong' };
	if (state.outputs.some((known) => Buffer.compare(known, output) === 0))
		return { refusal: 'Answer has been submitted' };
	const { state: rewarded, reward } = credited(state, miner, answer.recallPosition / PRICING_SECTORS, timeMs);
	return {
		state: {
			...rewarded,
			lastMinedEpoch: context.epoch,
			answers: state.answers + 1,
			outputs: [...state.outputs, output],
		},
		epochIndex: state.answers,
		reward,
	};
}

/**
 * Half of what the pricing chunk has released, and the base reward as far as its pool goes. The contract gives a base reward only while the chunk is being
 * released; here each answer gets it, or a small ledger would never pay at all.
 */
function credited(
	state: MiningState,
	miner: Miner,
	index: bigint,
	timeMs: number,
): { readonly state: MiningState; readonly reward: bigint } {
	const { params, basePool } = state;
	const pool = state.pools.get(index);
	const claim = pool && claimed(pool, secondsOf(timeMs), BigInt(params.releaseSeconds));
	const base = params.baseReward < basePool ? params.baseReward : basePool;
	const reward = (claim?.paid ?? 0n) + base;
	return {
		state: {
			...state,
			basePool: basePool - base,
			pools: claim ? new Map(state.pools).set(index, claim.pool) : state.pools,
			miners: state.miners.map((known) => (known === miner ? { ...known, credited: known.credited + reward } : known)),
		},
		reward,
	};
}

function secondsOf(timeMs: number): bigint {
	return BigInt(Math.floor(timeMs / 1000));
}

/** 32 bytes, big-endian. */
function wordOf(value: bigint): Uint8Array {
	return Buffer.from(value.toString(16).padStart(2 * HASH_BYTES, '0'), 'hex');
}
