/** Uploads: in one request, or in several that go on where a connection broke off (tus 1.0). */
import type { Static } from 'typebox';
import type { UPLOAD_RESULT } from '../api/rest/schemas.js';
import type { Requests } from './request.js';
import {
	bodyOf,
	checkContent,
	checkName,
	checkPieceBytes,
	type Content,
	lengthOf,
	Pieces,
	sizeOf,
	wrongSize,
} from './source.js';
import { TusUpload } from './tus-upload.js';

export type UploadResult = Static<typeof UPLOAD_RESULT>;

export interface UploadOptions {
	/** File name, at most 1,024 bytes of UTF-8; none when absent. */
	readonly name?: string;
	/** Media type; that of a Blob when absent. */
	readonly type?: string;
	/** Bytes of a stream or iterable, where they are known. */
	readonly size?: number;
	/** Refused (ROOT_MISMATCH) if the content has another data root. */
	readonly expectedRoot?: string;
	readonly signal?: AbortSignal;
	/** Told how many bytes are sent, and how many there are if that is known. */
	readonly onProgress?: (doneBytes: number, totalBytes: number | undefined) => void;
}

export interface ResumableOptions extends Omit<UploadOptions, 'expectedRoot'> {
	/**
	 * Refused (ROOT_MISMATCH) if the content has another data root. A function is asked once, before the last piece is sent: it may have hashed the content while that was read. Nothing is made a file before the node has compared.
	 */
	readonly expectedRoot?: string | (() => string | Promise<string>);
	/** Address of an upload that was begun before, from `onAddress`: it goes on where it ended. */
	readonly address?: string;
	/** Told the address of the upload as soon as there is one, and awaited; who keeps it can go on after anything. */
	readonly onAddress?: (address: string) => void | Promise<void>;
	/**
	 * Bytes of one request; 8 MiB when absent. Two such pieces of a stream are kept in memory. Infinity: content that can be read again goes in one
	 * request, as it is read; a `Reopenable` then needs a `fetch` that sends streams, as Node's does and browsers' do not.
	 */
	readonly pieceBytes?: number;
	/** Tries without a single new byte before it is given up; 5 when absent. */
	readonly tries?: number;
}

const PIECE_BYTES = 8 * 1024 * 1024;
const SEGMENT_BYTES = 262_144;

/**
 * One request. Content of unknown length needs a runtime whose `fetch` sends streams over HTTP/1.1, as Node's does and browsers' do not.
 * Errors: RequestError, what the signal says.
 */
export async function uploadAtOnce(
	requests: Requests,
	content: Content,
	options: UploadOptions,
): Promise<UploadResult> {
	const { name = '', type = typeOf(content), expectedRoot, signal, onProgress } = options;
	checkName(name);
	checkContent(content);
	const total = sizeOf(content) ?? options.size;
	let sent = 0;
	// Not every `fetch` leaves off reading a body that nobody wants any more.
	let isOver = false;
	const { body, headers, failures } = bodyOf(
		content,
		0,
		(count) => onProgress?.((sent += count), total),
		() => isOver || signal?.aborted === true,
	);
	try {
		const result = await requests.json<UploadResult>(`/v1/upload/${encodeURIComponent(name)}`, {
			method: 'PUT',
			headers: {
				'Content-Type': type,
				...headers,
				...(expectedRoot === undefined ? {} : { 'Perigee-Expected-Root': expectedRoot }),
			},
			body,
			signal,
		});
		if (!(body instanceof ReadableStream)) onProgress?.(lengthOf(body), total);
		return result;
	} catch (error) {
		throw failures.length > 0 ? failures[0] : error;
	} finally {
		isOver = true;
	}
}

/** Several requests; what broke off goes on. Errors: RequestError, TypeError when the content has another size, what the signal says. */
export async function uploadResumably(
	requests: Requests,
	content: Content,
	options: ResumableOptions,
): Promise<UploadResult> {
	const { expectedRoot, name = '', pieceBytes = PIECE_BYTES } = options;
	checkName(name);
	checkContent(content);
	checkPieceBytes(pieceBytes, content);
	const upload = new TusUpload(requests, sizeOf(content) ?? options.size, options);
	const from = await upload.begin(typeOf(content));
	const pieces = new Pieces(content, { pieceBytes, from, isEndApart: typeof expectedRoot === 'function' });
	try {
		let piece = await pieces.next();
		while (!upload.isSent) {
			// Only whoever has looked for a next one knows that a piece is the last: it tells the size if nobody has.
			const next = await pieces.next();
			await upload.send(piece, lengthOf(next) === 0);
			piece = next;
		}
		if (lengthOf(piece) > 0) throw wrongSize(upload.size);
	} finally {
		await pieces.close();
	}
	const result = await upload.result();
	return { ...result, name, segments: Math.ceil(result.size / SEGMENT_BYTES) };
}

function typeOf(content: Content): string {
	return (content instanceof Blob && content.type) || 'application/octet-stream';
}
