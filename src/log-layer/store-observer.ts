/** Who is told what happens to a store, for metrics and the log. */
import type { ReplayProgress } from '../append-log/append-log.js';
import type { Lane, LogObserver, MissingFile } from '../append-log/types.js';
import type { CompactionObserver } from './compaction.js';
import type { DamagedSegment, DamagedStretch } from './damage.js';
import type { ScrubObserver } from './scrub.js';
import type { ShardObserver } from './shard-setting.js';
import type { ViewObserver } from './view.js';
import type { MissingVolume } from './volumes.js';

export interface StoreObserver extends ShardObserver {
	readonly log: LogObserver;
	readonly view: ViewObserver;
	readonly scrub: ScrubObserver;
	readonly compaction: CompactionObserver;
	replayed(lane: Lane, records: number): void;
	/** How far the replay at open has come. */
	replaying?(progress: ReplayProgress): void;
	rebuilding(reason: string): void;
	checkpointed(seconds: number): void;
	checkpointFailed(error: unknown): void;
	/** A volume that this store has is not there. */
	volumeMissing(volume: MissingVolume): void;
	/** Log files that were there once are not there, at least these. */
	filesMissing(files: readonly MissingFile[]): void;
	/** A file about the store is missing beside log files, or cannot be read; it will be made anew, without what it alone knew. */
	noteLost(name: string): void;
	/** A volume took no file or no further bytes. */
	volumeRefused(volume: number, error: unknown): void;
	/** An object that nobody named was given up. */
	expired(): void;
	/** Expiry or the removal of rows failed; it is tried again. */
	housekeepingFailed(error: unknown): void;
	/** A damaged place that was not known. */
	damageFound(damage: DamagedSegment | DamagedStretch): void;
	/** The list of damage could not be written down; it is tried again. */
	damageNotSaved(error: unknown): void;
}
