/**
 * What SimulatedIo runs on: files and directories of which each knows what is durable and what is not. A crash keeps the durable
 * part and any of the rest: data by sectors of 512 bytes, directory entries one by one.
 */
import type { Prng } from './prng.js';

/** Unit in which a crash keeps or loses data. */
const DISK_SECTOR_BYTES = 512;
/** Unit in which the system takes the data of a write. */
const PAGE_BYTES = 4096;

/** Bytes that grow. Forks share them until one of the two changes. */
export class Content {
	#bytes = new Uint8Array(0);
	#size = 0;
	#isShared = false;

	fork(): Content {
		const copy = new Content();
		copy.#bytes = this.#bytes;
		copy.#size = this.#size;
		copy.#isShared = this.#isShared = true;
		return copy;
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
		if (size > this.#bytes.byteLength) this.#own(Math.max(size, 2 * this.#bytes.byteLength, 4096));
		if (size < this.#size) {
			this.#own(this.#bytes.byteLength);
			this.#bytes.fill(0, size, this.#size);
		}
		this.#size = size;
	}

	write(offset: number, data: Uint8Array): void {
		if (data.byteLength === 0) return;
		if (offset + data.byteLength > this.#size) this.resize(offset + data.byteLength);
		this.#own(this.#bytes.byteLength);
		this.#bytes.set(data, offset);
	}

	flip(offset: number, bit: number): void {
		if (offset >= this.#size) return;
		this.#own(this.#bytes.byteLength);
		this.#bytes[offset] = (this.#bytes[offset] as number) ^ (1 << bit);
	}

	/** Makes the bytes this content's own, with room for so many. */
	#own(capacity: number): void {
		if (!this.#isShared && capacity === this.#bytes.byteLength) return;
		const own = new Uint8Array(capacity);
		own.set(this.bytes);
		this.#bytes = own;
		this.#isShared = false;
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
	readonly inFlight = new Set<WriteInFlight>();
	/** What is on the medium for certain. */
	#durable: Content;
	#unsynced: DataWrite[] = [];
	links = 0;
	opens = 0;

	constructor(content = new Content()) {
		this.current = content;
		this.#durable = content.fork();
	}

	/** The same file in another world: from here on both change apart. */
	fork(): DiskFile {
		const copy = new DiskFile(this.current.fork());
		copy.#durable = this.#durable.fork();
		copy.#unsynced = [...this.#unsynced];
		copy.links = this.links;
		for (const { offset, buffers } of this.inFlight) copy.inFlight.add({ offset, buffers: [Buffer.concat(buffers)] });
		return copy;
	}

	/** Flips a bit, in memory and on the medium. */
	flip(offset: number, bit: number): void {
		this.current.flip(offset, bit);
		this.#durable.flip(offset, bit);
	}

	/** Takes `data` over. */
	write(offset: number, data: Uint8Array): void {
		this.current.write(offset, data);
		this.#unsynced.push({ offset, data });
	}

	sync(): void {
		for (const write of this.#unsynced) this.#durable.write(write.offset, write.data);
		this.#durable.resize(this.current.size);
		this.#unsynced = [];
	}

	/** The process ends in the middle of its writes: of each some pages are there, from its start on, or none, or all. */
	endWrites(prng: Prng, freeBytes: number): void {
		for (const { offset, buffers } of this.inFlight) {
			const data = Buffer.concat(buffers);
			const count = prng.pick([0, data.length, PAGE_BYTES * prng.below(1 + Math.floor(data.length / PAGE_BYTES))]);
			if (Math.max(0, offset + count - this.current.size) <= freeBytes) this.write(offset, data.subarray(0, count));
		}
		this.inFlight.clear();
	}

	/** A sync that failed: some of the data reached the medium, and the rest counts as clean and will not be tried again. */
	failSync(prng: Prng): void {
		this.#durable = this.survive(prng);
		this.#unsynced = [];
	}

	/** The content after one possible crash. */
	survive(prng: Prng): Content {
		const content = this.#durable.fork();
		const inFlight = [...this.inFlight].map(({ offset, buffers }) => ({ offset, data: Buffer.concat(buffers) }));
		const writes = [...this.#unsynced, ...inFlight];
		const fullSize = writes.reduce((size, write) => Math.max(size, write.offset + write.data.byteLength), content.size);
		const style = prng.below(6);
		if (style === 0) return content;
		for (const write of writes) surviveWrite(content, write, style === 1 ? 'kept' : prng.pick(WRITE_FATES), prng);
		content.resize(style === 1 ? fullSize : surviveSize(this.#durable.size, fullSize, prng));
		return content;
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

	/** The same directory in another world; `forkNode` answers what stands there for a node of this one. */
	fork(forkNode: (node: DiskNode) => DiskNode): DiskDirectory {
		const copy = new DiskDirectory();
		for (const [name, node] of this.current) copy.current.set(name, forkNode(node));
		for (const [name, node] of this.#durable) copy.#durable.set(name, forkNode(node));
		copy.#unsynced = this.#unsynced.map((change) =>
			change.map(([name, node]) => [name, node && forkNode(node)] as const),
		);
		return copy;
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

/** The tree as it is, with what is unsynced and in flight; both go on apart. */
export function forkTree(root: DiskDirectory): DiskDirectory {
	const forks = new Map<DiskNode, DiskNode>();
	const forkNode = (node: DiskNode): DiskNode => {
		const known = forks.get(node);
		if (known) return known;
		const fork = node instanceof DiskFile ? node.fork() : node.fork(forkNode);
		forks.set(node, fork);
		return fork;
	};
	return root.fork(forkNode);
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
