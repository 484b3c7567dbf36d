/** A node that mines its own ledger, as a process: it stores, seals, mines and is paid, also after it was killed in the middle of that. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { hexOf } from '../../src/units.js';
import { fileRoot } from '../../src/native/addon.js';
import { runCli, startJsonNode, temporaryDirectory, type JsonNode } from '../support/processes.js';
import { ask, put } from '../support/rest-server.js';

/** Epochs of a second and a half, and answers within moments. */
const QUICK = {
	PERIGEE_EMBEDDED_BLOCK_INTERVAL_MS: '100',
	PERIGEE_EMBEDDED_BLOCKS_PER_EPOCH: '15',
	PERIGEE_EMBEDDED_MINE_BLOCKS: '14',
	PERIGEE_EMBEDDED_MINE_DIFFICULTY: '2000',
	PERIGEE_MINING_POLL_MS: '50',
} as const;
const KILLS = 3;

interface MiningBody {
	readonly state: string;
	readonly minerId?: string;
	readonly sealing: { readonly segments: number };
	readonly totals: { readonly accepted: number; readonly refused: number; readonly rewards: string };
	readonly rewardsWaiting?: string;
}

async function mining(node: JsonNode): Promise<MiningBody> {
	return (await ask(node, '/v1/mining')).json as unknown as MiningBody;
}

async function until(node: JsonNode, what: (body: MiningBody) => boolean): Promise<MiningBody> {
	for (let tries = 0; ; tries++) {
		const body = await mining(node);
		if (what(body)) return body;
		assert.ok(tries < 1500, `it never came: ${JSON.stringify(body)} ${node.logged()}`);
		await delay(20);
	}
}

describe('a node that mines its own ledger', () => {
	it('is paid while it serves uploads, keeps its miner and all files over kills, and goes on', async (t) => {
		const dataDir = temporaryDirectory(t);
		const flags = ['--mine', '--admin', '127.0.0.1:0', '--grpc', '127.0.0.1:0', '--log-level', 'error'];
		const files: Buffer[] = [];
		let minerId: string | undefined;
		let credited = 0n;
		for (let life = 0; life <= KILLS; life++) {
			const node = await startJsonNode(t, dataDir, flags, QUICK);
			for (const size of [300_000 + life, 1000 + life]) {
				const content = randomBytes(size);
				files.push(content);
				assert.equal(await put(node, content), hexOf(fileRoot(content).root));
			}
			const body = await until(
				node,
				({ totals, rewardsWaiting }) => totals.accepted >= 2 && BigInt(rewardsWaiting ?? 0) > credited,
			);
			assert.equal(body.totals.refused, 0);
			assert.ok(body.sealing.segments > 0);
			minerId ??= body.minerId;
			assert.equal(body.minerId, minerId);
			credited = BigInt(body.rewardsWaiting ?? 0);
			for (const content of files) {
				const answer = await ask(node, `/v1/files/${hexOf(fileRoot(content).root)}`);
				assert.ok(content.equals(answer.body));
			}
			if (life < KILLS) await node.end('SIGKILL');
			else assert.equal(await node.end('SIGTERM'), 0);
		}
		// Without mining the same directory is a node like any other.
		const plain = await startJsonNode(t, dataDir, flags.slice(1), QUICK);
		assert.equal((await mining(plain)).state, 'off');
		for (const content of files)
			assert.ok(content.equals((await ask(plain, `/v1/files/${hexOf(fileRoot(content).root)}`)).body));
		assert.equal(await plain.end('SIGTERM'), 0);
	});

	it('is stopped and started from the command line, and says how it stands', async (t) => {
		const flags = ['--mine', '--admin', '127.0.0.1:0', '--grpc', '127.0.0.1:0', '--log-level', 'error'];
		const node = await startJsonNode(t, temporaryDirectory(t), flags, QUICK);
		const mine = async (action: string): Promise<MiningBody> => {
			const ran = await runCli(['mine', action, '--json', '--admin', node.admin]);
			assert.deepEqual([ran.code, ran.stderr], [0, '']);
			return JSON.parse(ran.stdout.toString()) as MiningBody;
		};
		assert.equal((await mine('stop')).state, 'stopped');
		await put(node, randomBytes(300_000));
		assert.equal((await ask(node, '/health/deep')).json['ready'], true);
		assert.notEqual((await mine('start')).state, 'stopped');
		await until(node, ({ totals }) => totals.accepted > 0);
		const text = (await runCli(['mine', 'status', '--admin', node.admin])).stdout.toString();
		assert.match(text, /^state: /);
		assert.match(text, /\nanswers: [1-9]\d* accepted, 0 refused/);
		const { text: metrics } = await ask(node, '/metrics');
		assert.match(metrics, /\nperigee_mining_answers_total\{outcome="accepted"\} [1-9]/);
		assert.match(metrics, /\nperigee_mining_state\{state="off"\} 0\n/);
		assert.equal(await node.end('SIGTERM'), 0);
	});
});
