/** One segment of a file, as bytes or with the proof that leads to the data root (spec log-layer §1.5). */
import type { ServerResponse } from 'node:http';
import type { Static } from 'typebox';
import { PerigeeError } from '../../errors.js';
import type { FileProof, StoredFile } from '../../log-layer/types.js';
import { hexOf, SEGMENT_BYTES } from '../../units.js';
import {
	fileOfRoot,
	fileOfSeq,
	heldEndpoint,
	immutable,
	isKnownToClient,
	refuseDeleted,
	sendBytes,
} from './content.js';
import { ENDPOINTS } from './definitions.js';
import type { MERKLE_PROOF, SEGMENT_WITH_PROOF } from './schemas.js';
import type { Endpoint, RestContext, RestRequest } from './endpoint.js';
import { sendJsonWithBytes } from './json.js';
import { segmentIndexOf } from './params.js';

export const fileSegment: Endpoint = heldEndpoint(ENDPOINTS.fileSegment, fileOfRoot, sendSegment);

export const submissionSegment: Endpoint = heldEndpoint(ENDPOINTS.submissionSegment, fileOfSeq, sendSegment);

/** A proof as JSON (spec log-layer §1.5). */
export function proofBodyOf(proof: FileProof): Static<typeof MERKLE_PROOF> {
	return { lemma: proof.lemma.map(hexOf), path: [...proof.path] };
}

async function sendSegment(
	context: RestContext,
	request: RestRequest,
	response: ServerResponse,
	file: StoredFile,
): Promise<void> {
	const index = segmentIndexOf(request.params['i'] ?? '');
	refuseDeleted(file);
	if (index >= file.segments) {
		throw new PerigeeError('NOT_FOUND', `The file has ${file.segments} segments; ${index} is not one of them.`);
	}
	const withProof = wantsProof(request.query['proof']);
	const etag = withProof ? `"${file.root}:${index}:proof"` : `"${file.root}:${index}"`;
	if (isKnownToClient(context, request.raw.headers, etag, response)) return;
	const caching = ['ETag', etag, 'Cache-Control', immutable(context)];
	if (withProof) {
		const { data, proof } = await context.store.segmentProof(file, index);
		const body: Omit<Static<typeof SEGMENT_WITH_PROOF>, 'data'> = {
			root: file.root,
			txSeq: file.txSeq,
			index,
			size: file.sizeBytes,
			proof: proofBodyOf(proof),
		};
		context.metrics.downloadBytes.inc(data.length);
		sendJsonWithBytes(response, body, 'data', data, caching);
		return;
	}
	const from = index * SEGMENT_BYTES;
	const to = Math.min(from + SEGMENT_BYTES, file.sizeBytes);
	const head = ['Content-Type', 'application/octet-stream', 'Content-Length', String(to - from)];
	head.push('X-Content-Type-Options', 'nosniff', ...caching);
	await sendBytes(context, response, file, { from, to, status: 200, head });
}

function wantsProof(value: string | undefined): boolean {
	if (value === undefined || value === '0' || value === 'false') return false;
	if (value === '' || value === '1' || value === 'true') return true;
	throw new PerigeeError('BAD_REQUEST', 'proof is 1 or 0.');
}
