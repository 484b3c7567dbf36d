/** Sections of the configuration: mining, and the embedded settlement with what it pays for. */
import { Type } from './json-schema.js';
import { choice, integer, strict } from './schema-parts.js';

export const MINING_SECTION = Type.Object(
	{
		mode: choice(
			['off', 'on'],
			'off',
			'on: flow segments are sealed, and mined for the settlement that this node follows. --mine says the same.',
		),
		minerId: Type.String({
			default: '',
			pattern: '^(?:0x[0-9a-fA-F]{64})?$',
			format: 'miner id',
			description:
				'Registered miner id to mine with: 0x and 64 digits. Empty: the one that this directory has, or a new one, which is registered. Data is sealed for one id; with another one all of it is sealed anew.',
		}),
		cpuPercent: integer(100, 1, 100, 'Share of the time that the mining threads work.'),
		threads: integer(0, 0, 256, 'Threads that mine. 0 means one per core but one, at least one.'),
		startSector: integer(
			0,
			0,
			Number.MAX_SAFE_INTEGER,
			'Where in the flow mining begins, rounded down to 8 GiB; counts only once the flow is longer than what may be mined at once.',
		),
		pollMs: integer(5_000, 10, 3_600_000, 'Time between two questions for what there is to mine.'),
		sealTranquility: integer(
			1,
			0,
			1000,
			'After work that took some time sealing rests this many times as long. 0: no rest.',
		),
		sealZeros: choice(
			['yes', 'no'],
			'yes',
			'Whether flow segments that are nothing but zeros, where no file lies, are sealed too: they can be mined, and take room.',
		),
		keyFile: Type.String({
			default: '',
			description:
				'With a chain: file with the private key of the account that sends answers, as chain.keyFile; another account than that one. None, and no PERIGEE_MINING_KEY: nothing is mined.',
		}),
		keyPasswordFile: Type.String({
			default: '',
			description: 'File with the password of an encrypted mining.keyFile (0600). None: PERIGEE_MINING_KEY_PASSWORD.',
		}),
	},
	strict,
);

export const EMBEDDED_SECTION = Type.Object(
	{
		blockIntervalMs: integer(
			5_000,
			10,
			86_400_000,
			'Time between ledger blocks of an idle embedded settlement. Fixed once a data directory exists.',
		),
		blocksPerEpoch: integer(60, 1, 2 ** 31, 'Ledger blocks of one epoch. Fixed once a data directory exists.'),
		pricePerSector: integer(
			0,
			0,
			Number.MAX_SAFE_INTEGER,
			'Price of one sector of 256 bytes. Fixed once a data directory exists.',
		),
		mineDifficulty: integer(
			1_000_000,
			1,
			Number.MAX_SAFE_INTEGER,
			'With mining.mode = "on": seals of 4,096 bytes that are tried for an answer, at first and at least. Fixed once the ledger is mined.',
		),
		mineBlocks: integer(
			55,
			1,
			2 ** 31,
			'Ledger blocks of an epoch in which answers are taken. Fixed once the ledger is mined.',
		),
		targetSubmissions: integer(
			1,
			1,
			1000,
			'Answers that an epoch is meant to bring; it takes up to twice as many, and the difficulty follows. Each takes 11 KB of the journal for ever. Fixed once the ledger is mined.',
		),
		maxShards: integer(32, 1, 65_536, 'Most shards that a miner may have. Fixed once the ledger is mined.'),
		baseReward: integer(
			1_000_000,
			0,
			Number.MAX_SAFE_INTEGER,
			'What an answer earns beside its part of the fees, in the smallest unit. Fixed once the ledger is mined.',
		),
	},
	strict,
);
