/** A chain of its own for tests: anvil, with the real FixedPriceFlow and FixedPrice contracts, whose code the official SDK ships. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { FixedPriceFlow__factory } from '@0gfoundation/0g-ts-sdk';
import {
	createTestClient,
	createWalletClient,
	type Hex,
	http,
	keccak256,
	parseAbi,
	publicActions,
	type TestClient,
	toHex,
	type PublicActions,
	type WalletClient,
	zeroAddress,
} from 'viem';
import { mnemonicToAccount, type HDAccount } from 'viem/accounts';
import { foundry } from 'viem/chains';
import { fileRoot } from '../../src/native/addon.js';
import type { Submission } from '../../src/settlement/settlement.js';
import { hexOf } from '../../src/units.js';

/** Of anvil's accounts, which are the same everywhere and worth nothing. */
export const MNEMONIC = 'test test test test test test test test test test test junk';
/** Epochs are no business of most tests. */
const NO_EPOCHS = 1_000_000_000n;
const PRICE = 3n;

/** `tags`: default none. */
export type TestSubmission = Pick<Submission, 'lengthBytes' | 'nodes'> & Partial<Pick<Submission, 'tags'>>;

type Client = TestClient<'anvil'> & PublicActions;

export interface TestChain {
	readonly url: string;
	readonly client: Client;
	readonly flowAddress: Hex;
	/** Sectors cost so much each. */
	readonly price: bigint;
	/** Pays for contents, all in one transaction, mined at once. Answers the block. */
	submit(contents: readonly Uint8Array[]): Promise<number>;
	/** Pays for subtrees as they are given, also such as the contract refuses. Errors: when it does. */
	submitNodes(submissions: readonly TestSubmission[]): Promise<number>;
	/** Block of the chain with so many submissions of made-up roots, `perTransaction` in each. */
	fill(submissions: number, perTransaction: number): Promise<void>;
	/** Submissions that the contract has. */
	submissions(): Promise<number>;
	/** The contract's flow root after a submission, in hexadecimal. */
	flowRootAfter(txSeq: number): Promise<Hex | undefined>;
	mine(blocks: number): Promise<void>;
	/** Undoes the last blocks; what is mined next stands in their place. */
	rollBack(blocks: number): Promise<void>;
	stop(): Promise<void>;
}

/** The environment of a node that follows the chain closely. */
export function chainEnvironment({ url, flowAddress }: TestChain): Record<string, string> {
	return {
		PERIGEE_CHAIN_ENDPOINTS: url,
		PERIGEE_CHAIN_FLOW_ADDRESS: flowAddress,
		PERIGEE_CHAIN_CONFIRMATIONS: '0',
		PERIGEE_CHAIN_POLL_MS: '10',
	};
}

const require = createRequire(import.meta.url);
const MARKET_ABI = parseAbi(['constructor()', 'function initialize(uint256 price, address flow, address reward)']);
/** A contract that takes every call, and does nothing: where the market passes fees on to. */
export const REWARD = '0x00000000000000000000000000000000000000aa';
const STOP = '0x00';

/** The SDK has the market's code, and exports it not. */
function marketBytecode(): Hex {
	const file = join(
		dirname(require.resolve('@0gfoundation/0g-ts-sdk')),
		'contracts/market/factories/FixedPrice__factory.js',
	);
	return (require(file) as { readonly FixedPrice__factory: { readonly bytecode: Hex } }).FixedPrice__factory.bytecode;
}

/** The program of this platform's package. */
function anvilProgram(): string {
	const platform = `${process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}`;
	const manifest = require.resolve(`@foundry-rs/anvil-${platform}/package.json`, {
		paths: [dirname(require.resolve('@foundry-rs/anvil/package.json'))],
	});
	return join(dirname(manifest), 'bin', process.platform === 'win32' ? 'anvil.exe' : 'anvil');
}

/** A chain that mines when it is told to. `blocksPerEpoch`: default none of it ends. */
export async function startChain(chainId: number = foundry.id, blocksPerEpoch = NO_EPOCHS): Promise<TestChain> {
	const chain = { ...foundry, id: chainId };
	const args = [
		'--chain-id',
		String(chainId),
		'--port',
		'0',
		'--no-mining',
		'--hardfork',
		'prague',
		'--disable-code-size-limit',
	];
	args.push('--timestamp', String(Math.floor(Date.now() / 1000)), '--order', 'fifo', '--gas-limit', '1000000000');
	// Old states go there; anvil's own place below the home directory would keep those of a killed process for ever.
	const states = await mkdtemp(join(tmpdir(), 'perigee-test-anvil-'));
	args.push('--cache-path', states);
	const child = spawn(anvilProgram(), args, { stdio: ['ignore', 'pipe', 'ignore'] });
	const url = await listening(child);
	const account = mnemonicToAccount(MNEMONIC);
	const transport = http(url, { timeout: 60_000 });
	const client = createTestClient({ mode: 'anvil', chain, transport, pollingInterval: 5 }).extend(publicActions);
	const wallet = createWalletClient({ account, chain, transport });
	const { flow, market } = await deployContracts(client, wallet, account, blocksPerEpoch);
	return new Anvil({ url, child, states, client, wallet, account, flow, market });
}

async function listening(child: ChildProcess): Promise<string> {
	if (!child.stdout) throw new Error('anvil has no output');
	const lines = createInterface({ input: child.stdout });
	for await (const line of lines) {
		const port = /^Listening on 127\.0\.0\.1:(\d+)/.exec(line)?.[1];
		if (port === undefined) continue;
		child.stdout.resume();
		return `http://127.0.0.1:${port}`;
	}
	throw new Error('anvil ended before it listened');
}

async function deployContracts(
	client: Client,
	wallet: WalletClient,
	account: HDAccount,
	blocksPerEpoch: bigint,
): Promise<{ readonly flow: Hex; readonly market: Hex }> {
	const base = { account, chain: null };
	await client.setCode({ address: REWARD, bytecode: STOP });
	const market = { abi: MARKET_ABI, bytecode: marketBytecode(), args: [] } as const;
	const flow = { abi: FixedPriceFlow__factory.abi, bytecode: FixedPriceFlow__factory.bytecode, args: [0n] } as const;
	const hashes = [
		await wallet.deployContract({ ...base, ...market }),
		await wallet.deployContract({ ...base, ...flow }),
	];
	await client.mine({ blocks: 1 });
	const receipts = await Promise.all(hashes.map((hash) => client.waitForTransactionReceipt({ hash })));
	const [marketAddress, flowAddress] = receipts.map(({ contractAddress }) => contractAddress ?? zeroAddress);
	if (marketAddress === undefined || flowAddress === undefined) throw new Error('the contracts were not deployed');
	await wallet.writeContract({
		...base,
		address: marketAddress,
		abi: market.abi,
		functionName: 'initialize',
		args: [PRICE, flowAddress, REWARD],
	});
	await wallet.writeContract({
		...base,
		address: flowAddress,
		abi: flow.abi,
		functionName: 'initialize',
		args: [marketAddress, blocksPerEpoch],
	});
	await client.mine({ blocks: 1 });
	return { flow: flowAddress, market: marketAddress };
}

interface AnvilParts {
	readonly url: string;
	readonly child: ChildProcess;
	/** A directory. */
	readonly states: string;
	readonly client: Client;
	readonly wallet: WalletClient;
	readonly account: HDAccount;
	readonly flow: Hex;
	readonly market: Hex;
}

interface SubmissionArgument {
	readonly data: { length: bigint; tags: Hex; nodes: { root: Hex; height: bigint }[] };
	readonly submitter: Hex;
}

class Anvil implements TestChain {
	readonly url: string;
	readonly client: Client;
	readonly flowAddress: Hex;
	readonly price = PRICE;
	readonly #parts: AnvilParts;
	#made = 0;

	constructor(parts: AnvilParts) {
		this.#parts = parts;
		this.url = parts.url;
		this.client = parts.client;
		this.flowAddress = parts.flow;
	}

	submit(contents: readonly Uint8Array[]): Promise<number> {
		return this.submitNodes(
			contents.map((content) => ({ lengthBytes: BigInt(content.length), nodes: fileRoot(content).nodes })),
		);
	}

	submitNodes(submissions: readonly TestSubmission[]): Promise<number> {
		return this.#send(
			submissions.map(({ lengthBytes, nodes, tags }) =>
				this.#argument(
					lengthBytes,
					nodes.map(({ root, height }) => ({ root: hexOf(root) as Hex, height: BigInt(height) })),
					tags && (hexOf(tags) as Hex),
				),
			),
		);
	}

	async fill(submissions: number, perTransaction: number): Promise<void> {
		for (let left = submissions; left > 0; left -= perTransaction) {
			const batch = Array.from({ length: Math.min(left, perTransaction) }, () =>
				this.#argument(256n, [{ root: keccak256(toHex(this.#made++)), height: 0n }]),
			);
			await this.#send(batch);
		}
	}

	async submissions(): Promise<number> {
		const { data } = await this.client.call({ to: this.flowAddress, data: '0x77e19824' });
		return Number(BigInt(data ?? '0x0'));
	}

	async flowRootAfter(txSeq: number): Promise<Hex | undefined> {
		const data: Hex = `0x6d7ad0fc${txSeq.toString(16).padStart(64, '0')}`;
		return (await this.client.call({ to: this.flowAddress, data })).data;
	}

	async mine(blocks: number): Promise<void> {
		await this.client.mine({ blocks });
	}

	async rollBack(blocks: number): Promise<void> {
		await this.client.request({ method: 'anvil_rollback', params: [blocks] } as never);
	}

	async stop(): Promise<void> {
		const { child, states } = this.#parts;
		const ended = once(child, 'exit');
		child.kill('SIGKILL');
		await ended;
		await rm(states, { recursive: true, force: true });
	}

	#argument(length: bigint, nodes: SubmissionArgument['data']['nodes'], tags: Hex = '0x'): SubmissionArgument {
		return { data: { length, tags, nodes }, submitter: this.#parts.account.address };
	}

	async #send(submissions: readonly SubmissionArgument[]): Promise<number> {
		const { wallet, account } = this.#parts;
		const sectors = submissions.flatMap(({ data }) => data.nodes).reduce((sum, { height }) => sum + (1n << height), 0n);
		const hash = await wallet.writeContract({
			account,
			chain: null,
			address: this.flowAddress,
			abi: FixedPriceFlow__factory.abi,
			functionName: 'batchSubmit',
			args: [[...submissions]],
			value: sectors * PRICE,
			gas: 900_000_000n,
		});
		await this.client.mine({ blocks: 1 });
		const { status, blockNumber } = await this.client.waitForTransactionReceipt({ hash });
		if (status !== 'success') throw new Error('the submission was reverted');
		return Number(blockNumber);
	}
}
