/**
 * Replays a lane's files into its consumer from a position on, and settles what an unclean stop left behind (docs/format.md §7).
 */
import { PerigeeError } from '../errors.js';
import type { Lsn } from '../units.js';
import { LogFileScan, type ByteRange, type FileVerdict, type ScannedGroup } from './file-scan.js';
import { FIRST_GROUP_OFFSET, FORMAT_VERSION, GROUP_ALIGN_BYTES } from './format.js';
import type { LogShared } from './log-shared.js';
import { RECOVERED, encodeRecovered, verdictsAtHead } from './recovered.js';
import type { BadRange, Lane, LaneConsumer, LanePosition, LogRecord, RecordInput } from './types.js';

const DELIVERY_RECORDS = 1024;
const REWRITE_BYTES = 1024 * 1024;

export interface LaneReplayResult {
	/** Records that the next new file of the lane must begin with. */
	readonly verdicts: readonly RecordInput[];
	readonly damage: readonly BadRange[];
	/** Numbers of files that others name, or the position, and that are not there. */
	readonly missing: readonly number[];
}

/**
 * Reads the lane's files `fileNumbers` (ascending) from `from` and hands every valid record to `consumer`, in order: one call at a time,
 * while the next records are read. `onRead` hears of the bytes of the files that are done with.
 * Errors: JOURNAL_DAMAGED when entries of the journal do not follow each other because others are lost; those of the consumer.
 */
export async function replayLane(
	shared: LogShared,
	lane: Lane,
	fileNumbers: readonly number[],
	from: LanePosition | undefined,
	consumer: LaneConsumer,
	onRead: (bytes: number) => void = () => undefined,
): Promise<LaneReplayResult> {
	const replay = new LaneReplay(shared, lane, from, fileNumbers.at(-1) ?? 0, consumer, onRead);
	const open = fileNumbers.filter((fileNo) => !from || fileNo >= from.fileNo);
	if (from && open[0] !== from.fileNo) replay.noteMissing(from.fileNo);
	const stated = new Map<number, FileVerdict>();
	for (const fileNo of open.toReversed()) await replay.collectVerdicts(fileNo, stated);
	for (const fileNo of open) await replay.file(fileNo, stated.get(fileNo));
	await replay.finish();
	return { verdicts: replay.verdicts, damage: replay.damage, missing: [...replay.missing] };
}

class LaneReplay {
	readonly verdicts: RecordInput[] = [];
	readonly damage: BadRange[] = [];
	readonly missing = new Set<number>();
	readonly #shared: LogShared;
	readonly #lane: Lane;
	readonly #from: LanePosition | undefined;
	readonly #lastFileNo: number;
	readonly #consumer: LaneConsumer;
	readonly #onRead: (bytes: number) => void;
	#batch: LogRecord[] = [];
	#delivery: Promise<void> = Promise.resolve();
	/** How far of the current file `onRead` has heard. */
	#toldOffset = 0;

	constructor(
		shared: LogShared,
		lane: Lane,
		from: LanePosition | undefined,
		lastFileNo: number,
		consumer: LaneConsumer,
		onRead: (bytes: number) => void,
	) {
		this.#onRead = onRead;
		this.#shared = shared;
		this.#lane = lane;
		this.#from = from;
		this.#lastFileNo = lastFileNo;
		this.#consumer = consumer;
	}

	noteMissing(fileNo: number): void {
		this.missing.add(fileNo);
	}

	/** Notes what the head of file `fileNo` says about earlier files. */
	async collectVerdicts(fileNo: number, stated: Map<number, FileVerdict>): Promise<void> {
		await this.#withFile(fileNo, async (scan) => {
			for (const { fileNo: about, verdict } of await verdictsAtHead(scan))
				if (!stated.has(about)) stated.set(about, verdict);
		});
	}

	async file(fileNo: number, stated: FileVerdict | undefined): Promise<void> {
		await this.#withFile(fileNo, async (scan) => {
			const named = scan.header?.previousFileNo ?? 0;
			if (named > 0 && !this.#shared.files.has(this.#lane, named)) this.noteMissing(named);
			const from = this.#from?.fileNo === fileNo ? this.#from.offset : FIRST_GROUP_OFFSET;
			this.#toldOffset = this.#from?.fileNo === fileNo ? from : 0;
			if (from > FIRST_GROUP_OFFSET) {
				const end = await scan.endBefore(from);
				if (end < from) this.#reportCut(fileNo, end, from);
			}
			const verdict =
				stated ??
				((await scan.isClosed()) ? await this.#closed(fileNo, scan, from) : await this.#settle(fileNo, scan, from));
			for await (const scanned of scan.groups(from)) {
				if ('bad' in scanned) {
					const isMeantToBe = scanned.isBlank && scanned.bad.from >= verdict.end;
					if (!isMeantToBe) this.#unreadable(fileNo, scanned.bad, verdict);
				} else {
					this.#sawLsn((scanned.group.firstLsn + BigInt(scanned.group.records.length)) as Lsn);
					await this.#take(scan, scanned, verdict);
				}
			}
			// The header of a torn group may promise more than there is.
			await this.#deliver({ fileNo, offset: Math.max(Math.min(verdict.end, scan.sizeBytes), from) });
			this.#tell(scan.sizeBytes);
		});
	}

	/** The checkpoint knows more of a file than there is. */
	#reportCut(fileNo: number, end: number, knownEnd: number): void {
		if (this.#lane === 'journal') {
			const path = this.#shared.files.path('journal', fileNo);
			throw new PerigeeError(
				'JOURNAL_DAMAGED',
				`${path} ends at byte ${end}, and the checkpoint of the view knows ${knownEnd} bytes of it; if the directory is a copy that was taken while the node ran, remove view.checkpoint and log.manifest and start again`,
			);
		}
		this.#damaged({ from: end, to: knownEnd }, fileNo);
	}

	/** Waits until the consumer has everything. */
	finish(): Promise<void> {
		return this.#delivery;
	}

	/** Judges a file that was open at a crash, and makes what is read from it durable before it is used. */
	async #settle(fileNo: number, scan: LogFileScan, knownEnd: number): Promise<FileVerdict> {
		const verdict = await scan.judge(knownEnd);
		// Nothing confirmed: the headers of the file may be on their way too.
		const from = verdict.confirmed > FIRST_GROUP_OFFSET ? verdict.confirmed : 0;
		await this.#makeDurable(fileNo, from, verdict.end).catch((error: unknown) => {
			throw isReadOnly(error) ? this.#unsettled(fileNo, error) : error;
		});
		this.verdicts.push({ type: RECOVERED, ext: encodeRecovered(fileNo, verdict) });
		return verdict;
	}

	/** The file ends with a close mark. That of the last file may not have reached the disk. */
	async #closed(fileNo: number, scan: LogFileScan, from: number): Promise<FileVerdict> {
		const markAt = scan.sizeBytes - 2 * GROUP_ALIGN_BYTES;
		if (fileNo === this.#lastFileNo && from < scan.sizeBytes) {
			await this.#makeDurable(fileNo, markAt, scan.sizeBytes).catch((error: unknown) => {
				// On a read-only file system the mark stays as it is: what lies before it was durable before it was written.
				if (!isReadOnly(error)) throw error;
			});
		}
		return { end: scan.sizeBytes, doubt: [] };
	}

	#unsettled(fileNo: number, cause: unknown): PerigeeError {
		const path = this.#shared.files.path(this.#lane, fileNo);
		return new PerigeeError(
			'READ_ONLY',
			`${path} was open when the node stopped and cannot be settled on a read-only file system; mount it writable`,
			{ cause },
		);
	}

	/**
	 * Writes bytes of the file again as they are, and syncs it. A sync alone is not enough: after one that failed, the system shows
	 * data that never reached the disk and holds it for clean.
	 */
	async #makeDurable(fileNo: number, from: number, to: number): Promise<void> {
		const shared = this.#shared;
		const file = await shared.io.open(shared.files.path(this.#lane, fileNo), 'write');
		try {
			const buffer = Buffer.allocUnsafe(Math.min(REWRITE_BYTES, Math.max(0, to - from)));
			for (let at = from; at < to; at += buffer.length) {
				const part = buffer.subarray(0, await file.read(buffer.subarray(0, Math.min(buffer.length, to - at)), at));
				if (part.length > 0 && (await file.writev([part], at)) < part.length) throw new PerigeeError('DISK_FULL');
			}
			if ((await shared.sync(this.#lane, file)) === undefined) throw shared.readOnlyError();
		} finally {
			await file.close();
		}
	}

	async #take(scan: LogFileScan, { group, end }: ScannedGroup, verdict: FileVerdict): Promise<void> {
		const isDoubtful = (from: number, to: number): boolean => verdict.doubt.some((range) => overlaps(range, from, to));
		// The journal is taken group by group; elsewhere each payload stands for itself, and facts are checked by their header.
		const isGroupDoubtful = this.#lane === 'journal' && isDoubtful(group.offset, end);
		let doubtful = 0;
		for (const record of group.records) {
			if (record.type === RECOVERED) continue;
			const place = record.place;
			if (isGroupDoubtful || (place && isDoubtful(place.offset, place.offset + place.lengthBytes))) {
				doubtful++;
				continue;
			}
			if (this.#lane !== 'journal') {
				this.#batch.push(record);
				continue;
			}
			const payload = await scan.payload(record);
			if (payload) this.#batch.push({ ...record, payload });
			else if (place) this.#damaged({ from: place.offset, to: place.offset + place.lengthBytes }, place.fileNo);
		}
		if (doubtful > 0) this.#shared.observer.inDoubt(this.#lane, doubtful);
		if (this.#batch.length >= DELIVERY_RECORDS) await this.#deliver({ fileNo: scan.identity.fileNo, offset: end });
	}

	async #deliver(end: LanePosition): Promise<void> {
		const records = this.#batch;
		this.#batch = [];
		await this.#delivery;
		this.#tell(end.offset);
		this.#delivery = this.#consume(records, end);
		// Whoever waits for it next hears of its failure.
		this.#delivery.catch(() => undefined);
	}

	async #consume(records: readonly LogRecord[], end: LanePosition): Promise<void> {
		try {
			await this.#consumer(this.#lane, records, end);
		} catch (error) {
			const lost = this.damage[0];
			const isUnfit = error instanceof PerigeeError && error.code === 'FORMAT_UNKNOWN';
			if (this.#lane !== 'journal' || !lost || !isUnfit) throw error;
			throw journalDamaged(this.#shared.files.path('journal', lost.fileNo), lost, error);
		}
	}

	#tell(offset: number): void {
		if (offset > this.#toldOffset) this.#onRead(offset - this.#toldOffset);
		this.#toldOffset = Math.max(offset, this.#toldOffset);
	}

	#unreadable(fileNo: number, bad: ByteRange, verdict: FileVerdict): void {
		const inDoubt =
			verdict.doubt.some((range) => range.from <= bad.from && bad.to <= range.to) || bad.from >= verdict.end;
		if (inDoubt) this.#shared.observer.inDoubt(this.#lane, 1);
		else this.#damaged({ from: bad.from, to: Math.min(bad.to, verdict.end) }, fileNo);
	}

	#damaged(range: ByteRange, fileNo: number): void {
		const bad = { lane: this.#lane, fileNo, from: range.from, to: range.to };
		this.damage.push(bad);
		this.#shared.observer.damaged(bad);
	}

	#sawLsn(next: Lsn): void {
		if (next > this.#shared.nextLsn) this.#shared.nextLsn = next;
	}

	async #withFile(fileNo: number, use: (scan: LogFileScan) => Promise<void>): Promise<void> {
		const shared = this.#shared;
		const file = await shared.io.open(shared.files.path(this.#lane, fileNo), 'read');
		try {
			const scan = await LogFileScan.open(file, this.#lane, fileNo, shared.checksums);
			if (scan.header && scan.header.version > FORMAT_VERSION) {
				throw new PerigeeError(
					'FORMAT_UNKNOWN',
					`${file.path} has format ${scan.header.version}; this version knows up to ${FORMAT_VERSION}`,
				);
			}
			if (scan.header) this.#sawLsn(scan.header.firstLsn);
			await use(scan);
		} finally {
			await file.close();
		}
	}
}

function journalDamaged(path: string, { from, to }: ByteRange, cause: PerigeeError): PerigeeError {
	const where = to > from ? `bytes ${from} to ${to} of ${path} cannot be read` : `${path} is missing`;
	return new PerigeeError('JOURNAL_DAMAGED', `${where}, and what follows does not fit without them: ${cause.message}`, {
		cause,
	});
}

function isReadOnly(error: unknown): boolean {
	return (error as NodeJS.ErrnoException).code === 'EROFS';
}

function overlaps(range: ByteRange, from: number, to: number): boolean {
	return range.from < to && from < range.to;
}
