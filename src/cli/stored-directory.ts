/** The tree of a stored directory, fetched from a node and checked against its root. */
import {
	decodeDirectory,
	DIRECTORY_HEAD_BYTES,
	type DirectoryNode,
	isDirectoryHead,
} from '../api/rest/directory-metadata.js';
import { ERRORS, PerigeeError } from '../errors.js';
import { LIMITS } from '../limits.js';
import type { DataRoot } from '../units.js';
import { CliError } from './exit-codes.js';
import { fetchInto } from './fetch-file.js';
import type { NodeClient } from './node-client.js';

/** Errors: CliError; `refused` with the code when the file is no directory, or one that cannot be used. */
export async function fetchDirectory(client: NodeClient, root: DataRoot): Promise<DirectoryNode> {
	const chunks: Buffer[] = [];
	let bytes = 0;
	const memory = {
		async writeFile(chunk: unknown): Promise<void> {
			chunks.push(chunk as Buffer);
			bytes += (chunk as Buffer).length;
			if (bytes <= LIMITS.directoryMetadataBytes) return;
			const isDirectory = isDirectoryHead(Buffer.concat(chunks.slice(0, DIRECTORY_HEAD_BYTES)));
			throw asCli(new PerigeeError(isDirectory ? 'DIRECTORY_TOO_LARGE' : 'NOT_A_DIRECTORY'), root);
		},
	};
	await fetchInto(memory, { client, root, sizeBytes: undefined, onBytes() {} });
	try {
		return decodeDirectory(Buffer.concat(chunks));
	} catch (error) {
		throw asCli(error, root);
	}
}

function asCli(error: unknown, root: DataRoot): unknown {
	if (!(error instanceof PerigeeError)) return error;
	const hint =
		error.code === 'NOT_A_DIRECTORY'
			? 'Fetch it as a file: perigee download <root> -o <file>.'
			: ERRORS[error.code].hint;
	return new CliError('refused', `${root}: ${error.message}`, { hint, code: error.code });
}
