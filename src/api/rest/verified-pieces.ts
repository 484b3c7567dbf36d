/** Bytes that are compared with the data root before they are sent: `?verify=merkle`. */
import { PerigeeError } from '../../errors.js';
import type { FilePiece, FileStore, StoredFile } from '../../log-layer/types.js';
import { proofRefusal } from '../../native/segment-proof.js';
import { SEGMENT_BYTES } from '../../units.js';
import type { ByteRange } from './ranges.js';

/**
 * The bytes of a range, segment by segment: each segment is hashed again, and its root led up to the data root, on the main thread:
 * it is for those who ask. Errors: DATA_DAMAGED, and those of FileStore.segmentProof.
 */
export async function* verifiedPieces(
	store: FileStore,
	file: StoredFile,
	{ from, to }: ByteRange,
): AsyncGenerator<FilePiece, void, undefined> {
	for (let index = Math.floor(from / SEGMENT_BYTES); index * SEGMENT_BYTES < to; index++) {
		const start = index * SEGMENT_BYTES;
		const { data, proof } = await store.segmentProof(file, index);
		const refusal = proofRefusal(file, index, data, proof, true);
		if (refusal !== null)
			throw new PerigeeError('DATA_DAMAGED', `segment ${index} does not lead to the data root (${refusal})`);
		yield { bytes: data.subarray(Math.max(from, start) - start, Math.min(to, start + SEGMENT_BYTES) - start), release };
	}
}

function release(): void {}
