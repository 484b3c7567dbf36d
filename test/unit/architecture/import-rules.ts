/** The table of docs/architecture.md §3, as a rule over the imports of one file. */
import { posix } from 'node:path';
import type { FoundImport } from './import-scanner.js';

const BASE = ['config', 'metrics', 'errors', 'limits', 'units', 'bytes', 'deferred'];
const LEAVES = ['append-log', 'db', 'native', 'io'];
const MIDDLE = ['kv-layer', 'pora', 'sync', 'da'];
const BELOW_MIDDLE = ['log-layer', 'settlement', ...LEAVES, ...BASE];

/** Room (or file directly below src/) → what it may import besides itself. A room that is not here may not exist. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
	cli: ['node', 'client', 'api', ...MIDDLE, ...BELOW_MIDDLE],
	node: ['api', ...MIDDLE, ...BELOW_MIDDLE],
	api: [...MIDDLE, ...BELOW_MIDDLE],
	client: ['api'],
	...Object.fromEntries(MIDDLE.map((room) => [room, BELOW_MIDDLE])),
	'log-layer': ['settlement', ...LEAVES, ...BASE],
	settlement: [...LEAVES, ...BASE],
	'append-log': ['io', ...BASE],
	db: ['io', ...BASE],
	native: BASE,
	io: BASE,
	config: ['errors', 'limits', 'units'],
	metrics: ['errors', 'limits', 'units'],
	errors: [],
	limits: ['units'],
	units: [],
	bytes: ['errors', 'limits', 'units'],
	deferred: [],
};

/** Packages and modules that only some rooms may name. `meant` matches the specifiers. */
const KEPT: readonly { readonly meant: RegExp; readonly rooms: readonly string[]; readonly why: string }[] = [
	{ meant: /^#addon$/, rooms: ['native'], why: 'only src/native imports the addon' },
	{ meant: /^rocksdb($|\/)/, rooms: ['db'], why: 'only src/db says rocksdb' },
	{ meant: /^piscina($|\/)/, rooms: ['native'], why: 'only src/native runs worker pools' },
	{ meant: /^(@fastify\/|fastify($|\/))/, rooms: ['api'], why: 'only src/api speaks HTTP to clients' },
	{ meant: /^(@grpc\/|grpc-health-check($|\/))/, rooms: ['api'], why: 'only src/api speaks gRPC' },
	{ meant: /^prom-client($|\/)/, rooms: ['metrics'], why: 'only src/metrics declares metrics' },
	{ meant: /^(commander|cli-progress)($|\/)/, rooms: ['cli'], why: 'only src/cli talks to a terminal' },
	{ meant: /^smol-toml($|\/)/, rooms: ['config'], why: 'only src/config reads configuration files' },
	{
		meant: /^(node:)?fs($|\/)/,
		rooms: ['io', 'db', 'native', 'config', 'cli', 'node'],
		why: 'files are reached through StorageIo, so that tests can inject faults',
	},
];

/** Names what is wrong with the imports of one file; `path` is posix and starts below src/, e.g. `db/rocks.ts`. */
export function violationsOf(path: string, imports: readonly FoundImport[]): string[] {
	const room = roomOf(path);
	const allowed = MAY_IMPORT[room];
	if (allowed === undefined) return [`${path}: ${room} is no room of docs/architecture.md §3`];
	return imports.flatMap((found) => {
		const reason = objectionTo(path, room, allowed, found);
		return reason === undefined ? [] : [`${path}:${found.line}: imports ${found.specifier}: ${reason}`];
	});
}

function objectionTo(path: string, room: string, allowed: readonly string[], found: FoundImport): string | undefined {
	const { specifier } = found;
	if (!specifier.startsWith('.') && !found.typeOnly && room === 'client')
		return 'client also runs in browsers: no packages, nothing of Node';
	if (!specifier.startsWith('.'))
		return KEPT.find(({ meant, rooms }) => meant.test(specifier) && !rooms.includes(room))?.why;
	const target = posix.join(posix.dirname(path), specifier);
	if (target.startsWith('..')) return 'src imports nothing outside of src';
	const targetRoom = roomOf(target);
	if (targetRoom === room) return undefined;
	if (!allowed.includes(targetRoom)) return `${room} may not import ${targetRoom}`;
	if (room === 'client' && !target.startsWith('api/rest/'))
		return 'client imports only the endpoint definitions of api/rest';
	if (room === 'settlement' && targetRoom === 'append-log' && !found.typeOnly && path !== 'settlement/journal.ts') {
		return 'the journal has one writer, settlement/journal.ts';
	}
	return undefined;
}

/** The first folder, or the name of a file that lies directly below src/. */
function roomOf(path: string): string {
	const first = path.split('/')[0] ?? '';
	return first.replace(/\.(ts|js)$/, '');
}
