/** `perigee ls`: the files that a node knows. */
import type { Static } from 'typebox';
import type { FILE_LIST } from '../api/rest/schemas.js';
import { CliError } from './exit-codes.js';
import { connectNode, type NodeOptions } from './node-client.js';
import { isInDirectory, listDirectory } from './list-directory.js';
import { type OutputOptions, printable, printResult } from './output.js';

export interface ListVerbOptions extends NodeOptions, OutputOptions {
	readonly newest?: boolean;
	readonly submissions?: boolean;
	readonly deleted?: boolean;
	/** Most lines. */
	readonly limit?: string;
}

type Page = Static<typeof FILE_LIST>;

/** Entries that are asked for at once: with the longest names still a short answer. */
const PAGE_ENTRIES = 100;

/** Prints one line for each file whose name begins with `prefix`: root, sequence number, bytes, time, name. A root names a directory instead. */
export async function list(prefix: string, options: ListVerbOptions): Promise<void> {
	if (isInDirectory(prefix)) {
		await listDirectory(prefix, options);
		return;
	}
	const client = connectNode(options);
	const query = new URLSearchParams({ prefix, order: options.newest ? 'desc' : 'asc' });
	if (!options.deleted) query.set('deleted', 'false');
	const path = options.submissions ? '/v1/submissions' : '/v1/files';
	try {
		let left = limitOf(options);
		let cursor: string | undefined = '';
		while (cursor !== undefined && left > 0) {
			query.set('limit', String(Math.min(PAGE_ENTRIES, left)));
			if (cursor !== '') query.set('cursor', cursor);
			const page: Page = await client.getJson<Page>(`${path}?${query.toString()}`);
			for (const file of page.files) printResult(options, file, lineOf(file));
			left -= page.files.length;
			cursor = page.next;
		}
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

function lineOf({ root, txSeq, size, uploadedAt, name, finalized, deleted }: Page['files'][number]): string {
	const state = deleted ? ' (deleted)' : finalized ? '' : ' (not whole here)';
	return `${root} ${String(txSeq).padStart(8)} ${String(size).padStart(14)} ${uploadedAt} ${printable(name)}${state}`;
}
