/**
 * Finds what a TypeScript module imports: static, type-only, re-exporting and dynamic imports, `require` and
 * `createRequire(…)(…)` by name. A small scanner over code with its comments removed; it need not understand the rest.
 */
export interface FoundImport {
	/** The specifier as written. */
	readonly specifier: string;
	/** Whether the import leaves nothing at run time. */
	readonly typeOnly: boolean;
	/** Line of the specifier, from 1. */
	readonly line: number;
}

/** One alternative for every thing in which quotes or slashes mean something else; the first that matches wins. */
const TOKEN = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g;

const STATIC =
	/(?<![.\w$])(?:import|export)\b(?<clause>[\s\w$,{}*]*?)\bfrom\s*(?<quote>['"])(?<name>[^'"\n]+)\k<quote>/g;
const BARE = /(?<![.\w$])import\s*(?<quote>['"])(?<name>[^'"\n]+)\k<quote>/g;
const CALLED =
	/(?<![.\w$])(?:import|require|createRequire\([^)]*\))\s*\(\s*(?<quote>['"`])(?<name>[^'"`\n]+)\k<quote>/g;
/** `import('…').Name` in the place of a type. */
const TYPE_POSITION = /(?:[:<|&,=]|\bas|\bextends|\btypeof|\bsatisfies)\s*$/;

/** Every import of one module, in the order of the text. */
export function importsOf(source: string): FoundImport[] {
	const code = withoutComments(source);
	const found: (FoundImport & { at: number })[] = [];
	const add = (match: RegExpExecArray, typeOnly: boolean): void => {
		const specifier = match.groups?.['name'] ?? '';
		const at = match.index + match[0].lastIndexOf(specifier);
		found.push({ specifier, typeOnly, line: code.slice(0, at).split('\n').length, at });
	};
	for (const match of code.matchAll(STATIC)) add(match, isTypeClause(match.groups?.['clause'] ?? ''));
	for (const match of code.matchAll(BARE)) add(match, false);
	for (const match of code.matchAll(CALLED)) {
		const isType =
			TYPE_POSITION.test(code.slice(0, match.index)) && /^\s*\)\s*\./.test(code.slice(match.index + match[0].length));
		add(match, isType);
	}
	return found.sort((left, right) => left.at - right.at).map(({ at: _, ...rest }) => rest);
}

/** `type { … }`, or braces in which every name is marked `type`. */
function isTypeClause(clause: string): boolean {
	const text = clause.trim();
	if (/^type\b(?!\s*,)/.test(text)) return true;
	const names = /^\{([^}]*)\}$/
		.exec(text)?.[1]
		?.split(',')
		.map((name) => name.trim());
	const given = names?.filter((name) => name !== '') ?? [];
	return given.length > 0 && given.every((name) => name.startsWith('type '));
}

/** The same text with comments and the insides of long texts blanked, line breaks kept. */
function withoutComments(source: string): string {
	return source.replaceAll(TOKEN, (token) => {
		const isComment = token.startsWith('//') || token.startsWith('/*');
		const holdsCode = token.startsWith('`') && token.includes('\n');
		return isComment || holdsCode ? token.replaceAll(/[^\n]/g, ' ') : token;
	});
}
