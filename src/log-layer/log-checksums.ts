import type { Checksums } from '../append-log/types.js';
import { checkBlocksBytes, crc32c, crc32cBlocks } from '../native/addon.js';
import { BLOCK_BYTES } from '../units.js';

/** What the log needs of checksums, out of the addon. */
export const logChecksums: Checksums = {
	crc32c,
	blockCrcs(bytes) {
		const crcs = new Uint32Array(Math.ceil(bytes.length / BLOCK_BYTES));
		crc32cBlocks(bytes, crcs);
		return new Uint8Array(crcs.buffer);
	},
	firstBadBlock: checkBlocksBytes,
};
