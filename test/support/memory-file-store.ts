/** A FileStore in memory with honest roots and proofs, for tests of what stands above it. */
import { WHOLE_FLOW } from '../../src/config/shard-position.js';
import { createHash } from 'node:crypto';
import { PerigeeError } from '../../src/errors.js';
import { listFiles } from '../../src/log-layer/listing.js';
import type { SegmentRange } from '../../src/log-layer/segment-ranges.js';
import type {
	FilePiece,
	FileProof,
	FileStore,
	FileList,
	FlowInfo,
	NetworkInfo,
	ListOptions,
	HealthReason,
	SectorProof,
	StoredFile,
	UploadOptions,
	UploadResult,
	UploadSession,
} from '../../src/log-layer/types.js';
import { fileGeometry, fileRoot, sectorLeaves, treeProof, treeRoot, zeroHash } from '../../src/native/addon.js';
import {
	type DataRoot,
	HASH_BYTES,
	rootFromBytes,
	SECTOR_BYTES,
	SEGMENT_BYTES,
	SEGMENT_SECTORS,
	type SectorIndex,
	type TxSeq,
} from '../../src/units.js';

import { MemoryResumables } from './memory-resumables.js';

interface Kept {
	readonly file: StoredFile;
	readonly bytes: Buffer;
	readonly lengthAfter: number;
}

/** What a test may bend. Unset members change nothing. */
export interface Bends {
	/** Called for each chunk; a promise holds the upload up, a throw or rejection fails it. */
	onWrite?: (receivedBytes: number) => Promise<void> | undefined;
	/** Called before an upload becomes visible; may throw. */
	onFinish?: () => Promise<void> | void;
	/** Called before a piece is handed out, with its first byte; may throw. */
	onRead?: (from: number) => Promise<void> | void;
	/** Bytes of a piece of `read`. */
	pieceBytes?: number;
	health?: readonly HealthReason[];
	maxUploads?: number;
}

export class MemoryFileStore implements FileStore {
	readonly bends: Bends = {};
	/** Pieces handed out and not released. */
	outstandingPieces = 0;
	readonly resumables = new MemoryResumables(this);
	/** Tests of these need a real store. */
	readonly segmentUploads = {
		put: (): Promise<void> => Promise.reject(new PerigeeError('READ_ONLY')),
		progress: (): Promise<number> => Promise.resolve(0),
		read: (): Promise<undefined> => Promise.resolve(undefined),
	};
	readonly shard = WHOLE_FLOW;
	openUploads = 0;
	abortedUploads = 0;
	readonly #files: Kept[] = [];
	readonly #deleted = new Set<DataRoot>();
	readonly #dropped = new Map<DataRoot, Set<number>>();
	readonly #newest = new Map<DataRoot, { name: string; contentType: string }>();

	get count(): number {
		return this.#files.length;
	}

	beginUpload(options: UploadOptions): UploadSession {
		if (this.openUploads >= (this.bends.maxUploads ?? 1000)) throw new PerigeeError('TOO_MANY_UPLOADS');
		this.openUploads++;
		const chunks: Buffer[] = [];
		let receivedBytes = 0;
		let open = true;
		const end = (): boolean => {
			if (!open) return false;
			open = false;
			this.openUploads--;
			return true;
		};
		return {
			write: (chunk) => {
				if (!open) throw new Error('write after the end of an upload');
				chunks.push(Buffer.from(chunk));
				receivedBytes += chunk.length;
				return this.bends.onWrite?.(receivedBytes);
			},
			finish: async () => {
				if (!open) throw new Error('finish after the end of an upload');
				await this.bends.onFinish?.();
				try {
					return this.#keep(Buffer.concat(chunks), options);
				} finally {
					end();
				}
			},
			abort: async () => {
				if (end()) this.abortedUploads++;
			},
		};
	}

	#keep(bytes: Buffer, options: UploadOptions): UploadResult {
		const digest = createHash('sha256').update(bytes).digest();
		if (options.expectedSha256 !== undefined && !digest.equals(options.expectedSha256)) {
			throw new PerigeeError('DIGEST_MISMATCH');
		}
		const tree = fileRoot(bytes);
		const root = rootFromBytes(tree.root);
		if (options.expectedRoot !== undefined && options.expectedRoot !== root) throw new PerigeeError('ROOT_MISMATCH');
		const { name, contentType } = options;
		this.#newest.set(root, { name, contentType });
		const wasDeleted = this.#deleted.delete(root);
		const existing = this.#files.find((kept) => kept.file.root === root)?.file;
		const file = existing ?? this.#place(bytes, root, tree.nodes, options);
		return {
			root,
			txSeq: file.txSeq,
			sizeBytes: bytes.length,
			segments: file.segments,
			name,
			existed: file === existing && !wasDeleted,
		};
	}

	#place(bytes: Buffer, root: DataRoot, nodes: StoredFile['nodes'], options: UploadOptions): StoredFile {
		const geometry = fileGeometry(BigInt(bytes.length));
		const before = this.#files.at(-1)?.lengthAfter ?? 1;
		// Placement of spec log-layer §2.1 for a single file: aligned to its largest subtree.
		const alignment = 2 ** (nodes[0]?.height ?? 0);
		const start = Math.ceil(before / alignment) * alignment;
		const segments = Number(geometry.segments);
		const file: StoredFile = {
			root,
			txSeq: this.#files.length as TxSeq,
			sizeBytes: bytes.length,
			segments,
			segmentsPadded: Number(geometry.segmentsPadded),
			startSector: BigInt(start) as SectorIndex,
			paddedSectors: geometry.padded,
			name: options.name,
			contentType: options.contentType,
			uploadedAtMs: 1_700_000_000_000,
			finalized: true,
			isShardHeld: true,
			deleted: false,
			heldSegments: segments,
			submitter: `0x${'11'.repeat(20)}`,
			tags: new Uint8Array(),
			nodes,
		};
		this.#files.push({ file, bytes, lengthAfter: start + Number(geometry.padded) });
		return file;
	}

	list(options: ListOptions): Promise<FileList> {
		const at = async (txSeq: TxSeq): Promise<StoredFile | undefined> =>
			options.what === 'submissions'
				? this.fileBySeq(txSeq)
				: this.fileByRoot(this.#files[txSeq]?.file.root as DataRoot);
		return listFiles(this.#files.length, at, options);
	}

	async fileByRoot(root: DataRoot): Promise<StoredFile | undefined> {
		const file = this.#files.find((kept) => kept.file.root === root)?.file;
		return file === undefined ? undefined : { ...this.#asHeld(file), ...this.#newest.get(root) };
	}

	async fileBySeq(txSeq: TxSeq): Promise<StoredFile | undefined> {
		const file = this.#files[txSeq]?.file;
		return file === undefined ? undefined : this.#asHeld(file);
	}

	async deleteFile(root: DataRoot): Promise<void> {
		if (!(await this.fileByRoot(root))) throw new PerigeeError('NOT_FOUND');
		this.#deleted.add(root);
	}

	async dropSegments(root: DataRoot, first: number, count: number): Promise<void> {
		const file = await this.fileByRoot(root);
		if (!file) throw new PerigeeError('NOT_FOUND');
		if (file.deleted) throw new PerigeeError('GONE');
		if (first + count > file.segments) throw new PerigeeError('BAD_REQUEST');
		const dropped = this.#dropped.get(root) ?? new Set();
		for (let at = first; at < first + count; at++) dropped.add(at);
		this.#dropped.set(root, dropped);
	}

	#asHeld(file: StoredFile): StoredFile {
		const deleted = this.#deleted.has(file.root);
		const heldSegments = deleted ? 0 : file.segments - (this.#dropped.get(file.root)?.size ?? 0);
		const finalized = heldSegments === file.segments;
		return { ...file, deleted, heldSegments, finalized, isShardHeld: finalized };
	}

	async *read(file: StoredFile, from: number, to: number): AsyncGenerator<FilePiece> {
		const pieceBytes = this.bends.pieceBytes ?? 1024 * 1024;
		for (let at = from; at < to; at += pieceBytes) {
			await this.bends.onRead?.(at);
			this.outstandingPieces++;
			let released = false;
			yield {
				bytes: this.#bytesOf(file).subarray(at, Math.min(to, at + pieceBytes)),
				release: () => {
					if (released) throw new Error('a piece was released twice');
					released = true;
					this.outstandingPieces--;
				},
			};
		}
	}

	async readSmall(file: StoredFile, from: number, to: number): Promise<Uint8Array> {
		await this.bends.onRead?.(from);
		return this.#bytesOf(file).subarray(from, to);
	}

	async segmentProof(file: StoredFile, index: number): Promise<{ data: Uint8Array; proof: FileProof }> {
		const bytes = this.#bytesOf(file);
		const padded = Number(file.paddedSectors);
		const roots: Uint8Array[] = [];
		for (let segment = 0; segment < file.segmentsPadded; segment++) {
			const data = bytes.subarray(segment * SEGMENT_BYTES, (segment + 1) * SEGMENT_BYTES);
			roots.push(treeRoot(sectorLeaves(data, Math.min(SEGMENT_SECTORS, padded - segment * SEGMENT_SECTORS))));
		}
		const data = bytes.subarray(index * SEGMENT_BYTES, (index + 1) * SEGMENT_BYTES);
		const filled = Buffer.alloc(Math.ceil(data.length / SECTOR_BYTES) * SECTOR_BYTES);
		data.copy(filled);
		return { data: filled, proof: proofOf(Buffer.concat(roots), index) };
	}

	async subtreeRoots(file: StoredFile, nodes: readonly SegmentRange[]): Promise<readonly Uint8Array[]> {
		const bytes = this.#bytesOf(file);
		return nodes.map(({ first, count }) => {
			const sectors = Math.min(count * SEGMENT_SECTORS, Number(file.paddedSectors) - first * SEGMENT_SECTORS);
			return treeRoot(sectorLeaves(bytes.subarray(first * SEGMENT_BYTES, (first + count) * SEGMENT_BYTES), sectors));
		});
	}

	flow(): FlowInfo {
		const leaves = this.#flowLeaves(this.#files.length);
		return {
			root: treeRoot(leaves),
			lengthSectors: BigInt(this.#files.at(-1)?.lengthAfter ?? 1),
			submissions: this.#files.length,
		};
	}

	network(): NetworkInfo {
		const blockNumber = this.#files.length;
		return { chainId: 1n, flowAddress: new Uint8Array(20), blockNumber, blockHash: new Uint8Array(HASH_BYTES) };
	}

	async flowSegmentRoot(index: bigint): Promise<Uint8Array> {
		const leaves = this.#flowLeaves(this.#files.length);
		const at = Number(index) * SEGMENT_SECTORS * HASH_BYTES;
		return treeRoot(leaves.subarray(at, at + SEGMENT_SECTORS * HASH_BYTES));
	}

	async flowSegmentData(index: bigint): Promise<readonly Uint8Array[]> {
		const from = Number(index) * SEGMENT_SECTORS;
		const to = Math.min(from + SEGMENT_SECTORS, Number(this.flow().lengthSectors));
		const sectors: Buffer[] = [];
		for (let sector = Math.max(from, 1); sector < to; sector++) sectors.push(this.#sector(sector));
		return [Buffer.concat(sectors)];
	}

	async sectorProof(sector: SectorIndex, atSeq?: TxSeq): Promise<SectorProof> {
		const count = atSeq === undefined ? this.#files.length : atSeq + 1;
		const length = this.#files[count - 1]?.lengthAfter ?? 1;
		if (count > this.#files.length || sector >= BigInt(length)) throw new PerigeeError('NOT_FOUND');
		const leaves = this.#flowLeaves(count);
		const data = sector === 0n ? Buffer.alloc(HASH_BYTES) : this.#sector(Number(sector));
		return {
			sector,
			data,
			...proofOf(leaves, Number(sector)),
			flowRoot: treeRoot(leaves),
			flowLengthSectors: BigInt(length),
		};
	}

	health(): readonly HealthReason[] {
		return this.bends.health ?? [];
	}

	/** Leaves of the whole flow tree: a full binary tree over the first `count` files (spec log-layer §1.6). */
	#flowLeaves(count: number): Buffer {
		const length = this.#files[count - 1]?.lengthAfter ?? 1;
		const width = 2 ** Math.ceil(Math.log2(length));
		const leaves = Buffer.concat(Array.from({ length: width }, () => zeroHash(0)));
		leaves.fill(0, 0, HASH_BYTES);
		for (const { file, bytes } of this.#files.slice(0, count)) {
			leaves.set(sectorLeaves(bytes, Number(file.paddedSectors)), Number(file.startSector) * HASH_BYTES);
		}
		return leaves;
	}

	#sector(index: number): Buffer {
		const sector = Buffer.alloc(SECTOR_BYTES);
		for (const { file, bytes } of this.#files) {
			const offset = (index - Number(file.startSector)) * SECTOR_BYTES;
			if (offset >= 0 && offset < bytes.length) bytes.copy(sector, 0, offset, offset + SECTOR_BYTES);
		}
		return sector;
	}

	#bytesOf(file: StoredFile): Buffer {
		const kept = this.#files[file.txSeq];
		if (kept === undefined) throw new PerigeeError('NOT_FOUND');
		return kept.bytes;
	}
}

function proofOf(leaves: Uint8Array, index: number): FileProof {
	const { lemma, path } = treeProof(leaves, index);
	return {
		lemma: Array.from({ length: lemma.length / HASH_BYTES }, (_, at) => lemma.subarray(at * 32, at * 32 + 32)),
		path: Array.from(path, (step) => step === 1),
	};
}
