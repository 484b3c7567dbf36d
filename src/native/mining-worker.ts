/** What the workers of mining and of sealing run: one synchronous native call of bounded length a task. They stand behind everything else. */
import { constants, setPriority } from 'node:os';
import { BLOCK_BYTES, SEGMENT_BYTES } from '../units.js';
import { crc32cBlocks, mine, transformSeals } from './addon.js';
import type { MineJob, MineTally, SealJob } from './mining-pool.js';

const SEGMENT_BLOCKS = SEGMENT_BYTES / BLOCK_BYTES;

// Only on Linux does a thread have a priority of its own. It is lowered, which needs no rights.
if (process.platform === 'linux') setPriority(constants.priority.PRIORITY_LOW);

export function mineTask({ task, firstNonce, milliseconds, places, files }: MineJob): MineTally {
	const startMs = performance.now();
	const tally = mine(task, firstNonce, milliseconds, places, files);
	return { ...tally, runMs: performance.now() - startMs };
}

/** Seals flow segments in place; seals that are not wanted become zeros. Answers the CRC-32C of all blocks, little-endian. */
export function sealTask({ bytes, seals, minerId, digests, firstSector }: SealJob): Uint8Array {
	transformSeals(bytes, true, minerId, digests, firstSector);
	for (const [index, wanted] of seals.entries())
		for (let seal = 0; seal < SEGMENT_BLOCKS; seal++) {
			const at = index * SEGMENT_BYTES + seal * BLOCK_BYTES;
			if (((wanted >> BigInt(seal)) & 1n) === 0n) bytes.fill(0, at, at + BLOCK_BYTES);
		}
	const crcs = new Uint32Array(bytes.length / BLOCK_BYTES);
	crc32cBlocks(bytes, crcs);
	// Little-endian as they stand: every platform that the addon is built for is.
	return new Uint8Array(crcs.buffer);
}
