/** What a start refuses before it makes, opens or changes anything; `perigee config check` asks the same. */
import { about } from '../config/refusal.js';
import { PerigeeError } from '../errors.js';
import type { StorageIo } from '../io/storage-io.js';
import { refuseUnfitDirectories } from '../log-layer/format-guard.js';
import { logChecksums } from '../log-layer/log-checksums.js';
import { refuseForeignVolumes } from '../log-layer/volumes.js';
import * as addon from '../native/addon.js';
import type { FileModules } from './access.js';
import { assertCanListen, assertDataDir } from './data-dir.js';
import { type Doors, openDoors } from './listeners.js';

/** The answer is what the listeners need of it, and must be closed. Errors: CONFIG_INVALID, FORMAT_UNKNOWN, VOLUME_CONFLICT. */
export async function checkStart(io: StorageIo, modules: FileModules): Promise<Doors> {
	const { config } = modules;
	const { dataDir, storage } = config;
	assertKernel();
	assertDataDir(dataDir, 'dataDir');
	const doors = await openDoors(modules);
	try {
		const directories = { io, checksums: logChecksums, dataDir, dataDirs: storage.dataDirs };
		await about(['dataDir', 'storage.dataDirs'], () => refuseUnfitDirectories(directories));
		const unused = await about(['storage.dataDirs'], () => refuseForeignVolumes(directories));
		for (const directory of unused) assertDataDir(directory, 'storage.dataDirs');
		await assertCanListen(io, config);
		return doors;
	} catch (error) {
		doors.close();
		throw error;
	}
}

/** PERIGEE_SIMD may name a kernel that this processor has not. */
function assertKernel(): void {
	try {
		addon.simd();
	} catch (error) {
		throw new PerigeeError('CONFIG_INVALID', (error as Error).message, { cause: error });
	}
}
