/** The endpoint of JSON-RPC: POST / with a JSON body, answered as spec log-layer §4.1 says. Which methods it has is a matter of its listener. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { asPerigeeError, ERRORS } from '../../errors.js';
import { define } from '../rest/definitions.js';
import type { Endpoint, ServerContext } from '../rest/endpoint.js';
import { sendRefusal } from '../rest/problem.js';
import { type CallBodies, refuseOtherTypes } from './call-bodies.js';
import type { RpcFamily } from './method.js';
import { answerBody, bodyTooBig, lengthOf, type CallObserver, type Runner } from './protocol.js';
import { RPC_CODES, RpcError } from './rpc-error.js';

const RPC = define({
	methods: ['POST'],
	url: '/',
	scope: 'read',
	summary: 'JSON-RPC 2.0 of 0G Storage (docs/rpc.md).',
	answers: { 200: { description: 'An answer, or a list of answers.', contentType: 'application/json' } },
});

/** What one listener differs in. */
export interface RpcListener extends Pick<Endpoint<ServerContext>, 'cors' | 'guard'> {
	/** What whoever calls must be allowed at least. */
	readonly scope: 'read' | 'admin';
	readonly families: readonly RpcFamily[];
	readonly bodies: CallBodies;
}

/** One server's JSON-RPC. */
export function rpcEndpoint(
	{ metrics, log, clock }: Pick<ServerContext, 'metrics' | 'log' | 'clock'>,
	{ scope, families, bodies, ...listener }: RpcListener,
): Endpoint<ServerContext> {
	const familyOfName = new Map(families.flatMap((family) => family.names.map((name) => [name, family] as const)));
	const observe: CallObserver = (name, error, cause) => {
		const method = familyOfName.has(name) ? name : 'unknown';
		metrics.rpcRequests.inc({ method, outcome: error === undefined ? 'ok' : String(error.code) });
		if (error?.code === RPC_CODES.internal && isOwnFault(cause))
			log.error({ method, err: cause }, error.data ?? error.message);
	};
	const runnerFor = (request: IncomingMessage, response: ServerResponse, bodyBytes: number): Runner => {
		const opened = new Map(families.map((family) => [family, family.open({ request, response, bodyBytes })]));
		return async (name, params) => {
			const family = familyOfName.get(name);
			const calls = family && opened.get(family);
			if (!calls) throw new RpcError(RPC_CODES.methodNotFound, 'Method not found');
			calls.admit(name);
			const end = metrics.rpcSeconds.startTimer({ method: name });
			try {
				return await calls.run(name, params);
			} finally {
				end();
			}
		};
	};
	return {
		definition: { ...RPC, scope },
		anyBody: true,
		...listener,
		async handle(_context, { raw }, response) {
			refuseOtherTypes(raw);
			if (bodies.isTooLong(raw)) {
				const body = Buffer.concat(bodyTooBig(bodies.maxBytes));
				sendRefusal(raw, response, { status: 413, headers: headersOf(body.length), body }, clock);
				return;
			}
			await bodies.read(raw, response, async (body) => {
				const run = runnerFor(raw, response, body.length);
				send(response, body.length === 0 ? 400 : 200, await answerBody(body, run, observe));
			});
		},
	};
}

/** Whether something went wrong in the node; not when a caller is refused. */
function isOwnFault(cause: unknown): boolean {
	return !(cause instanceof RpcError) && ERRORS[asPerigeeError(cause).code].status >= 500;
}

function send(response: ServerResponse, status: number, parts: readonly Buffer[]): void {
	const bytes = lengthOf(parts);
	response.writeHead(status, headersOf(bytes));
	response.end(parts.length === 1 ? parts[0] : Buffer.concat(parts, bytes));
}

function headersOf(bytes: number): string[] {
	const type = ['Content-Type', 'application/json; charset=utf-8', 'X-Content-Type-Options', 'nosniff'];
	return [...type, 'Content-Length', String(bytes)];
}
