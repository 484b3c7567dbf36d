/** Rows about the native kernels, each on one thread. */
import { randomBytes } from 'node:crypto';
import { benchKernel, fileRoot, simdAvailable } from '../../src/native/addon.js';
import { atLeast, interleave, type Row, type RowResult, summarize } from '../row.js';

type Kernel = Parameters<typeof benchKernel>[0];

const KECCAK_GOALS = { avx512: 7, avx2: 2.3 } as const;
const FILE_ROOT_GIGABYTES_PER_SECOND = 2.3;
const SDK_GOAL = 60;
/** A pass takes milliseconds, and a neighbour on the same core halves it: more rounds cost little. */
const KECCAK_ROUNDS_FACTOR = 5;

/** GB/s of passes over memory. */
function rate(kernel: Kernel, simd: string, bytes: number, passes: number): number {
	return (bytes * passes) / benchKernel(kernel, simd, bytes, passes) / 1e9;
}

function keccakRow(simd: keyof typeof KECCAK_GOALS, lanes: number): Row {
	return {
		id: `keccak-${lanes}`,
		title: `Keccak-256 of sectors in cache, ${lanes} lanes`,
		async measure({ sizes, rounds }) {
			const goal = KECCAK_GOALS[simd];
			const text = `≥ ${goal} x`;
			if (!simdAvailable().includes(simd)) return missing('GB/s', text);
			const passes = sizes.cachedHashPasses;
			const results = await interleave(
				rounds * KECCAK_ROUNDS_FACTOR,
				() => rate('keccak-sectors', simd, sizes.cachedHashBytes, passes),
				() => rate('keccak-sectors', 'scalar', sizes.cachedHashBytes, passes),
			);
			const summary = summarize(results);
			return {
				unit: 'GB/s',
				...summary,
				referenceName: 'scalar',
				goal: atLeast(goal, summary.ratio, 'x'),
				rounds: results,
			};
		},
	};
}

const fileRootRow: Row = {
	id: 'file-root',
	title: 'file root and block checksums from memory, one core',
	async measure({ sizes, rounds }) {
		const simd = fastest();
		const results = await interleave(
			rounds,
			() => rate('file-root', simd, sizes.largeHashBytes, 1),
			() => rate('blake3', simd, sizes.largeHashBytes, 1),
		);
		const summary = summarize(results);
		const goal =
			simd === 'avx512'
				? atLeast(FILE_ROOT_GIGABYTES_PER_SECOND, summary.ours, 'GB/s')
				: { text: `≥ ${FILE_ROOT_GIGABYTES_PER_SECOND} GB/s with AVX-512`, met: undefined };
		return { unit: 'GB/s', ...summary, referenceName: 'blake3', goal, rounds: results };
	},
};

const fileRootSdkRow: Row = {
	id: 'file-root-sdk',
	title: 'file root of a Buffer, call of the addon',
	async measure({ sizes, rounds }) {
		const { MemData } = await import('@0gfoundation/0g-ts-sdk');
		const data = randomBytes(sizes.sdkBytes);
		const seen = new Set<string>();
		const results = await interleave(
			rounds,
			() =>
				timed(data.length, () => {
					seen.add(`0x${Buffer.from(fileRoot(data).root).toString('hex')}`);
				}),
			() =>
				timed(data.length, async () => {
					const [tree, error] = await new MemData(data).merkleTree();
					if (!tree) throw error ?? new Error('the SDK made no tree');
					seen.add(String(tree.rootHash()));
				}),
		);
		if (seen.size !== 1) throw new Error(`the roots differ: ${[...seen].join(', ')}`);
		const summary = summarize(results);
		return {
			unit: 'GB/s',
			...summary,
			referenceName: 'official TS SDK',
			goal: atLeast(SDK_GOAL, summary.ratio, 'x'),
			rounds: results,
		};
	},
};

const crcRow: Row = {
	id: 'crc32c',
	title: 'CRC-32C of blocks from memory, one core',
	async measure({ sizes, rounds }) {
		const source = randomBytes(Math.min(sizes.largeHashBytes, 2 ** 28));
		const target = Buffer.alloc(source.length);
		const results = await interleave(
			rounds,
			() => rate('crc32c', fastest(), sizes.largeHashBytes, 1),
			() =>
				timed(source.length, () => {
					source.copy(target);
				}),
		);
		return { unit: 'GB/s', ...summarize(results), referenceName: 'copying the bytes', rounds: results };
	},
};

const SEGMENT_BYTES = 262_144;
/** Eight flow segments, so that eight nonces go together. */
const MINING_BYTES = 8 * SEGMENT_BYTES;
const MINING_PASSES = 4;

interface MiningGoal {
	readonly least: number;
	/** Times the scalar kernel. */
	readonly leastRatio?: number;
}

function miningRow(kernel: 'seal' | 'unseal' | 'nonces', title: string, { least, leastRatio = 0 }: MiningGoal): Row {
	const isNonces = kernel === 'nonces';
	const unit = isNonces ? 'nonces/s' : 'GB/s';
	const measured = (simd: string): number => {
		const gigabytes = rate(kernel, simd, MINING_BYTES, MINING_PASSES);
		return isNonces ? (gigabytes * 1e9) / SEGMENT_BYTES : gigabytes;
	};
	return {
		id: kernel,
		title,
		async measure({ rounds }) {
			const simd = fastest();
			const results = await interleave(
				rounds * KECCAK_ROUNDS_FACTOR,
				() => measured(simd),
				() => measured('scalar'),
			);
			const summary = summarize(results);
			const ofRatio = leastRatio > 0 ? `, ≥ ${leastRatio} x` : '';
			const text = `≥ ${least} ${unit}${ofRatio}`;
			const goal =
				simd === 'avx512'
					? { text, met: summary.ours >= least && (summary.ratio ?? 0) >= leastRatio }
					: { text: `${text} with AVX-512`, met: undefined };
			return { unit, ...summary, referenceName: 'scalar', goal, rounds: results };
		},
	};
}

export const kernelRows: readonly Row[] = [
	keccakRow('avx512', 8),
	keccakRow('avx2', 4),
	fileRootRow,
	fileRootSdkRow,
	crcRow,
	miningRow('seal', 'sealing of flow segments in cache, one core', { least: 0.9, leastRatio: 5.5 }),
	miningRow('unseal', 'unsealing of flow segments in cache, one core', { least: 0.9 }),
	miningRow('nonces', 'full nonces with sealed data in cache, one core', { least: 12_000, leastRatio: 4.5 }),
];

async function timed(bytes: number, work: () => void | Promise<void>): Promise<number> {
	const startMs = performance.now();
	await work();
	return bytes / (performance.now() - startMs) / 1e6;
}

function fastest(): string {
	return simdAvailable().at(-1) ?? 'scalar';
}

/** This CPU lacks what the row is about. */
function missing(unit: string, goal: string): RowResult {
	return { unit, ours: Number.NaN, goal: { text: goal, met: undefined }, rounds: [] };
}
