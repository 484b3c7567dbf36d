/** A directory, or one file, as a tar: GET /v1/files/{root}?archive=tar. */
import type { ServerResponse } from 'node:http';
import { PerigeeError } from '../../errors.js';
import type { FilePiece, StoredFile } from '../../log-layer/types.js';
import { LIMITS } from '../../limits.js';
import type { DataRoot } from '../../units.js';
import {
	fileOfEntry,
	fileOfRoot,
	heldEndpoint,
	immutable,
	isKnownToClient,
	refuseDeleted,
	sendContent,
	sendHead,
	sendPieces,
	UNTRUSTED,
} from './content.js';
import { ENDPOINTS } from './definitions.js';
import { entriesBelow, type PlacedNode, staysInside } from './directory-tree.js';
import type { Endpoint, RestContext, RestRequest } from './endpoint.js';
import { contentDisposition } from './names.js';
import { TAR_END, type TarEntry, tarHead, tarPadding } from './tar.js';

export const fileContent: Endpoint = heldEndpoint(ENDPOINTS.fileContent, fileOfRoot, sendFileOrArchive);

type LinkRule = 'refuse' | 'skip' | 'keep';

/** One entry of the archive, and the stored files whose bytes stand in it. */
interface Member extends TarEntry {
	readonly roots: readonly DataRoot[];
}

async function sendFileOrArchive(
	context: RestContext,
	request: RestRequest,
	response: ServerResponse,
	file: StoredFile,
): Promise<void> {
	const { archive, links, verify, proof } = request.query;
	if (archive === undefined) {
		if (links !== undefined) throw new PerigeeError('BAD_REQUEST', 'links goes with archive=tar.');
		await sendContent(context, request, response, file);
		return;
	}
	if (archive !== 'tar') throw new PerigeeError('BAD_REQUEST', 'archive is tar.');
	if (verify !== undefined || proof !== undefined)
		throw new PerigeeError('BAD_REQUEST', 'verify and proof do not go with archive.');
	const rule = linkRuleOf(links);
	refuseDeleted(file);
	await sendArchive(context, request, response, file, rule);
}

/** Errors: BAD_REQUEST. */
function linkRuleOf(value: string | undefined): LinkRule {
	if (value === undefined) return 'refuse';
	if (value === 'skip' || value === 'keep') return value;
	throw new PerigeeError('BAD_REQUEST', 'links is skip or keep.');
}

async function sendArchive(
	context: RestContext,
	request: RestRequest,
	response: ServerResponse,
	file: StoredFile,
	rule: LinkRule,
): Promise<void> {
	const isDirectory = await context.directories.isDirectory(file);
	const members = isDirectory
		? await directoryMembers(context, file, rule)
		: [{ kind: 'file', path: file.name || file.root, sizeBytes: heldBytesOf(file), roots: [file.root] } as const];
	// The name of a single file stands in its archive, and may change.
	const etag = `"${file.root}:tar${rule === 'refuse' ? '' : `:${rule}`}"`;
	if (isDirectory && isKnownToClient(context, request.raw.headers, etag, response)) return;
	let lengthBytes = TAR_END.length;
	for (const member of members)
		lengthBytes += tarHead(member).length + member.sizeBytes + tarPadding(member.sizeBytes).length;
	const head = ['Content-Type', 'application/x-tar', 'Content-Length', String(lengthBytes), 'Accept-Ranges', 'none'];
	head.push(
		...(isDirectory ? ['ETag', etag, 'Cache-Control', immutable(context)] : ['Cache-Control', 'private, no-cache']),
		...UNTRUSTED,
	);
	head.push('Content-Disposition', contentDisposition(`${file.name || file.root}.tar`));
	if (request.raw.method === 'HEAD') {
		sendHead(response, head);
		return;
	}
	await sendPieces(context, response, archivePieces(context, members), lengthBytes, 200, head);
}

/** What a directory holds, in its order; every file is known to be here. Errors: NOT_HELD, GONE, UNSAFE_LINK, and those of reading its metadata. */
async function directoryMembers(
	context: RestContext,
	directory: StoredFile,
	rule: LinkRule,
): Promise<readonly Member[]> {
	const placed = [...entriesBelow(await context.directories.read(directory))].filter((entry) => isTaken(entry, rule));
	const members: Member[] = [];
	for (let at = 0; at < placed.length; at += LIMITS.directoryLookups)
		members.push(
			...(await Promise.all(placed.slice(at, at + LIMITS.directoryLookups).map((entry) => memberOf(context, entry)))),
		);
	return members;
}

/** Errors: UNSAFE_LINK. */
function isTaken({ node, parts }: PlacedNode, rule: LinkRule): boolean {
	if (node.type !== 'symbolic' || rule === 'keep' || staysInside(parts, node.link)) return true;
	if (rule === 'skip') return false;
	throw new PerigeeError('UNSAFE_LINK', `${parts.join('/')} leads to ${node.link.slice(0, 200)}.`);
}

async function memberOf(context: RestContext, { node, parts }: PlacedNode): Promise<Member> {
	const path = parts.join('/');
	if (node.type === 'directory') return { kind: 'directory', path, sizeBytes: 0, roots: [] };
	if (node.type === 'symbolic') return { kind: 'link', path, sizeBytes: 0, link: node.link, roots: [] };
	let sizeBytes = 0;
	for (const root of node.roots) sizeBytes += heldBytesOf(await fileOfEntry(context, root, path), path);
	return { kind: 'file', path, sizeBytes, roots: node.roots };
}

/** Bytes of a file that is here whole. Errors: GONE, NOT_HELD. */
function heldBytesOf(file: StoredFile, path = 'The file'): number {
	if (file.deleted) throw new PerigeeError('GONE', `${path} (${file.root}) was deleted here.`);
	if (!file.finalized) throw new PerigeeError('NOT_HELD', `${path} (${file.root}) is not held here whole.`);
	return file.sizeBytes;
}

/** The bytes of the archive. Of a small file head, content and padding are one piece. Errors: those of FileStore.read. */
async function* archivePieces(
	context: RestContext,
	members: readonly Member[],
): AsyncGenerator<FilePiece, void, undefined> {
	const { store } = context;
	for (const member of members) {
		const head = tarHead(member);
		const padding = tarPadding(member.sizeBytes);
		const files: StoredFile[] = [];
		for (const root of member.roots) files.push(await fileOfEntry(context, root, member.path));
		if (member.sizeBytes <= LIMITS.httpSmallFileBytes) {
			const contents: Uint8Array[] = [];
			for (const file of files) contents.push(await store.readSmall(file, 0, file.sizeBytes));
			yield piece(Buffer.concat([head, ...contents, padding]));
			continue;
		}
		yield piece(head);
		for (const file of files) yield* store.read(file, 0, file.sizeBytes);
		if (padding.length > 0) yield piece(padding);
	}
	yield piece(TAR_END);
}

function piece(bytes: Uint8Array): FilePiece {
	return { bytes, release() {} };
}
