/** Segments with proofs as JSON-RPC brings them (spec log-layer §1.5, §4.3), and why one is not taken, in the words of the reference. */
import { LIMITS } from '../../limits.js';
import type { ProvedSegment, SegmentRefusedError } from '../../log-layer/proved-segment.js';
import { uploadBytes } from '../../log-layer/records.js';
import type { FileProof } from '../../log-layer/types.js';
import { fileGeometry } from '../../native/addon.js';
import { segmentShape } from '../../native/segment-proof.js';
import { SECTOR_BYTES, bytesOfHex, type DataRoot } from '../../units.js';
import { invalidParam, uncategorised, type RpcError } from './rpc-error.js';

/** A segment as it was sent; nothing of it is checked but its form. */
export interface SentSegment {
	readonly root: DataRoot;
	readonly index: bigint;
	readonly fileSize: bigint;
	readonly proof: FileProof;
	readonly lengthBytes: number;
	/** Writes all the bytes to `into`, which has room for exactly those. */
	copyTo(into: Uint8Array): void;
}

/** The first check of all. Errors: RpcError. */
export function refuseOddLength({ lengthBytes }: SentSegment): void {
	if (lengthBytes === 0) throw uncategorised('data is empty');
	if (lengthBytes % SECTOR_BYTES !== 0) throw uncategorised('invalid data length');
}

/** What can be told of a segment without hashing it, once its file is known to be wanted. Errors: RpcError. */
export function plausibleSegment(segment: SentSegment): ProvedSegment {
	const { root, index, fileSize, proof, lengthBytes } = segment;
	if (fileSize === 0n) throw invalidParam('file_size', 'file is empty');
	if (fileSize > Number.MAX_SAFE_INTEGER) throw invalidParam('file_size', 'file is too large');
	if (index >= fileGeometry(fileSize).segments) throw invalidParam('index', 'index out of bound');
	const fileBytes = segmentShape(Number(fileSize), Number(index)).lengthBytes;
	if (lengthBytes !== uploadBytes(fileBytes)) throw invalidParam('data', 'invalid data length');
	const { lemma, path } = proof;
	const hasForm = path.length === 0 ? lemma.length === 1 : lemma.length === path.length + 2;
	if (!hasForm) throw invalidParam('proof', 'invalid proof');
	return {
		root,
		sizeBytes: Number(fileSize),
		index: Number(index),
		proof,
		copyTo: (into) => segment.copyTo(into),
	};
}

/** What a client gets for a segment that the store has refused. */
export function refusalText({ refusal, segment, leaf }: SegmentRefusedError): RpcError {
	const { lemma } = segment.proof;
	switch (refusal) {
		case 'root':
			return uncategorised(
				`root mismatch, proof_root=${numbers(lemma.at(-1))} provided=${numbers(bytesOfHex(segment.root))}`,
			);
		case 'leaf':
			return uncategorised(`data hash mismatch: leaf_hash=${numbers(leaf)} proof_item=${numbers(lemma[0])}`);
		case 'position':
			return positionText(segment);
		case 'padding':
			return invalidParam('proof', 'invalid proof node value in the padding range');
		case 'repeated':
			return uncategorised('segment has already been uploaded or is being uploaded');
		case 'full':
			return uncategorised(
				`exceeds the maximum cached chunks of whole pool: ${LIMITS.cachedSegmentsBytes / SECTOR_BYTES}`,
			);
		default:
			return invalidParam('proof', 'validation failed');
	}
}

/** Where the path leads, if it is as long as the tree is high. */
function positionText({ sizeBytes, index, proof }: ProvedSegment): RpcError {
	const segments = Number(fileGeometry(BigInt(sizeBytes)).segmentsPadded);
	let [left, position] = [segments, 0];
	for (const isLeft of proof.path.toReversed()) {
		if (left <= 1) return uncategorised(`Proof path too long for a tree size: ${segments}`);
		const below = 2 ** Math.ceil(Math.log2(left)) / 2;
		if (!isLeft) position += below;
		left = isLeft ? below : left - below;
	}
	if (left !== 1) return uncategorised(`Proof path too short for a tree size: ${segments}`);
	return uncategorised(`wrong position: proof_pos=${position} provided=${index}`);
}

function numbers(bytes: Uint8Array | undefined): string {
	return `[${[...(bytes ?? [])].join(', ')}]`;
}
