/** `perigee upload <file…>`: sends files and directories, and checks that the node computed the same data roots. */
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { CliError } from './exit-codes.js';
import { sizeOfFile } from './local-file.js';
import type { UploadResult } from '../client/upload.js';
import { connectNode, type NodeOptions } from './node-client.js';
import { type OutputOptions, printResult } from './output.js';
import { startProgress } from './progress.js';
import { sendFile, type Target } from './send-file.js';
import { uploadDirectory } from './upload-directory.js';
import { UploadNotes } from './upload-notes.js';

export interface UploadVerbOptions extends NodeOptions, OutputOptions {
	/** Name under which the file is stored; only for one file. */
	readonly name?: string;
	/** Media type of all files. */
	readonly type?: string;
}

/** Sends each file in turn and prints its data root; ends at the first failure. `-` is standard input. */
export async function upload(files: readonly string[], options: UploadVerbOptions): Promise<void> {
	if (options.name !== undefined && files.length > 1) {
		throw new CliError('usage', '--name goes with one file', { hint: 'Upload the files one by one.' });
	}
	const client = connectNode(options);
	const target = { client, notes: new UploadNotes(client.name, options) };
	try {
		for (const file of files) {
			const isDirectory = file !== '-' && (await stat(file)).isDirectory();
			const answer = await (isDirectory ? uploadDirectory : uploadOne)(target, file, options);
			printResult(options, answer, `${answer.root}  ${file}`);
		}
	} finally {
		client.close();
	}
}

async function uploadOne(target: Target, file: string, options: UploadVerbOptions): Promise<UploadResult> {
	const isInput = file === '-';
	// Pipes have no size.
	const sizeBytes = isInput ? undefined : (await sizeOfFile(file)) || undefined;
	const name = options.name ?? (isInput ? '' : basename(file));
	const progress = await startProgress(options, file, sizeBytes);
	try {
		const { type } = options;
		return await sendFile(target, { source: file, label: file, name, type, sizeBytes, onSent: progress.add });
	} finally {
		progress.stop();
	}
}
