/**
 * The file `view.checkpoint`: up to where the view may be trusted (docs/format.md §8). Whatever lies behind it in the lanes is replayed.
 */
import type { Lane, LanePosition } from '../append-log/types.js';
import { LANE_NAMES } from '../append-log/types.js';
import type { KnownFiles } from './losses.js';
import type { StorageIo } from '../io/storage-io.js';
import type { Lsn } from '../units.js';
import type { PendingObject } from './pending-objects.js';
import type { SavedLiveBytes } from './live-bytes.js';
import { openSealedJson, sealJson } from './sealed-json.js';

export const STORE_FORMAT = 1;
/** Layout of the view's rows (docs/format.md §8). A view of another layout is rebuilt. */
const VIEW_LAYOUT = 6;
const NAME = 'view.checkpoint';
const MAX_BYTES = 64 * 1024 * 1024;

export interface Checkpoint {
	readonly storeId: string;
	/** Counts up; the view holds the same or a higher number. */
	readonly id: number;
	readonly nextLsn: Lsn;
	readonly lanes: Partial<Record<Lane, LanePosition>>;
	/** Absent in checkpoints of early versions. */
	readonly known?: KnownFiles;
	/** Settings and drivers' states as of the journal's position. */
	readonly journalState: Uint8Array;
	/** Objects without a submission; undefined when they are not known, so that the view has to be scanned for them. */
	readonly pending?: readonly PendingObject[];
	readonly timeMs: number;
	/** How much of each log file counts. */
	readonly live?: SavedLiveBytes;
	/** Nothing has changed in the view since `live` was counted: the store was closed. */
	readonly isLiveExact?: boolean;
}

/** The checkpoint of a data directory; undefined when there is none that can be read. */
export async function readCheckpoint(io: StorageIo, dataDir: string): Promise<Checkpoint | undefined> {
	const bytes = await readFileIfThere(io, `${dataDir}/${NAME}`, MAX_BYTES);
	return bytes && decodeCheckpoint(bytes);
}

/** Replaces the checkpoint durably. */
export async function writeCheckpoint(io: StorageIo, dataDir: string, checkpoint: Checkpoint): Promise<void> {
	await replaceFile(io, dataDir, NAME, encodeCheckpoint(checkpoint));
}

/** Makes the next open rebuild the view. */
export async function dropCheckpoint(io: StorageIo, dataDir: string): Promise<void> {
	await io.unlink(`${dataDir}/${NAME}`).catch((error: unknown) => {
		if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
	});
	await io.syncDir(dataDir);
}

function encodeCheckpoint(checkpoint: Checkpoint): Buffer {
	const { nextLsn, journalState, pending, ...rest } = checkpoint;
	return sealJson({
		format: STORE_FORMAT,
		viewLayout: VIEW_LAYOUT,
		...rest,
		nextLsn: String(nextLsn),
		journalState: Buffer.from(journalState).toString('base64'),
		...(pending ? { pending: pending.map(writtenPending) } : {}),
	});
}

function decodeCheckpoint(bytes: Buffer): Checkpoint | undefined {
	const fields = openSealedJson(bytes) as
		| (Omit<Checkpoint, 'nextLsn' | 'journalState' | 'pending'> & {
				format: number;
				viewLayout?: number;
				nextLsn: string;
				journalState: string;
				pending?: readonly WrittenPending[];
		  })
		| undefined;
	// Another format or layout has to be rebuilt.
	if (fields?.format !== STORE_FORMAT || fields.viewLayout !== VIEW_LAYOUT) return undefined;
	const lanes: Partial<Record<Lane, LanePosition>> = {};
	for (const lane of LANE_NAMES) {
		const position = fields.lanes[lane];
		if (position) lanes[lane] = { fileNo: position.fileNo, offset: position.offset };
	}
	return {
		storeId: fields.storeId,
		id: fields.id,
		nextLsn: BigInt(fields.nextLsn) as Lsn,
		lanes,
		...(fields.known ? { known: fields.known } : {}),
		journalState: Buffer.from(fields.journalState, 'base64'),
		...(fields.pending ? { pending: fields.pending.map(readPending) } : {}),
		timeMs: fields.timeMs,
		...(fields.live ? { live: fields.live, isLiveExact: fields.isLiveExact === true } : {}),
	};
}

type WrittenPending = Omit<PendingObject, 'objectId'> & { readonly objectId: string };

function writtenPending({ objectId, ...rest }: PendingObject): WrittenPending {
	return { objectId: String(objectId), ...rest };
}

function readPending({ objectId, ...rest }: WrittenPending): PendingObject {
	return { objectId: BigInt(objectId), ...rest };
}

/** Whole content of a small file; undefined when it is missing or larger than `maxBytes`. */
export async function readFileIfThere(io: StorageIo, path: string, maxBytes: number): Promise<Buffer | undefined> {
	const found = await io.stat(path);
	if (!found || found.sizeBytes > maxBytes) return undefined;
	const file = await io.open(path, 'read');
	try {
		const bytes = Buffer.alloc(found.sizeBytes);
		return bytes.subarray(0, await file.read(bytes, 0));
	} finally {
		await file.close();
	}
}

/** Writes beside, syncs, renames over, syncs the directory. */
export async function replaceFile(io: StorageIo, directory: string, name: string, content: Uint8Array): Promise<void> {
	await renameOver(io, directory, name, content);
	await io.syncDir(directory);
}

/** The same without the last step, on which it depends whether a power cut brings the old content back. After an error that is still there. */
export async function renameOver(io: StorageIo, directory: string, name: string, content: Uint8Array): Promise<void> {
	const path = `${directory}/${name}.new`;
	if (await io.stat(path)) await io.unlink(path);
	const file = await io.open(path, 'create');
	try {
		const written = await file.writev([content], 0);
		if (written < content.length) throw Object.assign(new Error(`no room for ${name}`), { code: 'ENOSPC' });
		await file.fdatasync();
	} finally {
		await file.close();
	}
	await io.rename(path, `${directory}/${name}`);
}
