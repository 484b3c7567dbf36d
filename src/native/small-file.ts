/** Root, nodes and checksums of a file of at most one segment, in one pass over its bytes. */
import { BLOCK_BYTES, HASH_BYTES, SEGMENT_BLOCKS } from '../units.js';
import { smallFileRoot, type FileRoot, type SubmissionNode } from './addon.js';

const MAX_NODES = 4;
const CRC_BYTES = 4;
const CRCS_AT = (1 + MAX_NODES) * HASH_BYTES;

/** What the addon writes; copied before the next call. */
const OUT = Buffer.alloc(CRCS_AT + SEGMENT_BLOCKS * CRC_BYTES);

export interface HashedSmallFile {
	readonly tree: FileRoot;
	/** Little-endian CRC-32C of each 4,096-byte block. */
	readonly blockCrcs: Uint8Array;
}

/** Takes 1 to SEGMENT_BYTES bytes. */
export function hashSmallFile(bytes: Uint8Array): HashedSmallFile {
	const sectors = smallFileRoot(bytes, OUT);
	const crcBytes = Math.ceil(bytes.length / BLOCK_BYTES) * CRC_BYTES;
	const blockCrcs = Buffer.allocUnsafe(crcBytes);
	OUT.copy(blockCrcs, 0, CRCS_AT, CRCS_AT + crcBytes);
	const root = hashAt(0);
	const nodes: SubmissionNode[] = [];
	for (let rest = sectors; rest > 0; ) {
		const height = 31 - Math.clz32(rest);
		rest -= 2 ** height;
		// A single node is the whole file.
		const isWhole = rest === 0 && nodes.length === 0;
		nodes.push({ root: isWhole ? root : hashAt(nodes.length + 1), height });
	}
	return { tree: { root, nodes }, blockCrcs };
}

function hashAt(index: number): Uint8Array {
	const hash = Buffer.allocUnsafe(HASH_BYTES);
	OUT.copy(hash, 0, index * HASH_BYTES, (index + 1) * HASH_BYTES);
	return hash;
}
