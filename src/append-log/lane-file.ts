/** A log file while its lane writes it: from its headers to its close mark. Only the process that began it ever does. */
import { PerigeeError } from '../errors.js';
import type { StorageFile } from '../io/storage-io.js';
import type { Lsn } from '../units.js';
import {
	FIRST_GROUP_OFFSET,
	FORMAT_VERSION,
	encodeFileStart,
	encodeGroup,
	isForLargePayloads,
	type EncodedGroup,
} from './format.js';
import type { LogShared } from './log-shared.js';
import { LANES, type Lane, type LogVolume, type RecordInput } from './types.js';

export class LaneFile {
	readonly fileNo: number;
	readonly volume: LogVolume;
	/** End of the last group that was written whole. */
	end = FIRST_GROUP_OFFSET;
	/** End of the last group that was synced. */
	confirmed = FIRST_GROUP_OFFSET;
	readonly #shared: LogShared;
	readonly #lane: Lane;
	readonly #file: StorageFile;
	/** How long the last write took. */
	#writeSeconds = 0;

	private constructor(shared: LogShared, lane: Lane, fileNo: number, volume: LogVolume, file: StorageFile) {
		this.#shared = shared;
		this.#lane = lane;
		this.fileNo = fileNo;
		this.volume = volume;
		this.#file = file;
	}

	/**
	 * Begins a file with its headers and the group `head`, which is answered; all of it is durable then, the name too. A file that cannot be
	 * begun is removed again. Errors: DISK_FULL, READ_ONLY after a failed sync, and those of StorageIo.
	 */
	static async begin(
		shared: LogShared,
		lane: Lane,
		volume: LogVolume,
		numbers: { readonly fileNo: number; readonly previousFileNo: number },
		head: readonly RecordInput[],
	): Promise<{ readonly file: LaneFile; readonly head: EncodedGroup | undefined }> {
		const { fileNo, previousFileNo } = numbers;
		const path = shared.files.add(lane, fileNo, volume);
		let file: StorageFile;
		try {
			file = await shared.io.open(path, 'create', {
				direct: isForLargePayloads(lane),
				writeThrough: !isForLargePayloads(lane),
			});
		} catch (error) {
			shared.files.forget(lane, fileNo);
			throw error;
		}
		const begun = new LaneFile(shared, lane, fileNo, volume, file);
		try {
			const start = encodeFileStart(
				{
					version: FORMAT_VERSION,
					lane: LANES[lane],
					fileNo,
					storeId: shared.storeId,
					incarnation: shared.incarnation,
					firstLsn: shared.nextLsn as Lsn,
					createdMs: shared.clock.nowMs(),
					volume: volume.number,
					previousFileNo,
				},
				shared.checksums,
			);
			if ((await file.writev([start], 0)) < start.length)
				throw new PerigeeError('DISK_FULL', 'no room for a new log file');
			const group = head.length > 0 ? await begun.write(head) : undefined;
			if ((await begun.sync()) === undefined || !(await shared.syncDirectory(lane, volume.directory)))
				throw shared.readOnlyError();
			begun.confirmed = begun.end;
			return { file: begun, head: group };
		} catch (error) {
			await begun.#remove();
			throw error;
		}
	}

	/** Undoes the begin: nothing in the file was answered. After a final failure it stays, as its name may stand elsewhere by then. */
	async discard(): Promise<void> {
		if (this.#shared.failure) await this.#file.close();
		else await this.#remove();
	}

	async #remove(): Promise<void> {
		const { io, files } = this.#shared;
		await this.#file.close();
		// The number stays used; an empty file without a group is harmless if it cannot be removed.
		await io.unlink(this.#file.path).then(
			() => files.forget(this.#lane, this.fileNo),
			() => undefined,
		);
	}

	/** Encodes and writes one group at the file's end. Errors: DISK_FULL after a short write, and those of StorageIo. */
	async write(inputs: readonly RecordInput[]): Promise<EncodedGroup> {
		const shared = this.#shared;
		const firstLsn = shared.takeLsns(inputs.length);
		const identity = { lane: this.#lane, fileNo: this.fileNo, incarnation: shared.incarnation };
		const group = encodeGroup(identity, this.end, firstLsn, this.confirmed, inputs, shared.checksums);
		const startMs = shared.clock.monotonicMs();
		const written = await this.#file.writev(joinSmall(group), this.end);
		this.#writeSeconds = (shared.clock.monotonicMs() - startMs) / 1000;
		if (written < group.groupBytes) {
			shared.observer.shortWrite(this.#lane);
			throw new PerigeeError('DISK_FULL', `the disk took ${written} of ${group.groupBytes} bytes`);
		}
		this.end += group.groupBytes;
		return group;
	}

	/** Seconds that it took, with the write before it in a lane that is not pipelined; undefined after a failure, which is final. */
	async sync(): Promise<number | undefined> {
		const seconds = await this.#shared.sync(this.#lane, this.#file);
		return seconds === undefined || isForLargePayloads(this.#lane) ? seconds : seconds + this.#writeSeconds;
	}

	/** Writes the close mark and closes. The caller has seen to it that everything in the file is durable. */
	async finish(): Promise<void> {
		if (!this.#shared.failure) {
			try {
				await this.write([]);
				await this.sync();
			} catch (error) {
				// Without its close mark the file is recovered like one that was open at a crash; nothing is lost.
				this.#shared.writeError(this.#lane, error);
			}
		}
		await this.#file.close();
	}
}

/** One buffer instead of many small ones: a system call with a hundred pieces costs more than a copy of 64 KiB. */
function joinSmall(group: EncodedGroup): readonly Uint8Array[] {
	return group.groupBytes <= 65_536 && group.buffers.length > 2
		? [Buffer.concat(group.buffers, group.groupBytes)]
		: group.buffers;
}
