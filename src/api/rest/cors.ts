/** Which pages of other sites may read answers, and write, from a browser (cors.origins). No cookies and no credentials of the browser are involved. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { PerigeeError } from '../../errors.js';

/** Answer headers that a page may read besides the few that every page may. */
const EXPOSED = [
	'Accept-Ranges',
	'Content-Disposition',
	'Content-Length',
	'Content-Range',
	'ETag',
	'Location',
	'Retry-After',
	'WWW-Authenticate',
	'Perigee-Pending',
	'Perigee-Root',
	'Perigee-Tx-Seq',
	'Tus-Checksum-Algorithm',
	'Tus-Extension',
	'Tus-Max-Size',
	'Tus-Resumable',
	'Tus-Version',
	'Upload-Defer-Length',
	'Upload-Expires',
	'Upload-Length',
	'Upload-Metadata',
	'Upload-Offset',
].join(', ');
const METHODS = 'GET, HEAD, PUT, POST, PATCH, DELETE';
/** How long a browser remembers the answer to its question. */
const MAX_AGE_SECONDS = '600';
const HEADER_NAMES = /^[\w-]+(?:[ \t]*,[ \t]*[\w-]+)*$/;

export class Cors {
	readonly #origins: ReadonlySet<string>;
	readonly #takesAll: boolean;

	/** `origins`: as in `https://example.org`, or `*` alone. */
	constructor(origins: readonly string[]) {
		this.#origins = new Set(origins);
		this.#takesAll = this.#origins.has('*');
	}

	/**
	 * Sets the headers that go with every answer, and answers the question that a browser asks before it sends what a plain link or form could
	 * not (preflight). True when that was all. Errors: CROSS_SITE for the question of another origin.
	 */
	answers(request: IncomingMessage, response: ServerResponse): boolean {
		const { origin, 'access-control-request-method': wantedMethod } = request.headers;
		const isAllowed = this.#takesAll || (origin !== undefined && this.#origins.has(origin));
		if (!this.#takesAll) response.setHeader('Vary', 'Origin');
		if (isAllowed) {
			response.setHeader('Access-Control-Allow-Origin', this.#takesAll ? '*' : String(origin));
			response.setHeader('Access-Control-Expose-Headers', EXPOSED);
		}
		const isQuestion = request.method === 'OPTIONS' && origin !== undefined && wantedMethod !== undefined;
		if (!isQuestion) return false;
		if (!isAllowed) throw new PerigeeError('CROSS_SITE');
		const wantedHeaders = request.headers['access-control-request-headers'];
		const headers = ['Access-Control-Allow-Methods', METHODS, 'Access-Control-Max-Age', MAX_AGE_SECONDS];
		// Which headers mean something is the endpoints' business; pages that may ask at all may send any.
		if (wantedHeaders !== undefined && HEADER_NAMES.test(wantedHeaders))
			headers.push('Access-Control-Allow-Headers', wantedHeaders);
		response.writeHead(204, headers);
		response.end();
		return true;
	}

	/** Whether the request is one that a page elsewhere may make. Where every page may ask, only a token tells who means it. */
	mayWrite(request: IncomingMessage, hasToken: boolean): boolean {
		const { origin } = request.headers;
		return this.#takesAll ? hasToken : origin !== undefined && this.#origins.has(origin);
	}
}
