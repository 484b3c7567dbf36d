/** `perigee token create|ls|rm`: the file of tokens. A node that runs reads it again by itself. */
import { sha256OfToken, makeToken, objectionToName, type TokenEntry } from '../api/auth/token-file.js';
import { SCOPES, type Scope } from '../api/auth/scopes.js';
import { systemRandomness } from '../io/randomness.js';
import { LIMITS } from '../limits.js';
import { CliError } from './exit-codes.js';
import { type OutputOptions, printResult } from './output.js';
import { configOf } from './start.js';
import { changeTokens, readTokens } from './token-store.js';

export type TokenAction = 'create' | 'ls' | 'rm';

export interface TokenVerbOptions extends OutputOptions {
	readonly dataDir?: readonly string[];
	readonly config?: string;
	/** Each `read`, `write` or `admin`. */
	readonly scope?: readonly string[];
	readonly maxBytes?: string;
	readonly requestsPerSecond?: string;
}

/** Errors: CONFIG_INVALID when the file cannot be read. */
export async function token(action: TokenAction, names: readonly string[], options: TokenVerbOptions): Promise<void> {
	const config = configOf(options);
	const file = { path: config.auth.tokensFile, dataDir: config.dataDir };
	if (action === 'create') await create(file, names, options);
	else if (action === 'rm') await remove(file, names, options);
	else if (names.length > 0) throw new CliError('usage', 'token ls takes no names');
	else for (const entry of readTokens(file.path)) printResult(options, shown(entry), lineOf(entry));
}

interface TokenFile {
	readonly path: string;
	readonly dataDir: string;
}

/** Prints the token itself, this once. */
async function create(file: TokenFile, names: readonly string[], options: TokenVerbOptions): Promise<void> {
	const [name, second] = names;
	const example = { hint: 'Write it like perigee token create laptop --scope write.' };
	if (name === undefined || second !== undefined) throw new CliError('usage', 'a token has one name', example);
	const objection = objectionToName(name);
	if (objection !== undefined) throw new CliError('usage', objection, example);
	const scopes = scopesOf(options.scope ?? [], example);
	const maxBytes = wholeOf(options.maxBytes, '--max-bytes');
	const requestsPerSecond = wholeOf(options.requestsPerSecond, '--requests-per-second');
	const text = makeToken(systemRandomness);
	const entry: TokenEntry = {
		name,
		scopes,
		sha256: sha256OfToken(text),
		createdAt: new Date().toISOString(),
		...(maxBytes === undefined ? {} : { maxBytes }),
		...(requestsPerSecond === undefined ? {} : { requestsPerSecond }),
	};
	changeTokens(file, (entries) => {
		if (entries.some((other) => other.name === name))
			throw new CliError('usage', `there is a token ${name} already`, {
				hint: 'Choose another name, or remove that one first: perigee token rm.',
			});
		if (entries.length >= LIMITS.tokens) throw new CliError('usage', `a node has at most ${LIMITS.tokens} tokens`);
		return [...entries, entry];
	});
	printResult(options, { ...shown(entry), token: text, file: file.path }, text);
	if (options.json !== true && options.quiet !== true)
		process.stderr.write(`Keep it: it is shown this once. ${file.path} has its hash only.\n`);
}

async function remove(file: TokenFile, names: readonly string[], options: TokenVerbOptions): Promise<void> {
	if (names.length === 0) throw new CliError('usage', 'token rm needs the names of tokens');
	changeTokens(file, (entries) => {
		const missing = names.find((name) => !entries.some((entry) => entry.name === name));
		if (missing !== undefined)
			throw new CliError('notFound', `there is no token ${missing}`, { hint: 'perigee token ls names them.' });
		return entries.filter(({ name }) => !names.includes(name));
	});
	for (const name of names) printResult(options, { name, removed: true }, name);
}

function scopesOf(texts: readonly string[], details: { readonly hint: string }): readonly Scope[] {
	const wanted = texts.flatMap((text) => text.split(','));
	const stranger = wanted.find((text) => !SCOPES.includes(text as Scope));
	if (stranger !== undefined || wanted.length === 0) {
		const what = stranger === undefined ? 'a token needs a scope' : `"${stranger}" is no scope`;
		throw new CliError('usage', `${what}: --scope ${SCOPES.join(', ')}`, details);
	}
	return SCOPES.filter((scope) => wanted.includes(scope));
}

function wholeOf(text: string | undefined, flag: string): number | undefined {
	if (text === undefined) return undefined;
	const value = /^[0-9][0-9_]*$/.test(text) ? Number(text.replaceAll('_', '')) : Number.NaN;
	if (Number.isSafeInteger(value) && value >= 1) return value;
	throw new CliError('usage', `${flag}: "${text}" is not a whole number from 1`);
}

/** An entry without its hash, which is of use to nobody. */
function shown({ sha256: _, ...entry }: TokenEntry): Omit<TokenEntry, 'sha256'> {
	return entry;
}

function lineOf({ name, scopes, createdAt, maxBytes, requestsPerSecond }: TokenEntry): string {
	const limits = [
		maxBytes === undefined ? '' : `, ${maxBytes} bytes a window`,
		requestsPerSecond === undefined ? '' : `, ${requestsPerSecond} requests/s`,
	].join('');
	return `${name.padEnd(20)} ${scopes.join(',').padEnd(16)} ${createdAt}${limits}`;
}
