/** The flow while a block places its submissions: its bytes are those that FlowHashing.flowAppend brings up to date. */
import { HASH_BYTES, type SectorIndex } from '../../units.js';
import type { SubmissionNode } from '../settlement.js';
import type { FlowHashing } from './hashing.js';
import { MAX_NODES } from './submission-rules.js';

const LENGTH_AT = 8;
const FRONTIER_AT = 16;
const MAX_FRONTIER = 64;

/** Packed nodes of the submission that is being placed: nothing keeps them. */
const HEIGHTS = Buffer.alloc(MAX_NODES);
const ROOTS = Buffer.alloc(MAX_NODES * HASH_BYTES);

/** Bytes of the frontier of a flow: a root for each binary one of its length. */
export function frontierBytes(length: bigint): number {
	let bytes = 0;
	for (let rest = length; rest > 0n; rest &= rest - 1n) bytes += HASH_BYTES;
	return bytes;
}

export class FlowDraft {
	readonly #hashing: FlowHashing;
	readonly #bytes: Buffer;

	constructor(hashing: FlowHashing, length: bigint, frontier: Uint8Array) {
		this.#hashing = hashing;
		this.#bytes = Buffer.alloc(FRONTIER_AT + MAX_FRONTIER * HASH_BYTES);
		this.#bytes.writeBigUInt64LE(length, LENGTH_AT);
		this.#bytes.set(frontier, FRONTIER_AT);
	}

	/** Sectors. */
	get length(): bigint {
		return this.#bytes.readBigUInt64LE(LENGTH_AT);
	}

	/** First sector of the submission that was placed last. */
	get start(): SectorIndex {
		return this.#bytes.readBigUInt64LE(0) as SectorIndex;
	}

	/** Roots of the complete subtrees that make up the flow, largest first: a view, until the next call of `append`. */
	get frontier(): Buffer {
		return this.#bytes.subarray(FRONTIER_AT, FRONTIER_AT + frontierBytes(this.length));
	}

	/** Places nodes, of which there are at most MAX_NODES. */
	append(nodes: readonly SubmissionNode[]): void {
		for (const [index, node] of nodes.entries()) {
			HEIGHTS[index] = node.height;
			ROOTS.set(node.root, index * HASH_BYTES);
		}
		const count = nodes.length;
		this.#hashing.flowAppend(this.#bytes, HEIGHTS.subarray(0, count), ROOTS.subarray(0, count * HASH_BYTES));
	}
}
