/** `perigee upload <directory>`: its files, several at once, then the metadata that holds them together. */
import { basename, join, resolve } from 'node:path';
import { DIRECTORY_TYPE, encodeDirectory } from '../api/rest/directory-metadata.js';
import { DirectoryBuilder } from '../api/rest/directory-tree.js';
import { ERRORS, PerigeeError } from '../errors.js';
import { LIMITS } from '../limits.js';
import type { DataRoot } from '../units.js';
import { eachAtOnce } from './at-once.js';
import { CliError } from './exit-codes.js';
import type { UploadResult } from '../client/upload.js';
import { startProgress } from './progress.js';
import { asCliFailure } from './request-failure.js';
import { sendFile, type Target } from './send-file.js';
import type { UploadVerbOptions } from './upload.js';
import { type FoundEntry, walkDirectory } from './walk-directory.js';

/** The upload of the metadata, and what the directory holds. */
export interface DirectoryAnswer extends UploadResult {
	readonly directory: {
		readonly files: number;
		readonly directories: number;
		readonly links: number;
		/** Of all files together. */
		readonly bytes: number;
	};
}

/** As long as any root, before there is one. */
const SOME_ROOT = `0x${'00'.repeat(32)}` as DataRoot;

/** Sends a directory. What was sent before a failure stays with the node, and is not submitted again. */
export async function uploadDirectory(
	target: Target,
	directory: string,
	options: UploadVerbOptions,
): Promise<DirectoryAnswer> {
	const entries = await walkDirectory(directory);
	// What cannot be stored as a directory is refused before anything is sent.
	metadataOf(entries, () => SOME_ROOT);
	const files = entries.filter((entry) => entry.kind === 'file');
	const bytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
	const progress = await startProgress(options, directory, bytes);
	const roots = new Map<string, DataRoot>();
	const results: UploadResult[] = [];
	try {
		const sent = files.filter(({ sizeBytes }) => sizeBytes > 0);
		await eachAtOnce(sent, LIMITS.clientFilesAtOnce, async ({ path, sizeBytes }) => {
			const source = join(directory, path);
			const { type } = options;
			const file = { source, label: source, name: basename(path), type, sizeBytes, onSent: progress.add };
			try {
				const result = await sendFile(target, file);
				results.push(result);
				roots.set(path, result.root as DataRoot);
			} catch (error) {
				// The others need not go on.
				target.client.close();
				throw named(asCliFailure(error), source);
			}
		});
	} finally {
		progress.stop();
	}
	const metadata = metadataOf(entries, (path) => roots.get(path) ?? SOME_ROOT);
	const sentMetadata = await sendFile(target, {
		source: metadata,
		label: directory,
		name: options.name ?? basename(resolve(directory)),
		type: DIRECTORY_TYPE,
		sizeBytes: metadata.length,
		onSent() {},
	});
	const [answer = sentMetadata] = await target.pay([sentMetadata, ...results]);
	const count = (kind: FoundEntry['kind']): number => entries.filter((entry) => entry.kind === kind).length;
	return {
		...answer,
		directory: { files: files.length, directories: count('directory'), links: count('link'), bytes },
	};
}

/** Errors: usage, with the entry that cannot be stored. */
function metadataOf(entries: readonly FoundEntry[], rootOf: (path: string) => DataRoot): Uint8Array {
	const tree = new DirectoryBuilder();
	let path = 'the directory';
	try {
		for (const entry of entries) {
			({ path } = entry);
			if (entry.kind === 'directory') tree.addDirectory(path);
			else if (entry.kind === 'link') tree.addLink(path, entry.link);
			else tree.addFile(path, { size: entry.sizeBytes, roots: entry.sizeBytes > 0 ? [rootOf(path)] : [] });
		}
		return encodeDirectory(tree.tree());
	} catch (error) {
		if (!(error instanceof PerigeeError)) throw error;
		throw new CliError('usage', `${JSON.stringify(path)}: ${error.message}`, {
			hint: ERRORS[error.code].hint,
			code: error.code,
		});
	}
}

/** Which of the files it was. */
function named(error: unknown, local: string): unknown {
	if (!(error instanceof CliError) || error.message.includes(local)) return error;
	const { exit, message, hint, code } = error;
	return new CliError(exit, `${local}: ${message}`, {
		...(hint !== undefined && { hint }),
		...(code !== undefined && { code }),
	});
}
