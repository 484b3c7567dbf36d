/** What a figure needs beside it to mean something. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir, totalmem } from 'node:os';
import { simd } from '../src/native/addon.js';

export interface Machine {
	readonly date: string;
	readonly command: string;
	readonly version: string;
	readonly commit: string;
	readonly node: string;
	readonly system: string;
	readonly cpu: string;
	readonly cores: number;
	readonly simd: string;
	readonly memoryGiB: number;
	readonly fileSystem: string;
	/** Over the last minute, before the first row: above about 0.5 other work disturbs the figures. */
	readonly loadBefore: number;
}

export function describeMachine(argv: readonly string[]): Machine {
	const processors = cpus();
	return {
		date: new Date().toISOString(),
		command: ['npm run bench', ...(argv.length > 0 ? ['--', ...argv] : [])].join(' '),
		version: (JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }).version,
		commit: output('git', ['rev-parse', '--short', 'HEAD']),
		node: process.version,
		system: `${process.platform} ${release()} ${process.arch}`,
		cpu: processors[0]?.model.trim() ?? 'unknown',
		cores: processors.length,
		simd: simd(),
		memoryGiB: Math.round(totalmem() / 2 ** 30),
		fileSystem: output('stat', ['-f', '-c', '%T', tmpdir()]),
		loadBefore: loadavg()[0] ?? 0,
	};
}

function output(command: string, args: readonly string[]): string {
	try {
		return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
	} catch {
		return 'unknown'; // not a checkout, or a system without that command
	}
}
