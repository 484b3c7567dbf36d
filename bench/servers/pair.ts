/** A node, the bare server and a load client for one row, and what each run of a job cost. */
import { execFile } from 'node:child_process';
import { mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { dropCache } from '../../src/native/addon.js';
import type { JobResult, ServerJob } from '../load/jobs.js';
import type { BenchContext } from '../row.js';
import { type ServerProcess, startBare, startLoadClient, startPerigee } from './processes.js';
import { cpuSecondsOf, stolenSeconds } from './process-stats.js';

export interface Measured extends JobResult {
	/** Processor seconds during the job. */
	readonly serverCpuSeconds: number;
	readonly clientCpuSeconds: number;
	/** Processor seconds that the machine did not get meanwhile, though it wanted them. */
	readonly stolenSeconds: number;
}

export interface ServerPair {
	readonly perigee: ServerProcess;
	readonly bare: ServerProcess;
	run(server: ServerProcess, job: ServerJob): Promise<Measured>;
	/** Waits until nothing of earlier runs is left to be written to the disk, and keeps it in the page cache or not. */
	settle(cache: 'keep' | 'drop'): Promise<void>;
}

/** Starts all three, lets `work` use them, stops them and removes what they stored. */
export async function withServers<T>(context: BenchContext, work: (pair: ServerPair) => Promise<T>): Promise<T> {
	const directory = await mkdtemp(join(context.workDir, 'row-'));
	const stops: (() => Promise<void>)[] = [];
	try {
		const client = await startLoadClient();
		stops.push(() => client.stop());
		const bare = await startBare({ dataDir: join(directory, 'bare') });
		stops.push(() => bare.stop());
		const perigee = await startPerigee({ dataDir: join(directory, 'perigee') });
		stops.push(() => perigee.stop());
		return await work({
			perigee,
			bare,
			async run(server, job) {
				const before = [cpuSecondsOf(server.pid), cpuSecondsOf(client.pid), stolenSeconds()] as const;
				const result = await client.run({ ...job, port: server.port });
				return {
					...result,
					serverCpuSeconds: cpuSecondsOf(server.pid) - before[0],
					clientCpuSeconds: cpuSecondsOf(client.pid) - before[1],
					stolenSeconds: stolenSeconds() - before[2],
				};
			},
			async settle(cache) {
				await settleDisk(context);
				if (cache === 'drop') await dropCaches(directory);
			},
		});
	} finally {
		for (const stop of stops.toReversed()) await stop();
		await rm(directory, { recursive: true, force: true });
		await settleDisk(context);
	}
}

/** Waits until nothing of earlier runs is left to be written. */
export async function settleDisk({ isQuick }: BenchContext): Promise<void> {
	if (!isQuick) await promisify(execFile)('sync');
}

/** What earlier runs wrote leaves the page cache: else each run would need memory that this machine has never used before. */
export async function dropCaches(directory: string): Promise<void> {
	for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
		if (!entry.isFile()) continue;
		const file = await open(join(entry.parentPath, entry.name), 'r').catch(() => undefined);
		if (!file) continue; // RocksDB has removed it meanwhile
		dropCache(file.fd);
		await file.close();
	}
}
