/** Rows about gRPC: a node against a server of the same library that stores nothing, with REST on the same node beside them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { JobResult, ServerJob } from '../load/jobs.js';
import { atLeast, type BenchContext, interleave, median, type Row, type RowResult, summarize } from '../row.js';
import { dropCaches, settleDisk } from '../servers/pair.js';
import { type LoadClient, startBareGrpc, startLoadClient, startPerigee } from '../servers/processes.js';

const MEGABYTE = 1e6;
const GOAL = 350;
const STORED_SEED = 9_000_000;
const FIRST_SEED = 2;

const rateOf = ({ bytes, seconds }: JobResult): number => bytes / MEGABYTE / seconds;

interface Site {
	readonly client: LoadClient;
	/** Ports. */
	readonly http: number;
	readonly grpc: number;
	readonly bare: number;
	readonly dataDir: string;
}

async function withSite<T>(context: BenchContext, work: (site: Site) => Promise<T>): Promise<T> {
	const directory = await mkdtemp(join(context.workDir, 'row-'));
	const stops: (() => Promise<void>)[] = [];
	try {
		const client = await startLoadClient();
		stops.push(() => client.stop());
		const bare = await startBareGrpc(context.sizes.largeFileBytes);
		stops.push(() => bare.stop());
		const dataDir = join(directory, 'perigee');
		const perigee = await startPerigee({ dataDir });
		stops.push(() => perigee.stop());
		return await work({ client, http: perigee.port, grpc: perigee.grpcPort ?? 0, bare: bare.port, dataDir });
	} finally {
		for (const stop of stops.toReversed()) await stop();
		await rm(directory, { recursive: true, force: true });
		await settleDisk(context);
	}
}

/** Ours, REST, the bare server, in each round; `jobOf` makes their jobs. */
async function compared(
	context: BenchContext,
	{ client, http, grpc, bare }: Site,
	settle: () => Promise<void>,
	jobOf: (round: number, over: 'grpc' | 'rest') => ServerJob,
): Promise<RowResult> {
	const rest: number[] = [];
	const run = async (port: number, round: number, over: 'grpc' | 'rest', name: string): Promise<number> => {
		context.progress(`${name}, round ${round + 1} of ${context.rounds}`);
		await settle();
		return rateOf(await client.run({ ...jobOf(round, over), port }));
	};
	const rounds = await interleave(
		context.rounds,
		async (round) => {
			const rate = await run(http, round, 'rest', 'perigee over REST');
			if (round >= 0) rest.push(rate);
			return run(grpc, round, 'grpc', 'perigee');
		},
		(round) => run(bare, round, 'grpc', 'bare'),
	);
	const { ours, reference, ratio } = summarize(rounds);
	return {
		unit: 'MB/s',
		ours,
		reference,
		referenceName: 'grpc-js that stores nothing',
		ratio,
		goal: atLeast(GOAL, ours, 'MB/s'),
		rounds,
		details: { 'the same over REST, MB/s': median(rest) },
	};
}

const upload: Row = {
	id: 'grpc-upload',
	title: 'durable upload of a large file over gRPC',
	measure: (context) =>
		withSite(context, async (site) => {
			const sizeBytes = context.sizes.largeFileBytes;
			const stored = await site.client.run({
				kind: 'grpc-upload',
				name: 'check',
				sizeBytes,
				seed: STORED_SEED,
				port: site.grpc,
			});
			const root = stored.locations[0] ?? '';
			await site.client.run({
				kind: 'download',
				path: `/v1/files/${root}`,
				sizeBytes,
				checkSeed: STORED_SEED,
				port: site.http,
			});
			const settle = async (): Promise<void> => {
				await settleDisk(context);
				await dropCaches(site.dataDir);
			};
			return compared(context, site, settle, (round, over) => {
				const seed = 2 * (round + FIRST_SEED) + (over === 'rest' ? 1 : 0);
				return { kind: over === 'rest' ? 'upload' : 'grpc-upload', name: `large-${seed}`, sizeBytes, seed };
			});
		}),
};

const download: Row = {
	id: 'grpc-download',
	title: 'download of a large file over gRPC',
	measure: (context) =>
		withSite(context, async (site) => {
			const sizeBytes = context.sizes.largeFileBytes;
			const job = { kind: 'grpc-upload', name: 'stored', sizeBytes, seed: STORED_SEED } as const;
			const root = (await site.client.run({ ...job, port: site.grpc })).locations[0] ?? '';
			await site.client.run({ kind: 'grpc-download', root, sizeBytes, checkSeed: STORED_SEED, port: site.grpc });
			return compared(
				context,
				site,
				() => settleDisk(context),
				(_round, over) =>
					over === 'rest'
						? { kind: 'download', path: `/v1/files/${root}`, sizeBytes }
						: { kind: 'grpc-download', root, sizeBytes },
			);
		}),
};

export const grpcRows: readonly Row[] = [upload, download];
