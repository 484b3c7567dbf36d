/**
 * Log files that are written no more, as compaction sees them: how large they are, what stands in them, and how they go. Nothing here
 * changes a file; `remove` takes its name away and makes that durable.
 */
import { PerigeeError } from '../errors.js';
import type { StorageFile } from '../io/storage-io.js';
import type { Lsn } from '../units.js';
import { LogFileScan, type ByteRange, type FileVerdict } from './file-scan.js';
import { FIRST_GROUP_OFFSET } from './format.js';
import type { LogShared } from './log-shared.js';
import { RECOVERED, decodeRecovered } from './recovered.js';
import type { Lane, LogRecord, RecordInput } from './types.js';

/** A closed file has a stretch that cannot be read, or that nothing vouches for: what stood in it is not known. */
export class FileUnreadableError extends Error {
	constructor(lane: Lane, fileNo: number, range: ByteRange) {
		super(`bytes ${range.from} to ${range.to} of log file ${fileNo} of lane ${lane} cannot be read`);
		this.name = 'FileUnreadableError';
	}
}

/** A closed file, open for reading. */
export interface ClosedFile {
	/** Records that count, group by group, in order, without the log's own. Errors: FileUnreadableError, FORMAT_UNKNOWN, those of StorageIo. */
	groups(): AsyncIterable<readonly LogRecord[]>;
	/** Bytes at `offset`, unchecked; answers how many there were. */
	read(into: Uint8Array, offset: number): Promise<number>;
	/** What its head states about other files that are still there: must stand at the head of a later file before this one may go. */
	verdicts(): Promise<readonly RecordInput[]>;
	close(): Promise<void>;
}

export class ClosedFiles {
	readonly #shared: LogShared;

	constructor(shared: LogShared) {
		this.#shared = shared;
	}

	/** Numbers of the lane's files that are there, ascending; the one that is being written is among them. */
	numbers(lane: Lane): number[] {
		return this.#shared.files.numbers(lane);
	}

	has(lane: Lane, fileNo: number): boolean {
		return this.#shared.files.has(lane, fileNo);
	}

	/** Size of a file; 0 when it is missing. */
	async sizeBytes(lane: Lane, fileNo: number): Promise<number> {
		return (await this.#shared.io.stat(this.#shared.files.path(lane, fileNo)))?.sizeBytes ?? 0;
	}

	/** A number at or before that of each record of the file; 0 when its header cannot be read. */
	async firstLsn(lane: Lane, fileNo: number): Promise<Lsn> {
		return this.#withScan(lane, fileNo, async (scan) => scan.header?.firstLsn ?? (0n as Lsn));
	}

	async open(lane: Lane, fileNo: number): Promise<ClosedFile> {
		const file = await this.openFile(lane, fileNo);
		try {
			const scan = await LogFileScan.open(file, lane, fileNo, this.#shared.checksums);
			return {
				groups: () => this.#groups(scan),
				read: (into, offset) => file.read(into, offset),
				verdicts: () => this.#verdicts(scan),
				close: () => file.close(),
			};
		} catch (error) {
			await file.close();
			throw error;
		}
	}

	/** Takes the file away for good: no reader gets it any more, its name goes, durably. Errors: READ_ONLY, those of StorageIo. */
	async remove(lane: Lane, fileNo: number): Promise<void> {
		const { files, io } = this.#shared;
		await files.retire(lane, fileNo);
		const paths = files.paths(lane, fileNo);
		for (const path of paths) {
			await io.unlink(path).catch((error: unknown) => {
				if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
			});
		}
		for (const directory of new Set(paths.map((path) => path.slice(0, path.lastIndexOf('/')))))
			if (!(await this.#shared.syncDirectory(lane, directory))) throw this.#shared.readOnlyError();
		files.forget(lane, fileNo);
	}

	async *#groups(scan: LogFileScan): AsyncGenerator<readonly LogRecord[]> {
		const { lane, fileNo } = scan.identity;
		const verdict = (await scan.isClosed()) ? { end: scan.sizeBytes, doubt: [] } : await this.#verdictOf(lane, fileNo);
		let isEnded = false;
		for await (const scanned of scan.groups(FIRST_GROUP_OFFSET)) {
			if ('bad' in scanned) {
				// Zeros that were written ahead and not cut off, behind the mark of a file that was closed.
				if (scanned.isBlank && isEnded) continue;
				if (!isDoubtful(verdict, scanned.bad)) throw new FileUnreadableError(lane, fileNo, scanned.bad);
				continue;
			}
			isEnded = scanned.group.closeMark;
			yield scanned.group.records.filter(
				({ type, place }) =>
					type !== RECOVERED &&
					!(place && isTouched(verdict, { from: place.offset, to: place.offset + place.lengthBytes })),
			);
		}
	}

	/** What a later file of the lane states about a file that was open at a crash; undefined: nothing. */
	async #verdictOf(lane: Lane, about: number): Promise<FileVerdict | undefined> {
		for (const fileNo of this.numbers(lane)) {
			if (fileNo <= about) continue;
			for (const record of await this.#withScan(lane, fileNo, headOf)) {
				const stated = decodeRecovered(record.ext);
				if (stated.fileNo === about) return stated.verdict;
			}
		}
		return undefined;
	}

	async #verdicts(scan: LogFileScan): Promise<readonly RecordInput[]> {
		const there = new Set(this.numbers(scan.identity.lane));
		const head = await headOf(scan);
		return head.filter(({ ext }) => there.has(decodeRecovered(ext).fileNo)).map(({ type, ext }) => ({ type, ext }));
	}

	async #withScan<T>(lane: Lane, fileNo: number, use: (scan: LogFileScan) => Promise<T>): Promise<T> {
		const file = await this.openFile(lane, fileNo);
		try {
			return await use(await LogFileScan.open(file, lane, fileNo, this.#shared.checksums));
		} finally {
			await file.close();
		}
	}

	/** A file for reading; whoever opens it closes it. Errors: OVERLOADED, those of StorageIo. */
	async openFile(lane: Lane, fileNo: number): Promise<StorageFile> {
		try {
			return await this.#shared.io.open(this.#shared.files.path(lane, fileNo), 'read');
		} catch (error) {
			const { code } = error as NodeJS.ErrnoException;
			if (code === 'EMFILE' || code === 'ENFILE')
				throw new PerigeeError('OVERLOADED', 'too many open files', { cause: error });
			throw error;
		}
	}
}

/** The verdicts that stand in front of everything else. */
async function headOf(scan: LogFileScan): Promise<LogRecord[]> {
	const head: LogRecord[] = [];
	for await (const scanned of scan.groups(FIRST_GROUP_OFFSET)) {
		if (!('group' in scanned)) break;
		for (const record of scanned.group.records) {
			if (record.type !== RECOVERED) return head;
			head.push(record);
		}
	}
	return head;
}

/** Lies where nothing was ever acknowledged. */
function isDoubtful(verdict: FileVerdict | undefined, bad: ByteRange): boolean {
	if (!verdict) return false;
	return bad.from >= verdict.end || verdict.doubt.some((range) => range.from <= bad.from && bad.to <= range.to);
}

function isTouched(verdict: FileVerdict | undefined, { from, to }: ByteRange): boolean {
	return verdict?.doubt.some((range) => range.from < to && from < range.to) ?? false;
}
