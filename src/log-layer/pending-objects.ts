/**
 * Objects that no submission names: those being uploaded, and closed ones whose submission has not come. Kept in memory as the lanes are
 * applied and listed in each checkpoint, so that whatever a crash leaves behind is found again without a look at every row. The list may
 * name too much, never too little: whoever acts on an entry looks at the view first. A list that grew too long, or that no checkpoint had,
 * is made anew by a scan of the view (expiry.ts).
 */
import { LIMITS } from '../limits.js';
import type { DataRoot } from '../units.js';
import type { ObjectId } from './records.js';

/** An object without a submission. */
export interface PendingObject {
	readonly objectId: ObjectId;
	/** Absent while it is open. */
	readonly root?: DataRoot;
	/** When this store first knew of it; restarts keep it. */
	readonly sinceMs: number;
	/** Its upload may go on, or learn of its end, until then. */
	readonly untilMs?: number;
}

export class PendingObjects {
	readonly #nowMs: () => number;
	readonly #open = new Map<ObjectId, PendingObject>();
	/** Of those, the ones whose uploads may go on later. */
	readonly #resumable = new Set<ObjectId>();
	readonly #unnamed = new Map<DataRoot, PendingObject>();
	/** False after an overflow, until the next scan begins. */
	#isCollecting: boolean;
	#isComplete: boolean;
	/** A resumable object that was closed just now. */
	#lastClosed: { readonly objectId: ObjectId; readonly untilMs: number } | undefined;

	/** `listed`: as of the checkpoint that the replay begins at; undefined when it had no list. */
	constructor(nowMs: () => number, listed: readonly PendingObject[] | undefined) {
		this.#nowMs = nowMs;
		this.#isCollecting = listed !== undefined;
		this.#isComplete = listed !== undefined;
		for (const entry of listed ?? []) this.#add(entry);
	}

	/** False: a scan of the view has to find the others. */
	get isComplete(): boolean {
		return this.#isComplete;
	}

	get count(): number {
		return this.#open.size + this.#unnamed.size;
	}

	/** From now on entries are collected; what came before the scan will find. */
	beginScan(): void {
		this.#isCollecting = true;
	}

	/** The scan has added all it found. */
	endScan(): void {
		this.#isComplete = this.#isCollecting;
	}

	opened(objectId: ObjectId): void {
		if (!this.#open.has(objectId)) this.#add({ objectId, sinceMs: this.#nowMs() });
	}

	/** The object is known to be open; false also when the list is not complete. */
	isOpen(objectId: ObjectId): boolean {
		return this.#open.has(objectId);
	}

	/** The upload that fills an open object may go on until then, also in a later run. */
	resumable(objectId: ObjectId, untilMs: number): void {
		const known = this.#open.get(objectId) ?? { objectId, sinceMs: this.#nowMs() };
		this.#add({ ...known, untilMs });
	}

	/** Open objects whose uploads may go on later. */
	get resumables(): number {
		return this.#resumable.size;
	}

	/** The lowest id of those; undefined when there is none. */
	get oldestResumable(): ObjectId | undefined {
		let oldest: ObjectId | undefined;
		for (const objectId of this.#resumable) if (oldest === undefined || objectId < oldest) oldest = objectId;
		return oldest;
	}

	/** False also when the list is not complete. */
	isResumable(objectId: ObjectId): boolean {
		return this.#resumable.has(objectId);
	}

	/** An open object was closed; `unnamed` may follow. */
	closed(objectId: ObjectId): void {
		const untilMs = this.#open.get(objectId)?.untilMs;
		this.ended(objectId);
		this.#lastClosed = untilMs === undefined ? undefined : { objectId, untilMs };
	}

	/** An object is open no more. */
	ended(objectId: ObjectId): void {
		this.#open.delete(objectId);
		this.#resumable.delete(objectId);
	}

	/** A closed object holds this root, and no submission names it. */
	unnamed(root: DataRoot, objectId: ObjectId, untilMs = this.#untilOf(objectId)): void {
		if (this.#unnamed.get(root)?.objectId === objectId) return;
		this.#add({ objectId, root, sinceMs: this.#nowMs(), ...(untilMs === undefined ? {} : { untilMs }) });
	}

	/** A submission names the root, or the object that held it is gone. */
	settled(root: DataRoot): void {
		this.#unnamed.delete(root);
	}

	entries(): readonly PendingObject[] {
		return [...this.#open.values(), ...this.#unnamed.values()];
	}

	#untilOf(objectId: ObjectId): number | undefined {
		return this.#lastClosed?.objectId === objectId ? this.#lastClosed.untilMs : undefined;
	}

	#add(entry: PendingObject): void {
		if (!this.#isCollecting) return;
		if (entry.root !== undefined) this.#unnamed.set(entry.root, entry);
		else {
			this.#open.set(entry.objectId, entry);
			if (entry.untilMs !== undefined) this.#resumable.add(entry.objectId);
		}
		if (this.count <= LIMITS.pendingObjects) return;
		this.#open.clear();
		this.#resumable.clear();
		this.#unnamed.clear();
		this.#isCollecting = false;
		this.#isComplete = false;
	}
}
