/** Resumable uploads by the tus protocol 1.0 (https://tus.io/protocols/resumable-upload) at /v1/tus/. */
import { createHash, type Hash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { PerigeeError } from '../../errors.js';
import { LIMITS } from '../../limits.js';
import type { ResumableUpload, ResumeOptions, ResumeSession } from '../../log-layer/types.js';
import { metered } from '../auth/byte-quota.js';
import { settled, submissionOf } from './awaited.js';
import { type EndpointDefinition, ENDPOINTS } from './definitions.js';
import type { Endpoint, Handler, RestContext, RestRequest } from './endpoint.js';
import { sendContinue, withExtras } from './problem.js';
import { expectedRootOf, refuseEncoding } from './put-upload.js';
import { receiveBody } from './receive-body.js';
import {
	CHECKSUM_ALGORITHMS,
	newLength,
	OFFSET_STREAM,
	parseChecksum,
	parseMetadata,
	TUS_VERSION,
	type TusChecksum,
	wholeHeader,
} from './tus-headers.js';

const EXTENSIONS = 'creation,creation-with-upload,creation-defer-length,checksum,expiration,termination';

/** Headers of every answer, refusals too. */
const ALWAYS = { 'Tus-Resumable': TUS_VERSION };

export const tusOptions: Endpoint = {
	definition: ENDPOINTS.tusOptions,
	always: ALWAYS,
	handle(context, _request, response) {
		const head = ['Tus-Version', TUS_VERSION, 'Tus-Extension', EXTENSIONS];
		head.push('Tus-Checksum-Algorithm', CHECKSUM_ALGORITHMS.join(','), 'Tus-Max-Size', String(context.maxFileBytes));
		answer(response, 204, head);
		return Promise.resolve();
	},
};

export const tusCreate: Endpoint = tusEndpoint(ENDPOINTS.tusCreate, async (context, request, response) => {
	const { headers } = request.raw;
	refuseEncoding(headers);
	const sizeBytes = newLength(headers);
	const options = {
		...parseMetadata(first(headers['upload-metadata'])),
		...(sizeBytes === undefined ? {} : { sizeBytes }),
	};
	const isWithBytes = headers['content-type'] !== undefined && hasBytes(request.raw);
	if (isWithBytes) refuseOtherTypes(request.raw);
	const { resumables } = context.store;
	let upload = await resumables.create(options);
	if (isWithBytes) {
		try {
			upload = await receive(context, request, response, upload.id, { offsetBytes: 0 });
		} catch (error) {
			// Only an answer without an error tells where the upload is, so that nobody could go on with it.
			await resumables.remove(upload.id).catch(() => undefined);
			throw error;
		}
	}
	answer(response, 201, ['Location', `/v1/tus/${upload.id}`, ...(await standing(context, upload))]);
});

export const tusHead: Endpoint = tusEndpoint(ENDPOINTS.tusHead, async (context, request, response) => {
	const upload = await context.store.resumables.find(idOf(request));
	const { sizeBytes, metadata } = upload;
	const head = await standing(context, upload);
	if (sizeBytes === undefined) head.push('Upload-Defer-Length', '1');
	else head.push('Upload-Length', String(sizeBytes));
	if (metadata !== '') head.push('Upload-Metadata', metadata);
	answer(response, 200, head);
});

export const tusPatch: Endpoint = tusEndpoint(ENDPOINTS.tusPatch, patch);

export const tusRemove: Endpoint = tusEndpoint(ENDPOINTS.tusRemove, remove);

/** For clients that can send nothing but GET and POST. */
export const tusOverride: Endpoint = tusEndpoint(ENDPOINTS.tusOverride, async (context, request, response) => {
	const method = first(request.raw.headers['x-http-method-override']);
	if (method === 'PATCH') await patch(context, request, response);
	else if (method === 'DELETE') await remove(context, request, response);
	else throw new PerigeeError('BAD_REQUEST', 'X-HTTP-Method-Override is PATCH or DELETE here.');
});

async function patch(context: RestContext, request: RestRequest, response: ServerResponse): Promise<void> {
	const { headers } = request.raw;
	refuseEncoding(headers);
	refuseOtherTypes(request.raw);
	const offsetBytes = wholeHeader(headers, 'upload-offset');
	if (offsetBytes === undefined) throw new PerigeeError('BAD_REQUEST', 'Upload-Offset is missing.');
	const sizeBytes = wholeHeader(headers, 'upload-length');
	const expectedRoot = expectedRootOf(headers);
	const upload = await receive(context, request, response, idOf(request), {
		offsetBytes,
		...(expectedRoot === undefined ? {} : { expectedRoot }),
		...(sizeBytes === undefined ? {} : { sizeBytes }),
	});
	answer(response, 204, await standing(context, upload));
}

async function remove(context: RestContext, request: RestRequest, response: ServerResponse): Promise<void> {
	await context.store.resumables.remove(idOf(request));
	answer(response, 204, []);
}

/** Takes the body of a request into an upload. What came before the connection broke is kept, unless a checksum covers it. */
async function receive(
	context: RestContext,
	request: RestRequest,
	response: ServerResponse,
	id: string,
	place: Omit<ResumeOptions, 'isChecked'>,
): Promise<ResumableUpload> {
	const { raw } = request;
	const checksum = parseChecksum(first(raw.headers['upload-checksum']));
	const session = await context.store.resumables.resume(id, { ...place, isChecked: checksum !== undefined });
	const { metrics } = context;
	metrics.uploadsInProgress.inc();
	try {
		sendContinue(raw, response);
		await fill(context, raw, session, checksum);
		const upload = await session.pause();
		if (!upload.stored) return upload;
		metrics.uploads.inc({ outcome: 'stored' });
		const stored = await settled(upload.stored, LIMITS.submissionWaitMs, context.clock);
		return { ...upload, stored };
	} catch (error) {
		metrics.uploads.inc({ outcome: 'failed' });
		throw error;
	} finally {
		metrics.uploadsInProgress.dec();
	}
}

/** Errors: CHECKSUM_MISMATCH, those of receiveBody; the session is over then. */
async function fill(
	context: RestContext,
	raw: IncomingMessage,
	session: ResumeSession,
	checksum: TusChecksum | undefined,
): Promise<void> {
	const hash = checksum && createHash(checksum.algorithm);
	try {
		const limits = { maxBytes: context.maxFileBytes, watch: context.uploads, signal: session.interrupted };
		const taken = metered(context.allowances.get(raw), session);
		const receivedBytes = await receiveBody(raw, hash ? hashing(taken, hash) : taken, limits);
		context.metrics.uploadBytes.inc(receivedBytes);
		if (hash && checksum && !hash.digest().equals(checksum.digest)) throw new PerigeeError('CHECKSUM_MISMATCH');
	} catch (error) {
		// What went wrong first is the answer.
		if (checksum) await session.discard();
		else await session.pause().catch(() => undefined);
		throw error;
	}
}

function hashing(session: Pick<ResumeSession, 'write'>, hash: Hash): Pick<ResumeSession, 'write'> {
	return {
		write(chunk, isGiven) {
			hash.update(chunk);
			return session.write(chunk, isGiven);
		},
	};
}

/** An endpoint for clients that speak the version that is spoken here. */
function tusEndpoint(definition: EndpointDefinition, handle: Handler<RestContext>): Endpoint {
	return {
		definition,
		anyBody: true,
		always: ALWAYS,
		countsBody: true,
		async handle(context, request, response) {
			if (request.raw.headers['tus-resumable'] !== TUS_VERSION)
				throw withExtras(new PerigeeError('TUS_VERSION'), { headers: ['Tus-Version', TUS_VERSION] });
			await handle(context, request, response);
		},
	};
}

/** How far an upload has come, as headers. */
async function standing(
	{ store }: RestContext,
	{ offsetBytes, expiresMs, stored }: ResumableUpload,
): Promise<string[]> {
	const head = ['Upload-Offset', String(offsetBytes), 'Upload-Expires', new Date(expiresMs).toUTCString()];
	if (!stored) return head;
	const { txSeq = (await store.fileByRoot(stored.root))?.txSeq } = stored;
	head.push('Perigee-Root', stored.root);
	if (txSeq !== undefined) head.push('Perigee-Tx-Seq', String(txSeq));
	else head.push('Perigee-Pending', JSON.stringify((await submissionOf(stored)).pending ?? {}));
	return head;
}

function answer(response: ServerResponse, status: number, head: readonly string[]): void {
	response.writeHead(status, [
		'Cache-Control',
		'no-store',
		...head,
		...(status === 201 ? ['Content-Length', '0'] : []),
	]);
	response.end();
}

function idOf(request: RestRequest): string {
	return request.params['id'] ?? '';
}

function first(header: string | string[] | undefined): string | undefined {
	return header === undefined ? undefined : String(header);
}

function hasBytes({ headers }: IncomingMessage): boolean {
	return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** Errors: TUS_BODY. */
function refuseOtherTypes({ headers }: IncomingMessage): void {
	if (first(headers['content-type'])?.trim().toLowerCase() !== OFFSET_STREAM) throw new PerigeeError('TUS_BODY');
}
