/**
 * Removes the rows of deleted objects in the background, a bounded number at a time, so that deleting an object of millions of segments
 * holds nobody up. The view remembers what is to be removed (table `purge`), so a stop at any point costs only the way so far.
 *
 * Batches of the view may be lost one by one until the next checkpoint: so an object's own row and its row in `purge` go only after a
 * checkpoint that covers the removal of all others.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Place } from '../append-log/types.js';
import { tableRange, TABLES } from '../db/tables.js';
import { LIMITS } from '../limits.js';
import { fileGeometry } from '../native/addon.js';
import type { LiveBytes } from './live-bytes.js';
import { treeKeys } from './object-tree.js';
import type { ObjectId } from './records.js';
import { placesOf } from './row-places.js';
import { decodeObjectRow, rowKeys } from './rows.js';
import { segmentRows } from './segment-rows.js';
import type { View } from './view.js';

interface RowToRemove {
	readonly key: Buffer;
	/** What the row points to. */
	readonly places: readonly Place[];
}

const NO_PLACES: readonly Place[] = [];

export class Purge {
	readonly #view: View;
	readonly #live: LiveBytes;
	readonly #onError: (error: unknown) => void;
	readonly #hasProofs: () => boolean;
	readonly #queue: ObjectId[] = [];
	/** The view may name more objects than the queue. */
	#mustScan = true;
	/** Objects without segment rows that wait for a checkpoint. */
	readonly #removed = new Set<ObjectId>();
	#running: Promise<void> | undefined;
	/** Nothing is removed before `start`: a replay needs the rows. */
	#isStopped = true;

	/** `hasProofs`: segments may have proofs of their own; asked after `start`. */
	constructor(view: View, live: LiveBytes, onError: (error: unknown) => void, hasProofs: () => boolean) {
		this.#view = view;
		this.#live = live;
		this.#onError = onError;
		this.#hasProofs = hasProofs;
	}

	/** Goes on with what an earlier process left. */
	start(): void {
		this.#isStopped = false;
		this.wake();
	}

	async stop(): Promise<void> {
		this.#isStopped = true;
		await this.#running;
	}

	/** An object of several records was deleted, which the view knows. */
	add(objectId: ObjectId): void {
		if (this.#queue.length < LIMITS.purgeQueue) this.#queue.push(objectId);
		else this.#mustScan = true;
		this.wake();
	}

	/** Begins, or tries again after an error. */
	wake(): void {
		if (this.#isStopped || this.#running) return;
		this.#running = this.#run()
			.catch((error: unknown) => {
				this.#mustScan = true;
				this.#onError(error);
			})
			.finally(() => {
				this.#running = undefined;
			});
	}

	/** Resolves when nothing is being removed. */
	async idle(): Promise<void> {
		while (this.#running) await this.#running;
	}

	/** Deleted objects known to have rows left. */
	get waiting(): number {
		return this.#queue.length;
	}

	/** Objects whose rows a checkpoint that begins now covers; hand them to `finish` once it is written. */
	get removed(): readonly ObjectId[] {
		return [...this.#removed];
	}

	/** Removes the last rows of objects. */
	async finish(objects: readonly ObjectId[]): Promise<void> {
		if (objects.length === 0) return;
		await this.#view.change(async (turn) => {
			for (const objectId of objects) {
				turn.del(rowKeys.object(objectId));
				turn.del(rowKeys.purge(objectId));
				const relief = turn.relieve();
				if (relief) await relief;
			}
		});
		await this.#view.landed();
		for (const objectId of objects) this.#removed.delete(objectId);
	}

	async #run(): Promise<void> {
		while (!this.#isStopped) {
			const objectId = this.#queue[0];
			if (objectId === undefined) {
				if (!this.#mustScan) return;
				await this.#fillQueue();
				if (this.#queue.length === 0) return;
			} else {
				await this.#remove(objectId);
				this.#queue.shift();
			}
		}
	}

	async #fillQueue(): Promise<void> {
		this.#mustScan = false;
		for await (const rows of this.#view.scan(tableRange(TABLES.purge))) {
			for (const { key } of rows) {
				const objectId = Buffer.from(key).readBigUInt64BE(1);
				if (this.#removed.has(objectId)) continue;
				if (this.#queue.length >= LIMITS.purgeQueue) {
					this.#mustScan = true;
					return;
				}
				this.#queue.push(objectId);
			}
		}
	}

	async #remove(objectId: ObjectId): Promise<void> {
		const row = await this.#view.get(rowKeys.object(objectId));
		const sizeBytes = row ? decodeObjectRow(row).sizeBytes : 0n;
		const chunks = sizeBytes > 0n ? this.#knownRows(objectId, sizeBytes) : this.#foundRows(objectId);
		for await (const rows of chunks) {
			// Others come first.
			await nextTurn();
			if (this.#isStopped) return;
			await this.#view.change((turn) => {
				for (const { key, places } of rows) {
					for (const place of places) this.#live.moved(key, place, undefined);
					turn.del(key);
				}
				return Promise.resolve();
			});
		}
		this.#removed.add(objectId);
	}

	/** Rows of an object whose size the view knows. */
	async *#knownRows(objectId: ObjectId, sizeBytes: bigint): AsyncGenerator<readonly RowToRemove[]> {
		const segments = Number(fileGeometry(sizeBytes).segments);
		for await (const { first, rows } of segmentRows(this.#view, objectId, 0, segments)) {
			yield rows.flatMap((value, index) => (value ? [rowFound(rowKeys.segment(objectId, first + index), value)] : []));
		}
		let nodes: RowToRemove[] = [];
		for (const key of treeKeys(objectId, sizeBytes)) {
			if (nodes.push({ key, places: NO_PLACES }) < LIMITS.kvChunkRows) continue;
			yield nodes;
			nodes = [];
		}
		yield nodes;
		yield* this.#proofRows(objectId);
	}

	/** Without shards no object has any. */
	async *#proofRows(objectId: ObjectId): AsyncGenerator<readonly RowToRemove[]> {
		if (!this.#hasProofs()) return;
		const range = { from: rowKeys.segmentProof(objectId, 0), to: rowKeys.segmentProof(objectId + 1n, 0) };
		for await (const rows of this.#view.scan(range))
			yield rows.map(({ key }) => ({ key: Buffer.from(key), places: NO_PLACES }));
	}

	/** Rows of an object that was not closed, as far as the view knows: nothing tells how many segments it has. */
	async *#foundRows(objectId: ObjectId): AsyncGenerator<readonly RowToRemove[]> {
		const staged = await this.#view.get(rowKeys.staged(objectId));
		if (staged) yield [rowFound(rowKeys.staged(objectId), staged)];
		const ranges = [
			{ from: rowKeys.segment(objectId, 0), to: rowKeys.segment(objectId + 1n, 0) },
			{ from: rowKeys.objectNode(objectId, 0, 0), to: rowKeys.objectNode(objectId + 1n, 0, 0) },
		];
		for (const range of ranges)
			for await (const rows of this.#view.scan(range))
				yield rows.map(({ key, value }) => rowFound(Buffer.from(key), value));
		yield* this.#proofRows(objectId);
	}
}

function rowFound(key: Buffer, value: Uint8Array): RowToRemove {
	return { key, places: placesOf(key, value) };
}
