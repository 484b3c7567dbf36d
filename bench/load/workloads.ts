/** What the rows about serving files do to a server: the same to a node and to the bare reference. */
import type { BenchSizes } from '../options.js';
import type { JobResult, ServerJob } from './jobs.js';

export type RunJob = (job: ServerJob) => Promise<JobResult>;

export interface Workload {
	/** Also the id of its row. */
	readonly id: string;
	/** Reads what was stored before, which shall be in memory; else nothing that was stored matters. */
	readonly isServedFromCache: boolean;
	/** Brings a fresh server into the state that the jobs need; answers the job of a round (rounds count up from -1). */
	prepare(run: RunJob): Promise<(round: number) => ServerJob>;
	/** Sees that a prepared server stores and answers right; servers that hold the same answer the same text. */
	check(run: RunJob, jobOf: (round: number) => ServerJob): Promise<string>;
}

const SMALL_FILE_BYTES = 4096;
const RANGE_BYTES = 2 ** 20;
const RANGE_CONNECTIONS = 8;
const GET_CONNECTIONS = 16;
const CHECKED_REQUESTS = 100;
/** Of the file that downloads read; no round has it. */
const STORED_SEED = 9_000_000;
/** Rounds begin at -1. */
const FIRST_SEED = 2;

export function putLarge({ largeFileBytes: sizeBytes }: BenchSizes): Workload {
	const jobOf = (round: number): ServerJob => {
		const seed = round + FIRST_SEED;
		return { kind: 'upload', name: `large-${seed}`, sizeBytes, seed };
	};
	return {
		id: 'put-large',
		isServedFromCache: false,
		prepare: () => Promise.resolve(jobOf),
		async check(run) {
			const path = await storeFile(run, sizeBytes);
			await run({ kind: 'download', path, sizeBytes, checkSeed: STORED_SEED });
			return 'every byte compared';
		},
	};
}

export function getLarge({ largeFileBytes: sizeBytes }: BenchSizes): Workload {
	return {
		id: 'get-large',
		isServedFromCache: true,
		async prepare(run) {
			const path = await storeFile(run, sizeBytes);
			return () => ({ kind: 'download', path, sizeBytes });
		},
		async check(run, jobOf) {
			await run({ ...jobOf(0), checkSeed: STORED_SEED } as ServerJob);
			return 'every byte compared';
		},
	};
}

export function getRanges({ largeFileBytes: fileBytes, rangeCount: count }: BenchSizes): Workload {
	return {
		id: 'get-ranges',
		isServedFromCache: true,
		async prepare(run) {
			const paths = [await storeFile(run, fileBytes)];
			const range = { fileBytes, bytes: RANGE_BYTES };
			const connections = RANGE_CONNECTIONS;
			return (round) => ({ kind: 'gets', connections, count, paths, range, seed: round + FIRST_SEED });
		},
		check: digestOf,
	};
}

export function getSmall({ smallFiles, smallGets: count }: BenchSizes): Workload {
	return {
		id: 'get-small',
		isServedFromCache: true,
		async prepare(run) {
			const paths = await storeSmallFiles(run, smallFiles);
			const connections = GET_CONNECTIONS;
			return (round) => ({ kind: 'gets', connections, count, paths, seed: round + FIRST_SEED });
		},
		check: digestOf,
	};
}

export function putSmall({ smallPuts }: BenchSizes, connections: number): Workload {
	const count = smallPuts * connections;
	return {
		id: `put-small-${connections}`,
		isServedFromCache: false,
		prepare: () =>
			Promise.resolve((round) => ({
				kind: 'small-puts',
				connections,
				count,
				sizeBytes: SMALL_FILE_BYTES,
				seed: round + FIRST_SEED,
			})),
		async check(run) {
			const paths = await storeSmallFiles(run, CHECKED_REQUESTS);
			const connections = GET_CONNECTIONS;
			return await digestOf(run, () => ({ kind: 'gets', connections, count: CHECKED_REQUESTS, paths, seed: 1 }));
		},
	};
}

/** All of them, for profiles. */
export function allWorkloads(sizes: BenchSizes): readonly Workload[] {
	return [
		putLarge(sizes),
		getLarge(sizes),
		getRanges(sizes),
		getSmall(sizes),
		putSmall(sizes, 16),
		putSmall(sizes, 64),
	];
}

async function digestOf(run: RunJob, jobOf: (round: number) => ServerJob): Promise<string> {
	const checked = await run({ ...jobOf(0), count: CHECKED_REQUESTS, digest: true } as ServerJob);
	if (checked.digest === undefined) throw new Error('a check without a digest');
	return checked.digest;
}

async function storeFile(run: RunJob, sizeBytes: number): Promise<string> {
	const { locations } = await run({ kind: 'upload', name: 'stored', sizeBytes, seed: STORED_SEED });
	return locations[0] ?? '';
}

async function storeSmallFiles(run: RunJob, count: number): Promise<readonly string[]> {
	const connections = GET_CONNECTIONS;
	const sizeBytes = SMALL_FILE_BYTES;
	const { locations } = await run({ kind: 'small-puts', connections, count, sizeBytes, seed: STORED_SEED });
	return locations;
}
