/** `perigee download <root>`: the file, checked against its root before anything has its name; with `--out` everything in a directory. */
import { realpath, stat } from 'node:fs/promises';
import { dirname, join, parse } from 'node:path';
import type { DataRoot } from '../units.js';
import { downloadDirectory, type UnpackOptions } from './download-directory.js';
import { CliError } from './exit-codes.js';
import { fetchInto, type WantedContent } from './fetch-file.js';
import { rootArgument } from './local-file.js';
import { connectNode, type NodeOptions } from './node-client.js';
import { printResult } from './output.js';
import { alreadyThere, PartFiles } from './part-files.js';
import { startProgress } from './progress.js';
import { writeVerifiedSegments } from './verified-segments.js';

export interface DownloadVerbOptions extends NodeOptions, UnpackOptions {
	/** File, directory, or `-` for standard output. */
	readonly output?: string;
	/** Where a stored directory is unpacked. */
	readonly out?: string;
}

/** Fetches a file, or with `--out` a directory. A file appears under its name whole and verified, or not at all. */
export async function download(rootText: string, options: DownloadVerbOptions): Promise<void> {
	const root = rootArgument(rootText);
	const { out, output, links } = options;
	if (out !== undefined && output !== undefined)
		throw new CliError('usage', '-o and --out do not go together', { hint: '-o is for files, --out for directories.' });
	if (links !== undefined && out === undefined)
		throw new CliError('usage', '--links goes with --out', { hint: 'Only directories hold links.' });
	const client = connectNode(options);
	try {
		if (out !== undefined) {
			const result = await downloadDirectory(client, root, out, options);
			printResult(options, result, out);
			return;
		}
		const info = await client.api.info(root);
		if (!Number.isSafeInteger(info.size) || info.size < 1) {
			throw new CliError('failure', 'the node tells no size of the file', {
				hint: 'Is this the address of a Perigee node?',
			});
		}
		if (options.output === '-') {
			await writeVerifiedSegments(client, { root, sizeBytes: info.size }, options);
			return;
		}
		const target = await fileBehind(await targetOf(options.output, info.name, root));
		if (options.force !== true && (await exists(target))) throw alreadyThere(target);
		await fetchTo(target, { client, root, sizeBytes: info.size }, options);
		printResult(options, { root, size: info.size, file: target }, target);
	} finally {
		client.close();
	}
}

async function fetchTo(
	target: string,
	wanted: Omit<WantedContent, 'onBytes'>,
	options: DownloadVerbOptions,
): Promise<void> {
	const parts = new PartFiles();
	const { root, sizeBytes } = wanted;
	try {
		await parts.write(target, root.slice(2, 18), options.force === true, async (file) => {
			const progress = await startProgress(options, root.slice(0, 12), sizeBytes);
			try {
				await fetchInto(file, { ...wanted, onBytes: progress.add });
			} finally {
				progress.stop();
			}
		});
	} finally {
		parts.close();
	}
}

/** Where the file goes: the path asked for, or the name of its upload in the directory asked for. */
async function targetOf(output: string | undefined, name: string, root: DataRoot): Promise<string> {
	if (output !== undefined && !(await isDirectory(output))) return output;
	// The name comes from whoever uploaded the file: no way out of the directory, nothing hidden.
	const safe = /^[^./\\\p{Cc}][^/\\\p{Cc}]*$/u.test(name) ? shortened(name) : root;
	return join(output ?? '.', safe);
}

/** The file that a path leads to, which may be a link. Errors: usage, when there is something else than a file, or no directory for it. */
async function fileBehind(target: string): Promise<string> {
	const found = await stat(target).catch(() => undefined);
	if (found?.isFile()) return realpath(target);
	if (found) {
		throw new CliError('usage', `${target}: is no regular file`, {
			hint: 'Name a file, or use -o - to write to standard output.',
		});
	}
	if (target === '' || !(await isDirectory(dirname(target)))) {
		throw new CliError('usage', target === '' ? '-o needs a name' : `${dirname(target)}: no such directory`, {
			hint: 'Name a file in a directory that is there.',
		});
	}
	return target;
}

/** No file system that is in use takes a longer one. */
const MOST_NAME_BYTES = 255;

/** The name cut to what a file system takes, with its extension. */
function shortened(name: string): string {
	if (Buffer.byteLength(name) <= MOST_NAME_BYTES) return name;
	const { ext } = parse(name);
	const kept = Buffer.byteLength(ext) <= 32 ? ext : '';
	let stem = '';
	let bytes = Buffer.byteLength(kept);
	for (const character of name.slice(0, name.length - kept.length)) {
		bytes += Buffer.byteLength(character);
		if (bytes > MOST_NAME_BYTES) break;
		stem += character;
	}
	return stem + kept;
}

async function exists(path: string): Promise<boolean> {
	return (await stat(path).catch(() => undefined)) !== undefined;
}

async function isDirectory(path: string): Promise<boolean> {
	return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}
