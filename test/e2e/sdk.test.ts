/** The official TypeScript SDK, unmodified, uploads to a node that follows a real chain and downloads from it. */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Downloader, Indexer, StorageNode } from '@0gfoundation/0g-ts-sdk';
import { chainEnvironment, startChain, type TestChain } from '../support/chain.js';
import { Prng } from '../support/prng.js';
import { freePort, type JsonNode, startJsonNode, temporaryDirectory } from '../support/processes.js';
import { result } from '../support/rpc.js';
import { quietly, SdkUser } from '../support/sdk.js';

const MIB = 2 ** 20;
const SIZES = [1, 256, 256 * 1024, 256 * 1024 + 1, 5 * MIB + 13, 12 * MIB];
/** The SDK hashes 4 MB a second. */
const LARGE = 64 * MIB;

describe('the official SDK', () => {
	let chain: TestChain;
	let user: SdkUser;
	before(async () => {
		chain = await startChain();
		user = await SdkUser.on(chain);
	});
	after(async () => {
		user.close();
		await chain.stop();
	});

	const start = (t: TestContext, dataDir: string, args: readonly string[] = []): Promise<JsonNode> =>
		startJsonNode(t, dataDir, args, chainEnvironment(chain));

	/** With proofs and without. */
	async function assertDownloads(
		t: TestContext,
		urls: readonly string[],
		root: string,
		content: Uint8Array,
	): Promise<void> {
		for (const proof of [false, true]) {
			const path = join(temporaryDirectory(t), 'downloaded');
			const nodes = urls.map((url) => new StorageNode(url));
			const error = await quietly(() => new Downloader(nodes).download(root, path, proof));
			assert.equal(error, null);
			assert.ok((await readFile(path)).equals(content));
		}
	}

	/** Downloads with the SDK as with anything else that can GET. */
	async function assertServes(t: TestContext, node: JsonNode, root: string, content: Uint8Array): Promise<void> {
		await assertDownloads(t, [node.url], root, content);
		const whole = await fetch(`${node.url}/v1/files/${root}`);
		assert.ok(Buffer.from(await whole.arrayBuffer()).equals(content));
	}

	it('uploads files of every size from memory, downloads them, and pays for none twice', async (t) => {
		const node = await start(t, temporaryDirectory(t));
		for (const size of SIZES) {
			const content = new Prng(size).bytes(size);
			const [first] = await user.upload([node.url], content);
			assert.ok(first);
			await assertServes(t, node, first.rootHash, content);
			const paid = await chain.submissions();
			const [again] = await user.upload([node.url], content);
			assert.deepEqual([again?.rootHash, again?.txHash, again?.txSeq], [first.rootHash, '', first.txSeq]);
			assert.equal(await chain.submissions(), paid);
		}
		assert.equal(await node.end('SIGTERM'), 0);
	});

	it('uploads and downloads by an indexer, which is the node itself', async (t) => {
		const node = await start(t, temporaryDirectory(t));
		for (const size of SIZES) {
			const content = new Prng(size + 7).bytes(size);
			const first = await user.uploadByIndexer(node.url, content);
			const path = join(temporaryDirectory(t), 'downloaded');
			assert.equal(await quietly(() => new Indexer(node.url).download(first.rootHash, path, true)), null);
			assert.ok((await readFile(path)).equals(content));
			const paid = await chain.submissions();
			const again = await user.uploadByIndexer(node.url, content);
			assert.deepEqual([again.rootHash, again.txHash], [first.rootHash, '']);
			assert.equal(await chain.submissions(), paid);
		}
		assert.equal(await node.end('SIGTERM'), 0);
	});

	it('uploads a file from the disk, and one in fragments', async (t) => {
		const node = await start(t, temporaryDirectory(t));
		const content = new Prng(1).bytes(3 * MIB + 5);
		const path = join(temporaryDirectory(t), 'file');
		await writeFile(path, content);
		const [whole] = await user.uploadPath([node.url], path);
		await assertServes(t, node, whole?.rootHash ?? '', content);

		const other = new Prng(2).bytes(3 * MIB + 5);
		const fragments = await user.upload([node.url], other, { fragmentSize: MIB });
		assert.equal(fragments.length, 4);
		for (const [at, { rootHash }] of fragments.entries())
			await assertServes(t, node, rootHash, other.subarray(at * MIB, (at + 1) * MIB));
		assert.equal(await node.end('SIGTERM'), 0);
	});

	it('goes on when the node is killed in the middle of an upload and comes back', async (t) => {
		const dataDir = temporaryDirectory(t);
		const port = await freePort();
		const args = ['--http', `127.0.0.1:${port}`];
		for (const size of [5 * MIB + 13, 12 * MIB]) {
			let node = await start(t, dataDir, args);
			const content = new Prng(size + 1).bytes(size);
			const uploading = user.upload([node.url], content);
			uploading.catch(() => undefined);
			const before = await chain.submissions();
			while ((await chain.submissions()) === before) await delay(2);
			await delay(randomInt(60));
			await node.end('SIGKILL');
			node = await start(t, dataDir, args);
			const [done] = await uploading;
			assert.ok(done);
			await assertServes(t, node, done.rootHash, content);
			assert.equal(await node.end('SIGTERM'), 0);
		}
	});

	it('uploads to two nodes that share the flow, and downloads from both', async (t) => {
		const shards = ['0/2', '1/2'];
		const nodes = await Promise.all(
			shards.map((position) =>
				startJsonNode(t, temporaryDirectory(t), [], { ...chainEnvironment(chain), PERIGEE_SHARD_POSITION: position }),
			),
		);
		const urls = nodes.map(({ url }) => url);
		// Where the shards have not as many segments each, this SDK forgets some of them (spec log-layer §9.5), whatever a node does.
		for (const size of [256 * 1024 + 1, 2 * MIB]) {
			const content = Buffer.from(new Prng(size + 3).bytes(size));
			const [done] = await user.upload(urls, content);
			assert.ok(done);
			let held = 0;
			for (const node of nodes) {
				const info = (await result(node, 'zgs_getFileInfo', done.rootHash, true)) as {
					readonly finalized: boolean;
					readonly tx: { readonly startEntryIndex: number };
				};
				assert.equal(info.finalized, true);
				for (let at = 0; at * 256 * 1024 < size; at++) {
					const last = Math.min((at + 1) * 1024, Math.ceil(size / 256));
					const data = (await result(node, 'zgs_downloadSegment', done.rootHash, at * 1024, last)) as string | null;
					if (data === null) continue;
					held++;
					const bytes = Buffer.from(data, 'base64').subarray(0, size - at * 256 * 1024);
					assert.ok(bytes.equals(content.subarray(at * 256 * 1024, at * 256 * 1024 + bytes.length)));
				}
			}
			assert.equal(held, Math.ceil(size / (256 * 1024)), 'each segment is held once');
			await assertDownloads(t, urls, done.rootHash, content);
			const paid = await chain.submissions();
			await user.upload(urls, content);
			assert.equal(await chain.submissions(), paid);
		}
		for (const node of nodes) assert.equal(await node.end('SIGTERM'), 0);
	});

	it(`uploads ${LARGE / MIB} MiB by an indexer`, async (t) => {
		const node = await start(t, temporaryDirectory(t));
		const content = new Prng(65).bytes(LARGE);
		const { rootHash } = await user.uploadByIndexer(node.url, content);
		const whole = await fetch(`${node.url}/v1/files/${rootHash}`);
		assert.ok(Buffer.from(await whole.arrayBuffer()).equals(content));
		assert.equal(await node.end('SIGTERM'), 0);
	});

	it(`uploads ${LARGE / MIB} MiB`, async (t) => {
		const node = await start(t, temporaryDirectory(t));
		const content = new Prng(64).bytes(LARGE);
		const [done] = await user.upload([node.url], content);
		const info = (await result(node, 'zgs_getFileInfo', done?.rootHash, true)) as {
			finalized: boolean;
			uploadedSegNum: number;
		};
		assert.deepEqual([info.finalized, info.uploadedSegNum], [true, 256]);
		const whole = await fetch(`${node.url}/v1/files/${done?.rootHash}`);
		assert.ok(Buffer.from(await whole.arrayBuffer()).equals(content));
		assert.equal(await node.end('SIGTERM'), 0);
	});
});
