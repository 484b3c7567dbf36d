/** A method of JSON-RPC, and what all of them are given. */
import type { FileStore } from '../../log-layer/types.js';
import type { FlowRoots } from './flow-roots.js';
import type { JsonOut } from './json-writer.js';
import type { Params } from './params.js';

/** What a method may use. */
export interface RpcContext {
	readonly store: FileStore;
	readonly flowRoots: FlowRoots;
	/** Where the caller reaches this node, as in `http://host:port`. */
	readonly origin: string;
}

/** Errors: RpcError; any other becomes `Internal error`. */
type RpcMethod = (context: RpcContext, params: Params) => Promise<JsonOut> | JsonOut;

/** By name. */
export type RpcMethods = Readonly<Record<string, RpcMethod>>;
