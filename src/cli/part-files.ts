/** Files that are being written under names of their own, until they are whole. */
import { link, lstat, open, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { FileHandle } from 'node:fs/promises';
import { CliError } from './exit-codes.js';
import { syncDirectory } from './sync-directory.js';

/** What ends the process, and with which exit code. */
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
type Signal = keyof typeof SIGNALS;

export class PartFiles {
	/** From before they are there until they are gone. */
	readonly #parts = new Map<string, Promise<FileHandle>>();
	#count = 0;
	#isStopping = false;

	constructor() {
		for (const signal of Object.keys(SIGNALS) as Signal[]) process.once(signal, this.#onSignal);
	}

	/**
	 * Writes a file with `fill`. It appears under its name whole, synced, or not at all; without `force` never over another one. `word`: begins the
	 * name of the part, which is not the target's and more, since that may be as long as a name can be. A link under that name is replaced, not followed.
	 */
	async write(target: string, word: string, force: boolean, fill: (file: FileHandle) => Promise<void>): Promise<void> {
		// The process is about to end.
		if (this.#isStopping) await new Promise<never>(() => undefined);
		const part = join(dirname(target), `${word}.part-${process.pid}-${this.#count++}`);
		const opening = open(part, 'wx');
		this.#parts.set(part, opening);
		try {
			const file = await opening;
			try {
				await fill(file);
				await file.sync();
			} finally {
				await file.close();
			}
			await putInPlace(part, target, force);
		} catch (error) {
			// One that could not be opened is not ours.
			const isOurs = await opening.then(() => true).catch(() => false);
			if (isOurs) await unlink(part).catch(() => undefined);
			throw error;
		} finally {
			this.#parts.delete(part);
		}
	}

	close(): void {
		for (const signal of Object.keys(SIGNALS) as Signal[]) process.off(signal, this.#onSignal);
	}

	readonly #onSignal = (signal: Signal): void => {
		this.#isStopping = true;
		const removing = [...this.#parts].map(async ([part, opening]) => {
			await opening;
			await unlink(part);
		});
		void Promise.allSettled(removing).finally(() => process.exit(SIGNALS[signal]));
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
