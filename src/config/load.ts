/** Where a configuration comes from: flags win over environment variables, these over the file, the file over defaults. */
import { resolve } from 'node:path';
import { PerigeeError } from '../errors.js';
import { LIMITS } from '../limits.js';
import {
	isSamePlace,
	type ListenPlace,
	parseListenAddress,
	parseListenPlace,
	sharesAddress,
} from './listen-address.js';
import { parseShard } from './shard-position.js';
import { nearest } from './nearest.js';
import { isOfficial, type OfficialLine, readOfficial } from './official/read.js';
import { type EffectiveSetting, placed, refusal } from './refusal.js';
import { type Config, type Setting, SETTINGS, type SettingValue } from './schema.js';
import { isTable, placeOf, readTomlFile, type TomlFile } from './toml-file.js';

export interface ConfigSources {
	/** Values of flags by dotted key (`log.level`); undefined ones count as not given. */
	readonly flags?: Readonly<Record<string, string | readonly string[] | undefined>>;
	/** Usually process.env. */
	readonly env?: Readonly<Record<string, string | undefined>>;
	/** Path given with --config; PERIGEE_CONFIG is read when it is absent. */
	readonly file?: string;
	/** Values of flags of the official command line, which go with an official file. */
	readonly officialFlags?: Readonly<Record<string, string>>;
}

const PREFIX = 'PERIGEE_';
const LISTENERS = ['http', 'admin', 'grpc'] as const;
/** Variables that begin like a setting and belong to something else. */
const OTHER_VARIABLES = [
	'PERIGEE_CHAIN_KEY',
	'PERIGEE_CHAIN_KEY_PASSWORD',
	'PERIGEE_CONFIG',
	'PERIGEE_NODE',
	'PERIGEE_SIMD',
	'PERIGEE_TOKEN',
];

const byKey = new Map(SETTINGS.map((setting) => [setting.key, setting]));
const sections = new Set(SETTINGS.map((setting) => setting.key.split('.').slice(0, -1).join('.')));
const topLevel = new Set(SETTINGS.map((setting) => setting.key.split('.')[0]));

export interface LoadedConfig {
	readonly config: Config;
	/** In the order of the schema; paths as they were written. */
	readonly settings: readonly EffectiveSetting[];
	/** What the keys of an official file mean here; absent for a file of ours, and for none. */
	readonly official?: readonly OfficialLine[];
}

type Values = Map<string, Omit<EffectiveSetting, 'key'>>;

/** Puts a configuration together. Errors: CONFIG_INVALID, with the place (file:line, variable or flag) and what is wrong. */
export function loadConfig(sources: ConfigSources = {}): Config {
	return explainConfig(sources).config;
}

/** The same with the origin of each setting. */
export function explainConfig(sources: ConfigSources): LoadedConfig {
	const values: Values = new Map(
		SETTINGS.map((setting) => [setting.key, { value: setting.fallback, from: 'default' }]),
	);
	const env = sources.env ?? {};
	const file = sources.file ?? env['PERIGEE_CONFIG'];
	const toml = file === undefined || file === '' ? undefined : readTomlFile(file);
	const official = toml && readFile(toml, sources.officialFlags ?? {}, values);
	const [officialFlag] = Object.keys(sources.officialFlags ?? {});
	if (official === undefined && officialFlag !== undefined)
		fail(`--${officialFlag} goes with the configuration of a 0G storage node; name one with --config`);
	readEnvironment(env, values);
	for (const [key, text] of Object.entries(sources.flags ?? {})) {
		const setting = byKey.get(key);
		if (text === undefined || setting === undefined) continue;
		const from = setting.flag ?? key;
		values.set(key, { value: checked(setting, valueOf(setting, text), from), from });
	}
	const settings = [...values].map(([key, { value, from }]) => ({ key, value, from }));
	const config = withPaths(nest(values));
	if (official !== undefined && config.chain.flowAddress === '')
		fail(`${file}: log_contract_address is missing: the flow contract that the node follows`);
	const objection = objectionTo(config);
	if (objection !== undefined) throw placed(objection, settings);
	return { config, settings, ...(official === undefined ? {} : { official }) };
}

/** The same with absolute paths. */
function withPaths(config: Config): Config {
	const dataDir = resolve(config.dataDir);
	return {
		...config,
		dataDir,
		storage: { ...config.storage, dataDirs: config.storage.dataDirs.map((directory) => resolve(directory)) },
		auth: { ...config.auth, tokensFile: resolve(config.auth.tokensFile || `${dataDir}/tokens.json`) },
		tls: { cert: absolute(config.tls.cert), key: absolute(config.tls.key) },
	};
}

/** What is wrong between settings, each of which could be used by itself. */
function objectionTo(config: Config): PerigeeError | undefined {
	const { tls, dataDir, storage, chain, mining } = config;
	if (chain.endpoints.length > 0 !== (chain.flowAddress !== ''))
		return refusal(
			['chain.endpoints', 'chain.flowAddress'],
			'chain.endpoints and chain.flowAddress go together: set both to follow a chain, or none',
		);
	for (const key of ['flowAddress', 'rewardAddress', 'mineAddress'] as const)
		if (chain[key] !== '' && !/^0x[0-9a-f]{40}$/i.test(chain[key]))
			return refusal([`chain.${key}`], `chain.${key}: "${chain[key]}" is no address: 0x and 40 hexadecimal digits`);
	if (mining.mode === 'on' && chain.endpoints.length > 0 && chain.mineAddress === '')
		return refusal(
			['mining.mode', 'chain.mineAddress'],
			'mining on a chain needs chain.mineAddress, the address of its mining contract (PoraMine)',
		);
	if ((tls.cert === '') !== (tls.key === ''))
		return refusal(['tls.cert', 'tls.key'], 'tls.cert and tls.key go together: set both or none');
	if (new Set([dataDir, ...storage.dataDirs]).size <= storage.dataDirs.length)
		return refusal(['dataDir', 'storage.dataDirs'], 'storage.dataDirs: a data directory is named twice');
	const places = LISTENERS.map((key): [typeof key, ListenPlace] => [key, parseListenPlace(config[key])]);
	for (const [index, [key, place]] of places.entries()) {
		const [other, before] = places.slice(0, index).find((each) => sharesAddress(each[1], place)) ?? [];
		// One server then offers everything; gRPC speaks another protocol.
		const isOneServer = other === 'http' && key === 'admin' && before !== undefined && isSamePlace(before, place);
		if (other !== undefined && !isOneServer)
			return refusal(
				[other, key],
				`${other} (${config[other]}) and ${key} (${config[key]}) would listen on the same port; give each its own`,
			);
	}
	return undefined;
}

/** An empty path stays empty. */
function absolute(path: string): string {
	return path === '' ? '' : resolve(path);
}

function readEnvironment(env: Readonly<Record<string, string | undefined>>, values: Values): void {
	const variables = SETTINGS.map((setting) => setting.variable.slice(PREFIX.length));
	for (const [variable, text] of Object.entries(env)) {
		if (!variable.startsWith(PREFIX) || text === undefined || OTHER_VARIABLES.includes(variable)) continue;
		const setting = SETTINGS.find((candidate) => candidate.variable === variable);
		if (setting !== undefined) {
			if (text !== '')
				values.set(setting.key, { value: checked(setting, valueOf(setting, text), variable), from: variable });
			continue;
		}
		// A slip of the pen must not put the data somewhere else; other PERIGEE_ variables are not ours to judge.
		const close = nearest(variable.slice(PREFIX.length), variables);
		if (close !== undefined) fail(`${variable}: no such setting; did you mean ${PREFIX}${close}?`);
	}
}

/** Takes what a file says; the answer is what it means here, if it is an official one. */
function readFile(
	file: TomlFile,
	officialFlags: Readonly<Record<string, string>>,
	values: Values,
): readonly OfficialLine[] | undefined {
	if (!isOfficial(file, topLevel)) {
		takeTable(file.table, '', file, values);
		return undefined;
	}
	const lines = readOfficial(file, officialFlags);
	for (const { key, place, fate, becomes } of lines) {
		const setting = byKey.get(becomes?.key ?? '');
		if (setting === undefined) continue;
		const from = { honoured: `${place}: ${key}`, default: `${place}: default of ${key}` }[fate as string] ?? place;
		values.set(setting.key, { value: checked(setting, becomes?.value, from), from });
	}
	return lines;
}

function takeTable(table: TomlFile['table'], prefix: string, file: TomlFile, values: Values): void {
	for (const [name, value] of Object.entries(table)) {
		const key = prefix === '' ? name : `${prefix}.${name}`;
		const place = placeOf(file, key);
		const setting = byKey.get(key);
		if (setting !== undefined) {
			values.set(key, { value: checked(setting, value, `${place}: ${key}`), from: place });
		} else if (sections.has(key)) {
			if (!isTable(value)) fail(`${place}: ${key} is a section; write [${key}]`);
			takeTable(value, key, file, values);
		} else {
			const close = nearest(
				key,
				[...byKey.keys(), ...sections].filter((candidate) => candidate !== ''),
			);
			fail(`${place}: no setting is called ${key}${close === undefined ? '' : `; did you mean ${close}?`}`);
		}
	}
}

/** The value that a text of a variable or flag stands for, unchecked. */
function valueOf(setting: Setting, text: string | readonly string[]): SettingValue {
	if (typeof text !== 'string') return text;
	if (setting.kind === 'paths') return text.split(':');
	if (setting.kind === 'origins' || setting.kind === 'urls') return text.split(',').map((origin) => origin.trim());
	return setting.kind === 'integer' && /^-?[0-9][0-9_]*$/.test(text) ? Number(text.replaceAll('_', '')) : text;
}

function checked(setting: Setting, value: unknown, place: string): SettingValue {
	if (setting.kind === 'paths') return checkedPaths(value, place);
	if (setting.kind === 'origins') return checkedOrigins(value, place);
	if (setting.kind === 'urls') return checkedUrls(value, place);
	const shown = typeof value === 'string' ? `"${value}"` : isTable(value) ? 'a section' : String(value);
	if (setting.kind === 'integer') {
		const { minimum = 0, maximum = Number.MAX_SAFE_INTEGER } = setting;
		if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < minimum || value > maximum) {
			fail(`${place}: ${shown} is not a whole number from ${minimum} to ${maximum}`);
		}
		return value;
	}
	if (typeof value !== 'string' || (value === '' && setting.fallback !== '')) fail(`${place}: ${shown} is not a text`);
	if (setting.choices !== undefined && !setting.choices.includes(value)) {
		const close = nearest(value, setting.choices);
		const hint = close === undefined ? '' : `; did you mean ${close}?`;
		fail(`${place}: ${shown} is none of ${setting.choices.join(', ')}${hint}`);
	}
	if (setting.shape !== undefined) {
		try {
			if (setting.shape === 'public URL') checkPublicUrl(value);
			else if (setting.shape === 'shard') parseShard(value);
			else if (setting.shape === 'miner id') checkMinerId(value);
			else if (setting.shape === 'host:port') parseListenAddress(value);
			else parseListenPlace(value);
		} catch (error) {
			fail(`${place}: ${(error as Error).message}`);
		}
	}
	return value;
}

/** Errors: CONFIG_INVALID. */
function checkMinerId(text: string): void {
	if (!/^(?:0x[0-9a-f]{64})?$/i.test(text)) fail(`"${text}" is no miner id: 0x and 64 hexadecimal digits`);
}

/** Clients put paths behind it. Errors: CONFIG_INVALID. */
function checkPublicUrl(text: string): void {
	if (text === '') return;
	const url = /^https?:\/\//.test(text) && URL.canParse(text) ? new URL(text) : undefined;
	const isPlain = url !== undefined && url.username === '' && url.password === '' && !/[?#\s]/.test(text);
	if (!isPlain) fail(`"${text}" is not the address of a node, like https://node.example, without parameters or a user`);
}

function checkedPaths(value: unknown, place: string): readonly string[] {
	if (!Array.isArray(value)) fail(`${place}: ${String(value)} is not a list of directories`);
	return value.map((path: unknown) =>
		typeof path === 'string' && path !== '' ? path : fail(`${place}: ${String(path)} is not the path of a directory`),
	);
}

function checkedOrigins(value: unknown, place: string): readonly string[] {
	if (!Array.isArray(value)) fail(`${place}: ${String(value)} is not a list of origins`);
	if (value.length > LIMITS.corsOrigins) fail(`${place}: more than ${LIMITS.corsOrigins} origins`);
	const isOrigin = (origin: unknown): boolean =>
		typeof origin === 'string' && /^https?:/.test(origin) && URL.canParse(origin) && new URL(origin).origin === origin;
	for (const origin of value as unknown[])
		if (!isOrigin(origin) && !(origin === '*' && value.length === 1))
			fail(`${place}: ${String(origin)} is not the origin of a page, like https://example.org, nor * alone`);
	return value as readonly string[];
}

function checkedUrls(value: unknown, place: string): readonly string[] {
	if (!Array.isArray(value)) fail(`${place}: ${String(value)} is not a list of addresses`);
	for (const url of value as unknown[])
		if (typeof url !== 'string' || !/^https?:\/\//.test(url) || !URL.canParse(url))
			fail(`${place}: ${String(url)} is not the address of an endpoint, like http://127.0.0.1:8545`);
	return value as readonly string[];
}

function nest(values: Values): Config {
	const root: Record<string, unknown> = {};
	for (const [key, { value }] of values) {
		const names = key.split('.');
		let table = root;
		for (const name of names.slice(0, -1)) {
			table[name] ??= {};
			table = table[name] as Record<string, unknown>;
		}
		table[names.at(-1) ?? key] = value;
	}
	// Every leaf of the schema was set from its default and checked against its rule.
	return root as Config;
}

function fail(message: string): never {
	throw new PerigeeError('CONFIG_INVALID', message);
}
