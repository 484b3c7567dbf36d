/** Small files that people write and the node only reads: tokens, certificates, keys. */
import * as fs from 'node:fs';
import { PerigeeError } from '../errors.js';
import type { Clock } from './clock.js';
import { call, codeOf } from './system-call.js';

/** The bytes of a file; undefined when there is none. Errors: CONFIG_INVALID when it cannot be read, is larger, or is a device or pipe, which might never end. */
export async function readSmallFile(path: string, maxBytes: number): Promise<Buffer | undefined> {
	try {
		const stats = await call<fs.Stats>((done) => fs.stat(path, done));
		if (!stats.isFile() && !stats.isDirectory())
			throw new PerigeeError('CONFIG_INVALID', `${path}: is no ordinary file`);
		if (stats.size > maxBytes) throw new PerigeeError('CONFIG_INVALID', `${path}: larger than ${maxBytes} bytes`);
		return await call<Buffer>((done) => fs.readFile(path, done));
	} catch (error) {
		if (error instanceof PerigeeError) throw error;
		if (codeOf(error) === 'ENOENT') return undefined;
		throw new PerigeeError('CONFIG_INVALID', `${path}: cannot be read (${codeOf(error) ?? String(error)})`, {
			cause: error,
		});
	}
}

export interface FileWatchOptions {
	readonly paths: readonly string[];
	readonly intervalMs: number;
	readonly clock: Clock;
	/** Called when any of the files is another one, came or went. It must not reject. */
	readonly onChange: () => Promise<void>;
}

/**
 * Looks at files now and then, by name: that finds every way in which they are replaced (renames, links that lead elsewhere, mounts), which
 * the system's own notices do not. The answer ends it.
 */
export async function watchFiles(options: FileWatchOptions): Promise<() => void> {
	const { paths, intervalMs, clock, onChange } = options;
	let cancel = (): void => undefined;
	let isOver = false;
	let seen = await marksOf(paths);
	const look = async (): Promise<void> => {
		// What changes while it is read is found by the next look: the marks are older than the reading.
		const marks = await marksOf(paths);
		if (isOver) return;
		if (marks !== seen) {
			seen = marks;
			await onChange();
		}
		if (!isOver) cancel = clock.schedule(intervalMs, () => void look());
	};
	cancel = clock.schedule(intervalMs, () => void look());
	return () => {
		isOver = true;
		cancel();
	};
}

/** A text that changes when one of the files does. */
async function marksOf(paths: readonly string[]): Promise<string> {
	const marks = await Promise.all(
		paths.map((path) =>
			call<fs.BigIntStats>((done) => fs.stat(path, { bigint: true }, done)).then(
				({ dev, ino, size, mtimeNs, ctimeNs }) => [dev, ino, size, mtimeNs, ctimeNs].join(':'),
				(error: unknown) => codeOf(error) ?? 'unknown',
			),
		),
	);
	return marks.join('|');
}
