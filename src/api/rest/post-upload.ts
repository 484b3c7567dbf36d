/** POST /v1/upload: the files of a multipart form, one after another, streamed; with `directory` they make a directory. */
import { createHash, type Hash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Multipart, MultipartFile } from '@fastify/multipart';
import { asPerigeeError, PerigeeError } from '../../errors.js';
import type { UploadResult, UploadSession } from '../../log-layer/types.js';
import { LIMITS } from '../../limits.js';
import { metered } from '../auth/byte-quota.js';
import { settled, statusOfUploads, waitOf } from './awaited.js';
import { ENDPOINTS } from './definitions.js';
import { parseContentDigest } from './digest.js';
import { type DirectoryUpload, directoryOf } from './directory-upload.js';
import type { Endpoint, RestContext, RestRequest } from './endpoint.js';
import { sendJson } from './json.js';
import { checkName, cleanMediaType, nameOfForm } from './names.js';
import { sendContinue, withExtras } from './problem.js';
import { counted, expectedRootOf, refuseEncoding, uploadBodyOf } from './put-upload.js';
import type { WatchedUpload } from './upload-watch.js';

export const postUpload: Endpoint = {
	definition: ENDPOINTS.postUpload,
	multipart: true,
	countsBody: true,
	handle: handlePost,
};

async function handlePost(context: RestContext, request: RestRequest, response: ServerResponse): Promise<void> {
	const { raw } = request;
	if (!request.isMultipart()) throw new PerigeeError('NOT_MULTIPART');
	refuseLongBoundary(raw.headers['content-type'] ?? '');
	refuseEncoding(raw.headers);
	const waitMs = waitOf(request.query['wait']);
	const directory = directoryOf(request);
	const form = new Form(context, request, directory);
	sendContinue(raw, response);
	const { stored, metadata } = await form.store();
	const results = metadata ? [metadata, ...stored] : stored;
	const all = await Promise.all(results.map((result) => settled(result, waitMs, context.clock)));
	const status = statusOfUploads(all);
	if (directory && metadata) {
		const [own = metadata, ...files] = all;
		sendJson(response, status, await directory.bodyOf(own, files), ['Location', `/v1/files/${own.root}/path/`]);
		return;
	}
	const bodies = await Promise.all(all.map(uploadBodyOf));
	const [only, second] = bodies;
	if (only === undefined) throw noFile();
	if (second !== undefined) sendJson(response, status, { files: bodies });
	else sendJson(response, status, only, ['Location', `/v1/files/${only.root}`]);
}

/** The form's parser takes no longer ones; RFC 2046 allows 70 characters. */
const MOST_BOUNDARY = 250;

function refuseLongBoundary(contentType: string): void {
	const [, boundary = ''] = /boundary=("[^"]*"|[^;]*)/i.exec(contentType) ?? [];
	if (boundary.length > MOST_BOUNDARY)
		throw new PerigeeError('BAD_REQUEST', `The boundary of a form has at most 70 characters, not ${boundary.length}.`);
}

function noFile(): PerigeeError {
	return new PerigeeError('BAD_REQUEST', 'The form has no file in it.');
}

interface StoredForm {
	/** Files with bytes, in the order of the form. */
	readonly stored: readonly UploadResult[];
	/** Of a directory. */
	readonly metadata?: UploadResult;
}

/** One form on its way in. */
class Form {
	readonly #context: RestContext;
	readonly #request: RestRequest;
	readonly #directory: DirectoryUpload | undefined;
	readonly #expectedRoot;
	/** Over the body as it is sent, with its boundaries: what Content-Digest covers. */
	readonly #digest: { readonly expected: Uint8Array; readonly hash: Hash } | undefined;
	readonly #watched: WatchedUpload;
	readonly #stored: UploadResult[] = [];
	#receivedBytes = 0;

	constructor(context: RestContext, request: RestRequest, directory: DirectoryUpload | undefined) {
		this.#context = context;
		this.#request = request;
		this.#directory = directory;
		const { raw } = request;
		this.#expectedRoot = expectedRootOf(raw.headers);
		const header = raw.headers['content-digest'];
		const expected = header === undefined ? undefined : parseContentDigest(String(header));
		if (expected && directory) throw digestOfSeveral();
		this.#digest = expected === undefined ? undefined : { expected, hash: createHash('sha256') };
		// The form's parser ends on an error of its source; the socket stays open for the answer.
		this.#watched = {
			moved: true,
			waitsForNode: false,
			receivedBytes: () => this.#receivedBytes,
			onIdle: () => raw.emit('error', idle(context)),
		};
	}

	/** Stores all files. After an error the problem names those that were stored before it. */
	async store(): Promise<StoredForm> {
		const { raw } = this.#request;
		this.#context.uploads.add(this.#watched);
		raw.on('data', this.#seen);
		try {
			const directory = this.#directory;
			const limits = formLimits(this.#context.maxFileBytes, directory !== undefined);
			const parts = this.#request.parts({ limits, preservePath: directory !== undefined });
			let part = await nextPart(parts);
			if (directory && !part) throw noFile();
			while (part !== undefined) {
				part = directory ? await this.#storeEntry(directory, part, parts) : await this.#storeFile(part, parts);
			}
			const stored = this.#stored;
			return directory ? { stored, metadata: await directory.store(this.#context, this.#expectedRoot) } : { stored };
		} catch (error) {
			raw.unpipe();
			const known = asFormError(error);
			if (this.#stored.length === 0) throw known;
			throw withExtras(known, { files: await Promise.all(this.#stored.map(uploadBodyOf)) });
		} finally {
			raw.off('data', this.#seen);
			this.#context.uploads.remove(this.#watched);
		}
	}

	readonly #seen = (chunk: Buffer): void => {
		this.#watched.moved = true;
		this.#receivedBytes += chunk.length;
		this.#digest?.hash.update(chunk);
	};

	/** Stores one file; answers the next, which is looked for early only where the digest decides before anything is visible. */
	async #storeFile(part: MultipartFile, parts: AsyncIterator<Multipart>): Promise<MultipartFile | undefined> {
		const { store } = this.#context;
		let next: MultipartFile | undefined;
		const session = store.beginUpload({
			name: checkName(nameOfForm(part.filename ?? '')),
			contentType: cleanMediaType(part.mimetype),
			...(this.#expectedRoot === undefined ? {} : { expectedRoot: this.#expectedRoot }),
		});
		const result = await counted(this.#context, session, async () => {
			await this.#fill(part.file, part.file, session);
			if (this.#digest !== undefined) {
				next = await nextPart(parts);
				this.#checkDigest(next);
			}
			return await session.finish();
		});
		this.#stored.push(result);
		return this.#digest === undefined ? await nextPart(parts) : next;
	}

	/** Stores one file of a directory; answers the next. */
	async #storeEntry(
		directory: DirectoryUpload,
		part: MultipartFile,
		parts: AsyncIterator<Multipart>,
	): Promise<MultipartFile | undefined> {
		const path = nameOfForm(part.filename ?? '');
		const name = directory.nameAt(path);
		const chunks = (part.file as AsyncIterable<Buffer>)[Symbol.asyncIterator]() as AsyncIterableIterator<Buffer>;
		const first = await chunks.next();
		if (first.done === true) {
			directory.add(path);
		} else {
			const session = this.#context.store.beginUpload({ name, contentType: cleanMediaType(part.mimetype) });
			const result = await counted(this.#context, session, async () => {
				await this.#fill(part.file, withFirst(first.value, chunks), session);
				return await session.finish();
			});
			this.#stored.push(result);
			directory.add(path, result);
		}
		return await nextPart(parts);
	}

	async #fill(
		file: { readonly truncated?: boolean },
		chunks: AsyncIterable<Buffer>,
		session: UploadSession,
	): Promise<void> {
		let receivedBytes = 0;
		const taken = metered(this.#context.allowances.get(this.#request.raw), session);
		for await (const chunk of chunks) {
			receivedBytes += chunk.length;
			const writing = taken.write(chunk);
			if (writing === undefined) continue;
			this.#watched.waitsForNode = true;
			await writing;
			this.#watched.waitsForNode = false;
		}
		this.#context.metrics.uploadBytes.inc(receivedBytes);
		const { maxFileBytes } = this.#context;
		if (file.truncated === true)
			throw new PerigeeError('BODY_TOO_LARGE', `A file has more than ${maxFileBytes} bytes.`);
		if (receivedBytes === 0) throw new PerigeeError('EMPTY_FILE');
	}

	#checkDigest(next: MultipartFile | undefined): void {
		if (this.#digest === undefined) return;
		if (next !== undefined) {
			next.file.resume();
			throw digestOfSeveral();
		}
		if (!this.#digest.hash.digest().equals(this.#digest.expected)) throw new PerigeeError('DIGEST_MISMATCH');
	}
}

async function* withFirst(first: Buffer, rest: AsyncIterableIterator<Buffer>): AsyncGenerator<Buffer, void, undefined> {
	yield first;
	yield* rest;
}

function digestOfSeveral(): PerigeeError {
	return new PerigeeError(
		'BAD_REQUEST',
		'Content-Digest covers the whole form, so it can only be checked for a form with one file.',
	);
}

function formLimits(maxFileBytes: number, isDirectory: boolean) {
	const files = isDirectory ? LIMITS.directoryFiles : LIMITS.multipartFiles;
	return {
		fileSize: maxFileBytes,
		files,
		fields: LIMITS.multipartFields,
		parts: files + LIMITS.multipartFields,
		fieldNameSize: LIMITS.nameBytes,
		fieldSize: LIMITS.multipartFieldBytes,
		headerPairs: LIMITS.httpHeaderCount,
	};
}

async function nextPart(parts: AsyncIterator<Multipart>): Promise<MultipartFile | undefined> {
	for (;;) {
		const step = await parts.next();
		if (step.done === true) return undefined;
		if (step.value.type === 'file') return step.value;
	}
}

function idle(context: RestContext): PerigeeError {
	return new PerigeeError('UPLOAD_TIMEOUT', `Nothing, or too little, arrived for ${context.uploads.idleTimeoutMs} ms.`);
}

/** Errors of the form's parser carry codes of their own. */
function asFormError(error: unknown): PerigeeError {
	if (error instanceof PerigeeError) return error;
	const { code, message } = error as { readonly code?: string; readonly message?: string };
	switch (code) {
		case 'FST_REQ_FILE_TOO_LARGE':
			return new PerigeeError('BODY_TOO_LARGE', undefined, { cause: error });
		case 'FST_FILES_LIMIT':
		case 'FST_PARTS_LIMIT':
		case 'FST_FIELDS_LIMIT':
			return new PerigeeError(
				'BAD_REQUEST',
				`A form holds at most ${LIMITS.multipartFiles} files (of a directory ${LIMITS.directoryFiles}) and ${LIMITS.multipartFields} other fields.`,
			);
		case 'FST_MP_PREMATURE_CLOSE':
		case 'ECONNRESET':
			return new PerigeeError('CLIENT_GONE', undefined, { cause: error });
		case 'FST_PROTO_VIOLATION':
		case 'FST_INVALID_JSON_FIELD_ERROR':
			return new PerigeeError('BAD_REQUEST', `The form has a field that cannot be read: ${message}.`, { cause: error });
		default:
			// The parser's own complaints about broken forms have no code.
			if (/multipart/i.test(message ?? '')) {
				return new PerigeeError('BAD_REQUEST', `The form cannot be read: ${message}.`, { cause: error });
			}
			return asPerigeeError(error);
	}
}
