/** PUT /v1/upload/{name}: the body is the file. */
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { Static } from 'typebox';
import { PerigeeError } from '../../errors.js';
import type { UploadOptions, UploadResult, UploadSession } from '../../log-layer/types.js';
import { type DataRoot, parseDataRoot } from '../../units.js';
import { settled, statusOfUploads, submissionOf, waitOf } from './awaited.js';
import { metered } from '../auth/byte-quota.js';
import { ENDPOINTS } from './definitions.js';
import type { UPLOAD_RESULT } from './schemas.js';
import { parseContentDigest } from './digest.js';
import type { Endpoint, RestContext, RestRequest } from './endpoint.js';
import { checkName, cleanMediaType, nameOfUrl } from './names.js';
import { sendContinue } from './problem.js';
import { sendJson } from './json.js';
import { receiveBody } from './receive-body.js';

type UploadBody = Static<typeof UPLOAD_RESULT>;

export const putUpload: Endpoint = { definition: ENDPOINTS.putUpload, countsBody: true, handle: handlePut };

async function handlePut(context: RestContext, request: RestRequest, response: ServerResponse): Promise<void> {
	const { raw } = request;
	const waitMs = waitOf(request.query['wait']);
	const options = optionsOf(raw.headers, nameOfUrl(raw.url ?? ''), context.maxFileBytes);
	const session = context.store.beginUpload(options);
	const result = await counted(context, session, async () => {
		sendContinue(raw, response);
		const receivedBytes = await receiveBody(raw, metered(context.allowances.get(raw), session), {
			maxBytes: context.maxFileBytes,
			watch: context.uploads,
		});
		context.metrics.uploadBytes.inc(receivedBytes);
		if (receivedBytes === 0) throw new PerigeeError('EMPTY_FILE');
		return await session.finish();
	});
	const stored = await settled(result, waitMs, context.clock);
	const body = await uploadBodyOf(stored);
	sendJson(response, statusOfUploads([stored]), body, ['Location', `/v1/files/${result.root}`]);
}

/** Runs one upload: aborts the session when it fails, and counts it. */
export async function counted(
	context: Pick<RestContext, 'metrics'>,
	session: UploadSession,
	run: () => Promise<UploadResult>,
): Promise<UploadResult> {
	const { metrics } = context;
	metrics.uploadsInProgress.inc();
	try {
		const result = await run();
		metrics.uploads.inc(result.existed ? { outcome: 'existed' } : { outcome: 'stored' });
		return result;
	} catch (error) {
		metrics.uploads.inc({ outcome: 'failed' });
		// What went wrong first is the answer; the session reclaims its bytes in any case.
		await session.abort().catch(() => undefined);
		throw error;
	} finally {
		metrics.uploadsInProgress.dec();
	}
}

function optionsOf(headers: IncomingHttpHeaders, name: string, maxFileBytes: number): UploadOptions {
	refuseEncoding(headers);
	const announced = headers['content-length'];
	const announcedBytes = announced === undefined ? undefined : Number(announced);
	const chunked = headers['transfer-encoding'] !== undefined;
	if (announcedBytes === 0 || (announcedBytes === undefined && !chunked)) throw new PerigeeError('EMPTY_FILE');
	if (announcedBytes !== undefined && announcedBytes > maxFileBytes) {
		throw new PerigeeError('BODY_TOO_LARGE', `The body has ${announcedBytes} bytes; ${maxFileBytes} are allowed.`);
	}
	const digest = headers['content-digest'];
	const expectedSha256 = digest === undefined ? undefined : parseContentDigest(String(digest));
	const expectedRoot = expectedRootOf(headers);
	return {
		name: checkName(name),
		contentType: cleanMediaType(headers['content-type'] ?? ''),
		...(announcedBytes === undefined ? {} : { announcedBytes }),
		...(expectedRoot === undefined ? {} : { expectedRoot }),
		...(expectedSha256 === undefined ? {} : { expectedSha256 }),
	};
}

/** Errors: ENCODING_UNSUPPORTED. */
export function refuseEncoding(headers: IncomingHttpHeaders): void {
	const encoding = headers['content-encoding'];
	if (encoding !== undefined && encoding.trim().toLowerCase() !== 'identity') {
		throw new PerigeeError('ENCODING_UNSUPPORTED', `The body has the content encoding "${encoding}".`);
	}
	const transfer = headers['transfer-encoding'];
	if (transfer !== undefined && transfer.trim().toLowerCase() !== 'chunked')
		throw new PerigeeError('ENCODING_UNSUPPORTED', `The body has the transfer encoding "${transfer}".`);
}

/** Perigee-Expected-Root. Errors: BAD_ROOT. */
export function expectedRootOf(headers: IncomingHttpHeaders): DataRoot | undefined {
	const text = headers['perigee-expected-root'];
	if (text === undefined) return undefined;
	const root = typeof text === 'string' ? parseDataRoot(text.trim()) : undefined;
	if (root === undefined) throw new PerigeeError('BAD_ROOT', 'Perigee-Expected-Root is not a data root.');
	return root;
}

export async function uploadBodyOf(result: UploadResult): Promise<UploadBody> {
	return {
		root: result.root,
		...(await submissionOf(result)),
		size: result.sizeBytes,
		name: result.name,
		segments: result.segments,
	};
}
