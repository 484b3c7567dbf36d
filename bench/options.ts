/** Flags of the benchmark, and the two sets of sizes. */
import { parseArgs } from 'node:util';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

export interface BenchSizes {
	readonly cachedHashBytes: number;
	readonly cachedHashPasses: number;
	readonly largeHashBytes: number;
	readonly sdkBytes: number;
	readonly largeFileBytes: number;
	readonly memoryFileBytes: number;
	readonly rangeCount: number;
	readonly smallFiles: number;
	readonly smallGets: number;
	/** For each connection. */
	readonly smallPuts: number;
	/** Of the large file of the rows about scale; a multiple of 16. */
	readonly scaleSegments: number;
	readonly scaleProofs: number;
	readonly scaleFiles: number;
	/** Uploaded to a node of its own over 64 connections. */
	readonly scaleLoggedFiles: number;
	/** Of the load that deletes half of what it uploads. */
	readonly churnSeconds: number;
	readonly churnBytesPerSecond: number;
	/** Made on a chain before a node takes them. */
	readonly chainSubmissions: number;
	/** Of 10 MiB, sent by segments over JSON-RPC. */
	readonly rpcFiles: number;
	/** Sealed flow segments of the file that is mined. */
	readonly mineSegments: number;
	/** Stored and mined while others upload: a multiple of 1 MiB. */
	readonly mineLoadBytes: number;
}

export const FULL_SIZES: BenchSizes = {
	cachedHashBytes: MIB / 2,
	cachedHashPasses: 100,
	largeHashBytes: GIB,
	sdkBytes: 64 * MIB,
	largeFileBytes: GIB,
	memoryFileBytes: 4 * GIB,
	rangeCount: 1000,
	smallFiles: 2000,
	smallGets: 30_000,
	smallPuts: 300,
	scaleSegments: 2 ** 22,
	scaleProofs: 1000,
	scaleFiles: 1_000_000,
	scaleLoggedFiles: 64 * 300,
	churnSeconds: 120,
	churnBytesPerSecond: 32 * MIB,
	chainSubmissions: 60_000,
	rpcFiles: 48,
	mineSegments: 2 ** 15,
	mineLoadBytes: 512 * MIB,
};

const QUICK: BenchSizes = {
	cachedHashBytes: MIB / 2,
	cachedHashPasses: 20,
	largeHashBytes: 64 * MIB,
	sdkBytes: MIB,
	largeFileBytes: 128 * MIB,
	memoryFileBytes: 256 * MIB,
	rangeCount: 100,
	smallFiles: 200,
	smallGets: 2000,
	smallPuts: 30,
	scaleSegments: 2 ** 16,
	scaleProofs: 100,
	scaleFiles: 20_000,
	scaleLoggedFiles: 64 * 30,
	churnSeconds: 30,
	churnBytesPerSecond: 16 * MIB,
	chainSubmissions: 6000,
	rpcFiles: 16,
	mineSegments: 2 ** 10,
	mineLoadBytes: 64 * MIB,
};

export interface BenchOptions {
	readonly isQuick: boolean;
	readonly sizes: BenchSizes;
	readonly rounds: number;
	/** Ids of rows, or their beginnings up to a dash; all when empty. */
	readonly only: readonly string[];
	readonly json: boolean;
	readonly list: boolean;
	/** Where the reports go. */
	readonly out: string | undefined;
	/** Where rows make their stores, if not in a directory that goes with the run. */
	readonly workDir: string | undefined;
}

export const USAGE = `usage: npm run bench -- [flags]
  --quick          small sizes and one round: a look, not a measurement
  --only <row>     this row alone, or all whose names begin with it and a dash; may be repeated
  --rounds <n>     rounds of each row (5; with --quick 1)
  --json           print JSON instead of the table
  --out <folder>   where bench.json and bench.md go (reports/; with --quick or --only reports/local/)
  --work-dir <folder>  make the stores of the rows about scale there and keep them: a later run finds them made
  --list           print the rows`;

/** Errors: whatever parseArgs says about flags that are not known. */
export function parseOptions(argv: readonly string[]): BenchOptions {
	const { values } = parseArgs({
		args: [...argv],
		options: {
			quick: { type: 'boolean', default: false },
			only: { type: 'string', multiple: true, default: [] },
			rounds: { type: 'string' },
			json: { type: 'boolean', default: false },
			list: { type: 'boolean', default: false },
			out: { type: 'string' },
			'work-dir': { type: 'string' },
		},
	});
	const rounds = Number(values.rounds ?? (values.quick ? 1 : 5));
	if (!Number.isInteger(rounds) || rounds < 1 || rounds > 1000) throw new Error('--rounds is a number from 1 to 1000');
	return {
		isQuick: values.quick,
		sizes: values.quick ? QUICK : FULL_SIZES,
		rounds,
		only: values.only,
		json: values.json,
		list: values.list,
		out: values.out,
		workDir: values['work-dir'],
	};
}
