/** Files that are being written under names of their own, until they are whole. */
import { link, lstat, open, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { FileHandle } from 'node:fs/promises';
import { CliError } from './exit-codes.js';
import { syncDirectory } from './sync-directory.js';

export class PartFiles {
	readonly #parts = new Set<string>();
	#count = 0;

	constructor() {
		process.once('SIGINT', this.#onSignal);
		process.once('SIGTERM', this.#onSignal);
	}

	/**
	 * Writes a file with `fill`. It appears under its name whole, synced, or not at all; without `force` never over another one. `word`: begins the
	 * name of the part, which is not the target's and more, since that may be as long as a name can be. A link under that name is replaced, not followed.
	 */
	async write(target: string, word: string, force: boolean, fill: (file: FileHandle) => Promise<void>): Promise<void> {
		const part = join(dirname(target), `${word}.part-${process.pid}-${this.#count++}`);
		const file = await open(part, 'wx');
		this.#parts.add(part);
		try {
			try {
				await fill(file);
				await file.sync();
			} finally {
				await file.close();
			}
			await putInPlace(part, target, force);
		} catch (error) {
			await unlink(part).catch(() => undefined);
			throw error;
		} finally {
			this.#parts.delete(part);
		}
	}

	close(): void {
		process.off('SIGINT', this.#onSignal);
		process.off('SIGTERM', this.#onSignal);
	}

	readonly #onSignal = (signal: NodeJS.Signals): void => {
		const removing = [...this.#parts].map((part) => unlink(part));
		void Promise.allSettled(removing).finally(() => process.exit(signal === 'SIGINT' ? 130 : 143));
	};
}

/** Gives the finished file its name; without `force` never over another file, also not one that came meanwhile. */
async function putInPlace(part: string, target: string, force: boolean): Promise<void> {
	if (force) {
		await rename(part, target);
	} else {
		try {
			await link(part, target);
			await unlink(part);
		} catch (error) {
			const { code } = error as NodeJS.ErrnoException;
			if (code === 'EEXIST' || (await isThere(target))) throw alreadyThere(target);
			// File systems without hard links: nothing better than to look and rename.
			await rename(part, target);
		}
	}
	await syncDirectory(dirname(target));
}

async function isThere(path: string): Promise<boolean> {
	return (await lstat(path).catch(() => undefined)) !== undefined;
}

export function alreadyThere(target: string): CliError {
	return new CliError('usage', `${target}: is there already`, {
		hint: 'Choose another name with -o, or overwrite with --force.',
	});
}
