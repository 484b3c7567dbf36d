/** Makes names in a directory durable. */
import { open } from 'node:fs/promises';

/** Errors: those of the system. */
export async function syncDirectory(path: string): Promise<void> {
	const directory = await open(path, 'r');
	try {
		await directory.sync();
	} finally {
		await directory.close();
	}
}
