/** What a gateway answers when it sends no file: code, message and data (spec log-layer §8.2). */
import type { ServerResponse } from 'node:http';
import { ERRORS } from '../../../errors.js';
import { type JsonOut, writeJson } from '../../rpc/json-writer.js';
import { Cors } from '../cors.js';
import type { EndpointDefinition } from '../definitions.js';
import type { Endpoint, RestContext, RestRequest } from '../endpoint.js';
import { NO_STORE } from '../json.js';
import { problemOf, sendProblem, sendRefusal } from '../problem.js';

const MESSAGES = {
	0: 'Success',
	1: 'Invalid parameter',
	2: 'Internal server error',
	101: 'File not found',
	102: 'File already pruned',
	103: 'File not finalized yet',
	104: 'File path not found',
	105: 'File size too large',
} as const;

/** What is answered in the place of a file. */
export class Reply {
	readonly code: keyof typeof MESSAGES;
	readonly data: JsonOut;

	constructor(code: keyof typeof MESSAGES, data: JsonOut = null) {
		this.code = code;
		this.data = data;
	}
}

/** Pages of every origin use gateways, whatever cors.origins says. */
const EVERY_PAGE = new Cors(['*']);

/** Answers by a reply; undefined: a file was sent. */
type GatewayHandler = (
	context: RestContext,
	request: RestRequest,
	response: ServerResponse,
) => Promise<Reply | undefined>;

export function gatewayEndpoint(definition: EndpointDefinition, handle: GatewayHandler): Endpoint {
	return {
		definition,
		cors: EVERY_PAGE,
		sendError,
		async handle(context, request, response) {
			const reply = await handle(context, request, response);
			if (!reply) return;
			const { status, headers, body } = answerOf(reply);
			response.writeHead(status, headers);
			response.end(body);
		},
	};
}

/** What HTTP itself refuses (tokens, conditions, ranges) is a problem as elsewhere; what fails here is said in a gateway's form. */
const sendError: typeof sendProblem = (request, response, error, requestId, clock) => {
	if (ERRORS[error.code].status < 500) sendProblem(request, response, error, requestId, clock);
	else sendRefusal(request, response, answerOf(new Reply(2, problemOf(error, requestId).detail)), clock);
};

interface Answer {
	readonly status: number;
	readonly headers: string[];
	readonly body: Buffer;
}

/** The reference sends its code 2 with HTTP 600, which proxies do not know. */
function answerOf({ code, data }: Reply): Answer {
	const body = Buffer.concat(writeJson({ code, message: MESSAGES[code], data }));
	const type = ['Content-Type', 'application/json', 'Content-Length', String(body.length)];
	return {
		status: code === 2 ? 500 : 200,
		headers: [...type, 'X-Content-Type-Options', 'nosniff', ...NO_STORE],
		body,
	};
}
