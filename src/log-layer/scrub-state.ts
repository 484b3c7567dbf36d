/** Where the scrub stands, over restarts: the file `scrub.state` (docs/format.md §1). A crash may lose the way of the last minute. */
import type { Lane } from '../append-log/types.js';
import type { StorageIo } from '../io/storage-io.js';
import { LIMITS } from '../limits.js';
import { readFileIfThere, replaceFile, STORE_FORMAT } from './checkpoint.js';
import { openSealedJson, sealJson } from './sealed-json.js';

const NAME = 'scrub.state';

/** How far a pass has come. `view`: rows, by submissions. `log`: the log files, in order. `lost`: rows whose records were found lost. */
export type ScrubPosition =
	| { readonly phase: 'view' | 'lost'; readonly txSeq: number; readonly segment: number }
	| { readonly phase: 'log'; readonly lane: Lane; readonly fileNo: number; readonly offset: number };

export interface ScrubPass {
	readonly startedMs: number;
	/** Objects with a lower id were complete when the pass began; decimal. */
	readonly objectsBelow: string;
	/** Damage that did not fit into the list when the pass began. */
	readonly overflows: number;
	readonly position: ScrubPosition;
	readonly segments: number;
	readonly bytes: number;
	/** Damaged places that it met, known or not. */
	readonly damaged: number;
}

export interface FinishedScrub {
	readonly startedMs: number;
	readonly endedMs: number;
	readonly objectsBelow: string;
	readonly segments: number;
	readonly bytes: number;
	readonly damaged: number;
}

export interface ScrubState {
	readonly isPaused: boolean;
	/** When the next pass begins by itself. */
	readonly nextMs: number;
	readonly pass?: ScrubPass;
	readonly last?: FinishedScrub;
}

/** The saved state; undefined when there is none that can be read: a lost position costs one pass. */
export async function readScrubState(io: StorageIo, dataDir: string, storeId: string): Promise<ScrubState | undefined> {
	const bytes = await readFileIfThere(io, `${dataDir}/${NAME}`, LIMITS.damageFileBytes);
	const saved = bytes && (openSealedJson(bytes) as (ScrubState & { format: number; storeId: string }) | undefined);
	return saved?.format === STORE_FORMAT && saved.storeId === storeId ? saved : undefined;
}

export async function writeScrubState(
	io: StorageIo,
	dataDir: string,
	storeId: string,
	state: ScrubState,
): Promise<void> {
	await replaceFile(io, dataDir, NAME, sealJson({ ...state, format: STORE_FORMAT, storeId }));
}
