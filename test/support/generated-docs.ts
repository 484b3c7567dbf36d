/** The parts of docs/ that come from tables of the code. `npm run generate` writes them; CI and a test compare them. */
import { readFileSync } from 'node:fs';
import type { TSchema } from 'typebox';
import { ADMIN_ENDPOINTS } from '../../src/api/admin/definitions.js';
import { GRPC_STATUS } from '../../src/api/grpc/status.js';
import { type EndpointDefinition, ENDPOINTS } from '../../src/api/rest/definitions.js';
import { tokenScopeOf } from '../../src/api/rest/endpoint-definition.js';
import { openApiDocument } from '../../src/api/rest/openapi.js';
import { EXIT_CODES } from '../../src/cli/exit-codes.js';
import { exampleText } from '../../src/cli/help-examples.js';
import { buildProgram } from '../../src/cli/main.js';
import { packageVersion } from '../../src/config/version.js';
import { SETTINGS, type Setting } from '../../src/config/schema.js';
import { type ErrorCode, ERRORS, type ErrorRule } from '../../src/errors.js';
import { METRICS } from '../../src/metrics/metrics.js';

const BEGIN = '<!-- generated: begin; change the code and run npm run generate -->';
const END = '<!-- generated: end -->';

const ADMIN_WORDS = [
	'These stand on a listener of their own (`admin`, `--admin`; 127.0.0.1:5679), whose address is in `listeners.admin` of `node.json`. It asks for',
	'a token with the scope `admin` where there is a file of tokens, and none on a Unix socket. So that no web page can use it from the browser of someone there, it answers only requests whose `Host`',
	'is a literal address, `localhost`, or the name in the setting (else `FOREIGN_HOST`), and none that a page of another origin has made (`CROSS_SITE`).',
	'`POST /` there is JSON-RPC ([rpc.md](rpc.md), "Administration").',
].join('\n');

/** Path of each file, from the top of the checkout → its text. */
export const GENERATED_FILES: Readonly<Record<string, () => string>> = {
	'docs/api.md': () => inFile('docs/api.md', endpointSections()),
	'docs/cli.md': () => inFile('docs/cli.md', `${exitCodeTable()}\n\n${verbSections()}`),
	'docs/configuration.md': () => inFile('docs/configuration.md', settingTable()),
	'docs/errors.md': () => inFile('docs/errors.md', errorTable()),
	'docs/openapi.json': () => `${JSON.stringify(openApiDocument(packageVersion()), null, '\t')}\n`,
	'docs/metrics.md': () => inFile('docs/metrics.md', metricTable()),
};

/** The file as it stands, with everything between the two marks replaced. */
function inFile(path: string, generated: string): string {
	const text = readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
	const begin = text.indexOf(BEGIN);
	const end = text.indexOf(END);
	if (begin === -1 || end < begin) throw new Error(`${path} has no place for its generated part`);
	return `${text.slice(0, begin + BEGIN.length)}\n\n${generated}\n\n${text.slice(end)}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
	const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
	return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function settingTable(): string {
	const rows = SETTINGS.map((setting) => [
		`\`${setting.key}\``,
		`\`${setting.variable}\``,
		setting.flag === undefined ? '' : `\`${setting.flag}\``,
		valuesOf(setting),
		String(setting.fallback) === '' ? 'none' : `\`${String(setting.fallback)}\``,
		setting.description,
	]);
	return table(['key', 'environment', 'flag', 'values', 'default', 'meaning'], rows);
}

function valuesOf(setting: Setting): string {
	if (setting.choices !== undefined) return setting.choices.join(', ');
	if (setting.kind === 'integer') return `whole number, ${setting.minimum} to ${setting.maximum}`;
	if (setting.kind === 'paths') return 'list of paths';
	if (setting.kind === 'origins') return 'list of origins';
	return setting.shape ?? 'text';
}

function errorTable(): string {
	const rows = Object.entries<ErrorRule>(ERRORS).map(([code, rule]) => [
		`\`${code}\``,
		String(rule.status),
		GRPC_STATUS[code as ErrorCode],
		rule.retryable ? 'yes' : 'no',
		rule.retryAfterSeconds === undefined ? '' : `${rule.retryAfterSeconds} s`,
		rule.title,
		rule.hint,
	]);
	return table(['code', 'status', 'gRPC', 'retryable', 'Retry-After', 'title', 'hint'], rows);
}

function metricTable(): string {
	const rows = Object.values(METRICS).map((metric) => [
		`\`${metric.name}\``,
		metric.type,
		metric.labels.map((label) => `\`${label}\``).join(', '),
		metric.help,
	]);
	return table(['metric', 'type', 'labels', 'meaning'], rows);
}

function exitCodeTable(): string {
	const rows = Object.values(EXIT_CODES).map(({ code, meaning }) => [String(code), meaning]);
	return `## Exit codes\n\n${table(['code', 'meaning'], rows)}`;
}

function verbSections(): string {
	const sections = buildProgram().commands.map((command) => {
		const help = command.configureHelp({ helpWidth: 100 }).helpInformation().trimEnd();
		const examples = exampleText(command.name());
		return `## perigee ${command.name()}\n\n\`\`\`text\n${help}\n${examples}\n\`\`\``;
	});
	return sections.join('\n\n');
}

/** What is read of a schema of parameters, headers or bodies. */
interface SchemaView {
	readonly properties?: Readonly<Record<string, SchemaView>>;
	readonly description?: string;
	readonly type?: string;
	readonly items?: SchemaView;
	readonly anyOf?: readonly SchemaView[];
	readonly const?: string;
	readonly required?: readonly string[];
}

function endpointSections(): string {
	const sections = (endpoints: Readonly<Record<string, EndpointDefinition>>): string[] =>
		Object.values(endpoints).map(endpointSection);
	return [...sections(ENDPOINTS), '## The admin listener', ADMIN_WORDS, ...sections(ADMIN_ENDPOINTS)].join('\n\n');
}

function endpointSection(definition: EndpointDefinition): string {
	const parts = [`### ${definition.methods.join(', ')} ${definition.url}`, definition.summary];
	const scope = tokenScopeOf(definition);
	if (scope !== 'open') parts.push(`Scope: \`${scope}\`.`);
	for (const [title, schema] of [
		['in the address', definition.params],
		['in the query', definition.query],
		['request header', definition.headers],
	] as const) {
		if (schema !== undefined) parts.push(fieldTable(title, schema));
	}
	const answers = Object.entries(definition.answers).map(([status, answer]) => [
		status,
		answer.contentType === undefined ? '' : `\`${answer.contentType}\``,
		answer.description,
	]);
	parts.push(table(['status', 'body', 'meaning'], answers));
	const bodies = new Set(Object.values(definition.answers).flatMap((answer) => bodiesOf(answer.body)));
	for (const body of bodies) parts.push(fieldTable('JSON member', body));
	return parts.join('\n\n');
}

function bodiesOf(body: TSchema | undefined): SchemaView[] {
	if (body === undefined) return [];
	const view = body as SchemaView;
	return [...(view.anyOf ?? [view])];
}

function fieldTable(title: string, schema: SchemaView): string {
	const rows = Object.entries(schema.properties ?? {}).map(([name, field]) => [
		`\`${name}\``,
		typeOf(field),
		field.description ?? '',
	]);
	return table([title, 'type', 'meaning'], rows);
}

function typeOf(field: SchemaView): string {
	if (field.const !== undefined) return `"${field.const}"`;
	if (field.anyOf !== undefined) return field.anyOf.map(typeOf).join(' or ');
	if (field.type === 'array') return `array of ${typeOf(field.items ?? {})}`;
	if (field.type === 'object') {
		const members = Object.entries(field.properties ?? {}).map(([name, member]) => `${name}: ${typeOf(member)}`);
		return `{ ${members.join(', ')} }`;
	}
	return field.type ?? 'any';
}
