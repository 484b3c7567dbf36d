import type { Store } from '../../src/log-layer/store.js';
import type { StoredFile } from '../../src/log-layer/types.js';
import { fileGeometry, sectorLeaves, treeRoot, verifyFileProof } from '../../src/native/addon.js';
import { bytesOfHex, type DataRoot, SEGMENT_SECTORS } from '../../src/units.js';

interface SegmentProof {
	readonly lemma: readonly Uint8Array[];
	readonly path: readonly boolean[];
}

/** Why the proof of a segment does not convince whoever knows only root and size; null when it does. `data` is the segment as it is proved. */
export function proofRefusal(
	{ root, sizeBytes }: { readonly root: DataRoot; readonly sizeBytes: number },
	index: number,
	data: Uint8Array,
	proof: SegmentProof,
): string | null {
	const geometry = fileGeometry(BigInt(sizeBytes));
	const isLast = BigInt(index) === geometry.segments - 1n;
	const segmentRoot = treeRoot(sectorLeaves(data, isLast ? geometry.lastSegmentLeaves : SEGMENT_SECTORS));
	return verifyFileProof(
		bytesOfHex(root),
		BigInt(sizeBytes),
		BigInt(index),
		segmentRoot,
		Buffer.concat(proof.lemma),
		Uint8Array.from(proof.path, Number),
		false,
	);
}

/** A segment's proof convinces whoever knows only the root. Throws otherwise. */
export async function checkProof(store: Store, file: StoredFile, index: number): Promise<void> {
	const { data, proof } = await store.files.segmentProof(file, index);
	const refusal = proofRefusal(file, index, data, proof);
	if (refusal !== null) throw new Error(`the proof of segment ${index} is refused: ${refusal}`);
}
