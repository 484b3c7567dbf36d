/**
 * Asks the contracts of mining over the endpoints of a chain (spec pora-and-contracts §2, §7): what there is to mine, who owns a seal, who is registered, what is
 * credited.
 */
import {
	decodeFunctionResult,
	encodeFunctionData,
	parseAbi,
	parseEventLogs,
	zeroAddress,
	type Hex,
	type Log,
} from 'viem';
import type { PoraAnswer } from '../../native/addon.js';
import { bytesOfHex, hexOf } from '../../units.js';
import { EMPTY_HASH } from '../flow/hashing.js';
import type { SealOwner } from '../mining.js';
import type { EpochContext } from '../settlement.js';
import { ChainError } from './chain-reader.js';
import { hexData, isRefusal, quantity, amount, type Endpoints } from './endpoints.js';

/** Who may ask for the work of a miner. */
const WORKER = '0x000000000000000000000000000000000000000a';
/** The version of the rules that this node knows. */
const KNOWN_VERSION = 1n;

const CONTEXT =
	'(uint256 epoch, uint256 mineStart, bytes32 flowRoot, uint256 flowLength, bytes32 blockDigest, bytes32 digest)';
const FLOW_ABI = parseAbi([
	`function makeContextWithResult() returns (${CONTEXT} context)`,
	'function queryContextAtPosition(uint128 position) returns ((uint128 start, uint128 end, bytes32 digest))',
]);
const MINE_ABI = parseAbi([
	'function poraVersion() view returns (uint64)',
	`function computeWorkerContext(bytes32 minerId) returns (${CONTEXT} context, uint256 target, bytes32 subtaskDigest, uint64 shards)`,
	'function beneficiaries(bytes32 minerId) view returns (address)',
	'function requestMinerId(address beneficiary, uint64 seed) returns (bytes32)',
	'function canSubmit() view returns (bool)',
	'function lastMinedEpoch() view returns (uint256)',
	'event NewMinerId(bytes32 indexed minerId, address indexed beneficiary)',
	'event NewSubmission(uint256 indexed epoch, bytes32 indexed minerId, uint256 epochIndex, uint256 recallPosition)',
]);
const REWARD_ABI = parseAbi([
	'function payments(address payee) view returns (uint256)',
	'event DistributeReward(uint256 indexed pricingIndex, address indexed beneficiary, bytes32 indexed minerId, uint256 amount)',
]);
/** Apart, since types know of no array of 128. */
const SUBMIT: readonly string[] = [
	'function submit((bytes32 contextDigest, bytes32 nonce, bytes32 minerId, (uint256 startPosition, uint256 mineLength, uint64 shardId, uint64 shardMask) range, uint256 recallPosition, uint256 sealOffset, bytes32 sealedContextDigest, bytes32[128] sealedData, bytes32[] merkleProof) answer)',
];
const SUBMIT_ABI = parseAbi(SUBMIT);

export interface MineContractOptions {
	readonly endpoints: Endpoints;
	/** Each 0x and 40 digits. */
	readonly flowAddress: Hex;
	readonly mineAddress: Hex;
	/** Absent: nobody tells what is credited. */
	readonly rewardAddress?: Hex;
}

export interface WorkerContext {
	readonly context: EpochContext;
	/** 0: there is nothing to mine. */
	readonly target: bigint;
	/** 32 bytes. */
	readonly subtaskDigest: Uint8Array;
	readonly maxShards: bigint;
}

/** What became of a transaction to the mining contract. */
export interface MineReceipt {
	readonly succeeded: boolean;
	readonly blockNumber: number;
	/** Wei that it has cost. */
	readonly gasSpent: bigint;
	/** Of a registration. */
	readonly minerId?: Uint8Array;
	/** Of an answer: how many the epoch had before. */
	readonly epochIndex?: bigint;
	/** Credited by it. */
	readonly reward: bigint;
}

/** Errors of all: ChainError. */
export class MineContract {
	readonly #options: MineContractOptions;

	constructor(options: MineContractOptions) {
		this.#options = options;
	}

	/** Whether the contract has the rules that this node knows. */
	async isKnownVersion(): Promise<boolean> {
		const { endpoints, mineAddress } = this.#options;
		const data = encodeFunctionData({ abi: MINE_ABI, functionName: 'poraVersion' });
		const answer = await endpoints.view(mineAddress, data);
		return answer !== undefined && BigInt(answer) === KNOWN_VERSION;
	}

	/** Errors: RefusedError with the contract's words, for a miner that is not registered. */
	async workerContext(minerId: Uint8Array): Promise<WorkerContext> {
		const data = encodeFunctionData({
			abi: MINE_ABI,
			functionName: 'computeWorkerContext',
			args: [hexOf(minerId) as Hex],
		});
		return this.#call(this.#options.mineAddress, data, WORKER, (answer) => {
			const [context, target, subtaskDigest, maxShards] = decodeFunctionResult({
				abi: MINE_ABI,
				functionName: 'computeWorkerContext',
				data: answer,
			});
			return { context: contextOf(context), target, subtaskDigest: bytesOfHex(subtaskDigest), maxShards };
		});
	}

	/** Whether an epoch has enough answers. */
	async isQuotaReached(epoch: number): Promise<boolean> {
		const { endpoints, mineAddress } = this.#options;
		const canSubmit = encodeFunctionData({ abi: MINE_ABI, functionName: 'canSubmit' });
		const lastMined = encodeFunctionData({ abi: MINE_ABI, functionName: 'lastMinedEpoch' });
		const answers = await Promise.all([canSubmit, lastMined].map((data) => endpoints.view(mineAddress, data)));
		const [takesMore, lastEpoch] = answers.map((answer) => answer && BigInt(answer));
		// What it has counted is of the last epoch that was mined.
		return takesMore === 0n && lastEpoch === BigInt(epoch);
	}

	/** The flow length of the newest context; 0 where it cannot be mined. */
	async sealableLength(): Promise<bigint> {
		const data = encodeFunctionData({ abi: FLOW_ABI, functionName: 'makeContextWithResult' });
		return this.#call(this.#options.flowAddress, data, undefined, (answer) => {
			const context = contextOf(
				decodeFunctionResult({ abi: FLOW_ABI, functionName: 'makeContextWithResult', data: answer }),
			);
			return Buffer.compare(context.digest, EMPTY_HASH) === 0 ? 0n : context.flowLength;
		});
	}

	/** Undefined: nobody yet. */
	async sealOwner(sector: bigint): Promise<SealOwner | undefined> {
		const data = encodeFunctionData({ abi: FLOW_ABI, functionName: 'queryContextAtPosition', args: [sector] });
		try {
			return await this.#call(this.#options.flowAddress, data, undefined, (answer) => {
				const { start, end, digest } = decodeFunctionResult({
					abi: FLOW_ABI,
					functionName: 'queryContextAtPosition',
					data: answer,
				});
				return { start, end, digest: bytesOfHex(digest) };
			});
		} catch (error) {
			if (isRefusal(error) && /exceeds upper bound|can not find proper context/i.test(error.message)) return undefined;
			throw error;
		}
	}

	/** Undefined: the miner is not registered. */
	async beneficiary(minerId: Uint8Array): Promise<Uint8Array | undefined> {
		const args = [hexOf(minerId) as Hex] as const;
		const data = encodeFunctionData({ abi: MINE_ABI, functionName: 'beneficiaries', args });
		return this.#call(this.#options.mineAddress, data, undefined, (answer) => {
			const address = decodeFunctionResult({ abi: MINE_ABI, functionName: 'beneficiaries', data: answer });
			return address === zeroAddress ? undefined : bytesOfHex(address);
		});
	}

	/** Credited to an account and not withdrawn, in wei; undefined where nobody tells. */
	async payments(beneficiary: Uint8Array): Promise<bigint | undefined> {
		const { endpoints, rewardAddress } = this.#options;
		if (!rewardAddress) return undefined;
		const args = [hexOf(beneficiary) as Hex] as const;
		const answer = await endpoints.view(
			rewardAddress,
			encodeFunctionData({ abi: REWARD_ABI, functionName: 'payments', args }),
		);
		return answer === undefined ? undefined : BigInt(answer);
	}

	registration(beneficiary: Hex, seed: bigint): { readonly to: Hex; readonly data: Hex } {
		const args = [beneficiary, seed] as const;
		return {
			to: this.#options.mineAddress,
			data: encodeFunctionData({ abi: MINE_ABI, functionName: 'requestMinerId', args }),
		};
	}

	submission(answer: PoraAnswer): { readonly to: Hex; readonly data: Hex } {
		return {
			to: this.#options.mineAddress,
			data: encodeFunctionData({ abi: SUBMIT_ABI, functionName: 'submit', args: [argumentOf(answer)] }),
		};
	}

	/** Undefined: it is in no block that an endpoint knows. */
	async receipt(transaction: Hex): Promise<MineReceipt | undefined> {
		return this.#options.endpoints.find('eth_getTransactionReceipt', [transaction], {
			read: (answer) => (answer === null || answer === undefined ? undefined : this.#receiptOf(answer as RpcReceipt)),
		});
	}

	/** Why a call fails in the state of a block; undefined where nobody tells. */
	async refusalAt(from: Hex, to: Hex, data: Hex, blockNumber: number): Promise<string | undefined> {
		const params = [{ from, to, data }, `0x${blockNumber.toString(16)}`];
		const error = await this.#options.endpoints.ask('eth_call', params).then(
			() => undefined,
			(reason: unknown) => reason,
		);
		return isRefusal(error) ? wordsOf(error.message) : undefined;
	}

	#receiptOf({ status, blockNumber, gasUsed, effectiveGasPrice, logs }: RpcReceipt): MineReceipt {
		const { mineAddress, rewardAddress } = this.#options;
		const of = (address: Hex): Log[] => logs.filter((log) => log.address.toLowerCase() === address.toLowerCase());
		const mined = parseEventLogs({ abi: MINE_ABI, logs: of(mineAddress) });
		const paid = rewardAddress ? parseEventLogs({ abi: REWARD_ABI, logs: of(rewardAddress) }) : [];
		const registered = mined.find(({ eventName }) => eventName === 'NewMinerId');
		const answered = mined.find(({ eventName }) => eventName === 'NewSubmission');
		return {
			succeeded: quantity(status) === 1,
			blockNumber: quantity(blockNumber),
			gasSpent: amount(gasUsed) * (effectiveGasPrice === undefined ? 0n : amount(effectiveGasPrice)),
			...(registered?.eventName === 'NewMinerId' && { minerId: bytesOfHex(registered.args.minerId) }),
			...(answered?.eventName === 'NewSubmission' && { epochIndex: answered.args.epochIndex }),
			reward: paid.reduce((sum, { args }) => sum + args.amount, 0n),
		};
	}

	/** A call that changes nothing. Errors: ChainError; what the contract refuses is said in its words. */
	async #call<T>(to: Hex, data: Hex, from: Hex | undefined, read: (answer: Hex) => T): Promise<T> {
		const { endpoints } = this.#options;
		const params = [{ to, data, ...(from && { from }) }, 'latest'];
		const found = await endpoints.find('eth_call', params, { read: (answer) => ({ answer: read(hexData(answer)) }) });
		if (!found) throw new ChainError('eth_call: no endpoint answers');
		return found.answer;
	}
}

interface RpcReceipt {
	readonly status: Hex;
	readonly blockNumber: Hex;
	readonly gasUsed: Hex;
	readonly effectiveGasPrice?: Hex;
	readonly logs: readonly Log[];
}

/** The words with which a contract has refused, out of what an endpoint says. */
export function wordsOf(message: string): string {
	const reasons = [...message.matchAll(/reverted:\s*(?:revert:?\s*)?([^;]+?)(?=$|;|, data)/gi)].map(
		([, words]) => words?.trim() ?? '',
	);
	return reasons.at(-1) ?? message;
}

function contextOf(context: {
	readonly epoch: bigint;
	readonly mineStart: bigint;
	readonly flowRoot: Hex;
	readonly flowLength: bigint;
	readonly blockDigest: Hex;
	readonly digest: Hex;
}): EpochContext {
	return {
		epoch: Number(context.epoch),
		mineStart: Number(context.mineStart),
		flowRoot: bytesOfHex(context.flowRoot),
		flowLength: context.flowLength,
		blockDigest: bytesOfHex(context.blockDigest),
		digest: bytesOfHex(context.digest),
	};
}

function argumentOf(answer: PoraAnswer) {
	const { range, recallPosition, sealOffset } = answer;
	return {
		contextDigest: hexOf(answer.contextDigest),
		nonce: hexOf(answer.nonce),
		minerId: hexOf(answer.minerId),
		range,
		recallPosition,
		sealOffset,
		sealedContextDigest: hexOf(answer.sealedContextDigest),
		sealedData: words(answer.sealedData),
		merkleProof: words(answer.merkleProof),
	};
}

function words(bytes: Uint8Array): string[] {
	return Array.from({ length: bytes.length / 32 }, (_, at) => hexOf(bytes.subarray(32 * at, 32 * at + 32)));
}
