/** Rows about one large file: durable upload, download, random ranges. */
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ServerJob, ServerPair } from '../servers/pair.js';
import { withServers } from '../servers/pair.js';
import type { ServerProcess } from '../servers/processes.js';
import { atLeast, type BenchContext, median, type Row } from '../row.js';
import { compareServers } from './compare.js';

const MIB = 2 ** 20;
const RANGE_CONNECTIONS = 8;
const RANGE_BYTES = MIB;
const CHECKED_RANGES = 50;
const GOAL = 0.8;
/** Of the file that downloads read. */
const FILE_SEED = 77;

const mebibytesPerSecond = ({ bytes, seconds }: { bytes: number; seconds: number }): number => bytes / MIB / seconds;

const putLarge: Row = {
	id: 'put-large',
	title: 'durable PUT of a large file',
	measure: (context) =>
		withServers(context, async (pair) => {
			const sizeBytes = context.sizes.largeFileBytes;
			let uploads = 0;
			const job = (): ServerJob => {
				uploads += 1;
				return { kind: 'upload', name: `large-${uploads}`, sizeBytes, seed: uploads };
			};
			const compared = await compareServers(context, pair, job, mebibytesPerSecond, { settle: true });
			await checkUpload(pair, sizeBytes, uploads + 1);
			return {
				unit: 'MiB/s',
				...compared,
				goal: atLeast(GOAL, compared.ratio, 'x'),
				details: { ...compared.details, 'dd conv=fsync, MiB/s': await ddRate(context, sizeBytes) },
			};
		}),
};

const getLarge: Row = {
	id: 'get-large',
	title: 'GET of a large file',
	measure: (context) =>
		withServers(context, async (pair) => {
			const sizeBytes = context.sizes.largeFileBytes;
			const paths = await storeFile(pair, sizeBytes);
			const job = ({ name }: ServerProcess): ServerJob => ({ kind: 'download', path: paths[name], sizeBytes });
			for (const server of [pair.perigee, pair.bare]) {
				await pair.run(server, { kind: 'download', path: paths[server.name], sizeBytes, checkSeed: FILE_SEED });
			}
			const compared = await compareServers(context, pair, job, mebibytesPerSecond);
			return { unit: 'MiB/s', ...compared, goal: atLeast(GOAL, compared.ratio, 'x') };
		}),
};

const getRanges: Row = {
	id: 'get-ranges',
	title: 'random 1-MiB ranges, 8 connections',
	measure: (context) =>
		withServers(context, async (pair) => {
			const fileBytes = context.sizes.largeFileBytes;
			const paths = await storeFile(pair, fileBytes);
			const job = ({ name }: ServerProcess, round: number) => ({
				kind: 'gets' as const,
				connections: RANGE_CONNECTIONS,
				count: context.sizes.rangeCount,
				paths: [paths[name]],
				range: { fileBytes, bytes: RANGE_BYTES },
				seed: round + 2,
			});
			const digests = new Set<string | undefined>();
			for (const server of [pair.perigee, pair.bare]) {
				const checked = await pair.run(server, { ...job(server, 0), count: CHECKED_RANGES, digest: true });
				digests.add(checked.digest);
			}
			if (digests.size !== 1) throw new Error('the ranges differ');
			const compared = await compareServers(context, pair, job, mebibytesPerSecond);
			return { unit: 'MiB/s', ...compared, goal: atLeast(GOAL, compared.ratio, 'x') };
		}),
};

export const largeFileRows: readonly Row[] = [putLarge, getLarge, getRanges];

/** Uploads one more file and reads it back, every byte. */
async function checkUpload(pair: ServerPair, sizeBytes: number, seed: number): Promise<void> {
	for (const server of [pair.perigee, pair.bare]) {
		const { locations } = await pair.run(server, { kind: 'upload', name: `check-${seed}`, sizeBytes, seed });
		await pair.run(server, { kind: 'download', path: locations[0] ?? '', sizeBytes, checkSeed: seed });
	}
}

/** The same file in both servers; where each serves it. */
async function storeFile(pair: ServerPair, sizeBytes: number): Promise<Record<ServerProcess['name'], string>> {
	const store = async (server: ServerProcess): Promise<string> => {
		const { locations } = await pair.run(server, { kind: 'upload', name: 'stored', sizeBytes, seed: FILE_SEED });
		return locations[0] ?? '';
	};
	const paths = { perigee: await store(pair.perigee), bare: await store(pair.bare) };
	await pair.settle();
	return paths;
}

/** What the disk takes when nothing but one process writes zeros. NaN where there is no dd that can sync. */
async function ddRate({ workDir, rounds }: BenchContext, sizeBytes: number): Promise<number> {
	const path = join(workDir, 'dd.bin');
	const rates: number[] = [];
	for (let round = 0; round < rounds; round++) {
		const args = ['if=/dev/zero', `of=${path}`, `bs=${MIB}`, `count=${sizeBytes / MIB}`, 'conv=fsync'];
		const startMs = performance.now();
		const done = await promisify(execFile)('dd', args).then(
			() => true,
			() => false,
		);
		if (done) rates.push(mebibytesPerSecond({ bytes: sizeBytes, seconds: (performance.now() - startMs) / 1000 }));
		await rm(path, { force: true });
	}
	return median(rates);
}
