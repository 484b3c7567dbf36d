/** The official TypeScript SDK, unmodified, on a chain that mines each transaction at once. */
import {
	FixedPriceFlow__factory,
	Indexer,
	MemData,
	StorageNode,
	Uploader,
	ZgFile,
	type FixedPriceFlow,
} from '@0gfoundation/0g-ts-sdk';
import { mock } from 'node:test';
import { HDNodeWallet, JsonRpcProvider, Mnemonic } from 'ethers';
import { MNEMONIC, type TestChain } from './chain.js';

/** The test chain itself sends from account 0. */
const ACCOUNT = "m/44'/60'/0'/0/1";

export interface Uploaded {
	readonly txHash: string;
	readonly rootHash: string;
	readonly txSeq: number;
}

export class SdkUser {
	readonly #chain: TestChain;
	readonly #provider: JsonRpcProvider;
	readonly flow: FixedPriceFlow;

	private constructor(chain: TestChain) {
		this.#chain = chain;
		this.#provider = new JsonRpcProvider(chain.url, undefined, { staticNetwork: true, cacheTimeout: -1 });
		const wallet = HDNodeWallet.fromMnemonic(Mnemonic.fromPhrase(MNEMONIC), ACCOUNT).connect(this.#provider);
		this.flow = FixedPriceFlow__factory.connect(chain.flowAddress, wallet as never);
	}

	/** From now on the chain mines by itself. */
	static async on(chain: TestChain): Promise<SdkUser> {
		await chain.client.setAutomine(true);
		return new SdkUser(chain);
	}

	/** As a program would: through the nodes' addresses. Errors: whatever the SDK answers as one. */
	async upload(
		nodes: readonly string[],
		content: Uint8Array,
		options: Parameters<Uploader['splitableUpload']>[1] = {},
	): Promise<Uploaded[]> {
		return this.uploadFile(nodes, new MemData(content), options);
	}

	async uploadPath(nodes: readonly string[], path: string): Promise<Uploaded[]> {
		const file = await ZgFile.fromFilePath(path);
		try {
			return await this.uploadFile(nodes, file);
		} finally {
			await file.close();
		}
	}

	async uploadFile(
		nodes: readonly string[],
		file: Parameters<Uploader['splitableUpload']>[0],
		options: Parameters<Uploader['splitableUpload']>[1] = {},
	): Promise<Uploaded[]> {
		const uploader = new Uploader(
			nodes.map((url) => new StorageNode(url)),
			this.#chain.url,
			this.flow,
		);
		return quietly(async () => {
			const [{ txHashes, rootHashes, txSeqs }, error] = await uploader.splitableUpload(file, options);
			if (error) throw error;
			return rootHashes.map((rootHash, at) => ({ rootHash, txHash: txHashes[at] ?? '', txSeq: txSeqs[at] ?? -1 }));
		});
	}

	/** Through an indexer, which tells which nodes to use. */
	async uploadByIndexer(indexer: string, content: Uint8Array): Promise<Uploaded> {
		return quietly(async () => {
			const signer = this.flow.runner as never;
			const [result, error] = await new Indexer(indexer).upload(new MemData(content), this.#chain.url, signer);
			if (error) throw error;
			return result as Uploaded;
		});
	}

	close(): void {
		this.#provider.destroy();
	}
}

/** The SDK tells the console of each step. */
export async function quietly<T>(work: () => Promise<T>): Promise<T> {
	const telling = mock.method(console, 'log', () => undefined);
	try {
		return await work();
	} finally {
		telling.mock.restore();
	}
}
