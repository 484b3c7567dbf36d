/** `perigee download <root>`: the file, checked against its root before anything has its name. */
import { type FileHandle, link, open, realpath, rename, stat, unlink } from 'node:fs/promises';
import { dirname, join, parse } from 'node:path';
import { type DataRoot, SEGMENT_BYTES } from '../units.js';
import { CliError } from './exit-codes.js';
import { finishHash, rootArgument } from './local-file.js';
import { connectNode, type NodeClient, type NodeOptions } from './node-client.js';
import { type OutputOptions, printResult } from './output.js';
import { startProgress } from './progress.js';
import { RootStream } from './root-stream.js';
import { writeVerifiedSegments } from './verified-segments.js';

export interface DownloadVerbOptions extends NodeOptions, OutputOptions {
	/** File, directory, or `-` for standard output. */
	readonly output?: string;
	readonly force?: boolean;
}

/** A node reads so far ahead of what it has sent, and some more. */
const SEGMENTS_ASKED = 16;

interface FileAnswer {
	readonly size: number;
	readonly name: string;
}

/** Fetches a file. It appears under its name whole and verified, or not at all. */
export async function download(rootText: string, options: DownloadVerbOptions): Promise<void> {
	const root = rootArgument(rootText);
	const client = connectNode(options);
	try {
		const info = await client.getJson<FileAnswer>(`/v1/files/${root}/info`);
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

interface Wanted {
	readonly client: NodeClient;
	readonly root: DataRoot;
	readonly sizeBytes: number;
}

async function fetchTo(target: string, wanted: Wanted, options: DownloadVerbOptions): Promise<void> {
	// Not the target's name and more: that may be as long as a name can be.
	const part = join(dirname(target), `${wanted.root.slice(2, 18)}.part-${process.pid}`);
	const file = await open(part, 'wx');
	const removeOnSignal = (signal: NodeJS.Signals): void => {
		void unlink(part).finally(() => process.exit(signal === 'SIGINT' ? 130 : 143));
	};
	process.once('SIGINT', removeOnSignal);
	process.once('SIGTERM', removeOnSignal);
	try {
		try {
			await fill(file, wanted, options);
			await file.sync();
		} finally {
			await file.close();
		}
		await putInPlace(part, target, options.force === true);
	} catch (error) {
		await unlink(part).catch(() => undefined);
		throw error;
	} finally {
		process.off('SIGINT', removeOnSignal);
		process.off('SIGTERM', removeOnSignal);
	}
}

async function fill(file: FileHandle, wanted: Wanted, options: DownloadVerbOptions): Promise<void> {
	const { client, root, sizeBytes } = wanted;
	const answer = await client.get(`/v1/files/${root}`);
	const progress = await startProgress(options, root.slice(0, 12), sizeBytes);
	const hash = new RootStream();
	try {
		for await (const chunk of answer as AsyncIterable<Buffer>) {
			hash.update(chunk);
			if (hash.sizeBytes > sizeBytes) throw wrongContent(root, `more than ${sizeBytes} bytes came`);
			await file.writeFile(chunk);
			progress.add(chunk.length);
		}
	} catch (error) {
		if (error instanceof CliError || (error as NodeJS.ErrnoException).path !== undefined) throw error;
		const { code, syscall } = error as NodeJS.ErrnoException;
		if (syscall === 'write' && code !== 'EPIPE') throw error;
		throw await brokenOff(wanted, hash.sizeBytes, error);
	} finally {
		progress.stop();
	}
	if (hash.sizeBytes < sizeBytes)
		throw await brokenOff(wanted, hash.sizeBytes, new Error(`only ${hash.sizeBytes} of ${sizeBytes} bytes came`));
	const { root: found } = finishHash(hash, root);
	if (found !== root) throw wrongContent(root, `it has ${found}`);
}

/**
 * Why a download ended before its end. A node that meets damage while it sends can only break the connection; asked for the segments where it
 * broke off, it says what is wrong with them.
 */
async function brokenOff({ client, root, sizeBytes }: Wanted, gotBytes: number, cause: unknown): Promise<CliError> {
	const from = Math.floor(gotBytes / SEGMENT_BYTES);
	const end = Math.min(Math.ceil(sizeBytes / SEGMENT_BYTES), from + SEGMENTS_ASKED);
	for (let segment = from; segment < end; segment++) {
		try {
			(await client.get(`/v1/files/${root}/segments/${segment}`)).resume();
		} catch (error) {
			if (!(error instanceof CliError) || error.code === undefined) break;
			const { exit, message, hint, code } = error;
			const what = `the node broke off after ${gotBytes} of ${sizeBytes} bytes: ${message}`;
			return new CliError(exit, what, { code, ...(hint === undefined ? {} : { hint }) });
		}
	}
	return client.unreachable(cause);
}

function wrongContent(root: DataRoot, what: string): CliError {
	return new CliError('verification', `what the node sent is not ${root}: ${what}`, {
		hint: 'Nothing was kept. Ask another node, and tell the operator of this one.',
	});
}

/** Gives the finished file its name; without `force` never over another file, also not one that came meanwhile. */
async function putInPlace(part: string, target: string, force: boolean): Promise<void> {
	if (force) {
		await rename(part, target);
	} else {
		try {
			await link(part, target);
			await unlink(part);
		} catch (error) {
			const { code } = error as NodeJS.ErrnoException;
			if (code === 'EEXIST' || (await exists(target))) throw alreadyThere(target);
			// File systems without hard links: nothing better than to look and rename.
			await rename(part, target);
		}
	}
	const directory = await open(dirname(target), 'r');
	try {
		await directory.sync();
	} finally {
		await directory.close();
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

function alreadyThere(target: string): CliError {
	return new CliError('usage', `${target}: is there already`, {
		hint: 'Choose another name with -o, or overwrite with --force.',
	});
}
