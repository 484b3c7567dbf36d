/** What is looked at and made before a store can be opened: listeners that are free, the data directory. */
import { assertFree } from '../api/free-address.js';
import { parseListenAddress, parseListenPlace } from '../config/listen-address.js';
import type { Config } from '../config/schema.js';
import { PerigeeError } from '../errors.js';
import type { StorageIo } from '../io/storage-io.js';
import { makeDataDir } from '../log-layer/volumes.js';

/**
 * Before a new data directory is made: a start that cannot listen leaves nothing behind. In one that is there its lock says more.
 * Errors: CONFIG_INVALID.
 */
export async function assertCanListen(io: StorageIo, config: Config): Promise<void> {
	if (await io.stat(config.dataDir).catch(() => undefined)) return;
	await assertFree(parseListenAddress(config.http), '--http');
	await assertFree(parseListenPlace(config.admin), '--admin');
	await assertFree(parseListenAddress(config.grpc), '--grpc');
}

/** Makes the data directory if it is missing. Errors: CONFIG_INVALID when it cannot be made. */
export async function makeFirstDataDir(io: StorageIo, dataDir: string): Promise<void> {
	try {
		await makeDataDir(io, dataDir);
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		if (code === undefined) throw error;
		throw new PerigeeError(
			'CONFIG_INVALID',
			`the data directory ${dataDir} cannot be made (${code}); choose another with --data-dir`,
			{ cause: error },
		);
	}
}
