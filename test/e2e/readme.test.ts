/** The shell lines and the configuration of the README, run in their order as they stand there, with real nodes. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { packageFolder } from '../../src/config/package-file.js';
import { freePort, temporaryDirectory } from '../support/processes.js';
import { certPath, placePair } from '../support/tls-files.js';

const RUN_CLI = fileURLToPath(new URL('../support/run-cli.js', import.meta.url));

const DEV_CHAIN = fileURLToPath(new URL('../devchain/run.js', import.meta.url));

/** What npm and npx do in a checkout; its own tests are not run again. */
const NPM = `#!/bin/sh
[ "$1" != run ] || exec "${process.execPath}" "${DEV_CHAIN}" "$4"
[ "$1" = start ] || exit 0
shift
[ "$1" != -- ] || shift
exec "${process.execPath}" "${RUN_CLI}" start "$@"
`;
const NPX = `#!/bin/sh
shift
exec "${process.execPath}" "${RUN_CLI}" "$@"
`;

interface Shell {
	readonly directory: string;
	readonly env: Readonly<Record<string, string>>;
}

function blocksOf(language: string): readonly string[] {
	const readme = readFileSync(join(packageFolder('.'), 'README.md'), 'utf8');
	return [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, text]) => text as string);
}

function shellIn(directory: string): Shell {
	const bin = join(directory, 'bin');
	mkdirSync(bin);
	for (const [name, text] of Object.entries({ npm: NPM, npx: NPX })) {
		writeFileSync(join(bin, name), text);
		chmodSync(join(bin, name), 0o755);
	}
	const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('PERIGEE_'));
	const env = {
		...(Object.fromEntries(kept) as Record<string, string>),
		PATH: `${bin}${delimiter}${process.env['PATH']}`,
		UV_THREADPOOL_SIZE: '8',
		XDG_STATE_HOME: join(directory, 'state'),
	};
	return { directory, env };
}

/** Runs lines to their end, each of which must succeed; what they printed. */
async function run({ directory, env }: Shell, script: string): Promise<string> {
	const child = spawn('bash', ['-eo', 'pipefail', '-c', script], {
		cwd: directory,
		env,
		stdio: ['ignore', 'pipe', 'pipe'],
	});
	let printed = '';
	let complaints = '';
	child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
	child.stderr.on('data', (chunk: Buffer) => (complaints += chunk.toString()));
	const [code] = (await once(child, 'close')) as [number | null];
	assert.equal(code, 0, `${script}\n${complaints}`);
	// What curl takes for an answer may be a refusal.
	assert.doesNotMatch(printed, /urn:perigee:error/);
	return printed;
}

/** Runs a line that starts a node, until it listens; answers its port and what ends it. */
async function startNode(t: TestContext, { directory, env }: Shell, line: string) {
	const child = spawn('bash', ['-c', `exec ${line}`], { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] });
	t.after(() => child.kill('SIGKILL'));
	let logged = '';
	child.stderr.on('data', (chunk: Buffer) => (logged += chunk.toString()));
	const [said] = (await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])) as [unknown];
	assert.ok(Buffer.isBuffer(said), `${line} ended: ${logged}`);
	const port = /listens on \S+:([0-9]+) /.exec(said.toString())?.[1];
	assert.ok(port !== undefined, said.toString());
	return {
		port,
		async end() {
			child.kill();
			assert.equal((await once(child, 'exit'))[0], 0);
		},
	};
}

/** The answer that a comment shows, with some root for each that it leaves out; up to where it breaks off. */
function shownIn(block: string): string {
	const shown = /^# (\{.*)$/m.exec(block)?.[1] ?? '';
	return shown.replace(/,…$/, '').replaceAll('0x…', `0x${'0'.repeat(64)}`);
}

/** The lines of a node that follows a chain: in its own form, and with the configuration of a 0G storage node. */
async function onChain(t: TestContext, shell: Shell, chain: string, official: string): Promise<void> {
	const [devChain = '', start = '', ...uploads] = chain.split('\n');
	for (const file of ['README.md', 'package.json', 'LICENSE'])
		copyFileSync(join(packageFolder('.'), file), join(shell.directory, file));
	const { PATH = '' } = shell.env;
	const running = spawn('bash', ['-c', `exec ${devChain}`], { cwd: shell.directory, env: { PATH } });
	t.after(() => running.kill('SIGKILL'));
	await once(running.stdout, 'data');
	const node = await startNode(t, shell, start);
	const to = (port: string): Shell => ({ ...shell, env: { ...shell.env, PERIGEE_NODE: `127.0.0.1:${port}` } });
	const paid = await run(to(node.port), uploads.join('\n').replaceAll('127.0.0.1:5678', `127.0.0.1:${node.port}`));
	assert.match(paid, /^0x[0-9a-f]{64} {2}README\.md$/m);
	assert.match(paid, /"pending":\{"state":"(?:wanted|sent)"/);
	await node.end();
	const [explain = '', token = '', begin = '', upload = ''] = official.split('\n');
	assert.match(await run(shell, explain), /log_contract_address: chain\.flowAddress/);
	await run(shell, token);
	const other = await startNode(t, shell, begin);
	assert.match(await run(to(other.port), upload), /^0x[0-9a-f]{64} {2}LICENSE$/m);
	await other.end();
	running.kill();
	await once(running, 'exit');
}

test('the shell lines of the README work in their order', async (t) => {
	const shell = shellIn(temporaryDirectory(t));
	const { directory } = shell;
	const [
		start = '',
		files = '',
		directories = '',
		chain = '',
		official = '',
		mining = '',
		token = '',
		serve = '',
		others = '',
		...more
	] = blocksOf('sh');
	assert.deepEqual(more, [], 'a block that no test runs');
	const free = { PERIGEE_HTTP: '127.0.0.1:0', PERIGEE_ADMIN: '127.0.0.1:0', PERIGEE_GRPC: '127.0.0.1:0' };
	const node = await startNode(t, { ...shell, env: { ...shell.env, ...free } }, start.split('#')[0] ?? '');
	const here = (block: string): string => block.replaceAll('127.0.0.1:5678', `127.0.0.1:${node.port}`);
	const withoutRoots = (text: string): string => text.replaceAll(/0x[0-9a-f]{64}/g, `0x${'0'.repeat(64)}`);

	const stored = withoutRoots(await run(shell, here(files)));
	assert.ok(stored.includes(shownIn(files)), stored);
	assert.match(stored, /\{"files":\[\{"root":"0x0+","txSeq":0,"size":2000000,"name":"model-7b\.bin"/);
	const content = readFileSync(join(directory, 'model-7b.bin'));
	assert.ok(readFileSync(join(directory, 'copy.bin')).equals(content));
	assert.ok(readFileSync(join(directory, 'part.bin')).equals(content.subarray(1_000_000)));
	assert.ok(JSON.parse(readFileSync(join(directory, 'segment.json'), 'utf8')));

	const unpacked = withoutRoots(await run(shell, here(directories)));
	assert.ok(unpacked.includes(shownIn(directories)), unpacked);
	assert.equal(readFileSync(join(directory, 'data', 'sub', 'a.bin'), 'utf8'), 'one\n');
	await node.end();

	await onChain(t, { ...shell, env: { ...shell.env, ...free } }, chain, official);
	const admin = { PERIGEE_ADMIN: `127.0.0.1:${await freePort()}` };
	const mined = { ...shell, env: { ...shell.env, ...free, ...admin } };
	const [mine = '', status = ''] = mining.split('\n');
	const miner = await startNode(t, mined, mine.split('#')[0] ?? '');
	assert.match(await run(mined, status), /^state: (?!off)\w+: /);
	await miner.end();

	await run(shell, token);
	placePair('first', { cert: join(directory, 'cert.pem'), key: join(directory, 'key.pem') });
	const [toml = ''] = blocksOf('toml');
	writeFileSync(join(directory, 'perigee.toml'), toml.replaceAll(/\/(?:run|etc)\/perigee/g, directory));
	const served = { ...shell, env: { ...shell.env, PERIGEE_GRPC: '127.0.0.1:0' } };
	const [check = '', restart = ''] = serve.replaceAll('0.0.0.0:5678', '0.0.0.0:0').split('\n');
	assert.match(await run(served, check), /^ok: /);
	const open = await startNode(t, served, restart);
	const trusting = { ...shell.env, NODE_EXTRA_CA_CERTS: certPath('first'), CURL_CA_BUNDLE: certPath('first') };
	await run({ ...shell, env: trusting }, others.replaceAll('node.example:5678', `localhost:${open.port}`));
	await open.end();
});
