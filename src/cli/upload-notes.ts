/**
 * Where uploads that are on their way live on their nodes, noted in the user's own directory: a later `perigee upload` of the same file goes on
 * there. A note is a help, not a need: one that cannot be read or written costs sending from the beginning.
 */
import { createHash } from 'node:crypto';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { makeDirectories } from './make-directories.js';
import type { OutputOptions } from './output.js';
import { stateDirectory } from './state-directory.js';

const ADDRESS = /^https?:\/\/\S+\/v1\/tus\/[A-Za-z0-9_-]{32}$/;

/** Notes of uploads to one node. */
export class UploadNotes {
	readonly #node: string;
	readonly #isQuiet: boolean;
	#hasWarned = false;

	constructor(node: string, { quiet, json }: OutputOptions) {
		this.#node = node;
		this.#isQuiet = quiet === true || json === true;
	}

	/** Of a file as it is now, and everything that the upload says of it: a file that was changed has another note. */
	async of(file: string, says: readonly string[]): Promise<UploadNote> {
		const { size, mtimeMs } = await stat(file);
		const key = JSON.stringify([this.#node, resolve(file), size, mtimeMs, ...says]);
		const path = join(stateDirectory(), 'uploads', createHash('sha256').update(key).digest('hex'));
		return new UploadNote(path, (error) => this.#warn(dirname(path), error));
	}

	#warn(directory: string, error: unknown): void {
		if (this.#hasWarned || this.#isQuiet) return;
		this.#hasWarned = true;
		const { code, message } = error as NodeJS.ErrnoException;
		process.stderr.write(
			`perigee: ${directory} cannot be written (${code ?? message}): an upload that breaks off begins anew in the next run\n`,
		);
	}
}

export class UploadNote {
	readonly #path: string;
	readonly #failed: (error: unknown) => void;

	/** `failed`: told why the note could not be written. */
	constructor(path: string, failed: (error: unknown) => void) {
		this.#path = path;
		this.#failed = failed;
	}

	/** Address of the upload on its node; undefined when none is noted. */
	async read(): Promise<string | undefined> {
		const text = await readFile(this.#path, 'utf8').catch(() => '');
		return ADDRESS.test(text.trim()) ? text.trim() : undefined;
	}

	async write(address: string): Promise<void> {
		try {
			await makeDirectories(dirname(this.#path), 0o700);
			// Whoever knows the address may send to it.
			await writeFile(this.#path, `${address}\n`, { mode: 0o600 });
		} catch (error) {
			this.#failed(error);
		}
	}

	async remove(): Promise<void> {
		await rm(this.#path, { force: true }).catch(() => undefined);
	}
}
