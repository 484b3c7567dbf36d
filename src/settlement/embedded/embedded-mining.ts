/**
 * The mining side of the embedded settlement. Time passes in an idle ledger only on paper, so before anybody is told of a context or a subtask, the blocks that
 * it follows from are written: whatever is handed out is durable.
 */
import { PerigeeError } from '../../errors.js';
import type { PoraAnswer } from '../../native/addon.js';
import type { Randomness } from '../../io/randomness.js';
import { EMPTY_HASH } from '../flow/hashing.js';
import type { AnswerOutcome, MiningRewards, MiningSettlement, SealOwner, WorkNow } from '../mining.js';
import type { EpochContext } from '../settlement.js';
import type { TransactionResult } from './ledger.js';
import type { LedgerState } from './ledger-state.js';
import {
	epochAt,
	startOf,
	tickOf,
	isQuotaReached,
	minerOf,
	ownerOf,
	rolled,
	subtaskOf,
	type LedgerHashing,
	type Refusal,
} from './mining/rules.js';
import type { MiningState } from './mining/state.js';
import type { LedgerTransaction } from './mining/transactions.js';

export interface EmbeddedMiningParts {
	readonly hashing: LedgerHashing;
	readonly randomness: Randomness;
	/** As it is durable. */
	readonly state: () => LedgerState;
	/** Milliseconds since 1970, never before the last block. */
	readonly nowMs: () => number;
	/** Writes a block, at the present time. */
	readonly passTime: () => Promise<void>;
	/** Resolves once the transaction is durable, or refused. Errors: OVERLOADED, DISK_FULL, READ_ONLY, SHUTTING_DOWN. */
	readonly transact: (transaction: LedgerTransaction) => Promise<TransactionResult | Refusal>;
}

const ADDRESS_BYTES = 20;

export class EmbeddedMining implements MiningSettlement {
	/** Nobody else orders this ledger: the account stands for its operator, and follows from the ledger's own address. */
	readonly account: Uint8Array;
	readonly #parts: EmbeddedMiningParts;

	constructor(parts: EmbeddedMiningParts, flowAddress: Uint8Array) {
		this.#parts = parts;
		this.account = parts.hashing.keccak256(Buffer.concat([flowAddress, Buffer.from('miner')])).slice(-ADDRESS_BYTES);
	}

	async work(minerId: Uint8Array): Promise<WorkNow> {
		const { context, mining: before } = await this.#now();
		const { hashing, nowMs, state } = this.#parts;
		if (!minerOf(before, minerId)) throw new PerigeeError('NOT_FOUND', 'MinerId does not registered');
		const { genesis } = state();
		const tick = tickOf(genesis, nowMs());
		if (context.epoch === before.firstEpoch) {
			const seconds = ((startOf(before, genesis, context.epoch + 1) + 1 - tick) * genesis.blockIntervalMs) / 1000;
			return {
				none: 'noContext',
				message: `the first epoch that can be mined begins in about ${Math.ceil(seconds)} s`,
			};
		}
		const mining = rolled(before, context.epoch);
		const { index, start } = subtaskOf(mining, context, minerId, hashing);
		const end = start + mining.params.mineBlocks;
		const hash = mining.subtaskHashes[index];
		if (tick <= start || !hash)
			return { none: 'noWindow', message: 'the turn of this miner in the epoch is still to come' };
		if (tick > end)
			return {
				none: 'noWindow',
				message: 'the turn of this miner in the epoch is over; the next epoch brings another',
			};
		if (isQuotaReached(mining))
			return { none: 'quota', message: `epoch ${context.epoch} has ${mining.answers} answers, and takes no more` };
		return {
			work: {
				context,
				poraTarget: mining.poraTarget,
				subtaskDigest: hashing.hashPair(context.digest, hash),
				maxShards: BigInt(mining.params.maxShards),
			},
		};
	}

	async sealableLength(): Promise<bigint> {
		const { mining } = await this.#now();
		return mining.owners.at(-1)?.end ?? 0n;
	}

	async sealOwner(lastSector: bigint): Promise<SealOwner | undefined> {
		const { mining } = await this.#now();
		return ownerOf(mining, lastSector);
	}

	async beneficiary(minerId: Uint8Array): Promise<Uint8Array | undefined> {
		const { mining } = await this.#now();
		return minerOf(mining, minerId)?.beneficiary;
	}

	async register(): Promise<Uint8Array> {
		const { transact, randomness } = this.#parts;
		const seed = Buffer.from(randomness.bytes(8)).readBigUInt64BE();
		const result = await transact({ kind: 'register', beneficiary: this.account, seed });
		if ('refusal' in result) throw new PerigeeError('SUBMISSION_INVALID', result.refusal);
		return result.id ?? EMPTY_HASH;
	}

	async answer(answer: PoraAnswer): Promise<AnswerOutcome> {
		try {
			const result = await this.#parts.transact({ kind: 'answer', answer });
			if ('refusal' in result) return { kind: 'refused', reason: result.refusal, gasSpent: 0n };
			const { epochIndex = 0, reward = 0n } = result;
			return { kind: 'accepted', epochIndex: BigInt(epochIndex), reward, gasSpent: 0n };
		} catch (error) {
			if (!(error instanceof PerigeeError) || error.code === 'SHUTTING_DOWN') throw error;
			return { kind: 'given up', reason: error.message };
		}
	}

	async rewards(minerId: Uint8Array): Promise<MiningRewards> {
		const { mining } = await this.#now();
		const credited = minerOf(mining, minerId)?.credited ?? 0n;
		// Nobody can take anything out of this ledger.
		return { waiting: credited, credited };
	}

	/** The ledger as it is durable, with every context and subtask that has begun. */
	async #now(): Promise<{ readonly context: EpochContext; readonly mining: MiningState }> {
		const { state, nowMs, passTime } = this.#parts;
		if (hasNews(state(), nowMs())) await passTime();
		const { context, mining } = state();
		if (!mining) throw new PerigeeError('MINING_OFF', 'mining has not begun on this ledger');
		return { context, mining };
	}
}

/** Whether the time brings a context or a subtask that the state does not have. */
function hasNews({ genesis, context, mining }: LedgerState, nowMs: number): boolean {
	if (!mining) return false;
	const tick = tickOf(genesis, nowMs);
	if (epochAt(mining, genesis, tick) > context.epoch) return true;
	if (context.epoch === mining.firstEpoch) return false;
	const { subtasks, subtaskBlocks } = mining.params;
	const known = mining.subtaskHashes.length;
	return known < subtasks && context.mineStart + known * subtaskBlocks < tick;
}
