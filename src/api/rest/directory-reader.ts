/** Trees of stored directories, read from their metadata; those asked for last are kept, since their files never change. */
import { PerigeeError } from '../../errors.js';
import type { FileStore, StoredFile } from '../../log-layer/types.js';
import { LIMITS } from '../../limits.js';
import type { DataRoot } from '../../units.js';
import { decodeDirectory, DIRECTORY_HEAD_BYTES, type DirectoryNode, isDirectoryHead } from './directory-metadata.js';

export class DirectoryReader {
	readonly #store: FileStore;
	/** The one asked for last stands at the end. */
	readonly #kept = new Map<DataRoot, { readonly tree: DirectoryNode; readonly sizeBytes: number }>();
	#keptBytes = 0;

	constructor(store: FileStore) {
		this.#store = store;
	}

	/** Whether a file is the metadata of a directory. Errors: those of a read. */
	async isDirectory(file: StoredFile): Promise<boolean> {
		if (this.#kept.has(file.root)) return true;
		if (file.sizeBytes < DIRECTORY_HEAD_BYTES) return false;
		return isDirectoryHead(await this.#store.readSmall(file, 0, DIRECTORY_HEAD_BYTES));
	}

	/** The tree behind a file. Errors: NOT_A_DIRECTORY, DIRECTORY_TOO_LARGE, BAD_DIRECTORY, and those of a read. */
	async read(file: StoredFile): Promise<DirectoryNode> {
		const kept = this.#kept.get(file.root);
		if (kept) {
			this.#kept.delete(file.root);
			this.#kept.set(file.root, kept);
			return kept.tree;
		}
		if (!(await this.isDirectory(file))) throw new PerigeeError('NOT_A_DIRECTORY');
		if (file.sizeBytes > LIMITS.directoryMetadataBytes)
			throw new PerigeeError('DIRECTORY_TOO_LARGE', `The directory has ${file.sizeBytes} bytes of metadata.`);
		const tree = decodeDirectory(await this.#bytesOf(file));
		this.#keep(file, tree);
		return tree;
	}

	async #bytesOf(file: StoredFile): Promise<Uint8Array> {
		const bytes = new Uint8Array(file.sizeBytes);
		let at = 0;
		for await (const piece of this.#store.read(file, 0, file.sizeBytes)) {
			bytes.set(piece.bytes, at);
			at += piece.bytes.length;
			piece.release();
		}
		return bytes;
	}

	#keep({ root, sizeBytes }: StoredFile, tree: DirectoryNode): void {
		if (this.#kept.has(root)) return;
		this.#kept.set(root, { tree, sizeBytes });
		this.#keptBytes += sizeBytes;
		for (const [oldest, entry] of this.#kept) {
			if (this.#keptBytes <= LIMITS.directoryCacheBytes) break;
			this.#kept.delete(oldest);
			this.#keptBytes -= entry.sizeBytes;
		}
	}
}
