/** Proofs of segments of a file, and roots of nodes of its tree, from the rows of the object that holds it (spec log-layer §1.4, §1.5). */
import { PerigeeError } from '../errors.js';
import { bytesOfHex, SEGMENT_BYTES, type DataRoot } from '../units.js';
import type { HeldContent } from './held-content.js';
import { objectProof, objectSubtrees } from './object-tree.js';
import { uploadBytes } from './records.js';
import type { SegmentRange } from './segment-ranges.js';
import { storedProof } from './stored-proofs.js';
import type { FileProof, StoredFile } from './types.js';
import type { View } from './view.js';

export class FileProofs {
	readonly #view: View;
	readonly #held: HeldContent;

	constructor(view: View, held: HeldContent) {
		this.#view = view;
		this.#held = held;
	}

	/** As FileStore.segmentProof. */
	async segment(file: StoredFile, index: number): Promise<{ readonly data: Uint8Array; readonly proof: FileProof }> {
		if (!Number.isSafeInteger(index) || index < 0 || index >= file.segments) {
			throw new PerigeeError('NOT_FOUND', `the file has ${file.segments} segments`);
		}
		const from = index * SEGMENT_BYTES;
		// Side by side: the way into the engine's threads and the disk is most of both.
		const [bytes, path] = await Promise.all([
			this.#held.small(file.root, from, Math.min(from + SEGMENT_BYTES, file.sizeBytes)),
			this.#path(file.root, index),
		]);
		// The object may have been replaced meanwhile; its successor, which the bytes then come from, has the same tree.
		const proof = path ?? (await this.#path(file.root, index));
		if (!proof) throw missingRows();
		if (bytes.length === uploadBytes(bytes.length)) return { data: bytes, proof };
		const data = new Uint8Array(uploadBytes(bytes.length));
		data.set(bytes);
		return { data, proof };
	}

	/** As FileStore.subtreeRoots. */
	async subtrees(file: StoredFile, nodes: readonly SegmentRange[]): Promise<readonly Uint8Array[]> {
		if (nodes.length === 0) return [];
		// The second time for the reason given above.
		const roots = (await this.#roots(file.root, nodes)) ?? (await this.#roots(file.root, nodes));
		if (!roots) throw missingRows();
		return roots;
	}

	async #path(dataRoot: DataRoot, index: number): Promise<FileProof | undefined> {
		const object = await this.#held.object(dataRoot);
		const root = bytesOfHex(dataRoot);
		if (object.place) return { lemma: [root], path: [] };
		const { kept } = await this.#held.holding(object);
		const proofOf = kept ? storedProof : objectProof;
		return proofOf(this.#view, object.objectId, BigInt(object.sizeBytes), root, index);
	}

	async #roots(root: DataRoot, nodes: readonly SegmentRange[]): Promise<readonly Uint8Array[] | undefined> {
		const object = await this.#held.object(root);
		if ((await this.#held.holding(object)).kept)
			throw new PerigeeError('NOT_HELD', 'segments of this file belong to other shards');
		return objectSubtrees(this.#view, object.objectId, BigInt(object.sizeBytes), nodes);
	}
}

function missingRows(): PerigeeError {
	return new PerigeeError('DATA_DAMAGED', 'rows of the proof are missing');
}
