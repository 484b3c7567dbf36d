/** Proofs about sectors of the flow, at the current length and at that after any earlier submission (spec log-layer §1.6). */
import { PerigeeError } from '../errors.js';
import { hashPair, keccak256, sectorLeaves, treeRoot, zeroHash } from '../native/addon.js';
import { HASH_BYTES, SECTOR_BYTES, SEGMENT_BYTES, SEGMENT_SECTORS, type SectorIndex } from '../units.js';
import { FlowTree, flowHeight, type FlowExtent, type InsideHash } from './flow-tree.js';
import { objectSubtree } from './object-tree.js';
import type { ObjectReader } from './object-reader.js';
import type { RootedObject, SubmissionRow } from './rows.js';
import type { KeptSegments } from './shard.js';
import { storedSubtree } from './stored-proofs.js';
import { firstEndingBehind } from './submissions.js';
import type { SectorProof } from './types.js';
import type { View } from './view.js';

const SEAL_HEIGHT = 4;
const SEGMENT_HEIGHT = Math.log2(SEGMENT_SECTORS);

export interface FlowProofParts {
	readonly view: View;
	readonly reader: ObjectReader;
	/** The object that holds a submission's bytes. Errors: NOT_HELD. */
	readonly objectOf: (submission: SubmissionRow) => Promise<RootedObject>;
	/** Which of the object's segments are held; undefined: it has a tree over all of them. */
	readonly keptOf: (object: RootedObject) => Promise<KeptSegments | undefined>;
}

/** Proof of `sector` against the flow root of `extent`. Errors: NOT_FOUND behind its end, NOT_HELD, DATA_DAMAGED. */
export async function proveSector(
	parts: FlowProofParts,
	extent: FlowExtent,
	sector: SectorIndex,
): Promise<SectorProof> {
	if (sector < 0n || sector >= extent.lengthSectors) {
		throw new PerigeeError('NOT_FOUND', `sector ${sector} lies behind the end of the flow, ${extent.lengthSectors}`);
	}
	const leaves = new SegmentLeaves(parts);
	const tree = new FlowTree(parts.view, extent, leaves.inside);
	const data = await sectorData(parts, extent, sector);
	const leaf = sector === 0n ? data : keccak256(data);
	const siblings = await tree.siblings(sector, 0);
	if (!siblings) throw new PerigeeError('NOT_HELD', 'the proof needs hashes of data that is not held here');
	const path = siblings.map((_, height) => ((sector >> BigInt(height)) & 1n) === 0n);
	const root = siblings.reduce(
		(hash, sibling, height) => (path[height] ? hashPair(hash, sibling) : hashPair(sibling, hash)),
		leaf,
	);
	return {
		sector,
		data,
		lemma: [leaf, ...siblings, root],
		path,
		flowRoot: root,
		flowLengthSectors: extent.lengthSectors,
	};
}

/**
 * The siblings of a seal, from the bottom up, against the flow root of `extent`: a seal is a subtree of 16 sectors, `sector` its first one.
 * Errors: NOT_HELD, DATA_DAMAGED.
 */
export async function sealSiblings(
	parts: FlowProofParts,
	extent: FlowExtent,
	sector: bigint,
): Promise<readonly Uint8Array[]> {
	const tree = new FlowTree(parts.view, extent, new SegmentLeaves(parts).inside);
	const siblings = await tree.siblings(sector, SEAL_HEIGHT);
	if (!siblings) throw new PerigeeError('NOT_HELD', 'the proof needs hashes of data that is not held here');
	return siblings;
}

/** Root of the flow of `extent`. */
export async function flowRootOf(view: View, extent: FlowExtent): Promise<Uint8Array> {
	const root = await new FlowTree(view, extent, () => Promise.resolve(undefined)).hash(
		flowHeight(extent.lengthSectors),
		0n,
	);
	if (!root) throw new Error('the root of a flow needs no data');
	return root;
}

/** As FileStore.flowSegmentRoot. */
export async function flowSegmentRoot(
	parts: FlowProofParts,
	extent: FlowExtent,
	index: bigint,
): Promise<Uint8Array | undefined> {
	const segments = (extent.lengthSectors + BigInt(SEGMENT_SECTORS) - 1n) / BigInt(SEGMENT_SECTORS);
	if (index < 0n || index >= segments)
		throw new PerigeeError('NOT_FOUND', `the flow has ${segments} segments, ${index} is not one of them`);
	const height = segments === 1n ? flowHeight(extent.lengthSectors) : SEGMENT_HEIGHT;
	return new FlowTree(parts.view, extent, new SegmentLeaves(parts).inside).hash(height, index);
}

async function sectorData(parts: FlowProofParts, extent: FlowExtent, sector: bigint): Promise<Uint8Array> {
	if (sector === 0n) return new Uint8Array(HASH_BYTES);
	const data = new Uint8Array(SECTOR_BYTES);
	const submission = await firstEndingBehind(parts.view, extent.flowId, extent.submissions, sector);
	if (!submission || submission.startSector > sector) return data;
	const from = Number(sector - submission.startSector) * SECTOR_BYTES;
	const to = Math.min(from + SECTOR_BYTES, Number(submission.lengthBytes));
	if (from < to) data.set(await parts.reader.small(await parts.objectOf(submission), from, to));
	return data;
}

/** Hashes inside submissions, from the object's tree or, below a segment, from its bytes; keeps the leaves of the last segment. */
class SegmentLeaves {
	readonly #parts: FlowProofParts;
	#last: { readonly txSeq: number; readonly segment: number; readonly leaves: Uint8Array } | undefined;

	constructor(parts: FlowProofParts) {
		this.#parts = parts;
	}

	readonly inside: InsideHash = async (submission, sector, height) => {
		const object = await this.#parts.objectOf(submission);
		const segment = Number(sector / BigInt(SEGMENT_SECTORS));
		if (segment * SEGMENT_BYTES >= object.sizeBytes) return zeroHash(height);
		if (height >= SEGMENT_HEIGHT && !object.place) {
			const { view } = this.#parts;
			const { objectId, sizeBytes } = object;
			const levels = height - SEGMENT_HEIGHT;
			const kept = await this.#parts.keptOf(object);
			if (!kept) return objectSubtree(view, objectId, BigInt(sizeBytes), segment, levels);
			return storedSubtree(view, objectId, kept, Math.ceil(sizeBytes / SEGMENT_BYTES), segment, levels);
		}
		const leaves = await this.#leavesOf(submission, object, segment);
		const first = Number(sector % BigInt(SEGMENT_SECTORS));
		return treeRoot(leaves.subarray(first * HASH_BYTES, (first + 2 ** height) * HASH_BYTES));
	};

	async #leavesOf(submission: SubmissionRow, object: RootedObject, segment: number): Promise<Uint8Array> {
		if (this.#last?.txSeq !== submission.txSeq || this.#last.segment !== segment) {
			const from = segment * SEGMENT_BYTES;
			const bytes = await this.#parts.reader.small(object, from, Math.min(from + SEGMENT_BYTES, object.sizeBytes));
			this.#last = { txSeq: submission.txSeq, segment, leaves: sectorLeaves(bytes, SEGMENT_SECTORS) };
		}
		return this.#last.leaves;
	}
}
