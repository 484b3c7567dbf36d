/** The file store as the API sees it: uploads, look-ups, reads, proofs (docs/architecture.md §6, §7). */
import type { Shard } from '../config/shard-position.js';
import { PerigeeError } from '../errors.js';
import type { Randomness } from '../io/randomness.js';
import type { HashPool } from '../native/hash-pool.js';
import type { SlabRing } from '../native/slab-ring.js';
import { rootFromBytes, type DataRoot, type FlowId, type SectorIndex, type TxSeq } from '../units.js';
import { ChunkPool } from './chunk-pool.js';
import type { DiskSpace } from './disk-space.js';
import { ContentBinding, type ContentBindingParts } from './content-binding.js';
import { FileDeletion, givenUp } from './file-deletion.js';
import { FileLookup } from './file-lookup.js';
import { FileProofs } from './file-proofs.js';
import { flowRootOf, flowSegmentRoot, proveSector, sealSiblings, type FlowProofParts } from './flow-proofs.js';
import { flowSegmentData } from './flow-segment-data.js';
import { flowSegmentAt, type FlowSegment } from './flow-segments.js';
import type { FlowExtent } from './flow-tree.js';
import { healthReasons } from './health.js';
import { HeldContent } from './held-content.js';
import { ObjectReader } from './object-reader.js';
import type { ObjectId } from './records.js';
import { doubtOf } from './losses.js';
import { LostSegments } from './lost-segments.js';
import type { PendingObjects } from './pending-objects.js';
import type { RootedObject, SubmissionRow } from './rows.js';
import { Resumables } from './resumables.js';
import { includesSegment, type SegmentRange } from './segment-ranges.js';
import { isKept } from './shard.js';
import { Narrowing } from './narrowing.js';
import { OwnSegments } from './own-segments.js';
import { firstEndingBehind, submissionAt } from './submissions.js';
import type {
	FilePiece,
	FileStore,
	FlowInfo,
	NetworkInfo,
	HealthReason,
	SectorProof,
	FileList,
	ListOptions,
	StoredFile,
	UploadOptions,
	UploadSession,
} from './types.js';
import type { Unrewarded } from './unrewarded.js';
import { Upload, type BoundContent, type ReadyContent, type UploadParts } from './upload.js';
import { noRoom } from './view.js';

/** `held`, `reader` and `beginUpload` are the store's own. */
export interface FileStoreParts extends Omit<ContentBindingParts, 'held' | 'reader' | 'beginUpload'> {
	readonly ring: SlabRing;
	readonly pool: HashPool;
	readonly disk: DiskSpace;
	readonly pending: PendingObjects;
	readonly randomness: Randomness;
	readonly shard: { readonly current: Shard };
	readonly unrewarded: Unrewarded;
	/** Emptied log files that have waited for long for somebody who holds on to them. */
	readonly overdueFiles: () => number;
	readonly maxFileBytes: number;
	readonly maxUploads: number;
	/** How long a resumable upload may be silent. */
	readonly resumableExpiryMs: number;
	/** Content that no submission names is kept for so long. */
	readonly uploadExpiryMs: number;
}

export class LogFileStore implements FileStore {
	readonly #parts: FileStoreParts;
	readonly #flowId: FlowId;
	readonly reader: ObjectReader;
	readonly held: HeldContent;
	readonly #lookup: FileLookup;
	readonly #fileProofs: FileProofs;
	readonly #proofs: FlowProofParts;
	readonly #deletion: FileDeletion;
	readonly #binding: ContentBinding;
	/** With the next number of the log at their beginning. */
	readonly #uploads = new Map<Upload, ObjectId>();
	/** Opened by uploads of this process that are neither bound nor given up. */
	readonly #uploading = new Set<ObjectId>();
	readonly #uploadParts: UploadParts;
	readonly resumables: Resumables;
	readonly segmentUploads: ChunkPool;
	readonly narrowing: Narrowing;
	#closing = false;

	constructor(parts: FileStoreParts) {
		this.#parts = parts;
		this.#uploadParts = {
			...parts,
			opened: (objectId) => this.#uploading.add(objectId),
			// What is durable when the index begins to wait for room becomes visible later, or is sent again.
			bind: (content, options) => parts.view.unlessStalled(this.#bind(content, options)),
			discard: (objectId, urgent) => void this.#discard(objectId, urgent),
			ended: (upload) => this.#uploads.delete(upload),
		};
		this.resumables = new Resumables({
			...this.#uploadParts,
			...parts,
			admit: (announcedBytes) => this.#admit(announcedBytes),
		});
		this.#flowId = parts.settlement.identity().flowId;
		this.reader = new ObjectReader(parts.log, parts.view, parts.damage);
		const { log, view, losses } = parts;
		const isWhole = losses.files.length === 0 && losses.volumes.length === 0;
		const lost = isWhole ? undefined : new LostSegments(view, (lane, fileNo) => log.isLost(lane, fileNo));
		this.held = new HeldContent(view, this.reader, parts.damage, lost);
		this.#fileProofs = new FileProofs(view, this.held);
		this.#lookup = new FileLookup(view, this.#flowId, this.held, () => parts.shard.current, parts.unrewarded);
		const own = new OwnSegments(view, this.held, () => parts.shard.current);
		this.#deletion = new FileDeletion(parts);
		this.#binding = new ContentBinding({
			...parts,
			held: this.held,
			reader: this.reader,
			beginUpload: (options) => this.#newUpload(options),
		});
		this.narrowing = new Narrowing({ ...parts, held: this.held, own });
		this.segmentUploads = new ChunkPool({
			...parts,
			held: this.held,
			reader: this.reader,
			admit: (bytes) => this.#admitBytes(bytes),
			isComplete: () => doubtOf(parts.losses, parts.damage.lostStretches) === undefined,
			isAwaited: (root) => parts.settlement.awaits?.(root) === true,
			keep: (content) => this.#binding.keep(content),
			own,
			narrowing: this.narrowing,
		});
		this.#proofs = {
			view: parts.view,
			reader: this.reader,
			objectOf: (submission) => this.#objectOf(submission),
			keptOf: async (object) => (await this.held.holding(object)).kept,
		};
	}

	get shard(): Shard {
		return this.#parts.shard.current;
	}

	get uploadsInProgress(): number {
		return this.#uploads.size + this.resumables.active;
	}

	/** An upload of this process may still write records of the object. */
	isUploading(objectId: ObjectId): boolean {
		const { resumables, segmentUploads } = this;
		return this.#uploading.has(objectId) || resumables.isActive(objectId) || segmentUploads.has(objectId);
	}

	/** Every object with a lower id is complete, or never will be: no upload in progress, or one that may go on, is older. */
	get completeBelow(): ObjectId {
		const { log, pending } = this.#parts;
		let below: ObjectId = pending.oldestResumable ?? log.nextLsn;
		for (const begun of this.#uploads.values()) if (begun < below) below = begun;
		return below;
	}

	beginUpload(options: UploadOptions): UploadSession {
		this.#admit(options.announcedBytes ?? 0);
		return this.#newUpload(options);
	}

	#newUpload(options: UploadOptions): Upload {
		const upload = new Upload(this.#uploadParts, options);
		this.#uploads.set(upload, this.#parts.log.nextLsn);
		return upload;
	}

	/** Whether an upload may begin or go on now. Errors: as of `beginUpload`. */
	#admit(announced: number): void {
		if (this.uploadsInProgress >= this.#parts.maxUploads && !this.#closing) throw new PerigeeError('TOO_MANY_UPLOADS');
		if (announced > this.#parts.maxFileBytes) throw new PerigeeError('BODY_TOO_LARGE');
		this.#admitBytes(announced);
	}

	/** Whether so many bytes may come now. */
	#admitBytes(announced: number): void {
		if (this.#closing) throw new PerigeeError('SHUTTING_DOWN');
		if (this.#parts.log.failure) throw new PerigeeError('READ_ONLY', this.#parts.log.failure.message);
		if (announced > this.#parts.disk.uploadableBytes)
			throw new PerigeeError('DISK_FULL', `${announced} bytes do not fit beside the reserve`);
		if (this.#parts.view.isStalled) throw noRoom();
	}

	fileByRoot(root: DataRoot): Promise<StoredFile | undefined> {
		return this.#lookup.fileByRoot(root);
	}

	fileBySeq(txSeq: TxSeq): Promise<StoredFile | undefined> {
		return this.#lookup.fileBySeq(txSeq);
	}

	list(options: ListOptions): Promise<FileList> {
		return this.#lookup.list(options, this.#parts.settlement.flow().submissions);
	}

	read(file: StoredFile, from: number, to: number): AsyncIterable<FilePiece> {
		return this.held.pieces(file.root, from, to);
	}

	readSmall(file: StoredFile, from: number, to: number): Promise<Uint8Array> {
		return this.held.small(file.root, from, to);
	}

	segmentProof(file: StoredFile, index: number): ReturnType<FileStore['segmentProof']> {
		return this.#fileProofs.segment(file, index);
	}

	subtreeRoots(file: StoredFile, nodes: readonly SegmentRange[]): Promise<readonly Uint8Array[]> {
		return this.#fileProofs.subtrees(file, nodes);
	}

	async deleteFile(root: DataRoot): Promise<void> {
		await this.#parts.view.unlessStalled(this.#deletion.deleteFile(root));
	}

	async dropSegments(root: DataRoot, first: number, count: number): Promise<void> {
		await this.#parts.view.unlessStalled(this.#deletion.dropSegments(root, { first, count }));
	}

	flow(): FlowInfo {
		const { root, lengthSectors, submissions } = this.#parts.settlement.flow();
		return { root, lengthSectors, submissions };
	}

	network(): NetworkInfo {
		const { chainId, flowAddress } = this.#parts.settlement.identity();
		const { blockNumber, blockHash } = this.#parts.settlement.flow();
		return { chainId, flowAddress, blockNumber, blockHash };
	}

	async flowSegmentRoot(index: bigint): Promise<Uint8Array | undefined> {
		return flowSegmentRoot(this.#proofs, await this.#extent(), index);
	}

	async flowSegmentData(index: bigint): Promise<readonly Uint8Array[]> {
		const extent = await this.#extent();
		return flowSegmentData(await this.flowSegment(index), extent.lengthSectors, this.reader);
	}

	async sectorProof(sector: SectorIndex, atSeq?: TxSeq): Promise<SectorProof> {
		return proveSector(this.#proofs, await this.#extent(atSeq), sector);
	}

	/**
	 * The siblings of the seal that begins at `sector`, from the bottom up, in the flow as it was when it had `lengthSectors`. Errors: NOT_HELD,
	 * DATA_DAMAGED, NOT_FOUND when the flow is shorter.
	 */
	async sealSiblings(sector: bigint, lengthSectors: bigint): Promise<readonly Uint8Array[]> {
		const now = await this.#extent();
		if (lengthSectors > now.lengthSectors)
			throw new PerigeeError('NOT_FOUND', `the flow has ${now.lengthSectors} sectors`);
		const { flowId } = now;
		const behind = await firstEndingBehind(this.#parts.view, flowId, now.submissions, lengthSectors);
		return sealSiblings(this.#proofs, { flowId, lengthSectors, submissions: behind?.txSeq ?? now.submissions }, sector);
	}

	/** The flow root after submission `atSeq`. Errors: NOT_FOUND. */
	async flowRoot(atSeq: TxSeq): Promise<Uint8Array> {
		return flowRootOf(this.#parts.view, await this.#extent(atSeq));
	}

	/** What flow segment `index` is made of, and which of its seals are known here. */
	async flowSegment(index: bigint): Promise<FlowSegment> {
		return flowSegmentAt(this.#parts.view, await this.#extent(), index, async (submission, segment) => {
			const object = (await this.held.rootRow(submission.dataRoot))?.object;
			if (!object || this.#parts.damage.of(object.objectId)?.has(segment)) return undefined;
			const { dropped, kept } = await this.held.holding(object);
			return includesSegment(dropped, segment) || !isKept(kept, segment) ? undefined : object;
		});
	}

	health(): readonly HealthReason[] {
		const closing = { code: 'SHUTTING_DOWN', message: 'the node is stopping', ready: false };
		return [...healthReasons(this.#parts), ...(this.#closing ? [closing] : [])];
	}

	/** Takes no more uploads and breaks off those in progress. */
	async close(): Promise<void> {
		this.#closing = true;
		const uploads = [...this.#uploads.keys()].map((upload) => upload.abort());
		await Promise.all([...uploads, this.resumables.close(), this.segmentUploads.close()]);
	}

	/** Binds content; the object that it came in is then no upload's any more. */
	async #bind(content: ReadyContent, options: UploadOptions): Promise<BoundContent> {
		this.segmentUploads.adopt(rootFromBytes(content.tree.root));
		try {
			return await this.#binding.bind(content, options);
		} finally {
			if ('objectId' in content.stored) this.#uploading.delete(content.stored.objectId);
		}
	}

	/** Deletes an object that nothing will ever name. What cannot be written now, the expiry finds. */
	async #discard(objectId: ObjectId, urgent: boolean): Promise<void> {
		await this.#parts.log.write('bulk', [givenUp(objectId)], urgent).applied.catch(() => undefined);
		this.#uploading.delete(objectId);
	}

	/** Undefined when a row that it needs is missing. */
	async #objectOf(submission: SubmissionRow): Promise<RootedObject> {
		return this.held.object(submission.dataRoot);
	}

	async #extent(atSeq?: TxSeq): Promise<FlowExtent> {
		const flow = this.#parts.settlement.flow();
		if (atSeq === undefined)
			return { flowId: this.#flowId, lengthSectors: flow.lengthSectors, submissions: flow.submissions };
		const submission = atSeq < flow.submissions ? await submissionAt(this.#parts.view, this.#flowId, atSeq) : undefined;
		if (!submission) throw new PerigeeError('NOT_FOUND', `there is no submission ${atSeq}`);
		return { flowId: this.#flowId, lengthSectors: submission.lengthAfter, submissions: atSeq + 1 };
	}
}
