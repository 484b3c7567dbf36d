/**
 * Reads one log file group by group, finding its way past what is unreadable (docs/format.md §7, steps 1 and 2), and judges how much of
 * it can be relied on (steps 3 to 5).
 */
import type { StorageFile } from '../io/storage-io.js';
import { BLOCK_BYTES } from '../units.js';
import {
	FIRST_GROUP_OFFSET,
	GROUP_ALIGN_BYTES,
	GROUP_FIXED_BYTES,
	claimedGroupOfTrailer,
	decodeFileStart,
	decodeGroup,
	roundUp,
	type FileHeader,
	type GroupHeader,
	type GroupIdentity,
} from './format.js';
import type { Checksums, Lane, LogRecord } from './types.js';

/** One read of the file at most; the first at a new place is short, since behind a group's header lie payloads that nobody asks for. */
const WINDOW_BYTES = 256 * 1024;
const FIRST_READ_BYTES = 8 * 1024;
/** Payloads up to this size are read with their neighbours. */
const SMALL_PAYLOAD_BYTES = 16 * 1024;
/** Header bytes that a group may have at most: a bound for hostile lengths. */
const MAX_HEADER_BYTES = 4 * 1024 * 1024;

export interface ByteRange {
	readonly from: number;
	readonly to: number;
}

/** How far a file can be relied on. */
export interface FileVerdict {
	/** Behind this offset nothing was ever acknowledged. */
	readonly end: number;
	/** Ranges before `end` that were never acknowledged and are unreadable. */
	readonly doubt: readonly ByteRange[];
}

export interface ScannedGroup {
	readonly group: GroupHeader;
	readonly end: number;
}

/** A group, or a stretch without one. `isBlank`: zeros up to the end of the file, written ahead of groups that may never have come. */
export type Scanned = ScannedGroup | { readonly bad: ByteRange; readonly isBlank: boolean };

export class LogFileScan {
	readonly header: FileHeader | undefined;
	readonly identity: GroupIdentity;
	readonly sizeBytes: number;
	readonly #file: StorageFile;
	readonly #checksums: Checksums;
	readonly #window: Buffer;
	/** Filled with the next group's header while this one's records are used. */
	readonly #spare = Buffer.allocUnsafe(FIRST_READ_BYTES);
	#ahead: { readonly at: number; readonly bytes: Promise<number> } | undefined;
	#windowFrom = 0;
	#windowBytes = 0;
	#readBytes = FIRST_READ_BYTES;

	private constructor(
		file: StorageFile,
		sizeBytes: number,
		header: FileHeader | undefined,
		identity: GroupIdentity,
		checksums: Checksums,
	) {
		this.#file = file;
		this.sizeBytes = sizeBytes;
		this.header = header;
		this.identity = identity;
		this.#checksums = checksums;
		this.#window = Buffer.allocUnsafe(Math.min(WINDOW_BYTES, roundUp(sizeBytes, GROUP_ALIGN_BYTES)));
	}

	static async open(file: StorageFile, lane: Lane, fileNo: number, checksums: Checksums): Promise<LogFileScan> {
		const sizeBytes = await file.size();
		const start = Buffer.alloc(FIRST_GROUP_OFFSET + GROUP_FIXED_BYTES);
		const bytes = await file.read(start, 0);
		const header = decodeFileStart(start.subarray(0, Math.min(bytes, FIRST_GROUP_OFFSET)), checksums);
		// Both copies of the header lost: the first group still names the incarnation, and only the writer knew it.
		const incarnation =
			header?.incarnation ?? Uint8Array.from(start.subarray(FIRST_GROUP_OFFSET + 48, FIRST_GROUP_OFFSET + 64));
		return new LogFileScan(file, sizeBytes, header, { lane, fileNo, incarnation }, checksums);
	}

	/** Groups and unreadable stretches from `from` (a group's start) to the end of the file, in order. */
	async *groups(from: number): AsyncGenerator<Scanned> {
		let at = Math.max(from, FIRST_GROUP_OFFSET);
		while (at + GROUP_ALIGN_BYTES <= this.sizeBytes) {
			const group = await this.#groupAt(at, at, 'header');
			if (group) {
				at += group.groupBytes;
				this.#readAhead(at);
				yield { group, end: at };
				continue;
			}
			const found = await this.#findNext(at);
			const foundAt = found?.offset ?? this.sizeBytes;
			const isBlank = !found && (await this.#isZero(at, this.sizeBytes));
			if (foundAt > at) yield { bad: { from: at, to: foundAt }, isBlank };
			if (found) yield { group: found, end: found.offset + found.groupBytes };
			at = found ? found.offset + found.groupBytes : this.sizeBytes;
		}
	}

	/** Where the file ends, if that is before `offset`, the end of a group: zeros that were written ahead are no part of it. */
	async endBefore(offset: number): Promise<number> {
		if (offset > this.sizeBytes) return this.sizeBytes;
		// A trailer has bytes other than zero in one of its last two steps.
		const at = Math.max(0, offset - 2 * GROUP_ALIGN_BYTES);
		return (await this.#isZero(at, offset)) ? at : offset;
	}

	/** True when the file ends with a close mark: everything in it was durable. */
	async isClosed(): Promise<boolean> {
		const at = this.sizeBytes - 2 * GROUP_ALIGN_BYTES;
		if (at < FIRST_GROUP_OFFSET) return false;
		return (
			((await this.#groupAt(at, at, 'header')) ?? (await this.#groupAt(at, at + GROUP_ALIGN_BYTES, 'trailer')))
				?.closeMark === true
		);
	}

	/** Judges a file that has no close mark and no verdict yet; `knownEnd` is what a checkpoint vouches for. Also: up to where it is confirmed. */
	async judge(knownEnd: number): Promise<FileVerdict & { readonly confirmed: number }> {
		let confirmed = Math.max(knownEnd, FIRST_GROUP_OFFSET);
		let end = FIRST_GROUP_OFFSET;
		for await (const scanned of this.groups(FIRST_GROUP_OFFSET)) {
			if (!('group' in scanned)) continue;
			confirmed = Math.max(confirmed, scanned.group.confirmed);
			end = scanned.end;
		}
		const doubt: ByteRange[] = [];
		let broken = false;
		for await (const scanned of this.groups(FIRST_GROUP_OFFSET)) {
			if ('bad' in scanned) {
				const from = Math.max(scanned.bad.from, confirmed);
				if (from < Math.min(scanned.bad.to, end)) {
					doubt.push({ from, to: scanned.bad.to });
					broken = true;
				}
			} else if (scanned.end > confirmed) {
				const invalid = await this.#invalidRanges(scanned.group);
				if (this.identity.lane !== 'journal') doubt.push(...invalid);
				else if (broken || invalid.length > 0) {
					// The journal is taken group by group, without gaps.
					doubt.push({ from: scanned.group.offset, to: scanned.end });
					broken = true;
				}
			}
		}
		return { end: Math.max(end, confirmed), doubt, confirmed };
	}

	/** Of the two copies of a group's header (before and behind its payloads) those that cannot be read. */
	async damagedCopies(group: GroupHeader): Promise<ByteRange[]> {
		const { offset, groupBytes } = group;
		const span = roundUp(group.headerBytes, GROUP_ALIGN_BYTES);
		const trailerAt = offset + groupBytes - span;
		const damaged: ByteRange[] = [];
		if (!(await this.#groupAt(offset, offset, 'header'))) damaged.push({ from: offset, to: offset + span });
		if (!(await this.#groupAt(offset, trailerAt, 'trailer')))
			damaged.push({ from: trailerAt, to: offset + groupBytes });
		return damaged;
	}

	/** The payload of a record of this file, healed from its second copy where there is one; undefined when damaged beyond that. */
	async payload(record: LogRecord): Promise<Uint8Array | undefined> {
		const place = record.place;
		if (!place) return new Uint8Array(0);
		const bytes = await this.#payloadAt(place.offset, place.lengthBytes);
		let bad = this.#checksums.firstBadBlock(bytes, record.blockCrcs);
		if (bad < 0) return bytes;
		if (record.mirrorOffset === undefined) return undefined;
		const mirror = await this.#payloadAt(record.mirrorOffset, place.lengthBytes);
		while (bad >= 0) {
			const from = bad * BLOCK_BYTES;
			const block = mirror.subarray(from, from + BLOCK_BYTES);
			if (this.#checksums.crc32c(block) !== Buffer.from(record.blockCrcs).readUInt32LE(4 * bad)) return undefined;
			block.copy(bytes, from);
			bad = this.#checksums.firstBadBlock(bytes, record.blockCrcs);
		}
		return bytes;
	}

	async #invalidRanges(group: GroupHeader): Promise<ByteRange[]> {
		const ranges: ByteRange[] = [];
		for (const record of group.records) {
			if (!record.place || (await this.payload(record))) continue;
			ranges.push({ from: record.place.offset, to: record.place.offset + record.place.lengthBytes });
		}
		return ranges;
	}

	/** The group that starts at `offset`, read from its header or trailer, which begins at `at`. */
	async #groupAt(offset: number, at: number, kind: 'header' | 'trailer'): Promise<GroupHeader | undefined> {
		const fixed = await this.#bytesAt(at, GROUP_FIXED_BYTES + 4);
		const decoded = decodeGroup(fixed, kind, this.identity, offset, this.#checksums);
		if (!decoded) return undefined;
		let group = decoded;
		if ('needBytes' in group) {
			if (group.needBytes > MAX_HEADER_BYTES) return undefined;
			const whole = decodeGroup(await this.#bytesAt(at, group.needBytes), kind, this.identity, offset, this.#checksums);
			if (!whole || 'needBytes' in whole) return undefined;
			group = whole;
		}
		return offset + group.groupBytes <= roundUp(this.sizeBytes, GROUP_ALIGN_BYTES) ? group : undefined;
	}

	/** The first group behind `from` that can be read, by its header or by its trailer. */
	async #findNext(from: number): Promise<GroupHeader | undefined> {
		for (let at = from; at + GROUP_ALIGN_BYTES <= this.sizeBytes; at += GROUP_ALIGN_BYTES) {
			if (at > from) {
				const group = await this.#groupAt(at, at, 'header');
				if (group) return group;
			}
			const claim = claimedGroupOfTrailer(await this.#bytesAt(at, GROUP_FIXED_BYTES));
			if (claim?.trailerAt !== at || claim.offset < from) continue;
			const group = await this.#groupAt(claim.offset, at, 'trailer');
			if (group) return group;
		}
		return undefined;
	}

	async #isZero(from: number, to: number): Promise<boolean> {
		for (let at = from; at < to; ) {
			const bytes = await this.#bytesAt(at, Math.min(GROUP_ALIGN_BYTES, to - at));
			if (bytes.length === 0 || bytes.some((byte) => byte !== 0)) return bytes.length === 0;
			at += bytes.length;
		}
		return true;
	}

	/** A buffer of its own, zeros behind the end of the file. */
	async #payloadAt(offset: number, lengthBytes: number): Promise<Buffer> {
		const bytes = Buffer.alloc(lengthBytes);
		if (lengthBytes <= SMALL_PAYLOAD_BYTES) (await this.#bytesAt(offset, lengthBytes)).copy(bytes);
		else await this.#file.read(bytes, offset);
		return bytes;
	}

	/** Begins to read the header of the group at `at`, if it lies beyond the window. */
	#readAhead(at: number): void {
		if (this.#ahead || at <= this.#windowFrom + this.#windowBytes || at >= this.sizeBytes) return;
		const bytes = this.#file.read(this.#spare, at);
		// Whoever asks for it hears of its failure; whoever leaves early need not.
		bytes.catch(() => undefined);
		this.#ahead = { at, bytes };
	}

	/** Makes what was read ahead the window; answers its length. */
	async #takeAhead(at: number): Promise<number> {
		const ahead = this.#ahead;
		this.#ahead = undefined;
		this.#windowFrom = at;
		this.#windowBytes = 0;
		const bytes = (await ahead?.bytes) ?? 0;
		this.#windowBytes = this.#spare.copy(this.#window, 0, 0, bytes);
		this.#readBytes = FIRST_READ_BYTES;
		return this.#windowBytes;
	}

	/** Bytes of the file, fewer at its end; valid until the next call. Reads that follow each other grow, others begin short. */
	async #bytesAt(at: number, count: number): Promise<Buffer> {
		if (count > this.#window.length) {
			const own = Buffer.alloc(count);
			return own.subarray(0, await this.#file.read(own, at));
		}
		const windowEnd = this.#windowFrom + this.#windowBytes;
		if (at < this.#windowFrom || at + count > windowEnd) {
			if (this.#ahead?.at === at && (await this.#takeAhead(at)) >= count) return this.#window.subarray(0, count);
			const follows = at >= this.#windowFrom && at <= windowEnd;
			this.#readBytes = follows ? Math.min(2 * this.#readBytes, WINDOW_BYTES) : FIRST_READ_BYTES;
			this.#windowFrom = at;
			this.#windowBytes = await this.#file.read(this.#window.subarray(0, Math.max(count, this.#readBytes)), at);
		}
		const from = at - this.#windowFrom;
		return this.#window.subarray(from, Math.min(from + count, this.#windowBytes));
	}
}
