/** GET /v1/files/{root}/path/{path}: one entry of a directory. */
import type { ServerResponse } from 'node:http';
import type { Static } from 'typebox';
import { PerigeeError } from '../../errors.js';
import type { StoredFile } from '../../log-layer/types.js';
import {
	fileOfEntry,
	fileOfRoot,
	heldEndpoint,
	immutable,
	isKnownToClient,
	refuseDeleted,
	sendContent,
} from './content.js';
import { ENDPOINTS } from './definitions.js';
import type { FileNode, TreeNode } from './directory-metadata.js';
import { entryAt } from './directory-tree.js';
import { sendFragments } from './fragments.js';
import type { Endpoint, RestContext, RestRequest } from './endpoint.js';
import { sendJson } from './json.js';
import { partsOfUrl } from './names.js';
import type { DIRECTORY_ENTRY } from './schemas.js';

type EntryBody = Static<typeof DIRECTORY_ENTRY>;

export const directoryPath: Endpoint = heldEndpoint(ENDPOINTS.directoryPath, fileOfRoot, sendEntry);

async function sendEntry(
	context: RestContext,
	request: RestRequest,
	response: ServerResponse,
	directory: StoredFile,
): Promise<void> {
	const isMetaWanted = wantsMeta(request.query['meta']);
	const written = partsOfUrl(request.raw.url ?? '');
	// An empty last part stands behind the slash that only a directory has.
	const namesDirectory = written.at(-1) === '';
	const parts = namesDirectory ? written.slice(0, -1) : written;
	refuseDeleted(directory);
	const entry = entryAt(await context.directories.read(directory), parts);
	const shown = parts.join('/').slice(0, 200);
	if (entry === undefined) throw new PerigeeError('NOT_FOUND', `The directory has no entry ${shown}.`);
	if (namesDirectory && entry.type !== 'directory')
		throw new PerigeeError('NOT_FOUND', `${shown} is no directory; ask without the slash at the end.`);
	if (entry.type === 'file' && !isMetaWanted) {
		await sendFile(context, request, response, entry);
		return;
	}
	// The address tells which entry it is.
	const etag = `"${directory.root}:entry"`;
	if (isKnownToClient(context, request.raw.headers, etag, response)) return;
	sendJson(response, 200, bodyOf(entry), ['ETag', etag, 'Cache-Control', immutable(context)]);
}

/** Errors: BAD_REQUEST. */
function wantsMeta(value: string | undefined): boolean {
	if (value === undefined || value === '0') return false;
	if (value === '1') return true;
	throw new PerigeeError('BAD_REQUEST', 'meta is 1 or 0.');
}

async function sendFile(
	context: RestContext,
	request: RestRequest,
	response: ServerResponse,
	{ name, roots }: FileNode,
): Promise<void> {
	const files: StoredFile[] = [];
	for (const root of roots) files.push({ ...(await fileOfEntry(context, root, name)), name });
	const [only, second] = files;
	if (only !== undefined && second === undefined) await sendContent(context, request, response, only);
	else await sendFragments(context, request, response, name, files);
}

function bodyOf(entry: TreeNode): EntryBody {
	if (entry.type !== 'directory') return entryBodyOf(entry);
	return { ...entryBodyOf(entry), entries: entry.entries.map(entryBodyOf) };
}

function entryBodyOf(entry: TreeNode): Omit<EntryBody, 'entries'> {
	const { name, type } = entry;
	if (type === 'file') return { name, type, size: entry.size, roots: [...entry.roots] };
	return type === 'symbolic' ? { name, type, link: entry.link } : { name, type };
}
