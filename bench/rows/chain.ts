/** The row about a chain: how fast a node takes the submissions that a chain has, all of them made before it starts. */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startChain, type TestChain } from '../../test/support/chain.js';
import { atLeast, type BenchContext, median, type Row, type RowResult } from '../row.js';
import { submissionsOf } from '../servers/flow.js';
import { cpuSecondsOf } from '../servers/process-stats.js';
import { startPerigee } from '../servers/processes.js';

const GOAL = 3000;
/** Of one transaction of the contract. */
const BATCH = 300;
/** Blocks that a node leaves alone, and more. */
const BEHIND = 64;
const LOOK_MS = 20;

interface CatchUp {
	readonly perSecond: number;
	/** For each second of processor time that the node took. */
	readonly perCore: number;
}

export const chainRow: Row = {
	id: 'chain-catch-up',
	title: 'submissions that a node takes from a chain on this machine',
	async measure(context) {
		const count = context.sizes.chainSubmissions;
		const chain = await startChain();
		try {
			context.progress(`${count} submissions are made`);
			await chain.fill(count, BATCH);
			await chain.mine(BEHIND);
			const runs: CatchUp[] = [];
			for (let round = -1; round < context.rounds; round++) {
				context.progress(`round ${round + 1} of ${context.rounds}`);
				const run = await catchUp(context, chain, count);
				if (round >= 0) runs.push(run);
			}
			return resultOf(runs);
		} finally {
			await chain.stop();
		}
	},
};

function resultOf(runs: readonly CatchUp[]): RowResult {
	const ours = median(runs.map(({ perSecond }) => perSecond));
	return {
		unit: 'submissions/s',
		ours,
		goal: atLeast(GOAL, ours, 'submissions/s'),
		rounds: [],
		details: { 'for each second of processor time of the node': median(runs.map(({ perCore }) => perCore)) },
	};
}

/** From the moment at which the node listens. */
async function catchUp(context: BenchContext, chain: TestChain, count: number): Promise<CatchUp> {
	const directory = await mkdtemp(join(context.workDir, 'row-'));
	const env = { PERIGEE_CHAIN_ENDPOINTS: chain.url, PERIGEE_CHAIN_FLOW_ADDRESS: chain.flowAddress };
	const node = await startPerigee({ dataDir: join(directory, 'perigee'), env });
	try {
		const startMs = performance.now();
		const startCpu = cpuSecondsOf(node.pid);
		while ((await submissionsOf(node.port)) < count) await delay(LOOK_MS);
		const seconds = (performance.now() - startMs) / 1000;
		return { perSecond: count / seconds, perCore: count / (cpuSecondsOf(node.pid) - startCpu) };
	} finally {
		await node.stop();
		await rm(directory, { recursive: true, force: true });
	}
}
