/**
 * The scrub's way through the view, submission by submission: their rows, those of their roots and segments. Each is read by its key, which
 * compares it with its checksum (a scan would not check the engine's blocks, and the engine may end the process over a damaged one), and
 * none may be missing. Each place must lie within a log file that is there. The way through the log cannot miss what it does not meet:
 * this finds files that are gone, and what a lost stretch of the log has held.
 */
import type { AppendLog } from '../append-log/append-log.js';
import type { LogFileName } from '../append-log/types.js';
import { ViewDamagedError } from '../db/kv-engine.js';
import { PerigeeError } from '../errors.js';
import { LIMITS } from '../limits.js';
import { checkBlocksBytes } from '../native/addon.js';
import { bytesOfHex, type FlowId, SEGMENT_BYTES, type TxSeq } from '../units.js';
import type { DamageList, DamagedStretch, SegmentDamageReason } from './damage.js';
import type { Pacer } from './pacer.js';
import { rootReadFrom } from './places.js';
import type { ObjectId } from './records.js';
import {
	decodeObjectRow,
	decodeRootRow,
	decodeSegmentRow,
	decodeSubmissionRow,
	rowKeys,
	type PlainPlace,
	type RootedObject,
} from './rows.js';
import { isKept } from './shard.js';
import type { View } from './view.js';

export interface ScrubViewParts {
	readonly view: View;
	readonly log: AppendLog;
	readonly damage: DamageList;
	readonly pacer: Pacer;
	/** The submissions there are. */
	readonly flow: () => { readonly flowId: FlowId; readonly submissions: number };
	/** Everything before this submission and segment was checked. */
	readonly checked: (at: RowPosition) => void;
	/** A damaged place, known or not. */
	readonly met: () => void;
}

export interface RowPosition {
	readonly txSeq: number;
	readonly segment: number;
}

/** Where a segment lies, as the view says. */
interface PlaceRow {
	readonly objectId: ObjectId;
	readonly segment: number;
	readonly place: PlainPlace;
	/** 32 bytes; of the file for an object of one record. */
	readonly root: Uint8Array;
}

type Look = (row: PlaceRow) => Promise<void>;

/** Errors: DATA_DAMAGED when the view is damaged. */
export async function scrubView(parts: ScrubViewParts, from: RowPosition): Promise<void> {
	const files = new FileSizes(parts.log);
	await eachPlace(parts, from, async (row) => {
		const { lane, fileNo, offset, lengthBytes } = row.place;
		if (!(await files.holds({ lane, fileNo }, offset + lengthBytes))) await note(parts, row, 'missing');
	});
}

/** Looks again at all segments that lie in stretches of which the log has lost the records. */
export async function scrubLost(parts: ScrubViewParts, from: RowPosition): Promise<void> {
	const lost = parts.damage.stretches.filter(({ reason }) => reason === 'lost' || reason === 'unreadable');
	if (lost.length === 0) return;
	await eachPlace(parts, from, async (row) => {
		const stretch = lost.find((candidate) => overlaps(candidate, row.place));
		if (!stretch) return;
		const reason = await reasonOf(parts.log, row.place);
		// Behind the place that the disk cannot read there may be good records.
		if (reason !== 'record' || stretch.reason === 'lost') await note(parts, row, reason);
	});
}

/** Places in missing log files are left out: their loss is named as such, and they are whole again when the files are back. */
async function eachPlace(parts: ScrubViewParts, from: RowPosition, lookAt: Look): Promise<void> {
	const { view, log, pacer, flow, checked } = parts;
	const look: Look = async (row) => {
		if (!log.isLost(row.place.lane, row.place.fileNo)) await lookAt(row);
	};
	const { flowId } = flow();
	for (let first = from.txSeq; first < flow().submissions; first += LIMITS.scrubRows) {
		const count = Math.min(LIMITS.scrubRows, flow().submissions - first);
		const seqs = Array.from({ length: count }, (_, index) => (first + index) as TxSeq);
		const submissions = await view.getMany(seqs.map((txSeq) => rowKeys.submission(flowId, txSeq)));
		const roots = submissions.map((row, index) => {
			const txSeq = seqs[index] ?? (0 as TxSeq);
			if (!row) throw lostRow(view, `submission ${txSeq}`);
			return decodeSubmissionRow(flowId, txSeq, row).dataRoot;
		});
		const rows = await view.getMany(roots.map((root) => rowKeys.root(root)));
		for (const [index, root] of roots.entries()) {
			const row = rows[index];
			const txSeq = first + index;
			if (!row) throw lostRow(view, `root ${root}`);
			const { object, submissions: named } = decodeRootRow(row);
			// Content that several submissions share is looked at once.
			if (!object || (named && named.firstSeq !== txSeq)) continue;
			const segment = txSeq === from.txSeq ? from.segment : 0;
			if (object.place)
				await look({ objectId: object.objectId, segment: 0, place: object.place, root: bytesOfHex(root) });
			else await eachSegment(parts, { ...object, root }, { txSeq, segment }, look);
		}
		checked({ txSeq: first + count, segment: 0 });
		await pacer.breathe();
	}
}

async function eachSegment(
	{ view, pacer, checked }: ScrubViewParts,
	object: RootedObject,
	from: RowPosition,
	look: Look,
): Promise<void> {
	const end = Math.ceil(object.sizeBytes / SEGMENT_BYTES);
	const objectRow = object.isPruned && (await view.get(rowKeys.object(object.objectId)));
	const kept = objectRow ? decodeObjectRow(objectRow).kept : undefined;
	for (let first = from.segment; first < end; first += LIMITS.scrubRows) {
		const count = Math.min(LIMITS.scrubRows, end - first);
		const rows = await view.getMany(
			Array.from({ length: count }, (_, index) => rowKeys.segment(object.objectId, first + index)),
		);
		for (const [index, row] of rows.entries()) {
			const segment = first + index;
			if (row) {
				const { place, root } = decodeSegmentRow(row);
				// Without a place it was dropped.
				if (place) await look({ objectId: object.objectId, segment, place, root });
				continue;
			}
			if (!isKept(kept, segment)) continue;
			if (!(await isHeld(view, object))) return;
			throw lostRow(view, `segment ${segment} of ${object.root}`);
		}
		checked({ txSeq: from.txSeq, segment: first + count });
		await pacer.breathe();
	}
}

/** Whether the root still leads to the object, which may have been replaced or deleted meanwhile. */
async function isHeld(view: View, { root, objectId }: RootedObject): Promise<boolean> {
	const row = await view.get(rowKeys.root(root));
	return row !== undefined && decodeRootRow(row).object?.objectId === objectId;
}

function lostRow(view: View, what: string): PerigeeError {
	const error = new ViewDamagedError(`the row of ${what} is missing`);
	view.distrust(error);
	return new PerigeeError('DATA_DAMAGED', `the index is damaged: ${error.message}`, { cause: error });
}

async function note(parts: ScrubViewParts, row: PlaceRow, reason: SegmentDamageReason): Promise<void> {
	const { objectId, segment, place } = row;
	// Compaction may have moved it since the row was read.
	const root = await rootReadFrom(parts.view, row, place);
	if (!root) return;
	parts.met();
	const { lane, fileNo, offset } = place;
	parts.damage.add({ root, objectId, segment, reason, lane, fileNo, offset, foundBy: 'scrub' });
}

/** What is wrong with a segment whose record is lost: perhaps only that. */
async function reasonOf(log: AppendLog, place: PlainPlace): Promise<SegmentDamageReason> {
	const bytes = Buffer.allocUnsafe(place.lengthBytes);
	try {
		await log.read(place.lane, place.fileNo, place.offset, bytes);
	} catch (error) {
		if (error instanceof PerigeeError && error.code === 'DATA_DAMAGED') return 'missing';
		if (error instanceof PerigeeError && error.code === 'READ_FAILED') return 'unreadable';
		throw error;
	}
	return checkBlocksBytes(bytes, place.blockCrcs) >= 0 ? 'checksum' : 'record';
}

function overlaps({ lane, fileNo, from, to }: DamagedStretch, place: PlainPlace): boolean {
	const isThere = place.lane === lane && place.fileNo === fileNo;
	return isThere && place.offset < to && from < place.offset + place.lengthBytes;
}

/** Sizes of log files, asked once each and again when a place lies behind what was known. */
class FileSizes {
	readonly #log: AppendLog;
	readonly #bytes = new Map<string, number>();

	constructor(log: AppendLog) {
		this.#log = log;
	}

	async holds(name: LogFileName, end: number): Promise<boolean> {
		const key = `${name.lane}/${name.fileNo}`;
		if (end <= (this.#bytes.get(key) ?? -1)) return true;
		const bytes = await this.#log.fileBytes(name);
		if (bytes !== undefined) this.#bytes.set(key, bytes);
		return bytes !== undefined && end <= bytes;
	}
}
