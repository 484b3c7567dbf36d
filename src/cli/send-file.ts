/** One file to a node: sent as it is read, hashed on the way, and compared with the root that the node computed. */
import type { UploadResult } from '../client/upload.js';
import { LIMITS } from '../limits.js';
import { type FileToSend, HashedContent } from './hashed-content.js';
import { otherRoot } from './local-file.js';
import type { NodeClient } from './node-client.js';
import { type LocalFile, sendResumable } from './send-resumable.js';
import type { UploadNotes } from './upload-notes.js';

/** Where files go, and what is remembered of those that are on their way. */
export interface Target {
	readonly client: NodeClient;
	readonly notes: UploadNotes;
	/** Pays for those that nobody has submitted, where that is wanted; the results as they are then. */
	readonly pay: (results: readonly UploadResult[]) => Promise<readonly UploadResult[]>;
}

/** Errors: CliError, RequestError; `verification` when the node computed another root. A large file goes on where it broke off. */
export async function sendFile(target: Target, file: FileToSend): Promise<UploadResult> {
	return isLargeFile(file) ? sendResumable(target, file) : sendAtOnce(target.client, file);
}

function isLargeFile(file: FileToSend): file is LocalFile {
	const { source, sizeBytes = 0 } = file;
	return typeof source === 'string' && source !== '-' && sizeBytes >= LIMITS.clientResumableBytes;
}

async function sendAtOnce(client: NodeClient, file: FileToSend): Promise<UploadResult> {
	const { label, name, type, sizeBytes } = file;
	const content = new HashedContent(file);
	const result = await client.api.upload(sizeBytes === undefined ? content.open(0) : content, {
		name,
		...(type === undefined ? {} : { type }),
	});
	const sent = await content.hashed();
	if (sent.root === result.root && sent.sizeBytes === result.size) return result;
	throw otherRoot(label, result.root, sent.root);
}
