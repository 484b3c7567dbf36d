/** Methods of JSON-RPC, what they are given, and how a listener offers them. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FileStore } from '../../log-layer/types.js';
import type { FlowRoots } from './flow-roots.js';
import type { JsonOut } from './json-writer.js';
import type { Params } from './params.js';

/** What a public method may use. */
export interface RpcContext {
	readonly store: FileStore;
	readonly flowRoots: FlowRoots;
	/** Where the caller reaches this node, as in `http://host:port`. */
	readonly origin: string;
}

/** Errors: RpcError; any other becomes `Internal error`. */
type RpcMethod<C> = (context: C, params: Params) => Promise<JsonOut> | JsonOut;

/** By name. */
export type RpcMethods<C = RpcContext> = Readonly<Record<string, RpcMethod<C>>>;

/** A body with calls, and the answer that it waits for. */
export interface RpcExchange {
	readonly request: IncomingMessage;
	readonly response: ServerResponse;
	readonly bodyBytes: number;
}

/** What the calls of one body are given. */
export interface RpcCaller<C> {
	readonly context: C;
	/** Whether the method may be called. Errors: any, when it may not. */
	readonly admit: (name: string) => void;
}

/** Methods that go together. */
export interface RpcFamily {
	readonly names: readonly string[];
	/** What takes the calls of one body. */
	open(exchange: RpcExchange): OpenFamily;
}

export interface OpenFamily {
	readonly admit: (name: string) => void;
	/** `name`: one of the family's. */
	run(name: string, params: Params): Promise<JsonOut> | JsonOut;
}

/** `callerOf` is asked once for each body. */
export function familyOf<C>(methods: RpcMethods<C>, callerOf: (exchange: RpcExchange) => RpcCaller<C>): RpcFamily {
	const byName = new Map(Object.entries(methods));
	return {
		names: [...byName.keys()],
		open(exchange) {
			const { context, admit } = callerOf(exchange);
			return {
				admit,
				run(name, params) {
					const method = byName.get(name);
					if (!method) throw new Error(`${name} belongs to another family`);
					return method(context, params);
				},
			};
		},
	};
}
