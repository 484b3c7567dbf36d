/** Errors as 0G clients tell them apart (spec log-layer §4.2): by code, message and data, exactly. */
import { asPerigeeError, type ErrorCode } from '../../errors.js';

/** Codes of JSON-RPC 2.0, and those of the reference's library. */
export const RPC_CODES = {
	parseError: -32700,
	invalidRequest: -32600,
	methodNotFound: -32601,
	invalidParams: -32602,
	internal: -32603,
	uncategorised: -32000,
	requestTooBig: -32701,
	responseTooBig: -32702,
} as const;

export class RpcError extends Error {
	override name = 'RpcError';
	readonly code: number;
	readonly data: string | undefined;

	constructor(code: number, message: string, data?: string, options?: ErrorOptions) {
		super(message, options);
		this.code = code;
		this.data = data;
	}
}

export const parseError = (): RpcError => new RpcError(RPC_CODES.parseError, 'Parse error');
export const invalidRequest = (): RpcError => new RpcError(RPC_CODES.invalidRequest, 'Invalid request');

/** A parameter whose value does not fit. */
export function invalidParam(name: string, why: string): RpcError {
	return new RpcError(RPC_CODES.invalidParams, `Invalid params: ${name}`, why);
}

/** Parameters that cannot be read. */
export function unreadableParams(message: string): RpcError {
	return new RpcError(RPC_CODES.invalidParams, message);
}

export function internalError(why: string, cause?: unknown): RpcError {
	return new RpcError(RPC_CODES.internal, 'Internal error', why, { cause });
}

/** What the reference's store and pool say in words alone. */
export function uncategorised(message: string): RpcError {
	return new RpcError(RPC_CODES.uncategorised, message);
}

/** Any error as one that a client gets. */
export function asRpcError(cause: unknown): RpcError {
	if (cause instanceof RpcError) return cause;
	const error = asPerigeeError(cause);
	if (OVERLOAD.has(error.code)) return uncategorised(`too many data writing: ${error.message}`);
	return internalError(`${error.code}: ${error.message}`, error);
}

/** Clients wait and try again when they read this text (spec log-layer §9.4). */
const OVERLOAD: ReadonlySet<ErrorCode> = new Set(['OVERLOADED', 'TOO_MANY_UPLOADS']);
