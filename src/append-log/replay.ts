/**
 * Replays a lane's files into its consumer from a position on, and settles what an unclean stop left behind (docs/format.md §7).
 */
import { PerigeeError } from '../errors.js';
import type { StorageFile } from '../io/storage-io.js';
import type { Lsn } from '../units.js';
import { LogFileScan, type ByteRange, type FileVerdict } from './file-scan.js';
import { FIRST_GROUP_OFFSET, FORMAT_VERSION } from './format.js';
import type { LogShared } from './log-shared.js';
import { RECOVERED, decodeRecovered, encodeRecovered } from './recovered.js';
import type { BadRange, Lane, LaneConsumer, LanePosition, LogRecord, RecordInput } from './types.js';

const DELIVERY_RECORDS = 1024;

export interface LaneReplayResult {
	/** Records that the next new file of the lane must begin with. */
	readonly verdicts: readonly RecordInput[];
	readonly damage: readonly BadRange[];
}

/** Reads the lane's files `fileNumbers` (ascending) from `from` and hands every valid record to `consumer`, in order. */
export async function replayLane(
	shared: LogShared,
	lane: Lane,
	fileNumbers: readonly number[],
	from: LanePosition | undefined,
	consumer: LaneConsumer,
): Promise<LaneReplayResult> {
	const replay = new LaneReplay(shared, lane, from, consumer);
	const open = fileNumbers.filter((fileNo) => !from || fileNo >= from.fileNo);
	if (from && open[0] !== from.fileNo) replay.reportMissing(from.fileNo);
	const stated = new Map<number, FileVerdict>();
	for (const fileNo of open.toReversed()) await replay.collectVerdicts(fileNo, stated);
	let previous: number | undefined;
	for (const fileNo of open) {
		await replay.file(fileNo, stated.get(fileNo), previous);
		previous = fileNo;
	}
	return { verdicts: replay.verdicts, damage: replay.damage };
}

class LaneReplay {
	readonly verdicts: RecordInput[] = [];
	readonly damage: BadRange[] = [];
	readonly #shared: LogShared;
	readonly #lane: Lane;
	readonly #from: LanePosition | undefined;
	readonly #consumer: LaneConsumer;
	#batch: LogRecord[] = [];

	constructor(shared: LogShared, lane: Lane, from: LanePosition | undefined, consumer: LaneConsumer) {
		this.#shared = shared;
		this.#lane = lane;
		this.#from = from;
		this.#consumer = consumer;
	}

	reportMissing(fileNo: number): void {
		this.#damaged({ from: 0, to: 0 }, fileNo);
	}

	/** Notes what the head of file `fileNo` says about earlier files. */
	async collectVerdicts(fileNo: number, stated: Map<number, FileVerdict>): Promise<void> {
		await this.#withFile(fileNo, async (_file, scan) => {
			for await (const scanned of scan.groups(FIRST_GROUP_OFFSET)) {
				if (!('group' in scanned)) return;
				for (const record of scanned.group.records) {
					if (record.type !== RECOVERED) return;
					const { fileNo: about, verdict } = decodeRecovered(record.ext);
					if (!stated.has(about)) stated.set(about, verdict);
				}
			}
		});
	}

	async file(fileNo: number, stated: FileVerdict | undefined, previous: number | undefined): Promise<void> {
		await this.#withFile(fileNo, async (file, scan) => {
			const named = scan.header?.previousFileNo ?? 0;
			if (previous !== undefined && named > previous) this.reportMissing(named);
			const from = this.#from?.fileNo === fileNo ? this.#from.offset : FIRST_GROUP_OFFSET;
			const verdict =
				stated ??
				((await scan.isClosed()) ? { end: scan.sizeBytes, doubt: [] } : await this.#settle(fileNo, file, scan, from));
			for await (const scanned of scan.groups(from)) {
				if ('bad' in scanned) this.#unreadable(fileNo, scanned.bad, verdict);
				else {
					this.#sawLsn((scanned.group.firstLsn + BigInt(scanned.group.records.length)) as Lsn);
					await this.#take(scan, scanned.group.records, { fileNo, offset: scanned.end }, verdict);
				}
			}
			await this.#deliver({ fileNo, offset: Math.max(verdict.end, from) });
		});
	}

	/** Judges a file that was open at a crash, and makes what is read from it durable before it is used. */
	async #settle(fileNo: number, file: StorageFile, scan: LogFileScan, knownEnd: number): Promise<FileVerdict> {
		const verdict = await scan.judge(knownEnd);
		if ((await this.#shared.sync(this.#lane, file)) === undefined) throw this.#shared.readOnlyError();
		this.verdicts.push({ type: RECOVERED, ext: encodeRecovered(fileNo, verdict) });
		return verdict;
	}

	async #take(
		scan: LogFileScan,
		records: readonly LogRecord[],
		end: LanePosition,
		verdict: FileVerdict,
	): Promise<void> {
		let doubtful = 0;
		for (const record of records) {
			if (record.type === RECOVERED) continue;
			const place = record.place;
			if (place && verdict.doubt.some((range) => overlaps(range, place.offset, place.offset + place.lengthBytes))) {
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
		if (this.#batch.length >= DELIVERY_RECORDS) await this.#deliver(end);
	}

	async #deliver(end: LanePosition): Promise<void> {
		const records = this.#batch;
		this.#batch = [];
		await this.#consumer(this.#lane, records, end);
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

	async #withFile(fileNo: number, use: (file: StorageFile, scan: LogFileScan) => Promise<void>): Promise<void> {
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
			await use(file, scan);
		} finally {
			await file.close();
		}
	}
}

function overlaps(range: ByteRange, from: number, to: number): boolean {
	return range.from < to && from < range.to;
}
