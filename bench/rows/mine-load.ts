/** The row about uploads on a node that mines with all it has: small durable ones, whose waiting everybody feels. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SEGMENT_BYTES } from '../../src/units.js';
import { atMost, type BenchContext, interleave, median, type Row, summarize } from '../row.js';
import { type LoadClient, type ServerProcess, startLoadClient, startPerigee } from '../servers/processes.js';

const GOAL = 2;
const CONNECTIONS = 16;
const SMALL_BYTES = 4096;
const LOOK_MS = 50;
/** Nobody finds an answer, and there is always an epoch to mine: the threads never rest. */
const ENDLESS = {
	PERIGEE_MINING_MODE: 'on',
	PERIGEE_MINING_POLL_MS: '100',
	PERIGEE_EMBEDDED_MINE_DIFFICULTY: String(Number.MAX_SAFE_INTEGER),
	PERIGEE_EMBEDDED_BLOCK_INTERVAL_MS: '1000',
	PERIGEE_EMBEDDED_BLOCKS_PER_EPOCH: '4',
	PERIGEE_EMBEDDED_MINE_BLOCKS: '8',
} as const;

interface MiningBody {
	readonly state: string;
	readonly noncesPerSecond: number;
	readonly sealing: { readonly segments: number; readonly backlog: number };
}

class Miner {
	readonly #node: ServerProcess;
	readonly #client: LoadClient;
	readonly #admin: string;
	#seed = 1;

	constructor(node: ServerProcess, client: LoadClient, dataDir: string) {
		const file = JSON.parse(readFileSync(join(dataDir, 'node.json'), 'utf8')) as { listeners: { admin: string } };
		this.#node = node;
		this.#client = client;
		this.#admin = file.listeners.admin;
	}

	async status(): Promise<MiningBody> {
		return (await (await fetch(`http://127.0.0.1:${this.#node.port}/v1/mining`)).json()) as MiningBody;
	}

	/** Resolves when it mines, or has stopped, and all that may be sealed is. */
	async set(action: 'start' | 'stop'): Promise<void> {
		await fetch(`${this.#admin}/v1/admin/mining/${action}`, { method: 'POST' });
		for (;;) {
			const { state, sealing } = await this.status();
			if (state === (action === 'start' ? 'mining' : 'stopped') && sealing.backlog === 0) return;
			await delay(LOOK_MS);
		}
	}

	async store(sizeBytes: number): Promise<void> {
		await this.#client.run({ kind: 'upload', port: this.#node.port, name: 'mined', sizeBytes, seed: this.#seed++ });
		const wanted = sizeBytes / SEGMENT_BYTES;
		while ((await this.status()).sealing.segments < wanted) await delay(LOOK_MS);
	}

	/** Milliseconds, p99 of small uploads. */
	async uploads(count: number): Promise<number> {
		const job = { kind: 'small-puts', connections: CONNECTIONS, count, sizeBytes: SMALL_BYTES } as const;
		const { latencyMs } = await this.#client.run({ ...job, port: this.#node.port, seed: this.#seed++ });
		return latencyMs.p99;
	}
}

async function measured(context: BenchContext, miner: Miner) {
	const { smallPuts, mineLoadBytes } = context.sizes;
	context.progress('a file is stored and sealed');
	await miner.store(mineLoadBytes);
	const rates: number[] = [];
	const side = (action: 'start' | 'stop') => async (round: number) => {
		context.progress(`mining: ${action}, round ${round + 1} of ${context.rounds}`);
		await miner.set(action);
		const p99 = await miner.uploads(smallPuts * CONNECTIONS);
		if (round >= 0 && action === 'start') rates.push((await miner.status()).noncesPerSecond);
		return p99;
	};
	const rounds = await interleave(context.rounds, side('start'), side('stop'));
	return { rounds, noncesPerSecond: median(rates) };
}

export const mineLoadRow: Row = {
	id: 'mine-load',
	title: 'durable 4-KiB PUTs, 16 connections, while the node mines with all it has, p99',
	async measure(context) {
		const directory = await mkdtemp(join(context.workDir, 'row-'));
		const dataDir = join(directory, 'perigee');
		const client = await startLoadClient();
		const node = await startPerigee({ dataDir, env: ENDLESS });
		try {
			const { rounds, noncesPerSecond } = await measured(context, new Miner(node, client, dataDir));
			const summary = summarize(rounds);
			return {
				unit: 'ms',
				...summary,
				referenceName: 'the same node, mining stopped',
				goal: atMost(GOAL, summary.ratio, 'x'),
				rounds,
				details: { 'nonces in a second, over the last ten': noncesPerSecond },
			};
		} finally {
			await node.stop();
			await client.stop();
			await rm(directory, { recursive: true, force: true });
		}
	},
};
