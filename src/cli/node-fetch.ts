/** `fetch` for the client library over connections of node:http: Node's own reaches no Unix socket, and loading it takes as long as all else. */
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Answer, AnswerBody, Fetch, FetchRequest } from '../client/request.js';

/** Begins a request; who gets it writes its body. */
export type Begin = (address: URL, request: FetchRequest) => ClientRequest;

/** `failed`: what an error of a connection is to the caller. */
export function fetchOver(begin: Begin, failed: (error: unknown) => Error): Fetch {
	return async (address, request) => {
		const outgoing = begin(address, request);
		const answer = new Promise<IncomingMessage>((resolve, reject) => {
			outgoing.on('response', resolve);
			outgoing.on('error', (error) => reject(failed(error)));
		});
		if (request.body instanceof ReadableStream || request.body instanceof Blob) send(request.body, outgoing);
		else outgoing.end(request.body);
		return answerOf(await answer);
	};
}

/** Writes a body at the request's pace. A node that refuses answers while it is still on its way: no more of it is sent then. */
function send(body: ReadableStream<Uint8Array> | Blob, outgoing: ClientRequest): void {
	const reader = ('getReader' in body ? body : body.stream()).getReader();
	let isRefused = false;
	outgoing.on('response', (answer) => {
		isRefused = (answer.statusCode ?? 0) >= 400 && !outgoing.writableEnded;
		if (isRefused) answer.on('close', () => outgoing.destroy());
	});
	const sending = async (): Promise<void> => {
		for (let step = await reader.read(); !step.done; step = await reader.read()) {
			if (outgoing.destroyed || isRefused) return;
			if (!outgoing.write(step.value)) await drained(outgoing);
		}
		outgoing.end();
	};
	sending()
		.catch((error: unknown) => outgoing.destroy(error as Error))
		.then(() => reader.cancel())
		// Whoever reads the content has heard of its end.
		.catch(() => undefined);
}

/** Resolves when a request takes more of its body, or is over. */
function drained(outgoing: ClientRequest): Promise<void> {
	return new Promise((resolve) => {
		const done = (): void => {
			outgoing.off('drain', done);
			outgoing.off('close', done);
			resolve();
		};
		outgoing.on('drain', done);
		outgoing.on('close', done);
	});
}

function answerOf(incoming: IncomingMessage): Answer {
	const status = incoming.statusCode ?? 0;
	const get = (name: string): string | null => {
		const value = incoming.headers[name.toLowerCase()];
		return value === undefined ? null : String(value);
	};
	return {
		ok: status >= 200 && status < 300,
		status,
		headers: { get, has: (name) => get(name) !== null },
		body: bodyOf(incoming),
	};
}

function bodyOf(incoming: IncomingMessage): AnswerBody {
	return {
		[Symbol.asyncIterator]: () => incoming[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>,
		// It is short; read to its end, the connection can be used again.
		cancel() {
			incoming.resume();
			return Promise.resolve();
		},
	};
}
