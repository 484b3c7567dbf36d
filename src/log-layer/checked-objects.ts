/**
 * Which objects were read through and found right, so that content that comes again need not be compared with all that is held of it.
 * Known damage is not its business: whoever asks has looked at the list of damage first.
 */
import type { AppendLog } from '../append-log/append-log.js';
import { LIMITS } from '../limits.js';
import type { DamageList } from './damage.js';
import type { ObjectId } from './records.js';

export class CheckedObjects {
	readonly #log: AppendLog;
	readonly #damage: DamageList;
	readonly #read = new Set<ObjectId>();
	#before: ObjectId = 0n;

	constructor(log: AppendLog, damage: DamageList) {
		this.#log = log;
		this.#damage = damage;
	}

	/** A pass of the scrub has read every object with a lower id. */
	scrubbed(before: ObjectId): void {
		this.#before = before;
	}

	/** The object was read through in this run. */
	read(objectId: ObjectId): void {
		if (this.#read.size >= LIMITS.checkedObjects) this.#read.clear();
		this.#read.add(objectId);
	}

	/** Never true while there may be damage that is not listed. */
	covers(objectId: ObjectId): boolean {
		if (this.#damage.hasOverflowed || this.#log.damage.length > 0) return false;
		return objectId < this.#before || this.#read.has(objectId);
	}
}
