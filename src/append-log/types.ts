/** Words of the append log that other rooms use (docs/format.md). */
import type { Lsn } from '../units.js';

/** The lanes, in the order of a replay: payload first, the journal last. The number is the lane's byte on disk. */
export const LANES = { small: 2, bulk: 3, sealed: 4, journal: 1 } as const;
export type Lane = keyof typeof LANES;
export const LANE_NAMES = Object.keys(LANES) as Lane[];

/** Where a payload lies: bytes of one log file of one lane. */
export interface Place {
	readonly lane: Lane;
	readonly fileNo: number;
	/** Byte offset of the payload in the file. */
	readonly offset: number;
	readonly lengthBytes: number;
}

/** A directory of log files on one disk. */
export interface LogVolume {
	/** 0 is that of the data directory, which holds the journal. */
	readonly number: number;
	/** Directory of its log files; must exist. */
	readonly directory: string;
}

/** Decides on which volume a lane writes. */
export interface Placement {
	/** The volumes that a lane's next file may begin on, the best first; never empty. Of the journal only volume 0. */
	candidates(lane: Lane): readonly LogVolume[];
	/** A file of the lane was begun on the volume. */
	began(lane: Lane, volume: LogVolume): void;
	/** The lane should go on elsewhere before it writes so many bytes: the volume has no room for them beside its reserve, and another one has. */
	shouldLeave(lane: Lane, volume: LogVolume, bytes: number): boolean;
	/** The volume took no file or no further bytes. */
	refused(volume: LogVolume, error: unknown): void;
}

/** What a writer hands in. `ext` is the type's own header (docs/format.md §5). */
export interface RecordInput {
	readonly type: number;
	readonly ext: Uint8Array;
	readonly payload?: Uint8Array;
	/** CRC-32C of each 4,096-byte block of the payload, little-endian; computed when absent. */
	readonly blockCrcs?: Uint8Array;
	/** Only a compaction copy sets it. */
	readonly origin?: Lsn;
	/** The writer leaves the payload's bytes unchanged for good: the lane's consumer gets them with the record. */
	readonly keepPayload?: boolean;
	/** Write the payload twice: a damaged block is then read from the second copy. The journal's records do. */
	readonly mirror?: boolean;
}

/** A record as the log holds it. */
export interface LogRecord {
	readonly lane: Lane;
	readonly type: number;
	readonly lsn: Lsn;
	/** lsn of the first writing; equal to lsn unless this is a compaction copy. */
	readonly origin: Lsn;
	readonly ext: Uint8Array;
	/** Absent for facts. */
	readonly place?: Place;
	/** Byte offset of the payload's second copy in the same file, if there is one. */
	readonly mirrorOffset?: number;
	/** Little-endian CRC-32C per block of the payload; empty for facts. */
	readonly blockCrcs: Uint8Array;
	/** The payload itself, only on records that this process has just written and whose writer kept the bytes unchanged. */
	readonly payload?: Uint8Array;
}

/** End of what a consumer has taken of a lane. */
export interface LanePosition {
	readonly fileNo: number;
	/** Byte offset behind the last group taken. */
	readonly offset: number;
}

/** What becomes of one call of `write`. A rejected promise carries a PerigeeError (DISK_FULL, READ_ONLY, SHUTTING_DOWN). */
export interface WriteTicket {
	/** The bytes are in the file (not yet durable); buffers handed in may be used again. */
	readonly written: Promise<readonly LogRecord[]>;
	/** Durable: a crash keeps them. */
	readonly durable: Promise<readonly LogRecord[]>;
	/** Durable, and the lane's consumer has taken it. */
	readonly applied: Promise<readonly LogRecord[]>;
}

/** A log file of a store. */
export interface LogFileName {
	readonly lane: Lane;
	readonly fileNo: number;
}

/** A stretch of a log file that cannot be read. */
export interface BadRange {
	readonly lane: Lane;
	readonly fileNo: number;
	readonly from: number;
	readonly to: number;
}

/** A log file that was there once and is not there now. */
export interface MissingFile {
	readonly lane: Lane;
	readonly fileNo: number;
}

/** Checksums the log needs, injected so that this room does not know the addon. */
export interface Checksums {
	/** CRC-32C of all bytes. */
	crc32c(bytes: Uint8Array): number;
	/** Little-endian CRC-32C of each 4,096-byte block. */
	blockCrcs(bytes: Uint8Array): Uint8Array;
	/** Index of the first block whose CRC differs, -1 if all are right. */
	firstBadBlock(bytes: Uint8Array, blockCrcs: Uint8Array): number;
}

/** Told what the log does, for metrics. */
export interface LogObserver {
	committed(lane: Lane, groups: number, records: number, bytes: number, syncSeconds: number): void;
	unsynced(lane: Lane, bytes: number): void;
	shortWrite(lane: Lane): void;
	failed(lane: Lane, error: Error): void;
	damaged(range: BadRange): void;
	inDoubt(lane: Lane, records: number): void;
	/** A second copy of a log file, which is not used. */
	spareCopy(path: string): void;
}

/** Takes a lane's durable records, in order, one call at a time per lane. `end` is the position behind them. */
export type LaneConsumer = (lane: Lane, records: readonly LogRecord[], end: LanePosition) => Promise<void>;
