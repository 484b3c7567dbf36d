/**
 * How the hash pool and its workers talk: one region of shared memory for each task in flight holds its arguments and results, so
 * that a message is one number.
 */
import { LIMITS } from '../limits.js';
import { HASH_BYTES, SEGMENT_BLOCKS } from '../units.js';

const TASK_SEGMENTS = LIMITS.hashTaskSegments;
const WORD_BYTES = 4;
const CRC_WORDS = TASK_SEGMENTS * SEGMENT_BLOCKS;
const REGION_WORDS = 3 * TASK_SEGMENTS + CRC_WORDS + (TASK_SEGMENTS * HASH_BYTES) / WORD_BYTES + 1;

/** Views of one region. Position i of each belongs to segment i of the task. */
export interface HashRegion {
	/** Positions in the slab ring. */
	readonly slots: Uint32Array;
	/** Bytes of each segment. */
	readonly lengths: Uint32Array;
	/** Leaves of each segment, with zero padding. */
	readonly leaves: Uint32Array;
	/** Result: 64 CRC-32C words for each segment. */
	readonly crcs: Uint32Array;
	/** Result: 32 bytes for each segment. */
	readonly roots: Uint8Array;
	/** Result: microseconds that the native call took. */
	readonly runMicros: Uint32Array;
}

/** What a worker is started with. */
export interface HashWorkerData {
	/** All slots of the ring. */
	readonly slabs: Uint8Array<SharedArrayBuffer>;
	readonly regions: SharedArrayBuffer;
}

export function allocateRegions(count: number): SharedArrayBuffer {
	return new SharedArrayBuffer(count * REGION_WORDS * WORD_BYTES);
}

export function regionViews(regions: SharedArrayBuffer): readonly HashRegion[] {
	const count = regions.byteLength / (REGION_WORDS * WORD_BYTES);
	return Array.from({ length: count }, (_, index) => {
		let at = index * REGION_WORDS * WORD_BYTES;
		const words = (length: number): Uint32Array => {
			const view = new Uint32Array(regions, at, length);
			at += view.byteLength;
			return view;
		};
		const slots = words(TASK_SEGMENTS);
		const lengths = words(TASK_SEGMENTS);
		const leaves = words(TASK_SEGMENTS);
		const crcs = words(CRC_WORDS);
		const runMicros = words(1);
		return { slots, lengths, leaves, crcs, runMicros, roots: new Uint8Array(regions, at, TASK_SEGMENTS * HASH_BYTES) };
	});
}

/** The message of a task: its region and how many segments it has. */
export function packTask(region: number, count: number): number {
	return region * (TASK_SEGMENTS + 1) + count;
}

export function unpackTask(task: number): { readonly region: number; readonly count: number } {
	return { region: Math.floor(task / (TASK_SEGMENTS + 1)), count: task % (TASK_SEGMENTS + 1) };
}
