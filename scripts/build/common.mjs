// What the build scripts share: where things are, and how a build that cannot go on says so.
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The top of the checkout. */
export const rootDirectory = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** State, lock and logs of the build. Safe to delete. */
export const buildDirectory = join(rootDirectory, '.perigee-build');

/** The build cannot go on, for a reason that the reader can mend: `lines` are printed as they are, without a stack. */
export class BuildFailure extends Error {
	constructor(...lines) {
		super(lines.join('\n'));
		this.lines = lines;
	}
}
