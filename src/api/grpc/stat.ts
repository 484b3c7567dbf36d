/** Stat: what the node knows of a file. */
import { hexOf } from '../../units.js';
import type { GrpcContext } from './context.js';
import { namedFile } from './named-file.js';
import type { FileInfoMessage, FileNameMessage } from './messages.js';

/** Errors: BAD_REQUEST, BAD_ROOT, NOT_FOUND. */
export async function stat({ store }: GrpcContext, request: FileNameMessage): Promise<FileInfoMessage> {
	const file = await namedFile(store, request);
	return {
		root: file.root,
		txSeq: file.txSeq,
		size: file.sizeBytes,
		segments: file.segments,
		segmentsPadded: file.segmentsPadded,
		startSector: String(file.startSector),
		paddedSectors: String(file.paddedSectors),
		finalized: file.finalized,
		deleted: file.deleted,
		heldSegments: file.heldSegments,
		name: file.name,
		contentType: file.contentType,
		uploadedAtMs: file.uploadedAtMs,
		submitter: file.submitter,
		tags: file.tags,
		nodes: file.nodes.map(({ root, height }) => ({ root: hexOf(root), height })),
	};
}
