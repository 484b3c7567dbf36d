/** Calls of JSON-RPC to a server, and what the reference node answered to the same ones. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ask, type Answer } from './rest-server.js';

export interface RpcAnswer {
	readonly jsonrpc: string;
	readonly result?: unknown;
	readonly error?: { readonly code: number; readonly message: string; readonly data?: string };
	readonly id: unknown;
}

/** Sends a body as it is. */
export async function post(
	server: { readonly port: number },
	body: string | Uint8Array,
	type = 'application/json',
): Promise<Answer> {
	return ask(server, '/', { method: 'POST', headers: { 'Content-Type': type }, body });
}

/** One call. `params`: the text of an array or object, or values. */
export async function call(
	server: { readonly port: number },
	method: string,
	params?: string | readonly unknown[],
): Promise<RpcAnswer> {
	const text = typeof params === 'string' ? params : JSON.stringify(params);
	const tail = params === undefined ? '' : `,"params":${text}`;
	const answer = await post(server, `{"jsonrpc":"2.0","id":1,"method":"${method}"${tail}}`);
	assert.equal(answer.status, 200);
	return JSON.parse(answer.text) as RpcAnswer;
}

/** The result of a call that must succeed. */
export async function result(
	server: { readonly port: number },
	method: string,
	...params: readonly unknown[]
): Promise<unknown> {
	const answer = await call(server, method, params);
	assert.ok('result' in answer, JSON.stringify(answer));
	return answer.result;
}

interface Observed {
	readonly q: string;
	readonly http: number;
	readonly answer: RpcAnswer;
}

const FILE = join(import.meta.dirname, '..', '..', '..', 'test', 'vectors', 'rpc-observed.json');
const { answers } = JSON.parse(readFileSync(FILE, 'utf8')) as { readonly answers: readonly Observed[] };

/** What the reference answered to the question with this text. */
export function observed(question: string): Observed {
	const found = answers.find(({ q }) => q === question);
	assert.ok(found, `the vectors have "${question}"`);
	return found;
}
