/** Reads an official configuration: what its keys become here, which are not used, and which are not known. */
import { PerigeeError } from '../../errors.js';
import { parseListenAddress } from '../listen-address.js';
import type { EffectiveSetting } from '../refusal.js';
import { isTable, placeOf, type TomlFile } from '../toml-file.js';
import { OFFICIAL_FLAGS } from './flags.js';
import { OFFICIAL_KEYS, type OfficialKey, SERVES_KEYS } from './keys.js';
import { address, addressOrNone } from './types.js';

/** One line of what a file means here. */
export interface OfficialLine {
	/** Dotted key; of what the file means as a whole, empty. */
	readonly key: string;
	/** `<file>:<line>`, a flag, or the file where the key has its default. */
	readonly place: string;
	readonly fate: 'honoured' | 'default' | 'implied' | 'not used' | 'not known';
	/** Setting and value that it became. */
	readonly becomes?: Pick<EffectiveSetting, 'key' | 'value'>;
	/** What it steers besides, or why it is not used. */
	readonly remark?: string;
}

/** A key that the file or the command line has. */
interface Given {
	readonly place: string;
	readonly value: unknown;
}

const byKey = new Map(OFFICIAL_KEYS.map((row) => [row.key, row]));
const topLevel = new Set(OFFICIAL_KEYS.map(({ key }) => key.split('.')[0]));
const sections = new Set(OFFICIAL_KEYS.flatMap(({ key }) => key.split('.').slice(0, -1)));

/** What the settings are that no key of an official configuration says. */
const IMPLIED: readonly Pick<EffectiveSetting, 'key' | 'value'>[] = [
	{ key: 'auth.network', value: 'official' },
	// Who runs such a node takes anything on standard error for a failure (spec log-layer §13).
	{ key: 'log.output', value: 'stdout' },
];

/**
 * Whether a file has official keys. `own`: names that stand at the top of a file with settings of ours. Errors: CONFIG_INVALID when it has
 * both.
 */
export function isOfficial(file: TomlFile, own: ReadonlySet<string | undefined>): boolean {
	const names = Object.keys(file.table);
	const official = names.find((name) => topLevel.has(name));
	const ours = names.find((name) => own.has(name));
	if (official !== undefined && ours !== undefined)
		throw new PerigeeError(
			'CONFIG_INVALID',
			`${placeOf(file, official)}: ${official} belongs to the configuration of a 0G storage node, ${ours} (${placeOf(file, ours)}) to one of Perigee; a file is written in one of the two forms`,
		);
	return official !== undefined;
}

/**
 * `flags`: texts by official keys, which stand in the place of what the file says. Errors: CONFIG_INVALID, with the place, for a value of
 * another type.
 */
export function readOfficial(file: TomlFile, flags: Readonly<Record<string, string>>): readonly OfficialLine[] {
	const { given, unknown } = keysOf(file);
	for (const [name, value] of Object.entries(flags)) {
		const row = byKey.get(OFFICIAL_FLAGS[name] ?? '');
		if (row) given.set(row.key, { place: `--${name}`, value: row.type.ofText(value) });
	}
	for (const [key, { place, value }] of given) refuseOtherType(byKey.get(key) as OfficialKey, place, value);
	const isServed = SERVES_KEYS.every((key) => given.get(key)?.value !== false);
	const settings = new Map<string, OfficialLine>();
	const others: OfficialLine[] = [];
	for (const row of OFFICIAL_KEYS) {
		const found = given.get(row.key);
		if (found === undefined) continue;
		const { key } = row;
		const { place, value } = found;
		if ('reason' in row) others.push({ key, place, fate: 'not used', remark: row.reason });
		else if (row.setting === undefined)
			others.push({ key, place, fate: 'honoured', remark: row.effect?.(value) ?? '' });
		else {
			const before = settings.get(row.setting);
			if (before)
				others.push({ key: before.key, place: before.place, fate: 'not used', remark: `${key} stands in its place` });
			settings.set(row.setting, { key, place, fate: 'honoured', becomes: becomes(row, value, isServed) });
		}
	}
	for (const row of OFFICIAL_KEYS) {
		if ('reason' in row || row.setting === undefined || row.fallback === undefined || settings.has(row.setting))
			continue;
		const line = {
			key: row.key,
			place: file.path,
			fate: 'default',
			becomes: becomes(row, row.fallback, isServed),
		} as const;
		settings.set(row.setting, line);
	}
	return [
		...[...settings.values()].map((line) => withPublicAddress(line, settings)),
		...IMPLIED.map((setting) => ({ key: '', place: file.path, fate: 'implied', becomes: setting }) as const),
		...others,
		...unknown.map((key) => ({ key, place: placeOf(file, key), fate: 'not known' }) as const),
	];
}

function keysOf(file: TomlFile): { readonly given: Map<string, Given>; readonly unknown: readonly string[] } {
	const given = new Map<string, Given>();
	const unknown: string[] = [];
	const take = (key: string, value: unknown): void => {
		if (byKey.has(key)) given.set(key, { place: placeOf(file, key), value });
		else unknown.push(key);
	};
	for (const [name, value] of Object.entries(file.table)) {
		if (!sections.has(name)) take(name, value);
		else if (isTable(value)) for (const [member, each] of Object.entries(value)) take(`${name}.${member}`, each);
		else throw new PerigeeError('CONFIG_INVALID', `${placeOf(file, name)}: ${name} is a section; write [${name}]`);
	}
	return { given, unknown };
}

/** Errors: CONFIG_INVALID. The value itself may be a secret. */
function refuseOtherType({ key, type }: OfficialKey, place: string, value: unknown): void {
	if (!type.takes(value)) throw new PerigeeError('CONFIG_INVALID', `${place}: ${key} is not ${type.what}`);
}

function becomes(
	row: Extract<OfficialKey, { readonly setting?: string }>,
	value: unknown,
	isServed: boolean,
): NonNullable<OfficialLine['becomes']> {
	const key = row.setting ?? '';
	const isAddress = row.type === address || (row.type === addressOrNone && value !== '');
	if (isAddress && !isServed) return { key, value: `127.0.0.1:${parseListenAddress(value as string).port}` };
	// Its type was looked at.
	return { key, value: row.as ? row.as(value as string) : (value as string | number) };
}

/** The administration of a file that names no address for it, on the address of everything else. */
function withPublicAddress(line: OfficialLine, settings: ReadonlyMap<string, OfficialLine>): OfficialLine {
	const open = settings.get('http')?.becomes;
	if (line.becomes?.key !== 'admin' || line.becomes.value !== '' || open === undefined) return line;
	return { ...line, becomes: { ...line.becomes, value: open.value } };
}
