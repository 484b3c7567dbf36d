/** HTTP to a node, over TCP, TLS or a Unix socket: errors become exit codes and hints, bodies stay streams. */
import { readFileSync } from 'node:fs';
import * as http from 'node:http';
import * as https from 'node:https';
import { resolve } from 'node:path';
import { LIMITS } from '../limits.js';
import { TOKEN_SHAPE } from '../api/auth/token-file.js';
import { CliError, type ExitName } from './exit-codes.js';

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

export interface NodeRequest {
	readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
	readonly path: string;
	readonly headers?: http.OutgoingHttpHeaders;
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

/** One node; connections are kept between requests until `close`. */
export class NodeClient {
	readonly url: URL;
	readonly #agent: http.Agent;
	readonly #identity: http.OutgoingHttpHeaders;

	constructor(url: URL, token: string | undefined) {
		this.url = url;
		this.#identity = token === undefined ? {} : { Authorization: `Bearer ${token}` };
		const { Agent } = url.protocol === 'https:' ? https : http;
		this.#agent = new Agent({ keepAlive: true });
	}

	/** Begins a request; the caller writes its body and awaits `answer`. */
	begin(request: NodeRequest): {
		readonly outgoing: http.ClientRequest;
		readonly answer: Promise<http.IncomingMessage>;
	} {
		const { request: send } = this.url.protocol === 'https:' ? https : http;
		const outgoing = send({
			...this.#place(request.path),
			agent: this.#agent,
			method: request.method,
			headers: { ...this.#identity, ...request.headers },
			timeout: LIMITS.clientSilenceMs,
		});
		outgoing.on('timeout', () => outgoing.destroy(new Error(`nothing came for ${LIMITS.clientSilenceMs / 1000} s`)));
		const answer = new Promise<http.IncomingMessage>((resolve, reject) => {
			outgoing.on('response', resolve);
			outgoing.on('error', (error) => reject(this.unreachable(error)));
		});
		return { outgoing, answer };
	}

	/** Sends a request without a body; answers once the head of a success is there. */
	async get(path: string, headers: http.OutgoingHttpHeaders = {}): Promise<http.IncomingMessage> {
		return this.ask('GET', path, headers);
	}

	/** The same with any method. */
	async ask(
		method: NodeRequest['method'],
		path: string,
		headers: http.OutgoingHttpHeaders = {},
	): Promise<http.IncomingMessage> {
		const { outgoing, answer } = this.begin({ method, path, headers });
		outgoing.end();
		return await accepted(await answer);
	}

	async getJson<T>(path: string): Promise<T> {
		return await readJson<T>(await this.get(path));
	}

	close(): void {
		this.#agent.destroy();
	}

	/** Where the node is, as people write it. */
	get name(): string {
		return this.url.protocol === UNIX ? this.url.href : this.url.origin;
	}

	#place(path: string): http.RequestOptions {
		const { protocol, hostname, port, pathname } = this.url;
		if (protocol === UNIX) return { socketPath: decodeURIComponent(pathname), path };
		return { protocol, hostname: hostname.replace(/^\[|\]$/g, ''), port, path: pathname.replace(/\/$/, '') + path };
	}

	/** What a broken connection means to the user. */
	unreachable(error: unknown): CliError {
		const { code, message } = error as NodeJS.ErrnoException;
		if (code !== undefined && UNTRUSTED.test(code))
			return new CliError('unreachable', `the certificate of ${this.name} is not trusted (${code})`, {
				hint: 'Name the certificate of its authority, or its own if it has signed itself, in NODE_EXTRA_CA_CERTS.',
			});
		return new CliError('unreachable', `no answer from ${this.name} (${code ?? message})`, {
			hint: 'Start a node with "perigee start", or name another one with --node or PERIGEE_NODE (for scrub and errors: --admin or PERIGEE_ADMIN).',
		});
	}
}

/** Codes of OpenSSL and Node for certificates that lead to no known authority or another name. */
const UNTRUSTED = /^(?:CERT_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_|ERR_TLS_CERT)/;

/** The answer if it is a success; otherwise the node's problem as an error. */
export async function accepted(answer: http.IncomingMessage): Promise<http.IncomingMessage> {
	const status = answer.statusCode ?? 0;
	if (status >= 200 && status < 300) return answer;
	const text = await readText(answer, LIMITS.clientJsonBytes).catch(() => '');
	const problem = parseProblem(text);
	throw new CliError(exitOf(status), problem.detail ?? problem.title ?? `the node answered with status ${status}`, {
		...(problem.hint === undefined ? {} : { hint: problem.hint }),
		...(problem.code === undefined ? {} : { code: problem.code }),
	});
}

/** The JSON body of an answer. */
export async function readJson<T>(answer: http.IncomingMessage): Promise<T> {
	const text = await readText(answer, LIMITS.clientJsonBytes);
	try {
		return JSON.parse(text) as T;
	} catch (error) {
		throw new CliError('failure', `the node's answer is not JSON (${(error as Error).message})`, {
			hint: 'Is this the address of a Perigee node?',
		});
	}
}

/** The body of an answer as text. Errors: failure when it is longer than `mostBytes`. */
export async function readText(answer: http.IncomingMessage, mostBytes: number): Promise<string> {
	const chunks: Buffer[] = [];
	let bytes = 0;
	for await (const chunk of answer as AsyncIterable<Buffer>) {
		bytes += chunk.length;
		if (bytes > mostBytes) {
			answer.destroy();
			throw new CliError('failure', `the node's answer is longer than ${mostBytes} bytes`);
		}
		chunks.push(chunk);
	}
	return Buffer.concat(chunks).toString('utf8');
}

interface PartialProblem {
	readonly code?: string;
	readonly title?: string;
	readonly detail?: string;
	readonly hint?: string;
}

function parseProblem(text: string): PartialProblem {
	try {
		const value: unknown = JSON.parse(text);
		return typeof value === 'object' && value !== null ? value : {};
	} catch {
		// Whoever answered is no Perigee node, or something stands between; the status must do.
		return {};
	}
}

function exitOf(status: number): ExitName {
	if (status === 404) return 'notFound';
	if (status === 408 || status === 429 || status === 503 || status === 507) return 'busy';
	return status >= 400 && status < 500 ? 'refused' : 'failure';
}
