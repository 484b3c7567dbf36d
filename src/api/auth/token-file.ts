/**
 * The file of tokens: who may do what, without anything by which one could pass for them. A token is 256 random bits, so its plain SHA-256
 * is all that is kept: salts and slow hashes protect words that people choose and others can guess, and there is nothing to guess here.
 */
import { hash } from 'node:crypto';
import { PerigeeError } from '../../errors.js';
import type { Randomness } from '../../io/randomness.js';
import { LIMITS } from '../../limits.js';
import { SCOPES, type Scope } from './scopes.js';

export interface TokenEntry {
	/** Letters, digits and `._-`; one entry has it. */
	readonly name: string;
	readonly scopes: readonly Scope[];
	/** SHA-256 of the token's text, 64 hexadecimal digits. */
	readonly sha256: string;
	/** ISO 8601, UTC. */
	readonly createdAt: string;
	/** Bytes that may be uploaded with it in one window (auth.quotaWindowMs). */
	readonly maxBytes?: number;
	readonly requestsPerSecond?: number;
}

const FORMAT = 1;
const PREFIX = 'pg_';
const SECRET_BYTES = 32;
const MEMBERS = ['name', 'scopes', 'sha256', 'createdAt', 'maxBytes', 'requestsPerSecond'];

/** What a token looks like; anything else is none, without a look at the table. */
export const TOKEN_SHAPE = /^pg_[A-Za-z0-9_-]{43}$/;

/** A new token: the text that its owner keeps and sends. */
export function makeToken(randomness: Randomness): string {
	return PREFIX + Buffer.from(randomness.bytes(SECRET_BYTES)).toString('base64url');
}

/** What the file keeps of a token: 64 hexadecimal digits. */
export function sha256OfToken(token: string): string {
	return hash('sha256', token, 'hex');
}

/** The text of a file with these entries. */
export function encodeTokenFile(tokens: readonly TokenEntry[]): string {
	return `${JSON.stringify({ format: FORMAT, tokens }, null, '\t')}\n`;
}

/** Reads the text of a file. `path` is for the messages. Errors: CONFIG_INVALID. */
export function parseTokenFile(text: string, path: string): readonly TokenEntry[] {
	const refuse = (what: string): never => {
		throw new PerigeeError('CONFIG_INVALID', `${path}: ${what}`);
	};
	let file: unknown;
	try {
		file = JSON.parse(text);
	} catch (error) {
		return refuse(`is not JSON (${(error as Error).message})`);
	}
	const { format, tokens } = (file ?? {}) as { readonly format?: unknown; readonly tokens?: unknown };
	if (format !== FORMAT) refuse(`has the format ${String(format)}; this version knows ${FORMAT}`);
	if (!Array.isArray(tokens)) return refuse('has no list "tokens"');
	if (tokens.length > LIMITS.tokens) refuse(`has ${tokens.length} tokens; ${LIMITS.tokens} are allowed`);
	const entries = tokens.map((token: unknown, index) => {
		const objection = objectionTo(token);
		if (objection !== undefined) refuse(`token ${index + 1}: ${objection}`);
		return token as TokenEntry;
	});
	for (const key of ['name', 'sha256'] as const) {
		const seen = new Set(entries.map((entry) => entry[key]));
		if (seen.size < entries.length) refuse(`two tokens have the same ${key}`);
	}
	return entries;
}

/** Why a name cannot be that of a token. */
export function objectionToName(name: unknown): string | undefined {
	const isName = typeof name === 'string' && /^[A-Za-z0-9._-]+$/.test(name) && name.length <= LIMITS.tokenNameBytes;
	return isName ? undefined : `a name has 1 to ${LIMITS.tokenNameBytes} letters, digits and . _ -`;
}

function objectionTo(token: unknown): string | undefined {
	if (typeof token !== 'object' || token === null) return 'is no object';
	const { name, scopes, sha256, createdAt, maxBytes, requestsPerSecond } = token as Partial<
		Record<keyof TokenEntry, unknown>
	>;
	// A limit with a slip of the pen in its name would be no limit.
	const stranger = Object.keys(token).find((member) => !MEMBERS.includes(member));
	if (stranger !== undefined) return `"${stranger}" is nothing that a token has`;
	const wrongName = objectionToName(name);
	if (wrongName !== undefined) return wrongName;
	if (!Array.isArray(scopes) || scopes.length === 0 || !scopes.every((scope) => SCOPES.includes(scope as Scope)))
		return `scopes is a list of ${SCOPES.join(', ')}`;
	if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) return 'sha256 is 64 hexadecimal digits';
	if (typeof createdAt !== 'string' || Number.isNaN(Date.parse(createdAt))) return 'createdAt is no time';
	for (const [member, value] of Object.entries({ maxBytes, requestsPerSecond }))
		if (value !== undefined && !(Number.isSafeInteger(value) && (value as number) >= 1))
			return `${member} is a whole number from 1`;
	return undefined;
}
