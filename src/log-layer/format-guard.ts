/**
 * Refuses a data directory that a later version has written, before anything in it is touched (docs/format.md §9). Of each lane the newest log
 * file is looked at: no process writes to the file of another, so whoever wrote a later format began a new one.
 */
import { parseLogFileName } from '../append-log/log-files.js';
import type { Checksums, Lane } from '../append-log/types.js';
import type { StorageIo } from '../io/storage-io.js';
import { readFileIfThere } from './checkpoint.js';
import { assertKnownFormat, IDENTITY_MAX_BYTES, IDENTITY_NAME, readFileHeader } from './store-identity.js';
import { assertFirstVolume, assertNotUnmounted, logDirectory, type VolumeOptions } from './volumes.js';

/**
 * Refuses data directories that no store can be opened in, by what they hold; nothing in them changes. Errors: FORMAT_UNKNOWN, VOLUME_CONFLICT,
 * both naming the directory.
 */
export async function refuseUnfitDirectories(options: VolumeOptions): Promise<void> {
	const { io, checksums, dataDir, dataDirs } = options;
	for (const directory of [dataDir, ...dataDirs]) await refuseLaterFormat(io, checksums, directory);
	await assertFirstVolume(io, dataDir);
	await assertNotUnmounted(options);
}

/** Errors: FORMAT_UNKNOWN, naming the file or directory. */
async function refuseLaterFormat(io: StorageIo, checksums: Checksums, dataDir: string): Promise<void> {
	try {
		await assertKnownFormats(io, checksums, dataDir);
	} catch (error) {
		// A file in the place of a directory has no format; whoever opens the volumes says what is wrong with it.
		if ((error as NodeJS.ErrnoException).code !== 'ENOTDIR') throw error;
	}
}

async function assertKnownFormats(io: StorageIo, checksums: Checksums, dataDir: string): Promise<void> {
	const identity = await readFileIfThere(io, `${dataDir}/${IDENTITY_NAME}`, IDENTITY_MAX_BYTES);
	const format = identity && formatIn(identity.toString());
	if (format !== undefined) assertKnownFormat(dataDir, format);
	const newest = new Map<Lane, { readonly fileNo: number; readonly path: string }>();
	for (const name of await io.list(logDirectory(dataDir))) {
		const parsed = parseLogFileName(name);
		if (parsed && parsed.fileNo > (newest.get(parsed.lane)?.fileNo ?? 0))
			newest.set(parsed.lane, { fileNo: parsed.fileNo, path: `${logDirectory(dataDir)}/${name}` });
	}
	for (const { path } of newest.values()) {
		const header = await readFileHeader(io, checksums, path);
		if (header) assertKnownFormat(path, header.version);
	}
}

/** Whatever else a later version keeps in this file, its format stands there as a number. */
function formatIn(text: string): number | undefined {
	try {
		const { format } = JSON.parse(text.split('\n', 1)[0] ?? '') as { readonly format?: unknown };
		return typeof format === 'number' ? format : undefined;
	} catch {
		// A damaged file says nothing; the log files name their format too.
		return undefined;
	}
}
