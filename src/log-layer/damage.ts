/** Segments whose stored bytes were found damaged, by object; bounded. They are known until a restart, which finds them again on read. */
import { LIMITS } from '../limits.js';
import type { ObjectId } from './records.js';

export class DamageList {
	readonly #segments = new Map<ObjectId, Set<number>>();
	#count = 0;

	/** False when it was known. Beyond the bound damage is still an error for its reader, but not remembered. */
	add(objectId: ObjectId, segment: number): boolean {
		const known = this.#segments.get(objectId) ?? new Set<number>();
		if (known.has(segment) || this.#count >= LIMITS.damagedSegments) return false;
		known.add(segment);
		this.#segments.set(objectId, known);
		this.#count++;
		return true;
	}

	/** The object is no longer used: other bytes have taken its place. */
	forget(objectId: ObjectId): void {
		this.#count -= this.#segments.get(objectId)?.size ?? 0;
		this.#segments.delete(objectId);
	}

	/** Damaged segments of an object. */
	of(objectId: ObjectId): ReadonlySet<number> | undefined {
		return this.#segments.get(objectId);
	}

	get count(): number {
		return this.#count;
	}
}
