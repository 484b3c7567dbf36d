/** Directories with all above them. */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes a directory and those above it that are missing. Unlike Node's own it ends also where the system says of a place whose parent is there
 * that nothing is there, as below /proc. Errors: those of the system.
 */
export async function makeDirectories(path: string, mode = 0o777): Promise<void> {
	if (await isMade(path, mode)) return;
	const above = dirname(path);
	if (above !== path) await makeDirectories(above, mode);
	await mkdir(path, mode).catch(unlessThere);
}

/** False when the one above is missing. */
async function isMade(path: string, mode: number): Promise<boolean> {
	try {
		await mkdir(path, mode).catch(unlessThere);
		return true;
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
		throw error;
	}
}

/** Another process may have been faster. What is there and is no directory fails whoever needs one. */
function unlessThere(error: NodeJS.ErrnoException): void {
	if (error.code !== 'EEXIST') throw error;
}
