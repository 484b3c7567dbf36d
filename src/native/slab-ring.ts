/**
 * The memory of all uploads: a fixed number of slots of one segment each, in shared memory that hashing workers and file writes read
 * without copies. Nobody gets more: whoever finds no slot waits, in order. A slot goes back only when nothing reads it any more,
 * neither a write to a file nor a native call, also after an upload was broken off.
 */
import { PerigeeError } from '../errors.js';
import { LIMITS } from '../limits.js';
import { BLOCK_BYTES, SEGMENT_BYTES } from '../units.js';
import { misalignment } from './addon.js';

/** Slots of one slab: 4 MiB. */
export const SLAB_SLOTS = 16;

/** The right to fill one slot until it is released. */
export interface Slot {
	/** Position in the ring. */
	readonly index: number;
	/** 262,144 bytes of shared memory; they hold what the last holder left. */
	readonly bytes: Uint8Array;
	/** Gives the slot back; throws if that was done before. */
	release(): void;
}

interface Waiter {
	resolve(slot: Slot): void;
	reject(error: Error): void;
}

export class SlabRing {
	/** All slots, one behind the other, from an address that is a multiple of a block: direct writes need that. */
	readonly bytes: Uint8Array<SharedArrayBuffer>;
	readonly slotCount: number;
	readonly #views: readonly Uint8Array[];
	/** Indices of free slots; the one released last is taken first, so that an idle node touches little memory. */
	readonly #free: number[];
	readonly #waiters = new Set<Waiter>();
	#closed = false;

	constructor(slabCount: number = LIMITS.slabCount) {
		this.slotCount = slabCount * SLAB_SLOTS;
		const sizeBytes = this.slotCount * SEGMENT_BYTES;
		const buffer = new SharedArrayBuffer(sizeBytes + BLOCK_BYTES);
		this.bytes = new Uint8Array(buffer, BLOCK_BYTES - misalignment(new Uint8Array(buffer), BLOCK_BYTES), sizeBytes);
		this.#views = Array.from({ length: this.slotCount }, (_, index) =>
			this.bytes.subarray(index * SEGMENT_BYTES, (index + 1) * SEGMENT_BYTES),
		);
		this.#free = Array.from({ length: this.slotCount }, (_, index) => this.slotCount - 1 - index);
	}

	/** Slots that nobody holds. */
	get freeSlots(): number {
		return this.#free.length;
	}

	get waiting(): number {
		return this.#waiters.size;
	}

	/** A slot if one is free, else undefined. Never overtakes those who wait: while there are any, no slot is free. */
	take(): Slot | undefined {
		if (this.#closed) return undefined;
		const index = this.#free.pop();
		return index === undefined ? undefined : this.#lend(index);
	}

	/**
	 * A slot as soon as one is free, in the order of asking. Errors: the signal's reason after an abort, OVERLOADED when too many
	 * wait, SHUTTING_DOWN.
	 */
	wait(signal?: AbortSignal): Promise<Slot> {
		if (signal?.aborted) return Promise.reject(signal.reason as Error);
		if (this.#closed) return Promise.reject(new PerigeeError('SHUTTING_DOWN'));
		const slot = this.take();
		if (slot !== undefined) return Promise.resolve(slot);
		if (this.#waiters.size >= LIMITS.slabWaiters) return Promise.reject(new PerigeeError('OVERLOADED'));
		return new Promise((resolve, reject) => {
			const giveUp = (): void => {
				this.#waiters.delete(waiter);
				reject(signal?.reason as Error);
			};
			const waiter: Waiter = {
				resolve(free) {
					signal?.removeEventListener('abort', giveUp);
					resolve(free);
				},
				reject(error) {
					signal?.removeEventListener('abort', giveUp);
					reject(error);
				},
			};
			signal?.addEventListener('abort', giveUp, { once: true });
			this.#waiters.add(waiter);
		});
	}

	/** Sends everyone who waits away and lends nothing more. Slots that are held may still be released. */
	close(): void {
		this.#closed = true;
		for (const waiter of this.#waiters) waiter.reject(new PerigeeError('SHUTTING_DOWN'));
		this.#waiters.clear();
	}

	#lend(index: number): Slot {
		let held = true;
		return {
			index,
			bytes: this.#views[index] as Uint8Array,
			release: () => {
				if (!held) throw new Error(`slot ${index} was released twice`);
				held = false;
				this.#giveBack(index);
			},
		};
	}

	#giveBack(index: number): void {
		for (const waiter of this.#waiters) {
			this.#waiters.delete(waiter);
			waiter.resolve(this.#lend(index));
			return;
		}
		this.#free.push(index);
	}
}
