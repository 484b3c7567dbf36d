/** `perigee start`: runs a node until it is told to stop. */
import { explainConfig, type LoadedConfig } from '../config/load.js';
import { placed } from '../config/refusal.js';
import type { Config } from '../config/schema.js';
import { packageVersion } from '../config/version.js';
import { PerigeeError } from '../errors.js';
import { idleOf, type OfficialOptions, officialFlagsOf, textOf } from './official.js';
import type { OutputOptions } from './output.js';

export interface StartVerbOptions extends OutputOptions, OfficialOptions {
	/** The first, and further ones of further disks. */
	readonly dataDir?: readonly string[];
	readonly http?: string;
	readonly admin?: string;
	readonly grpc?: string;
	readonly config?: string;
	readonly logLevel?: string;
	readonly mine?: boolean;
}

const HOLD_MS = 60_000;

/** Starts the node and answers once it listens. SIGTERM, SIGINT and admin_shutdown stop it; a further signal does not wait. */
export async function start(options: StartVerbOptions): Promise<void> {
	const loaded = loadedConfigOf(options);
	const { config, official } = loaded;
	const idle = idleOf(official ?? []);
	if (options.json !== true) for (const line of idle) process.stdout.write(`${textOf(line)}\n`);
	const { startNode } = await import('../node.js');
	const node = await withPlaces(loaded, () => held(() => startNode(config)));
	const stop = stopOnSignals(() => node.close());
	void node.stopAsked.then(stop);
	const text = [
		`perigee ${packageVersion()} listens on ${node.url} and keeps its data in ${config.dataDir}`,
		`try: curl -T README.md ${node.url}/v1/upload/`,
	].join('\n');
	const result = { url: node.url, dataDir: config.dataDir, ...(official === undefined ? {} : { notUsed: idle }) };
	process.stdout.write(options.json === true ? `${JSON.stringify(result)}\n` : `${text}\n`);
}

/** Until a listener is open perhaps only timers are left, which hold no process: without this it would end without a word. */
async function held<T>(run: () => Promise<T>): Promise<T> {
	const hold = setInterval(() => undefined, HOLD_MS);
	try {
		return await run();
	} finally {
		clearInterval(hold);
	}
}

/** The configuration that the flags of a verb, the environment and the file make together. */
export function configOf(options: StartVerbOptions): Config {
	return loadedConfigOf(options).config;
}

/** The same with the origin of each setting. */
export function loadedConfigOf(options: StartVerbOptions): LoadedConfig {
	const [dataDir, ...dataDirs] = options.dataDir ?? [];
	return explainConfig({
		flags: {
			dataDir,
			'storage.dataDirs': dataDirs.length > 0 ? dataDirs : undefined,
			http: options.http,
			admin: options.admin,
			grpc: options.grpc,
			'log.level': options.logLevel,
			'mining.mode': options.mine === true ? 'on' : undefined,
		},
		env: process.env,
		officialFlags: officialFlagsOf(options),
		...(options.config === undefined ? {} : { file: options.config }),
	});
}

/** Runs what may refuse the configuration; a refusal then says where the settings that it is about were set. */
export async function withPlaces<T>({ settings }: LoadedConfig, run: () => Promise<T>): Promise<T> {
	try {
		return await run();
	} catch (error) {
		throw error instanceof PerigeeError ? placed(error, settings) : error;
	}
}

/** The answer stops the node too. */
function stopOnSignals(close: () => Promise<void>): () => void {
	let stopping = false;
	const stop = (): void => {
		if (stopping) return;
		stopping = true;
		close().then(
			() => process.exit(0),
			(error: unknown) => {
				process.stderr.write(`perigee: stopping failed: ${error instanceof Error ? error.message : String(error)}\n`);
				process.exit(1);
			},
		);
	};
	const stopNow = (signal: NodeJS.Signals): void => {
		if (stopping) process.exit(signal === 'SIGINT' ? 130 : 143);
		stop();
	};
	process.on('SIGTERM', stopNow);
	process.on('SIGINT', stopNow);
	return stop;
}
