/** Uploads of 0G clients: segments with proofs over JSON-RPC and zgs_grpc, of files whose submission the node knows, against servers that only read what comes. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { loadServices } from '../../src/api/grpc/proto.js';
import { startChain, type TestChain } from '../../test/support/chain.js';
import { segmentsOf, type JsonSegment } from '../../test/support/segments.js';
import { bytesOfHex } from '../../src/units.js';
import { ask } from '../load/rpc-question.js';
import { atLeast, atMost, type BenchContext, interleave, median, type Row, type RowResult, summarize } from '../row.js';
import { submissionsOf } from '../servers/flow.js';
import { cpuSecondsOf } from '../servers/process-stats.js';
import {
	startBare,
	startBareGrpc,
	startLoadClient,
	startPerigee,
	type LoadClient,
	type ServerProcess,
} from '../servers/processes.js';

const MB = 1e6;
const FILE_BYTES = 10 * 2 ** 20;
const IN_CALL = 10;
const CONNECTIONS = 64;
const GOAL_MB = 250;
const GRPC_GOAL_MB = 350;
const GOAL_MS = 20;
const METHOD = '/zgs_grpc.ZgsGrpcService/UploadSegmentsByTxSeq';
const STORED = '{"jsonrpc":"2.0","result":null,"id":1}';
const LOOK_MS = 20;

interface Run {
	readonly rate: number;
	readonly infoMs: number;
	readonly cpuSeconds: number;
}

type Over = 'http' | 'grpc';

/** What sends some segments of the file with that sequence number. */
type Encode = (segments: readonly JsonSegment[], seq: number) => string | Uint8Array;

interface Bodies {
	readonly directory: string;
	readonly count: number;
	readonly question: string;
}

/** Contents of this seed, paid for on the chain, and the bodies that send them. */
async function prepare(
	context: BenchContext,
	chain: TestChain,
	directory: string,
	seed: number,
	encode: Encode,
): Promise<Bodies> {
	await mkdir(directory);
	const firstSeq = await chain.submissions();
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
			await writeFile(join(directory, String(count++)), encode(segments.slice(at, at + IN_CALL), firstSeq + file));
		}
	}
	await chain.submit(contents);
	return { directory, count, question };
}

async function encoderOver(over: Over): Promise<Encode> {
	if (over === 'http')
		return (segments) =>
			`{"jsonrpc":"2.0","id":1,"method":"zgs_uploadSegments","params":${JSON.stringify([segments])}}`;
	const method = (await loadServices()).zgs['UploadSegmentsByTxSeq'];
	if (!method) throw new Error('zgs_grpc takes no segments');
	return (segments, seq) => method.requestSerialize({ segments: segments.map(messageOf), txSeq: String(seq) });
}

function messageOf({ root, data, index, proof: { lemma, path }, fileSize }: JsonSegment): object {
	const proof = { lemma: lemma.map(bytesOfHex), path };
	const numbers = { index: String(index), fileSize: String(fileSize) };
	return { root: { value: bytesOfHex(root) }, data: Buffer.from(data, 'base64'), proof, ...numbers };
}

/** Sends bodies to a server; the rate counts the bytes of the files. */
async function send(
	client: LoadClient,
	server: ServerProcess,
	{ over, bodies, payload }: { readonly over: Over; readonly bodies: Bodies; readonly payload: number },
): Promise<Run> {
	const before = cpuSecondsOf(server.pid);
	const { directory, count } = bodies;
	const common = { directory, count, connections: CONNECTIONS };
	const http = { kind: 'rpc-posts', ...common, answer: STORED, port: server.port } as const;
	const grpc = { kind: 'grpc-posts', ...common, method: METHOD, port: server.grpcPort ?? server.port } as const;
	// A bare server of gRPC answers no questions.
	const asking = over === 'http' || server.grpcPort !== undefined ? ask(server.port, bodies.question) : undefined;
	const { seconds } = await client.run(over === 'http' ? http : grpc).finally(() => asking?.stop());
	const infoMs = (await asking?.p99Ms) ?? 0;
	return { rate: payload / MB / seconds, infoMs, cpuSeconds: cpuSecondsOf(server.pid) - before };
}

async function measure(
	context: BenchContext,
	over: Over,
): Promise<{ readonly runs: readonly Run[]; readonly result: Omit<RowResult, 'goal'> }> {
	const directory = await mkdtemp(join(context.workDir, 'row-'));
	const chain = await startChain();
	const client = await startLoadClient();
	const bare = over === 'http' ? await startBare({ dataDir: join(directory, 'bare') }) : await startBareGrpc(0);
	const encode = await encoderOver(over);
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
				bodies = await prepare(context, chain, join(directory, `bodies-${round + 1}`), round + 2, encode);
				while ((await submissionsOf(node.port)) < (round + 2) * context.sizes.rpcFiles) await delay(LOOK_MS);
				context.progress(`round ${round + 1} of ${context.rounds}`);
				const run = await send(client, node, { over, bodies, payload });
				if (round >= 0) runs.push(run);
				return run.rate;
			},
			async () => (bodies ? (await send(client, bare, { over, bodies, payload })).rate : 0),
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
				referenceName: over === 'http' ? 'node:http that drops the bodies' : 'grpc-js that drops the messages',
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
			const { result } = await measure(context, 'http');
			return { ...result, goal: atLeast(GOAL_MB, result.ours, 'MB/s') };
		},
	},
	{
		id: 'zgs-grpc-upload',
		title: 'the same over zgs_grpc',
		async measure(context) {
			const { result } = await measure(context, 'grpc');
			return { ...result, goal: atLeast(GRPC_GOAL_MB, result.ours, 'MB/s') };
		},
	},
	{
		id: 'rpc-info',
		title: 'zgs_getFileInfo during such uploads, p99',
		async measure(context) {
			const { runs } = await measure(context, 'http');
			const ours = median(runs.map(({ infoMs }) => infoMs));
			return { unit: 'ms', ours, goal: atMost(GOAL_MS, ours, 'ms'), rounds: [] };
		},
	},
];
