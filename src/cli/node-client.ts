/** HTTP to a node: errors become exit codes and hints, bodies stay streams. */
import * as http from 'node:http';
import * as https from 'node:https';
import { LIMITS } from '../limits.js';
import { CliError, type ExitName } from './exit-codes.js';

const DEFAULT_NODE = 'http://127.0.0.1:5678';
const DEFAULT_ADMIN = 'http://127.0.0.1:5679';

export interface NodeOptions {
	/** --node */
	readonly node?: string;
}

export interface NodeRequest {
	readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
	readonly path: string;
	readonly headers?: http.OutgoingHttpHeaders;
}

export interface AdminOptions {
	/** --admin */
	readonly admin?: string;
}

/** A node's address from the command line, else PERIGEE_NODE, else the default. */
export function nodeUrl(options: NodeOptions): URL {
	return urlOf(options.node ?? (process.env['PERIGEE_NODE'] || DEFAULT_NODE), DEFAULT_NODE);
}

/** The same for a node's admin listener: --admin, PERIGEE_ADMIN. */
export function adminUrl(options: AdminOptions): URL {
	return urlOf(options.admin ?? (process.env['PERIGEE_ADMIN'] || DEFAULT_ADMIN), DEFAULT_ADMIN);
}

function urlOf(text: string, example: string): URL {
	const full = text.includes('://') ? text : `http://${text}`;
	const url = URL.canParse(full) ? new URL(full) : undefined;
	if (url !== undefined && /^https?:$/.test(url.protocol)) return url;
	throw new CliError('usage', `"${text}" is not the address of a node`, { hint: `Write it like ${example}.` });
}

/** One node; connections are kept between requests until `close`. */
export class NodeClient {
	readonly url: URL;
	readonly #agent: http.Agent;

	constructor(url: URL) {
		this.url = url;
		const { Agent } = url.protocol === 'https:' ? https : http;
		this.#agent = new Agent({ keepAlive: true });
	}

	/** Begins a request; the caller writes its body and awaits `answer`. */
	begin(request: NodeRequest): {
		readonly outgoing: http.ClientRequest;
		readonly answer: Promise<http.IncomingMessage>;
	} {
		const { request: send } = this.url.protocol === 'https:' ? https : http;
		const base = this.url.pathname.replace(/\/$/, '');
		const outgoing = send({
			protocol: this.url.protocol,
			hostname: this.url.hostname.replace(/^\[|\]$/g, ''),
			port: this.url.port,
			agent: this.#agent,
			method: request.method,
			path: base + request.path,
			headers: { ...request.headers },
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

	/** What a broken connection means to the user. */
	unreachable(error: unknown): CliError {
		const { code, message } = error as NodeJS.ErrnoException;
		return new CliError('unreachable', `no answer from ${this.url.origin} (${code ?? message})`, {
			hint: 'Start a node with "perigee start", or name another one with --node or PERIGEE_NODE (for scrub and errors: --admin or PERIGEE_ADMIN).',
		});
	}
}

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
