/** Segments of a file against its data root (spec log-layer §1.5). */
import { bytesOfHex, type DataRoot, SEGMENT_BYTES, SEGMENT_SECTORS } from '../units.js';
import { fileGeometry, sectorLeaves, treeRoot, verifyFileProof } from './addon.js';

interface ProvedFile {
	readonly root: DataRoot;
	readonly sizeBytes: number;
}

interface Proof {
	/** 32-byte hashes. */
	readonly lemma: readonly Uint8Array[];
	readonly path: readonly boolean[];
}

/** What segment `index`, which holds bytes of a file of `sizeBytes`, is made of: how many bytes of the file, and leaves with zero padding. */
export function segmentShape(
	sizeBytes: number,
	index: number,
): { readonly lengthBytes: number; readonly leaves: number } {
	const { segments, lastSegmentBytes, lastSegmentLeaves } = fileGeometry(BigInt(sizeBytes));
	const isLast = BigInt(index) === segments - 1n;
	return isLast
		? { lengthBytes: lastSegmentBytes, leaves: lastSegmentLeaves }
		: { lengthBytes: SEGMENT_BYTES, leaves: SEGMENT_SECTORS };
}

/**
 * Why the proof of segment `index` does not lead from its bytes to the data root of a file of `sizeBytes`; null when it does. `data`: the
 * segment, the last one at least up to its last byte. `checkPadding`: also against the segments of zeros behind the file.
 */
export function proofRefusal(
	file: ProvedFile,
	index: number,
	data: Uint8Array,
	proof: Proof,
	checkPadding: boolean,
): ReturnType<typeof verifyFileProof> {
	const { leaves } = segmentShape(file.sizeBytes, index);
	return leafRefusal(file, index, treeRoot(sectorLeaves(data, leaves)), proof, checkPadding);
}

/** The same of a segment whose root, 32 bytes, is known. */
export function leafRefusal(
	{ root, sizeBytes }: ProvedFile,
	index: number,
	segmentRoot: Uint8Array,
	{ lemma, path }: Proof,
	checkPadding: boolean,
): ReturnType<typeof verifyFileProof> {
	return verifyFileProof(
		bytesOfHex(root),
		BigInt(sizeBytes),
		BigInt(index),
		segmentRoot,
		Buffer.concat(lemma),
		Uint8Array.from(path, Number),
		checkPadding,
	);
}
