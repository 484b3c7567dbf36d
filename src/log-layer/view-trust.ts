/** Whether the view of an earlier run may be used, and its end when it may not (docs/format.md §8). */
import type { StorageIo } from '../io/storage-io.js';
import { dropCheckpoint, readCheckpoint, type Checkpoint } from './checkpoint.js';
import type { LogSite } from './log-site.js';

/** What is needed of the options of a store. */
interface ViewOptions {
	readonly io: StorageIo;
	readonly dataDir: string;
	readonly kv: { destroy(directory: string): Promise<void> };
	readonly observer: { rebuilding(reason: string): void };
}

/** Empties the view for a rebuild. Errors: JOURNAL_MISSING: a view that the log can no longer give is kept. */
export async function discardView(options: ViewOptions, site: LogSite, reason: string): Promise<void> {
	await site.assertJournal(await site.openFiles(), undefined);
	options.observer.rebuilding(reason);
	// The checkpoint goes first: without it nobody trusts what is left of the view.
	await dropCheckpoint(options.io, options.dataDir);
	await options.kv.destroy(viewDirectory(options.dataDir));
}

/** Where the view lies. */
export function viewDirectory(dataDir: string): string {
	return `${dataDir}/view`;
}

/** The checkpoint, if this store wrote it and the view still has it; otherwise the view is emptied for a rebuild. */
export async function trustedCheckpoint(options: ViewOptions, site: LogSite): Promise<Checkpoint | undefined> {
	const { io, dataDir } = options;
	const checkpoint = await readCheckpoint(io, dataDir);
	if (checkpoint?.storeId === Buffer.from(site.storeId).toString('hex')) return checkpoint;
	// Something else than a directory can only go.
	const names = await io.list(viewDirectory(dataDir)).catch((error: unknown) => {
		if ((error as NodeJS.ErrnoException).code !== 'ENOTDIR') throw error;
		return [viewDirectory(dataDir)];
	});
	if (names.length > 0) await discardView(options, site, 'it has no checkpoint');
	return undefined;
}
