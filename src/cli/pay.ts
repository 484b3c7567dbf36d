/** `perigee upload --rpc …`: pays for files whose submissions the node awaits, and waits until it has them. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Hex, parseGwei } from 'viem';
import { RequestError } from '../client/request.js';
import type { UploadResult } from '../client/upload.js';
import { LIMITS } from '../limits.js';
import * as addon from '../native/addon.js';
import { fileGeometry } from '../native/addon.js';
import { payingAccount } from '../node/paying-key.js';
import { ChainError } from '../settlement/evm/chain-reader.js';
import { ENDPOINT_TIMEOUT_MS, Endpoints } from '../settlement/evm/endpoints.js';
import { type PayingAccount, PaymentSigner } from '../settlement/evm/payment-signer.js';
import type { ChainSubmission } from '../settlement/evm/chain-submission.js';
import { SETTLED_BLOCKS } from '../settlement/evm/payments.js';
import { foldRoots } from '../settlement/flow/submission-rules.js';
import { ViemPaying } from '../settlement/evm/viem-paying.js';
import { bytesOfHex, hexOf, type DataRoot } from '../units.js';
import { CliError } from './exit-codes.js';
import type { NodeClient } from './node-client.js';
import type { OutputOptions } from './output.js';
import {
	forgetPayment,
	notedPayment,
	type NotedPayment,
	notePayment,
	payingAlone,
	type PaidFor,
} from './payment-notes.js';

export interface PayOptions extends OutputOptions {
	/** --rpc: an endpoint of the chain. */
	readonly rpc?: string;
	/** --key-file */
	readonly keyFile?: string;
	/** --max-gas-price, in gwei */
	readonly maxGasPrice?: string;
	/** --max-fee, in wei */
	readonly maxFee?: string;
	/** --flow: the contract that is paid */
	readonly flow?: string;
}

type Pending = NonNullable<UploadResult['pending']>;
type Unpaid = UploadResult & { readonly pending: Pending };

const DEFAULT_MOST_GWEI = '500';
/** Wei that a sector may cost where nothing else is said: about four years at 10 tokens for a GiB and year (spec pora-and-contracts §4.8). */
const MOST_PER_SECTOR = 10n ** 13n;
const LOOK_MS = 500;
/** How long a transaction may take to get into a block, and then the node to see it. */
const PATIENCE_MS = 300_000;

/** How much is paid at most, and to whom. */
interface PayBounds {
	/** Wei for a unit of gas. */
	readonly mostForGas: bigint;
	/** Wei for all files of the call, without gas; absent: MOST_PER_SECTOR each. */
	readonly mostForAll?: bigint;
	/** The only contract that is paid; absent: the one that the node follows. */
	readonly flow?: string;
}

/** Pays from the side of whoever uploads. */
export class ChainPayer {
	readonly #account: PayingAccount;
	readonly #rpc: string;
	readonly #bounds: PayBounds;
	readonly #tell: (text: string) => void;

	private constructor(account: PayingAccount, rpc: string, bounds: PayBounds, tell: (text: string) => void) {
		this.#account = account;
		this.#rpc = rpc;
		this.#bounds = bounds;
		this.#tell = tell;
	}

	/** Undefined where nobody asked for it. Errors: usage; CONFIG_INVALID for a key that cannot be used. */
	static async from({
		rpc,
		keyFile = '',
		maxGasPrice = DEFAULT_MOST_GWEI,
		maxFee,
		flow,
		...output
	}: PayOptions): Promise<ChainPayer | undefined> {
		if (rpc === undefined) {
			if (keyFile === '') return undefined;
			throw new CliError('usage', '--key-file goes with --rpc, which names an endpoint of the chain');
		}
		if (!/^[0-9]{1,9}$/.test(maxGasPrice)) throw new CliError('usage', '--max-gas-price is a whole number of gwei');
		if (maxFee !== undefined && !/^[0-9]{1,78}$/.test(maxFee))
			throw new CliError('usage', '--max-fee is a whole number of wei');
		if (flow !== undefined && !/^0x[0-9a-f]{40}$/i.test(flow))
			throw new CliError('usage', '--flow is an address, 0x and 40 digits');
		const account = await payingAccount({ keyFile, keyPasswordFile: '' }, process.env);
		if (!account)
			throw new CliError('usage', '--rpc pays for files and needs a key', {
				hint: 'Name a file with it (--key-file), which nobody else may read, or set PERIGEE_CHAIN_KEY.',
			});
		const isQuiet = output.quiet === true || output.json === true;
		const tell = (text: string): void => void (isQuiet || process.stderr.write(`perigee: ${text}\n`));
		const bounds = {
			mostForGas: parseGwei(maxGasPrice),
			...(maxFee === undefined ? {} : { mostForAll: BigInt(maxFee) }),
			...(flow === undefined ? {} : { flow }),
		};
		return new ChainPayer(account, rpc, bounds, tell);
	}

	/** The results as they are once the node has their submissions; those that wait for nobody are left as they are. Errors: CliError. */
	async pay(results: readonly UploadResult[], client: NodeClient): Promise<readonly UploadResult[]> {
		const unpaid = results.filter(isUnpaid);
		const [first] = unpaid;
		if (!first) return results;
		for (const result of unpaid) refuseOther(result, this.#bounds.flow);
		const { chainId, flow } = first.pending;
		const endpoints = new Endpoints({ urls: [this.#rpc], timeoutMs: ENDPOINT_TIMEOUT_MS, nowMs: () => Date.now() });
		endpoints.expect(BigInt(chainId));
		try {
			const chain = new ViemPaying(endpoints, flow as Hex);
			// One for each content: the same may have been sent under two names.
			const wanted = [...new Map(unpaid.map((result) => [contentOf(result), result])).values()];
			const payments = await payingAlone(() => this.#send(wanted, chain, BigInt(chainId), flow as Hex));
			for (const { hash } of new Set(payments.values())) await minedOrRefused(chain, hash);
			return await Promise.all(
				results.map(async (result) => {
					const payment = isUnpaid(result) ? payments.get(contentOf(result)) : undefined;
					return payment && isUnpaid(result) ? await known(client, chain, result, payment.hash) : result;
				}),
			);
		} catch (error) {
			if (!(error instanceof ChainError)) throw error;
			throw new CliError('refused', `not paid: ${error.message}`, {
				hint: 'The node keeps what came; the same command goes on there.',
			});
		} finally {
			endpoints.close();
		}
	}

	/** Sends what pays for them, or has been signed for them before: by content. */
	async #send(
		unpaid: readonly Unpaid[],
		chain: ViemPaying,
		chainId: bigint,
		flowAddress: Hex,
	): Promise<ReadonlyMap<string, NotedPayment>> {
		const payments = new Map<string, NotedPayment>();
		const unsigned: Unpaid[] = [];
		for (const result of unpaid) {
			const noted = await notedPayment(paidFor(result));
			if (noted && !(await isDead(chain, noted))) payments.set(contentOf(result), noted);
			else unsigned.push(result);
		}
		for (const [hash, { raw }] of new Map([...payments.values()].map((payment) => [payment.hash, payment]))) {
			this.#tell(`going on with transaction ${hash}`);
			await chain
				.send(raw)
				.catch((error: unknown) => this.#tell(`the endpoint does not take it: ${(error as Error).message}`));
		}
		const { address: from } = this.#account;
		const signer = new PaymentSigner({
			chain,
			account: this.#account,
			flowAddress,
			mostForGas: this.#bounds.mostForGas,
		});
		let left = this.#bounds.mostForAll;
		let nonce = await chain.transactionCount(from, 'pending');
		for (let at = 0; at < unsigned.length; at += LIMITS.paymentBatch, nonce++) {
			const batch = unsigned.slice(at, at + LIMITS.paymentBatch);
			const prices = signer.bounded(await chain.gasPrices());
			const { transaction, fee } = await signer.sign(batch.map(paymentOf), { chainId, nonce, prices });
			const most = left ?? sectorsOf(batch) * MOST_PER_SECTOR;
			if (fee > most) throw tooDear(fee, most, flowAddress, batch);
			if (left !== undefined) left -= fee;
			const [raw, hash] = [hexOf(transaction.raw) as Hex, hexOf(transaction.hashes[0] as Uint8Array) as Hex];
			const payment = { raw, hash, nonce, from };
			for (const result of batch) await notePayment(paidFor(result), payment);
			this.#tell(`paying ${fee} wei to ${flowAddress} for ${batch.length} files: transaction ${hash}`);
			await chain.send(raw);
			for (const result of batch) payments.set(contentOf(result), payment);
		}
		return payments;
	}
}

/** What the node wants to be paid for has to be the file that was sent, at the contract that is meant, if one is. Errors: CliError. */
function refuseOther({ root, size, pending }: Unpaid, flow: string | undefined): void {
	const { length } = pending.submission;
	const nodes = paymentOf({ root, size, pending } as Unpaid).nodes;
	const sectors = nodes.reduce((sum, { height }) => sum + 2n ** BigInt(height), 0n);
	const isOfFile =
		BigInt(length) === BigInt(size) &&
		sectors === fileGeometry(BigInt(length)).padded &&
		hexOf(foldRoots(nodes, addon)) === root;
	if (!isOfFile)
		throw new CliError('verification', 'the node names another submission than that of the file: nothing is paid');
	if (flow !== undefined && flow.toLowerCase() !== pending.flow.toLowerCase())
		throw new CliError('refused', `the node wants ${pending.flow} to be paid, not ${flow}: nothing is paid`);
}

function isUnpaid(result: UploadResult): result is Unpaid {
	return result.pending?.state === 'unpaid';
}

/** What is paid for once: the same root with another length is another submission. */
function contentOf({ root, pending: { submission } }: Unpaid): string {
	return `${root}/${submission.length}`;
}

/**
 * It failed, or another transaction has its nonce. The nonce comes first: a block that comes in between has a receipt then. Blocks count that a
 * reorganisation does not reach, and that every endpoint behind an address has.
 */
async function isDead(chain: ViemPaying, { hash, nonce, from }: NotedPayment): Promise<boolean> {
	const settled = (await chain.head()) - SETTLED_BLOCKS;
	if (settled < 0 || (await chain.transactionCount(from, settled)) <= nonce) return false;
	return (await chain.receipt(hash))?.succeeded !== true;
}

/** Errors: CliError, ChainError. */
async function minedOrRefused(chain: ViemPaying, hash: Hex): Promise<void> {
	for (const endMs = Date.now() + PATIENCE_MS; ; await delay(LOOK_MS)) {
		const receipt = await chain.receipt(hash);
		if (receipt?.succeeded) return;
		if (receipt)
			throw new CliError('refused', `transaction ${hash} failed in block ${receipt.blockNumber}`, {
				hint: `The same command pays anew ${SETTLED_BLOCKS} blocks later.`,
			});
		if (Date.now() > endMs) throw new CliError('busy', `transaction ${hash} is in no block yet`, { hint: LATER });
	}
}

/** The result with the number of its submission, which may change as long as the chain takes blocks back. Errors: CliError, those of a request. */
async function known(client: NodeClient, chain: ViemPaying, result: Unpaid, hash: Hex): Promise<UploadResult> {
	const { pending, ...rest } = result;
	for (const endMs = Date.now() + PATIENCE_MS; ; await delay(LOOK_MS)) {
		const receipt = await chain.receipt(hash);
		const txSeq = receipt?.submissions.find((submission) => isOf(result, submission))?.txSeq;
		if (txSeq !== undefined && (await isFile(client, result, txSeq))) {
			await forgetPayment(paidFor(result));
			return { ...rest, txSeq };
		}
		if (Date.now() > endMs) throw new CliError('busy', `the node does not see the submission yet`, { hint: LATER });
	}
}

function isOf(result: Unpaid, { lengthBytes, nodes }: ChainSubmission): boolean {
	const own = paymentOf(result);
	return (
		own.lengthBytes === lengthBytes &&
		own.nodes.length === nodes.length &&
		own.nodes.every(({ root, height }, at) => height === nodes[at]?.height && hexOf(root) === hexOf(nodes[at].root))
	);
}

/** Whether the node has the content whole under that number. */
async function isFile(client: NodeClient, { root, pending }: Unpaid, txSeq: number): Promise<boolean> {
	try {
		const info = await client.api.submission(txSeq);
		return info.finalized && info.root === root && BigInt(info.size) === BigInt(pending.submission.length);
	} catch (error) {
		if (error instanceof RequestError && error.status === 404) return false;
		throw error;
	}
}

const LATER = 'The same command goes on there, and signs no second payment.';

function sectorsOf(batch: readonly Unpaid[]): bigint {
	return batch.reduce((sum, { size }) => sum + fileGeometry(BigInt(size)).padded, 0n);
}

function tooDear(fee: bigint, most: bigint, flow: string, batch: readonly Unpaid[]): CliError {
	const what = `the contract ${flow} asks ${fee} wei for ${sectorsOf(batch)} sectors, more than ${most}: nothing is paid for them`;
	return new CliError('refused', what, { hint: `--max-fee ${fee} pays that. Is it the contract you mean (--flow)?` });
}

function paidFor({ root, pending: { chainId, flow, submission } }: Unpaid): PaidFor {
	return { chainId, flow, root, length: submission.length };
}

function paymentOf({ root, pending: { submission } }: Unpaid) {
	return {
		root: root as DataRoot,
		lengthBytes: BigInt(submission.length),
		nodes: submission.nodes.map((node) => ({ root: bytesOfHex(node.root), height: node.height })),
	};
}
