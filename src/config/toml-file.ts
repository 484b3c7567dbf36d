/** A TOML file as it was read, and the lines on which its keys stand. */
import { readFileSync, statSync } from 'node:fs';
import { parse, TomlError } from 'smol-toml';
import { PerigeeError } from '../errors.js';
import { LIMITS } from '../limits.js';

export interface TomlFile {
	readonly path: string;
	readonly text: string;
	readonly table: Readonly<Record<string, unknown>>;
}

/** Errors: CONFIG_INVALID, with the line where it is no TOML. */
export function readTomlFile(path: string): TomlFile {
	let text: string;
	try {
		const stats = statSync(path);
		// Their ends may never come; a pipe has somebody who writes it.
		if (stats.isCharacterDevice() || stats.isBlockDevice()) fail(`${path}: is a device`);
		if (stats.size > LIMITS.configFileBytes) fail(`${path}: larger than ${LIMITS.configFileBytes} bytes`);
		text = readFileSync(path, 'utf8');
	} catch (error) {
		if (error instanceof PerigeeError) throw error;
		fail(`${path}: cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`);
	}
	let table: Record<string, unknown>;
	try {
		table = parse(text);
	} catch (error) {
		if (!(error instanceof TomlError)) throw error;
		fail(
			`${path}:${error.line}:${error.column}: ${error.message.split('\n')[0]?.replace('Invalid TOML document: ', '')}`,
		);
	}
	return { path, text, table };
}

export function isTable(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** `<file>:<line>` of a dotted key. */
export function placeOf({ path, text }: TomlFile, key: string): string {
	return `${path}:${lineOf(text, key)}`;
}

/** Line on which a dotted key stands, as well as it can be told from the text; the first line when it cannot. */
function lineOf(text: string, key: string): number {
	let section = '';
	for (const [index, line] of text.split('\n').entries()) {
		const header = /^\s*\[\s*([^\]]+?)\s*\]/.exec(line)?.[1];
		if (header !== undefined) {
			section = `${header.replaceAll(/["'\s]/g, '')}.`;
			if (section === `${key}.`) return index + 1;
			continue;
		}
		const name = /^\s*([A-Za-z0-9_."'\s-]+?)\s*=/.exec(line)?.[1]?.replaceAll(/["'\s]/g, '');
		if (name === undefined) continue;
		const full = section + name;
		if (full === key || full.startsWith(`${key}.`) || key.startsWith(`${full}.`)) return index + 1;
	}
	return 1;
}

function fail(message: string): never {
	throw new PerigeeError('CONFIG_INVALID', message);
}
