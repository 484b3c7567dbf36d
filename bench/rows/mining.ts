/** The row about mining from disk, on one thread, against what the disk and the thread could do. */
import { randomBytes } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { dropCache, mine } from '../../src/native/addon.js';
import { SEGMENT_BYTES, SEGMENT_SECTORS } from '../../src/units.js';
import { atLeast, type BenchContext, interleave, median, type Round, type Row, summarize } from '../row.js';

const GOAL = 0.8;
/** Longer ones would read most places twice, the second time from memory. */
const PASS_MS = 300;
const READERS = 16;
const MAP_ENTRY_BYTES = 16;
/** Places that fit in memory, all read before. */
const WARM_SEGMENTS = 256;

/** A file of so many sealed flow segments. Which bytes they are is all the same to mining. */
async function sealedFile({ workDir, progress }: BenchContext, segments: number): Promise<FileHandle> {
	const file = await open(join(workDir, 'sealed'), 'w+');
	const block = randomBytes(64 * SEGMENT_BYTES);
	progress(`writing ${segments} sealed flow segments`);
	for (let at = 0; at < segments; at += 64)
		await file.write(block, 0, Math.min(64, segments - at) * SEGMENT_BYTES, at * SEGMENT_BYTES);
	await file.datasync();
	return file;
}

function placesOf(segments: number): Buffer {
	const places = Buffer.alloc(segments * MAP_ENTRY_BYTES, 0xff);
	for (let segment = 0; segment < segments; segment++)
		places.writeBigUInt64LE(BigInt(segment * SEGMENT_BYTES), segment * MAP_ENTRY_BYTES);
	return places;
}

/** Nonces a second, all of whose places are among the first `segments`. */
function nonces(file: FileHandle, segments: number): number {
	const range = {
		startPosition: 0n,
		mineLength: BigInt(segments * SEGMENT_SECTORS),
		shardId: 0n,
		shardMask: 0xffff_ffff_ffff_ffffn,
	};
	const task = { minerId: randomBytes(32), subtaskDigest: randomBytes(32), range, threshold: new Uint8Array(32) };
	const startMs = performance.now();
	const tally = mine(task, randomBytes(32), PASS_MS, placesOf(segments), Uint32Array.of(file.fd));
	if (tally.reads !== tally.nonces) throw new Error(`${tally.nonces} nonces read ${tally.reads} flow segments`);
	return (Number(tally.reads) * 1000) / (performance.now() - startMs);
}

/** Random reads of a flow segment a second, several at once. */
async function reads(file: FileHandle, segments: number): Promise<number> {
	const startMs = performance.now();
	let count = 0;
	const reader = async (): Promise<void> => {
		const into = Buffer.allocUnsafeSlow(SEGMENT_BYTES);
		for (; performance.now() - startMs < PASS_MS; count++)
			await file.read(into, 0, SEGMENT_BYTES, Math.floor(Math.random() * segments) * SEGMENT_BYTES);
	};
	await Promise.all(Array.from({ length: READERS }, reader));
	return (count * 1000) / (performance.now() - startMs);
}

export const mineDiskRow: Row = {
	id: 'mine-disk',
	title: 'nonces from a file that is not in the page cache, one thread',
	async measure(context) {
		const segments = context.sizes.mineSegments;
		const file = await sealedFile(context, segments);
		const warm: number[] = [];
		const cold = async <T>(work: () => T | Promise<T>): Promise<T> => {
			dropCache(file.fd);
			return await work();
		};
		try {
			const results = await interleave(
				context.rounds,
				() => cold(() => nonces(file, segments)),
				() => cold(() => reads(file, segments)),
			);
			for (let round = -1; round < context.rounds; round++) {
				const rate = nonces(file, WARM_SEGMENTS);
				if (round >= 0) warm.push(rate);
			}
			const inMemory = median(warm);
			// Neither more than the disk gives nor more than the thread can do.
			const rounds: readonly Round[] = results.map(({ ours, reference }) => ({
				ours,
				reference: Math.min(reference, inMemory),
			}));
			const summary = summarize(rounds);
			return {
				unit: 'nonces/s',
				...summary,
				referenceName: 'the lesser of disk and thread',
				goal: atLeast(GOAL, summary.ratio, 'x'),
				rounds,
				details: {
					'random reads of 256 KiB by 16 readers, 1/s': median(results.map(({ reference }) => reference)),
					'nonces with the file in memory, 1/s': inMemory,
				},
			};
		} finally {
			await file.close();
		}
	},
};
