import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** A file of an installed package, by its name in it: `@scope/name/path`. Errors: MODULE_NOT_FOUND, and those of the disk. */
export async function readPackageFile(specifier: string): Promise<Buffer> {
	return readFile(createRequire(import.meta.url).resolve(specifier));
}

/** A folder of this package, by its path from the top. */
export function packageFolder(path: string): string {
	return fileURLToPath(new URL(`../../../${path}`, import.meta.url));
}
