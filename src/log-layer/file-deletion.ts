/**
 * Deletes files and drops segments of them, as their operator wants it (docs/architecture.md §4). The bytes go by compaction; reads end as soon
 * as the fact is durable and applied. That a root was ended on purpose stands in the journal, which is never compacted and lies on the first
 * volume, whatever becomes of the file's own lane.
 */
import type { AppendLog } from '../append-log/append-log.js';
import type { RecordInput, WriteTicket } from '../append-log/types.js';
import { PerigeeError } from '../errors.js';
import { LIMITS } from '../limits.js';
import { fileGeometry } from '../native/addon.js';
import { bytesOfHex, type DataRoot } from '../units.js';
import type { Journal } from '../settlement/journal.js';
import type { DamageList } from './damage.js';
import { DELETED_BECAUSE, laneOf, objectDeleted, segmentsDropped, NO_ROOT, type ObjectId } from './records.js';
import type { RootLocks } from './key-locks.js';
import {
	decodeObjectRow,
	decodeRootRow,
	isDeletedRow,
	rowKeys,
	type ObjectRow,
	type RootObject,
	type RootRow,
} from './rows.js';
import { withRange, type SegmentRange } from './segment-ranges.js';
import { keptCount, keptWithin } from './shard.js';
import type { View } from './view.js';

export interface FileDeletionParts {
	readonly log: AppendLog;
	readonly view: View;
	readonly journal: Journal;
	readonly locks: RootLocks;
	readonly damage: DamageList;
}

/** The fact that ends an object whose content another one holds, or nobody wants. */
export function spent({ objectId }: RootObject, root: DataRoot): RecordInput {
	return objectDeleted({ objectId, root: bytesOfHex(root), cause: DELETED_BECAUSE.spent });
}

/** The same for an object that was never closed. */
export function givenUp(objectId: ObjectId): RecordInput {
	return objectDeleted({ objectId, root: NO_ROOT, cause: DELETED_BECAUSE.spent });
}

export class FileDeletion {
	readonly #parts: FileDeletionParts;

	constructor(parts: FileDeletionParts) {
		this.#parts = parts;
	}

	/** See FileStore.deleteFile. */
	async deleteFile(root: DataRoot): Promise<void> {
		await this.#parts.locks.run(root, async () => {
			const row = await this.#knownRow(root);
			if (row.object) await this.#end(row.object, root, DELETED_BECAUSE.unwanted);
			else if (!isDeletedRow(row)) throw new PerigeeError('NOT_HELD');
			// A crash came between the two facts of an earlier call.
			else if (row.ended) await this.#parts.journal.recordDeletion({ root, ...row.ended });
		});
	}

	/** See FileStore.dropSegments. */
	async dropSegments(root: DataRoot, range: SegmentRange): Promise<void> {
		await this.#parts.locks.run(root, async () => {
			const known = await this.#knownRow(root);
			const { object } = known;
			if (!object) throw new PerigeeError(isDeletedRow(known) ? 'GONE' : 'NOT_HELD');
			const segments = Number(fileGeometry(BigInt(object.sizeBytes)).segments);
			if (range.count < 1 || range.first + range.count > segments)
				throw new PerigeeError('BAD_REQUEST', `the file has ${segments} segments`);
			const row = await this.#parts.view.get(rowKeys.object(object.objectId));
			const { dropped: before, kept }: Pick<ObjectRow, 'dropped' | 'kept'> = row
				? decodeObjectRow(row)
				: { dropped: [] };
			const dropped = withRange(before, range);
			if (dropped.length > LIMITS.droppedRanges)
				throw new PerigeeError('BAD_REQUEST', `more than ${LIMITS.droppedRanges} ranges of this file would be dropped`);
			// An object without any segment is of no use.
			const gone = dropped.reduce((sum, { first, count }) => sum + keptWithin(kept, first, count), 0);
			if (gone === keptCount(kept, segments)) await this.#end(object, root, DELETED_BECAUSE.dropped);
			else await this.#drop(object, root, range);
		});
	}

	/** An object of many records ends in its own lane first: the journal's word alone would leave its rows behind. */
	async #end({ objectId, sizeBytes }: RootObject, root: DataRoot, cause: number): Promise<void> {
		const { log, journal, damage } = this.#parts;
		if (laneOf(sizeBytes) === 'bulk')
			await log.write('bulk', [objectDeleted({ objectId, root: bytesOfHex(root), cause })]).applied;
		await journal.recordDeletion({ root, objectId, isDeleted: cause === DELETED_BECAUSE.unwanted });
		damage.forget(objectId);
	}

	/** In facts of bounded effect, so that others have their turn between them. */
	async #drop({ objectId }: RootObject, root: DataRoot, { first, count }: SegmentRange): Promise<void> {
		const end = first + count;
		let tickets: WriteTicket[] = [];
		for (let at = first; at < end; at += LIMITS.dropFactSegments) {
			const range = { first: at, count: Math.min(LIMITS.dropFactSegments, end - at) };
			const isLast = at + range.count === end || tickets.length + 1 === LIMITS.dropFactsAtOnce;
			const fact = segmentsDropped({ objectId, ...range, root: bytesOfHex(root) });
			tickets.push(this.#parts.log.write('bulk', [fact], isLast));
			if (!isLast) continue;
			await Promise.all(tickets.map(({ applied }) => applied));
			tickets = [];
		}
		this.#parts.damage.dropped(objectId, { first, count });
	}

	/** Errors: NOT_FOUND when no submission names the root. */
	async #knownRow(root: DataRoot): Promise<RootRow> {
		const value = await this.#parts.view.get(rowKeys.root(root));
		const row = value ? decodeRootRow(value) : {};
		if (!row.submissions) throw new PerigeeError('NOT_FOUND', `no file with the data root ${root} is known here`);
		return row;
	}
}
