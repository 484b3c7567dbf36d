/**
 * Where uploads that are on their way live on their nodes, noted in the user's own directory: a later `perigee upload` of the same file goes on
 * there. A note is a help, not a need: one that cannot be read or written costs sending from the beginning.
 */
import { createHash } from 'node:crypto';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { makeDirectories } from './make-directories.js';

const ADDRESS = /^\/v1\/tus\/[A-Za-z0-9_-]{32}$/;

export class UploadNote {
	readonly #path: string;

	private constructor(path: string) {
		this.#path = path;
	}

	/** Of a file as it is now, and everything that the upload says of it: a file that was changed has another note. */
	static async of(node: string, file: string, says: readonly string[]): Promise<UploadNote> {
		const { size, mtimeMs } = await stat(file);
		const key = JSON.stringify([node, resolve(file), size, mtimeMs, ...says]);
		const state = process.env['XDG_STATE_HOME'] || join(homedir(), '.local', 'state');
		return new UploadNote(join(state, 'perigee', 'uploads', createHash('sha256').update(key).digest('hex')));
	}

	/** Address of the upload on its node; undefined when none is noted. */
	async read(): Promise<string | undefined> {
		const text = await readFile(this.#path, 'utf8').catch(() => '');
		return ADDRESS.test(text.trim()) ? text.trim() : undefined;
	}

	async write(address: string): Promise<void> {
		await makeDirectories(dirname(this.#path), 0o700).catch(() => undefined);
		// Whoever knows the address may send to it.
		await writeFile(this.#path, `${address}\n`, { mode: 0o600 }).catch(() => undefined);
	}

	async remove(): Promise<void> {
		await rm(this.#path, { force: true }).catch(() => undefined);
	}
}
