/**
 * The configuration of a node as one schema: defaults, TOML keys, environment variables, flags and docs/configuration.md
 * all come from here. Keys are `section.key` in dotted form, which is also their place in the TOML file.
 */
import type { Static } from 'typebox';
import { Type } from './json-schema.js';
import { EMBEDDED_SECTION, MINING_SECTION } from './mining-schema.js';
import { choice, integer, LISTEN_PLACE, listenAddress, strict } from './schema-parts.js';

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

export const CONFIG_SCHEMA = Type.Object(
	{
		dataDir: Type.String({
			default: './perigee-data',
			minLength: 1,
			description: 'Directory that holds everything the node stores. A relative path starts at the working directory.',
		}),
		http: listenAddress('127.0.0.1:5678', 'Where REST, metrics and health listen. Port 0 picks a free one.'),
		admin: Type.String({
			default: '127.0.0.1:5679',
			pattern: LISTEN_PLACE,
			format: 'host:port or unix:path',
			description:
				'Where the administration calls listen; the address of http: one listener offers everything. unix:/run/perigee/admin.sock: a Unix socket that only the user of the node may open (0600), which asks for no token.',
		}),
		grpc: listenAddress('127.0.0.1:50051', 'Where gRPC listens. Port 0 picks a free one.'),
		storage: Type.Object(
			{
				dataDirs: Type.Array(Type.String(), {
					default: [],
					description:
						'Further data directories, one for each further disk; dataDir is the first and holds the journal and the index. On the command line repeat --data-dir, in the environment separate them with colons.',
				}),
				reserveBytes: integer(
					0,
					0,
					2 ** 50,
					'Disk space kept for compaction, facts, journal and view: uploads are refused before it is touched. 0 means 5 % of the file system, at most 4 GiB.',
				),
				maxFileBytes: integer(2 ** 50, 1, 2 ** 50, 'Largest file that is taken.'),
				uploadExpiryMs: integer(
					86_400_000,
					0,
					31_536_000_000,
					'Uploaded content that no submission names is given up after so long.',
				),
				compactionTranquility: integer(
					2,
					0,
					1000,
					'Compaction rests so many times as long as it has worked, less when more is dead than it begins at, not at all from twice that on or while the disk is short. 0: no rest.',
				),
				compactionDeadPercent: integer(
					8,
					1,
					95,
					'Dead percentage of the log at which compaction begins by itself. Less disk space costs more copying.',
				),
				viewCacheBytes: integer(32 * 2 ** 20, 2 ** 20, 2 ** 40, 'Memory for the cache of the index.'),
				scrubTranquility: integer(
					4,
					0,
					1000,
					'After work that took some time the scrub rests this many times as long. 0: it does not rest.',
				),
				scrubIntervalDays: integer(
					30,
					0,
					3650,
					'Days between two passes of the scrub over all stored data, give or take a sixth. 0: it runs only when asked to.',
				),
			},
			strict,
		),
		upload: Type.Object(
			{
				maxConcurrent: integer(256, 1, 65_536, 'Uploads in progress at once; more are told to try again (503).'),
				idleTimeoutMs: integer(
					60_000,
					100,
					86_400_000,
					'An upload of which nothing arrives for so long is given up (408).',
				),
				resumableExpiryMs: integer(
					86_400_000,
					1000,
					31_536_000_000,
					'A resumable upload that nobody continues is kept for so long; afterwards its bytes are given up.',
				),
				minBytesPerSecond: integer(
					100,
					0,
					2 ** 30,
					'An upload that brings less than this, over upload.idleTimeoutMs, is given up (408). 0: any byte in that time is enough.',
				),
			},
			strict,
		),
		auth: Type.Object(
			{
				tokensFile: Type.String({
					default: '',
					description:
						'File of tokens, which perigee token writes; read again when it changes. Empty: tokens.json in dataDir. Where it exists, writes and administration need a token.',
				}),
				writes: choice(
					['auto', 'token'],
					'auto',
					'auto: uploads and deletions need a token once there is a file of tokens, and always where other machines reach the listener. token: always.',
				),
				reads: choice(
					['open', 'token'],
					'open',
					'open: everybody who reaches the listener may read. token: reads need one too.',
				),
				network: choice(
					['guarded', 'official'],
					'guarded',
					'guarded: a node that other machines reach does not start without tokens. official, as with the configuration of a 0G storage node: it starts; JSON-RPC, zgs_grpc and POST /file/segment are open, other uploads and deletions need a token (401 until there is one), administration from other machines too.',
				),
				quotaWindowMs: integer(
					86_400_000,
					1000,
					31_536_000_000,
					'Window in which the byte quota of a token (maxBytes) counts. Counted in memory: a restart begins a new one.',
				),
			},
			strict,
		),
		tls: Type.Object(
			{
				cert: Type.String({
					default: '',
					description:
						'File with the certificate and its chain (PEM). With tls.key: http, and admin on TCP, speak TLS 1.2 or later only. Read again when it changes.',
				}),
				key: Type.String({ default: '', description: 'File with the private key of tls.cert (PEM).' }),
			},
			strict,
		),
		api: Type.Object(
			{
				publicUrl: Type.String({
					default: '',
					format: 'public URL',
					description:
						'Where others reach the http listener (https://node.example), which indexer_* answers name. Empty: scheme and host that the caller used. Needed behind a proxy that ends TLS or changes the host.',
				}),
			},
			strict,
		),
		cors: Type.Object(
			{
				origins: Type.Array(Type.String(), {
					default: [],
					format: 'origin',
					description:
						'Origins (https://example.org) whose pages may read and write from a browser, separated by commas in the environment. *: all may read, and write with a token.',
				}),
			},
			strict,
		),
		shutdown: Type.Object(
			{
				graceMs: integer(
					10_000,
					0,
					3_600_000,
					'On SIGTERM or SIGINT requests that run may go on for so long, then their connections are cut. A second signal ends the process at once.',
				),
			},
			strict,
		),
		log: Type.Object(
			{
				level: choice(LOG_LEVELS, 'info', 'Least severe messages that are logged, one JSON object a line.'),
				output: choice(['stderr', 'stdout'], 'stderr', 'Where log lines go: standard error, or standard output.'),
			},
			strict,
		),
		native: Type.Object(
			{
				hashThreads: integer(
					0,
					0,
					256,
					'Worker threads that hash uploads. 0 means one per core but one, at least one.',
				),
			},
			strict,
		),
		chain: Type.Object(
			{
				endpoints: Type.Array(Type.String(), {
					default: [],
					format: 'url',
					description:
						'JSON-RPC endpoints of the chain whose flow contract this node follows, in the order of preference. None: it has an embedded settlement of its own. An earlier one counts for an existing directory too, as soon as submissions are missed; a later one does not.',
				}),
				flowAddress: Type.String({
					default: '',
					description: 'Address of the flow contract: 0x and 40 digits. Fixed once a data directory exists.',
				}),
				rewardAddress: Type.String({
					default: '',
					description:
						'Address of the reward contract. With shard.maxSectors, what 0G clients have uploaded and the chain pays nothing for any more is dropped (firstRewardableChunk). None: nothing is.',
				}),
				mineAddress: Type.String({
					default: '',
					description: 'Address of the mining contract (PoraMine): 0x and 40 digits. Needed to mine.',
				}),
				startBlock: integer(
					0,
					0,
					Number.MAX_SAFE_INTEGER,
					'The first block that may hold a submission: where the contract was deployed. Fixed once a data directory exists.',
				),
				confirmations: integer(3, 0, 1_000_000_000, 'Blocks behind the newest one that do not count yet.'),
				pollMs: integer(500, 1, 3_600_000, 'Time between two looks at the head of the chain.'),
				pageBlocks: integer(
					999,
					1,
					1_000_000,
					'Blocks that are asked for at once while catching up; less where an endpoint refuses.',
				),
				keyFile: Type.String({
					default: '',
					description:
						'File with the private key that pays for uploads (64 hexadecimal digits, or an encrypted keystore of version 3), which nobody else may read (0600). None, and no PERIGEE_CHAIN_KEY: whoever uploads pays.',
				}),
				keyPasswordFile: Type.String({
					default: '',
					description: 'File with the password of an encrypted chain.keyFile (0600). None: PERIGEE_CHAIN_KEY_PASSWORD.',
				}),
				maxGasPriceGwei: integer(
					500,
					0,
					1_000_000_000,
					'Most that a unit of gas may cost; payments wait while it costs more. 0: anything.',
				),
			},
			strict,
		),
		shard: Type.Object(
			{
				position: Type.String({
					default: '0/1',
					format: 'shard',
					description:
						'Which segments this node owns of what 0G clients upload: id/count, those whose number in the flow leaves id when divided by count, a power of two. Counts for a new data directory; one that is there keeps its own.',
				}),
				maxSectors: integer(
					0,
					0,
					Number.MAX_SAFE_INTEGER,
					'Sectors of 256 bytes that this node is to hold. From nine tenths of that on it owns half of what it owned, and drops the rest of what 0G clients have uploaded. What came over REST counts and stays. 0: no limit.',
				),
			},
			strict,
		),
		mining: MINING_SECTION,
		embedded: EMBEDDED_SECTION,
	},
	strict,
);

/** A checked configuration. Paths are absolute; an empty one is not set. */
export type Config = Static<typeof CONFIG_SCHEMA>;

export type SettingValue = string | number | readonly string[];

/** One setting: a leaf of the schema. */
export interface Setting {
	/** Dotted key, `storage.reserveBytes`. */
	readonly key: string;
	/** `PERIGEE_STORAGE_RESERVE_BYTES`. */
	readonly variable: string;
	/** `--data-dir` where the command line has one. */
	readonly flag?: string;
	/** `origins`: of web pages; `paths`: of directories; `urls`: of endpoints; all of them lists. */
	readonly kind: 'string' | 'integer' | 'choice' | 'paths' | 'origins' | 'urls';
	readonly fallback: SettingValue;
	readonly description: string;
	readonly minimum?: number;
	readonly maximum?: number;
	/** `host:port` for an address to listen on, `host:port or unix:path` where a Unix socket will do, `public URL` for one that others use, `shard` for the place of a node among others. */
	readonly shape?: string;
	readonly choices?: readonly string[];
}

const FLAGS: Readonly<Record<string, string>> = {
	dataDir: '--data-dir',
	'storage.dataDirs': '--data-dir',
	http: '--http',
	admin: '--admin',
	grpc: '--grpc',
	'log.level': '--log-level',
	'mining.mode': '--mine',
};

/** What the walk below reads of a TypeBox node. */
interface SchemaNode {
	readonly type?: string;
	readonly properties?: Readonly<Record<string, SchemaNode>>;
	readonly default?: SettingValue;
	readonly description?: string;
	readonly minimum?: number;
	readonly maximum?: number;
	readonly format?: string;
	readonly anyOf?: readonly { readonly const: string }[];
}

/** All settings in the order of the schema. */
export const SETTINGS: readonly Setting[] = collect(CONFIG_SCHEMA, '');

function collect(node: SchemaNode, prefix: string): Setting[] {
	return Object.entries(node.properties ?? {}).flatMap(([name, child]) => {
		const key = prefix === '' ? name : `${prefix}.${name}`;
		return child.properties === undefined ? [settingOf(key, child)] : collect(child, key);
	});
}

function settingOf(key: string, node: SchemaNode): Setting {
	const flag = FLAGS[key];
	return {
		key,
		variable: `PERIGEE_${key.replace(/[A-Z]/g, '_$&').replaceAll('.', '_').toUpperCase()}`,
		kind: kindOf(node),
		fallback: node.default ?? '',
		description: node.description ?? '',
		...(flag === undefined ? {} : { flag }),
		...(node.minimum === undefined ? {} : { minimum: node.minimum }),
		...(node.maximum === undefined ? {} : { maximum: node.maximum }),
		...(node.format === undefined ? {} : { shape: node.format }),
		...(node.anyOf === undefined ? {} : { choices: node.anyOf.map((choice) => choice.const) }),
	};
}

function kindOf({ anyOf, type, format }: SchemaNode): Setting['kind'] {
	if (anyOf !== undefined) return 'choice';
	if (type === 'array') return format === 'origin' ? 'origins' : format === 'url' ? 'urls' : 'paths';
	return type === 'integer' ? 'integer' : 'string';
}
