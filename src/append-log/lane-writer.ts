/**
 * The one writer of a lane: gathers waiting writes into a group, writes it, syncs it, hands it on, and only then answers.
 *
 * Promises: a ticket's `applied` resolves only for records that are durable and that the lane's consumer has taken, in order.
 * A crash may lose what was not yet applied, never what was. A short write costs only the writes of that group (DISK_FULL).
 * A group that finds its volume full goes to a new file on another volume, if one has room. A failed sync or write is final for the
 * whole log (READ_ONLY until a restart).
 *
 * `journal` and `small` write their next group only when the one before it is durable, so that what waits shares a group; `bulk` and
 * `sealed` go on writing while a sync runs, with at most LIMITS.laneUnsyncedBytes not yet durable.
 */
import { deferred, type Deferred } from '../deferred.js';
import { PerigeeError } from '../errors.js';
import { LIMITS } from '../limits.js';
import { groupBytesBound, FIRST_GROUP_OFFSET, isForLargePayloads, type EncodedGroup } from './format.js';
import { beginFile } from './begin-file.js';
import type { LaneFile } from './lane-file.js';
import type { LogShared } from './log-shared.js';
import { RECOVERED } from './recovered.js';
import { isDiskFull } from './volume-trouble.js';
import { PendingWrite, STAGES, WriteQueue } from './write-queue.js';
import type { Lane, LaneConsumer, LanePosition, LogRecord, RecordInput, WriteTicket } from './types.js';

interface WrittenGroup {
	readonly group: EncodedGroup;
	readonly end: number;
	readonly writes: readonly PendingWrite[];
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
	/** Writes down that a file exists, before anything counts in it. */
	readonly begun: (lane: Lane, fileNo: number) => Promise<void>;
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
	#file: LaneFile | undefined;
	/** The highest number that was ever tried, and the last file that was begun. */
	#lastFileNo: number;
	#previousFileNo: number;
	#beginning: Promise<LaneFile> | undefined;
	/** Written, not yet durable, in order. */
	#unsynced: WrittenGroup[] = [];
	#unsyncedBytes = 0;
	#writing = false;
	#syncing = false;
	#syncWanted = false;
	#delivery: Promise<void> = Promise.resolve();
	/** Handed in and not yet applied or refused. */
	readonly #unapplied = new Set<PendingWrite>();
	#rollWanted: Deferred<void> | undefined;
	/** What a roll wants at the head of the next file. */
	#rollHead: readonly RecordInput[] = [];
	#closing = false;
	/** Resolved, and made anew, each time a sync ends and when the log fails: what waits for room or for quiet. */
	#synced = deferred();

	constructor(options: LaneWriterOptions) {
		this.#options = options;
		this.#shared = options.shared;
		this.#lane = options.lane;
		this.#pipelined = isForLargePayloads(options.lane);
		options.shared.onFailure(() => this.#wakeWaiters());
		this.#lastFileNo = options.lastFileNo;
		this.#previousFileNo = options.lastFileNo;
	}

	/**
	 * Queues records; they end up in one group, side by side. `urgent` false: durability may wait for the next urgent write or for
	 * 8 MiB of such writes. Errors through the ticket: OVERLOADED, DISK_FULL, READ_ONLY, SHUTTING_DOWN.
	 */
	write(inputs: readonly RecordInput[], urgent: boolean): WriteTicket {
		const asWritten = this.#asWritten(inputs);
		const write = new PendingWrite(asWritten, groupBytesBound(asWritten), urgent, this.#unapplied);
		const refusal = this.#refusal();
		if (refusal) write.reject(refusal);
		else {
			this.#unapplied.add(write);
			this.#queue.push(write);
			this.#startWriting();
		}
		return write;
	}

	/** Writes that wait for their group. */
	get waitingWrites(): number {
		return this.#queue.length;
	}

	/** The file that is being written, and up to where it is durable. */
	get position(): LanePosition | undefined {
		return this.#file && { fileNo: this.#file.fileNo, offset: this.#file.confirmed };
	}

	/** Records that were handed in and whose effect the lane's consumer has not taken yet. */
	*unapplied(): Iterable<RecordInput> {
		for (const { inputs } of this.#unapplied) yield* inputs;
	}

	/** Makes what was handed in durable without waiting for more. */
	hurry(): void {
		this.#syncWanted = true;
		this.#startSyncing();
	}

	/**
	 * Ends the current file and begins the next one, with `head` in front. Resolves when the consumer has taken the new file's start.
	 * Errors: as of a write.
	 */
	async roll(head: readonly RecordInput[]): Promise<void> {
		const refusal = this.#refusal();
		if (refusal) throw refusal;
		if (this.#rollWanted) throw new Error(`lane ${this.#lane} is rolled already`);
		const done = deferred();
		this.#rollWanted = done;
		this.#rollHead = head;
		this.#startWriting();
		await done.promise;
	}

	/** New files get numbers behind `fileNo`, or behind `margin` more than the last one: files that are missing may have those between. */
	skipNumbers(fileNo: number, margin: number): void {
		this.#lastFileNo = fileNo > this.#lastFileNo ? fileNo : this.#lastFileNo + margin;
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
			await this.#synced.promise;
		}
		await this.#delivery;
	}

	/** Refuses new writes, makes the queued ones durable, ends the file with a close mark. */
	async close(): Promise<void> {
		this.#closing = true;
		await this.flush();
		await this.#file?.finish();
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
			if (this.#queue.length > 0 || this.#rollWanted) this.#startWriting();
			else this.#wakeWaiters();
		});
	}

	async #writeLoop(): Promise<void> {
		// Writers that become ready in one turn of the event loop share the group, or the first of them would make the others wait for its sync.
		await new Promise((resolve) => setImmediate(resolve));
		while ((this.#queue.length > 0 || this.#rollWanted) && !this.#shared.failure) {
			if (this.#rollWanted) {
				await this.#rollNow(this.#rollWanted);
				continue;
			}
			if (this.#mustWaitForSync()) {
				this.#syncWanted = true;
				this.#startSyncing();
				await this.#synced.promise;
				continue;
			}
			const writes = this.#queue.takeGroup();
			try {
				await this.#writeGroup(writes);
			} catch (error) {
				for (const write of writes) write.reject(this.#shared.writeError(this.#lane, error));
			}
		}
		if (!this.#shared.failure) return;
		this.#queue.rejectAll(this.#shared.readOnlyError());
		this.#rollWanted?.reject(this.#shared.readOnlyError());
		this.#rollWanted = undefined;
	}

	async #rollNow(done: Deferred<void>): Promise<void> {
		this.#rollWanted = undefined;
		try {
			if (this.#file) await this.#endCurrent(this.#file);
			await this.#openFile();
			await this.#delivery;
			done.resolve();
		} catch (error) {
			done.reject(this.#shared.writeError(this.#lane, error));
		}
	}

	#mustWaitForSync(): boolean {
		if (this.#unsynced.length === 0) return false;
		return !this.#pipelined || this.#unsyncedBytes + this.#queue.nextGroup().bytes > LIMITS.laneUnsyncedBytes;
	}

	async #writeGroup(writes: readonly PendingWrite[]): Promise<void> {
		const inputs = writes.flatMap((write) => write.inputs);
		const { file, group } = await this.#writeSomewhere(
			inputs,
			writes.reduce((sum, write) => sum + write.bytesBound, 0),
		);
		let at = 0;
		for (const write of writes) {
			write.records = group.records.slice(at, at + write.inputs.length);
			at += write.inputs.length;
			write.reach(STAGES.written);
		}
		this.#unsynced.push({ group, end: file.end, writes });
		this.#unsyncedBytes += group.groupBytes;
		this.#shared.observer.unsynced(this.#lane, this.#unsyncedBytes);
		if (writes.some((write) => write.urgent) || this.#unsyncedBytes >= EAGER_SYNC_BYTES) this.#syncWanted = true;
		this.#startSyncing();
	}

	/** Writes a group to the current file, or to one on another volume when the current one's is full. */
	async #writeSomewhere(
		inputs: readonly RecordInput[],
		bytes: number,
	): Promise<{ readonly file: LaneFile; readonly group: EncodedGroup }> {
		const { placement } = this.#shared;
		for (;;) {
			const file = await this.#fileFor(bytes);
			try {
				return { file, group: await file.write(inputs) };
			} catch (error) {
				if (!isDiskFull(error)) throw error;
				placement.refused(file.volume, error);
				// With no room anywhere the next group tries this file again, at the same offset.
				if (!placement.shouldLeave(this.#lane, file.volume, bytes)) throw error;
			}
		}
	}

	/** The journal's payloads are written twice, and its consumer gets them with the records. */
	#asWritten(inputs: readonly RecordInput[]): readonly RecordInput[] {
		if (this.#lane !== 'journal') return inputs;
		// Facts have no payload to write twice.
		return inputs.map((input) => (input.payload ? { ...input, mirror: true, keepPayload: true } : input));
	}

	#startSyncing(): void {
		if (this.#syncing || this.#unsynced.length === 0) return;
		if (this.#shared.failure) {
			// What no sync will ever confirm is refused, not left waiting.
			for (const written of this.#unsynced.splice(0))
				for (const write of written.writes) write.reject(this.#shared.readOnlyError());
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
			const seconds = await file.sync();
			if (seconds === undefined) {
				for (const written of groups) for (const write of written.writes) write.reject(this.#shared.readOnlyError());
				this.#unsynced.splice(0, groups.length);
				return;
			}
			this.#unsynced.splice(0, groups.length);
			const bytes = groups.reduce((sum, written) => sum + written.group.groupBytes, 0);
			this.#unsyncedBytes -= bytes;
			file.confirmed = groups.at(-1)?.end ?? file.confirmed;
			const records = groups.flatMap((written) => written.group.records);
			for (const written of groups) for (const write of written.writes) write.reach(STAGES.durable);
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
					if (this.#shared.failure) write.reject(this.#shared.readOnlyError());
					else write.reach(STAGES.applied);
				}
			}
		});
	}

	/** The file to write `bytes` to: the current one, or a new one when there is none or it is full. */
	async #fileFor(bytes: number): Promise<LaneFile> {
		const current = this.#file;
		if (current && this.#mustLeave(current, bytes)) await this.#endCurrent(current);
		return this.#openFile();
	}

	/** Makes everything in the file durable and ends it. */
	async #endCurrent(current: LaneFile): Promise<void> {
		while (this.#unsynced.length > 0) {
			this.#syncWanted = true;
			this.#startSyncing();
			await this.#synced.promise;
			if (this.#shared.failure) throw this.#shared.readOnlyError();
		}
		await current.finish();
		this.#file = undefined;
	}

	#mustLeave({ end, volume }: LaneFile, bytes: number): boolean {
		const isFull = end + bytes > this.#options.rollBytes && end > FIRST_GROUP_OFFSET;
		return isFull || this.#shared.placement.shouldLeave(this.#lane, volume, bytes);
	}

	/** The current file; a new one when there is none. */
	async #openFile(): Promise<LaneFile> {
		if (this.#file) return this.#file;
		this.#beginning ??= this.#beginFile().finally(() => {
			this.#beginning = undefined;
		});
		this.#file = await this.#beginning;
		return this.#file;
	}

	async #beginFile(): Promise<LaneFile> {
		const { headRecords, onHeadDurable, begun } = this.#options;
		const { file, head } = await beginFile(this.#shared, {
			lane: this.#lane,
			nextNumber: () => ++this.#lastFileNo,
			previousFileNo: this.#previousFileNo,
			head: this.#asWritten([...headRecords(), ...this.#rollHead]),
			begun,
		});
		this.#previousFileNo = file.fileNo;
		onHeadDurable();
		this.#rollHead = [];
		// Verdicts are the log's own business; the consumer gets what its room wrote.
		const taken = head?.records.filter((record) => record.type !== RECOVERED) ?? [];
		this.#deliver([], taken, { fileNo: file.fileNo, offset: file.end });
		return file;
	}

	#wakeWaiters(): void {
		const { resolve } = this.#synced;
		this.#synced = deferred();
		resolve();
	}
}
