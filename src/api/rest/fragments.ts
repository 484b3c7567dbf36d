/** A file of a directory that consists of several stored files, or of none: sent whole, without ranges. */
import type { ServerResponse } from 'node:http';
import { PerigeeError } from '../../errors.js';
import type { FilePiece, FileStore, StoredFile } from '../../log-layer/types.js';
import { immutable, isKnownToClient, refuseDeleted, sendHead, sendPieces, UNTRUSTED } from './content.js';
import type { RestContext, RestRequest } from './endpoint.js';
import { contentDisposition, type Disposition } from './names.js';

/** Sends the files one behind another. Errors: GONE, NOT_HELD. */
export async function sendFragments(
	context: RestContext,
	request: RestRequest,
	response: ServerResponse,
	name: string,
	files: readonly StoredFile[],
	disposition?: Disposition,
): Promise<void> {
	const etag = `"${files.map(({ root }) => root).join('+')}"`;
	let lengthBytes = 0;
	for (const file of files) {
		refuseDeleted(file);
		if (!file.finalized) throw new PerigeeError('NOT_HELD');
		lengthBytes += file.sizeBytes;
	}
	if (isKnownToClient(context, request.raw.headers, etag, response)) return;
	const head = ['Content-Type', 'application/octet-stream', 'Content-Length', String(lengthBytes), 'ETag', etag];
	head.push('Accept-Ranges', 'none', 'Cache-Control', immutable(context), ...UNTRUSTED);
	head.push('Content-Disposition', contentDisposition(name, disposition));
	if (request.raw.method === 'HEAD' || lengthBytes === 0) {
		sendHead(response, head);
		return;
	}
	await sendPieces(context, response, joined(context.store, files), lengthBytes, 200, head);
}

async function* joined(store: FileStore, files: readonly StoredFile[]): AsyncGenerator<FilePiece, void, undefined> {
	for (const file of files) yield* store.read(file, 0, file.sizeBytes);
}
