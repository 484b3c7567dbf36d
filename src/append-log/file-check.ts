/**
 * Reads one log file through for the scrub: its groups in order with what is damaged of each, and the bytes of their payloads. It judges
 * like a recovery would (docs/format.md §7): what was never acknowledged is no damage. Nothing is written.
 */
import type { StorageFile } from '../io/storage-io.js';
import { LogFileScan, type ByteRange, type FileVerdict } from './file-scan.js';
import { FILE_HEADER_COPY_OFFSET, FIRST_GROUP_OFFSET, decodeFileStart } from './format.js';
import type { LogShared } from './log-shared.js';
import { verdictsAtHead } from './recovered.js';
import type { Checksums, LogFileName, LogRecord } from './types.js';

const WINDOW_BYTES = 256 * 1024;
/** Longer reads go past the window. */
const WINDOW_READ_BYTES = 64 * 1024;

/** A group as it was found, or a stretch in which none can be read. */
export type CheckedGroup =
	| {
			readonly from: number;
			readonly to: number;
			/** Without those that were never acknowledged. */
			readonly records: readonly LogRecord[];
			/** Header or trailer, if one of them is damaged. */
			readonly damagedCopies: readonly ByteRange[];
	  }
	| { readonly bad: ByteRange };

export class LogFileCheck {
	/** Behind this offset nothing was acknowledged when the file was opened. */
	readonly end: number;
	readonly #file: StorageFile;
	readonly #scan: LogFileScan;
	readonly #doubt: readonly ByteRange[];
	readonly #checksums: Checksums;
	readonly #shortened: readonly ByteRange[];
	readonly #window = Buffer.allocUnsafe(WINDOW_BYTES);
	#windowFrom = 0;
	#windowBytes = 0;

	private constructor(file: StorageFile, scan: LogFileScan, verdict: FileVerdict, { checksums, shortened }: LogShared) {
		this.#file = file;
		this.#scan = scan;
		this.end = verdict.end;
		this.#doubt = verdict.doubt;
		this.#checksums = checksums;
		const { lane, fileNo } = scan.identity;
		this.#shortened = shortened.filter((range) => range.lane === lane && range.fileNo === fileNo);
	}

	/** `durableEnd`: of the file that is being written. `later`: the lane's later files, which may hold a verdict about this one. */
	static async open(
		shared: LogShared,
		name: LogFileName,
		durableEnd: number | undefined,
		later: readonly LogFileName[],
	): Promise<LogFileCheck | undefined> {
		return withScan(shared, name, async (scan, file) => {
			const verdict = durableEnd === undefined ? await verdictOn(shared, scan, later) : { end: durableEnd, doubt: [] };
			return new LogFileCheck(file, scan, verdict, shared);
		});
	}

	/** The copies of the file's own header that are damaged. */
	async damagedHeaders(): Promise<ByteRange[]> {
		const start = Buffer.alloc(FIRST_GROUP_OFFSET);
		await this.#file.read(start, 0);
		const second = Buffer.from(start).fill(0, 0, FILE_HEADER_COPY_OFFSET);
		const damaged: ByteRange[] = [];
		if (!decodeFileStart(start.subarray(0, FILE_HEADER_COPY_OFFSET), this.#checksums))
			damaged.push({ from: 0, to: FILE_HEADER_COPY_OFFSET });
		if (!decodeFileStart(second, this.#checksums))
			damaged.push({ from: FILE_HEADER_COPY_OFFSET, to: FIRST_GROUP_OFFSET });
		return damaged;
	}

	/** Everything from `from` (a group's start) on that was acknowledged. */
	async *groups(from: number): AsyncGenerator<CheckedGroup> {
		for await (const scanned of this.#scan.groups(from)) {
			if ('bad' in scanned) {
				const bad = { from: scanned.bad.from, to: Math.min(scanned.bad.to, this.end) };
				if (bad.from >= this.end) break;
				if (!this.#isDoubtful(bad.from, bad.to)) yield { bad };
				continue;
			}
			const { group, end } = scanned;
			if (group.offset >= this.end) break;
			yield {
				from: group.offset,
				to: end,
				records: group.records.filter(
					({ place }) => !place || !this.#isDoubtful(place.offset, place.offset + place.lengthBytes),
				),
				damagedCopies: await this.#scan.damagedCopies(group),
			};
		}
		for (const { from: start, to } of this.#shortened) yield { bad: { from: start, to } };
	}

	/** Fills `into` from `offset`; answers the bytes read, fewer only at the end of the file. Neighbouring small reads share one of the disk. */
	async read(into: Uint8Array, offset: number): Promise<number> {
		if (into.length > WINDOW_READ_BYTES) return this.#file.read(into, offset);
		if (offset < this.#windowFrom || offset + into.length > this.#windowFrom + this.#windowBytes) {
			this.#windowBytes = 0;
			this.#windowBytes = await this.#file.read(this.#window, offset);
			this.#windowFrom = offset;
		}
		const from = offset - this.#windowFrom;
		return this.#window.copy(into, 0, from, Math.min(from + into.length, this.#windowBytes));
	}

	/** What is damaged of a record's payload copies; `lost` when they cannot make up for each other. */
	async damagedPayload(record: LogRecord): Promise<{ readonly ranges: ByteRange[]; readonly isLost: boolean }> {
		const { place, mirrorOffset } = record;
		const ranges: ByteRange[] = [];
		if (!place) return { ranges, isLost: false };
		const bytes = Buffer.alloc(place.lengthBytes);
		for (const offset of mirrorOffset === undefined ? [place.offset] : [place.offset, mirrorOffset]) {
			const isWhole = (await this.#file.read(bytes, offset)) === bytes.length;
			if (!isWhole || this.#checksums.firstBadBlock(bytes, record.blockCrcs) >= 0)
				ranges.push({ from: offset, to: offset + bytes.length });
		}
		return { ranges, isLost: ranges.length > 0 && !(await this.#scan.payload(record)) };
	}

	async close(): Promise<void> {
		await this.#file.close();
	}

	#isDoubtful(from: number, to: number): boolean {
		return this.#doubt.some((range) => range.from < to && from < range.to);
	}
}

/** What was acknowledged of a file that is not being written. */
async function verdictOn(shared: LogShared, scan: LogFileScan, later: readonly LogFileName[]): Promise<FileVerdict> {
	if (await scan.isClosed()) return { end: scan.sizeBytes, doubt: [] };
	for (const name of later) {
		const stated = await withScan(shared, name, async (head, file) => {
			const verdicts = await verdictsAtHead(head);
			await file.close();
			return verdicts.find(({ fileNo }) => fileNo === scan.identity.fileNo);
		});
		if (stated) return stated.verdict;
	}
	// Its verdict could not be stated yet: the disk was full.
	return scan.judge(FIRST_GROUP_OFFSET);
}

/** Opens a log file; `use` closes it unless it fails. Undefined: there is no such file any more. */
async function withScan<T>(
	shared: LogShared,
	{ lane, fileNo }: LogFileName,
	use: (scan: LogFileScan, file: StorageFile) => Promise<T>,
): Promise<T | undefined> {
	let file: StorageFile;
	try {
		file = await shared.io.open(shared.files.path(lane, fileNo), 'read');
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
		throw error;
	}
	try {
		return await use(await LogFileScan.open(file, lane, fileNo, shared.checksums), file);
	} catch (error) {
		await file.close();
		throw error;
	}
}
