/** Content of a node into an open file, checked against its data roots. */
import type { FileHandle } from 'node:fs/promises';
import { RequestError } from '../client/request.js';
import { type DataRoot, SEGMENT_BYTES } from '../units.js';
import { CliError } from './exit-codes.js';
import { finishHash } from './local-file.js';
import type { NodeClient } from './node-client.js';
import { asCliFailure } from './request-failure.js';
import { RootStream } from './root-stream.js';

export interface WantedContent {
	readonly client: NodeClient;
	readonly root: DataRoot;
	/** Undefined when nobody has told it; the node's answer does then. */
	readonly sizeBytes: number | undefined;
	/** Called with the bytes that were written. */
	readonly onBytes: (bytes: number) => void;
}

/** A node reads so far ahead of what it has sent, and some more. */
const SEGMENTS_ASKED = 16;

/** Appends the content to the file, and answers its size. Errors: CliError; `verification` when it has another root or size. */
export async function fetchInto(file: Pick<FileHandle, 'writeFile'>, wanted: WantedContent): Promise<number> {
	const { client, root, onBytes } = wanted;
	const { size, bytes } = await client.api.unverified(root);
	const sizeBytes = wanted.sizeBytes ?? size ?? 0;
	const hash = new RootStream(sizeBytes);
	try {
		for await (const chunk of bytes) {
			hash.update(chunk);
			if (hash.sizeBytes > sizeBytes) throw wrongContent(root, `more than ${sizeBytes} bytes came`);
			await file.writeFile(chunk);
			onBytes(chunk.length);
		}
	} catch (error) {
		// Anything else is ours: wrong content, or a file that cannot be written.
		if (!(error instanceof RequestError)) throw error;
		throw await brokenOff(wanted, sizeBytes, hash.sizeBytes, error.cause ?? error);
	}
	if (hash.sizeBytes < sizeBytes) {
		const cause = new Error(`only ${hash.sizeBytes} of ${sizeBytes} bytes came`);
		throw await brokenOff(wanted, sizeBytes, hash.sizeBytes, cause);
	}
	const { root: found } = finishHash(hash, root);
	if (found !== root) throw wrongContent(root, `it has ${found}`);
	return sizeBytes;
}

/**
 * Why a download ended before its end. A node that meets damage while it sends can only break the connection; asked for the segments where it
 * broke off, it says what is wrong with them.
 */
async function brokenOff(
	{ client, root }: WantedContent,
	sizeBytes: number,
	gotBytes: number,
	cause: unknown,
): Promise<Error> {
	const from = Math.floor(gotBytes / SEGMENT_BYTES);
	const end = Math.min(Math.ceil(sizeBytes / SEGMENT_BYTES), from + SEGMENTS_ASKED);
	for (let segment = from; segment < end; segment++) {
		try {
			const answer = await client.requests.ask(`/v1/files/${root}/segments/${segment}`);
			await answer.body?.cancel();
		} catch (caught) {
			const error = asCliFailure(caught);
			if (!(error instanceof CliError) || error.code === undefined) break;
			const { exit, message, hint, code } = error;
			const what = `the node broke off after ${gotBytes} of ${sizeBytes} bytes: ${message}`;
			return new CliError(exit, what, { code, ...(hint === undefined ? {} : { hint }) });
		}
	}
	return client.unreachable(cause);
}

export function wrongContent(root: DataRoot, what: string): CliError {
	return new CliError('verification', `what the node sent is not ${root}: ${what}`, {
		hint: 'Nothing was kept. Ask another node, and tell the operator of this one.',
	});
}
