/** Segments of files, as far as they are held. Whatever is not here is null: a client then asks another node. */
import { PerigeeError, type ErrorCode } from '../../../errors.js';
import type { FileStore, StoredFile } from '../../../log-layer/types.js';
import { hexOf, SECTOR_BYTES, SEGMENT_SECTORS } from '../../../units.js';
import { fileOfRoot, fileOfSeq } from '../file-info.js';
import { Base64, type JsonOut } from '../json-writer.js';
import type { RpcMethods } from '../method.js';
import type { Params } from '../params.js';
import { invalidParam, uncategorised } from '../rpc-error.js';

export const DOWNLOAD_METHODS: RpcMethods = {
	async zgs_downloadSegment({ store }, params) {
		const root = params.root('data_root');
		const range = rangeOf(params);
		return sectorsOf(store, await fileOfRoot(store, root), range);
	},

	async zgs_downloadSegmentByTxSeq({ store }, params) {
		const seq = params.u64('tx_seq');
		const range = rangeOf(params);
		return sectorsOf(store, await fileOfSeq(store, seq), range);
	},

	async zgs_downloadSegmentWithProof({ store }, params) {
		const root = params.root('data_root');
		const index = params.u64('index');
		return provedSegment(store, await fileOfRoot(store, root), index);
	},

	async zgs_downloadSegmentWithProofByTxSeq({ store }, params) {
		const seq = params.u64('tx_seq');
		const index = params.u64('index');
		return provedSegment(store, await fileOfSeq(store, seq), index);
	},
};

/** Sectors of a file. */
interface SectorRange {
	readonly start: bigint;
	readonly end: bigint;
}

function rangeOf(params: Params): SectorRange {
	return { start: params.u64('start_index'), end: params.u64('end_index') };
}

async function sectorsOf(
	store: FileStore,
	file: StoredFile | undefined,
	{ start, end }: SectorRange,
): Promise<JsonOut> {
	if (!file) return null;
	if (start >= end) throw invalidParam('end_index', 'invalid chunk index');
	if (end - start > SEGMENT_SECTORS) throw invalidParam('end_index', `exceeds maximum chunks ${SEGMENT_SECTORS}`);
	// The reference prints the start index here.
	if (end > Math.ceil(file.sizeBytes / SECTOR_BYTES))
		throw uncategorised(`end entry index exceeds tx size: end=${start} tx size=${file.sizeBytes}`);
	const from = Number(start) * SECTOR_BYTES;
	const to = Number(end) * SECTOR_BYTES;
	return heldOrNull(async () => {
		const bytes = await bytesOf(store, file, from, Math.min(to, file.sizeBytes));
		return bytes && new Base64(bytes.length === to - from ? bytes : filledUp(bytes, to - from));
	});
}

/** Also of a file that is not whole yet. */
async function bytesOf(store: FileStore, file: StoredFile, from: number, to: number): Promise<Uint8Array | null> {
	const isPartial = !file.finalized && !file.deleted;
	const partial = isPartial ? await store.segmentUploads.read(file.root, file.sizeBytes, from, to) : undefined;
	return partial ?? store.readSmall(file, from, to);
}

async function provedSegment(store: FileStore, file: StoredFile | undefined, index: bigint): Promise<JsonOut> {
	if (!file) return null;
	if (index >= file.segments) throw invalidParam('index', 'index out of bound');
	return heldOrNull(async () => {
		const { data, proof } = await store.segmentProof(file, Number(index));
		return {
			root: file.root,
			data: new Base64(data),
			index,
			proof: { lemma: proof.lemma.map(hexOf), path: proof.path },
			fileSize: file.sizeBytes,
		};
	});
}

function filledUp(bytes: Uint8Array, lengthBytes: number): Uint8Array {
	const filled = Buffer.alloc(lengthBytes);
	filled.set(bytes);
	return filled;
}

const NOT_HERE: ReadonlySet<ErrorCode> = new Set(['NOT_HELD', 'GONE']);

async function heldOrNull(read: () => Promise<JsonOut>): Promise<JsonOut> {
	try {
		return await read();
	} catch (error) {
		if (error instanceof PerigeeError && NOT_HERE.has(error.code)) return null;
		throw error;
	}
}
