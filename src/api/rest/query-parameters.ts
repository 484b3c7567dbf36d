/** Parameters of an address (`?name=value`): those that the definition of an endpoint declares, each once; every other one is refused. */
import { nearest } from '../../config/nearest.js';
import { PerigeeError } from '../../errors.js';
import type { EndpointDefinition } from './definitions.js';

export type QueryCheck = (query: Readonly<Record<string, unknown>>) => void;

const SHOWN_CHARACTERS = 64;

/**
 * What checks the parameters of requests to an endpoint: a word that is not understood must not pass for one that was obeyed. An address without
 * parameters costs nothing. Errors of the answer: BAD_REQUEST.
 */
export function queryCheckOf({ query, anyQuery }: EndpointDefinition): QueryCheck {
	const { properties = {} } = (query ?? {}) as { readonly properties?: object };
	const names = Object.keys(properties);
	return (given) => {
		if (anyQuery === true) return;
		for (const name in given) {
			if (!names.includes(name)) throw new PerigeeError('BAD_REQUEST', unknownText(name, names));
			if (typeof given[name] !== 'string') throw new PerigeeError('BAD_REQUEST', `${name} is given once.`);
		}
	};
}

function unknownText(name: string, names: readonly string[]): string {
	const shown = name.slice(0, SHOWN_CHARACTERS);
	if (names.length === 0) return `There is no parameter "${shown}" here; this address takes none.`;
	const close = nearest(shown, names);
	const hint = close === undefined ? '' : ` Did you mean ${close}?`;
	return `There is no parameter "${shown}" here; there ${names.length === 1 ? 'is' : 'are'} ${names.join(', ')}.${hint}`;
}
