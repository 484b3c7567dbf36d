/** What the file store shows to the API and to other rooms (docs/architecture.md §6, §7). */
import type { Shard } from '../config/shard-position.js';
import type { AwaitedSubmission } from '../settlement/settlement.js';
import type { DataRoot, SectorIndex, TxSeq } from '../units.js';
import type { DamageEntry } from './damage.js';
import type { SegmentUploads } from './proved-segment.js';
import type { SegmentRange } from './segment-ranges.js';

export interface UploadOptions {
	/** '' when the client gave none. */
	readonly name: string;
	/** Media type as sent; '' when the client gave none. */
	readonly contentType: string;
	/** Refuse (ROOT_MISMATCH) if the content has another root. */
	readonly expectedRoot?: DataRoot;
	/** Refuse (DIGEST_MISMATCH) if the content has another SHA-256 (32 bytes). */
	readonly expectedSha256?: Uint8Array;
	/** Content-Length when known; lets the node refuse early (BODY_TOO_LARGE, DISK_FULL). */
	readonly announcedBytes?: number;
}

export interface UploadResult {
	readonly root: DataRoot;
	/** Absent while the content waits for its submission. */
	readonly txSeq?: TxSeq;
	/** The submission that the content waits for. */
	readonly awaited?: AwaitedSubmission;
	readonly sizeBytes: number;
	readonly segments: number;
	readonly name: string;
	/** The content (root and size) was here already: no new submission. */
	readonly existed: boolean;
}

/** One upload in progress. Calls must not overlap. After an error it is dead; `abort` is then a no-op. */
export interface UploadSession {
	/**
	 * Takes the next bytes over: nobody may change them before the upload has ended. When it answers a promise, the caller
	 * pauses its source until that settles. At most one segment of chunks waits here between two calls. `isGiven`: nobody else has the
	 * chunk's memory, which is then freed as soon as it has been copied.
	 */
	write(chunk: Uint8Array, isGiven?: boolean): Promise<void> | undefined;
	/**
	 * Ends the upload: resolves when everything is durable and visible, but for a submission that the result then waits for. Nothing is visible
	 * after a rejection.
	 */
	finish(): Promise<UploadResult>;
	/** Gives up; what was written is deleted. */
	abort(): Promise<void>;
}

/** What a client says of an upload that it may send in several requests. */
export interface ResumableOptions {
	/** '' when the client gave none. */
	readonly name: string;
	/** Media type as sent; '' when the client gave none. */
	readonly contentType: string;
	/** Anything; it is given back as it came. */
	readonly metadata: string;
	/** Absent: it is said later. */
	readonly sizeBytes?: number;
	/** Refuse (ROOT_MISMATCH) if the content has another root. */
	readonly expectedRoot?: DataRoot;
}

/** A resumable upload as it stands. */
export interface ResumableUpload extends ResumableOptions {
	/** Unguessable. */
	readonly id: string;
	/** Bytes from the beginning that are durable here. */
	readonly offsetBytes: number;
	/** Until then it may be continued; each request that brings bytes moves it on. Milliseconds since 1970. */
	readonly expiresMs: number;
	/** It is complete, and a file, or one as soon as its submission is there (without `txSeq`). */
	readonly stored?: Pick<UploadResult, 'root' | 'txSeq' | 'awaited'>;
}

export interface ResumeOptions {
	/** Where the bytes that come belong; must be `offsetBytes`. */
	readonly offsetBytes: number;
	/** Of the whole, if it was not known before. */
	readonly sizeBytes?: number;
	/** The data root that the whole must have, if that was not known before. */
	readonly expectedRoot?: DataRoot;
	/** What comes counts only once `pause` was called: until then the client may find it damaged. */
	readonly isChecked?: boolean;
}

/** One request's part of a resumable upload. Calls must not overlap; either `pause` or `discard` ends it. */
export interface ResumeSession {
	/** Aborted when the upload is to be given free: another request goes on with it, or the node stops. Its reason is the error. */
	readonly interrupted: AbortSignal;
	/** As UploadSession.write. */
	write(chunk: Uint8Array, isGiven?: boolean): Promise<void> | undefined;
	/** Keeps what came, durably; with the last byte the content becomes a file. */
	pause(): Promise<ResumableUpload>;
	/** Forgets what came. */
	discard(): Promise<void>;
}

/** Uploads that go on after a broken connection or a restart, from the last byte that was answered for. */
export interface ResumableUploads {
	/** Durable when it resolves. Errors: TOO_MANY_UPLOADS, BODY_TOO_LARGE, DISK_FULL, READ_ONLY, SHUTTING_DOWN. */
	create(options: ResumableOptions): Promise<ResumableUpload>;
	/**
	 * How it stands. Who is just sending bytes is interrupted first; one that has come whole is stored now. Errors: UPLOAD_NOT_FOUND, and those
	 * of storing.
	 */
	find(id: string): Promise<ResumableUpload>;
	/** Errors: UPLOAD_NOT_FOUND, UPLOAD_CONFLICT (the offset or size is another one), BAD_REQUEST (checked before the size is known), and those of `create`. */
	resume(id: string, options: ResumeOptions): Promise<ResumeSession>;
	/** Deletes what came. Errors: UPLOAD_NOT_FOUND, UPLOAD_CONFLICT (it is a file already), and those of a write. */
	remove(id: string): Promise<void>;
}

export interface FileProof {
	/** 32-byte hashes, spec log-layer §1.5. */
	readonly lemma: readonly Uint8Array[];
	readonly path: readonly boolean[];
}

/** A file by its submission. */
export interface StoredFile {
	readonly root: DataRoot;
	readonly txSeq: TxSeq;
	readonly sizeBytes: number;
	readonly segments: number;
	readonly segmentsPadded: number;
	readonly startSector: SectorIndex;
	readonly paddedSectors: bigint;
	readonly name: string;
	readonly contentType: string;
	readonly uploadedAtMs: number;
	/** All bytes are held here and none is known to be damaged. */
	readonly finalized: boolean;
	/** So is everything that this node's shard owns of it, perhaps nothing; without shards the same as `finalized`. */
	readonly isShardHeld: boolean;
	/** An operator deleted the content here, and nobody has sent it again; or the chain pays nothing for it any more (unrewarded.ts). */
	readonly deleted: boolean;
	readonly heldSegments: number;
	readonly submitter: string;
	readonly tags: Uint8Array;
	readonly nodes: readonly { readonly root: Uint8Array; readonly height: number }[];
}

/** A piece of a file, checked against its checksums. `release` gives its buffer back; call it once, when nobody reads `bytes` any more. */
export interface FilePiece {
	readonly bytes: Uint8Array;
	release(): void;
}

/** What a list shows, and where it goes on. */
export interface ListOptions {
	/** `files`: each root once, in the place of its first submission and with the newest upload's name; `submissions`: each of them. */
	readonly what: 'files' | 'submissions';
	/** `next` of the list before; absent: from the beginning. */
	readonly from?: TxSeq;
	readonly newestFirst: boolean;
	/** Entries of one list, at least 1. */
	readonly most: number;
	/** Only names that begin so. */
	readonly namePrefix: string;
	/** Only files that are held here whole, or only others. */
	readonly finalized?: boolean;
	/** Only files that were deleted here, or only others. */
	readonly deleted?: boolean;
}

export interface FileList {
	/** At most as many as were asked for; fewer, even none, before the end when few fit. */
	readonly files: readonly StoredFile[];
	/** Where the next list begins; absent at the end. */
	readonly next?: TxSeq;
}

export interface FlowInfo {
	readonly root: Uint8Array;
	readonly lengthSectors: bigint;
	readonly submissions: number;
}

/** Who orders the flow, and how far this node follows. */
export interface NetworkInfo {
	readonly chainId: bigint;
	/** 20 bytes. */
	readonly flowAddress: Uint8Array;
	/** The last (ledger) block that counts here, and its hash of 32 bytes. */
	readonly blockNumber: number;
	readonly blockHash: Uint8Array;
}

export interface SectorProof extends FileProof {
	readonly sector: SectorIndex;
	/** 256 bytes, or 32 for sector 0 of the flow, which is an opaque leaf. */
	readonly data: Uint8Array;
	readonly flowRoot: Uint8Array;
	readonly flowLengthSectors: bigint;
}

/** The file store as the API sees it. */
export interface FileStore {
	/** Errors: TOO_MANY_UPLOADS, BODY_TOO_LARGE, DISK_FULL, READ_ONLY, SHUTTING_DOWN. */
	beginUpload(options: UploadOptions): UploadSession;
	readonly resumables: ResumableUploads;
	/** Uploads of 0G clients, segment by segment. */
	readonly segmentUploads: SegmentUploads;
	/** Which segments of the flow this node owns. */
	readonly shard: Shard;
	/** `/v1/files/{root}`: the first submission of the root, with the newest upload's name and type. */
	fileByRoot(root: DataRoot): Promise<StoredFile | undefined>;
	/** `/v1/submissions/{txSeq}`: with the name and type of the upload that made it. */
	fileBySeq(txSeq: TxSeq): Promise<StoredFile | undefined>;
	/** Files or submissions in the order of their sequence numbers, as `fileByRoot` or `fileBySeq` show them. */
	list(options: ListOptions): Promise<FileList>;
	/**
	 * The bytes [from, to) in pieces of bounded size, each CRC-checked before it is handed out.
	 * Errors: GONE, NOT_HELD, DATA_DAMAGED.
	 */
	read(file: StoredFile, from: number, to: number): AsyncIterable<FilePiece>;
	/** The bytes [from, to) of at most one segment's length at once; the quick way for small ranges. */
	readSmall(file: StoredFile, from: number, to: number): Promise<Uint8Array>;
	/** Bytes of segment `index` as uploaded (the last one zero-padded to whole sectors) and its proof against the root. */
	segmentProof(file: StoredFile, index: number): Promise<{ readonly data: Uint8Array; readonly proof: FileProof }>;
	/**
	 * Roots of nodes of the file's tree, each over padded segments [first, first + count); of one that is the last of the file and shorter, over
	 * the leaves that it has. Errors: GONE, NOT_HELD, DATA_DAMAGED.
	 */
	subtreeRoots(file: StoredFile, nodes: readonly SegmentRange[]): Promise<readonly Uint8Array[]>;
	/**
	 * Deletes the content of a file; its submissions and names stay. Resolves when that is durable and reads answer GONE; deleting what is
	 * deleted changes nothing. Errors: NOT_FOUND, NOT_HELD, and those of a write.
	 */
	deleteFile(root: DataRoot): Promise<void>;
	/**
	 * Drops the segments [first, first + count) of a file. Resolves when that is durable and reads of them answer NOT_HELD.
	 * Errors: NOT_FOUND, GONE, NOT_HELD, BAD_REQUEST, and those of a write, after which some of them may be dropped.
	 */
	dropSegments(root: DataRoot, first: number, count: number): Promise<void>;
	flow(): FlowInfo;
	network(): NetworkInfo;
	/**
	 * Root of flow segment `index`: of its 1,024 sectors, zeros where the flow has ended; of the whole flow while it has no more than one.
	 * Undefined when it needs data that is not held here. Errors: NOT_FOUND.
	 */
	flowSegmentRoot(index: bigint): Promise<Uint8Array | undefined>;
	/**
	 * What is known of flow segment `index`, in stretches without holes, up to the end of the flow; sector 0 of the flow, which has no bytes, is
	 * left out. Errors: NOT_FOUND, DATA_DAMAGED.
	 */
	flowSegmentData(index: bigint): Promise<readonly Uint8Array[]>;
	/** Proof of one sector of the flow against the flow root after submission `atSeq` (default: now). Errors: NOT_FOUND, GONE, NOT_HELD. */
	sectorProof(sector: SectorIndex, atSeq?: TxSeq): Promise<SectorProof>;
	/** Everything an operator should know; empty when healthy. */
	health(): readonly HealthReason[];
}

export interface HealthReason {
	/** Stable word. */
	readonly code: string;
	readonly message: string;
	/** False: the node cannot take uploads. */
	readonly ready: boolean;
}

/** How far a pass of the scrub has come. Times in milliseconds since 1970. */
export interface ScrubStatus {
	/** waiting: a pass has met an error and goes on by itself. */
	readonly state: 'idle' | 'running' | 'paused' | 'waiting';
	readonly pass?: {
		readonly startedMs: number;
		/** Share of the log files that it has read, 0 to 1. */
		readonly progress: number;
		readonly position: { readonly phase: 'view' | 'log' | 'lost' };
		readonly segments: number;
		readonly bytes: number;
		/** Damaged places that it has met, known or not. */
		readonly damaged: number;
	};
	readonly last?: {
		readonly startedMs: number;
		readonly endedMs: number;
		readonly segments: number;
		readonly bytes: number;
		readonly damaged: number;
	};
	/** When the next pass begins by itself; absent: it does not. */
	readonly nextMs?: number;
	readonly damagedSegments: number;
	readonly damagedStretches: number;
}

/** What an operator may do with a store. */
export interface StoreAdmin {
	readonly scrub: ScrubControl;
	/** Up to `most` damaged places with an id above `after`, in order. */
	damage(after: number, most: number): readonly DamageEntry[];
}

/** The scrub as an operator sees it. */
export interface ScrubControl {
	/** Begins a pass, or goes on with one that was paused. */
	start(): ScrubStatus;
	/** Stops the pass where it stands. */
	pause(): ScrubStatus;
	status(): ScrubStatus;
}
