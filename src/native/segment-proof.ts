import { bytesOfHex, type DataRoot, SEGMENT_SECTORS } from '../units.js';
import { fileGeometry, sectorLeaves, treeRoot, verifyFileProof } from './addon.js';

/**
 * Why the proof of segment `index` does not lead from its bytes to the data root of a file of `sizeBytes`; null when it does (spec log-layer
 * §1.5). `data`: the segment, the last one at least up to its last byte. `checkPadding`: also against the segments of zeros behind the file.
 */
export function proofRefusal(
	{ root, sizeBytes }: { readonly root: DataRoot; readonly sizeBytes: number },
	index: number,
	data: Uint8Array,
	{ lemma, path }: { readonly lemma: readonly Uint8Array[]; readonly path: readonly boolean[] },
	checkPadding: boolean,
): ReturnType<typeof verifyFileProof> {
	const { segments, lastSegmentLeaves } = fileGeometry(BigInt(sizeBytes));
	const leaves = BigInt(index) === segments - 1n ? lastSegmentLeaves : SEGMENT_SECTORS;
	return verifyFileProof(
		bytesOfHex(root),
		BigInt(sizeBytes),
		BigInt(index),
		treeRoot(sectorLeaves(data, leaves)),
		Buffer.concat(lemma),
		Uint8Array.from(path, Number),
		checkPadding,
	);
}
