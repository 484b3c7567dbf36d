/**
 * What the lanes of one log share: the sequence numbers, the identity of this open, and its health. A failed write or sync in any lane
 * ends writing in all of them: after it nobody can know what the disk holds (docs/format.md §7).
 */
import { PerigeeError } from '../errors.js';
import type { Clock } from '../io/clock.js';
import type { StorageFile, StorageIo } from '../io/storage-io.js';
import type { Lsn } from '../units.js';
import type { LogFiles } from './log-files.js';
import type { BadRange, Checksums, Lane, LogObserver, Placement } from './types.js';

export interface LogSharedOptions {
	readonly io: StorageIo;
	readonly files: LogFiles;
	readonly placement: Placement;
	readonly clock: Clock;
	readonly checksums: Checksums;
	readonly observer: LogObserver;
	/** Ends of files that are known to be gone. */
	readonly shortened?: readonly BadRange[];
	/** 16 bytes. */
	readonly storeId: Uint8Array;
	/** 16 bytes, drawn for this open. */
	readonly incarnation: Uint8Array;
}

export class LogShared {
	readonly io: StorageIo;
	readonly files: LogFiles;
	readonly placement: Placement;
	readonly clock: Clock;
	readonly checksums: Checksums;
	readonly observer: LogObserver;
	readonly storeId: Uint8Array;
	readonly incarnation: Uint8Array;
	readonly shortened: readonly BadRange[];
	/** Next number to give. */
	nextLsn = 1n;
	/** The first final failure. */
	failure: Error | undefined;
	readonly #failureListeners: (() => void)[] = [];
	readonly #syncTurns: { [slot: string]: Promise<unknown> } = {};

	constructor(options: LogSharedOptions) {
		this.io = options.io;
		this.files = options.files;
		this.placement = options.placement;
		this.clock = options.clock;
		this.checksums = options.checksums;
		this.observer = options.observer;
		this.shortened = options.shortened ?? [];
		this.storeId = options.storeId;
		this.incarnation = options.incarnation;
	}

	takeLsns(count: number): Lsn {
		const first = this.nextLsn;
		this.nextLsn += BigInt(count);
		return first as Lsn;
	}

	/** Calls `listener` at the first final failure. For parts that live as long as the log: there is no way back. */
	onFailure(listener: () => void): void {
		this.#failureListeners.push(listener);
	}

	/** Ends writing for good. */
	fail(lane: Lane, error: unknown): void {
		if (this.failure) return;
		this.failure = error instanceof Error ? error : new Error(String(error));
		this.observer.failed(lane, this.failure);
		for (const listener of this.#failureListeners) listener();
	}

	readOnlyError(): PerigeeError {
		return new PerigeeError('READ_ONLY', `writing stopped: ${this.failure?.message ?? 'unknown'}`, {
			cause: this.failure,
		});
	}

	/** The error for the writers of a group that did not get into its file; decides whether the failure is final. */
	writeError(lane: Lane, error: unknown): PerigeeError {
		if (error instanceof PerigeeError) return error;
		const code = (error as NodeJS.ErrnoException).code;
		if (code === 'ENOSPC' || code === 'EDQUOT') return new PerigeeError('DISK_FULL', undefined, { cause: error });
		if (code === 'EMFILE' || code === 'ENFILE')
			return new PerigeeError('OVERLOADED', 'too many open files', { cause: error });
		this.fail(lane, error);
		return this.readOnlyError();
	}

	/** Syncs a file of the lane; at most one sync runs for `journal`, one for `small`, one for all others. Seconds it took; undefined after a failure, which is final. */
	async sync(lane: Lane, file: StorageFile): Promise<number | undefined> {
		return this.#inSyncTurn(lane, () => file.fdatasync());
	}

	/** Makes the names in a directory of log files durable. */
	async syncDirectory(lane: Lane, directory: string): Promise<boolean> {
		return (await this.#inSyncTurn(lane, () => this.io.syncDir(directory))) !== undefined;
	}

	async #inSyncTurn(lane: Lane, sync: () => Promise<void>): Promise<number | undefined> {
		const slot = lane === 'journal' || lane === 'small' ? lane : 'shared';
		const before = this.#syncTurns[slot] ?? Promise.resolve();
		const turn = before.then(async () => {
			if (this.failure) return undefined;
			const startMs = this.clock.monotonicMs();
			try {
				await sync();
				return (this.clock.monotonicMs() - startMs) / 1000;
			} catch (error) {
				this.fail(lane, error);
				return undefined;
			}
		});
		this.#syncTurns[slot] = turn;
		return turn;
	}
}
