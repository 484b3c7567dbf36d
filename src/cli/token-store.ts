/** The file of tokens on the disk, as the command line writes it: whole or not at all, and for its owner's eyes only. */
import {
	chownSync,
	closeSync,
	fsyncSync,
	mkdirSync,
	openSync,
	readFileSync,
	renameSync,
	statSync,
	unlinkSync,
	writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { encodeTokenFile, parseTokenFile, type TokenEntry } from '../api/auth/token-file.js';
import { CliError } from './exit-codes.js';

const OWNER_ONLY = 0o600;

/** The entries of a file; none when there is no file. Errors: CONFIG_INVALID. */
export function readTokens(path: string): readonly TokenEntry[] {
	try {
		return parseTokenFile(readFileSync(path, 'utf8'), path);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
		throw error;
	}
}

/** Replaces the entries durably. Of two processes that do this at once one is refused. */
export function changeTokens(
	{ path, dataDir }: { readonly path: string; readonly dataDir: string },
	change: (entries: readonly TokenEntry[]) => readonly TokenEntry[],
): void {
	// The data directory of a node that has not started yet; any other is there, or named wrongly.
	if (dirname(path) === dataDir) mkdirSync(dataDir, { recursive: true });
	const next = `${path}.new`;
	const fd = openNew(next);
	try {
		try {
			const text = encodeTokenFile(change(readTokens(path)));
			writeSync(fd, text);
			keepOwner(next, path);
			fsyncSync(fd);
		} finally {
			closeSync(fd);
		}
		renameSync(next, path);
	} catch (error) {
		unlinkSync(next);
		throw error;
	}
	const directory = openSync(dirname(path), 'r');
	fsyncSync(directory);
	closeSync(directory);
}

function openNew(path: string): number {
	try {
		return openSync(path, 'wx', OWNER_ONLY);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
		throw new CliError('busy', `${path} is there: another perigee token is at work, or was broken off`, {
			hint: 'Try again; if none is at work, remove that file.',
		});
	}
}

/** What root writes for a node that runs as somebody else must be that user's, or the node could not read it. */
function keepOwner(path: string, before: string): void {
	if (process.getuid?.() !== 0) return;
	const model = statSync(before, { throwIfNoEntry: false }) ?? statSync(dirname(before));
	chownSync(path, model.uid, model.gid);
}
