/** What the sections of the configuration are written with. */
import { Type } from './json-schema.js';

const LISTEN_ADDRESS = '^(?:\\[[0-9a-fA-F:.]+\\]|[^\\[\\]:/\\s]+):[0-9]{1,5}$';

/** The same, or the path of a Unix socket. */
export const LISTEN_PLACE = `^unix:.|${LISTEN_ADDRESS}`;

export const listenAddress = (fallback: string, description: string) =>
	Type.String({ default: fallback, pattern: LISTEN_ADDRESS, format: 'host:port', description });

export const integer = (fallback: number, minimum: number, maximum: number, description: string) =>
	Type.Integer({ default: fallback, minimum, maximum, description });

export const choice = <const C extends readonly string[]>(choices: C, fallback: C[number], description: string) =>
	Type.Union(
		choices.map((value: C[number]) => Type.Literal(value)),
		{ default: fallback, description },
	);

export const strict = { additionalProperties: false } as const;
