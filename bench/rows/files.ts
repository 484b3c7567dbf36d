/** Rows about storing and serving files over HTTP. */
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { getLarge, getRanges, getSmall, putLarge, putSmall, type Workload } from '../load/workloads.js';
import type { BenchSizes } from '../options.js';
import { atLeast, type BenchContext, median, type Row } from '../row.js';
import { compareServers } from './compare.js';

const MIB = 2 ** 20;
const GOAL = 0.8;
/** Of 64 connections: here one sync serves many uploads. */
const GROUP_COMMIT_GOAL = 1.2;

const mebibytesPerSecond = ({ bytes, seconds }: { bytes: number; seconds: number }): number => bytes / MIB / seconds;
const requestsPerSecond = ({ requests, seconds }: { requests: number; seconds: number }): number => requests / seconds;

function streamRow(id: string, title: string, workloadOf: (sizes: BenchSizes) => Workload): Row {
	return {
		id,
		title,
		async measure(context) {
			const compared = await compareServers(context, workloadOf(context.sizes), mebibytesPerSecond);
			return { unit: 'MiB/s', ...compared, goal: atLeast(GOAL, compared.ratio, 'x') };
		},
	};
}

function requestRow(id: string, title: string, goal: number, workloadOf: (sizes: BenchSizes) => Workload): Row {
	return {
		id,
		title,
		async measure(context) {
			const compared = await compareServers(context, workloadOf(context.sizes), requestsPerSecond);
			return { unit: 'requests/s', ...compared, goal: atLeast(goal, compared.ratio, 'x') };
		},
	};
}

const putLargeRow = streamRow('put-large', 'durable PUT of a large file', putLarge);

export const fileRows: readonly Row[] = [
	{
		...putLargeRow,
		async measure(context) {
			const result = await putLargeRow.measure(context);
			return { ...result, details: { ...result.details, 'dd conv=fsync, MiB/s': await ddRate(context) } };
		},
	},
	streamRow('get-large', 'GET of a large file', getLarge),
	streamRow('get-ranges', 'random 1-MiB ranges, 8 connections', getRanges),
	requestRow('get-small', '4-KiB GETs of many files, 16 connections', GOAL, getSmall),
	requestRow('put-small-16', 'durable 4-KiB PUTs, 16 connections', GOAL, (sizes) => putSmall(sizes, 16)),
	requestRow('put-small-64', 'durable 4-KiB PUTs, 64 connections', GROUP_COMMIT_GOAL, (sizes) => putSmall(sizes, 64)),
];

/** What the disk takes when one process writes zeros and nothing else. NaN where there is no dd that can sync. */
async function ddRate({ workDir, rounds, sizes: { largeFileBytes: bytes } }: BenchContext): Promise<number> {
	const path = join(workDir, 'dd.bin');
	const args = ['if=/dev/zero', `of=${path}`, `bs=${MIB}`, `count=${bytes / MIB}`, 'conv=fsync'];
	const rates: number[] = [];
	for (let round = 0; round < rounds; round++) {
		const startMs = performance.now();
		const isDone = await promisify(execFile)('dd', args).then(
			() => true,
			() => false,
		);
		if (isDone) rates.push(mebibytesPerSecond({ bytes, seconds: (performance.now() - startMs) / 1000 }));
		await rm(path, { force: true });
	}
	return median(rates);
}
