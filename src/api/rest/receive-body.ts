/** The hot path of uploads: from the request's socket into an upload session, chunk by chunk, without a stream between. */
import type { IncomingMessage } from 'node:http';
import { asPerigeeError, PerigeeError } from '../../errors.js';
import type { UploadSession } from '../../log-layer/types.js';
import type { UploadWatch, WatchedUpload } from './upload-watch.js';

export interface BodyLimits {
	readonly maxBytes: number;
	readonly watch: UploadWatch;
	/** Ends the receiving with its reason. */
	readonly signal?: AbortSignal;
}

/**
 * Writes the body into the session, which may hold the socket up, and answers the bytes received. The session is neither
 * finished nor aborted. On a rejection no write of the session is under way any more and the request is paused.
 * Errors: CLIENT_GONE, UPLOAD_TIMEOUT, BODY_TOO_LARGE, the signal's reason, and those of the session.
 */
export function receiveBody(
	request: IncomingMessage,
	session: Pick<UploadSession, 'write'>,
	limits: BodyLimits,
): Promise<number> {
	return new Promise((resolve, reject) => {
		let receivedBytes = 0;
		let failure: PerigeeError | undefined;
		let settled = false;
		const watched: WatchedUpload = {
			moved: true,
			waitsForNode: false,
			receivedBytes: () => receivedBytes,
			onIdle: () => fail(new PerigeeError('UPLOAD_TIMEOUT', idleText(limits.watch.idleTimeoutMs, receivedBytes))),
		};
		limits.watch.add(watched);
		request.on('data', take);
		request.on('end', end);
		request.on('close', gone);
		limits.signal?.addEventListener('abort', interrupted);
		if (limits.signal?.aborted) interrupted();
		else if (request.destroyed && !request.readableEnded) gone();

		function take(chunk: Buffer): void {
			watched.moved = true;
			receivedBytes += chunk.length;
			if (receivedBytes > limits.maxBytes) {
				fail(new PerigeeError('BODY_TOO_LARGE', `The body is larger than ${limits.maxBytes} bytes.`));
				return;
			}
			try {
				const writing = session.write(chunk, true);
				if (writing !== undefined) hold(writing);
			} catch (error) {
				fail(error);
			}
		}
		function hold(writing: Promise<void>): void {
			watched.waitsForNode = true;
			request.pause();
			writing.then(proceed, (error: unknown) => {
				watched.waitsForNode = false;
				fail(error);
			});
		}
		function proceed(): void {
			watched.waitsForNode = false;
			if (failure !== undefined) settle();
			else request.resume();
		}
		function end(): void {
			settle();
		}
		function gone(): void {
			fail(new PerigeeError('CLIENT_GONE', `The client broke off after ${receivedBytes} bytes.`));
		}
		function interrupted(): void {
			fail(limits.signal?.reason);
		}
		function fail(error: unknown): void {
			failure ??= asPerigeeError(error);
			request.pause();
			// A write under way still uses its chunk: only when it has settled may the session be aborted.
			if (!watched.waitsForNode) settle();
		}
		function settle(): void {
			if (settled) return;
			settled = true;
			limits.watch.remove(watched);
			request.off('data', take);
			request.off('end', end);
			request.off('close', gone);
			limits.signal?.removeEventListener('abort', interrupted);
			if (failure === undefined) resolve(receivedBytes);
			else reject(failure);
		}
	});
}

function idleText(idleTimeoutMs: number, receivedBytes: number): string {
	return `Nothing, or too little, arrived for ${idleTimeoutMs} ms; ${receivedBytes} bytes came in all.`;
}
