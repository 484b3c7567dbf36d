/** Upload: a stream of options and chunks into an upload session of the store. */
import type { Metadata, ServerReadableStream } from '@grpc/grpc-js';
import { PerigeeError } from '../../errors.js';
import { LIMITS } from '../../limits.js';
import type { UploadOptions } from '../../log-layer/types.js';
import { metered, type UploadAllowance, type UploadSink } from '../auth/byte-quota.js';
import { settled, submissionOf } from '../rest/awaited.js';
import { checkName, cleanMediaType } from '../rest/names.js';
import { rootOf } from '../rest/params.js';
import { counted } from '../rest/put-upload.js';
import type { GrpcContext } from './context.js';
import type { UploadOptionsMessage, UploadPart, UploadResponseMessage } from './messages.js';
import { RequestMessages } from './request-messages.js';

const SHA256_BYTES = 32;

export type UploadCall = ServerReadableStream<UploadPart, UploadResponseMessage> & { readonly metadata: Metadata };

/** Errors: those of the session, CLIENT_GONE, UPLOAD_TIMEOUT, and what the options hold that cannot be used. */
export async function upload(context: GrpcContext, call: UploadCall): Promise<UploadResponseMessage> {
	const messages = new RequestMessages<UploadPart>(call, context.calls.of(call), context.uploads, bytesOf);
	let allowance: UploadAllowance | undefined;
	try {
		const first = await messages.next();
		if (!first || !('options' in first)) throw new PerigeeError('BAD_REQUEST', `The first message ${faultOf(first)}.`);
		const options = optionsOf(first.options, context.maxFileBytes);
		allowance = context.calls.holderOf(call)?.quota?.begin(options.announcedBytes ?? 0);
		const session = context.store.beginUpload(options);
		const taken = metered(allowance, session);
		const result = await counted(context, session, async () => {
			const receivedBytes = await receive(messages, taken, options, context.maxFileBytes);
			context.metrics.uploadBytes.inc(receivedBytes);
			if (receivedBytes === 0) throw new PerigeeError('EMPTY_FILE');
			return await session.finish();
		});
		const stored = await settled(result, LIMITS.submissionWaitMs, context.clock);
		const { root, sizeBytes, segments, existed } = stored;
		const { txSeq, pending } = await submissionOf(stored);
		const message = { root, size: sizeBytes, segments, existed, ...(txSeq !== undefined && { txSeq }) };
		if (!pending) return message;
		const { submission, ...rest } = pending;
		return { ...message, pending: { ...rest, length: submission.length, nodes: submission.nodes } };
	} finally {
		messages.close();
		allowance?.settle();
	}
}

/** Answers the bytes of a content that is complete. Errors: BAD_REQUEST, BODY_TOO_LARGE, those of the sink and of `messages`. */
async function receive(
	messages: RequestMessages<UploadPart>,
	sink: UploadSink,
	{ announcedBytes }: UploadOptions,
	maxFileBytes: number,
): Promise<number> {
	let receivedBytes = 0;
	let hasEnd = false;
	for (let part = await messages.next(); part; part = await messages.next()) {
		if (hasEnd) throw new PerigeeError('BAD_REQUEST', 'A message came after the end.');
		hasEnd = 'end' in part;
		if (hasEnd) continue;
		if (!('chunk' in part)) throw new PerigeeError('BAD_REQUEST', `A message after the first ${faultOf(part)}.`);
		if (part.chunk.length > LIMITS.grpcChunkBytes)
			throw new PerigeeError('BODY_TOO_LARGE', `A chunk has at most ${LIMITS.grpcChunkBytes} bytes.`);
		receivedBytes += part.chunk.length;
		refuseSize(receivedBytes, announcedBytes, maxFileBytes);
		const writing = sink.write(part.chunk);
		if (writing) await writing;
	}
	if (announcedBytes === undefined && !hasEnd)
		throw new PerigeeError('BAD_REQUEST', 'The stream ended without an announced size and without the message `end`.');
	if (receivedBytes < (announcedBytes ?? 0))
		throw new PerigeeError('BAD_REQUEST', `${receivedBytes} of ${announcedBytes} announced bytes came.`);
	return receivedBytes;
}

function bytesOf(part: UploadPart): number {
	return 'chunk' in part ? part.chunk.length : 0;
}

function faultOf(part: UploadPart | undefined): string {
	if (!part) return 'is missing';
	if ('unreadable' in part) return part.unreadable;
	return 'options' in part ? 'has options again' : 'has no options';
}

/** Errors: BAD_NAME, BAD_ROOT, BAD_DIGEST, BODY_TOO_LARGE. */
function optionsOf(message: UploadOptionsMessage, maxFileBytes: number): UploadOptions {
	const { name, contentType, expectedRoot, expectedSha256, announcedBytes: announced } = message;
	if (expectedSha256.length !== 0 && expectedSha256.length !== SHA256_BYTES)
		throw new PerigeeError('BAD_DIGEST', `expected_sha256 has ${expectedSha256.length} bytes instead of 32.`);
	const announcedBytes = Number(announced);
	refuseSize(announcedBytes, undefined, maxFileBytes);
	return {
		name: checkName(name),
		contentType: cleanMediaType(contentType),
		...(announcedBytes === 0 ? {} : { announcedBytes }),
		...(expectedRoot === '' ? {} : { expectedRoot: rootOf(expectedRoot) }),
		...(expectedSha256.length === 0 ? {} : { expectedSha256 }),
	};
}

function refuseSize(bytes: number, announcedBytes: number | undefined, maxFileBytes: number): void {
	if (bytes > maxFileBytes)
		throw new PerigeeError('BODY_TOO_LARGE', `The content is larger than ${maxFileBytes} bytes.`);
	if (announcedBytes !== undefined && bytes > announcedBytes)
		throw new PerigeeError('BAD_REQUEST', `More than the ${announcedBytes} announced bytes came.`);
}
