import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

/** A file of an installed package, by its name in it: `@scope/name/path`. Errors: MODULE_NOT_FOUND, and those of the disk. */
export async function readPackageFile(specifier: string): Promise<Buffer> {
	return readFile(createRequire(import.meta.url).resolve(specifier));
}
