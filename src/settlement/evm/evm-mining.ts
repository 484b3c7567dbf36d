/** The mining side of a chain: the contract's word on what there is to mine, and answers as transactions. */
import { type Hex } from 'viem';
import { PerigeeError } from '../../errors.js';
import type { Randomness } from '../../io/randomness.js';
import type { PoraAnswer } from '../../native/addon.js';
import { bytesOfHex } from '../../units.js';
import { EMPTY_HASH } from '../flow/hashing.js';
import type { AnswerOutcome, MiningRewards, MiningSettlement, SealOwner, WorkNow } from '../mining.js';
import type { MineContract } from './mine-contract.js';
import type { MineSender } from './mine-sender.js';

export interface EvmMiningParts {
	readonly contract: MineContract;
	/** Absent: there is no key. */
	readonly sender?: MineSender;
	/** Of the key: 0x and 40 digits. */
	readonly address?: Hex;
	/** Sectors of the flow as this node has taken it from the chain. */
	readonly flowLength: () => bigint;
	readonly randomness: Randomness;
}

export class EvmMining implements MiningSettlement {
	readonly account: Uint8Array | undefined;
	readonly #parts: EvmMiningParts;
	#isKnownVersion = false;
	#credited = 0n;

	constructor(parts: EvmMiningParts) {
		this.#parts = parts;
		this.account = parts.address && bytesOfHex(parts.address);
	}

	async work(minerId: Uint8Array): Promise<WorkNow> {
		const { contract, flowLength } = this.#parts;
		this.#isKnownVersion ||= await contract.isKnownVersion();
		if (!this.#isKnownVersion)
			return { none: 'version', message: 'the mining contract has other rules than those of version 1' };
		const { context, target, subtaskDigest, maxShards } = await contract.workerContext(minerId);
		if (Buffer.compare(context.digest, EMPTY_HASH) === 0)
			return { none: 'noContext', message: `epoch ${context.epoch} of the flow contract cannot be mined` };
		if (context.flowLength > flowLength())
			return {
				none: 'lagging',
				message: `the flow of the epoch has ${context.flowLength} sectors, this node knows ${flowLength()} of them yet`,
			};
		if (target > 0n) return { work: { context, poraTarget: target, subtaskDigest, maxShards } };
		return (await contract.isQuotaReached(context.epoch))
			? { none: 'quota', message: `epoch ${context.epoch} has enough answers, and takes no more` }
			: { none: 'noWindow', message: 'the turn of this miner in the epoch is over, or still to come' };
	}

	sealableLength(): Promise<bigint> {
		return this.#parts.contract.sealableLength();
	}

	sealOwner(lastSector: bigint): Promise<SealOwner | undefined> {
		return this.#parts.contract.sealOwner(lastSector);
	}

	beneficiary(minerId: Uint8Array): Promise<Uint8Array | undefined> {
		return this.#parts.contract.beneficiary(minerId);
	}

	async register(): Promise<Uint8Array> {
		const { contract, sender, address, randomness } = this.#parts;
		if (!sender || !address) throw new PerigeeError('MINING_OFF', 'there is no key that could register a miner');
		const seed = Buffer.from(randomness.bytes(8)).readBigUInt64BE();
		const outcome = await sender.send(contract.registration(address, seed), () => Promise.resolve(false));
		if ('receipt' in outcome && outcome.receipt.minerId) return outcome.receipt.minerId;
		const why = 'refusal' in outcome ? outcome.refusal : 'givenUp' in outcome ? outcome.givenUp : 'it names no miner';
		throw new PerigeeError('SUBMISSION_INVALID', `the miner was not registered: ${why}`);
	}

	async answer(answer: PoraAnswer): Promise<AnswerOutcome> {
		const { contract, sender } = this.#parts;
		if (!sender) return { kind: 'given up', reason: 'there is no key to send it with' };
		const isStale = async (): Promise<boolean> => {
			const { context } = await contract.workerContext(answer.minerId);
			return Buffer.compare(context.digest, answer.contextDigest) !== 0;
		};
		const outcome = await sender.send(contract.submission(answer), isStale);
		if ('givenUp' in outcome) return { kind: 'given up', reason: outcome.givenUp };
		if ('refusal' in outcome) return { kind: 'refused', reason: outcome.refusal, gasSpent: outcome.gasSpent };
		const { epochIndex = 0n, reward, gasSpent } = outcome.receipt;
		this.#credited += reward;
		return { kind: 'accepted', epochIndex, reward, gasSpent };
	}

	async rewards(minerId: Uint8Array): Promise<MiningRewards> {
		const { contract } = this.#parts;
		const beneficiary = await contract.beneficiary(minerId);
		const waiting = beneficiary && (await contract.payments(beneficiary));
		return { waiting: waiting ?? 0n, credited: this.#credited };
	}

	async close(): Promise<void> {
		await this.#parts.sender?.close();
	}
}
