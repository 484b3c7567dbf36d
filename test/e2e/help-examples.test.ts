/** Every example of the help texts, run by a shell as it stands there, with a real node. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { EXAMPLE_DIRECTORY_ROOT, EXAMPLE_FILE } from '../../src/api/rest/examples.js';
import { HELP_EXAMPLES } from '../../src/cli/help-examples.js';
import { buildProgram } from '../../src/cli/main.js';
import { runCli, spawnCli, temporaryDirectory } from '../support/processes.js';

const RUN_CLI = fileURLToPath(new URL('../support/run-cli.js', import.meta.url));

/** What each verb needs before its examples, besides the files and the node that holds them. */
const NEEDS: Readonly<Record<string, (directory: string) => Promise<void>>> = {
	/** A configuration of ours, and one of a 0G storage node. */
	start: async (directory) => writeFileSync(join(directory, 'perigee.toml'), '[log]\nlevel = "warn"\n'),
	config: async (directory) =>
		writeFileSync(join(directory, 'config.toml'), `log_contract_address = "0x${'11'.repeat(20)}"\n`),
	/** A data directory that a stopped node has left. */
	rebuild: async (directory) => {
		const child = startIn(directory, ['start', '--data-dir', 'data', '--http', '127.0.0.1:0']);
		await listening(child);
		await ended(child);
	},
};

function startIn(directory: string, args: readonly string[]): ChildProcess {
	return spawnCli(args, { cwd: directory });
}

async function listening(child: ChildProcess): Promise<string> {
	const [said] = (await Promise.race([once(child.stdout!, 'data'), once(child, 'exit')])) as [unknown];
	assert.ok(Buffer.isBuffer(said), `it ended with ${String(said)}`);
	return said.toString();
}

async function ended(child: ChildProcess): Promise<void> {
	child.kill();
	const [code] = (await once(child, 'exit')) as [number | null];
	assert.equal(code, 0);
}

describe('the examples of the help texts', () => {
	const cleanups: (() => unknown)[] = [];
	const forAll = { after: (fn: unknown) => void cleanups.push(fn as () => unknown) };
	let env: Record<string, string> = {};
	let url = '';

	before(async () => {
		const home = temporaryDirectory(forAll);
		const bin = join(home, 'bin');
		mkdirSync(bin);
		writeFileSync(join(bin, 'perigee'), `#!/bin/sh\nexec "${process.execPath}" "${RUN_CLI}" "$@"\n`);
		chmodSync(join(bin, 'perigee'), 0o755);
		const node = startIn(home, ['start', '--data-dir', 'node', '--http', '127.0.0.1:0', '--json']);
		forAll.after(() => ended(node));
		({ url } = JSON.parse(await listening(node)) as { url: string });
		const { listeners } = JSON.parse(readFileSync(join(home, 'node', 'node.json'), 'utf8')) as {
			listeners: { admin: string };
		};
		env = {
			...(process.env as Record<string, string>),
			PATH: `${bin}${delimiter}${process.env['PATH']}`,
			UV_THREADPOOL_SIZE: '8',
			PERIGEE_NODE: url,
			PERIGEE_ADMIN: new URL(listeners.admin).host,
		};
	});
	after(async () => {
		for (const cleanup of cleanups.reverse()) await cleanup();
	});

	/** A directory with the files of the examples, which the node holds too. */
	async function prepared(t: Parameters<typeof temporaryDirectory>[0]): Promise<string> {
		const directory = temporaryDirectory(t);
		mkdirSync(join(directory, 'greetings'));
		for (const path of ['hello.txt', 'greetings/hello.txt']) writeFileSync(join(directory, path), EXAMPLE_FILE.text);
		const ran = await runCli(['upload', 'hello.txt', 'greetings', '--node', url], { cwd: directory });
		assert.equal(ran.code, 0, ran.stderr);
		assert.ok(ran.stdout.includes(EXAMPLE_DIRECTORY_ROOT));
		return directory;
	}

	/** Runs one line to its end; of a node that it starts, until it listens. */
	async function run(line: string, directory: string, verb: string): Promise<void> {
		const isStart = verb === 'start';
		// The node of the test has a port of its own; what is started, or might be, takes free ones.
		const command = line.replace('http://127.0.0.1:5678', url);
		const own = ['start', 'config'].includes(verb)
			? { PERIGEE_HTTP: '127.0.0.1:0', PERIGEE_ADMIN: '127.0.0.1:0', PERIGEE_GRPC: '127.0.0.1:0' }
			: {};
		const script = isStart ? command.replace(/^((?:\w+=\S+ )*)perigee /, '$1exec perigee ') : command;
		const child = spawn('bash', ['-c', `${isStart ? '' : 'set -eo pipefail; '}${script}`], {
			cwd: directory,
			env: { ...env, ...own },
			stdio: ['ignore', 'pipe', 'pipe'],
		});
		let complaints = '';
		child.stderr.on('data', (chunk: Buffer) => (complaints += chunk.toString()));
		if (isStart) {
			await listening(child);
			await ended(child);
			return;
		}
		child.stdout.resume();
		const [code] = (await once(child, 'close')) as [number | null];
		// A node that runs for a moment may log what it does; who makes a token is told to keep it.
		const others = complaints.split('\n').filter((text) => text !== '' && !/^(?:\{"level":|Keep it: )/.test(text));
		assert.deepEqual([code, others], [0, []], line);
	}

	for (const [verb, examples] of Object.entries(HELP_EXAMPLES)) {
		it(`of ${verb} do what they say`, async (t) => {
			for (const example of examples) {
				const directory = await prepared(t);
				await NEEDS[verb]?.(directory);
				await run(example, directory, verb);
			}
		});
	}

	it('stand behind every verb, and in what its --help prints', async () => {
		const verbs = buildProgram().commands.map((command) => command.name());
		assert.deepEqual(Object.keys(HELP_EXAMPLES).sort(), [...verbs].sort());
		for (const verb of ['upload', 'start', 'bench']) {
			const { stdout } = await runCli([verb, '--help']);
			for (const example of HELP_EXAMPLES[verb] as readonly string[])
				assert.ok(stdout.includes(`\n  ${example}\n`), example);
		}
	});
});
