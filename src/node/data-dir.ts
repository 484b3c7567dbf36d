/** What is looked at and made before a store can be opened: the data directory, and listeners that are free. */
import { accessSync, constants, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { assertFree } from '../api/free-address.js';
import { isSamePlace, parseListenAddress, parseListenPlace } from '../config/listen-address.js';
import { refusal } from '../config/refusal.js';
import type { Config } from '../config/schema.js';
import { PerigeeError } from '../errors.js';
import type { StorageIo } from '../io/storage-io.js';
import { codeOf } from '../io/system-call.js';
import { makeDataDir } from '../log-layer/volumes.js';

/** In the data directory of a node that runs, and of one that was killed. */
export const NODE_FILE = 'node.json';

/**
 * Before a data directory is made or changed: a start that cannot listen leaves nothing behind. Where a node may be running its lock says more
 * than that its own addresses are in use. Errors: CONFIG_INVALID.
 */
export async function assertCanListen(io: StorageIo, config: Config): Promise<void> {
	const mayBeInUse = (await io.stat(`${config.dataDir}/${NODE_FILE}`)) !== undefined;
	const [http, admin] = [parseListenAddress(config.http), parseListenPlace(config.admin)];
	await assertFree(http, 'http', mayBeInUse);
	if (!isSamePlace(http, admin)) await assertFree(admin, 'admin', mayBeInUse);
	await assertFree(parseListenAddress(config.grpc), 'grpc', mayBeInUse);
}

/** That a data directory may be written, or that it can be made. `setting`: the one that names it. Errors: CONFIG_INVALID. */
export function assertDataDir(dataDir: string, setting: 'dataDir' | 'storage.dataDirs'): void {
	const refused = (why: string): PerigeeError =>
		refusal([setting], `the data directory ${dataDir} cannot be used (${why}); choose another with --data-dir`);
	let nearest = dataDir;
	try {
		while (statSync(nearest, { throwIfNoEntry: false }) === undefined) nearest = dirname(nearest);
		if (!statSync(nearest).isDirectory()) throw refused(`${nearest} is no directory`);
		accessSync(nearest, constants.R_OK | constants.W_OK | constants.X_OK);
	} catch (error) {
		throw error instanceof PerigeeError ? error : refused(`${nearest}: ${codeOf(error) ?? String(error)}`);
	}
}

/** Makes the data directory if it is missing. Errors: CONFIG_INVALID when it cannot be made. */
export async function makeFirstDataDir(io: StorageIo, dataDir: string): Promise<void> {
	try {
		await makeDataDir(io, dataDir);
	} catch (error) {
		const code = codeOf(error);
		if (code === undefined) throw error;
		throw refusal(
			['dataDir'],
			`the data directory ${dataDir} cannot be made (${code}); choose another with --data-dir`,
			{ cause: error },
		);
	}
}
