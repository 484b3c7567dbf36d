/** The hashing that a settlement needs of the native addon; tests put an independent one in its place. */
export interface FlowHashing {
	/** Keccak-256, 32 bytes. */
	keccak256(data: Uint8Array): Uint8Array;
	/** Keccak-256 of two hashes after each other. */
	hashPair(left: Uint8Array, right: Uint8Array): Uint8Array;
	/**
	 * Places a submission (spec log-layer §2.1) and brings `flow` up to date, 2,064 bytes: the submission's first sector and the flow's length
	 * (u64, little-endian), then the frontier. `roots`: 32 bytes a subtree. After an error the flow is as before.
	 */
	flowAppend(flow: Uint8Array, heights: Uint8Array, roots: Uint8Array): void;
	/** The flow root (spec log-layer §2.1). */
	flowRoot(length: bigint, frontier: Uint8Array): Uint8Array;
}

/** K(""): marks "no context" (spec pora-and-contracts §0). */
export const EMPTY_HASH: Uint8Array = Uint8Array.from(
	Buffer.from('c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470', 'hex'),
);
