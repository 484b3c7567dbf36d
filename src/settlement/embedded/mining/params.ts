/** The parameters of mining on an embedded ledger. They are part of the transaction that mining begins with, and never change. */
import type { ByteReader, ByteWriter } from '../../../bytes.js';

export interface MiningParams {
	/** Tries for an answer, at first, where all of the flow is mined; at least 1. */
	readonly difficulty: bigint;
	/** Blocks that a miner has for an answer, from its subtask's start on. */
	readonly mineBlocks: number;
	/** Answers that an epoch is meant to bring; it takes up to twice as many. */
	readonly targetSubmissions: number;
	/** The target goes towards what it should be by one part in so many. */
	readonly adjustRatio: number;
	/** The target never becomes easier than that; 0: no bound. */
	readonly minDifficulty: bigint;
	readonly maxShards: number;
	readonly subtasks: number;
	/** Blocks between the starts of two subtasks. */
	readonly subtaskBlocks: number;
	/** Time in which the fees of a pricing chunk are released once it is full. */
	readonly releaseSeconds: number;
	/** For each answer, as long as the pool lasts. */
	readonly baseReward: bigint;
	readonly basePool: bigint;
}

/** What an operator chooses; the rest follows from it. */
export type MiningChoices = Pick<
	MiningParams,
	'difficulty' | 'mineBlocks' | 'targetSubmissions' | 'maxShards' | 'baseReward'
>;

const CHOICES = ['difficulty', 'mineBlocks', 'targetSubmissions', 'maxShards', 'baseReward'] as const;

/** What is chosen now and what the ledger is mined by, where they differ. */
export interface MiningDifference {
	readonly choice: keyof MiningChoices;
	readonly chosen: bigint | number;
	readonly inForce: bigint | number;
}

export function differentMining(chosen: MiningChoices, inForce: MiningChoices): readonly MiningDifference[] {
	return CHOICES.filter((choice) => chosen[choice] !== inForce[choice]).map((choice) => ({
		choice,
		chosen: chosen[choice],
		inForce: inForce[choice],
	}));
}

const ADJUST_RATIO = 20;
/** Twelve months of 31 days, as the contracts count. */
const RELEASE_SECONDS = 372 * 86_400;
/** Answers that the base pool of a new ledger pays for. */
const BASE_REWARDS = 2n ** 40n;

export function miningParams(choices: MiningChoices): MiningParams {
	return {
		...choices,
		adjustRatio: ADJUST_RATIO,
		minDifficulty: choices.difficulty,
		subtasks: 1,
		subtaskBlocks: 1,
		releaseSeconds: RELEASE_SECONDS,
		basePool: choices.baseReward * BASE_REWARDS,
	};
}

/** difficulty u128, mine blocks u32, target submissions u32, adjust ratio u32, minimum difficulty u128, shards u32, subtasks u32, subtask blocks u32, release seconds u32, base reward u128, base pool u128. */
export function writeParams(writer: ByteWriter, params: MiningParams): void {
	writer
		.u128(params.difficulty)
		.u32(params.mineBlocks)
		.u32(params.targetSubmissions)
		.u32(params.adjustRatio)
		.u128(params.minDifficulty)
		.u32(params.maxShards)
		.u32(params.subtasks)
		.u32(params.subtaskBlocks)
		.u32(params.releaseSeconds)
		.u128(params.baseReward)
		.u128(params.basePool);
}

export function readParams(reader: ByteReader): MiningParams {
	const params = {
		difficulty: reader.u128('difficulty'),
		mineBlocks: reader.u32('mine blocks'),
		targetSubmissions: reader.u32('target submissions'),
		adjustRatio: reader.u32('adjust ratio'),
		minDifficulty: reader.u128('minimum difficulty'),
		maxShards: reader.u32('shards'),
		subtasks: reader.u32('subtasks'),
		subtaskBlocks: reader.u32('subtask blocks'),
		releaseSeconds: reader.u32('release time'),
		baseReward: reader.u128('base reward'),
		basePool: reader.u128('base pool'),
	};
	if (params.difficulty === 0n || params.adjustRatio === 0 || params.subtasks === 0 || params.releaseSeconds === 0)
		reader.fail('difficulty, adjust ratio, subtasks and release time are at least 1');
	return params;
}
