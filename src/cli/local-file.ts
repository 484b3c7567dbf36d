/** Local files as the verbs read them. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { FileRoot } from '../native/addon.js';
import { type DataRoot, parseDataRoot, rootFromBytes } from '../units.js';
import { CliError } from './exit-codes.js';
import type { OutputOptions } from './output.js';
import { startProgress } from './progress.js';
import { RootStream } from './root-stream.js';

/** Bytes read at once, and the fewest that are asked for. */
const READ_BYTES = 1024 * 1024;
const LEAST_READ_BYTES = 4096;

export interface HashedFile {
	readonly root: DataRoot;
	readonly sizeBytes: number;
	readonly nodes: FileRoot['nodes'];
}

/** The bytes of a file of about this size, in pieces that are not larger than it needs. */
export function readLocal(path: string, sizeBytes = READ_BYTES, from = 0): Readable {
	const highWaterMark = Math.min(Math.max(sizeBytes - from, LEAST_READ_BYTES), READ_BYTES);
	// Pipes cannot be read from an offset, not even from their beginning.
	return createReadStream(path, { highWaterMark, ...(from > 0 && { start: from }) });
}

/** Size of a regular file of at least one byte. */
export async function sizeOfFile(path: string): Promise<number> {
	const found = await stat(path);
	if (found.isDirectory()) {
		throw new CliError('usage', `${path}: is a directory`, { hint: 'Name files, not directories.' });
	}
	if (found.isFile() && found.size === 0) {
		throw new CliError('usage', `${path}: an empty file has no data root`, { hint: 'A file has at least one byte.' });
	}
	return found.size;
}

/** Reads a file to its end and answers its data root, in constant memory. */
export async function hashFile(path: string, options: OutputOptions): Promise<HashedFile> {
	const sizeBytes = await sizeOfFile(path);
	const progress = await startProgress(options, path, sizeBytes);
	const hash = new RootStream(sizeBytes);
	try {
		for await (const chunk of readLocal(path, sizeBytes) as AsyncIterable<Buffer>) {
			hash.update(chunk);
			progress.add(chunk.length);
		}
	} finally {
		progress.stop();
	}
	return finishHash(hash, path);
}

/** What the stream has hashed. */
export function finishHash(hash: RootStream, path: string): HashedFile {
	if (hash.sizeBytes === 0) throw emptyFile(path);
	const { root, nodes } = hash.finish();
	return { root: rootFromBytes(root), sizeBytes: hash.sizeBytes, nodes };
}

export function emptyFile(label: string): CliError {
	return new CliError('usage', `${label}: an empty file has no data root`);
}

export function changedWhileRead(label: string): CliError {
	return new CliError('failure', `${label}: changed while it was read`, { hint: 'Send it again once it is at rest.' });
}

/** The node has computed another data root than the file has. */
export function otherRoot(label: string, computed: unknown, root: DataRoot): CliError {
	return new CliError('verification', `${label}: the node computed ${String(computed)}, but the file has ${root}`, {
		hint: 'The file was damaged on its way, or changed while it was read; send it again.',
	});
}

/** The node refused content, since it has another data root than the file. */
export function otherContent(label: string, root: DataRoot): CliError {
	return new CliError('verification', `${label}: what came to the node has not the file's data root ${root}`, {
		hint: 'The file was damaged on its way, or changed while it was read; nothing was stored. Send it again.',
	});
}

/** Reads a data root from the command line. */
export function rootArgument(text: string): DataRoot {
	const root = parseDataRoot(text);
	if (root !== undefined) return root;
	throw new CliError('usage', `"${text}" is not a data root`, { hint: 'A data root is 0x and 64 hexadecimal digits.' });
}
