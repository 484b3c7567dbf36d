/** Writes that wait for their lane, and how many of them make the next group. */
import { deferred, type Deferred } from '../deferred.js';
import type { PerigeeError } from '../errors.js';
import { LIMITS } from '../limits.js';
import type { LogRecord, RecordInput, WriteTicket } from './types.js';

/** How far a write has come. */
export const STAGES = { written: 1, durable: 2, applied: 3 } as const;
type Stage = (typeof STAGES)[keyof typeof STAGES];

/** One call of `write` on its way. Its promises are made when somebody asks for them: of most writes nobody asks for all three. */
export class PendingWrite implements WriteTicket {
	readonly inputs: readonly RecordInput[];
	readonly bytesBound: number;
	/** False: nobody waits for durability, so this write alone starts no sync. */
	readonly urgent: boolean;
	records: readonly LogRecord[] = [];
	#reached = 0;
	#failure: PerigeeError | undefined;
	/** Who waits, by stage. */
	#awaited: (Deferred<readonly LogRecord[]> | undefined)[] | undefined;
	readonly #unapplied: Set<PendingWrite>;

	/** `unapplied`: those under way, which this one leaves when it is applied or refused. */
	constructor(inputs: readonly RecordInput[], bytesBound: number, urgent: boolean, unapplied: Set<PendingWrite>) {
		this.#unapplied = unapplied;
		this.inputs = inputs;
		this.bytesBound = bytesBound;
		this.urgent = urgent;
	}

	get written(): Promise<readonly LogRecord[]> {
		return this.#at(STAGES.written);
	}

	get durable(): Promise<readonly LogRecord[]> {
		return this.#at(STAGES.durable);
	}

	get applied(): Promise<readonly LogRecord[]> {
		return this.#at(STAGES.applied);
	}

	/** `records` are set. */
	reach(stage: Stage): void {
		this.#reached = stage;
		if (stage === STAGES.applied) this.#unapplied.delete(this);
		this.#awaited?.[stage]?.resolve(this.records);
	}

	/** Ends the write at the stage that it has reached. */
	reject(error: PerigeeError): void {
		this.#failure ??= error;
		this.#unapplied.delete(this);
		for (let stage = this.#reached + 1; stage <= STAGES.applied; stage++) this.#awaited?.[stage]?.reject(error);
	}

	#at(stage: Stage): Promise<readonly LogRecord[]> {
		if (this.#reached >= stage) return Promise.resolve(this.records);
		this.#awaited ??= [undefined, undefined, undefined, undefined];
		const awaited = (this.#awaited[stage] ??= deferred());
		// The caller may ask for a promise and look at another.
		awaited.promise.catch(() => undefined);
		if (this.#failure) awaited.reject(this.#failure);
		return awaited.promise;
	}
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
		for (const write of this.#writes.splice(0)) write.reject(error);
	}
}
