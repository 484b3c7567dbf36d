/** The endpoint of JSON-RPC: POST / with a JSON body, answered as spec log-layer §4.1 says. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { PerigeeError } from '../../errors.js';
import { LIMITS } from '../../limits.js';
import { freeMemory, gather } from '../../native/addon.js';
import { Cors } from '../rest/cors.js';
import { define } from '../rest/definitions.js';
import type { Endpoint, RestContext } from '../rest/endpoint.js';
import { originOf } from '../rest/origin.js';
import { sendContinue, sendRefusal, withExtras } from '../rest/problem.js';
import { receiveBody } from '../rest/receive-body.js';
import { BodyBudget } from './body-budget.js';
import { BodyBuffers } from './body-buffers.js';
import { FlowRoots } from './flow-roots.js';
import type { RpcContext } from './method.js';
import type { JsonOut } from './json-writer.js';
import { PUBLIC_METHODS } from './methods/index.js';
import { UPLOAD_METHODS } from './methods/uploads.js';
import type { Params } from './params.js';
import { answerBody, bodyTooBig, lengthOf, type CallObserver, type Runner } from './protocol.js';
import { RPC_CODES, RpcError } from './rpc-error.js';

const RPC = define({
	methods: ['POST', 'OPTIONS'],
	url: '/',
	scope: 'read',
	summary: 'JSON-RPC 2.0 of 0G Storage (docs/rpc.md).',
	answers: { 200: { description: 'An answer, or a list of answers.', contentType: 'application/json' } },
});

/** One server's JSON-RPC. */
export function rpcEndpoint(context: RestContext): Endpoint {
	const { store } = context;
	const flowRoots = new FlowRoots();
	const buffers = new BodyBuffers();
	const large = new BodyBudget(LIMITS.rpcBodiesBytes);
	const small = new BodyBudget(LIMITS.rpcSmallBodiesBytes);
	const run = async (rpc: RpcContext, name: string, params: Params, mayUpload: () => void): Promise<JsonOut> => {
		const handle = Object.hasOwn(PUBLIC_METHODS, name) ? PUBLIC_METHODS[name] : undefined;
		if (!handle) throw new RpcError(RPC_CODES.methodNotFound, 'Method not found');
		if (Object.hasOwn(UPLOAD_METHODS, name)) mayUpload();
		const end = context.metrics.rpcSeconds.startTimer({ method: name });
		try {
			return await handle(rpc, params);
		} finally {
			end();
		}
	};
	const observe = observer(context);
	return {
		definition: RPC,
		anyBody: true,
		cors: new Cors(['*']),
		async handle(_context, { raw }, response) {
			// A browser's question was answered before; nobody else has one.
			if (raw.method !== 'POST')
				throw withExtras(new PerigeeError('METHOD_NOT_ALLOWED'), { headers: ['Allow', 'POST'] });
			refuseOtherTypes(raw);
			const announced = raw.headers['content-length'];
			if (Number(announced ?? 0) > LIMITS.rpcBodyBytes) {
				const body = Buffer.concat(bodyTooBig());
				sendRefusal(raw, response, { status: 413, headers: headersOf(body.length), body }, context.clock);
				return;
			}
			const bytes = announced === undefined ? LIMITS.rpcBodyBytes : Number(announced);
			const budget = bytes <= LIMITS.rpcSmallBodyBytes ? small : large;
			await budget.take(bytes);
			try {
				sendContinue(raw, response);
				const body = await bodyOf(context, raw, buffers);
				const mayUpload = uploadPermission(context, raw, body.length);
				const rpc = { store, flowRoots, origin: originOf(raw, context.publicUrl) };
				const runner: Runner = (name, params) => run(rpc, name, params, mayUpload);
				send(response, body.length === 0 ? 400 : 200, await answerBody(body, runner, observe));
				buffers.give(body);
			} finally {
				budget.give(bytes);
			}
		},
	};
}

/** For the calls of one body: whoever reads may not upload; a body that uploads counts once, whole. Errors: as of Access.admit, QUOTA_EXCEEDED. */
function uploadPermission({ access }: RestContext, { headers }: IncomingMessage, bodyBytes: number): () => void {
	let isGiven = false;
	return () => {
		if (isGiven) return;
		access.admit(headers.authorization, 'segments', { isCounted: access.asksFor('read') })?.quota?.charge(bodyBytes);
		isGiven = true;
	};
}

function observer({ metrics, log }: RestContext): CallObserver {
	return (name, error, cause) => {
		const method = Object.hasOwn(PUBLIC_METHODS, name) ? name : 'unknown';
		metrics.rpcRequests.inc({ method, outcome: error === undefined ? 'ok' : String(error.code) });
		if (error?.code === RPC_CODES.internal && !(cause instanceof RpcError))
			log.error({ method, err: cause }, error.data ?? error.message);
	};
}

function refuseOtherTypes({ headers }: IncomingMessage): void {
	const type = headers['content-type'] ?? '';
	if (!/^application\/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i.test(type)) throw new PerigeeError('NOT_JSON');
}

/** The body in memory of `buffers`, which it must be given back to. */
async function bodyOf({ uploads }: RestContext, request: IncomingMessage, buffers: BodyBuffers): Promise<Buffer> {
	const announced = request.headers['content-length'];
	if (announced !== undefined) {
		const body = buffers.take(Number(announced));
		let filled = 0;
		const write = (chunk: Uint8Array): undefined => {
			filled += gather(body.subarray(filled), [chunk]);
			freeMemory(chunk);
		};
		await receiveBody(request, { write }, { maxBytes: LIMITS.rpcBodyBytes, watch: uploads });
		return body;
	}
	const chunks: Uint8Array[] = [];
	const sink = { write: (chunk: Uint8Array) => void chunks.push(chunk) };
	await receiveBody(request, sink, { maxBytes: LIMITS.rpcBodyBytes, watch: uploads });
	const body = buffers.take(lengthOf(chunks));
	gather(body, chunks);
	return body;
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
