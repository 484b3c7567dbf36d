/**
 * Proofs of objects of which not all segments are held: each segment came with its own (spec log-layer §1.5, §7). The siblings of a held segment
 * give every hash on its way to the data root, and no other.
 */
import { fileGeometry, hashPair } from '../native/addon.js';
import { HASH_BYTES } from '../units.js';
import type { ObjectId } from './records.js';
import { decodeSegmentRow, rowKeys } from './rows.js';
import type { KeptSegments } from './shard.js';
import type { FileProof } from './types.js';
import type { View } from './view.js';

/** A segment's root and the siblings above it. */
interface Branch {
	readonly leaf: Uint8Array;
	readonly siblings: readonly Uint8Array[];
}

/** The siblings in the proof of a segment, as they are stored. */
export function siblingsOf({ lemma }: FileProof): Uint8Array {
	return Buffer.concat(lemma.slice(1, -1));
}

/** Proof of a segment; undefined when its rows are missing. */
export async function storedProof(
	view: View,
	objectId: ObjectId,
	sizeBytes: bigint,
	dataRoot: Uint8Array,
	segment: number,
): Promise<FileProof | undefined> {
	const branch = await branchOf(view, objectId, segment);
	const path = pathOf(Number(fileGeometry(sizeBytes).segmentsPadded), segment);
	if (!branch || branch.siblings.length !== path.length) return undefined;
	return { lemma: [branch.leaf, ...branch.siblings, dataRoot], path };
}

/**
 * Root of the 2^levels segments from `first` on (aligned), which are a whole subtree of the file; undefined when no held segment leads to it, or
 * rows are missing.
 */
export async function storedSubtree(
	view: View,
	objectId: ObjectId,
	kept: KeptSegments,
	segments: number,
	first: number,
	levels: number,
): Promise<Uint8Array | undefined> {
	const count = 2 ** levels;
	const inside = keptIn(kept, first, Math.min(first + count, segments));
	if (inside !== undefined) {
		const branch = await branchOf(view, objectId, inside);
		return branch && foldedUp(branch, inside, levels);
	}
	const beside = first % (2 * count) === 0 ? first + count : first - count;
	const neighbour = keptIn(kept, beside, Math.min(beside + count, segments));
	return neighbour === undefined ? undefined : (await branchOf(view, objectId, neighbour))?.siblings[levels];
}

/** The first of the segments [from, to) that is held. */
function keptIn({ modulus, residues }: KeptSegments, from: number, to: number): number | undefined {
	let first: number | undefined;
	for (const residue of residues) {
		const at = from + ((((residue - from) % modulus) + modulus) % modulus);
		if (at < to && (first === undefined || at < first)) first = at;
	}
	return first;
}

function foldedUp({ leaf, siblings }: Branch, segment: number, levels: number): Uint8Array | undefined {
	let hash = leaf;
	for (let level = 0; level < levels; level++) {
		const sibling = siblings[level];
		if (!sibling) return undefined;
		hash = Math.floor(segment / 2 ** level) % 2 === 0 ? hashPair(hash, sibling) : hashPair(sibling, hash);
	}
	return hash;
}

async function branchOf(view: View, objectId: ObjectId, segment: number): Promise<Branch | undefined> {
	const [row, proof] = await view.getMany([
		rowKeys.segment(objectId, segment),
		rowKeys.segmentProof(objectId, segment),
	]);
	if (!row || !proof) return undefined;
	const siblings = Array.from({ length: proof.length / HASH_BYTES }, (_, at) =>
		proof.slice(at * HASH_BYTES, (at + 1) * HASH_BYTES),
	);
	return { leaf: decodeSegmentRow(row).root, siblings };
}

/** The way up from leaf `index` of a tree of so many: true where the node is the left child. */
function pathOf(leaves: number, index: number): readonly boolean[] {
	const fromTop: boolean[] = [];
	let [left, at] = [leaves, index];
	while (left > 1) {
		const below = 2 ** Math.ceil(Math.log2(left)) / 2;
		const isLeft = at < below;
		fromTop.push(isLeft);
		left = isLeft ? below : left - below;
		if (!isLeft) at -= below;
	}
	return fromTop.reverse();
}
