/**
 * Where the sealed flow segments lie, in shared memory that the mining threads read without copying: 16 bytes for each flow segment (native/src/addon/mining.rs).
 *
 * Promises: a file is closed, and leaves the disk, only after no entry names it any more and every native call that may have seen one has ended. What a
 * call reads while an entry changes is no answer: the verifier sees to that.
 */
import type { Lane } from '../append-log/types.js';
import type { StorageFile } from '../io/storage-io.js';
import { LIMITS } from '../limits.js';
import type { PlaceHolder } from '../log-layer/retirement.js';
import type { SealedCopy } from '../log-layer/sealed-segments.js';

const WORDS = 2;
const NOT_HELD = 0xffffn << 48n;
const FIRST_ENTRIES = 1024;
/** Entries looked at in one go. */
const STRETCH = 65_536;

interface OpenFile {
	readonly file: Promise<StorageFile>;
	readonly slot: number;
}

export interface SealMapParts {
	/** Opens a log file of sealed copies. */
	readonly open: (fileNo: number) => Promise<StorageFile>;
	/** Copies as the view has them, in the order of the indices. */
	readonly find: (indices: readonly bigint[]) => Promise<readonly (SealedCopy | undefined)[]>;
	/** Whose seals count, 32 bytes. */
	readonly minerId: Uint8Array;
	/** Resolves when every native call that runs now has ended. */
	readonly quiet: () => Promise<void>;
}

export class SealMap implements PlaceHolder {
	readonly #parts: SealMapParts;
	#words = shared(FIRST_ENTRIES);
	/** Descriptors by slot; 0 where a slot is free. */
	#descriptors = new Uint32Array(0);
	readonly #files = new Map<number, OpenFile>();
	readonly #freeSlots: number[] = [];
	#segments = 0;
	#seals = 0;

	constructor(parts: SealMapParts) {
		this.#parts = parts;
	}

	/** The map for a native call, as it is now; entries change under its reader. */
	get places(): Uint8Array {
		return new Uint8Array(this.#words.buffer);
	}

	/** Descriptors that the entries name, for a call that begins now. */
	get files(): Uint32Array {
		return this.#descriptors.slice();
	}

	/** Flow segments with a copy, and the seals of all of them. */
	get counts(): { readonly segments: number; readonly seals: number } {
		return { segments: this.#segments, seals: this.#seals };
	}

	/** Takes copies over, as `find` gave them for consecutive or other indices. Errors: those of StorageIo; the entries then say that nothing is held. */
	async learn(indices: readonly bigint[], copies: readonly (SealedCopy | undefined)[]): Promise<void> {
		for (const [at, index] of indices.entries()) {
			const copy = copies[at];
			const isOwn = copy !== undefined && Buffer.compare(copy.minerId, this.#parts.minerId) === 0;
			if (!isOwn) {
				this.forget(index);
				continue;
			}
			const slot = await this.#slotOf(copy.place.fileNo);
			this.#put(Number(index), (BigInt(slot) << 48n) | BigInt(copy.place.offset), copy.seals);
		}
	}

	/** Nothing of this flow segment is mined. */
	forget(index: bigint): void {
		if (Number(index) * WORDS < this.#words.length) this.#put(Number(index), NOT_HELD, 0n);
	}

	/** The copies of a file lie elsewhere now, and the view says where. */
	async moving(lane: Lane, fileNo: number): Promise<void> {
		const open = lane === 'sealed' ? this.#files.get(fileNo) : undefined;
		if (!open) return;
		for (let from = 0; from * WORDS < this.#words.length; from += STRETCH) {
			const indices: bigint[] = [];
			const end = Math.min(from + STRETCH, this.#words.length / WORDS);
			for (let index = from; index < end; index++)
				if (Number((this.#words[index * WORDS] ?? NOT_HELD) >> 48n) === open.slot) indices.push(BigInt(index));
			for (let at = 0; at < indices.length; at += LIMITS.sealLookSegments) {
				const some = indices.slice(at, at + LIMITS.sealLookSegments);
				await this.learn(some, await this.#parts.find(some));
			}
			await new Promise((resolve) => setImmediate(resolve));
		}
		await this.#close(fileNo, open);
	}

	/** Lets go of all files; call it when nothing mines any more. */
	async close(): Promise<void> {
		for (const [fileNo, open] of this.#files) await this.#close(fileNo, open);
	}

	async #close(fileNo: number, { file, slot }: OpenFile): Promise<void> {
		await this.#parts.quiet();
		this.#files.delete(fileNo);
		this.#descriptors[slot] = 0;
		this.#freeSlots.push(slot);
		await file.then((opened) => opened.close()).catch(() => undefined);
	}

	async #slotOf(fileNo: number): Promise<number> {
		let known = this.#files.get(fileNo);
		if (!known) {
			const slot = this.#freeSlots.pop() ?? this.#files.size;
			known = { file: this.#parts.open(fileNo), slot };
			this.#files.set(fileNo, known);
		}
		const { file, slot } = known;
		try {
			const { descriptor } = await file;
			if (descriptor === undefined) throw new Error('the log files are no files of the system');
			if (slot >= this.#descriptors.length) {
				const more = new Uint32Array(slot + 1);
				more.set(this.#descriptors);
				this.#descriptors = more;
			}
			this.#descriptors[slot] = descriptor;
			return slot;
		} catch (error) {
			if (this.#files.get(fileNo) === known) {
				this.#files.delete(fileNo);
				this.#freeSlots.push(slot);
			}
			throw error;
		}
	}

	/** Availability goes first and comes last: a reader between two of the steps finds nothing to try. */
	#put(index: number, place: bigint, seals: bigint): void {
		this.#grow(index);
		const before = this.#words[index * WORDS + 1] ?? 0n;
		this.#segments += (seals === 0n ? 0 : 1) - (before === 0n ? 0 : 1);
		this.#seals += countBits(seals) - countBits(before);
		this.#words[index * WORDS + 1] = 0n;
		this.#words[index * WORDS] = seals === 0n ? NOT_HELD : place;
		this.#words[index * WORDS + 1] = seals;
	}

	#grow(index: number): void {
		const entries = this.#words.length / WORDS;
		if (index < entries) return;
		const larger = shared(Math.max(index + 1, entries * 2));
		larger.set(this.#words);
		this.#words = larger;
	}
}

function shared(entries: number): BigUint64Array<SharedArrayBuffer> {
	const words = new BigUint64Array(new SharedArrayBuffer(entries * WORDS * 8));
	for (let index = 0; index < entries; index++) words[index * WORDS] = NOT_HELD;
	return words;
}

export function countBits(bits: bigint): number {
	let count = 0;
	for (let rest = bits; rest > 0n; rest &= rest - 1n) count++;
	return count;
}
