/**
 * Gives up content that nobody names: objects that no upload continues or may continue later, and closed ones for which no submission has come
 * in time. Each gets its delete fact, so that compaction reclaims the bytes. What is remembered of resumable uploads goes with its time.
 *
 * Promises: what a submission names, or an upload in this process still works on, is never given up; the root's lock keeps an upload that
 * is being bound away. While part of the log is damaged or missing nothing is given up: the lost record may be the one that closed the object.
 */
import type { AppendLog } from '../append-log/append-log.js';
import type { Lane } from '../append-log/types.js';
import { tableRange, TABLES } from '../db/tables.js';
import type { Clock } from '../io/clock.js';
import { LIMITS } from '../limits.js';
import { bytesOfHex, rootFromBytes, type DataRoot } from '../units.js';
import type { PendingObject, PendingObjects } from './pending-objects.js';
import { DELETED_BECAUSE, laneOf, NO_ROOT, objectDeleted, type ObjectId } from './records.js';
import { decodeResumableRow } from './resumable-rows.js';
import type { RootLocks } from './key-locks.js';
import { decodeObjectRow, decodeRootRow, OBJECT_OPEN, rowKeys } from './rows.js';
import type { View } from './view.js';

export interface ExpiryParts {
	readonly view: View;
	readonly log: AppendLog;
	readonly locks: RootLocks;
	readonly pending: PendingObjects;
	readonly clock: Clock;
	/** Closed content that no submission names is kept for so long. */
	readonly uploadExpiryMs: number;
	/** False while part of the log cannot be read. */
	readonly isComplete: () => boolean;
	/** The submission of that root is being paid for. */
	readonly isAwaited: (root: DataRoot) => boolean;
	/** An upload of this process works on the object. */
	readonly isActive: (objectId: ObjectId) => boolean;
	readonly onExpired: () => void;
}

export class Expiry {
	readonly #parts: ExpiryParts;
	/** When it is looked for resumable uploads whose time is over. */
	#forgetMs = 0;

	constructor(parts: ExpiryParts) {
		this.#parts = parts;
	}

	/** Gives up everything that is due, as long as the log takes writes. Errors: those of the log and the view; what is left is due the next time. */
	async sweep(): Promise<void> {
		const { pending, isComplete, log, clock } = this.#parts;
		if (clock.nowMs() >= this.#forgetMs) await this.#forgetResumables();
		if (!isComplete() || log.failure) return;
		if (!pending.isComplete) await this.#scan();
		const due = pending.entries().filter((entry) => this.#isDue(entry));
		for (let at = 0; at < due.length; at += LIMITS.expiryAtOnce)
			await Promise.all(due.slice(at, at + LIMITS.expiryAtOnce).map((entry) => this.#expire(entry)));
	}

	/** An open object is due as soon as no upload holds it and nobody may continue it; a closed one has its time. */
	#isDue({ objectId, root, sinceMs, untilMs = 0 }: PendingObject): boolean {
		const { clock, uploadExpiryMs, isActive } = this.#parts;
		if (clock.nowMs() < untilMs || isActive(objectId)) return false;
		return root === undefined || clock.nowMs() - sinceMs >= uploadExpiryMs;
	}

	async #expire({ objectId, root }: PendingObject): Promise<void> {
		await (root === undefined ? this.#expireOpen(objectId) : this.#expireUnnamed(objectId, root));
	}

	async #expireOpen(objectId: ObjectId): Promise<void> {
		const { view, pending } = this.#parts;
		const row = await view.get(rowKeys.object(objectId));
		if (!row || decodeObjectRow(row).state !== OBJECT_OPEN) pending.ended(objectId);
		else await this.#delete('bulk', objectId, NO_ROOT);
	}

	async #expireUnnamed(objectId: ObjectId, root: DataRoot): Promise<void> {
		const { view, locks, pending } = this.#parts;
		await locks.run(root, async () => {
			const value = await view.get(rowKeys.root(root));
			const row = value ? decodeRootRow(value) : {};
			if (row.submissions || row.object?.objectId !== objectId) pending.settled(root);
			else if (!this.#parts.isAwaited(root))
				await this.#delete(laneOf(row.object.sizeBytes), objectId, bytesOfHex(root));
		});
	}

	async #delete(lane: Lane, objectId: ObjectId, root: Uint8Array): Promise<void> {
		await this.#parts.log.write(lane, [objectDeleted({ objectId, root, cause: DELETED_BECAUSE.spent })]).applied;
		this.#parts.onExpired();
	}

	/** Removes the rows of resumable uploads whose time is over. No record says so: each says itself how long it counts. */
	async #forgetResumables(): Promise<void> {
		const { view, clock, isActive } = this.#parts;
		this.#forgetMs = clock.nowMs() + LIMITS.resumableForgetMs;
		for await (const rows of view.scan(tableRange(TABLES.resumable))) {
			const isOver = (value: Uint8Array): boolean => {
				const { objectId, expiresMs } = decodeResumableRow(value).fact;
				return clock.nowMs() >= expiresMs && !isActive(objectId);
			};
			const keys = rows.filter(({ value }) => isOver(value)).map(({ key }) => Buffer.from(key));
			if (keys.length === 0) continue;
			await view.change(async (turn) => {
				for (const [index, value] of (await turn.getMany(keys)).entries()) {
					const key = keys[index];
					if (key && value && isOver(value)) turn.del(key);
				}
			});
		}
	}

	/** Finds all objects without a submission in the view. */
	async #scan(): Promise<void> {
		const { view, pending } = this.#parts;
		pending.beginScan();
		await view.change((turn) => Promise.resolve(turn.settleLater()));
		for await (const rows of view.scan(tableRange(TABLES.object))) {
			for (const { key, value } of rows)
				if (decodeObjectRow(value).state === OBJECT_OPEN) pending.opened(Buffer.from(key).readBigUInt64BE(1));
		}
		const untilMs = new Map<ObjectId, number>();
		for await (const rows of view.scan(tableRange(TABLES.resumable))) {
			for (const { value } of rows) {
				const { objectId, expiresMs, stored } = decodeResumableRow(value).fact;
				if (stored) continue;
				untilMs.set(objectId, expiresMs);
				if (pending.isOpen(objectId)) pending.resumable(objectId, expiresMs);
			}
		}
		for await (const rows of view.scan(tableRange(TABLES.root))) {
			for (const { key, value } of rows) {
				const { object, submissions } = decodeRootRow(value);
				if (object && !submissions)
					pending.unnamed(rootFromBytes(key.subarray(1)), object.objectId, untilMs.get(object.objectId));
			}
		}
		pending.endScan();
	}
}
