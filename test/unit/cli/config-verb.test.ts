import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { SETTINGS } from '../../../src/config/schema.js';
import { runCli, startJsonNode, startNode, temporaryDirectory } from '../../support/processes.js';
import { placePair } from '../../support/tls-files.js';

describe('perigee config', () => {
	it('print shows each setting with its origin, as a file that says the same', async (t) => {
		const directory = temporaryDirectory(t);
		const file = join(directory, 'perigee.toml');
		writeFileSync(file, 'http = "127.0.0.1:7000"\n[storage]\ndataDirs = ["/b", "/c"]\n[log]\nlevel = "warn"\n');
		const env = { PERIGEE_LOG_LEVEL: 'debug' };
		const args = ['config', 'print', '--config', file, '--admin', '127.0.0.1:7001'];
		const printed = await runCli(args, { env });
		assert.deepEqual([printed.code, printed.stderr], [0, '']);
		const text = printed.stdout.toString();
		assert.ok(text.includes(`http = "127.0.0.1:7000" # ${file}:1\n`), text);
		assert.ok(text.includes('admin = "127.0.0.1:7001" # --admin\n'));
		assert.ok(text.includes(`[storage]\ndataDirs = ["/b","/c"] # ${file}:3\n`));
		assert.ok(text.includes('reserveBytes = 0 # default\n'));
		assert.ok(text.includes('level = "debug" # PERIGEE_LOG_LEVEL\n'));
		const again = join(directory, 'again.toml');
		writeFileSync(again, printed.stdout);
		const settingsOf = async (options: readonly string[]): Promise<unknown> => {
			const { stdout } = await runCli(['config', 'print', '--json', ...options], { env });
			const { settings } = JSON.parse(stdout.toString()) as { settings: { key: string; value: unknown }[] };
			assert.equal(settings.length, SETTINGS.length);
			return settings.map(({ key, value }) => [key, value]);
		};
		assert.deepEqual(await settingsOf(['--config', again, ...args.slice(4)]), await settingsOf(args.slice(2)));
	});

	it('explain tells, line by line, what the configuration of a 0G storage node means here, and shows no secret', async () => {
		const golden = join(import.meta.dirname, '..', '..', '..', '..', 'test', 'golden', 'official');
		const ran = await runCli(['config', 'explain', 'config.toml'], { cwd: golden });
		assert.deepEqual([ran.code, ran.stderr], [0, '']);
		assert.equal(ran.stdout.toString(), readFileSync(join(golden, 'explained.txt'), 'utf8'));
		assert.ok(!ran.stdout.includes('secret'));
		const json = await runCli(['config', 'explain', '-c', 'config.toml', '--json'], { cwd: golden });
		const { lines } = JSON.parse(json.stdout.toString()) as { lines: { key: string; fate: string }[] };
		assert.deepEqual([lines.length, lines[0]?.fate], [ran.stdout.toString().trimEnd().split('\n').length, 'honoured']);
		const printed = await runCli(['config', 'print', '-c', 'config.toml'], { cwd: golden, env: { PERIGEE_ADMIN: '' } });
		assert.match(
			printed.stdout.toString(),
			/^admin = "127\.0\.0\.1:15679" # config\.toml:139: rpc\.listen_address_admin$/m,
		);
		assert.match(printed.stdout.toString(), /^network = "official" # config\.toml$/m);
	});

	it('explain takes no other file', async (t) => {
		const file = join(temporaryDirectory(t), 'perigee.toml');
		writeFileSync(file, '[log]\nlevel = "warn"\n');
		for (const args of [['explain', file], ['explain']]) {
			const ran = await runCli(['config', ...args]);
			assert.equal(ran.code, 2);
			assert.match(ran.stderr, /explain takes the configuration of a 0G storage node/);
		}
	});

	it('check says what is wrong and where, and what may be meant', async (t) => {
		const file = join(temporaryDirectory(t), 'perigee.toml');
		writeFileSync(file, '[storage]\nreserveBytes = 5\n');
		const right = await runCli(['config', 'check', '--config', file, '--json']);
		const { changed, ...rest } = JSON.parse(right.stdout.toString()) as { changed: number };
		assert.deepEqual(rest, { ok: true, settings: SETTINGS.length });
		assert.ok(changed >= 1);
		writeFileSync(file, '[storage]\nreserveByte = 5\n');
		const wrong = await runCli(['config', 'check', '--config', file]);
		assert.equal(wrong.code, 2);
		assert.match(
			wrong.stderr,
			/perigee\.toml:2: no setting is called storage\.reserveByte; did you mean storage\.reserveBytes\?/,
		);
	});

	it('check refuses what a start refuses, in the same words, with the place, and leaves nothing behind', async (t) => {
		const home = temporaryDirectory(t);
		const at = (name: string): string => join(home, name);
		placePair('first', { cert: at('cert.pem'), key: at('key.pem') });
		placePair('second', { cert: at('other.pem'), key: at('other-key.pem') });
		writeFileSync(at('nonsense.pem'), 'nonsense');
		writeFileSync(at('tokens.json'), '{"format": 1, "tokens": [{"name": "a"}]}');
		const taken = createServer().listen(0, '127.0.0.1');
		t.after(() => taken.close());
		await once(taken, 'listening');
		const { port } = taken.address() as AddressInfo;
		const toml = at('perigee.toml');
		const tls = (cert: string, key: string): string => `[tls]\ncert = "${at(cert)}"\nkey = "${at(key)}"\n`;
		for (const [text, expected] of [
			['http = "0.0.0.0:0"\n', /:1: http is 0\.0\.0\.0:0, where other machines .* token create/],
			['\ngrpc = "[::]:0"\n', /:2: grpc is \[::\]:0, where other machines/],
			['admin = "0.0.0.0:0"\n', /:1: admin is 0\.0\.0\.0:0, where other machines/],
			['[auth]\nwrites = "token"\n', /:2: auth\.writes is token, but/],
			['[auth]\nreads = "token"\n', /:2: auth\.reads is token, but/],
			[`[auth]\ntokensFile = "${at('tokens.json')}"\n`, /perigee\.toml:2: .*tokens\.json: token 1: scopes is a list/],
			[`[auth]\ntokensFile = "${home}"\n`, /perigee\.toml:2: .*: cannot be read \(EISDIR\)/],
			[
				'http = "127.0.0.1:7000"\ngrpc = "0.0.0.0:7000"\n',
				/:1, .*:2: http \(.*\) and grpc \(.*\) would listen on the same/,
			],
			['admin = "127.0.0.1:5678"\nhttp = "localhost:5678"\n', /:2, .*:1: http .* and admin .* on the same port/],
			[
				`http = "127.0.0.1:${port}"\n`,
				/:1: 127\.0\.0\.1:[0-9]+ is in use by another program; choose another with --http/,
			],
			['http = "192.0.2.1:0"\n[auth]\nwrites = "auto"\n', /:1: http is 192\.0\.2\.1:0, where other machines/],
			[
				'admin = "unix:/nonexistent/perigee.sock"\n',
				/:1: the Unix socket cannot be made: there is no directory \/nonexistent/,
			],
			['[tls]\ncert = "/nonexistent"\n', /perigee\.toml:2: tls\.cert and tls\.key go together/],
			[tls('none.pem', 'key.pem'), /perigee\.toml:2: tls\.cert: .*none\.pem: no such file/],
			[tls('cert.pem', 'none.pem'), /perigee\.toml:3: tls\.key: .*none\.pem: no such file/],
			[tls('cert.pem', 'other-key.pem'), /perigee\.toml:2, .*perigee\.toml:3: the key in tls\.key is not that of/],
			[tls('nonsense.pem', 'key.pem'), /perigee\.toml:2: the file in tls\.cert holds no certificate in PEM/],
			[
				tls('cert.pem', 'nonsense.pem'),
				/perigee\.toml:3: the file in tls\.key holds no private key without a passphrase/,
			],
			['[tls]\ncert = "/dev/zero"\nkey = "/dev/zero"\n', /perigee\.toml:2: \/dev\/zero: is no ordinary file/],
			[`dataDir = "${toml}/data"\n`, /:1: the data directory .* cannot be used \(.*perigee\.toml/],
			[`[storage]\ndataDirs = ["${toml}"]\n`, /perigee\.toml:2: .*perigee\.toml cannot be used: ENOTDIR/],
			[`[storage]\ndataDirs = ["${toml}/x"]\n`, /perigee\.toml:2: .*cannot be used/],
			['[storage]\ndataDirs = ["/b", "/b"]\n', /perigee\.toml:2: storage\.dataDirs: a data directory is named twice/],
		] as const) {
			writeFileSync(toml, text);
			const env = {
				PERIGEE_CONFIG: toml,
				...(/^dataDir/m.test(text) ? {} : { PERIGEE_DATA_DIR: at('data') }),
				...(/^http/m.test(text) ? {} : { PERIGEE_HTTP: '127.0.0.1:0' }),
				PERIGEE_ADMIN: /^admin/m.test(text) ? '' : '127.0.0.1:0',
				PERIGEE_GRPC: /^grpc/m.test(text) ? '' : '127.0.0.1:0',
			};
			const [checked, started] = await Promise.all([runCli(['config', 'check'], { env }), runCli(['start'], { env })]);
			assert.match(checked.stderr, expected, text);
			assert.deepEqual([checked.code, checked.stdout.toString()], [/VOLUME/.test(checked.stderr) ? 1 : 2, ''], text);
			assert.deepEqual([started.code, started.stderr], [checked.code, checked.stderr], text);
			assert.ok(!existsSync(at('data')));
		}
		const flagged = await runCli(['config', 'check', '--http', '0.0.0.0:0'], { env: { PERIGEE_DATA_DIR: at('data') } });
		assert.match(flagged.stderr, /perigee: --http: http is 0\.0\.0\.0:0, where/);
		const env = { PERIGEE_SIMD: 'nonsense', PERIGEE_HTTP: '127.0.0.1:0' };
		assert.equal((await runCli(['config', 'check'], { env })).code, 2);
	});

	it('check refuses disks of another store, and changes neither', async (t) => {
		const home = temporaryDirectory(t);
		const [first, further, other] = ['first', 'further', 'other'].map((name) => join(home, name)) as [
			string,
			string,
			string,
		];
		const of = (...directories: string[]): string[] => directories.flatMap((directory) => ['--data-dir', directory]);
		for (const directories of [[first, further], [other]]) {
			const node = await startJsonNode(t, directories[0] as string, of(...directories.slice(1)));
			await node.end('SIGTERM');
		}
		const before = readdirSync(home, { recursive: true }).sort();
		const check = (...directories: string[]) =>
			runCli(['config', 'check', '--http', '127.0.0.1:0', ...of(...directories)]);
		assert.equal((await check(first, further)).code, 0);
		assert.equal((await check(first, further, join(home, 'new'))).code, 0);
		for (const [directories, expected] of [
			[[other, further], /^perigee: --data-dir: .*further belongs to store [0-9a-f]+; the store in .*other is/],
			[[first, other], /^perigee: --data-dir: .*other is the first data directory of a store of its own/],
			[[further], /^perigee: --data-dir: .*further is volume 1 of store/],
			[[join(home, 'new'), further], /^perigee: --data-dir: .*new holds no store, and .*further is volume 1/],
		] as const)
			assert.match((await check(...directories)).stderr, expected);
		assert.deepEqual(readdirSync(home, { recursive: true }).sort(), before);
	});

	it('check takes the addresses of the node that runs, and what a start takes it leaves as it was', async (t) => {
		const home = temporaryDirectory(t);
		const dataDir = join(home, 'data');
		const socket = `unix:${join(home, 'admin.sock')}`;
		const check = (http: string, directory = dataDir) =>
			runCli(['config', 'check', '--data-dir', directory, '--http', http, '--admin', socket]);
		assert.equal((await check('127.0.0.1:0')).code, 0);
		assert.ok(!existsSync(dataDir));
		const node = await startNode(t, dataDir, ['--admin', socket]);
		const address = new URL(node.url).host;
		const right = await check(address);
		assert.deepEqual([right.code, right.stderr], [0, '']);
		mkdirSync(join(home, 'other'));
		assert.match((await check(address, join(home, 'other'))).stderr, /is in use by another program/);
		assert.equal((await fetch(`${node.url}/health/live`)).status, 200);
	});
});
