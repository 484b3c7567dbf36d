/** One file to a node: sent as it is read, hashed on the way, and compared with the root that the node computed. */
import type { ClientRequest } from 'node:http';
import { Readable } from 'node:stream';
import { LIMITS } from '../limits.js';
import { drained } from './drained.js';
import { changedWhileRead, finishHash, type HashedFile, otherRoot, readLocal } from './local-file.js';
import { accepted, type NodeClient, readJson } from './node-client.js';
import { RootStream } from './root-stream.js';
import { type LocalFile, sendResumable } from './send-resumable.js';

export interface FileToSend {
	/** Path of the file, `-` for standard input, or the bytes themselves. */
	readonly source: string | Uint8Array;
	/** What messages call it. */
	readonly label: string;
	/** Name under which it is stored. */
	readonly name: string;
	/** Media type. */
	readonly type?: string | undefined;
	/** Unknown of standard input. */
	readonly sizeBytes: number | undefined;
	/** Called with the bytes that were sent. */
	readonly onSent: (bytes: number) => void;
}

export interface UploadAnswer {
	readonly root: string;
	readonly txSeq: number;
	readonly size: number;
	readonly name: string;
	readonly segments: number;
}

/** Errors: CliError; `verification` when the node computed another root. A large file goes on where it broke off. */
export async function sendFile(client: NodeClient, file: FileToSend): Promise<UploadAnswer> {
	return isLargeFile(file) ? sendResumable(client, file) : sendAtOnce(client, file);
}

function isLargeFile(file: FileToSend): file is LocalFile {
	const { source, sizeBytes = 0 } = file;
	return typeof source === 'string' && source !== '-' && sizeBytes >= LIMITS.clientResumableBytes;
}

async function sendAtOnce(client: NodeClient, file: FileToSend): Promise<UploadAnswer> {
	const { label, sizeBytes } = file;
	const { outgoing, answer } = client.begin({
		method: 'PUT',
		path: `/v1/upload/${encodeURIComponent(file.name)}`,
		headers: {
			'Content-Type': file.type ?? 'application/octet-stream',
			...(sizeBytes === undefined ? {} : { 'Content-Length': sizeBytes }),
		},
	});
	const source = sourceOf(file);
	const sending = send(source, outgoing, file);
	let isDone = false;
	try {
		// A node that refuses answers while the body is still on its way: whatever comes first decides.
		const incoming = await Promise.race([answer, sending.then(() => answer)]);
		const result = await readJson<UploadAnswer>(await accepted(incoming));
		const sent = await sending;
		isDone = true;
		if (sent.root === result.root && sent.sizeBytes === result.size) return result;
		throw otherRoot(label, result.root, sent.root);
	} finally {
		if (!isDone) {
			outgoing.destroy();
			source.destroy();
		}
		// Once the answer is known, what becomes of the rest of the body does not matter.
		await sending.catch(() => undefined);
	}
}

function sourceOf({ source, sizeBytes }: FileToSend): Readable {
	if (typeof source !== 'string') return Readable.from([source]);
	return source === '-' ? process.stdin : readLocal(source, sizeBytes);
}

/** Writes the source into the request, at the request's pace, and hashes it. */
async function send(source: Readable, outgoing: ClientRequest, file: FileToSend): Promise<HashedFile> {
	const { label, sizeBytes, onSent } = file;
	const hash = new RootStream(sizeBytes);
	try {
		for await (const chunk of source as AsyncIterable<Buffer>) {
			if (outgoing.destroyed) break;
			if (!outgoing.write(chunk)) await drained(outgoing);
			hash.update(chunk);
			onSent(chunk.length);
		}
		if (!outgoing.destroyed && sizeBytes !== undefined && hash.sizeBytes !== sizeBytes) throw changedWhileRead(label);
		const hashed = finishHash(hash, label);
		outgoing.end();
		return hashed;
	} catch (error) {
		outgoing.destroy();
		throw error;
	}
}
