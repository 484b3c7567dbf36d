/** Mining on a chain of its own: the real flow contract with short epochs, and our contract of the rules of mining (test/contracts). */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import {
	BaseError,
	ContractFunctionRevertedError,
	createWalletClient,
	decodeFunctionResult,
	encodeFunctionData,
	type Hex,
	http,
	parseAbi,
	parseEventLogs,
	zeroAddress,
} from 'viem';
import { mnemonicToAccount } from 'viem/accounts';
import { foundry } from 'viem/chains';
import type { PoraAnswer } from '../../src/native/addon.js';
import { bytesOfHex, hexOf } from '../../src/units.js';
import { MNEMONIC, REWARD, startChain, type TestChain } from './chain.js';

const CONTRACTS = new URL('../../../test/contracts/', import.meta.url);
/** Who may ask for the work of a miner. */
const WORKER = '0x000000000000000000000000000000000000000a';
const BLOCKS_PER_EPOCH = 40n;
const MINE_BLOCKS = 30n;
export const MOST_SHARDS = 8n;
const TARGET_SUBMISSIONS = 4n;

const CONTEXT =
	'(uint256 epoch, uint256 mineStart, bytes32 flowRoot, uint256 flowLength, bytes32 blockDigest, bytes32 digest)';
const MINE_ABI = parseAbi([
	'function initialize(address flow, address reward, (uint256 difficulty, uint256 targetMineBlocks, uint256 targetSubmissions, uint64 maxShards, uint256 nSubtasks, uint256 subtaskInterval) params)',
	'function requestMinerId(address beneficiary, uint64 seed) returns (bytes32)',
	`function computeWorkerContext(bytes32 minerId) returns (${CONTEXT} context, uint256 target, bytes32 subtaskDigest, uint64 shards)`,
	'function canSubmit() view returns (bool)',
	'event NewMinerId(bytes32 indexed minerId, address indexed beneficiary)',
	'event NewSubmission(uint256 indexed epoch, bytes32 indexed minerId, uint256 epochIndex, uint256 recallPosition)',
]);
/** Apart, since types know of no array of 128. */
const SUBMIT: readonly string[] = [
	'function submit((bytes32 contextDigest, bytes32 nonce, bytes32 minerId, (uint256 startPosition, uint256 mineLength, uint64 shardId, uint64 shardMask) range, uint256 recallPosition, uint256 sealOffset, bytes32 sealedContextDigest, bytes32[128] sealedData, bytes32[] merkleProof) answer)',
];
const SUBMIT_ABI = parseAbi(SUBMIT);
const FLOW_ABI = parseAbi([
	'function queryContextAtPosition(uint128 position) returns ((uint128 start, uint128 end, bytes32 digest))',
	'function makeContext()',
	'event Submit(address indexed sender, bytes32 indexed identity, uint256 submissionIndex, uint256 startPos, uint256 length, (uint256 length, bytes tags, (bytes32 root, uint256 height)[] nodes) submission)',
]);

const require = createRequire(import.meta.url);

interface CompilerOutput {
	readonly errors?: readonly { readonly severity: string; readonly formattedMessage: string }[];
	readonly contracts?: Record<
		string,
		Record<
			string,
			{
				readonly evm: {
					readonly bytecode: { readonly object: string };
					readonly deployedBytecode: { readonly object: string };
				};
			}
		>
	>;
}

interface Compiled {
	/** What makes the contract, and what stands at its address then. */
	readonly creation: Hex;
	readonly deployed: Hex;
}

const compiled = new Map<string, Promise<Compiled>>();

/** Once in a process. */
function contractOf(name: string): Promise<Compiled> {
	const known = compiled.get(name) ?? compile(name);
	compiled.set(name, known);
	return known;
}

async function compile(name: string): Promise<Compiled> {
	const compiler = require('solc') as { compile(input: string): string };
	const file = `${name}.sol`;
	const input = {
		language: 'Solidity',
		sources: { [file]: { content: await readFile(new URL(file, CONTRACTS), 'utf8') } },
		settings: {
			viaIR: true,
			optimizer: { enabled: true },
			outputSelection: { '*': { '*': ['evm.bytecode.object', 'evm.deployedBytecode.object'] } },
		},
	};
	const { errors = [], contracts } = JSON.parse(compiler.compile(JSON.stringify(input))) as CompilerOutput;
	const fatal = errors.find(({ severity }) => severity === 'error');
	const evm = contracts?.[file]?.[name]?.evm;
	if (fatal || !evm) throw new Error(fatal?.formattedMessage ?? 'the contract was not compiled');
	return { creation: `0x${evm.bytecode.object}`, deployed: `0x${evm.deployedBytecode.object}` };
}

const REWARD_ABI = parseAbi([
	'function initialize(address market, address mine, uint256 releaseSeconds, uint256 baseReward) payable',
]);
/** Wei for each answer. */
export const BASE_REWARD = 1_000n;
const BASE_POOL = 10n ** 9n;
const RELEASE_SECONDS = 3600n;

export interface Work {
	readonly contextDigest: Uint8Array;
	readonly flowRoot: Uint8Array;
	readonly flowLength: bigint;
	readonly subtaskDigest: Uint8Array;
	readonly poraTarget: Uint8Array;
	readonly maxShards: bigint;
}

export interface SealOwner {
	readonly start: bigint;
	readonly end: bigint;
	readonly digest: Uint8Array;
}

export interface MineChain {
	readonly chain: TestChain;
	readonly mineAddress: Hex;
	/** Registers a miner. */
	newMinerId(): Promise<Uint8Array>;
	/** First sectors of all submissions, in order. */
	places(): Promise<readonly number[]>;
	/** Goes on until the next epoch has begun and can be mined. */
	nextEpoch(): Promise<void>;
	/** What a miner works on; undefined: nothing now. */
	work(minerId: Uint8Array): Promise<Work | undefined>;
	/** The context of a sector. */
	ownerOf(sector: number): Promise<SealOwner>;
	/** The contract's words of refusal; undefined: it would take the answer. */
	refusal(answer: PoraAnswer): Promise<string | undefined>;
	/** Sends an answer. Resolves with its index in the epoch. */
	submit(answer: PoraAnswer): Promise<bigint>;
	/** Whether the epoch takes further answers. */
	canSubmit(): Promise<boolean>;
	stop(): Promise<void>;
}

/** `difficulty`: so many seals are tried for an answer where all of the flow is mined. */
export async function startMineChain(difficulty: bigint): Promise<MineChain> {
	const chain = await startChain(foundry.id, BLOCKS_PER_EPOCH);
	const { client, flowAddress } = chain;
	const account = mnemonicToAccount(MNEMONIC, { addressIndex: 1 });
	const wallet = createWalletClient({ account, chain: foundry, transport: http(chain.url) });
	const mined = async (hash: Hex) => {
		await chain.mine(1);
		const receipt = await client.waitForTransactionReceipt({ hash });
		if (receipt.status !== 'success') throw new Error(`transaction ${hash} was refused`);
		return receipt;
	};
	const { contractAddress } = await mined(
		await wallet.deployContract({ abi: MINE_ABI, bytecode: (await contractOf('PoraMine')).creation }),
	);
	if (!contractAddress) throw new Error('the contract was not deployed');
	const contract = { address: contractAddress, abi: MINE_ABI } as const;
	const submit = { address: contractAddress, abi: SUBMIT_ABI, functionName: 'submit' } as const;
	const flow = { address: flowAddress, abi: FLOW_ABI } as const;
	const params = {
		difficulty,
		targetMineBlocks: MINE_BLOCKS,
		targetSubmissions: TARGET_SUBMISSIONS,
		maxShards: MOST_SHARDS,
		nSubtasks: 1n,
		subtaskInterval: 1n,
	};
	await mined(
		await wallet.writeContract({ ...contract, functionName: 'initialize', args: [flowAddress, REWARD, params] }),
	);
	// Where the market passes the fees on to.
	await client.setCode({ address: REWARD, bytecode: (await contractOf('LinearReward')).deployed });
	const reward = { address: REWARD, abi: REWARD_ABI, functionName: 'initialize' } as const;
	const args = [zeroAddress, contractAddress, RELEASE_SECONDS, BASE_REWARD] as const;
	await mined(await wallet.writeContract({ ...reward, args, value: BASE_POOL }));
	return {
		chain,
		mineAddress: contractAddress,
		async newMinerId() {
			const hash = await wallet.writeContract({
				...contract,
				functionName: 'requestMinerId',
				args: [account.address, 0n],
			});
			const [event] = parseEventLogs({ abi: MINE_ABI, logs: (await mined(hash)).logs, eventName: 'NewMinerId' });
			if (!event) throw new Error('no miner id');
			return bytesOfHex(event.args.minerId);
		},
		async places() {
			const logs = await client.getContractEvents({ ...flow, eventName: 'Submit', fromBlock: 0n });
			return logs.map(({ args }) => Number(args.startPos));
		},
		async nextEpoch() {
			await chain.mine(Number(BLOCKS_PER_EPOCH));
			await mined(await wallet.writeContract({ ...flow, functionName: 'makeContext' }));
		},
		async work(minerId) {
			const data = encodeFunctionData({
				abi: MINE_ABI,
				functionName: 'computeWorkerContext',
				args: [hexOf(minerId) as Hex],
			});
			const answer = await client.call({ account: WORKER, to: contractAddress, data });
			const [context, target, subtaskDigest, maxShards] = decodeFunctionResult({
				abi: MINE_ABI,
				functionName: 'computeWorkerContext',
				data: answer.data ?? '0x',
			});
			if (target === 0n) return undefined;
			return {
				contextDigest: bytesOfHex(context.digest),
				flowRoot: bytesOfHex(context.flowRoot),
				flowLength: context.flowLength,
				subtaskDigest: bytesOfHex(subtaskDigest),
				poraTarget: bytesOfHex(`0x${target.toString(16).padStart(64, '0')}`),
				maxShards,
			};
		},
		async ownerOf(sector) {
			const { result } = await client.simulateContract({
				...flow,
				functionName: 'queryContextAtPosition',
				args: [BigInt(sector)],
			});
			return { ...result, digest: bytesOfHex(result.digest) };
		},
		async refusal(answer) {
			try {
				await client.simulateContract({ ...submit, account, args: [argument(answer)] });
				return undefined;
			} catch (error) {
				const reverted =
					error instanceof BaseError && error.walk((cause) => cause instanceof ContractFunctionRevertedError);
				if (!(reverted instanceof ContractFunctionRevertedError)) throw error;
				return reverted.reason ?? reverted.shortMessage;
			}
		},
		async submit(answer) {
			const hash = await wallet.writeContract({ ...submit, args: [argument(answer)] });
			const [event] = parseEventLogs({ abi: MINE_ABI, logs: (await mined(hash)).logs, eventName: 'NewSubmission' });
			if (!event) throw new Error('the answer was not counted');
			return event.args.epochIndex;
		},
		canSubmit: () => client.readContract({ ...contract, functionName: 'canSubmit' }),
		stop: () => chain.stop(),
	};
}

function argument(answer: PoraAnswer) {
	return {
		contextDigest: hexOf(answer.contextDigest) as Hex,
		nonce: hexOf(answer.nonce) as Hex,
		minerId: hexOf(answer.minerId) as Hex,
		range: answer.range,
		recallPosition: answer.recallPosition,
		sealOffset: answer.sealOffset,
		sealedContextDigest: hexOf(answer.sealedContextDigest) as Hex,
		sealedData: words(answer.sealedData),
		merkleProof: words(answer.merkleProof),
	};
}

function words(bytes: Uint8Array): Hex[] {
	return Array.from({ length: bytes.length / 32 }, (_, at) => hexOf(bytes.subarray(32 * at, 32 * at + 32)) as Hex);
}
