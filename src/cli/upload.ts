/** `perigee upload <file…>`: sends files and checks that the node computed the same data root. */
import { createReadStream } from 'node:fs';
import type { ClientRequest } from 'node:http';
import { basename } from 'node:path';
import type { Readable } from 'node:stream';
import { CliError } from './exit-codes.js';
import { finishHash, type HashedFile, READ_BYTES, sizeOfFile } from './local-file.js';
import { accepted, connectNode, type NodeClient, type NodeOptions, readJson } from './node-client.js';
import { type OutputOptions, printResult } from './output.js';
import { type Progress, startProgress } from './progress.js';
import { RootStream } from './root-stream.js';

export interface UploadVerbOptions extends NodeOptions, OutputOptions {
	/** Name under which the file is stored; only for one file. */
	readonly name?: string;
	/** Media type of all files. */
	readonly type?: string;
}

interface UploadAnswer {
	readonly root: string;
	readonly txSeq: number;
	readonly size: number;
	readonly name: string;
	readonly segments: number;
}

/** Sends each file in turn and prints its data root; ends at the first failure. `-` is standard input. */
export async function upload(files: readonly string[], options: UploadVerbOptions): Promise<void> {
	if (options.name !== undefined && files.length > 1) {
		throw new CliError('usage', '--name goes with one file', { hint: 'Upload the files one by one.' });
	}
	const client = connectNode(options);
	try {
		for (const file of files) {
			const answer = await uploadOne(client, file, options);
			printResult(options, answer, `${answer.root}  ${file}`);
		}
	} finally {
		client.close();
	}
}

async function uploadOne(client: NodeClient, file: string, options: UploadVerbOptions): Promise<UploadAnswer> {
	const isInput = file === '-';
	const sizeBytes = isInput ? undefined : await sizeOfFile(file);
	const name = options.name ?? (isInput ? '' : basename(file));
	const { outgoing, answer } = client.begin({
		method: 'PUT',
		path: `/v1/upload/${encodeURIComponent(name)}`,
		headers: {
			'Content-Type': options.type ?? 'application/octet-stream',
			...(sizeBytes === undefined ? {} : { 'Content-Length': sizeBytes }),
		},
	});
	const source = isInput ? process.stdin : createReadStream(file, { highWaterMark: READ_BYTES });
	const progress = await startProgress(options, file, sizeBytes);
	const sending = send(source, outgoing, { file, sizeBytes, progress });
	let isDone = false;
	try {
		// A node that refuses answers while the body is still on its way: whatever comes first decides.
		const incoming = await Promise.race([answer, sending.then(() => answer)]);
		const result = await readJson<UploadAnswer>(await accepted(incoming));
		const sent = await sending;
		isDone = true;
		if (sent.root === result.root && sent.sizeBytes === result.size) return result;
		throw new CliError('verification', `${file}: the node computed ${result.root}, but the file has ${sent.root}`, {
			hint: 'The file was damaged on its way, or changed while it was read; send it again.',
		});
	} finally {
		progress.stop();
		if (!isDone) {
			outgoing.destroy();
			source.destroy();
		}
		// Once the answer is known, what becomes of the rest of the body does not matter.
		await sending.catch(() => undefined);
	}
}

interface Sending {
	readonly file: string;
	readonly sizeBytes: number | undefined;
	readonly progress: Progress;
}

/** Writes the source into the request, at the request's pace, and hashes it. */
async function send(source: Readable, outgoing: ClientRequest, sending: Sending): Promise<HashedFile> {
	const hash = new RootStream();
	try {
		for await (const chunk of source as AsyncIterable<Buffer>) {
			if (outgoing.destroyed) break;
			if (!outgoing.write(chunk)) await drained(outgoing);
			hash.update(chunk);
			sending.progress.add(chunk.length);
		}
		const { file, sizeBytes } = sending;
		if (!outgoing.destroyed && sizeBytes !== undefined && hash.sizeBytes !== sizeBytes) {
			throw new CliError('failure', `${file}: changed while it was read`, {
				hint: 'Send it again once it is at rest.',
			});
		}
		const hashed = finishHash(hash, file);
		outgoing.end();
		return hashed;
	} catch (error) {
		outgoing.destroy();
		throw error;
	}
}

function drained(outgoing: ClientRequest): Promise<void> {
	return new Promise((resolve) => {
		const done = (): void => {
			outgoing.off('drain', done);
			outgoing.off('close', done);
			resolve();
		};
		outgoing.on('drain', done);
		outgoing.on('close', done);
	});
}
