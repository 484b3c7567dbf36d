/**
 * Copies what is alive in a closed log file to the end of its lane, a bounded stretch at a time.
 *
 * Promises: what is copied was checked against its CRCs before. A copy is handed to the log in the same step in which the view says that
 * the record is alive and the log holds no delete or drop fact of its object that is not applied yet; so no copy ever stands behind such a
 * fact. Nothing here takes a file away. A crash loses copies that were not durable; the file is still there.
 */
import type { AppendLog } from '../append-log/append-log.js';
import type { ClosedFile } from '../append-log/closed-files.js';
import type { Lane, LogRecord, RecordInput, WriteTicket } from '../append-log/types.js';
import { LIMITS } from '../limits.js';
import { checkBlocksBytes } from '../native/addon.js';
import type { Lsn } from '../units.js';
import { judge, type JudgedRecord, type OlderFiles } from './liveness.js';
import { RECORDS, decodeSegment, objectOfPart, type ObjectId } from './records.js';
import type { View } from './view.js';

/** A record that still counts does not match its checksums, or its bytes cannot be read. */
export class RecordDamagedError extends Error {
	readonly record: LogRecord;
	readonly objectId: ObjectId;
	readonly segment: number;

	constructor({ record, objectId }: JudgedRecord) {
		super(`a record at ${record.place?.offset} of log file ${record.place?.fileNo} of lane ${record.lane} is damaged`);
		this.name = 'RecordDamagedError';
		this.record = record;
		this.objectId = objectId;
		this.segment = record.type === RECORDS.segment ? decodeSegment(record).segment : 0;
	}
}

export interface CopyParts {
	readonly log: AppendLog;
	readonly view: View;
	/** Rests after a piece of work; its rejection ends the copying. */
	readonly breathe: () => Promise<void>;
	/** Judged anew for each stretch: files go while others are copied. */
	readonly mayOlderHold: OlderFiles;
	readonly copied: (bytes: number, records: number) => void;
}

export interface CopyOutcome {
	readonly records: number;
	/** Records left out because a fact about their object is on its way: the file has to be looked at again. */
	readonly heldBack: number;
}

/** Copies the live records of a file. Errors: RecordDamagedError, FileUnreadableError, those of the log's writes, of the view and of `breathe`. */
export async function copyLive(file: ClosedFile, lane: Lane, parts: CopyParts): Promise<CopyOutcome> {
	const copier = new Copier(file, lane, parts);
	for await (const stretch of stretches(file, lane)) {
		await copier.copy(stretch);
		await parts.breathe();
	}
	await copier.settle();
	return copier.outcome;
}

/** Whether the view still points into the file. Errors: FileUnreadableError, those of the view and of `breathe`. */
export async function isPointedTo(file: ClosedFile, lane: Lane, parts: CopyParts): Promise<boolean> {
	for await (const stretch of stretches(file, lane)) {
		const judged = await look(parts, stretch);
		if (judged.some(({ record, fate }) => record.place && fate === 'live')) return true;
		await parts.breathe();
	}
	return false;
}

class Copier {
	readonly #file: ClosedFile;
	readonly #lane: Lane;
	readonly #parts: CopyParts;
	readonly #buffer: Buffer;
	/** Deletions that were copied, by origin. */
	readonly #deletions = new Set<Lsn>();
	#last: WriteTicket | undefined;
	#records = 0;
	#heldBack = 0;

	constructor(file: ClosedFile, lane: Lane, parts: CopyParts) {
		this.#file = file;
		this.#lane = lane;
		this.#parts = parts;
		this.#buffer = Buffer.allocUnsafeSlow(stretchBytes(lane));
	}

	get outcome(): CopyOutcome {
		return { records: this.#records, heldBack: this.#heldBack };
	}

	async copy(stretch: readonly LogRecord[]): Promise<void> {
		let records = stretch;
		let payloads: ReadonlyMap<LogRecord, Uint8Array> = new Map();
		// Facts alone need no look before the one that decides.
		if (stretch.some(({ place }) => place)) {
			const alive = (await look(this.#parts, stretch)).filter(({ fate }) => fate !== 'dead');
			if (alive.length === 0) return;
			records = alive.map(({ record }) => record);
			payloads = await this.#load(alive);
		}
		const { log, view } = this.#parts;
		let ticket: WriteTicket | undefined;
		let bytes = 0;
		await view.change(async (turn) => {
			const judged = await judge(turn, records, this.#parts.mayOlderHold);
			// From here to the write nothing waits: what is judged now is what stands in front of the copies.
			const withFact = objectsWithFact(log);
			const inputs: RecordInput[] = [];
			for (const { record, objectId, fate } of judged) {
				if (fate === 'dead') continue;
				if (isDeletion(record)) {
					if (this.#isFirst(record)) inputs.push(copyOf(record, undefined));
				} else if (withFact.has(objectId)) this.#heldBack++;
				else inputs.push(copyOf(record, fate === 'live' ? payloads.get(record) : undefined));
			}
			if (inputs.length === 0) return;
			ticket = log.write(this.#lane, inputs, false);
			this.#records += inputs.length;
			bytes = inputs.reduce((sum, { payload }) => sum + (payload?.length ?? 0), 0);
		});
		if (!ticket) return;
		const written = await ticket.written;
		this.#last = ticket;
		this.#parts.copied(bytes, written.length);
	}

	/**
	 * A deletion may stand here twice, as passes leave it that could not take its file; once is enough. It may also stand behind another one of
	 * its object: held back for that, its file would never go.
	 */
	#isFirst({ origin }: LogRecord): boolean {
		if (this.#deletions.has(origin)) return false;
		if (this.#deletions.size < LIMITS.copiedDeletions) this.#deletions.add(origin);
		return true;
	}

	/** Waits until the copies are durable and the view points to them. */
	async settle(): Promise<void> {
		if (!this.#last) return;
		this.#parts.log.hurry(this.#lane);
		await this.#last.applied;
	}

	/** Reads and checks the payloads of records that lie within one stretch. */
	async #load(alive: readonly JudgedRecord[]): Promise<ReadonlyMap<LogRecord, Uint8Array>> {
		const payloads = new Map<LogRecord, Uint8Array>();
		const withBytes = alive.filter(({ record, fate }) => record.place && fate === 'live');
		const [first] = withBytes;
		if (!first) return payloads;
		const start = first.record.place?.offset ?? 0;
		const end = withBytes.reduce((most, { record }) => Math.max(most, endOf(record)), start);
		const bytes = this.#buffer.subarray(0, end - start);
		// A read that fails brands no record: the disk may answer the next time.
		const count = await this.#file.read(bytes, start);
		for (const judged of withBytes) {
			const { place, blockCrcs } = judged.record;
			if (!place) continue;
			const payload = bytes.subarray(place.offset - start, place.offset - start + place.lengthBytes);
			const isWhole = place.offset - start + place.lengthBytes <= count;
			if (!isWhole || checkBlocksBytes(payload, blockCrcs) >= 0) throw new RecordDamagedError(judged);
			payloads.set(judged.record, payload);
		}
		return payloads;
	}
}

async function look(
	{ view, mayOlderHold }: CopyParts,
	stretch: readonly LogRecord[],
): Promise<readonly JudgedRecord[]> {
	let judged: readonly JudgedRecord[] = [];
	await view.change(async (turn) => {
		judged = await judge(turn, stretch, mayOlderHold);
	});
	return judged;
}

function isDeletion({ type }: LogRecord): boolean {
	return type === RECORDS.objectDeleted;
}

/** The same record for the end of the lane. Without `payload` it is a fact, or what is kept of a dropped segment. */
function copyOf({ type, ext, origin, blockCrcs }: LogRecord, payload: Uint8Array | undefined): RecordInput {
	return payload ? { type, ext, origin, payload, blockCrcs } : { type, ext, origin };
}

/** Objects of which a delete or drop fact is on its way through the log. */
function objectsWithFact(log: AppendLog): ReadonlySet<ObjectId> {
	const objects = new Set<ObjectId>();
	for (const lane of ['small', 'bulk'] as const) {
		for (const input of log.unapplied(lane)) {
			if (input.type === RECORDS.objectDeleted || input.type === RECORDS.segmentsDropped)
				objects.add(objectOfPart(input));
		}
	}
	return objects;
}

function stretchBytes(lane: Lane): number {
	return lane === 'small' ? LIMITS.copySmallBytes : LIMITS.copyBulkBytes;
}

function endOf({ place }: LogRecord): number {
	return place ? place.offset + place.lengthBytes : 0;
}

/** The file's records in order, in stretches that fit into one buffer. */
async function* stretches(file: ClosedFile, lane: Lane): AsyncGenerator<readonly LogRecord[]> {
	const most = stretchBytes(lane);
	let stretch: LogRecord[] = [];
	let start: number | undefined;
	for await (const records of file.groups()) {
		for (const record of records) {
			const isTooFar = record.place && start !== undefined && endOf(record) - start > most;
			if (stretch.length >= LIMITS.copyRecords || isTooFar) {
				yield stretch;
				stretch = [];
				start = undefined;
			}
			stretch.push(record);
			if (record.place) start ??= record.place.offset;
		}
	}
	if (stretch.length > 0) yield stretch;
}
