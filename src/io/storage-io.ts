/**
 * The seam between the store and the operating system. Everything that must survive a crash goes through StorageIo,
 * so that tests can lose, tear or refuse any write (docs/architecture.md §11).
 */

/** One open file. Positions and lengths in bytes. Methods may run concurrently on one file. */
export interface StorageFile {
	readonly path: string;
	/** By which the system knows it, until it is closed; absent where it is no file of the system. */
	readonly descriptor?: number;
	/** Writes the buffers one behind another at `position`; answers the bytes written, which may be fewer than asked (disk full). */
	writev(buffers: readonly Uint8Array[], position: number): Promise<number>;
	/** Reads into `buffer` from `position`; answers the bytes read, fewer only at the end of the file. */
	read(buffer: Uint8Array, position: number): Promise<number>;
	/**
	 * Reads like `read` and compares each 4,096-byte block with its CRC-32C (`crcs`: little-endian, 4 bytes each). False when anything is wrong, also an
	 * error of the disk; `buffer` then holds anything, and `read` tells what it is. Absent where nothing is gained by it.
	 */
	readRight?(buffer: Uint8Array, position: number, crcs: Uint8Array): Promise<boolean>;
	/** Makes all written data durable. After a failure nothing about the file may be assumed; it is never retried. */
	fdatasync(): Promise<void>;
	/** Size in bytes. */
	size(): Promise<number>;
	close(): Promise<void>;
}

/** `read`: an existing file for reading; `create`: a new file for reading and writing, error EEXIST if it is there; `write`: an existing file for reading and writing. */
export type OpenMode = 'read' | 'create' | 'write';

export interface OpenHints {
	/**
	 * Written in large pieces and seldom read right afterwards: writes may go past the page cache. A hint; a file system that refuses gets
	 * the bytes the ordinary way.
	 */
	readonly direct?: boolean;
	/**
	 * Each write is durable when it is answered, and `fdatasync` has nothing left to do: for files where every write is synced anyway, which
	 * then takes one way to the disk and back instead of two. Until the file is closed, and after a crash, zeros may stand behind its last
	 * write. A hint; who cannot do it makes data durable in `fdatasync`, as always.
	 */
	readonly writeThrough?: boolean;
}

/** What the store needs of a file system. Errors carry Node's `code` (ENOENT, EEXIST, ENOSPC, EIO …). */
export interface StorageIo {
	open(path: string, mode: OpenMode, hints?: OpenHints): Promise<StorageFile>;
	/** Atomically replaces `to`. Durable only after `syncDir` of both directories. */
	rename(from: string, to: string): Promise<void>;
	unlink(path: string): Promise<void>;
	link(from: string, to: string): Promise<void>;
	stat(path: string): Promise<{ readonly sizeBytes: number } | undefined>;
	/** Names (not paths) of the entries; empty when the directory is missing. */
	list(directory: string): Promise<string[]>;
	/** Makes a directory and its parents; nothing happens if it is there. */
	makeDir(directory: string): Promise<void>;
	/** Removes a directory with all it holds; nothing happens if it is missing. */
	removeDir(directory: string): Promise<void>;
	/** Makes the directory's entries durable. */
	syncDir(directory: string): Promise<void>;
	/** Free and total bytes of the file system that holds `path`. */
	space(path: string): Promise<{ readonly freeBytes: number; readonly totalBytes: number }>;
}
