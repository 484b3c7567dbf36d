/** Download: a header, then the content in chunks. */
import type { Metadata, ServerWritableStream } from '@grpc/grpc-js';
import { PerigeeError } from '../../errors.js';
import { LIMITS } from '../../limits.js';
import type { FilePiece, StoredFile } from '../../log-layer/types.js';
import { refuseDeleted } from '../rest/content.js';
import type { ByteRange } from '../rest/ranges.js';
import { verifiedPieces } from '../rest/verified-pieces.js';
import { AnswerMessages } from './answer-messages.js';
import { encodeChunk } from './codec.js';
import type { GrpcContext } from './context.js';
import { namedFile } from './named-file.js';
import type { DownloadHeaderMessage, DownloadPart, DownloadRequestMessage } from './messages.js';

export type DownloadCall = ServerWritableStream<DownloadRequestMessage, DownloadPart> & { readonly metadata: Metadata };

/** Resolves when the client's side has taken everything. Errors: those of the store, BAD_REQUEST, CLIENT_GONE, RANGE_NOT_SATISFIABLE. */
export async function download(context: GrpcContext, call: DownloadCall): Promise<void> {
	const file = await namedFile(context.store, call.request);
	refuseDeleted(file);
	const range = rangeOf(call.request, file.sizeBytes);
	const isVerified = wantsVerified(call.request.verify);
	const answers = new AnswerMessages<DownloadPart>(call, context.calls.of(call), context.downloads);
	const read = (from: number): Promise<Buffer[]> | undefined =>
		from < range.to ? chunksOf(context, file, { from, to: endOfStretch(from, range.to) }, isVerified) : undefined;
	let coming = read(range.from);
	try {
		for (let from = range.from; coming; from = endOfStretch(from, range.to)) {
			const chunks = await coming;
			if (from === range.from) await answers.send({ header: headerOf(file, range) }, 0);
			coming = read(endOfStretch(from, range.to));
			// Awaited above or below; until then a rejection must not count as unhandled.
			coming?.catch(ignoreUntilAwaited);
			for (const chunk of chunks) {
				await answers.send(chunk, chunk.length);
				context.metrics.downloadBytes.inc(chunk.length);
			}
		}
		await answers.taken();
	} finally {
		await coming?.catch(ignoreUntilAwaited);
		answers.close();
	}
}

function ignoreUntilAwaited(): void {}

/** A stretch of the content, copied, so that no reading buffer of the store is held while a client takes its time. */
async function chunksOf(
	{ store }: GrpcContext,
	file: StoredFile,
	range: ByteRange,
	isVerified: boolean,
): Promise<Buffer[]> {
	const pieces: AsyncIterable<FilePiece> = isVerified
		? verifiedPieces(store, file, range)
		: store.read(file, range.from, range.to);
	const chunks: Buffer[] = [];
	let bytes = 0;
	for await (const piece of pieces) {
		for (let at = 0; at < piece.bytes.length; at += LIMITS.grpcSentChunkBytes)
			chunks.push(encodeChunk(piece.bytes.subarray(at, at + LIMITS.grpcSentChunkBytes)));
		bytes += piece.bytes.length;
		piece.release();
	}
	if (bytes !== range.to - range.from) throw new PerigeeError('INTERNAL', `${bytes} bytes were read`);
	return chunks;
}

/** Stretches end at multiples of their length: then each is one read. */
function endOfStretch(from: number, end: number): number {
	return Math.min(end, (Math.floor(from / LIMITS.grpcReadBytes) + 1) * LIMITS.grpcReadBytes);
}

/** A rule that a later client knows must not pass for a weaker one. Errors: BAD_REQUEST. */
function wantsVerified(verify: DownloadRequestMessage['verify']): boolean {
	if (verify === 'VERIFY_MERKLE') return true;
	if (verify === 'VERIFY_CHECKSUM') return false;
	throw new PerigeeError('BAD_REQUEST', `verify ${verify} is not known here.`);
}

/** Errors: RANGE_NOT_SATISFIABLE. */
function rangeOf(request: DownloadRequestMessage, sizeBytes: number): ByteRange {
	const from = Number(request.offset);
	const length = Number(request.length);
	if (from >= sizeBytes) throw new PerigeeError('RANGE_NOT_SATISFIABLE', `The file has ${sizeBytes} bytes.`);
	return { from, to: length === 0 ? sizeBytes : Math.min(sizeBytes, from + length) };
}

function headerOf(file: StoredFile, { from, to }: ByteRange): DownloadHeaderMessage {
	const { root, txSeq, sizeBytes, name, contentType } = file;
	return { root, txSeq, size: sizeBytes, offset: from, length: to - from, name, contentType };
}
