/** What an endpoint is, as data. */
import type { TSchema } from 'typebox';
import type { Deed } from '../auth/access.js';
import type { Scope } from '../auth/scopes.js';

export type HttpMethod = 'GET' | 'HEAD' | 'PUT' | 'POST' | 'PATCH' | 'DELETE' | 'OPTIONS';

export interface AnswerDefinition {
	readonly description: string;
	/** Media type; absent when there is no body. */
	readonly contentType?: string;
	/** Present for JSON bodies. */
	readonly body?: TSchema;
}

export interface BodyDefinition {
	readonly description: string;
	/** Media type. */
	readonly contentType: string;
	readonly schema?: TSchema;
}

export interface EndpointDefinition {
	readonly methods: readonly HttpMethod[];
	/** Address with its variable parts in braces: `/v1/files/{root}`. */
	readonly url: string;
	readonly summary: string;
	/** What a token must be good for, where tokens are asked for; `open`: nobody is asked. `segments`: who may upload over JSON-RPC may do it here. */
	readonly scope: Deed | 'open';
	readonly params?: TSchema;
	/** Every parameter of the address; what does not stand here is refused, but for `anyQuery`. */
	readonly query?: TSchema;
	/** Parameters that do not stand in `query` mean nothing here and are let through: others may ask in their own ways. */
	readonly anyQuery?: true;
	/** Request headers that have a meaning here. */
	readonly headers?: TSchema;
	/** What is sent. */
	readonly body?: BodyDefinition;
	/** Successful answers by status; errors are problem JSON (docs/errors.md). */
	readonly answers: Readonly<Record<number, AnswerDefinition>>;
}

/** An answer with a JSON body. */
export const json = (description: string, body: TSchema): AnswerDefinition => ({
	description,
	contentType: 'application/json',
	body,
});

/** Keeps the literal types of a definition. */
export const define = <const D extends EndpointDefinition>(definition: D): D => definition;

/** The scope of the token that is needed where tokens are asked for. */
export function tokenScopeOf({ scope }: EndpointDefinition): Scope | 'open' {
	return scope === 'segments' ? 'write' : scope;
}
