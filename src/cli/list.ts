/** `perigee ls`: the files that a node knows. */
import type { ListedFile } from '../client/client.js';
import { CliError } from './exit-codes.js';
import { connectNode, type NodeOptions } from './node-client.js';
import { isInDirectory, listDirectory } from './list-directory.js';
import { type OutputOptions, printResult } from './output.js';
import { printable } from './printable.js';

export interface ListVerbOptions extends NodeOptions, OutputOptions {
	readonly newest?: boolean;
	readonly submissions?: boolean;
	readonly deleted?: boolean;
	/** Most lines. */
	readonly limit?: string;
}

/** Prints one line for each file whose name begins with `prefix`: root, sequence number, bytes, time, name. A root names a directory instead. */
export async function list(prefix: string, options: ListVerbOptions): Promise<void> {
	if (isInDirectory(prefix)) {
		await listDirectory(prefix, options);
		return;
	}
	const { newest = false, submissions = false } = options;
	const limit = limitOf(options);
	const client = connectNode(options);
	try {
		const query = { prefix, newestFirst: newest, submissions, ...(options.deleted ? {} : { deleted: false }), limit };
		for await (const file of client.api.list(query)) printResult(options, file, lineOf(file));
	} finally {
		client.close();
	}
}

function limitOf({ limit }: ListVerbOptions): number {
	if (limit === undefined) return Number.POSITIVE_INFINITY;
	const value = Number(limit);
	if (Number.isSafeInteger(value) && value > 0) return value;
	throw new CliError('usage', `"${limit}" is no number of lines`, { hint: 'Write a whole number from 1.' });
}

function lineOf({ root, txSeq, size, uploadedAt, name, finalized, deleted }: ListedFile): string {
	const state = deleted ? ' (deleted)' : finalized ? '' : ' (not whole here)';
	return printable(`${root} ${String(txSeq).padStart(8)} ${String(size).padStart(14)} ${uploadedAt} ${name}${state}`);
}
