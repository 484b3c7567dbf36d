/**
 * A large file to a node: what breaks goes on from where the node stands, in this run or in a later one. The file is hashed from its beginning in
 * any case, and the node is told the root before the last segment: what has another one never gets the name.
 */
import { RequestError } from '../client/request.js';
import type { UploadResult } from '../client/upload.js';
import { CliError } from './exit-codes.js';
import { type FileToSend, HashedContent } from './hashed-content.js';
import { otherContent } from './local-file.js';
import { asCliFailure } from './request-failure.js';
import type { Target } from './send-file.js';

export interface LocalFile extends FileToSend {
	readonly source: string;
	readonly sizeBytes: number;
}

/** With the client library's pauses half a minute in all: a node that was killed is back by then. */
const TRIES = 7;
/** Times that an upload of which the node no longer knows, or has other bytes, is begun anew. */
const RESTARTS = 2;

/** Errors: CliError, RequestError; what came stays with the node, and the next call for the same file goes on there. */
export async function sendResumable({ client, notes }: Target, file: LocalFile): Promise<UploadResult> {
	const { name, type, label } = file;
	const note = await notes.of(file.source, [name, type ?? '']);
	const content = new HashedContent(file);
	for (let restarts = 0; ; restarts++) {
		const address = await note.read();
		let isKept = address !== undefined;
		try {
			const result = await client.api.uploadResumably(content, {
				name,
				pieceBytes: Number.POSITIVE_INFINITY,
				tries: TRIES,
				expectedRoot: async () => (await content.hashed()).root,
				onAddress: async (begun) => {
					await note.write(begun);
					isKept = true;
				},
				...(type === undefined ? {} : { type }),
				...(address === undefined ? {} : { address }),
			});
			await note.remove();
			return result;
		} catch (error) {
			if (!(error instanceof RequestError)) throw error;
			const isOther = error.code === 'ROOT_MISMATCH';
			if (!isOther && error.code !== 'UPLOAD_NOT_FOUND') throw isKept && mayGoOn(error) ? goesOn(error) : error;
			await note.remove();
			// What came in an earlier run was of the file as it was then. In one run, the file was damaged on its way or changed meanwhile.
			if (isOther && address === undefined) throw otherContent(label, (await content.hashed()).root);
			if (restarts === RESTARTS) throw error;
			content.restart();
		}
	}
}

function mayGoOn({ code }: RequestError): boolean {
	return code === 'UNREACHABLE' || code === 'UPLOAD_CONFLICT';
}

function goesOn(error: RequestError): unknown {
	const failure = asCliFailure(error);
	if (!(failure instanceof CliError)) return failure;
	return new CliError(failure.exit, failure.message, { hint: 'What came is kept: the same command goes on there.' });
}
