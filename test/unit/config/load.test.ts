import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { Check } from 'typebox/value';
import { loadConfig } from '../../../src/config/load.js';
import { CONFIG_SCHEMA, SETTINGS } from '../../../src/config/schema.js';
import { configFile, messageOf } from '../../support/config-files.js';

test('without any source the defaults hold, and they fit the schema', () => {
	const config = loadConfig();
	assert.equal(config.dataDir, resolve('perigee-data'));
	assert.deepEqual([config.http, config.admin, config.grpc], ['127.0.0.1:5678', '127.0.0.1:5679', '127.0.0.1:50051']);
	assert.equal(config.embedded.pricePerSector, 0);
	assert.ok(Check(CONFIG_SCHEMA, config));
});

test('flags win over the environment, the environment over the file, the file over defaults', (t) => {
	const file = configFile(
		t,
		'http = "127.0.0.1:1"\nadmin = "127.0.0.1:2"\ngrpc = "127.0.0.1:3"\n[log]\nlevel = "warn"\n',
	);
	const config = loadConfig({
		flags: { http: '127.0.0.1:11', admin: undefined },
		env: {
			PERIGEE_HTTP: '127.0.0.1:21',
			PERIGEE_ADMIN: '127.0.0.1:22',
			PERIGEE_LOG_LEVEL: '',
			PERIGEE_CONFIG: file,
			PATH: '/bin',
		},
	});
	assert.deepEqual([config.http, config.admin, config.grpc], ['127.0.0.1:11', '127.0.0.1:22', '127.0.0.1:3']);
	assert.equal(config.log.level, 'warn');
	assert.equal(loadConfig({ file, env: { PERIGEE_CONFIG: '/nonexistent' } }).log.level, 'warn');
});

test('every setting can be set by its environment variable', () => {
	for (const setting of SETTINGS) {
		const isOfAddresses = setting.kind === 'origins' || setting.kind === 'urls';
		const addresses: Readonly<Record<string, string>> = {
			'chain.flowAddress': `0x${'5a'.repeat(20)}`,
			'chain.rewardAddress': `0x${'5b'.repeat(20)}`,
			'chain.mineAddress': `0x${'5c'.repeat(20)}`,
			'mining.minerId': `0x${'5d'.repeat(32)}`,
			'api.publicUrl': 'https://node.example/storage',
			'shard.position': '1/2',
		};
		const address = addresses[setting.key] ?? '127.0.0.1:7';
		const other = isOfAddresses ? 'https://a.example, http://b.example:8080' : address;
		const text = setting.choices?.[1] ?? (setting.kind === 'integer' ? String(setting.minimum) : other);
		// One of the two alone is refused.
		const chain = { PERIGEE_CHAIN_ENDPOINTS: 'http://b.example', PERIGEE_CHAIN_FLOW_ADDRESS: `0x${'11'.repeat(20)}` };
		const pair = setting.key.startsWith('tls.')
			? { PERIGEE_TLS_CERT: text, PERIGEE_TLS_KEY: text }
			: setting.key.startsWith('chain.')
				? chain
				: {};
		const config = loadConfig({ env: { ...pair, [setting.variable]: text } });
		const found = setting.key.split('.').reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], config);
		const wanted = ['dataDir', 'auth.tokensFile', 'tls.cert', 'tls.key'].includes(setting.key)
			? resolve(text)
			: isOfAddresses
				? ['https://a.example', 'http://b.example:8080']
				: setting.kind === 'paths'
					? [resolve('127.0.0.1'), resolve('7')]
					: setting.kind === 'integer'
						? Number(text)
						: text;
		assert.deepEqual(found, wanted, setting.key);
	}
});

test('data directories are a list in the file, a list of flags, and separated by colons in the environment', (t) => {
	const file = configFile(t, '[storage]\ndataDirs = ["/b", "c"]\n');
	assert.deepEqual(loadConfig({ file }).storage.dataDirs, ['/b', resolve('c')]);
	assert.deepEqual(loadConfig({ file, env: { PERIGEE_STORAGE_DATA_DIRS: '/d:/e' } }).storage.dataDirs, ['/d', '/e']);
	assert.deepEqual(loadConfig({ file, flags: { 'storage.dataDirs': ['/f:g'] } }).storage.dataDirs, ['/f:g']);
	assert.match(
		messageOf(() => loadConfig({ flags: { dataDir: '/a', 'storage.dataDirs': ['/b', '/a'] } })),
		/named twice/,
	);
	assert.match(
		messageOf(() => loadConfig({ file: configFile(t, '[storage]\ndataDirs = ["/b", 3]\n') })),
		/2: storage.dataDirs: 3 is not the path/,
	);
	assert.match(
		messageOf(() => loadConfig({ file: configFile(t, '[storage]\ndataDirs = "/b"\n') })),
		/is not a list/,
	);
});

test('a key that does not exist is told with its line and the nearest one', (t) => {
	const file = configFile(
		t,
		'# comment\nhttp = "127.0.0.1:1"\n\n[storage]\nviewCacheBytes = 1_048_576\nmaxFileByte = 5\n',
	);
	assert.match(
		messageOf(() => loadConfig({ file })),
		/perigee\.toml:6: no setting is called storage\.maxFileByte; did you mean storage\.maxFileBytes\?$/,
	);
	const flat = configFile(t, 'htpp = "127.0.0.1:1"\n');
	assert.match(
		messageOf(() => loadConfig({ file: flat })),
		/:1: no setting is called htpp; did you mean http\?$/,
	);
	const section = configFile(t, '\n[stroage]\nreserveBytes = 1\n');
	assert.match(
		messageOf(() => loadConfig({ file: section })),
		/:2: no setting is called stroage; did you mean storage\?$/,
	);
	const far = configFile(t, 'completelyDifferent = 1\n');
	assert.match(
		messageOf(() => loadConfig({ file: far })),
		/completelyDifferent$/,
	);
});

test('a wrong value is told with its place and what is allowed', (t) => {
	for (const [text, expected] of [
		['[storage]\nmaxFileBytes = 0\n', /:2: storage\.maxFileBytes: 0 is not a whole number from 1 to/],
		['[storage]\nmaxFileBytes = 1.5\n', /:2: storage\.maxFileBytes: 1\.5 is not a whole number/],
		['[storage]\nmaxFileBytes = "5"\n', /:2: .*"5" is not a whole number/],
		['[log]\nlevel = "inof"\n', /:2: log\.level: "inof" is none of .*; did you mean info\?$/],
		['http = 5678\n', /:1: http: 5678 is not a text/],
		['http = "nonsense"\n', /:1: http: "nonsense" is not host:port/],
		['http = "127.0.0.1:70000"\n', /:1: http: .*is not host:port/],
		['storage = 5\n', /:1: storage is a section/],
		['[http]\nhost = "x"\n', /:1: http: .* is not a text/],
		['storage.maxFileBytes = -1\n', /:1: storage\.maxFileBytes: -1 is not/],
	] as const) {
		assert.match(
			messageOf(() => loadConfig({ file: configFile(t, text) })),
			expected,
			text,
		);
	}
	assert.match(
		messageOf(() => loadConfig({ flags: { http: 'x' } })),
		/^--http: "x" is not host:port/,
	);
	assert.match(
		messageOf(() => loadConfig({ env: { PERIGEE_UPLOAD_MAX_CONCURRENT: 'many' } })),
		/^PERIGEE_UPLOAD_MAX_CONCURRENT: "many" is not/,
	);
});

test('broken TOML and files that cannot be read are told with their place', (t) => {
	assert.match(
		messageOf(() => loadConfig({ file: configFile(t, 'http = "a"\nadmin = = 5\n') })),
		/perigee\.toml:2:\d+: /,
	);
	assert.match(
		messageOf(() => loadConfig({ file: '/nonexistent.toml' })),
		/^\/nonexistent\.toml: cannot be read \(ENOENT\)$/,
	);
	assert.match(
		messageOf(() => loadConfig({ file: '/dev/zero' })),
		/^\/dev\/zero: is a device$/,
	);
});

test('a misspelt environment variable stops the start; variables of others do not', () => {
	assert.match(
		messageOf(() => loadConfig({ env: { PERIGEE_DATADIR: '/x' } })),
		/did you mean PERIGEE_DATA_DIR\?$/,
	);
	loadConfig({ env: { PERIGEE_NODE: 'http://x', PERIGEE_SIMD: 'scalar', PERIGEE_SOMETHING_ELSE: '1', PERIGEE: 'x' } });
});

test('a public address is one that paths can stand behind', () => {
	const load = (text: string) => loadConfig({ env: { PERIGEE_API_PUBLIC_URL: text } }).api.publicUrl;
	for (const good of [
		'http://10.0.0.1:5678',
		'https://node.example',
		'https://node.example/storage/',
		'http://[::1]:1',
	])
		assert.equal(load(good), good);
	assert.equal(loadConfig({ env: {} }).api.publicUrl, '');
	for (const bad of [
		'node.example',
		'ftp://node.example',
		'http://',
		'http://a:b@c',
		'https://a/?b',
		'https://a/#',
		'http://a b',
	])
		assert.match(
			messageOf(() => load(bad)),
			/^PERIGEE_API_PUBLIC_URL.* is not the address of a node/,
			bad,
		);
});
