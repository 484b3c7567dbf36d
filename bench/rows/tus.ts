/** Resumable uploads against plain ones, on the same node. */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { JobResult, ServerJob } from '../load/jobs.js';
import { atLeast, type BenchContext, interleave, median, type Row, type RowResult, summarize } from '../row.js';
import { dropCaches, settleDisk } from '../servers/pair.js';
import { startLoadClient, startPerigee } from '../servers/processes.js';

const MIB = 2 ** 20;
const PATCH_BYTES = 64 * MIB;
const GOAL = 0.9;
const STORED_SEED = 9_000_000;
const FIRST_SEED = 2;

const rateOf = ({ bytes, seconds }: JobResult): number => bytes / MIB / seconds;

async function measure(context: BenchContext): Promise<RowResult> {
	const directory = await mkdtemp(join(context.workDir, 'row-'));
	const dataDir = join(directory, 'perigee');
	const client = await startLoadClient();
	const node = await startPerigee({ dataDir });
	const sizeBytes = context.sizes.largeFileBytes;
	const parts = Math.min(PATCH_BYTES, sizeBytes / 4);
	const inParts: number[] = [];
	const run = async (name: string, round: number, job: ServerJob): Promise<number> => {
		context.progress(`${name}, round ${round + 1} of ${context.rounds}`);
		await settleDisk(context);
		await dropCaches(dataDir);
		return rateOf(await client.run({ ...job, port: node.port }));
	};
	try {
		const check = { kind: 'tus-upload', sizeBytes, patchBytes: parts, seed: STORED_SEED } as const;
		const path = `/v1/files/${(await client.run({ ...check, port: node.port })).locations[0]}`;
		await client.run({ kind: 'download', path, sizeBytes, checkSeed: STORED_SEED, port: node.port });
		const rounds = await interleave(
			context.rounds,
			(round) => {
				const seed = 3 * (round + FIRST_SEED);
				return run('tus', round, { kind: 'tus-upload', sizeBytes, patchBytes: sizeBytes, seed });
			},
			async (round) => {
				const seed = 3 * (round + FIRST_SEED) + 1;
				const job = { kind: 'tus-upload', sizeBytes, patchBytes: parts, seed: seed + 1 } as const;
				const rate = await run('tus in parts', round, job);
				if (round >= 0) inParts.push(rate);
				return run('PUT', round, { kind: 'upload', name: `large-${seed}`, sizeBytes, seed });
			},
		);
		const { ours, reference, ratio } = summarize(rounds);
		const goal = atLeast(GOAL, ratio, 'x');
		const details = { [`in PATCHes of ${parts / MIB} MiB, each durable before the next, MiB/s`]: median(inParts) };
		return { unit: 'MiB/s', ours, reference, referenceName: 'PUT on the same node', ratio, goal, rounds, details };
	} finally {
		await node.stop();
		await client.stop();
		await rm(directory, { recursive: true, force: true });
		await settleDisk(context);
	}
}

export const tusRows: readonly Row[] = [
	{ id: 'put-resumable', title: 'durable upload of a large file by tus', measure },
];
