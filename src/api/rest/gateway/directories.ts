/** GET /file/{cid}/{path}: what lies at a path in a directory. Links are not followed. */
import type { ServerResponse } from 'node:http';
import { PerigeeError } from '../../../errors.js';
import { LIMITS } from '../../../limits.js';
import type { StoredFile } from '../../../log-layer/types.js';
import type { JsonOut } from '../../rpc/json-writer.js';
import { sendFile } from '../content.js';
import { ENDPOINTS } from '../definitions.js';
import type { DirectoryNode, FileNode, TreeNode } from '../directory-metadata.js';
import { entryAt } from '../directory-tree.js';
import type { RestContext, RestRequest } from '../endpoint.js';
import { sendFragments } from '../fragments.js';
import { partsOfGatewayUrl } from '../names.js';
import { gatewayEndpoint, Reply } from './envelope.js';
import { cidOf, shown, wholeFile } from './lookup.js';

export const gatewayEntry = gatewayEndpoint(ENDPOINTS.gatewayEntry, async (context, request, response) => {
	const cid = cidOf(request.params['cid'] ?? '');
	if (cid instanceof Reply) return cid;
	const written = partsOfGatewayUrl(request.raw.url ?? '');
	const directory = await wholeFile(context.store, cid);
	if (directory instanceof Reply) return directory;
	const tree = await treeOf(context, directory);
	if (tree instanceof Reply) return tree;
	// An empty last part stands behind the slash that only a directory has.
	const namesDirectory = written.at(-1) === '';
	const entry = entryAt(tree, namesDirectory ? written.slice(0, -1) : written);
	if (!entry || (namesDirectory && entry.type !== 'directory'))
		return new Reply(104, `The directory has no entry ${shown(written.join('/'))}`);
	if (entry.type === 'file') return sendEntry(context, request, response, entry);
	return new Reply(0, entry.type === 'directory' ? entry.entries.map(listed) : { ...entry });
});

/** Whatever cannot be read as a directory is told as a gateway tells it. */
async function treeOf({ directories }: RestContext, file: StoredFile): Promise<DirectoryNode | Reply> {
	try {
		return await directories.read(file);
	} catch (error) {
		if (error instanceof PerigeeError && UNUSABLE.has(error.code)) return new Reply(2, error.message);
		throw error;
	}
}

const UNUSABLE: ReadonlySet<string> = new Set(['NOT_A_DIRECTORY', 'BAD_DIRECTORY', 'DIRECTORY_TOO_LARGE']);

/** What is empty is left out, as in the metadata. */
function listed(entry: TreeNode): JsonOut {
	const { name, type } = entry;
	return { name, type, ...(entry.type === 'file' && entry.size > 0 && { size: entry.size }) };
}

/** The metadata may come from anybody: what it says of the size counts, and what is really there. */
async function sendEntry(
	context: RestContext,
	request: RestRequest,
	response: ServerResponse,
	{ name, size, roots }: FileNode,
): Promise<Reply | undefined> {
	if (size > LIMITS.gatewayEntryBytes) return tooLarge(size);
	const files: StoredFile[] = [];
	let sizeBytes = 0;
	for (const root of roots) {
		const file = await wholeFile(context.store, root);
		if (file instanceof Reply) return file;
		files.push(file);
		sizeBytes += file.sizeBytes;
		if (sizeBytes > LIMITS.gatewayEntryBytes) return tooLarge(sizeBytes);
	}
	const [only, second] = files;
	if (only && !second) await sendFile(context, request, response, { ...only, name, disposition: 'attachment' });
	else await sendFragments(context, request, response, name, files, 'attachment');
	return undefined;
}

function tooLarge(actual: number): Reply {
	return new Reply(105, { actual, max: LIMITS.gatewayEntryBytes });
}
