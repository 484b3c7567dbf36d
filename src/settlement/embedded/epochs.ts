/**
 * Epochs on ledger blocks (spec pora-and-contracts §4.4). The context of the epoch with boundary block e is made in block e + 1,
 * before that block's submissions: so the hash of e is always at hand, no epoch is ever made late, and each has a range.
 */
import { HASH_BYTES } from '../../units.js';
import { ByteWriter } from '../../bytes.js';
import type { EpochContext } from '../settlement.js';
import { EMPTY_HASH, type FlowHashing } from '../flow/hashing.js';

/** Roots that the history keeps. */
export const HISTORY_ROOTS = 1000;

/** The roots of the last epochs, as a ring (the contract's DigestHistory). Never changed, only replaced. */
export interface RootHistory {
	/** Roots ever put in. Root n lies at place n mod 1000. */
	readonly inserted: number;
	/** 32 bytes for each place in use. */
	readonly roots: Uint8Array;
	/** K(roots). */
	readonly digest: Uint8Array;
}

/** The history of a new ledger. */
export const EMPTY_HISTORY: RootHistory = { inserted: 0, roots: new Uint8Array(0), digest: EMPTY_HASH };

/** The history with `root` put in `times` times (all epochs of one entry have the same root). */
export function insertRoots(history: RootHistory, root: Uint8Array, times: number, hashing: FlowHashing): RootHistory {
	if (times === 0) return history;
	const inserted = history.inserted + times;
	const roots = new Uint8Array(Math.min(inserted, HISTORY_ROOTS) * HASH_BYTES);
	roots.set(history.roots);
	for (let place = Math.max(history.inserted, inserted - HISTORY_ROOTS); place < inserted; place++) {
		roots.set(root, (place % HISTORY_ROOTS) * HASH_BYTES);
	}
	return { inserted, roots, digest: hashing.keccak256(roots) };
}

/** Epoch 0: it cannot be mined. */
export function firstContext(): EpochContext {
	return { epoch: 0, mineStart: 0, flowRoot: EMPTY_HASH, flowLength: 1n, blockDigest: EMPTY_HASH, digest: EMPTY_HASH };
}

/** The context of the epoch with boundary block `mineStart`, whose hash is `blockDigest`. */
export function makeContext(
	epoch: number,
	mineStart: number,
	blockDigest: Uint8Array,
	flow: { readonly root: Uint8Array; readonly length: bigint },
	hashing: FlowHashing,
): EpochContext {
	const words = new Uint8Array(3 * HASH_BYTES);
	words.set(blockDigest, 0);
	words.set(flow.root, HASH_BYTES);
	new DataView(words.buffer).setBigUint64(3 * HASH_BYTES - 8, flow.length);
	const digest = hashing.keccak256(words);
	return { epoch, mineStart, flowRoot: flow.root, flowLength: flow.length, blockDigest, digest };
}

/** Hash of the empty block `number` of a run that follows the block with hash `anchor`: K(0x02 || anchor || number u64). */
export function emptyBlockHash(anchor: Uint8Array, number: number, hashing: FlowHashing): Uint8Array {
	return hashing.keccak256(new ByteWriter(41).u8(2).raw(anchor).u64(number).toBytes());
}
