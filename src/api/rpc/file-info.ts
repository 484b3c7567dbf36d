/** Files as 0G clients see them (spec log-layer §2.6, §3.3, §4.3). */
import type { FileStore, StoredFile } from '../../log-layer/types.js';
import { hexOf, type DataRoot, type TxSeq } from '../../units.js';
import type { JsonOut } from './json-writer.js';

/** The file of a sequence number; undefined also for one that no flow has reached. */
export async function fileOfSeq(store: FileStore, seq: bigint): Promise<StoredFile | undefined> {
	return seq > Number.MAX_SAFE_INTEGER ? undefined : store.fileBySeq(Number(seq) as TxSeq);
}

/** The file of a root. A pruned one is found by its sequence number alone. */
export async function fileOfRoot(store: FileStore, root: DataRoot): Promise<StoredFile | undefined> {
	const file = await store.fileByRoot(root);
	return file?.deleted ? undefined : file;
}

/** A transaction record. */
function transactionOf(file: StoredFile): JsonOut {
	return {
		streamIds: [],
		data: [],
		dataMerkleRoot: file.root,
		merkleNodes: file.nodes.map(({ height, root }) => [height + 1, hexOf(root)]),
		startEntryIndex: file.startSector,
		size: file.sizeBytes,
		seq: file.txSeq,
	};
}

/** FileInfo; null for a file that is not known. */
export async function fileInfoOf(store: FileStore, file: StoredFile | undefined): Promise<JsonOut> {
	return file ? { tx: transactionOf(file), ...(await stateOf(store, file)) } : null;
}

/** What FileInfo says beside the transaction. */
export async function stateOf(store: FileStore, file: StoredFile): Promise<Readonly<Record<string, JsonOut>>> {
	const isOver = file.isShardHeld || file.deleted;
	return {
		finalized: file.isShardHeld,
		// What came before the submission counts from the moment it is known.
		isCached: false,
		uploadedSegNum: isOver ? file.segments : await store.segmentUploads.progress(file.root, file.sizeBytes),
		pruned: file.deleted,
		// Not of the reference, where a node says finalized of a file of which nothing is there, since nothing of it is its own.
		isHeldWhole: file.finalized,
	};
}
