/** What a local directory holds, before anything of it is sent. */
import { readdir, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { LIMITS } from '../limits.js';
import { CliError } from './exit-codes.js';

export type FoundEntry =
	| { readonly kind: 'file'; readonly path: string; readonly sizeBytes: number }
	| { readonly kind: 'link'; readonly path: string; readonly link: string }
	| { readonly kind: 'directory'; readonly path: string };

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Everything below a directory, each directory before what it holds; paths in it have `/` between names. Links are found, not followed.
 * Errors: usage, for names that are not UTF-8, for sockets and the like, and for more than a directory can hold.
 */
export async function walkDirectory(directory: string): Promise<FoundEntry[]> {
	const found: FoundEntry[] = [];
	const waiting = [''];
	for (let above = waiting.pop(); above !== undefined; above = waiting.pop()) {
		const place = join(directory, above);
		for (const entry of await readdir(place, { withFileTypes: true, encoding: 'buffer' })) {
			const path = join(above, textOf(entry.name, place));
			const local = join(directory, path);
			if (entry.isDirectory()) {
				found.push({ kind: 'directory', path });
				waiting.push(path);
			} else if (entry.isSymbolicLink()) {
				found.push({ kind: 'link', path, link: textOf(await readlink(local, { encoding: 'buffer' }), local) });
			} else if (entry.isFile()) {
				found.push({ kind: 'file', path, sizeBytes: (await stat(local)).size });
			} else {
				throw new CliError('usage', `${local}: is neither a file nor a directory nor a link`, {
					hint: 'Sockets, pipes and devices cannot be stored; move it elsewhere.',
				});
			}
			if (found.length > LIMITS.directoryEntries) throw tooMany(directory);
		}
	}
	return found;
}

function tooMany(directory: string): CliError {
	return new CliError('usage', `${directory}: holds more than ${LIMITS.directoryEntries} entries`, {
		hint: 'Upload its directories one by one.',
		code: 'DIRECTORY_TOO_LARGE',
	});
}

function textOf(bytes: Buffer, place: string): string {
	try {
		return UTF8.decode(bytes);
	} catch {
		// Whatever it is: it cannot stand in the metadata, which is JSON.
		const shown = bytes.toString('latin1').replaceAll(/[^\x20-\x7e]/g, '?');
		throw new CliError('usage', `${place}: the name or link ${shown} is not UTF-8`, { hint: 'Rename it.' });
	}
}
