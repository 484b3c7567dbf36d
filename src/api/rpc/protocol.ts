/**
 * JSON-RPC 2.0 (spec log-layer §4.1): takes a body apart into calls, runs them and puts the answers together. An id is given back as its text
 * came, whatever JavaScript makes of it. The members of a batch run one after the other, so that one body cannot ask for more than one at a time.
 */
import { LIMITS } from '../../limits.js';
import { JsonError, JsonObject, readJson, type JsonNode } from './json-reader.js';
import { writeJson, type JsonOut } from './json-writer.js';
import { Params } from './params.js';
import { asRpcError, invalidRequest, parseError, RPC_CODES, RpcError } from './rpc-error.js';

/** Runs a method. Errors: any. */
export type Runner = (method: string, params: Params) => Promise<JsonOut>;

/** Told of each call that was run: by its method, and with its error. */
export type CallObserver = (method: string, error: RpcError | undefined, cause: unknown) => void;

const NO_ID = Buffer.from('null');
const UNKNOWN = '';

/** The parts of the answer to a body; none when it asks for no answer. */
export async function answerBody(body: Buffer, run: Runner, observe: CallObserver): Promise<readonly Buffer[]> {
	let node: JsonNode;
	try {
		node = readJson(body, { values: LIMITS.rpcValues, depth: LIMITS.rpcDepth });
	} catch (error) {
		if (!(error instanceof JsonError)) throw error;
		observe(UNKNOWN, parseError(), error);
		return failed(NO_ID, parseError());
	}
	if (!Array.isArray(node.value)) return await answerCall(body, node, run, observe);
	const calls = node.value as readonly JsonNode[];
	if (calls.length === 0) return failed(NO_ID, invalidRequest());
	const parts: Buffer[] = [];
	let bytes = 0;
	for (const call of calls) {
		const answer = await answerCall(body, call, run, observe);
		if (answer.length === 0) continue;
		parts.push(Buffer.from(parts.length === 0 ? '[' : ','), ...answer);
		bytes += lengthOf(answer) + 1;
		if (bytes > LIMITS.rpcAnswerBytes) return failed(NO_ID, tooBig());
	}
	if (parts.length > 0) parts.push(Buffer.from(']'));
	return parts;
}

/** The answer to one call; nothing for a notification. */
async function answerCall(
	body: Buffer,
	node: JsonNode,
	run: Runner,
	observe: CallObserver,
): Promise<readonly Buffer[]> {
	const call = callOf(body, node);
	if (call instanceof RpcError) {
		observe(UNKNOWN, call, undefined);
		return failed(call.id, call);
	}
	const { id, method, params } = call;
	try {
		const result = writeJson(await run(method, new Params(params)));
		observe(method, undefined, undefined);
		if (id === undefined) return [];
		const parts = [Buffer.from('{"jsonrpc":"2.0","result":'), ...result, Buffer.from(',"id":'), id, END];
		return lengthOf(parts) > LIMITS.rpcAnswerBytes ? failed(id, tooBig()) : parts;
	} catch (cause) {
		const error = asRpcError(cause);
		observe(method, error, cause);
		return id === undefined ? [] : failed(id, error);
	}
}

interface Call {
	/** The text of the id; undefined in a notification. */
	readonly id: Buffer | undefined;
	readonly method: string;
	readonly params: JsonNode | undefined;
}

class BadCall extends RpcError {
	/** Of the call that is refused. */
	readonly id: Buffer;

	constructor(id: Buffer, { code, message }: RpcError) {
		super(code, message);
		this.id = id;
	}
}

function callOf(body: Buffer, { value }: JsonNode): Call | BadCall {
	if (!(value instanceof JsonObject)) return new BadCall(NO_ID, invalidRequest());
	const { members } = value;
	const idNode = members.get('id');
	const id = idNode && body.subarray(idNode.from, idNode.to);
	if (idNode && !isId(idNode)) return new BadCall(NO_ID, parseError());
	const method = members.get('method')?.value;
	if (members.get('jsonrpc')?.value !== '2.0' || typeof method !== 'string')
		return new BadCall(id ?? NO_ID, invalidRequest());
	return { id, method, params: members.get('params') };
}

/** A whole number that is not negative, a text, or null. */
function isId({ value }: JsonNode): boolean {
	if (typeof value === 'number') return Number.isInteger(value) && value >= 0;
	return value === null || typeof value === 'string' || (typeof value === 'bigint' && value >= 0n);
}

const END = Buffer.from('}');

function failed(id: Buffer, { code, message, data }: RpcError): readonly Buffer[] {
	const error = writeJson({ code, message, data });
	return [Buffer.from('{"jsonrpc":"2.0","error":'), ...error, Buffer.from(',"id":'), id, END];
}

function tooBig(): RpcError {
	const most = `Exceeded max limit of ${LIMITS.rpcAnswerBytes}`;
	return new RpcError(RPC_CODES.responseTooBig, 'Response is too big', most);
}

/** The answer to a body that is longer than the node takes. */
export function bodyTooBig(maxBytes: number): readonly Buffer[] {
	const most = `Exceeded max limit of ${maxBytes}`;
	return failed(NO_ID, new RpcError(RPC_CODES.requestTooBig, 'Request is too big', most));
}

export function lengthOf(parts: readonly Uint8Array[]): number {
	return parts.reduce((sum, { length }) => sum + length, 0);
}
