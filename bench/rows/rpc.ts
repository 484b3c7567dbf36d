/** Uploads of 0G clients: segments with proofs over JSON-RPC, of files whose submission the node knows, against a server that only reads the bodies. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startChain, type TestChain } from '../../test/support/chain.js';
import { segmentsOf } from '../../test/support/segments.js';
import { ask } from '../load/rpc-question.js';
import { atLeast, atMost, type BenchContext, interleave, median, type Row, type RowResult, summarize } from '../row.js';
import { submissionsOf } from '../servers/flow.js';
import { cpuSecondsOf } from '../servers/process-stats.js';
import { startBare, startLoadClient, startPerigee, type LoadClient, type ServerProcess } from '../servers/processes.js';

const MB = 1e6;
const FILE_BYTES = 10 * 2 ** 20;
const IN_CALL = 10;
const CONNECTIONS = 64;
const GOAL_MB = 250;
const GOAL_MS = 20;
const STORED = '{"jsonrpc":"2.0","result":null,"id":1}';
const LOOK_MS = 20;

interface Run {
	readonly rate: number;
	readonly infoMs: number;
	readonly cpuSeconds: number;
}

interface Bodies {
	readonly directory: string;
	readonly count: number;
	readonly question: string;
}

/** Contents of this seed, paid for on the chain, and the bodies that send them. */
async function prepare(context: BenchContext, chain: TestChain, directory: string, seed: number): Promise<Bodies> {
	await mkdir(directory);
	let count = 0;
	let question = '';
	const contents: Buffer[] = [];
	for (let file = 0; file < context.sizes.rpcFiles; file++) {
		context.progress(`file ${file + 1} of ${context.sizes.rpcFiles} is made`);
		const content = Buffer.alloc(FILE_BYTES);
		for (let at = 0; at < FILE_BYTES; at += 4096) content.writeUInt32LE(seed * 100_003 + file, at);
		for (let at = 4; at < FILE_BYTES; at += 4096) content.writeUInt32LE(at, at);
		contents.push(content);
		const { root, segments } = segmentsOf(content);
		question = `{"jsonrpc":"2.0","id":1,"method":"zgs_getFileInfo","params":["${root}",true]}`;
		for (let at = 0; at < segments.length; at += IN_CALL) {
			const params = JSON.stringify([segments.slice(at, at + IN_CALL)]);
			const body = `{"jsonrpc":"2.0","id":1,"method":"zgs_uploadSegments","params":${params}}`;
			await writeFile(join(directory, String(count++)), body);
		}
	}
	await chain.submit(contents);
	return { directory, count, question };
}

/** Sends bodies to a server; the rate counts the bytes of the files. */
async function send(client: LoadClient, server: ServerProcess, bodies: Bodies, payload: number): Promise<Run> {
	const before = cpuSecondsOf(server.pid);
	const { directory, count } = bodies;
	const job = {
		kind: 'rpc-posts',
		directory,
		count,
		connections: CONNECTIONS,
		answer: STORED,
		port: server.port,
	} as const;
	const asking = ask(server.port, bodies.question);
	const { seconds } = await client.run(job).finally(() => asking.stop());
	return { rate: payload / MB / seconds, infoMs: await asking.p99Ms, cpuSeconds: cpuSecondsOf(server.pid) - before };
}

async function measure(
	context: BenchContext,
): Promise<{ readonly runs: readonly Run[]; readonly result: Omit<RowResult, 'goal'> }> {
	const directory = await mkdtemp(join(context.workDir, 'row-'));
	const chain = await startChain();
	const client = await startLoadClient();
	const bare = await startBare({ dataDir: join(directory, 'bare') });
	const env = {
		PERIGEE_CHAIN_ENDPOINTS: chain.url,
		PERIGEE_CHAIN_FLOW_ADDRESS: chain.flowAddress,
		PERIGEE_CHAIN_CONFIRMATIONS: '0',
	};
	const node = await startPerigee({ dataDir: join(directory, 'perigee'), env });
	const payload = context.sizes.rpcFiles * FILE_BYTES;
	const runs: Run[] = [];
	let bodies: Bodies | undefined;
	try {
		const rounds = await interleave(
			context.rounds,
			async (round) => {
				if (bodies) await rm(bodies.directory, { recursive: true });
				bodies = await prepare(context, chain, join(directory, `bodies-${round + 1}`), round + 2);
				while ((await submissionsOf(node.port)) < (round + 2) * context.sizes.rpcFiles) await delay(LOOK_MS);
				context.progress(`round ${round + 1} of ${context.rounds}`);
				const run = await send(client, node, bodies, payload);
				if (round >= 0) runs.push(run);
				return run.rate;
			},
			async () => (bodies ? (await send(client, bare, bodies, payload)).rate : 0),
		);
		const { ours, reference, ratio } = summarize(rounds);
		const details = {
			'zgs_getFileInfo meanwhile, p99, ms': median(runs.map(({ infoMs }) => infoMs)),
			'processor time of the node for each MB, ms': median(
				runs.map(({ cpuSeconds }) => (cpuSeconds * 1000 * MB) / payload),
			),
		};
		return {
			runs,
			result: {
				unit: 'MB/s',
				ours,
				reference,
				referenceName: 'node:http that drops the bodies',
				ratio,
				rounds,
				details,
			},
		};
	} finally {
		await node.stop();
		await bare.stop();
		await client.stop();
		await chain.stop();
		await rm(directory, { recursive: true, force: true });
	}
}

export const rpcRows: readonly Row[] = [
	{
		id: 'rpc-upload',
		title: 'segments with proofs over JSON-RPC, 10 in a call, 64 connections',
		async measure(context) {
			const { result } = await measure(context);
			return { ...result, goal: atLeast(GOAL_MB, result.ours, 'MB/s') };
		},
	},
	{
		id: 'rpc-info',
		title: 'zgs_getFileInfo during such uploads, p99',
		async measure(context) {
			const { runs } = await measure(context);
			const ours = median(runs.map(({ infoMs }) => infoMs));
			return { unit: 'ms', ours, goal: atMost(GOAL_MS, ours, 'ms'), rounds: [] };
		},
	},
];
