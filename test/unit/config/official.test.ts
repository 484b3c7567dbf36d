/** The configuration of a 0G storage node: every key has its place, what it becomes, and what is refused. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { parse } from 'smol-toml';
import { explainConfig, type LoadedConfig } from '../../../src/config/load.js';
import { OFFICIAL_FLAGS } from '../../../src/config/official/flags.js';
import { OFFICIAL_KEYS } from '../../../src/config/official/keys.js';
import { SETTINGS } from '../../../src/config/schema.js';
import { configFile, messageOf } from '../../support/config-files.js';

const EXAMPLE = join(import.meta.dirname, '..', '..', '..', '..', 'test', 'golden', 'official', 'config.toml');
const FLOW = `log_contract_address = "0x${'5a'.repeat(20)}"\n`;

function load(t: TestContext, text: string, flags: Readonly<Record<string, string>> = {}): LoadedConfig {
	return explainConfig({ file: configFile(t, text, 'config.toml'), officialFlags: flags });
}

/** Dotted keys of a TOML text. */
function keysOf(text: string): string[] {
	return Object.entries(parse(text)).flatMap(([name, value]) =>
		typeof value === 'object' && !Array.isArray(value)
			? Object.keys(value as object).map((member) => `${name}.${member}`)
			: [name],
	);
}

function remarkOf({ official = [] }: LoadedConfig, key: string) {
	return official.find((line) => line.key === key);
}

describe('an official configuration', () => {
	it('with every key that is known is taken, and every key is honoured or listed with a reason', () => {
		const text = readFileSync(EXAMPLE, 'utf8');
		const loaded = explainConfig({ file: EXAMPLE });
		assert.deepEqual(keysOf(text).sort(), OFFICIAL_KEYS.map(({ key }) => key).sort());
		for (const key of keysOf(text)) {
			const line = remarkOf(loaded, key);
			assert.ok(line?.fate === 'honoured' || (line?.fate === 'not used' && line.remark !== ''), key);
			assert.match(line.place, /config\.toml:[0-9]+$/, key);
			const [, number] = /:([0-9]+)$/.exec(line.place) ?? [];
			const written = text.split('\n')[Number(number) - 1] ?? '';
			assert.ok(written.startsWith(`${key.slice(key.indexOf('.') + 1)} = `), `${key} stands on line ${number}`);
		}
	});

	it('every key that becomes a setting names one, and flags name keys', () => {
		const settings = new Set(SETTINGS.map(({ key }) => key));
		for (const row of OFFICIAL_KEYS)
			if (!('reason' in row)) assert.ok(row.setting === undefined ? row.effect : settings.has(row.setting), row.key);
			else assert.ok(row.reason.length > 10, row.key);
		const keys = new Set(OFFICIAL_KEYS.map(({ key }) => key));
		assert.equal(keys.size, OFFICIAL_KEYS.length);
		for (const key of Object.values(OFFICIAL_FLAGS)) assert.ok(keys.has(key), key);
	});

	it('becomes settings, with its keys as their origins', () => {
		const { config, settings } = explainConfig({ file: EXAMPLE });
		assert.deepEqual(config.chain, {
			endpoints: ['http://127.0.0.1:18545'],
			flowAddress: `0x${'5a'.repeat(20)}`,
			rewardAddress: `0x${'ef'.repeat(20)}`,
			mineAddress: `0x${'cd'.repeat(20)}`,
			startBlock: 2_387_557,
			confirmations: 1,
			pollMs: 250,
			pageBlocks: 500,
			keyFile: '',
			keyPasswordFile: '',
			maxGasPriceGwei: 500,
		});
		assert.deepEqual(
			[config.http, config.admin, config.grpc],
			['127.0.0.1:15678', '127.0.0.1:15679', '127.0.0.1:15051'],
		);
		assert.equal(config.dataDir, resolve('data/perigee'));
		assert.deepEqual([config.auth.network, config.log.output], ['official', 'stdout']);
		const from = new Map(settings.map((setting) => [setting.key, setting.from]));
		assert.match(from.get('chain.endpoints') ?? '', /config\.toml:[0-9]+: blockchain_rpc_endpoint$/);
		assert.match(from.get('http') ?? '', /config\.toml:[0-9]+: rpc\.listen_address$/);
		assert.equal(from.get('storage.reserveBytes'), 'default');
	});

	it('that says only what it must has the official defaults', (t) => {
		const loaded = load(t, FLOW);
		const { config, settings } = loaded;
		assert.deepEqual([config.http, config.admin, config.grpc], ['0.0.0.0:5678', '127.0.0.1:5679', '0.0.0.0:50051']);
		assert.equal(config.dataDir, resolve('db/perigee'));
		const { endpoints, confirmations, pageBlocks, pollMs, startBlock } = config.chain;
		assert.deepEqual(
			[endpoints, confirmations, pageBlocks, pollMs, startBlock],
			[['http://127.0.0.1:8545'], 3, 999, 500, 0],
		);
		assert.match(
			settings.find(({ key }) => key === 'http')?.from ?? '',
			/config\.toml: default of rpc\.listen_address$/,
		);
		assert.equal(remarkOf(loaded, 'rpc.listen_address')?.fate, 'default');
	});

	it('is behind variables and flags of Perigee, and behind flags of its own', (t) => {
		const file = configFile(t, `${FLOW}blockchain_rpc_endpoint = "http://a.example"\n`, 'config.toml');
		const { config, official } = explainConfig({
			file,
			flags: { http: '127.0.0.1:1' },
			env: { PERIGEE_ADMIN: '127.0.0.1:2', PERIGEE_AUTH_NETWORK: 'guarded', PERIGEE_GRPC: '127.0.0.1:3' },
			officialFlags: {
				'blockchain-rpc-endpoint': 'http://b.example',
				'db-max-num-chunks': '12',
				'miner-key': 'secret',
			},
		});
		assert.deepEqual([config.http, config.admin, config.auth.network], ['127.0.0.1:1', '127.0.0.1:2', 'guarded']);
		assert.deepEqual(config.chain.endpoints, ['http://b.example']);
		assert.deepEqual(
			official?.filter(({ place }) => place.startsWith('--')).map(({ key, place }) => [key, place]),
			[
				['blockchain_rpc_endpoint', '--blockchain-rpc-endpoint'],
				['db_max_num_sectors', '--db-max-num-chunks'],
				['miner_key', '--miner-key'],
			],
		);
		assert.ok(!JSON.stringify(official).includes('secret'));
	});

	it('may be of an older version, or close its listeners, or have one for everything', (t) => {
		const old = load(t, `${FLOW}rpc_listen_address = "127.0.0.1:7001"\nrpc_listen_address_admin = ""\n`);
		assert.deepEqual([old.config.http, old.config.admin], ['127.0.0.1:7001', '127.0.0.1:7001']);
		const both = load(t, `${FLOW}rpc_listen_address = "127.0.0.1:7001"\n[rpc]\nlisten_address = "127.0.0.1:7002"\n`);
		assert.equal(both.config.http, '127.0.0.1:7002');
		assert.match(remarkOf(both, 'rpc_listen_address')?.remark ?? '', /rpc\.listen_address stands in its place/);
		const one = load(t, `${FLOW}[rpc]\nlisten_address = "0.0.0.0:7"\nlisten_address_admin = "0.0.0.0:7"\n`);
		assert.deepEqual([one.config.http, one.config.admin], ['0.0.0.0:7', '0.0.0.0:7']);
		const closed = load(t, `${FLOW}[rpc]\nenabled = false\nlisten_address_admin = "0.0.0.0:8"\n`).config;
		assert.deepEqual([closed.http, closed.admin, closed.grpc], ['127.0.0.1:5678', '127.0.0.1:8', '127.0.0.1:50051']);
		const bare = load(t, FLOW.replace('0x', '')).config;
		assert.equal(bare.chain.flowAddress, `0x${'5a'.repeat(20)}`);
	});

	it('may have keys that are not known here, which are listed', (t) => {
		const loaded = load(t, `${FLOW}of_a_later_version = 1\n[sync]\nso_is_this = "x"\n[a_section]\nk = 1\n`);
		assert.deepEqual(
			loaded.official?.filter(({ fate }) => fate === 'not known').map(({ key, place }) => [key, place.slice(-2)]),
			[
				['of_a_later_version', ':2'],
				['sync.so_is_this', ':4'],
				['a_section', ':5'],
			],
		);
	});

	it('is refused, with line and key, for values of another type and what cannot be used', (t) => {
		for (const [text, expected] of [
			['network_libp2p_port = 65536\n', /config\.toml:2: network_libp2p_port is not a whole number from 0 to 65535$/],
			['log_page_size = "999"\n', /:2: log_page_size is not a whole number/],
			['confirmation_block_count = 1.5\n', /:2: confirmation_block_count is not a whole number/],
			[
				'confirmation_block_count = 2000000000\n',
				/:2: confirmation_block_count: 2000000000 is not a whole number from 0 to 1000000000$/,
			],
			['watch_loop_wait_time_ms = 0\n', /:2: watch_loop_wait_time_ms: 0 is not a whole number from 1 to/],
			['network_private = 1\n', /:2: network_private is not true or false$/],
			['network_boot_nodes = "x"\n', /:2: network_boot_nodes is not a list of texts$/],
			['miner_key = 5\n', /:2: miner_key is not a text$/],
			['\n[sync]\npeer_find_timeout = 5\n', /:4: sync\.peer_find_timeout is not a duration, like "15s"$/],
			['\n[rpc]\nlisten_address = "5678"\n', /:4: rpc\.listen_address is not host:port/],
			['\n[rpc]\nlisten_address = ""\n', /:4: rpc\.listen_address is not host:port/],
			['rpc = 5\n', /:2: rpc is a section; write \[rpc\]$/],
			['[[rpc]]\nenabled = true\n', /rpc is a section; write \[rpc\]$/],
			['blockchain_rpc_endpoint = "localhost"\n', /:2: blockchain_rpc_endpoint: localhost is not the address of an/],
			[
				'[rpc]\nlisten_address = "127.0.0.1:7"\nlisten_address_grpc = "127.0.0.1:7"\n',
				/:3: rpc\.listen_address, .*:4: rpc\.listen_address_grpc: http .* and grpc .* on the same port/,
			],
		] as const)
			assert.match(
				messageOf(() => load(t, FLOW + text)),
				expected,
				text,
			);
		const secret = messageOf(() => load(t, `${FLOW}miner_key = ["secret"]\n`));
		assert.ok(!secret.includes('secret'));
		assert.match(
			messageOf(() => load(t, 'log_contract_address = "0x12"\n')),
			/:1: log_contract_address: chain\.flowAddress: "0x12" is no address/,
		);
		for (const text of ['db_dir = "db"\n', 'log_contract_address = ""\n'])
			assert.match(
				messageOf(() => load(t, text)),
				/config\.toml: log_contract_address is missing/,
			);
	});

	it('is one form, settings of Perigee the other', (t) => {
		assert.match(
			messageOf(() => load(t, `${FLOW}dataDir = "x"\n`)),
			/config\.toml:1: log_contract_address belongs to the configuration of a 0G storage node, dataDir \(.*:2\) to one of Perigee/,
		);
		assert.match(
			messageOf(() => load(t, '[sync]\nmax_sync_files = 1\n[storage]\nreserveBytes = 5\n')),
			/:1: sync belongs to .*, storage \(.*:3\)/,
		);
		assert.equal(load(t, '[log]\nlevel = "warn"\n').official, undefined);
		assert.match(
			messageOf(() => load(t, '[log]\nlevel = "warn"\n', { 'miner-key': 'x' })),
			/^--miner-key goes with the configuration of a 0G storage node; name one with --config$/,
		);
		assert.match(
			messageOf(() => explainConfig({ officialFlags: { 'miner-key': 'x' } })),
			/^--miner-key goes/,
		);
		assert.match(
			messageOf(() => load(t, FLOW, { 'db-max-num-sectors': 'many' })),
			/^--db-max-num-sectors: db_max_num_sectors is not a whole number/,
		);
	});
});
