/** The client library over the command line's own connections to a node: TCP, TLS or a Unix socket. */
import { readFileSync } from 'node:fs';
import * as http from 'node:http';
import * as https from 'node:https';
import { resolve } from 'node:path';
import { LIMITS } from '../limits.js';
import { TOKEN_SHAPE } from '../api/auth/token-file.js';
import { PerigeeClient } from '../client/client.js';
import { RequestError, Requests } from '../client/request.js';
import { CliError } from './exit-codes.js';
import { fetchOver } from './node-fetch.js';

const UNIX = 'unix:';
const DEFAULT_NODE = 'http://127.0.0.1:5678';
const DEFAULT_ADMIN = 'http://127.0.0.1:5679';

/** By what a verb shows who it is. */
export interface TokenOptions {
	/** --token-file */
	readonly tokenFile?: string;
}

export interface NodeOptions extends TokenOptions {
	/** --node */
	readonly node?: string;
}

export interface AdminOptions extends TokenOptions {
	/** --admin */
	readonly admin?: string;
}

/** A node's address from the command line, else PERIGEE_NODE, else the default. */
function nodeUrl(options: NodeOptions): URL {
	return urlOf(options.node ?? (process.env['PERIGEE_NODE'] || DEFAULT_NODE), DEFAULT_NODE);
}

/** The same for a node's admin listener: --admin, PERIGEE_ADMIN. */
function adminUrl(options: AdminOptions): URL {
	return urlOf(options.admin ?? (process.env['PERIGEE_ADMIN'] || DEFAULT_ADMIN), DEFAULT_ADMIN);
}

function urlOf(text: string, example: string): URL {
	const full = text.includes('://') || text.startsWith(UNIX) ? text : `http://${text}`;
	const url = URL.canParse(full) ? new URL(full) : undefined;
	if (url !== undefined && /^https?:$/.test(url.protocol)) return url;
	if (text.startsWith(UNIX) && text.length > UNIX.length) return new URL(`${UNIX}${resolve(text.slice(UNIX.length))}`);
	throw new CliError('usage', `"${text}" is not the address of a node`, { hint: `Write it like ${example}.` });
}

/** A client of REST. */
export function connectNode(options: NodeOptions): NodeClient {
	return new NodeClient(nodeUrl(options), tokenOf(options));
}

/** A client of the admin listener. */
export function connectAdmin(options: AdminOptions): NodeClient {
	return new NodeClient(adminUrl(options), tokenOf(options));
}

/** From --token-file, else PERIGEE_TOKEN. There is no flag for the token itself: others could read it in the list of processes. */
function tokenOf({ tokenFile }: TokenOptions): string | undefined {
	const from = tokenFile ?? 'PERIGEE_TOKEN';
	const text = tokenFile === undefined ? process.env['PERIGEE_TOKEN'] : readFileSync(tokenFile, 'utf8');
	const token = text?.trim();
	if (token === undefined || (token === '' && tokenFile === undefined)) return undefined;
	if (TOKEN_SHAPE.test(token)) return token;
	throw new CliError('usage', `${from}: this is no token`, {
		hint: 'A token is what perigee token create has printed.',
	});
}

/** Stands for a Unix socket in addresses of the client library. */
const SOCKET_ADDRESS = 'http://localhost/';

/** One node; connections are kept between requests until `close`. */
export class NodeClient {
	readonly url: URL;
	/** REST. */
	readonly api: PerigeeClient;
	/** What the client library has no functions for: metrics, the admin listener. */
	readonly requests: Requests;
	readonly #agent: http.Agent;

	constructor(url: URL, token: string | undefined) {
		this.url = url;
		const { Agent, request } = url.protocol === 'https:' ? https : http;
		this.#agent = new Agent({ keepAlive: true });
		const fetch = fetchOver(
			(address, { method, headers, signal }) => {
				const outgoing = request({
					...this.#place(address),
					agent: this.#agent,
					method,
					headers,
					signal,
					timeout: LIMITS.clientSilenceMs,
				});
				const silence = new Error(`nothing came for ${LIMITS.clientSilenceMs / 1000} s`);
				return outgoing.on('timeout', () => outgoing.destroy(silence));
			},
			(error) => this.unreachable(error),
		);
		const node = url.protocol === UNIX ? SOCKET_ADDRESS : url;
		const options = { node, fetch, ...(token === undefined ? {} : { token }) };
		this.api = new PerigeeClient(options);
		this.requests = new Requests(options);
	}

	close(): void {
		this.#agent.destroy();
	}

	/** Where the node is, as people write it. */
	get name(): string {
		return this.url.protocol === UNIX ? this.url.href : this.url.origin;
	}

	#place({ protocol, hostname, port, pathname, search }: URL): http.RequestOptions {
		const path = pathname + search;
		if (this.url.protocol === UNIX) return { socketPath: decodeURIComponent(this.url.pathname), path };
		return { protocol, hostname: hostname.replace(/^\[|\]$/g, ''), port, path };
	}

	/** What a broken connection means to the user. */
	unreachable(error: unknown): RequestError {
		const { code, message } = error as NodeJS.ErrnoException;
		if (code !== undefined && UNTRUSTED.test(code))
			return new RequestError(`the certificate of ${this.name} is not trusted (${code})`, {
				code: 'UNREACHABLE',
				hint: 'Name the certificate of its authority, or its own if it has signed itself, in NODE_EXTRA_CA_CERTS.',
			});
		return new RequestError(`no answer from ${this.name} (${code ?? message})`, {
			code: 'UNREACHABLE',
			retryable: true,
			hint: 'Start a node with "perigee start", or name another one with --node or PERIGEE_NODE (for scrub and errors: --admin or PERIGEE_ADMIN).',
		});
	}
}

/** Codes of OpenSSL and Node for certificates that lead to no known authority or another name. */
const UNTRUSTED = /^(?:CERT_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_|ERR_TLS_CERT)/;
