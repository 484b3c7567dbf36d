/**
 * The one writer of a lane: gathers waiting writes into a group, writes it, syncs it, hands it on, and only then answers.
 *
 * Promises: a ticket's `applied` resolves only for records that are durable and that the lane's consumer has taken, in order.
 * A crash may lose what was not yet applied, never what was. A short write costs only the writes of that group (DISK_FULL).
 * A failed sync or write is final for the whole log (READ_ONLY until a restart).
 *
 * `journal` and `small` write their next group only when the one before it is durable, so that what waits shares a group; `bulk` and
 * `sealed` go on writing while a sync runs, with at most LIMITS.laneUnsyncedBytes not yet durable.
 */
import { deferred } from '../deferred.js';
import { PerigeeError } from '../errors.js';
import type { StorageFile } from '../io/storage-io.js';
import { LIMITS } from '../limits.js';
import type { Lsn } from '../units.js';
import {
	FIRST_GROUP_OFFSET,
	FORMAT_VERSION,
	encodeFileStart,
	encodeGroup,
	groupBytesBound,
	type EncodedGroup,
} from './format.js';
import type { LogShared } from './log-shared.js';
import { RECOVERED } from './recovered.js';
import { rejectWrite, WriteQueue, type PendingWrite } from './write-queue.js';
import { LANES, type Lane, type LaneConsumer, type LogRecord, type RecordInput, type WriteTicket } from './types.js';

interface WrittenGroup {
	readonly group: EncodedGroup;
	readonly end: number;
	readonly writes: readonly PendingWrite[];
}

interface CurrentFile {
	readonly file: StorageFile;
	readonly fileNo: number;
	/** End of the last group that was written whole. */
	end: number;
	/** End of the last group that was synced. */
	confirmed: number;
}

export interface LaneWriterOptions {
	readonly lane: Lane;
	readonly shared: LogShared;
	readonly consumer: LaneConsumer;
	/** Number of the lane's last file, 0 if there is none. */
	readonly lastFileNo: number;
	/** Records that must stand first in each new file: verdicts of a recovery, the journal's settings. */
	readonly headRecords: () => readonly RecordInput[];
	/** The head records of a new file are durable. */
	readonly onHeadDurable: () => void;
	readonly rollBytes: number;
}

/** Sync at the latest when this much is written but not durable, even if nobody waits for it. */
const EAGER_SYNC_BYTES = LIMITS.laneUnsyncedBytes / 2;

export class LaneWriter {
	readonly #options: LaneWriterOptions;
	readonly #shared: LogShared;
	readonly #lane: Lane;
	readonly #pipelined: boolean;
	readonly #queue = new WriteQueue();
	#file: CurrentFile | undefined;
	/** The highest number that was ever tried, and the last file that was begun. */
	#lastFileNo: number;
	#previousFileNo: number;
	#beginning: Promise<CurrentFile> | undefined;
	/** Written, not yet durable, in order. */
	#unsynced: WrittenGroup[] = [];
	#unsyncedBytes = 0;
	#writing = false;
	#syncing = false;
	#syncWanted = false;
	#delivery: Promise<void> = Promise.resolve();
	#closing = false;
	/** Resolved, and made anew, each time a sync ends: what waits for room or for quiet. */
	#synced = deferred();

	constructor(options: LaneWriterOptions) {
		this.#options = options;
		this.#shared = options.shared;
		this.#lane = options.lane;
		this.#pipelined = options.lane === 'bulk' || options.lane === 'sealed';
		this.#lastFileNo = options.lastFileNo;
		this.#previousFileNo = options.lastFileNo;
	}

	/**
	 * Queues records; they end up in one group, side by side. `urgent` false: durability may wait for the next urgent write or for
	 * 8 MiB of such writes. Errors through the ticket: OVERLOADED, DISK_FULL, READ_ONLY, SHUTTING_DOWN.
	 */
	write(inputs: readonly RecordInput[], urgent: boolean): WriteTicket {
		const write: PendingWrite = {
			inputs,
			bytesBound: groupBytesBound(this.#asWritten(inputs)),
			urgent,
			written: deferred(),
			durable: deferred(),
			applied: deferred(),
			records: [],
		};
		// The caller may look at only one of the promises.
		write.written.promise.catch(() => undefined);
		write.durable.promise.catch(() => undefined);
		write.applied.promise.catch(() => undefined);
		const refusal = this.#refusal();
		if (refusal) rejectWrite(write, refusal);
		else {
			this.#queue.push(write);
			this.#startWriting();
		}
		return { written: write.written.promise, durable: write.durable.promise, applied: write.applied.promise };
	}

	/** Writes that wait for their group. */
	get waitingWrites(): number {
		return this.#queue.length;
	}

	/** Begins a file now, if there is none, rather than with the first write. Errors: as of a write. */
	async beginFile(): Promise<void> {
		try {
			await this.#openFile();
		} catch (error) {
			throw this.#shared.writeError(this.#lane, error);
		}
	}

	/** Makes everything written so far durable and applied. */
	async flush(): Promise<void> {
		while (this.#writing || this.#queue.length > 0 || this.#unsynced.length > 0) {
			this.#syncWanted = true;
			this.#startSyncing();
			if (this.#shared.failure) break;
			await Promise.race([this.#synced.promise, this.#shared.failed]);
		}
		await this.#delivery;
	}

	/** Refuses new writes, makes the queued ones durable, ends the file with a close mark. */
	async close(): Promise<void> {
		this.#closing = true;
		await this.flush();
		if (this.#file) await this.#endFile(this.#file);
		this.#file = undefined;
	}

	#refusal(): PerigeeError | undefined {
		if (this.#shared.failure) return this.#shared.readOnlyError();
		if (this.#closing) return new PerigeeError('SHUTTING_DOWN');
		if (this.#queue.length >= LIMITS.laneQueueWrites)
			return new PerigeeError('OVERLOADED', `${LIMITS.laneQueueWrites} writes already wait for the disk`);
		return undefined;
	}

	#startWriting(): void {
		if (this.#writing) return;
		this.#writing = true;
		void this.#writeLoop().finally(() => {
			this.#writing = false;
			if (this.#queue.length > 0) this.#startWriting();
			else this.#wakeWaiters();
		});
	}

	async #writeLoop(): Promise<void> {
		// Writers that become ready in one turn of the event loop share the group, or the first of them would make the others wait for its sync.
		await new Promise((resolve) => setImmediate(resolve));
		while (this.#queue.length > 0 && !this.#shared.failure) {
			if (this.#mustWaitForSync()) {
				this.#syncWanted = true;
				this.#startSyncing();
				await Promise.race([this.#synced.promise, this.#shared.failed]);
				continue;
			}
			const writes = this.#queue.takeGroup();
			try {
				await this.#writeGroup(writes);
			} catch (error) {
				for (const write of writes) rejectWrite(write, this.#shared.writeError(this.#lane, error));
			}
		}
		if (this.#shared.failure) this.#rejectAll(this.#shared.readOnlyError());
	}

	#mustWaitForSync(): boolean {
		if (this.#unsynced.length === 0) return false;
		return !this.#pipelined || this.#unsyncedBytes + this.#queue.nextGroup().bytes > LIMITS.laneUnsyncedBytes;
	}

	async #writeGroup(writes: readonly PendingWrite[]): Promise<void> {
		const inputs = writes.flatMap((write) => write.inputs);
		const file = await this.#fileFor(writes.reduce((sum, write) => sum + write.bytesBound, 0));
		const group = await this.#writeEncoded(file, inputs);
		let at = 0;
		for (const write of writes) {
			write.records = group.records.slice(at, at + write.inputs.length);
			at += write.inputs.length;
			write.written.resolve(write.records);
		}
		this.#unsynced.push({ group, end: file.end, writes });
		this.#unsyncedBytes += group.groupBytes;
		this.#shared.observer.unsynced(this.#lane, this.#unsyncedBytes);
		if (writes.some((write) => write.urgent) || this.#unsyncedBytes >= EAGER_SYNC_BYTES) this.#syncWanted = true;
		this.#startSyncing();
	}

	/** Encodes and writes one group at the file's end. Errors: DISK_FULL after a short write; anything else is final. */
	async #writeEncoded(file: CurrentFile, inputs: readonly RecordInput[]): Promise<EncodedGroup> {
		const { shared } = this.#options;
		const firstLsn = shared.takeLsns(inputs.length);
		const identity = { lane: this.#lane, fileNo: file.fileNo, incarnation: shared.incarnation };
		const group = encodeGroup(identity, file.end, firstLsn, file.confirmed, this.#asWritten(inputs), shared.checksums);
		const written = await file.file.writev(joinSmall(group), file.end);
		if (written < group.groupBytes) {
			shared.observer.shortWrite(this.#lane);
			throw new PerigeeError('DISK_FULL', `the disk took ${written} of ${group.groupBytes} bytes`);
		}
		file.end += group.groupBytes;
		return group;
	}

	/** The journal's payloads are written twice, and its consumer gets them with the records. */
	#asWritten(inputs: readonly RecordInput[]): readonly RecordInput[] {
		return this.#lane === 'journal' ? inputs.map((input) => ({ ...input, mirror: true, keepPayload: true })) : inputs;
	}

	#startSyncing(): void {
		if (this.#syncing || this.#unsynced.length === 0) return;
		if (this.#shared.failure) {
			// What no sync will ever confirm is refused, not left waiting.
			for (const written of this.#unsynced.splice(0))
				for (const write of written.writes) rejectWrite(write, this.#shared.readOnlyError());
			return;
		}
		if (!this.#syncWanted) return;
		this.#syncing = true;
		void this.#syncLoop().finally(() => {
			this.#syncing = false;
			this.#wakeWaiters();
			this.#startSyncing();
		});
	}

	async #syncLoop(): Promise<void> {
		while (this.#unsynced.length > 0 && this.#syncWanted && !this.#shared.failure) {
			const file = this.#file;
			if (!file) throw new Error('unsynced groups without a file');
			const groups = this.#unsynced.slice();
			this.#syncWanted = false;
			const seconds = await this.#shared.sync(this.#lane, file.file);
			if (seconds === undefined) {
				for (const written of groups)
					for (const write of written.writes) rejectWrite(write, this.#shared.readOnlyError());
				this.#unsynced.splice(0, groups.length);
				return;
			}
			this.#unsynced.splice(0, groups.length);
			const bytes = groups.reduce((sum, written) => sum + written.group.groupBytes, 0);
			this.#unsyncedBytes -= bytes;
			file.confirmed = groups.at(-1)?.end ?? file.confirmed;
			const records = groups.flatMap((written) => written.group.records);
			for (const written of groups) for (const write of written.writes) write.durable.resolve(write.records);
			this.#shared.observer.committed(this.#lane, groups.length, records.length, bytes, seconds);
			this.#shared.observer.unsynced(this.#lane, this.#unsyncedBytes);
			this.#deliver(groups, records, { fileNo: file.fileNo, offset: file.confirmed });
			if (
				this.#unsynced.some((written) => written.writes.some((write) => write.urgent)) ||
				this.#unsyncedBytes >= EAGER_SYNC_BYTES
			)
				this.#syncWanted = true;
			this.#wakeWaiters();
		}
	}

	#deliver(
		groups: readonly WrittenGroup[],
		records: readonly LogRecord[],
		end: { fileNo: number; offset: number },
	): void {
		this.#delivery = this.#delivery.then(async () => {
			try {
				await this.#options.consumer(this.#lane, records, end);
			} catch (error) {
				// The records are durable; a view that cannot take them must not take later ones either.
				this.#shared.fail(this.#lane, error);
			}
			for (const written of groups) {
				for (const write of written.writes) {
					if (this.#shared.failure) write.applied.reject(this.#shared.readOnlyError());
					else write.applied.resolve(write.records);
				}
			}
		});
	}

	/** The file to write `bytes` to: the current one, or a new one when there is none or it is full. */
	async #fileFor(bytes: number): Promise<CurrentFile> {
		if (this.#file && this.#file.end + bytes > this.#options.rollBytes && this.#file.end > FIRST_GROUP_OFFSET) {
			while (this.#unsynced.length > 0) {
				this.#syncWanted = true;
				this.#startSyncing();
				await Promise.race([this.#synced.promise, this.#shared.failed]);
				if (this.#shared.failure) throw this.#shared.readOnlyError();
			}
			await this.#endFile(this.#file);
			this.#file = undefined;
		}
		return this.#openFile();
	}

	/** The current file; a new one when there is none. */
	async #openFile(): Promise<CurrentFile> {
		if (this.#file) return this.#file;
		this.#beginning ??= this.#beginFile().finally(() => {
			this.#beginning = undefined;
		});
		this.#file = await this.#beginning;
		return this.#file;
	}

	async #beginFile(): Promise<CurrentFile> {
		const { shared } = this.#options;
		const fileNo = ++this.#lastFileNo;
		const path = shared.files.path(this.#lane, fileNo);
		const file = await shared.io.open(path, 'create');
		try {
			const start = encodeFileStart(
				{
					version: FORMAT_VERSION,
					lane: LANES[this.#lane],
					fileNo,
					storeId: shared.storeId,
					incarnation: shared.incarnation,
					firstLsn: shared.nextLsn as Lsn,
					createdMs: shared.clock.nowMs(),
					volume: 0,
					previousFileNo: this.#previousFileNo,
				},
				shared.checksums,
			);
			const current: CurrentFile = { file, fileNo, end: FIRST_GROUP_OFFSET, confirmed: FIRST_GROUP_OFFSET };
			if ((await file.writev([start], 0)) < start.length)
				throw new PerigeeError('DISK_FULL', 'no room for a new log file');
			const head = this.#options.headRecords();
			const group = head.length > 0 ? await this.#writeEncoded(current, head) : undefined;
			if ((await shared.sync(this.#lane, file)) === undefined || !(await shared.syncDirectory(this.#lane)))
				throw shared.readOnlyError();
			current.confirmed = current.end;
			this.#previousFileNo = fileNo;
			this.#options.onHeadDurable();
			// Verdicts are the log's own business; the consumer gets what its room wrote.
			const records = group?.records.filter((record) => record.type !== RECOVERED) ?? [];
			if (group) this.#deliver([], records, { fileNo, offset: current.end });
			return current;
		} catch (error) {
			await file.close();
			// The number stays used; an empty file without a group is harmless if it cannot be removed.
			await shared.io.unlink(path).catch(() => undefined);
			throw error;
		}
	}

	/** Writes the close mark. The caller has seen to it that everything in the file is durable. */
	async #endFile(current: CurrentFile): Promise<void> {
		if (!this.#shared.failure) {
			try {
				await this.#writeEncoded(current, []);
				await this.#shared.sync(this.#lane, current.file);
			} catch (error) {
				// Without its close mark the file is recovered like one that was open at a crash; nothing is lost.
				this.#shared.writeError(this.#lane, error);
			}
		}
		await current.file.close();
	}

	#rejectAll(error: PerigeeError): void {
		for (const write of this.#queue.takeAll()) rejectWrite(write, error);
	}

	#wakeWaiters(): void {
		const { resolve } = this.#synced;
		this.#synced = deferred();
		resolve();
	}
}

/** One buffer instead of many small ones: a system call with a hundred pieces costs more than a copy of 64 KiB. */
function joinSmall(group: EncodedGroup): readonly Uint8Array[] {
	return group.groupBytes <= 65_536 && group.buffers.length > 2
		? [Buffer.concat(group.buffers, group.groupBytes)]
		: group.buffers;
}
