/** Starts and stops the processes of a measurement: a node, the bare reference server, the load client. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Job, JobResult } from '../load/jobs.js';

/** Both servers get the size that bin/perigee.cjs sets. */
const THREADPOOL_SIZE = '8';

export interface ServerProcess {
	readonly name: 'perigee' | 'bare';
	readonly port: number;
	/** Of a node. */
	readonly grpcPort?: number;
	readonly pid: number;
	/** Stops it cleanly and waits for its end. */
	stop(): Promise<void>;
}

export interface StartOptions {
	readonly dataDir: string;
	/** Flags of the runtime, for profiles. */
	readonly nodeArgs?: readonly string[];
	/** Further variables of the environment. */
	readonly env?: Readonly<Record<string, string>>;
}

/** A node on a free port. */
export async function startPerigee({ dataDir, nodeArgs = [], env = {} }: StartOptions): Promise<ServerProcess> {
	const args = [
		'start',
		'--data-dir',
		dataDir,
		'--http',
		'127.0.0.1:0',
		'--admin',
		'127.0.0.1:0',
		'--grpc',
		'127.0.0.1:0',
		'--log-level',
		'error',
		'--json',
	];
	const child = startServer([...nodeArgs, moduleFile('../../../bin/perigee.cjs'), ...args], env);
	const line = await firstLine(child);
	const { url } = JSON.parse(line) as { readonly url: string };
	const { listeners } = JSON.parse(readFileSync(join(dataDir, 'node.json'), 'utf8')) as {
		readonly listeners: { readonly grpc: string };
	};
	const server = serverOf('perigee', child, Number(new URL(url).port));
	return { ...server, grpcPort: Number(listeners.grpc.split(':').at(-1)) };
}

/** A gRPC server that stores nothing; its downloads have so many bytes. */
export async function startBareGrpc(downloadBytes: number): Promise<ServerProcess> {
	const child = startServer([moduleFile('./bare-grpc-server.js'), String(downloadBytes)]);
	return serverOf('bare', child, Number(await firstLine(child)));
}

/** The reference: plain files behind node:http (bare-server.ts). */
export async function startBare({ dataDir, nodeArgs = [] }: StartOptions): Promise<ServerProcess> {
	const child = startServer([...nodeArgs, moduleFile('./bare-server.js'), dataDir]);
	return serverOf('bare', child, Number(await firstLine(child)));
}

export interface LoadClient {
	readonly pid: number;
	/** Errors: whatever went wrong in the client. */
	run(job: Job): Promise<JobResult>;
	stop(): Promise<void>;
}

export async function startLoadClient(): Promise<LoadClient> {
	const child = fork(moduleFile('../load/load-client.js'), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
	await once(child, 'spawn');
	let isBusy = false;
	const run = async (job: Job): Promise<JobResult> => {
		if (isBusy) throw new Error('the load client does one job at a time');
		isBusy = true;
		const answered = new AbortController();
		const { signal } = answered;
		try {
			child.send(job);
			const [answer] = (await Promise.race([
				once(child, 'message', { signal }),
				once(child, 'exit', { signal }).then(([code, killedBy]) => [
					{ error: `the load client ended: code ${String(code)}, signal ${String(killedBy)}` },
				]),
			])) as [{ readonly result?: JobResult; readonly error?: string }];
			if (!answer.result) throw new Error(answer.error ?? 'the load client answered nothing');
			return answer.result;
		} finally {
			answered.abort();
			isBusy = false;
		}
	};
	return {
		pid: pidOf(child),
		run,
		async stop() {
			child.disconnect();
			await exitOf(child);
		},
	};
}

function startServer(args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
	const child = spawn(process.execPath, args, {
		stdio: ['ignore', 'pipe', 'inherit'],
		env: { ...process.env, ...env, UV_THREADPOOL_SIZE: THREADPOOL_SIZE },
	});
	// A bench that is broken off leaves no server behind.
	const kill = (): void => {
		child.kill('SIGKILL');
	};
	process.prependOnceListener('exit', kill);
	child.once('exit', () => process.off('exit', kill));
	return child;
}

function serverOf(name: ServerProcess['name'], child: ChildProcess, port: number): ServerProcess {
	return {
		name,
		port,
		pid: pidOf(child),
		async stop() {
			child.kill('SIGTERM');
			await exitOf(child);
		},
	};
}

async function firstLine(child: ChildProcess): Promise<string> {
	if (!child.stdout) throw new Error('no standard output');
	const lines = createInterface({ input: child.stdout });
	const [line] = (await Promise.race([
		once(lines, 'line'),
		once(child, 'exit').then(([code]) => {
			throw new Error(`a server did not start (code ${String(code)})`);
		}),
	])) as [string];
	return line;
}

async function exitOf(child: ChildProcess): Promise<void> {
	if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

function pidOf(child: ChildProcess): number {
	if (child.pid === undefined) throw new Error('the process did not start');
	return child.pid;
}

function moduleFile(relative: string): string {
	return fileURLToPath(new URL(relative, import.meta.url));
}
