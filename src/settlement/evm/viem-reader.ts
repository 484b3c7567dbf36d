/** Asks the endpoints of a chain what following it needs. */
import { hexToBytes, numberToHex, type Hex } from 'viem';
import {
	ChainError,
	type ChainReader,
	type FoundSubmission,
	type LinkedBlock,
	WrongChainError,
} from './chain-reader.js';
import { type Endpoint, type Endpoints, hexData, quantity } from './endpoints.js';
import { submissionOfLog, SUBMIT_TOPIC, type RpcLog } from './submit-event.js';

export interface ViemReaderOptions {
	readonly endpoints: Endpoints;
	/** 0x and 40 digits. */
	readonly flowAddress: Hex;
	/** Milliseconds since 1970. */
	readonly nowMs: () => number;
}

const COUNT_CALL = '0x77e19824';
const ROOT_CALL = '0x6d7ad0fc';
const NO_ROOT = /^0x0*$/;
/** Submissions are wrong for good when each endpoint had a part in so many readings of them that were. */
const READINGS = 3;
const HASH_HEX = /^0x[0-9a-f]{64}$/i;

export class ViemReader implements ChainReader {
	readonly #options: ViemReaderOptions;
	readonly #endpoints: Endpoints;
	/** Whose answers were taken since `begin`. */
	readonly #used = new Set<Endpoint>();
	/** Who has shown submissions since they last fitted, and in how many readings that turned out wrong since then each had a part. */
	readonly #shown = new Set<Endpoint>();
	readonly #wrong = new Map<Endpoint, number>();

	constructor(options: ViemReaderOptions) {
		this.#options = options;
		this.#endpoints = options.endpoints;
	}

	async chainId(): Promise<bigint> {
		const asked = await this.#endpoints.askAll<unknown>('eth_chainId', []);
		const ids = new Set(asked.flatMap((answer) => (answer.status === 'fulfilled' ? [quantity(answer.value)] : [])));
		const [id] = ids;
		if (id === undefined) return BigInt(await this.#endpoints.ask<Hex>('eth_chainId', []));
		if (ids.size > 1) throw new WrongChainError(`the endpoints are of different chains: ${[...ids].join(', ')}`);
		return BigInt(id);
	}

	expect(chainId: bigint): void {
		this.#endpoints.expect(chainId);
	}

	async requireContract(): Promise<void> {
		const { flowAddress } = this.#options;
		const used = this.#used;
		// Others may be ahead, or of the right chain; and not all of them tell.
		const asking = { read: unlessEmpty, used };
		const code = await this.#endpoints.find('eth_getCode', [flowAddress, 'latest'], asking).catch(() => 'untold');
		if (code === undefined)
			throw new WrongChainError(`no contract stands at ${flowAddress}: the address, or the chain, is another one`);
	}

	begin(): void {
		this.#endpoints.trust(this.#used);
		this.#used.clear();
	}

	distrust(): void {
		this.#endpoints.distrust(this.#used);
		this.#used.clear();
	}

	shownRight(): void {
		this.#shown.clear();
		this.#wrong.clear();
	}

	shownWrong(): boolean {
		for (const endpoint of this.#shown) this.#wrong.set(endpoint, (this.#wrong.get(endpoint) ?? 0) + 1);
		this.#endpoints.distrust(this.#shown);
		this.#shown.clear();
		return this.#endpoints.all.every((endpoint) => (this.#wrong.get(endpoint) ?? 0) >= READINGS);
	}

	async opinions(number: number): Promise<readonly (Uint8Array | undefined)[]> {
		const asked = await this.#endpoints.askAll<unknown>('eth_getBlockByNumber', [numberToHex(number), false]);
		return readable(asked, (answer) => blockOf(answer, number)?.hash);
	}

	async flowRootOpinions(txSeq: number): Promise<readonly Uint8Array[]> {
		const params = [{ to: this.#options.flowAddress, data: rootCall(txSeq) }, 'latest'];
		const asked = await this.#endpoints.askAll<unknown>('eth_call', params);
		return readable(asked, (answer) => rootOf(hexData(answer))).filter((root) => root !== undefined);
	}

	async heads(): Promise<readonly number[]> {
		return readable(await this.#endpoints.askAll<unknown>('eth_blockNumber', []), quantity);
	}

	async head(): Promise<number> {
		const asking = { read: quantity, used: this.#used };
		return (await this.#endpoints.find('eth_blockNumber', [], asking)) as number;
	}

	async block(number: number): Promise<LinkedBlock | undefined> {
		const read = (answer: unknown): LinkedBlock | undefined => blockOf(answer, number);
		return this.#endpoints.find('eth_getBlockByNumber', [numberToHex(number), false], { read, used: this.#used });
	}

	async submissions(from: number, to: number): Promise<readonly FoundSubmission[]> {
		const { flowAddress, nowMs } = this.#options;
		const filter = {
			address: flowAddress,
			topics: [SUBMIT_TOPIC],
			fromBlock: numberToHex(from),
			toBlock: numberToHex(to),
		};
		const read = (answer: unknown): readonly FoundSubmission[] => {
			if (!Array.isArray(answer)) throw new ChainError('the answer is no list of logs');
			const logs = (answer as readonly RpcLog[]).filter(({ removed }) => removed !== true);
			return logs.map((log) => {
				const found = submissionOfLog(log, nowMs());
				if (
					log.address.toLowerCase() !== flowAddress.toLowerCase() ||
					!(found.blockNumber >= from && found.blockNumber <= to)
				)
					throw new ChainError(`submission ${found.txSeq} was not asked for`);
				return found;
			});
		};
		const used = new Set<Endpoint>();
		const found = await this.#endpoints.find('eth_getLogs', [filter], { read, used, wrong: this.#wrong });
		for (const endpoint of used) {
			this.#used.add(endpoint);
			if (found !== undefined && found.length > 0) this.#shown.add(endpoint);
		}
		return found ?? [];
	}

	async submissionCount(at: number): Promise<number | undefined> {
		const answer = await this.#endpoints.view(this.#options.flowAddress, COUNT_CALL, numberToHex(at), this.#used);
		return answer === undefined ? undefined : Number(BigInt(answer));
	}

	async flowRootAfter(txSeq: number): Promise<Uint8Array | undefined> {
		const answer = await this.#endpoints.view(this.#options.flowAddress, rootCall(txSeq), 'latest', this.#used);
		return answer === undefined ? undefined : rootOf(answer);
	}

	close(): void {
		this.#endpoints.close();
	}
}

function rootCall(txSeq: number): Hex {
	return `${ROOT_CALL}${txSeq.toString(16).padStart(64, '0')}`;
}

function rootOf(answer: Hex): Uint8Array | undefined {
	return NO_ROOT.test(answer) ? undefined : hexToBytes(answer);
}

function unlessEmpty(answer: unknown): Hex | undefined {
	const code = hexData(answer);
	return code === '0x' ? undefined : code;
}

/** Undefined: there is no such block (yet). Errors: an Error when the answer is none, or another block. */
function blockOf(answer: unknown, number: number): LinkedBlock | undefined {
	if (answer === null || answer === undefined) return undefined;
	const block = answer as Readonly<Record<string, unknown>>;
	if (block['hash'] === null) return undefined;
	if (quantity(block['number']) !== number)
		throw new Error(`the answer is block ${String(block['number'])}, not ${number}`);
	const timeMs = quantity(block['timestamp']) * 1000;
	return { number, hash: hashOf(block['hash']), parentHash: hashOf(block['parentHash']), timeMs };
}

function hashOf(value: unknown): Uint8Array {
	if (typeof value === 'string' && HASH_HEX.test(value)) return hexToBytes(value as Hex);
	throw new Error('the answer has no hash');
}

/** Of those that answer something that can be read. */
function readable<T>(asked: readonly PromiseSettledResult<unknown>[], read: (answer: unknown) => T): readonly T[] {
	return asked.flatMap((answer) => {
		try {
			return answer.status === 'fulfilled' ? [read(answer.value)] : [];
		} catch {
			return [];
		}
	});
}
