/** Processes that tests run: the command line, and nodes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { after, before, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

const RUN_CLI = fileURLToPath(new URL('./run-cli.js', import.meta.url));
const MEMORY_NODE = fileURLToPath(new URL('./memory-node.js', import.meta.url));

export interface Ran {
	readonly code: number | null;
	readonly signal: NodeJS.Signals | null;
	readonly stdout: Buffer;
	readonly stderr: string;
}

export interface RunOptions {
	readonly env?: Readonly<Record<string, string>>;
	readonly input?: Uint8Array;
	readonly cwd?: string;
}

/** Runs `perigee …` to its end. Its streams are pipes, as in a script. */
export async function runCli(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
	const child = spawnCli(args, options);
	child.stdin?.on('error', () => {});
	child.stdin?.end(options.input);
	const stdout: Buffer[] = [];
	const stderr: Buffer[] = [];
	child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
	child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
	const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
	return { code, signal, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString('utf8') };
}

/** Begins `perigee …`. */
export function spawnCli(args: readonly string[], options: RunOptions = {}): ChildProcess {
	return spawn(process.execPath, [RUN_CLI, ...args], {
		stdio: ['pipe', 'pipe', 'pipe'],
		// Several nodes run at once; their other listeners take free ports.
		env: { ...withoutOwn(process.env), PERIGEE_ADMIN: '127.0.0.1:0', PERIGEE_GRPC: '127.0.0.1:0', ...options.env },
		...(options.cwd === undefined ? {} : { cwd: options.cwd }),
	});
}

/** Settings of whoever runs the tests must not reach the processes under test. */
function withoutOwn(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
	const kept = Object.entries(env).filter(([name]) => !name.startsWith('PERIGEE_') || name === 'PERIGEE_SIMD');
	return { ...Object.fromEntries(kept), UV_THREADPOOL_SIZE: '8', XDG_STATE_HOME: join(tmpdir(), 'perigee-test-state') };
}

/** A directory that goes with the test. */
export function temporaryDirectory(t: Pick<TestContext, 'after'>): string {
	const directory = mkdtempSync(join(tmpdir(), 'perigee-test-'));
	t.after(() => removeDirectory(directory));
	return directory;
}

/** A process that is killed only behind this may still make files in it: then it goes when the tests of the file are over. */
function removeDirectory(directory: string): void {
	try {
		rmSync(directory, { recursive: true, force: true });
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error;
		process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
	}
}

/** The same for all tests of a suite; its URL is known once they run. */
export function useMemoryNode(): () => string {
	let url = '';
	const cleanups: (() => unknown)[] = [];
	before(async () => {
		url = await startMemoryNode({ after: (fn) => void cleanups.push(fn as () => unknown) });
	});
	after(async () => {
		for (const cleanup of cleanups) await cleanup();
	});
	return () => url;
}

/** A process with a node that keeps its files in memory, at most `openFiles` of the system's; answers its URL. */
export async function startMemoryNode(
	t: Pick<TestContext, 'after'>,
	options: { readonly openFiles?: number } = {},
): Promise<string> {
	const limit = options.openFiles === undefined ? '' : `ulimit -n ${options.openFiles}; `;
	const child = spawn('sh', ['-c', `${limit}exec "$0" "$1"`, process.execPath, MEMORY_NODE], {
		stdio: ['ignore', 'pipe', 'inherit'],
	});
	t.after(async () => {
		child.kill();
		if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
	});
	const [line] = (await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])) as [Buffer | number | null];
	if (!Buffer.isBuffer(line)) throw new Error(`the node ended with ${line}`);
	return line.toString('utf8').trim();
}

/** A node as a process of its own. */
export interface RunningNode {
	readonly child: ChildProcess;
	readonly url: string;
	readonly port: number;
	readonly dataDir: string;
}

/** Runs `perigee start` on a directory; answers once it has said where it listens. */
export async function startNode(t: TestContext, dataDir: string, flags: readonly string[] = []): Promise<RunningNode> {
	const child = spawnCli(['start', '--data-dir', dataDir, '--http', '127.0.0.1:0', '--log-level', 'error', ...flags]);
	t.after(() => void child.kill('SIGKILL'));
	let errors = '';
	child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()));
	let said = '';
	while (!said.includes('\ntry: ')) {
		const [chunk] = (await Promise.race([once(child.stdout as Readable, 'data'), once(child, 'exit')])) as [
			Buffer | number | null,
		];
		if (!Buffer.isBuffer(chunk)) throw new Error(`the node ended with ${chunk}: ${errors}`);
		said += chunk.toString();
	}
	const url = /listens on (\S+) /.exec(said)?.[1] ?? '';
	return { child, url, port: Number(new URL(url).port), dataDir };
}

/** A port that nobody has just now. */
export async function freePort(): Promise<number> {
	const server = createServer().listen(0, '127.0.0.1');
	await once(server, 'listening');
	const { port } = server.address() as AddressInfo;
	server.close();
	await once(server, 'close');
	return port;
}

/** A node that says in JSON where it listens. */
export interface JsonNode {
	readonly url: string;
	readonly port: number;
	readonly admin: string;
	/** What it has logged so far. */
	readonly logged: () => string;
	/** Ends it with a signal; its exit code. */
	end(signal: NodeJS.Signals): Promise<number | null>;
}

/** Runs `perigee start --json` on a directory, on a free port unless `args` name another one; killed with the test. */
export async function startJsonNode(
	t: TestContext,
	dataDir: string,
	args: readonly string[] = [],
	env: Readonly<Record<string, string>> = {},
): Promise<JsonNode> {
	const http = args.includes('--http') ? [] : ['--http', '127.0.0.1:0'];
	const child = spawnCli(['start', '--data-dir', dataDir, ...http, ...args, '--json'], { env });
	t.after(() => void child.kill('SIGKILL'));
	let logged = '';
	child.stderr?.on('data', (chunk: Buffer) => (logged += chunk.toString()));
	const [said] = (await Promise.race([once(child.stdout!, 'data'), once(child, 'exit')])) as [Buffer | number | null];
	if (!Buffer.isBuffer(said)) throw new Error(`the node ended with ${said}: ${logged}`);
	const { url } = JSON.parse(said.toString()) as { url: string };
	const file = JSON.parse(readFileSync(join(dataDir, 'node.json'), 'utf8')) as { listeners: { admin: string } };
	return {
		url,
		port: Number(new URL(url).port),
		admin: file.listeners.admin,
		logged: () => logged,
		async end(signal) {
			child.kill(signal);
			const [code] = (await once(child, 'exit')) as [number | null];
			return code;
		},
	};
}
