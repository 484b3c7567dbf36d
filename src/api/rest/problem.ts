/** Errors on the wire: RFC 9457 problem JSON, the same for every endpoint. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Static } from 'typebox';
import { ERRORS, type PerigeeError } from '../../errors.js';
import type { Clock } from '../../io/clock.js';
import { LIMITS } from '../../limits.js';
import type { PROBLEM } from './schemas.js';

/** Media type of a problem (RFC 9457). */
export const PROBLEM_TYPE = 'application/problem+json';

export type Problem = Static<typeof PROBLEM>;

/** Further members of one problem, and headers that its status asks for. */
export interface ProblemExtras {
	readonly files?: Problem['files'];
	/** Flat list of names and values. */
	readonly headers?: readonly string[];
}

/** A refusal that carries more than its code. */
export interface DetailedError extends PerigeeError {
	readonly extras?: ProblemExtras;
}

/** Adds members or headers to the problem JSON that the error will become. */
export function withExtras(error: PerigeeError, extras: ProblemExtras): PerigeeError {
	return Object.assign(error, { extras });
}

/** The body of an answer to a failed request. What went wrong inside the node stays in its log. */
export function problemOf(error: DetailedError, requestId: string): Problem {
	const rule = ERRORS[error.code];
	return {
		type: `urn:perigee:error:${error.code}`,
		title: rule.title,
		status: rule.status,
		detail: error.code === 'INTERNAL' ? rule.title : error.message,
		code: error.code,
		hint: rule.hint,
		retryable: rule.retryable,
		instance: `urn:perigee:request:${requestId}`,
		...(error.extras?.files === undefined ? {} : { files: error.extras.files }),
	};
}

/**
 * Sends the problem. When the request's body was not read to its end the connection cannot be used again: the answer says
 * so, and the rest of the body is read for a while, because a connection closed on unread bytes loses the answer too.
 */
export function sendProblem(
	request: IncomingMessage,
	response: ServerResponse,
	error: DetailedError,
	requestId: string,
	clock: Clock,
): void {
	const problem = problemOf(error, requestId);
	const body = Buffer.from(`${JSON.stringify(problem)}\n`);
	const headers = [
		'Content-Type',
		PROBLEM_TYPE,
		'Content-Length',
		String(body.length),
		'Cache-Control',
		'no-store',
		'X-Content-Type-Options',
		'nosniff',
	];
	const { retryAfterSeconds } = ERRORS[error.code] as { readonly retryAfterSeconds?: number };
	if (retryAfterSeconds !== undefined) headers.push('Retry-After', String(retryAfterSeconds));
	if (error.extras?.headers !== undefined) headers.push(...error.extras.headers);
	sendRefusal(request, response, { status: problem.status, headers, body }, clock);
}

/** Sends an answer to a request whose body may be unread: it is read on for a while so that the client sees the answer. */
export function sendRefusal(
	request: IncomingMessage,
	response: ServerResponse,
	{
		status,
		headers,
		body,
	}: { readonly status: number; readonly headers: readonly string[]; readonly body: Uint8Array },
	clock: Clock,
): void {
	const unread = hasBody(request) && !request.complete;
	response.writeHead(status, unread ? [...headers, 'Connection', 'close'] : [...headers]);
	if (!unread || request.headers.expect !== undefined) {
		response.end(body);
		return;
	}
	response.write(body);
	linger(request, response, clock);
}

function hasBody(request: IncomingMessage): boolean {
	const length = request.headers['content-length'];
	return request.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}

/** Tells a client that waits before it sends its body (Expect: 100-continue) to go on. */
export function sendContinue(request: IncomingMessage, response: ServerResponse): void {
	if (request.headers.expect === undefined) return;
	// While the header stands there the client is still waiting.
	delete request.headers.expect;
	response.writeContinue();
}

function linger(request: IncomingMessage, response: ServerResponse, clock: Clock): void {
	let left = LIMITS.httpLingerBytes;
	const cancel = clock.schedule(LIMITS.httpLingerMs, stop);
	request.on('data', take);
	request.once('end', stop);
	request.once('close', stop);
	request.resume();

	function take(chunk: Buffer): void {
		left -= chunk.length;
		if (left < 0) stop();
	}
	function stop(): void {
		cancel();
		request.off('data', take);
		response.end();
	}
}
