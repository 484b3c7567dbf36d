/** A node as a process that follows a real chain: started from its configuration, killed in the middle again and again, and what it says of trouble. */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { chainEnvironment, startChain, type TestChain } from '../support/chain.js';
import { chainProxy } from '../support/chain-proxy.js';
import { until } from '../support/chain-store.js';
import { Prng } from '../support/prng.js';
import { type JsonNode, runCli, spawnCli, startJsonNode, temporaryDirectory } from '../support/processes.js';
import { ask } from '../support/rest-server.js';
import { result } from '../support/rpc.js';

const KILLS = 20;

function settings(chain: TestChain): Record<string, string> {
	return { ...chainEnvironment(chain), PERIGEE_CHAIN_PAGE_BLOCKS: '2' };
}

/** Waits until the node knows what the contract has; its flow root is then the contract's. */
async function assertSame(node: JsonNode, chain: TestChain): Promise<number> {
	const submissions = await chain.submissions();
	const contract = await chain.flowRootAfter(submissions - 1);
	await until('the flow root of the contract', async () => {
		const [root] = (await result(node, 'zgs_getFlowContext')) as [string, number];
		return root === contract;
	});
	const status = (await result(node, 'zgs_getStatus')) as { readonly nextTxSeq: number };
	assert.equal(status.nextTxSeq, submissions);
	return submissions;
}

describe('a node that follows a chain', () => {
	let chain: TestChain;
	before(async () => {
		chain = await startChain();
	});
	after(() => chain.stop());

	it('a first start whose endpoint is down waits for it, and begins when it is there', async (t: TestContext) => {
		const proxy = await chainProxy('http://127.0.0.1:9');
		t.after(() => proxy.close());
		const env = { ...settings(chain), PERIGEE_CHAIN_ENDPOINTS: proxy.url, PERIGEE_HTTP: '127.0.0.1:0' };
		const child = spawnCli(['start', '--data-dir', temporaryDirectory(t), '--json'], { env });
		t.after(() => child.kill('SIGKILL'));
		const lines: string[] = [];
		child.stdout?.on('data', (chunk: Buffer) => lines.push(chunk.toString()));
		await until('some questions', () => proxy.asked > 20);
		assert.equal(child.exitCode, null, 'it waits');
		proxy.target = chain.url;
		await until('its word that it listens', () => lines.join('').includes('"url"'));
	});

	it(`killed ${KILLS} times while blocks come and are taken back has the contract's flow in the end`, async (t: TestContext) => {
		const prng = new Prng(4711);
		const dataDir = temporaryDirectory(t);
		for (let block = 0; block < 40; block++) await chain.fill(20, 20);
		for (let kill = 0; kill < KILLS; kill++) {
			const node = await startJsonNode(t, dataDir, [], settings(chain));
			await delay(prng.below(150));
			if (kill % 4 === 3) await chain.rollBack(1 + prng.below(6));
			await chain.fill(1 + prng.below(60), 20);
			await delay(prng.below(50));
			await node.end('SIGKILL');
			if (kill % 5 === 4) {
				await chain.rollBack(2);
				await chain.fill(45, 15);
			}
		}
		const node = await startJsonNode(t, dataDir, [], settings(chain));
		const submissions = await assertSame(node, chain);
		assert.ok(submissions > 800);
		// What follows from the journal alone is the same.
		assert.equal(await node.end('SIGTERM'), 0);
		assert.equal((await runCli(['rebuild', '--data-dir', dataDir], { env: settings(chain) })).code, 0);
		const again = await startJsonNode(t, dataDir, [], settings(chain));
		assert.equal(await assertSame(again, chain), submissions);
		assert.equal(await again.end('SIGTERM'), 0);
	});

	it('says what it waits for, serves all the while, and goes on', async (t: TestContext) => {
		const dataDir = temporaryDirectory(t);
		const other = await startChain();
		await other.fill(3, 3);
		const node = await startJsonNode(t, dataDir, ['--log-level', 'warn'], settings(other));
		await assertSame(node, other);
		await other.stop();
		await until('the reason', async () => (await ask(node, '/health/ready')).text.includes('CHAIN_UNREACHABLE'));
		const { status, text } = await ask(node, '/metrics');
		assert.equal(status, 200);
		assert.match(text, /perigee_chain_trouble\{code="CHAIN_UNREACHABLE"\} 1/);
		assert.match(text, /perigee_chain_submissions_total 3/);
		assert.match(node.logged(), /the chain is not followed: .*127\.0\.0\.1/);
		const info = (await result(node, 'zgs_getFileInfoByTxSeq', 2)) as { readonly finalized: boolean };
		assert.equal(info.finalized, false);
		assert.equal(await node.end('SIGTERM'), 0);
		// Without its chain it starts all the same.
		const again = await startJsonNode(t, dataDir, [], settings(other));
		assert.equal(((await result(again, 'zgs_getStatus')) as { readonly nextTxSeq: number }).nextTxSeq, 3);
		assert.equal(await again.end('SIGTERM'), 0);
	});

	it('refuses a directory of another flow, and settings that do not go together', async (t: TestContext) => {
		const dataDir = temporaryDirectory(t);
		const node = await startJsonNode(t, dataDir, [], settings(chain));
		await assertSame(node, chain);
		await node.end('SIGTERM');
		const start = ['start', '--data-dir', dataDir, '--http', '127.0.0.1:0'];
		const elsewhere = { ...settings(chain), PERIGEE_CHAIN_FLOW_ADDRESS: `0x${'11'.repeat(20)}` };
		for (const [env, why] of [
			[elsewhere, /follows the flow 0x[0-9a-f]{40}, the configuration names 0x1111/],
			[{ PERIGEE_CHAIN_ENDPOINTS: chain.url }, /chain\.endpoints and chain\.flowAddress go together/],
			[{ ...settings(chain), PERIGEE_CHAIN_FLOW_ADDRESS: '0x12' }, /"0x12" is no address/],
			[{ ...settings(chain), PERIGEE_CHAIN_ENDPOINTS: 'localhost' }, /localhost is not the address of an endpoint/],
			[{}, /flow 1, which has no settlement here/],
		] as const) {
			const ran = await runCli(start, { env });
			assert.notEqual(ran.code, 0);
			assert.match(ran.stderr, why);
		}
	});
});
