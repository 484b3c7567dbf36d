/**
 * The way of one large upload's segments: slab ring → hashing pool → lane `bulk` (docs/architecture.md §6). What comes in one turn of the
 * event loop goes on as one batch: one native call, one write. Batches run side by side; their roots enter the tree in order. A slot goes
 * back only when its write and its native call have both settled. Nobody who waits for a slot keeps one that is not on its way.
 */
import { setMaxListeners } from 'node:events';
import type { AppendLog } from '../append-log/append-log.js';
import type { WriteTicket } from '../append-log/types.js';
import { LIMITS } from '../limits.js';
import { FileTree, gather, type FileRoot } from '../native/addon.js';
import type { HashInput, HashPool } from '../native/hash-pool.js';
import type { Slot, SlabRing } from '../native/slab-ring.js';
import { HASH_BYTES } from '../units.js';
import type { DiskSpace } from './disk-space.js';
import { objectOpened, segmentRecord, type ObjectId } from './records.js';

export interface SegmentStreamParts {
	readonly log: AppendLog;
	readonly ring: SlabRing;
	readonly pool: HashPool;
	readonly disk: DiskSpace;
	/** An object was opened for an upload; told before its record is durable. */
	readonly opened: (objectId: ObjectId) => void;
}

/** Segments that are in the log already. */
export interface ResumedSegments {
	readonly objectId: ObjectId;
	/** Over all of them. */
	readonly tree: FileTree;
}

/** Segments of one upload that may be on their way through hashing and writing: three quarters of the ring. */
const SEGMENTS_IN_FLIGHT = 48;
/** While so many batches of an upload are on their way, what comes waits for one of them to end or for a full batch. */
const BATCHES_IN_FLIGHT = 3;

/** Opens an object in `bulk`; its record is written, not yet durable. Errors: those of the log. */
export async function openedInLog(log: AppendLog): Promise<ObjectId> {
	const [record] = await log.write('bulk', [objectOpened()], false).written;
	if (!record) throw new Error('the log answered no record');
	return record.lsn;
}

export class SegmentStream {
	readonly #parts: SegmentStreamParts;
	readonly #objectId: Promise<ObjectId>;
	readonly #tree: FileTree;
	/** Roots of batches that ended out of turn wait here, by their first segment. */
	readonly #roots = new Map<number, Uint8Array>();
	#nextRoot: number;
	#segments: number;
	/** The last write: what it makes durable includes all that went before. */
	#lastWrite: WriteTicket | undefined;
	/** Taken for the next segment. */
	#reserved: Slot | undefined;
	/** Filled in this turn of the event loop. */
	#ready: HashInput[] = [];
	readonly #inFlight = new Set<Promise<void>>();
	#inFlightSegments = 0;
	readonly #stopped = new AbortController();
	#failure: Error | undefined;

	/** Opens an object in the log, or goes on with one. */
	constructor(parts: SegmentStreamParts, resumed?: ResumedSegments) {
		this.#parts = parts;
		this.#tree = resumed?.tree ?? new FileTree();
		this.#segments = Number(this.#tree.segments());
		this.#nextRoot = this.#segments;
		// Each batch on its way listens for the end of the upload, as does the wait for a slot.
		setMaxListeners(SEGMENTS_IN_FLIGHT + 2, this.#stopped.signal);
		this.#objectId = resumed ? Promise.resolve(resumed.objectId) : this.#open();
		// Every batch awaits the id; a failure reaches the upload there.
		this.#objectId.catch(() => undefined);
	}

	async #open(): Promise<ObjectId> {
		const objectId = await openedInLog(this.#parts.log);
		this.#parts.opened(objectId);
		return objectId;
	}

	/** Segments that were sent. */
	get sent(): number {
		return this.#segments + this.#ready.length;
	}

	/** True when a segment can be sent now. */
	hasRoom(): boolean {
		if (this.#failure !== undefined || this.#inFlightSegments + this.#ready.length >= SEGMENTS_IN_FLIGHT) return false;
		this.#reserved ??= this.#parts.ring.take();
		return this.#reserved !== undefined;
	}

	/** Waits until `hasRoom`. Errors: those of the ring, the pool, the log, the disk. */
	async room(): Promise<void> {
		this.#dispatch();
		while (!this.hasRoom()) {
			this.#check();
			if (this.#inFlightSegments >= SEGMENTS_IN_FLIGHT) await Promise.race(this.#inFlight);
			else await this.#reserve();
		}
	}

	/** Copies a segment into the slot that `hasRoom` has found. */
	send(chunks: readonly Uint8Array[], leaves: number): void {
		const slot = this.#reserved;
		if (!slot) throw new Error('a segment was sent without room');
		this.#reserved = undefined;
		const lengthBytes = gather(slot.bytes, chunks);
		if (this.#ready.push({ slot, lengthBytes, leaves }) >= LIMITS.hashTaskSegments) this.#dispatch();
		else if (this.#ready.length === 1) setImmediate(() => this.#dispatchIfIdle());
	}

	/** Waits until all segments are written. Answers the tree and the object. `tail`: the bytes of the last segment. */
	async finish(sizeBytes: number, tail: Uint8Array): Promise<{ readonly tree: FileRoot; readonly objectId: ObjectId }> {
		this.#dispatch();
		await Promise.all(this.#inFlight);
		this.#check();
		return { tree: this.#tree.finish(BigInt(sizeBytes), tail), objectId: await this.#objectId };
	}

	/**
	 * Waits until all segments are durable and in the view, and holds no slot then; more may be sent later. Errors: those of the pool, the log, the disk.
	 */
	async settle(): Promise<void> {
		this.#dispatch();
		this.#reserved?.release();
		this.#reserved = undefined;
		await Promise.all(this.#inFlight);
		this.#check();
		const ticket = this.#lastWrite;
		if (!ticket) return;
		this.#parts.log.hurry('bulk');
		await ticket.applied;
		this.#lastWrite = undefined;
	}

	/**
	 * Gives up; resolves when no slot is held any more and nothing of the upload is on its way to the log. Answers the object, unless the
	 * log could not open it.
	 */
	async abort(): Promise<ObjectId | undefined> {
		this.#fail(new Error('the upload was broken off'));
		for (const { slot } of this.#ready.splice(0)) slot.release();
		this.#reserved?.release();
		this.#reserved = undefined;
		await Promise.all(this.#inFlight);
		return this.#objectId.catch(() => undefined);
	}

	async #reserve(): Promise<void> {
		const slot = await this.#parts.ring.wait(this.#stopped.signal);
		if (this.#failure === undefined) this.#reserved = slot;
		else slot.release();
	}

	#dispatchIfIdle(): void {
		if (this.#inFlight.size < BATCHES_IN_FLIGHT) this.#dispatch();
	}

	#dispatch(): void {
		const batch = this.#ready;
		if (batch.length === 0) return;
		this.#ready = [];
		this.#inFlightSegments += batch.length;
		const way = this.#store(batch, this.#segments)
			.catch((error: unknown) => this.#fail(error))
			.finally(() => {
				this.#inFlightSegments -= batch.length;
				this.#inFlight.delete(way);
				this.#dispatchIfIdle();
			});
		this.#segments += batch.length;
		this.#inFlight.add(way);
	}

	/** Hashes and writes a batch of neighbouring segments. */
	async #store(batch: readonly HashInput[], firstSegment: number): Promise<void> {
		const { disk, pool, log } = this.#parts;
		const hashing = pool.hash(batch, this.#stopped.signal);
		try {
			disk.claim(
				'bulk',
				batch.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0),
			);
			const hashes = await hashing.hashes;
			const objectId = await this.#objectId;
			const records = batch.map(({ slot, lengthBytes }, index) => {
				const hash = hashes[index];
				if (!hash) throw new Error('the pool answered too few hashes');
				const segment = { objectId, segment: firstSegment + index, root: hash.root };
				return segmentRecord(segment, slot.bytes.subarray(0, lengthBytes), hash.blockCrcs);
			});
			const ticket = log.write('bulk', records, false);
			this.#lastWrite = ticket;
			await ticket.written;
			this.#addRoots(firstSegment, Buffer.concat(hashes.map(({ root }) => root)));
		} finally {
			// After an abort the native call may still be reading.
			await hashing.settled;
			for (const { slot } of batch) slot.release();
		}
	}

	#addRoots(firstSegment: number, roots: Uint8Array): void {
		this.#roots.set(firstSegment, roots);
		for (let next = this.#roots.get(this.#nextRoot); next; next = this.#roots.get(this.#nextRoot)) {
			this.#tree.push(next);
			this.#roots.delete(this.#nextRoot);
			this.#nextRoot += next.length / HASH_BYTES;
		}
	}

	#check(): void {
		if (this.#failure !== undefined) throw this.#failure;
	}

	#fail(error: unknown): void {
		this.#failure ??= error instanceof Error ? error : new Error(String(error));
		this.#stopped.abort(this.#failure);
	}
}
