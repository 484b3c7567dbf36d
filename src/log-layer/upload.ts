/**
 * One upload on its way into the log (docs/architecture.md §6). Content of at most one segment is hashed inline and becomes one record of
 * the lane `small`. Larger content goes segment by segment through the slab ring, the hashing pool and the lane `bulk`.
 *
 * Promises: `finish` answers only when data, submission and name are durable and visible. Before that nothing is visible; what an
 * upload leaves behind when it fails is an object that nothing names.
 */
import { createHash, type Hash } from 'node:crypto';
import { PerigeeError } from '../errors.js';
import { FileTree, fileGeometry, fileRoot, type FileRoot } from '../native/addon.js';
import type { HashPool } from '../native/hash-pool.js';
import type { Slot, SlabRing } from '../native/slab-ring.js';
import { SEGMENT_BYTES, SEGMENT_SECTORS, rootFromBytes } from '../units.js';
import type { DiskSpace } from './disk-space.js';
import { objectOpened, segmentRecord, type ObjectId } from './records.js';
import type { AppendLog } from '../append-log/append-log.js';
import type { UploadOptions, UploadResult, UploadSession } from './types.js';

/** Content whose bytes are in this process or in the log, ready to be bound to a submission. */
export interface ReadyContent {
	readonly tree: FileRoot;
	readonly sizeBytes: number;
	/** Small content itself, or the object whose segments are written. */
	readonly stored: { readonly bytes: Uint8Array } | { readonly objectId: ObjectId };
}

export interface UploadParts {
	readonly log: AppendLog;
	readonly ring: SlabRing;
	readonly pool: HashPool;
	readonly disk: DiskSpace;
	readonly maxFileBytes: number;
	/** Binds content to a submission. */
	readonly bind: (content: ReadyContent, options: UploadOptions) => Promise<UploadResult>;
	/** The upload is over, however it ended. */
	readonly ended: () => void;
}

/** Segments of one upload that may be on their way through hashing and writing. */
const SEGMENTS_IN_FLIGHT = 32;

export class Upload implements UploadSession {
	readonly #parts: UploadParts;
	readonly #options: UploadOptions;
	readonly #sha256: Hash | undefined;
	/** What has come and fills no segment yet. */
	#chunks: Uint8Array[] = [];
	#chunkBytes = 0;
	#sizeBytes = 0;
	#object: Promise<ObjectId> | undefined;
	#segments = 0;
	readonly #tree = new FileTree();
	/** Roots of segments that were hashed out of turn wait here. */
	readonly #roots = new Map<number, Uint8Array>();
	#nextRoot = 0;
	readonly #inFlight = new Set<Promise<void>>();
	#failure: Error | undefined;
	readonly #aborted = new AbortController();
	#isOver = false;

	constructor(parts: UploadParts, options: UploadOptions) {
		this.#parts = parts;
		this.#options = options;
		this.#sha256 = options.expectedSha256 ? createHash('sha256') : undefined;
	}

	write(chunk: Uint8Array): Promise<void> | undefined {
		if (this.#failure) return Promise.reject(this.#failure);
		this.#sizeBytes += chunk.length;
		if (this.#sizeBytes > this.#parts.maxFileBytes) return Promise.reject(this.#fail(new PerigeeError('BODY_TOO_LARGE')));
		this.#sha256?.update(chunk);
		this.#chunks.push(chunk);
		this.#chunkBytes += chunk.length;
		// Exactly one segment stays: it may be the whole file.
		return this.#chunkBytes > SEGMENT_BYTES ? this.#drain() : undefined;
	}

	async finish(): Promise<UploadResult> {
		try {
			if (this.#failure) throw this.#failure;
			if (this.#sizeBytes === 0) throw new PerigeeError('EMPTY_FILE');
			const digest = this.#sha256?.digest();
			if (digest && this.#options.expectedSha256 && !digest.equals(this.#options.expectedSha256)) throw new PerigeeError('DIGEST_MISMATCH');
			const content = this.#object ? await this.#finishLarge() : this.#finishSmall();
			const { expectedRoot } = this.#options;
			if (expectedRoot && expectedRoot !== rootFromBytes(content.tree.root)) {
				throw new PerigeeError('ROOT_MISMATCH', `the content has the root ${rootFromBytes(content.tree.root)}`);
			}
			return await this.#parts.bind(content, this.#options);
		} catch (error) {
			throw this.#fail(error);
		} finally {
			this.#end();
		}
	}

	async abort(): Promise<void> {
		if (this.#isOver) return;
		this.#fail(new PerigeeError('BAD_REQUEST', 'the upload was broken off'));
		await Promise.allSettled(this.#inFlight);
		this.#end();
	}

	#finishSmall(): ReadyContent {
		const [only] = this.#chunks;
		const bytes = only && this.#chunks.length === 1 ? only : Buffer.concat(this.#chunks, this.#chunkBytes);
		this.#parts.disk.claim(bytes.length);
		return { tree: fileRoot(bytes), sizeBytes: bytes.length, stored: { bytes } };
	}

	async #finishLarge(): Promise<ReadyContent> {
		const geometry = fileGeometry(BigInt(this.#sizeBytes));
		const tail = Buffer.concat(this.#chunks, this.#chunkBytes);
		await this.#sendSegment(tail, geometry.lastSegmentLeaves);
		await Promise.all(this.#inFlight);
		if (this.#failure) throw this.#failure;
		const objectId = await this.#openObject();
		return { tree: this.#tree.finish(BigInt(this.#sizeBytes), tail), sizeBytes: this.#sizeBytes, stored: { objectId } };
	}

	/** Sends whole segments on while more than one segment of bytes waits. */
	async #drain(): Promise<void> {
		while (this.#chunkBytes > SEGMENT_BYTES) {
			if (this.#failure) throw this.#failure;
			const segment = this.#takeSegment();
			await this.#sendSegment(segment, SEGMENT_SECTORS);
		}
	}

	#takeSegment(): Uint8Array[] {
		const taken: Uint8Array[] = [];
		let missing = SEGMENT_BYTES;
		while (missing > 0) {
			const chunk = this.#chunks[0];
			if (!chunk) throw new Error('fewer bytes than counted');
			if (chunk.length <= missing) {
				taken.push(chunk);
				this.#chunks.shift();
				missing -= chunk.length;
			} else {
				taken.push(chunk.subarray(0, missing));
				this.#chunks[0] = chunk.subarray(missing);
				missing = 0;
			}
		}
		this.#chunkBytes -= SEGMENT_BYTES;
		return taken;
	}

	/** Copies a segment into a slot and sets it on its way; waits while no slot is free. */
	async #sendSegment(chunks: Uint8Array | readonly Uint8Array[], leaves: number): Promise<void> {
		try {
			void this.#openObject();
			while (this.#inFlight.size >= SEGMENTS_IN_FLIGHT) await Promise.race(this.#inFlight);
			const slot = this.#parts.ring.take() ?? (await this.#parts.ring.wait(this.#aborted.signal));
			let lengthBytes = 0;
			for (const chunk of chunks instanceof Uint8Array ? [chunks] : chunks) {
				slot.bytes.set(chunk, lengthBytes);
				lengthBytes += chunk.length;
			}
			const way = this.#store(slot, this.#segments++, lengthBytes, leaves)
				.catch((error: unknown) => {
					this.#fail(error);
				})
				.finally(() => this.#inFlight.delete(way));
			this.#inFlight.add(way);
		} catch (error) {
			throw this.#fail(error);
		}
	}

	/** Hashes and writes one segment. The slot returns when both have settled. */
	async #store(slot: Slot, segment: number, lengthBytes: number, leaves: number): Promise<void> {
		const hashing = this.#parts.pool.hash([{ slot, lengthBytes, leaves }], this.#aborted.signal);
		try {
			this.#parts.disk.claim(lengthBytes);
			const [hashes, objectId] = await Promise.all([hashing.hashes, this.#openObject()]);
			const [hash] = hashes;
			if (!hash) throw new Error('the pool answered no hash');
			const { root, blockCrcs } = hash;
			const record = segmentRecord({ objectId, segment, root }, slot.bytes.subarray(0, lengthBytes), blockCrcs);
			await this.#parts.log.write('bulk', [record], false).written;
			this.#roots.set(segment, root);
			for (let next = this.#roots.get(this.#nextRoot); next; next = this.#roots.get(this.#nextRoot)) {
				this.#tree.push(next);
				this.#roots.delete(this.#nextRoot++);
			}
		} finally {
			// After a failure the native call may still be reading.
			await hashing.settled;
			slot.release();
		}
	}

	#openObject(): Promise<ObjectId> {
		this.#object ??= this.#parts.log.write('bulk', [objectOpened()], false).written.then(([record]) => {
			if (!record) throw new Error('the log answered no record');
			return record.lsn;
		});
		// Whoever needs the id awaits this promise; a failure reaches them there.
		this.#object.catch(() => undefined);
		return this.#object;
	}

	#fail(error: unknown): Error {
		this.#failure ??= error instanceof Error ? error : new Error(String(error));
		this.#aborted.abort();
		this.#chunks = [];
		this.#chunkBytes = 0;
		return this.#failure;
	}

	#end(): void {
		if (this.#isOver) return;
		this.#isOver = true;
		this.#chunks = [];
		this.#parts.ended();
	}
}
