/**
 * The way of one large upload's segments: slab ring → hashing pool → lane `bulk` (docs/architecture.md §6). Segments are hashed and written
 * side by side; their roots enter the tree in order. A slot goes back only when its write and its native call have both settled.
 */
import { setMaxListeners } from 'node:events';
import type { AppendLog } from '../append-log/append-log.js';
import { FileTree, type FileRoot } from '../native/addon.js';
import type { HashPool } from '../native/hash-pool.js';
import type { Slot, SlabRing } from '../native/slab-ring.js';
import type { DiskSpace } from './disk-space.js';
import { objectOpened, segmentRecord, type ObjectId } from './records.js';

export interface SegmentStreamParts {
	readonly log: AppendLog;
	readonly ring: SlabRing;
	readonly pool: HashPool;
	readonly disk: DiskSpace;
}

/** Segments of one upload that may be on their way through hashing and writing. */
const SEGMENTS_IN_FLIGHT = 32;

export class SegmentStream {
	readonly #parts: SegmentStreamParts;
	readonly #objectId: Promise<ObjectId>;
	readonly #tree = new FileTree();
	/** Roots of segments that were hashed out of turn wait here. */
	readonly #roots = new Map<number, Uint8Array>();
	#nextRoot = 0;
	#segments = 0;
	readonly #inFlight = new Set<Promise<void>>();
	readonly #stopped = new AbortController();
	#failure: unknown;

	/** Opens an object in the log. */
	constructor(parts: SegmentStreamParts) {
		this.#parts = parts;
		// Each segment on its way listens for the end of the upload.
		setMaxListeners(2 * SEGMENTS_IN_FLIGHT + 1, this.#stopped.signal);
		this.#objectId = parts.log.write('bulk', [objectOpened()], false).written.then(([record]) => {
			if (!record) throw new Error('the log answered no record');
			return record.lsn;
		});
		// Every segment awaits the id; a failure reaches the upload there.
		this.#objectId.catch(() => undefined);
	}

	/** Copies a segment into a slot and sets it on its way; waits while no slot is free. Errors: those of the ring, the pool, the log, the disk. */
	async send(chunks: readonly Uint8Array[], leaves: number): Promise<void> {
		while (this.#inFlight.size >= SEGMENTS_IN_FLIGHT) await Promise.race(this.#inFlight);
		this.#check();
		const slot = this.#parts.ring.take() ?? (await this.#parts.ring.wait(this.#stopped.signal));
		let lengthBytes = 0;
		for (const chunk of chunks) {
			slot.bytes.set(chunk, lengthBytes);
			lengthBytes += chunk.length;
		}
		const way = this.#store(slot, this.#segments++, lengthBytes, leaves)
			.catch((error: unknown) => this.#fail(error))
			.finally(() => this.#inFlight.delete(way));
		this.#inFlight.add(way);
	}

	/** Waits until all segments are written. Answers the tree and the object. `tail`: the bytes of the last segment. */
	async finish(sizeBytes: number, tail: Uint8Array): Promise<{ readonly tree: FileRoot; readonly objectId: ObjectId }> {
		await Promise.all(this.#inFlight);
		this.#check();
		return { tree: this.#tree.finish(BigInt(sizeBytes), tail), objectId: await this.#objectId };
	}

	/** Gives up; resolves when no slot is held any more. */
	async abort(): Promise<void> {
		this.#fail(new Error('the upload was broken off'));
		await Promise.all(this.#inFlight);
	}

	/** Hashes and writes one segment. */
	async #store(slot: Slot, segment: number, lengthBytes: number, leaves: number): Promise<void> {
		const { disk, pool, log } = this.#parts;
		const hashing = pool.hash([{ slot, lengthBytes, leaves }], this.#stopped.signal);
		try {
			disk.claim(lengthBytes);
			const [hash] = await hashing.hashes;
			if (!hash) throw new Error('the pool answered no hash');
			const objectId = await this.#objectId;
			const record = segmentRecord(
				{ objectId, segment, root: hash.root },
				slot.bytes.subarray(0, lengthBytes),
				hash.blockCrcs,
			);
			await log.write('bulk', [record], false).written;
			this.#roots.set(segment, hash.root);
			for (let next = this.#roots.get(this.#nextRoot); next; next = this.#roots.get(this.#nextRoot)) {
				this.#tree.push(next);
				this.#roots.delete(this.#nextRoot++);
			}
		} finally {
			// After an abort the native call may still be reading.
			await hashing.settled;
			slot.release();
		}
	}

	#check(): void {
		if (this.#failure !== undefined) throw this.#failure;
	}

	#fail(error: unknown): void {
		this.#failure ??= error;
		this.#stopped.abort(this.#failure);
	}
}
