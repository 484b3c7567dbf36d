/** Requests to a node over `fetch`: errors with codes, bodies as streams. */

/** Longest JSON answer that is read; the longest, a segment in base64 and its proof, is far below. */
const MOST_JSON_BYTES = 1024 * 1024;

/** A request that failed. */
export class RequestError extends Error {
	override readonly name = 'RequestError';
	/** Code of docs/errors.md; UNREACHABLE without an answer, UNREADABLE for one that no node gives, HTTP_<status> for an error that no node tells so. */
	readonly code: string;
	/** HTTP status; 0 without an answer. */
	readonly status: number;
	/** The same request may succeed later. */
	readonly retryable: boolean;
	/** What to do about it. */
	readonly hint: string | undefined;

	constructor(
		message: string,
		about: { readonly code: string; readonly status?: number; readonly retryable?: boolean; readonly hint?: string },
		options?: ErrorOptions,
	) {
		super(message, options);
		this.code = about.code;
		this.status = about.status ?? 0;
		this.retryable = about.retryable ?? false;
		this.hint = about.hint;
	}
}

export interface ClientOptions {
	/** Address of the node, `http://127.0.0.1:5678`. */
	readonly node: string | URL;
	/** Sent as `Authorization: Bearer …`. */
	readonly token?: string;
	/** Instead of the global one, which it may resemble no more than this. */
	readonly fetch?: Fetch;
}

/** What of `fetch` is used here: the global one fits, and so does one of one's own over other connections. */
export type Fetch = (address: URL, request: FetchRequest) => Promise<Answer>;

export interface FetchRequest {
	readonly method: string;
	/** `Content-Length` where it is known of a stream; browsers leave it out. */
	readonly headers: Record<string, string>;
	readonly body?: Blob | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;
	readonly duplex?: 'half';
	readonly signal?: AbortSignal;
}

/** What of a Response is used here. */
export interface Answer {
	readonly ok: boolean;
	readonly status: number;
	readonly headers: Pick<Headers, 'get' | 'has'>;
	readonly body: AnswerBody | null;
}

/** `cancel`: nobody wants the rest. */
export type AnswerBody =
	| ReadableStream<Uint8Array>
	| (AsyncIterable<Uint8Array> & { readonly cancel: () => Promise<void> });

export interface Ask {
	readonly method?: string;
	readonly headers?: Readonly<Record<string, string>>;
	readonly body?: Blob | Uint8Array | ReadableStream<Uint8Array>;
	readonly signal?: AbortSignal | undefined;
	/** A status that is no failure here, besides all successes. */
	readonly accepted?: number;
}

/** Sends requests to one node. */
export class Requests {
	readonly #base: URL;
	readonly #token: string | undefined;
	readonly #fetch: Fetch;

	constructor({ node, token, fetch: given = fetch }: ClientOptions) {
		this.#base = new URL(node);
		if (!this.#base.pathname.endsWith('/')) this.#base.pathname += '/';
		this.#token = token;
		// Called without a receiver, as browsers want it.
		this.#fetch = (...args) => given(...args);
	}

	/** The whole address of a path below that of the node. */
	urlOf(path: string): URL {
		return new URL(path.replace(/^\//, ''), this.#base);
	}

	/** `path` below the address of the node, or a whole address of the same origin. Errors: RequestError for all but a success; what `signal` says. */
	async ask(path: string | URL, { method = 'GET', headers = {}, body, signal, accepted }: Ask = {}): Promise<Answer> {
		const url = typeof path === 'string' ? this.urlOf(path) : path;
		const isOurs = url.origin === this.#base.origin;
		if (!isOurs) throw new RequestError(`${url.origin} is not the node`, { code: 'UNREADABLE' });
		const init = {
			method,
			headers: { ...headers, ...(this.#token === undefined ? {} : { Authorization: `Bearer ${this.#token}` }) },
			...(body === undefined ? {} : { body: body as NonNullable<FetchRequest['body']>, duplex: 'half' as const }),
			...(signal === undefined ? {} : { signal }),
		};
		let answer: Answer;
		try {
			answer = await this.#fetch(url, init);
		} catch (error) {
			throw lost(error, signal, `no answer from ${this.#base.origin}`);
		}
		if (answer.ok || answer.status === accepted) return answer;
		throw await problemOf(answer);
	}

	/** The JSON of a success. Errors: as of `ask`; UNREADABLE for what is no JSON, or too long. */
	async json<T>(path: string, options?: Ask): Promise<T> {
		const text = await textOf(await this.ask(path, options), options?.signal);
		try {
			return JSON.parse(text) as T;
		} catch (error) {
			const message = `the node's answer is not JSON (${(error as Error).message})`;
			throw new RequestError(message, { code: 'UNREADABLE', hint: NO_NODE }, { cause: error });
		}
	}
}

const NO_NODE = 'Is this the address of a Perigee node?';

/** What a failed `fetch`, or a body that broke off, is to the caller. */
export function lost(error: unknown, signal: AbortSignal | undefined, what: string): unknown {
	if (signal?.aborted || error instanceof RequestError) return error;
	const { code, message } = ((error as Error).cause ?? error) as { readonly code?: string; readonly message: string };
	return new RequestError(`${what} (${code ?? message})`, { code: 'UNREACHABLE', retryable: true }, { cause: error });
}

async function problemOf(answer: Answer): Promise<RequestError> {
	const { status } = answer;
	let told: Partial<Record<'detail' | 'title' | 'code' | 'hint', string>> & { readonly retryable?: boolean } = {};
	try {
		told = Object(JSON.parse(await textOf(answer))) as typeof told;
	} catch {
		// Whoever answered is no node, or something stands between; the status must do.
	}
	return new RequestError(told.detail ?? told.title ?? `the node answered with status ${status}`, {
		code: told.code ?? `HTTP_${status}`,
		status,
		retryable: told.retryable ?? (status >= 500 || status === 408 || status === 429),
		...(told.hint === undefined ? {} : { hint: told.hint }),
	});
}

/** The body as text. Errors: as of `bytesOf`. */
export async function textOf(answer: Answer, signal?: AbortSignal, mostBytes?: number): Promise<string> {
	return new TextDecoder().decode(await bytesOf(answer, signal, mostBytes));
}

/** The whole body. Errors: RequestError UNREADABLE when it is longer than `mostBytes`, UNREACHABLE when it breaks off; what the signal says. */
export async function bytesOf(
	answer: Answer,
	signal?: AbortSignal,
	mostBytes: number = MOST_JSON_BYTES,
): Promise<Uint8Array> {
	const chunks: Uint8Array[] = [];
	let length = 0;
	for await (const chunk of chunksOf(answer, signal)) {
		chunks.push(chunk);
		length += chunk.length;
		if (length > mostBytes)
			throw new RequestError(`the node's answer is longer than ${mostBytes} bytes`, {
				code: 'UNREADABLE',
				hint: NO_NODE,
			});
	}
	const bytes = new Uint8Array(length);
	let at = 0;
	for (const chunk of chunks) {
		bytes.set(chunk, at);
		at += chunk.length;
	}
	return bytes;
}

/** The body in chunks as they come; leaving the loop early cancels it. Errors: RequestError UNREACHABLE; what the signal says. */
export async function* chunksOf({ body }: Answer, signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
	try {
		for await (const chunk of body ? iterated(body) : []) yield chunk;
	} catch (error) {
		throw lost(error, signal, 'the node broke off');
	}
}

/** Not every browser lets a stream be iterated. */
export function iterated(body: AnswerBody): AsyncIterable<Uint8Array> {
	return 'getReader' in body ? read(body) : body;
}

async function* read(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
	const reader = stream.getReader();
	try {
		for (let step = await reader.read(); !step.done; step = await reader.read()) yield step.value;
	} finally {
		await reader.cancel().catch(() => undefined);
	}
}

/** Resolves after a while, or rejects with what the signal says. */
export function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
	return new Promise((resolve, reject) => {
		const stop = (): void => {
			clearTimeout(timer);
			reject(signal?.reason as Error);
		};
		const timer = setTimeout(() => {
			signal?.removeEventListener('abort', stop);
			resolve();
		}, milliseconds);
		signal?.addEventListener('abort', stop, { once: true });
		if (signal?.aborted) stop();
	});
}
