/**
 * What SimulatedIo runs on: files and directories of which each knows what is durable and what is not. A crash keeps the durable
 * part and any of the rest: data by sectors of 512 bytes, directory entries one by one.
 */
import type { Prng } from './prng.js';

/** Unit in which a crash keeps or loses data. */
const DISK_SECTOR_BYTES = 512;

/** Bytes that grow. */
export class Content {
	#bytes: Uint8Array;
	#size: number;

	constructor(from: Uint8Array = new Uint8Array(0)) {
		this.#bytes = Uint8Array.from(from);
		this.#size = from.byteLength;
	}

	get size(): number {
		return this.#size;
	}

	/** A view that is valid until the next change. */
	get bytes(): Uint8Array {
		return this.#bytes.subarray(0, this.#size);
	}

	/** Grows with zeros, or cuts. */
	resize(size: number): void {
		if (size > this.#bytes.byteLength) {
			const grown = new Uint8Array(Math.max(size, 2 * this.#bytes.byteLength, 4096));
			grown.set(this.bytes);
			this.#bytes = grown;
		}
		if (size < this.#size) this.#bytes.fill(0, size, this.#size);
		this.#size = size;
	}

	write(offset: number, data: Uint8Array): void {
		if (data.byteLength === 0) return;
		if (offset + data.byteLength > this.#size) this.resize(offset + data.byteLength);
		this.#bytes.set(data, offset);
	}
}

interface DataWrite {
	readonly offset: number;
	readonly data: Uint8Array;
}

/** A write that was asked for and not yet answered. */
export interface WriteInFlight {
	readonly offset: number;
	readonly buffers: readonly Uint8Array[];
}

export class DiskFile {
	/** What readers see. */
	readonly current: Content;
	/** What is on the medium for certain. */
	readonly durable: Content;
	readonly inFlight = new Set<WriteInFlight>();
	#unsynced: DataWrite[] = [];
	links = 0;
	opens = 0;

	constructor(bytes?: Uint8Array) {
		this.current = new Content(bytes);
		this.durable = new Content(bytes);
	}

	write(offset: number, data: Uint8Array): void {
		const copy = Uint8Array.from(data);
		this.current.write(offset, copy);
		this.#unsynced.push({ offset, data: copy });
	}

	sync(): void {
		for (const write of this.#unsynced) this.durable.write(write.offset, write.data);
		this.durable.resize(this.current.size);
		this.#unsynced = [];
	}

	/** A sync that failed: some of the data reached the medium, and the rest counts as clean and will not be tried again. */
	failSync(prng: Prng): void {
		const survived = this.survive(prng);
		this.durable.resize(survived.byteLength);
		this.durable.write(0, survived);
		this.#unsynced = [];
	}

	/** The bytes after one possible crash. */
	survive(prng: Prng): Uint8Array {
		const content = new Content(this.durable.bytes);
		const inFlight = [...this.inFlight].map(({ offset, buffers }) => ({ offset, data: Buffer.concat(buffers) }));
		const writes = [...this.#unsynced, ...inFlight];
		const fullSize = writes.reduce((size, write) => Math.max(size, write.offset + write.data.byteLength), content.size);
		const style = prng.below(6);
		if (style === 0) return content.bytes;
		for (const write of writes) surviveWrite(content, write, style === 1 ? 'kept' : prng.pick(WRITE_FATES), prng);
		content.resize(style === 1 ? fullSize : surviveSize(this.durable.size, fullSize, prng));
		return content.bytes;
	}
}

const WRITE_FATES = ['kept', 'lost', 'torn', 'torn'] as const;

function surviveWrite(content: Content, write: DataWrite, fate: (typeof WRITE_FATES)[number], prng: Prng): void {
	if (fate === 'lost') return;
	if (fate === 'kept') {
		content.write(write.offset, write.data);
		return;
	}
	const end = write.offset + write.data.byteLength;
	for (let at = write.offset; at < end; ) {
		const next = Math.min(end, at - (at % DISK_SECTOR_BYTES) + DISK_SECTOR_BYTES);
		if (prng.chance(0.5)) content.write(at, write.data.subarray(at - write.offset, next - write.offset));
		at = next;
	}
}

/** A file that grew may have its old size, its new one, or one between. */
function surviveSize(oldSize: number, newSize: number, prng: Prng): number {
	if (newSize <= oldSize) return oldSize;
	// Mostly the new one: only then are torn groups tried that look whole.
	const style = prng.below(6);
	if (style === 0) return oldSize;
	if (style >= 3) return newSize;
	const size = oldSize + prng.below(newSize - oldSize);
	return style === 1 ? size : Math.max(oldSize, size - (size % DISK_SECTOR_BYTES));
}

export type DiskNode = DiskFile | DiskDirectory;
/** Entries that change together: all of them survive a crash, or none. */
type EntryChange = readonly (readonly [name: string, node: DiskNode | undefined])[];

export class DiskDirectory {
	readonly current: Map<string, DiskNode>;
	#durable: Map<string, DiskNode>;
	#unsynced: EntryChange[] = [];

	constructor(entries: ReadonlyMap<string, DiskNode> = new Map()) {
		this.current = new Map(entries);
		this.#durable = new Map(entries);
	}

	change(...changes: EntryChange): void {
		applyEntries(this.current, changes);
		this.#unsynced.push(changes);
	}

	sync(): void {
		this.#durable = new Map(this.current);
		this.#unsynced = [];
	}

	/** The entries after one possible crash. */
	survive(prng: Prng): Map<string, DiskNode> {
		const entries = new Map(this.#durable);
		const style = prng.below(6);
		for (const change of this.#unsynced) {
			if (style === 0) break;
			if (style === 1 || prng.chance(0.5)) applyEntries(entries, change);
		}
		return entries;
	}
}

function applyEntries(entries: Map<string, DiskNode>, changes: EntryChange): void {
	for (const [name, node] of changes) {
		if (node === undefined) entries.delete(name);
		else entries.set(name, node);
	}
}

/** The tree after one possible crash; the one given stays as it is. */
export function surviveTree(root: DiskDirectory, prng: Prng): DiskDirectory {
	const files = new Map<DiskFile, DiskFile>();
	const directories = new Map<DiskDirectory, DiskDirectory>();

	const surviveNode = (node: DiskNode): DiskNode => {
		if (node instanceof DiskDirectory) return surviveDirectory(node);
		let survived = files.get(node);
		if (survived === undefined) {
			survived = new DiskFile(node.survive(prng));
			files.set(node, survived);
		}
		survived.links += 1;
		return survived;
	};
	const surviveDirectory = (directory: DiskDirectory): DiskDirectory => {
		const known = directories.get(directory);
		if (known !== undefined) return known;
		const entries = [...directory.survive(prng)].map(([name, node]) => [name, surviveNode(node)] as const);
		const survived = new DiskDirectory(new Map(entries));
		directories.set(directory, survived);
		return survived;
	};
	return surviveDirectory(root);
}

/** Calls `visit` for each file of the tree, with its path. */
export function walkFiles(directory: DiskDirectory, visit: (path: string, file: DiskFile) => void, prefix = ''): void {
	for (const [name, node] of directory.current) {
		const path = `${prefix}/${name}`;
		if (node instanceof DiskDirectory) walkFiles(node, visit, path);
		else visit(path, node);
	}
}

/** An error as Node gives it for a failed system call. */
export function systemError(code: string, path: string): NodeJS.ErrnoException {
	return Object.assign(new Error(`${code}: ${path}`), { code });
}
