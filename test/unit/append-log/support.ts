/** An append log on a simulated disk, and what its consumer has taken. */
import { LogFiles } from '../../../src/append-log/log-files.js';
import { AppendLog, type AppendLogOptions } from '../../../src/append-log/append-log.js';
import type {
	BadRange,
	Checksums,
	Lane,
	LanePosition,
	LogRecord,
	LogVolume,
	Placement,
	RecordInput,
} from '../../../src/append-log/types.js';
import type { StorageIo } from '../../../src/io/storage-io.js';
import { logChecksums } from '../../../src/log-layer/log-checksums.js';
import type { Lsn } from '../../../src/units.js';
import { SeededRandomness, SimulatedClock } from '../../support/simulated-clock.js';
import { SimulatedIo } from '../../support/simulated-io.js';

const LOG_DIR = '/log';
export const checksums: Checksums = logChecksums;
/** A type that the log knows nothing of. */
export const TYPE = 0x33;

export interface Taken {
	readonly lane: Lane;
	readonly records: readonly LogRecord[];
	readonly end: LanePosition;
}

export interface TestLog {
	readonly log: AppendLog;
	readonly taken: Taken[];
	readonly damaged: BadRange[];
	readonly failed: Error[];
	/** Groups of each sync, in order. */
	readonly commits: { readonly lane: Lane; readonly groups: number; readonly records: number }[];
	readonly spareCopies: readonly string[];
	readonly told: { inDoubt: number; shortWrites: number; mostUnsynced: number };
}

export type LogOverrides = Partial<
	Pick<
		AppendLogOptions,
		| 'from'
		| 'begun'
		| 'rollBytes'
		| 'journalHead'
		| 'randomness'
		| 'checksums'
		| 'consumer'
		| 'nextLsn'
		| 'files'
		| 'placement'
	>
>;

let incarnations = 0;

export async function newDisk(options: { readonly capacityBytes?: number } = {}): Promise<SimulatedIo> {
	const io = new SimulatedIo(options);
	await io.makeDir(LOG_DIR);
	await io.syncDir('/');
	return io;
}

export async function openLog(io: StorageIo, overrides: LogOverrides = {}): Promise<TestLog> {
	const taken: Taken[] = [];
	const damaged: BadRange[] = [];
	const failed: Error[] = [];
	const commits: TestLog['commits'] = [];
	const told = { inDoubt: 0, shortWrites: 0, mostUnsynced: 0 };
	const spareCopies: string[] = [];
	const volumes = [{ number: 0, directory: LOG_DIR }];
	const log = await AppendLog.open({
		io,
		clock: new SimulatedClock(),
		randomness: new SeededRandomness(++incarnations),
		checksums,
		observer: {
			committed: (lane, groups, records) => commits.push({ lane, groups, records }),
			unsynced: (_lane, bytes) => {
				told.mostUnsynced = Math.max(told.mostUnsynced, bytes);
			},
			shortWrite: () => {
				told.shortWrites++;
			},
			failed: (_lane, error) => failed.push(error),
			damaged: (range) => damaged.push(range),
			spareCopy: (path) => spareCopies.push(path),
			inDoubt: (_lane, records) => {
				told.inDoubt += records;
			},
		},
		files: await LogFiles.open(io, volumes, 8),
		placement: firstVolume(volumes),
		storeId: new Uint8Array(16).fill(9),
		from: {},
		nextLsn: 1n as Lsn,
		consumer: async (lane, records, end) => {
			taken.push({ lane, records, end });
		},
		begun: () => Promise.resolve(),
		journalHead: () => [],
		rollBytes: 2 ** 30,
		...overrides,
	});
	return { log, taken, damaged, failed, commits, told, spareCopies };
}

/** Begins every file on the first of the volumes. */
function firstVolume(volumes: readonly LogVolume[]): Placement {
	return { candidates: () => volumes, began: () => undefined, shouldLeave: () => false, refused: () => undefined };
}

export function record(text: string, payload?: Uint8Array): RecordInput {
	const ext = Buffer.from(text);
	return payload ? { type: TYPE, ext, payload } : { type: TYPE, ext };
}

export function bytesOf(length: number, seed = 1): Buffer {
	const bytes = Buffer.alloc(length);
	for (let at = 0; at < length; at++) bytes[at] = (at * 31 + seed * 17 + (at >> 8)) & 0xff;
	return bytes;
}

/** Texts of the records that a lane's consumer has taken, in order. */
export function textsOf(taken: readonly Taken[], lane: Lane): string[] {
	return taken
		.filter((call) => call.lane === lane)
		.flatMap((call) => call.records.map((each) => Buffer.from(each.ext).toString()));
}

export function pathOf(lane: Lane, fileNo: number): string {
	return `${LOG_DIR}/${lane}-${String(fileNo).padStart(10, '0')}.log`;
}

/** Payload of a record as it lies on the disk. */
export async function payloadOf({ log }: TestLog, { place }: LogRecord): Promise<Buffer> {
	if (!place) return Buffer.alloc(0);
	const bytes = Buffer.alloc(place.lengthBytes);
	await log.read(place.lane, place.fileNo, place.offset, bytes);
	return bytes;
}
