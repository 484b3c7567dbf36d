/**
 * Reads the bytes of objects: from places to checked bytes. Every 4,096-byte block is compared with its CRC before it leaves this room;
 * a mismatch is DATA_DAMAGED, never data.
 */
import type { AppendLog } from '../append-log/append-log.js';
import { LogFileGoneError } from '../append-log/log-files.js';
import { PerigeeError } from '../errors.js';
import { LIMITS } from '../limits.js';
import { checkBlocksBytes } from '../native/addon.js';
import { BLOCK_BYTES, SEGMENT_BYTES } from '../units.js';
import { BufferPool } from './buffer-pool.js';
import type { DamageList, SegmentDamageReason, SegmentPlace } from './damage.js';
import { decodeRootRow, decodeSegmentRow, rowKeys, type PlainPlace, type RootedObject } from './rows.js';
import type { FilePiece } from './types.js';
import type { View } from './view.js';

const CRC_BYTES = 4;
/** Bytes of a file in one piece: long enough to make calls rare, short enough to stay in the cache between check and socket. */
const PIECE_BYTES = 1024 * 1024;
/** Segment rows fetched at once while reading on. */
const ROWS_AHEAD = 32;

/** How often a read looks its places up anew because compaction has moved them meanwhile. */
const LOOKUPS_MOST = 8;

/** Bytes [from, to) of one payload. */
interface Part {
	readonly place: PlainPlace;
	readonly segment: number;
	readonly from: number;
	readonly to: number;
}

export class ObjectReader {
	readonly #log: AppendLog;
	readonly #view: View;
	readonly #damage: DamageList;
	readonly #pool = new BufferPool(PIECE_BYTES + 2 * BLOCK_BYTES, LIMITS.readBuffers, LIMITS.readBuffersIdle);

	/** What is found damaged goes into `damage`. */
	constructor(log: AppendLog, view: View, damage: DamageList) {
		this.#log = log;
		this.#view = view;
		this.#damage = damage;
	}

	/** Bytes [from, to) of the object, at most one segment's length; zeros behind its end. Errors: DATA_DAMAGED, READ_FAILED, NOT_HELD. */
	async small(object: RootedObject, from: number, to: number): Promise<Uint8Array> {
		if (to - from > SEGMENT_BYTES) throw new Error('a small read is at most one segment');
		return this.#withPlaces(object, (current) => this.#small(current, from, to));
	}

	async #small(object: RootedObject, from: number, to: number): Promise<Uint8Array> {
		const parts = await this.#parts(object, from, Math.min(to, object.sizeBytes));
		const [only] = parts;
		if (only && parts.length === 1 && only.to - only.from === to - from) {
			const start = Math.floor(only.from / BLOCK_BYTES) * BLOCK_BYTES;
			const end = Math.min(Math.ceil(only.to / BLOCK_BYTES) * BLOCK_BYTES, only.place.lengthBytes);
			const buffer = Buffer.allocUnsafe(end - start);
			await this.#readRun(object, [only], buffer);
			return buffer.subarray(only.from - start, only.to - start);
		}
		const bytes = Buffer.alloc(to - from);
		let at = 0;
		for (const part of parts) {
			const span = spanOf(part);
			const buffer = Buffer.allocUnsafe(span.end - span.start);
			await this.#readRun(object, [part], buffer);
			at += buffer.copy(bytes, at, part.from - span.start, part.to - span.start);
		}
		return bytes;
	}

	/** Bytes [from, to) in pieces; the next piece is read while the caller works on one. Errors as of `small`. */
	async *pieces(object: RootedObject, from: number, to: number): AsyncGenerator<FilePiece> {
		let rows = new Map<number, Part['place']>();
		let next: Promise<FilePiece> | undefined;
		let at = from;
		const read = async (): Promise<FilePiece> => {
			// A range of up to one piece's length is one piece, wherever it starts; longer ones go on at whole blocks.
			const whole = Math.floor(at / BLOCK_BYTES) * BLOCK_BYTES + PIECE_BYTES;
			const end = to - at <= PIECE_BYTES ? to : whole;
			const start = at;
			at = end;
			return this.#withPlaces(object, async (current, isMoved) => {
				const last = Math.floor((Math.min(end, object.sizeBytes) - 1) / SEGMENT_BYTES);
				if (!object.place && (isMoved || !rows.has(last))) rows = await this.#rows(object, start, to);
				return this.#piece(current, rows, start, end);
			});
		};
		try {
			next = read();
			while (next) {
				const piece: FilePiece = await next;
				next = at < to ? read() : undefined;
				// Whoever leaves the loop early never sees this promise.
				next?.catch(() => undefined);
				yield piece;
			}
		} finally {
			await next?.then(
				(piece) => piece.release(),
				() => undefined,
			);
		}
	}

	async #piece(
		object: RootedObject,
		rows: ReadonlyMap<number, PlainPlace>,
		from: number,
		to: number,
	): Promise<FilePiece> {
		const lent = await this.#pool.take();
		try {
			const parts = object.place
				? [{ place: object.place, segment: 0, from, to: Math.min(to, object.sizeBytes) }]
				: partsOf(rows, from, Math.min(to, object.sizeBytes));
			const first = Math.floor(from / BLOCK_BYTES) * BLOCK_BYTES;
			const buffer = lent.bytes;
			for (const run of runsOf(parts)) {
				const start = run[0] ? fileOffset(run[0]) - first : 0;
				await this.#readRun(object, run, buffer.subarray(start, start + runBytes(run)));
			}
			if (to > object.sizeBytes) buffer.fill(0, Math.max(object.sizeBytes, from) - first, to - first);
			return { bytes: buffer.subarray(from - first, to - first), release: () => lent.release() };
		} catch (error) {
			lent.release();
			throw error;
		}
	}

	/** Reads parts that lie one behind the other in one log file into `buffer`, from the first one's block on, and checks them. */
	async #readRun(object: RootedObject, run: readonly Part[], buffer: Buffer): Promise<void> {
		const [first] = run;
		if (!first) return;
		const { lane, fileNo, offset } = first.place;
		const crcs = run.length === 1 ? crcsOf(first) : Buffer.concat(run.map(crcsOf));
		if (await this.#log.readRight(lane, fileNo, offset + spanOf(first).start, buffer, crcs)) {
			for (const { segment } of run) this.#damage.readRight(object.objectId, segment);
			return;
		}
		try {
			await this.#log.read(lane, fileNo, offset + spanOf(first).start, buffer);
		} catch (error) {
			await this.#readSingly(object, run, buffer, error);
		}
		let at = 0;
		for (const part of run) {
			const { start, end } = spanOf(part);
			if (checkBlocksBytes(buffer.subarray(at, at + end - start), crcsOf(part)) >= 0)
				throw this.#damaged(object, part, 'checksum');
			this.#damage.readRight(object.objectId, part.segment);
			at += end - start;
		}
	}

	/** The run could not be read in one go: finds out which of its parts cannot, so that no other is blamed. */
	async #readSingly(object: RootedObject, run: readonly Part[], buffer: Buffer, cause: unknown): Promise<void> {
		if (!isReadError(cause)) throw cause;
		let at = 0;
		for (const part of run) {
			const { start, end } = spanOf(part);
			const { lane, fileNo, offset } = part.place;
			try {
				await this.#log.read(lane, fileNo, offset + start, buffer.subarray(at, at + end - start));
			} catch (error) {
				if (!isReadError(error)) throw error;
				if (error.code === 'DATA_DAMAGED') throw this.#damaged(object, part, 'missing');
				if (this.#damage.readFailed(placeOf(object, part), 'read')) throw damagedError(part);
				throw error;
			}
			at += end - start;
		}
	}

	#damaged(object: RootedObject, part: Part, reason: SegmentDamageReason): PerigeeError {
		this.#damage.add({ ...placeOf(object, part), reason, foundBy: 'read' });
		return damagedError(part);
	}

	/**
	 * Reads by the places as the view has them. A log file that compaction has emptied and taken away meanwhile is no error: by then the
	 * view knows where its records are, so the places are looked up again. Errors: NOT_HELD when the object is gone too.
	 */
	async #withPlaces<T>(
		object: RootedObject,
		read: (current: RootedObject, isMoved: boolean) => Promise<T>,
	): Promise<T> {
		let current = object;
		for (let lookups = 0; ; lookups++) {
			try {
				return await read(current, lookups > 0);
			} catch (error) {
				if (!(error instanceof LogFileGoneError)) throw error;
				if (lookups >= LOOKUPS_MOST) throw new PerigeeError('NOT_HELD', undefined, { cause: error });
			}
			if (object.place) current = await this.#lookUp(object);
		}
	}

	async #lookUp(object: RootedObject): Promise<RootedObject> {
		const row = await this.#view.get(rowKeys.root(object.root));
		const found = row && decodeRootRow(row).object;
		if (found?.sizeBytes !== object.sizeBytes) throw new PerigeeError('NOT_HELD');
		return { ...found, root: object.root };
	}

	async #parts(object: RootedObject, from: number, to: number): Promise<Part[]> {
		if (to <= from) return [];
		if (object.place) return [{ place: object.place, segment: 0, from, to }];
		return partsOf(await this.#rows(object, from, to), from, to);
	}

	/** Places of the segments of [from, to), at most ROWS_AHEAD of them. Errors: NOT_HELD when one is missing. */
	async #rows(object: RootedObject, from: number, to: number): Promise<Map<number, PlainPlace>> {
		const firstSegment = Math.floor(from / SEGMENT_BYTES);
		const endSegment = Math.min(Math.ceil(Math.min(to, object.sizeBytes) / SEGMENT_BYTES), firstSegment + ROWS_AHEAD);
		const keys: Buffer[] = [];
		for (let segment = firstSegment; segment < endSegment; segment++)
			keys.push(rowKeys.segment(object.objectId, segment));
		const values = await this.#view.getMany(keys);
		const rows = new Map<number, PlainPlace>();
		values.forEach((value, index) => {
			const place = value && decodeSegmentRow(value).place;
			if (!place) throw new PerigeeError('NOT_HELD', `segment ${firstSegment + index} is not held here`);
			rows.set(firstSegment + index, place);
		});
		return rows;
	}
}

function isReadError(error: unknown): error is PerigeeError {
	return error instanceof PerigeeError && (error.code === 'DATA_DAMAGED' || error.code === 'READ_FAILED');
}

function damagedError({ segment, place }: Part): PerigeeError {
	return new PerigeeError(
		'DATA_DAMAGED',
		`segment ${segment} is damaged in log file ${place.fileNo} of lane ${place.lane}`,
	);
}

function placeOf({ root, objectId }: RootedObject, { segment, place }: Part): SegmentPlace {
	return { root, objectId, segment, lane: place.lane, fileNo: place.fileNo, offset: place.offset };
}

/** The whole blocks of the payload that hold the part. */
function spanOf(part: Part): { readonly start: number; readonly end: number } {
	return {
		start: Math.floor(part.from / BLOCK_BYTES) * BLOCK_BYTES,
		end: Math.min(Math.ceil(part.to / BLOCK_BYTES) * BLOCK_BYTES, part.place.lengthBytes),
	};
}

/** Checksums of those blocks. */
function crcsOf(part: Part): Uint8Array {
	const { start, end } = spanOf(part);
	return part.place.blockCrcs.subarray((start / BLOCK_BYTES) * CRC_BYTES, Math.ceil(end / BLOCK_BYTES) * CRC_BYTES);
}

/** Offset in the file of the part's first block. */
function fileOffset(part: Part): number {
	return part.segment * SEGMENT_BYTES + spanOf(part).start;
}

function runBytes(run: readonly Part[]): number {
	return run.reduce((sum, part) => sum + spanOf(part).end - spanOf(part).start, 0);
}

function partsOf(rows: ReadonlyMap<number, PlainPlace>, from: number, to: number): Part[] {
	const parts: Part[] = [];
	for (let at = from; at < to; ) {
		const segment = Math.floor(at / SEGMENT_BYTES);
		const place = rows.get(segment);
		if (!place) throw new PerigeeError('NOT_HELD', `segment ${segment} is not held here`);
		const end = Math.min(to, (segment + 1) * SEGMENT_BYTES);
		parts.push({ place, segment, from: at - segment * SEGMENT_BYTES, to: end - segment * SEGMENT_BYTES });
		at = end;
	}
	return parts;
}

/** Groups parts that are neighbours on disk, so that each group is one read. */
function runsOf(parts: readonly Part[]): Part[][] {
	const runs: Part[][] = [];
	let last: Part | undefined;
	for (const part of parts) {
		const run = runs.at(-1);
		const joins =
			last &&
			last.place.lane === part.place.lane &&
			last.place.fileNo === part.place.fileNo &&
			last.place.offset + spanOf(last).end === part.place.offset + spanOf(part).start;
		if (run && joins) run.push(part);
		else runs.push([part]);
		last = part;
	}
	return runs;
}
