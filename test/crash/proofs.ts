import type { Store } from '../../src/log-layer/store.js';
import type { StoredFile } from '../../src/log-layer/types.js';
import { fileGeometry, sectorLeaves, treeRoot, verifyFileProof } from '../../src/native/addon.js';
import { bytesOfHex } from '../../src/units.js';

/** A segment's proof convinces whoever knows only the root. Throws otherwise. */
export async function checkProof(store: Store, file: StoredFile, index: number): Promise<void> {
	const { data, proof } = await store.files.segmentProof(file, index);
	const geometry = fileGeometry(BigInt(file.sizeBytes));
	const leaves = index === file.segments - 1 ? geometry.lastSegmentLeaves : 1024;
	const segmentRoot = treeRoot(sectorLeaves(data, leaves));
	const refusal = verifyFileProof(
		bytesOfHex(file.root),
		BigInt(file.sizeBytes),
		BigInt(index),
		segmentRoot,
		Buffer.concat(proof.lemma),
		Uint8Array.from(proof.path, Number),
		false,
	);
	if (refusal !== null) throw new Error(`the proof of segment ${index} is refused: ${refusal}`);
}
