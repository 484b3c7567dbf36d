/**
 * Reads the content behind a root, whichever object holds it. Content may be deleted, dropped or held by another object while it is read: a
 * reader then goes on with the object that holds the same bytes now, or ends with an error; it never gets other bytes.
 */
import { PerigeeError } from '../errors.js';
import { SEGMENT_BYTES, type DataRoot } from '../units.js';
import type { DamageList } from './damage.js';
import type { LostSegments } from './lost-segments.js';
import type { ObjectReader } from './object-reader.js';
import {
	decodeObjectRow,
	decodeRootRow,
	isDeletedRow,
	rowKeys,
	type ObjectRow,
	type RootedObject,
	type RootObject,
	type RootRow,
} from './rows.js';
import { includesSegment, overlapCount, type SegmentRange } from './segment-ranges.js';
import { includesKept, isKept, keptCount, keptWithin, type KeptSegments } from './shard.js';
import type { FilePiece } from './types.js';
import type { View } from './view.js';

export class HeldContent {
	readonly #view: View;
	readonly #reader: ObjectReader;
	readonly #damage: DamageList;
	readonly #lost: LostSegments | undefined;

	/** `lost`: absent when nothing is missing. */
	constructor(view: View, reader: ObjectReader, damage: DamageList, lost: LostSegments | undefined) {
		this.#view = view;
		this.#reader = reader;
		this.#damage = damage;
		this.#lost = lost;
	}

	async rootRow(root: DataRoot): Promise<RootRow | undefined> {
		const row = await this.#view.get(rowKeys.root(root));
		return row ? decodeRootRow(row) : undefined;
	}

	/** Bytes [from, to) in pieces. Errors: GONE, NOT_HELD, DATA_DAMAGED. */
	async *pieces(root: DataRoot, from: number, to: number): AsyncGenerator<FilePiece> {
		let at = from;
		for (let object = await this.#readable(root, from, to); ; ) {
			try {
				for await (const piece of this.#reader.pieces(object, at, to)) {
					at += piece.bytes.length;
					yield piece;
				}
				return;
			} catch (error) {
				object = await this.#successor(root, object, error);
			}
		}
	}

	/** Bytes [from, to), at most one segment's length. Errors as of `pieces`. */
	async small(root: DataRoot, from: number, to: number): Promise<Uint8Array> {
		for (let object = await this.#readable(root, from, to); ; ) {
			try {
				return await this.#reader.small(object, from, to);
			} catch (error) {
				object = await this.#successor(root, object, error);
			}
		}
	}

	/** The object that holds the root's content. Errors: GONE, NOT_HELD. */
	async object(root: DataRoot): Promise<RootedObject> {
		const row = await this.rootRow(root);
		if (row?.object) return { ...row.object, root };
		throw new PerigeeError(row && isDeletedRow(row) ? 'GONE' : 'NOT_HELD');
	}

	/** The object that holds the root's content, if none of the bytes [from, to) was dropped or is missing. Errors: GONE, NOT_HELD. */
	async #readable(root: DataRoot, from: number, to: number): Promise<RootedObject> {
		const object = await this.object(root);
		const first = Math.floor(from / SEGMENT_BYTES);
		const count = Math.ceil(to / SEGMENT_BYTES) - first;
		const { dropped, kept } = await this.holding(object);
		if (overlapCount(dropped, { first, count }) > 0)
			throw new PerigeeError('NOT_HELD', 'segments of this range were dropped');
		if (keptWithin(kept, first, count) < count)
			throw new PerigeeError('NOT_HELD', 'segments of this range belong to other shards');
		if (await this.#lost?.isAmong(object, kept, first, count))
			throw new PerigeeError('NOT_HELD', 'segments of this range lie in log files that are missing');
		return object;
	}

	/** The object to go on with when one lost segments under its reader: the root's newer one, whose bytes are the same. Otherwise the error. */
	async #successor(root: DataRoot, object: RootedObject, error: unknown): Promise<RootedObject> {
		if (!(error instanceof PerigeeError && error.code === 'NOT_HELD')) throw error;
		const current = await this.object(root);
		if (current.objectId === object.objectId) throw error;
		return current;
	}

	/** Of the first `segments` of a file, those that are held and not known to be damaged or missing. */
	async heldSegments(object: RootObject, segments: number): Promise<number> {
		const { dropped, kept } = await this.holding(object);
		const isHeld = (at: number): boolean => isKept(kept, at) && !includesSegment(dropped, at);
		const damaged = [...(this.#damage.of(object.objectId)?.keys() ?? [])].filter(isHeld);
		const lost = (await this.#lost?.countOf(object, kept)) ?? 0;
		const within = Math.min(segments, provableSegments(object));
		return Math.max(0, keptCount(kept, within) - droppedCount(dropped, kept) - damaged.length - lost);
	}

	/** Whether all of these segments of a file with so many segments are held by the object, and not known to be damaged or missing. */
	async holdsAll(object: RootObject, own: KeptSegments, segments: number): Promise<boolean> {
		const provable = provableSegments(object);
		if (provable < segments && keptWithin(own, provable, segments - provable) > 0) return false;
		const { dropped, kept } = await this.holding(object);
		if (!includesKept(kept, own) || droppedCount(dropped, own) > 0) return false;
		const damaged = [...(this.#damage.of(object.objectId)?.keys() ?? [])];
		return !damaged.some((at) => isKept(own, at)) && ((await this.#lost?.countOf(object, kept)) ?? 0) === 0;
	}

	/** Which segments of an object were dropped, and which of them are held at all. */
	async holding(object: RootObject): Promise<Pick<ObjectRow, 'dropped' | 'kept'>> {
		if (!object.isPruned) return { dropped: [] };
		const row = await this.#view.get(rowKeys.object(object.objectId));
		return row ? decodeObjectRow(row) : { dropped: [] };
	}
}

/** The same content may have further segments of zeros in a longer file. Of an object that is not whole nothing proves those. */
function provableSegments({ isPruned, sizeBytes }: RootObject): number {
	return isPruned ? Math.ceil(sizeBytes / SEGMENT_BYTES) : Infinity;
}

/** How many of these segments were dropped. */
function droppedCount(dropped: readonly SegmentRange[], kept: KeptSegments | undefined): number {
	return dropped.reduce((sum, { first, count }) => sum + keptWithin(kept, first, count), 0);
}
