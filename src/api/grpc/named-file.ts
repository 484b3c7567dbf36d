/** The file that a request names. */
import { PerigeeError } from '../../errors.js';
import type { FileStore, StoredFile } from '../../log-layer/types.js';
import { rootOf, txSeqOf } from '../rest/params.js';
import type { FileNameMessage } from './messages.js';

/** Errors: BAD_REQUEST, BAD_ROOT, NOT_FOUND. */
export async function namedFile(store: FileStore, request: FileNameMessage): Promise<StoredFile> {
	const { root, txSeq } = request;
	if (root !== undefined) {
		const file = await store.fileByRoot(rootOf(root));
		if (!file) throw new PerigeeError('NOT_FOUND', `No file with the data root ${root} is known here.`);
		return file;
	}
	if (txSeq === undefined) throw new PerigeeError('BAD_REQUEST', 'The request names no file: set root or tx_seq.');
	const file = await store.fileBySeq(txSeqOf(txSeq));
	if (!file) throw new PerigeeError('NOT_FOUND', `No submission ${txSeq} is known here.`);
	return file;
}
