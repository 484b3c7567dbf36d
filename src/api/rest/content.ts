/** GET and HEAD of whole files, ranges and segments: /v1/files/{root} and /v1/submissions/{txSeq}. */
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { PerigeeError } from '../../errors.js';
import { LIMITS } from '../../limits.js';
import type { FilePiece, StoredFile } from '../../log-layer/types.js';
import type { DataRoot } from '../../units.js';
import { ifMatchHolds, ifNoneMatchNames, ifRangeHolds } from './conditions.js';
import { type EndpointDefinition, ENDPOINTS } from './definitions.js';
import type { Endpoint, RestContext, RestRequest } from './endpoint.js';
import { NO_STORE } from './json.js';
import { cleanMediaType, contentDisposition, type Disposition } from './names.js';
import { rootOf, txSeqOf } from './params.js';
import { withExtras } from './problem.js';
import { RANGE_PROOF_TYPE, rangeProof } from './range-proof.js';
import { rangeParts } from './range-parts.js';
import { type ByteRange, parseRanges } from './ranges.js';
import { streamFile } from './stream-file.js';
import { verifiedPieces } from './verified-pieces.js';

const A_YEAR = 'max-age=31536000, immutable';

const ONLY_IF_CACHED = /(?:^|,)[ \t]*only-if-cached[ \t]*(?:,|$)/i;
/** Of the text between parts: files come from anybody, and nobody may guess it. */
const BOUNDARY_BYTES = 16;

/** Files come from anybody: a browser must neither guess their type nor run what they hold. */
export const UNTRUSTED = [
	'X-Content-Type-Options',
	'nosniff',
	'Content-Security-Policy',
	"default-src 'none'; style-src 'unsafe-inline'; sandbox",
] as const;

export const submissionContent: Endpoint = heldEndpoint(ENDPOINTS.submissionContent, fileOfSeq, sendContent);

/**
 * Answers with bytes of the file that an address names. With `Cache-Control: only-if-cached` what is not held here is refused as such, known or
 * not. Errors: NOT_CACHED, and those of `fileOf` and `send`.
 */
export function heldEndpoint(
	definition: EndpointDefinition,
	fileOf: (context: RestContext, request: RestRequest) => Promise<StoredFile>,
	send: (context: RestContext, request: RestRequest, response: ServerResponse, file: StoredFile) => Promise<void>,
): Endpoint {
	return {
		definition,
		async handle(context, request, response) {
			try {
				await send(context, request, response, await fileOf(context, request));
			} catch (error) {
				const isAbsent = error instanceof PerigeeError && (error.code === 'NOT_HELD' || error.code === 'NOT_FOUND');
				if (isAbsent && ONLY_IF_CACHED.test(request.raw.headers['cache-control'] ?? ''))
					throw new PerigeeError('NOT_CACHED', error.message, { cause: error });
				throw error;
			}
		},
	};
}

/** The file that the address names by its root. Errors: BAD_ROOT, NOT_FOUND. */
export async function fileOfRoot(context: RestContext, request: RestRequest): Promise<StoredFile> {
	const root = rootOf(request.params['root'] ?? '');
	const file = await context.store.fileByRoot(root);
	if (file === undefined) throw new PerigeeError('NOT_FOUND', `No file with the data root ${root} is known here.`);
	return file;
}

/** The file that the address names by its submission. Errors: BAD_REQUEST, NOT_FOUND. */
export async function fileOfSeq(context: RestContext, request: RestRequest): Promise<StoredFile> {
	const txSeq = txSeqOf(request.params['txSeq'] ?? '');
	const file = await context.store.fileBySeq(txSeq);
	if (file === undefined) throw new PerigeeError('NOT_FOUND', `No submission ${txSeq} is known here.`);
	return file;
}

/** A file that a directory names; `path` is where it stands there. Errors: NOT_HELD. */
export async function fileOfEntry({ store }: RestContext, root: DataRoot, path: string): Promise<StoredFile> {
	const file = await store.fileByRoot(root);
	if (file === undefined)
		throw new PerigeeError('NOT_HELD', `${path} has the data root ${root}, which is not known here.`);
	return file;
}

/** A file as it is served. */
export interface ServedFile extends StoredFile {
	/** Absent: inline. */
	readonly disposition?: Disposition;
}

/** Answers with the bytes of a file, or those that the request asks for, in the form that its parameters ask for. */
export async function sendContent(
	context: RestContext,
	request: RestRequest,
	response: ServerResponse,
	file: StoredFile,
): Promise<void> {
	const isVerified = wantsVerified(request.query['verify']);
	refuseDeleted(file);
	if (wantsRangeProof(request.query)) await sendRangeProof(context, request, response, file);
	else await sendFile(context, request, response, file, isVerified);
}

/** The same of a file that is not deleted, without a look at parameters. `isVerified`: each segment is hashed again. */
export async function sendFile(
	context: RestContext,
	request: RestRequest,
	response: ServerResponse,
	file: ServedFile,
	isVerified = false,
): Promise<void> {
	const { headers, method } = request.raw;
	const etag = `"${file.root}"`;
	if (isKnownToClient(context, headers, etag, response)) return;
	if (method === 'HEAD') {
		if (!file.finalized) throw new PerigeeError('NOT_HELD');
		sendHead(response, contentHead(context, file, etag, typeOf(file), file.sizeBytes));
		return;
	}
	const ranges = rangesOf(headers, file.sizeBytes, etag);
	const source = (range: ByteRange): AsyncIterable<FilePiece> =>
		isVerified ? verifiedPieces(context.store, file, range) : context.store.read(file, range.from, range.to);
	if (ranges !== undefined && ranges.length > 1) {
		await sendParts(context, response, file, ranges, etag, source);
		return;
	}
	const { from, to } = ranges?.[0] ?? { from: 0, to: file.sizeBytes };
	const head = contentHead(context, file, etag, typeOf(file), to - from);
	if (ranges !== undefined) head.push('Content-Range', `bytes ${from}-${to - 1}/${file.sizeBytes}`);
	const status = ranges === undefined ? 200 : 206;
	if (isVerified) await sendPieces(context, response, source({ from, to }), to - from, status, head);
	else await sendBytes(context, response, file, { from, to, status, head });
}

/** Errors: BAD_REQUEST. */
function wantsRangeProof({ proof, verify }: RestRequest['query']): boolean {
	if (proof === undefined) return false;
	if (proof !== 'range') throw new PerigeeError('BAD_REQUEST', 'proof is range, or absent.');
	if (verify !== undefined) throw new PerigeeError('BAD_REQUEST', 'An answer with a proof is not verified here too.');
	return true;
}

/** The range of the request, or the whole file, with what proves it. No cache knows how to cut such an answer, so none may keep it. */
async function sendRangeProof(
	context: RestContext,
	{ raw: { headers, method } }: RestRequest,
	response: ServerResponse,
	file: StoredFile,
): Promise<void> {
	const whole = { from: 0, to: file.sizeBytes };
	const ranges = method === 'HEAD' ? undefined : rangesOf(headers, file.sizeBytes, `"${file.root}"`);
	if (ranges !== undefined && ranges.length > 1) throw new PerigeeError('BAD_REQUEST', 'A proof is of one range.');
	const range = ranges?.[0] ?? whole;
	const etag = `"${file.root}:${range.from}-${range.to - 1}:proof"`;
	if (isKnownToClient(context, headers, etag, response, NO_STORE)) return;
	const { lengthBytes, pieces } = rangeProof(context.store, file, range);
	const head = ['Content-Type', RANGE_PROOF_TYPE, 'Content-Length', String(lengthBytes), 'ETag', etag];
	head.push('X-Content-Type-Options', 'nosniff', ...NO_STORE);
	// Beside what else the answer varies by.
	response.appendHeader('Vary', 'Range');
	if (method !== 'HEAD') {
		await sendPieces(context, response, pieces(), lengthBytes, 200, head);
		return;
	}
	if (!file.finalized) throw new PerigeeError('NOT_HELD');
	sendHead(response, head);
}

/** Errors: BAD_REQUEST. */
function wantsVerified(value: string | undefined): boolean {
	if (value === undefined) return false;
	if (value === 'merkle') return true;
	throw new PerigeeError('BAD_REQUEST', 'verify is merkle.');
}

/** Several ranges, one part each. */
async function sendParts(
	context: RestContext,
	response: ServerResponse,
	file: ServedFile,
	ranges: readonly ByteRange[],
	etag: string,
	source: (range: ByteRange) => AsyncIterable<FilePiece>,
): Promise<void> {
	const boundary = Buffer.from(context.randomness.bytes(BOUNDARY_BYTES)).toString('hex');
	const parts = rangeParts(ranges, { sizeBytes: file.sizeBytes, contentType: typeOf(file) }, boundary, source);
	const head = contentHead(context, file, etag, parts.contentType, parts.lengthBytes);
	await sendPieces(context, response, parts.pieces(), parts.lengthBytes, 206, head);
}

/** A deleted file has no content, whatever the client knows. Errors: GONE. */
export function refuseDeleted(file: StoredFile): void {
	if (file.deleted) throw new PerigeeError('GONE');
}

/** Cache-Control of bytes that never change. What only tokens can read no shared cache may keep. */
export function immutable({ access }: RestContext): string {
	return access.asksFor('read') ? `private, ${A_YEAR}` : `public, ${A_YEAR}`;
}

/** Answers 304 when the client holds this content already. Errors: PRECONDITION_FAILED. */
export function isKnownToClient(
	context: RestContext,
	headers: IncomingHttpHeaders,
	etag: string,
	response: ServerResponse,
	caching: readonly string[] = ['Cache-Control', immutable(context)],
): boolean {
	const ifMatch = headers['if-match'];
	if (ifMatch !== undefined && !ifMatchHolds(ifMatch, etag)) {
		throw new PerigeeError('PRECONDITION_FAILED', `The entity tag of the content is ${etag}.`);
	}
	const ifNoneMatch = headers['if-none-match'];
	if (ifNoneMatch === undefined || !ifNoneMatchNames(ifNoneMatch, etag)) return false;
	response.writeHead(304, ['ETag', etag, ...caching]);
	response.end();
	return true;
}

/** Undefined: the whole content. Errors: RANGE_NOT_SATISFIABLE, BAD_REQUEST. */
function rangesOf(headers: IncomingHttpHeaders, sizeBytes: number, etag: string): readonly ByteRange[] | undefined {
	if (headers.range === undefined) return undefined;
	const ifRange = headers['if-range'];
	if (ifRange !== undefined && !ifRangeHolds(String(ifRange), etag)) return undefined;
	const ranges = parseRanges(headers.range, sizeBytes);
	if (ranges !== 'unsatisfiable') return ranges;
	throw withExtras(new PerigeeError('RANGE_NOT_SATISFIABLE', `The file has ${sizeBytes} bytes.`), {
		headers: ['Content-Range', `bytes */${sizeBytes}`],
	});
}

function typeOf(file: StoredFile): string {
	return cleanMediaType(file.contentType) || 'application/octet-stream';
}

function contentHead(
	context: RestContext,
	file: ServedFile,
	etag: string,
	contentType: string,
	lengthBytes: number,
): string[] {
	const head = [
		'Content-Type',
		contentType,
		'Content-Length',
		String(lengthBytes),
		'ETag',
		etag,
		'Accept-Ranges',
		'bytes',
		'Cache-Control',
		immutable(context),
		...UNTRUSTED,
	];
	if (file.name !== '') head.push('Content-Disposition', contentDisposition(file.name, file.disposition));
	return head;
}

export interface BytesAnswer extends ByteRange {
	readonly status: number;
	/** Flat list of names and values. */
	readonly head: string[];
}

/** Sends bytes of a file: small ones with one write, the others piece by piece. */
export async function sendBytes(
	context: RestContext,
	response: ServerResponse,
	file: StoredFile,
	answer: BytesAnswer,
): Promise<void> {
	const { from, to, status, head } = answer;
	if (to - from <= LIMITS.httpSmallFileBytes) {
		const bytes = await context.store.readSmall(file, from, to);
		response.writeHead(status, head);
		response.end(bytes);
		context.metrics.downloadBytes.inc(bytes.length);
		return;
	}
	await sendPieces(context, response, context.store.read(file, from, to), to - from, status, head);
}

/** Answers without a body: to HEAD, or of content that has no bytes. */
export function sendHead(response: ServerResponse, head: string[]): void {
	response.writeHead(200, head);
	response.end();
}

/** Sends what is read piece by piece, and counts it. Errors: those of reading; after the head they cut the connection. */
export async function sendPieces(
	context: RestContext,
	response: ServerResponse,
	pieces: AsyncIterable<FilePiece>,
	lengthBytes: number,
	status: number,
	head: string[],
): Promise<void> {
	const sent = await streamFile(
		pieces,
		lengthBytes,
		response,
		() => response.writeHead(status, head),
		context.downloads,
	);
	context.metrics.downloadBytes.inc(sent);
}
