/** Writes that wait for their lane, and how many of them make the next group. */
import type { Deferred } from '../deferred.js';
import type { PerigeeError } from '../errors.js';
import { LIMITS } from '../limits.js';
import type { LogRecord, RecordInput } from './types.js';

export interface PendingWrite {
	readonly inputs: readonly RecordInput[];
	readonly bytesBound: number;
	/** False: nobody waits for durability, so this write alone starts no sync. */
	readonly urgent: boolean;
	readonly written: Deferred<readonly LogRecord[]>;
	readonly durable: Deferred<readonly LogRecord[]>;
	readonly applied: Deferred<readonly LogRecord[]>;
	records: readonly LogRecord[];
}

export class WriteQueue {
	#writes: PendingWrite[] = [];

	get length(): number {
		return this.#writes.length;
	}

	push(write: PendingWrite): void {
		this.#writes.push(write);
	}

	/** How many of the waiting writes make the next group, and an upper bound of its bytes. */
	nextGroup(): { readonly count: number; readonly bytes: number } {
		let bytes = 0;
		let records = 0;
		let count = 0;
		for (const write of this.#writes) {
			const isTooMuch =
				bytes + write.bytesBound > LIMITS.groupPayloadBytes || records + write.inputs.length > LIMITS.groupRecords;
			if (count > 0 && isTooMuch) break;
			bytes += write.bytesBound;
			records += write.inputs.length;
			count++;
		}
		return { count, bytes };
	}

	takeGroup(): PendingWrite[] {
		return this.#writes.splice(0, this.nextGroup().count);
	}

	rejectAll(error: PerigeeError): void {
		for (const write of this.#writes.splice(0)) rejectWrite(write, error);
	}
}

export function rejectWrite(write: PendingWrite, error: PerigeeError): void {
	write.written.reject(error);
	write.durable.reject(error);
	write.applied.reject(error);
}
