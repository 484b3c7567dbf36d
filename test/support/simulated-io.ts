/**
 * StorageIo in memory with faults: whatever a disk, a kernel or a power cut may do to the store, it does on demand, and the same
 * for the same seed (docs/architecture.md §11). Data of a write is taken when the call ends, not when it begins: a buffer that is refilled
 * too early shows.
 */
import { posix } from 'node:path';
import type { OpenHints, OpenMode, StorageFile, StorageIo } from '../../src/io/storage-io.js';
import { Prng } from './prng.js';
import {
	DiskDirectory,
	DiskFile,
	type DiskNode,
	forkTree,
	surviveTree,
	systemError,
	walkFiles,
} from './simulated-disk.js';
import { SimulatedFile } from './simulated-file.js';

export type CallKind = Exclude<keyof StorageIo | keyof StorageFile, 'path'>;

/** One call, before it happens. */
export interface IoCall {
	readonly kind: CallKind;
	readonly path: string;
	/** Position among all calls of this instance, from 0. */
	readonly index: number;
	/** Position among the calls of this kind, from 0. */
	readonly nth: number;
	/** Of an open. */
	readonly mode?: OpenMode;
}

/**
 * `crash`: the process stops before the call; `crashDuring`: in the middle of it, which only a writev has; `crashAfter`: right after it took
 * effect; `observe`: `after` is called right after it took effect; `error`: the call fails with a system error code; `short`: a writev writes
 * only so many bytes.
 */
export type Fault =
	| { readonly type: 'crash' }
	| { readonly type: 'crashDuring' }
	| { readonly type: 'crashAfter' }
	| { readonly type: 'observe'; readonly after: () => void }
	| { readonly type: 'error'; readonly code: string }
	| { readonly type: 'short'; readonly bytes: number };

/** Decides about each call before it happens. */
export type FaultHook = (call: IoCall) => Fault | undefined;

/** Where a simulated process stopped: every call from there on rejects with it. */
export class SimulatedCrash extends Error {
	constructor() {
		super('the simulated process has stopped');
		this.name = 'SimulatedCrash';
	}
}

export interface SimulatedIoOptions {
	/** Decides what a failed sync leaves. */
	readonly seed?: number;
	/** Bytes that all files together may have. */
	readonly capacityBytes?: number;
	/** Files that may be open at once (EMFILE). */
	readonly maxOpenFiles?: number;
	/** Every second file that is opened with the hint `writeThrough` has zeros behind its last write, and keeps them when it is closed. */
	readonly zerosAhead?: boolean;
}

/** The fault for the nth (from 0) call of a kind, on paths that match. */
export function faultAt(kind: CallKind, nth: number, fault: Fault, path = /(?:)/): FaultHook {
	let seen = 0;
	return (call) => {
		if (call.kind !== kind || !path.test(call.path)) return undefined;
		seen += 1;
		return seen === nth + 1 ? fault : undefined;
	};
}

/** A crash before call `index` of all. */
export function crashAt(index: number, type: 'crash' | 'crashAfter' = 'crash'): FaultHook {
	return (call) => (call.index === index ? { type } : undefined);
}

export class SimulatedIo implements StorageIo {
	readonly #root: DiskDirectory;
	readonly #prng: Prng;
	readonly #options: SimulatedIoOptions;
	readonly #callsOfKind = new Map<CallKind, number>();
	#calls = 0;
	#openFiles = 0;
	#usedBytes = 0;
	#crashed = false;
	#stoppedInCall = false;
	/** Total size that all files may have; a test may change it at any time. */
	capacityBytes: number;
	/** Asked before every call. */
	hook: FaultHook | undefined;

	constructor(options: SimulatedIoOptions = {}, root: DiskDirectory = new DiskDirectory()) {
		this.#root = root;
		this.#options = options;
		this.#prng = new Prng(options.seed ?? 1);
		this.capacityBytes = options.capacityBytes ?? Number.MAX_SAFE_INTEGER;
		for (const file of filesOf(root)) {
			file.opens = 0;
			this.#usedBytes += file.current.size;
		}
	}

	/** Calls so far. */
	get calls(): number {
		return this.#calls;
	}

	get crashed(): boolean {
		return this.#crashed;
	}

	/** True when the last call stopped the process in its middle. For SimulatedFile. */
	get stoppedInCall(): boolean {
		return this.#stoppedInCall;
	}

	/** Stops this instance and answers what one power cut at this moment may leave. May be called again for other outcomes. */
	crash(prng: Prng): SimulatedIo {
		this.#crashed = true;
		return new SimulatedIo(this.#nextOptions(prng), surviveTree(this.#root, prng));
	}

	/**
	 * Stops this instance and answers the same disk for the next process: nothing is lost but parts of writes that were under way, and nothing
	 * more is durable.
	 */
	kill(): SimulatedIo {
		this.#crashed = true;
		for (const file of filesOf(this.#root)) file.endWrites(this.#prng, this.freeBytes);
		return new SimulatedIo(this.#nextOptions(this.#prng), this.#root);
	}

	/** The disk of this moment on another, stopped machine; both go on apart. Nothing of it is seen here. */
	fork(seed: number): SimulatedIo {
		const fork = new SimulatedIo({ ...this.#options, capacityBytes: this.capacityBytes, seed }, forkTree(this.#root));
		fork.#crashed = true;
		return fork;
	}

	/** Makes everything durable. */
	settle(): void {
		const settleDirectory = (directory: DiskDirectory): void => {
			directory.sync();
			for (const node of directory.current.values())
				if (node instanceof DiskFile) node.sync();
				else settleDirectory(node);
		};
		settleDirectory(this.#root);
	}

	/** Flips one bit of what a file has, in memory and on the medium. */
	corrupt(path: string, offset: number, bit: number): void {
		this.#file(path).flip(offset, bit);
	}

	/** Paths of all files, sorted. */
	files(): string[] {
		const paths: string[] = [];
		walkFiles(this.#root, (path) => paths.push(path));
		return paths.sort();
	}

	/** A copy of what readers of a file see. */
	contents(path: string): Uint8Array {
		return Uint8Array.from(this.#file(path).current.bytes);
	}

	open(path: string, mode: OpenMode, hints?: OpenHints): Promise<StorageFile> {
		const open = (): StorageFile => {
			if (this.#openFiles >= (this.#options.maxOpenFiles ?? Number.POSITIVE_INFINITY))
				throw systemError('EMFILE', path);
			const { directory, name } = this.#parent(path);
			let node = directory.current.get(name);
			if (mode === 'create') {
				if (node !== undefined) throw systemError('EEXIST', path);
				node = new DiskFile();
				node.links = 1;
				directory.change([name, node]);
			}
			if (node === undefined) throw systemError('ENOENT', path);
			if (node instanceof DiskDirectory) throw systemError('EISDIR', path);
			node.opens += 1;
			this.#openFiles += 1;
			const hasZerosAhead =
				this.#options.zerosAhead === true && hints?.writeThrough === true && /[13579]\.log$/.test(path);
			return new SimulatedFile(this, path, node, mode, hasZerosAhead);
		};
		return this.call('open', path, open, undefined, mode);
	}

	rename(from: string, to: string): Promise<void> {
		return this.call('rename', from, () => {
			const source = this.#parent(from);
			const target = this.#parent(to);
			const node = this.#node(from);
			const replaced = target.directory.current.get(target.name);
			if (replaced === node) return;
			if (replaced instanceof DiskDirectory && replaced.current.size > 0) throw systemError('ENOTEMPTY', to);
			if (source.directory === target.directory) {
				source.directory.change([source.name, undefined], [target.name, node]);
			} else {
				target.directory.change([target.name, node]);
				source.directory.change([source.name, undefined]);
			}
			this.#dropLink(replaced);
		});
	}

	unlink(path: string): Promise<void> {
		return this.call('unlink', path, () => {
			const { directory, name } = this.#parent(path);
			const node = this.#node(path);
			if (node instanceof DiskDirectory) throw systemError('EISDIR', path);
			directory.change([name, undefined]);
			this.#dropLink(node);
		});
	}

	link(from: string, to: string): Promise<void> {
		return this.call('link', from, () => {
			const file = this.#file(from);
			const target = this.#parent(to);
			if (target.directory.current.has(target.name)) throw systemError('EEXIST', to);
			file.links += 1;
			target.directory.change([target.name, file]);
		});
	}

	stat(path: string): Promise<{ readonly sizeBytes: number } | undefined> {
		return this.call('stat', path, () => {
			const node = this.#find(path);
			if (node === undefined) return undefined;
			return { sizeBytes: node instanceof DiskFile ? node.current.size : 0 };
		});
	}

	list(directory: string): Promise<string[]> {
		return this.call('list', directory, () => {
			const node = this.#find(directory);
			if (node instanceof DiskFile) throw systemError('ENOTDIR', directory);
			return [...(node?.current.keys() ?? [])];
		});
	}

	makeDir(directory: string): Promise<void> {
		return this.call('makeDir', directory, () => {
			let at = this.#root;
			for (const name of namesOf(directory)) {
				let next = at.current.get(name);
				if (next instanceof DiskFile) throw systemError('EEXIST', directory);
				if (next === undefined) {
					next = new DiskDirectory();
					at.change([name, next]);
				}
				at = next;
			}
		});
	}

	removeDir(directory: string): Promise<void> {
		return this.call('removeDir', directory, () => {
			const node = this.#find(directory);
			if (node === undefined) return;
			this.#empty(node);
			const { directory: parent, name } = this.#parent(directory);
			parent.change([name, undefined]);
			this.#dropLink(node);
		});
	}

	syncDir(directory: string): Promise<void> {
		return this.call('syncDir', directory, () => {
			const node = this.#node(directory);
			if (node instanceof DiskFile) throw systemError('ENOTDIR', directory);
			node.sync();
		});
	}

	space(path: string): Promise<{ readonly freeBytes: number; readonly totalBytes: number }> {
		return this.call('space', path, () => {
			this.#node(path);
			return { freeBytes: this.freeBytes, totalBytes: this.capacityBytes };
		});
	}

	/** Runs one call: asks the hook, waits a turn, takes effect. For SimulatedFile. */
	async call<T>(
		kind: CallKind,
		path: string,
		effect: (shortBytes: number | undefined) => T,
		failed?: () => unknown,
		mode?: OpenMode,
	): Promise<T> {
		const fault = this.ask(kind, path, mode);
		await Promise.resolve();
		this.assertRunning();
		if (fault?.type === 'error') {
			failed?.();
			throw systemError(fault.code, path);
		}
		const result = effect(fault?.type === 'short' ? fault.bytes : undefined);
		if (fault?.type === 'crashAfter') {
			this.#crashed = true;
			throw new SimulatedCrash();
		}
		if (fault?.type === 'observe') fault.after();
		return result;
	}

	/** Counts a call and asks the hook about it. For SimulatedFile. */
	ask(kind: CallKind, path: string, mode?: OpenMode): Fault | undefined {
		this.assertRunning();
		const nth = this.#callsOfKind.get(kind) ?? 0;
		const fault = this.hook?.({ kind, path, index: this.#calls, nth, ...(mode && { mode }) });
		this.#callsOfKind.set(kind, nth + 1);
		this.#calls += 1;
		if (fault?.type === 'crash' || fault?.type === 'crashDuring') this.#crashed = true;
		this.#stoppedInCall = fault?.type === 'crashDuring';
		this.assertRunning();
		return fault;
	}

	assertRunning(): void {
		if (this.#crashed) throw new SimulatedCrash();
	}

	get freeBytes(): number {
		return Math.max(0, this.capacityBytes - this.#usedBytes);
	}

	/** Books bytes by which a file grew. For SimulatedFile. */
	grow(bytes: number): void {
		this.#usedBytes += bytes;
	}

	failSync(file: DiskFile): void {
		file.failSync(this.#prng);
	}

	closed(file: DiskFile): void {
		this.#openFiles -= 1;
		file.opens -= 1;
		this.#freeIfGone(file);
	}

	#nextOptions(prng: Prng): SimulatedIoOptions {
		return { ...this.#options, capacityBytes: this.capacityBytes, seed: prng.next() };
	}

	#empty(node: DiskNode): void {
		if (node instanceof DiskFile) return;
		for (const [name, child] of node.current) {
			this.#empty(child);
			node.change([name, undefined]);
			this.#dropLink(child);
		}
	}

	#dropLink(node: DiskNode | undefined): void {
		if (!(node instanceof DiskFile)) return;
		node.links -= 1;
		this.#freeIfGone(node);
	}

	#freeIfGone(file: DiskFile): void {
		if (file.links === 0 && file.opens === 0) this.#usedBytes -= file.current.size;
	}

	#find(path: string): DiskNode | undefined {
		let node: DiskNode | undefined = this.#root;
		for (const name of namesOf(path)) {
			if (!(node instanceof DiskDirectory)) return undefined;
			node = node.current.get(name);
		}
		return node;
	}

	#node(path: string): DiskNode {
		const node = this.#find(path);
		if (node === undefined) throw systemError('ENOENT', path);
		return node;
	}

	#file(path: string): DiskFile {
		const node = this.#node(path);
		if (node instanceof DiskDirectory) throw systemError('EISDIR', path);
		return node;
	}

	#parent(path: string): { readonly directory: DiskDirectory; readonly name: string } {
		const name = namesOf(path).at(-1);
		if (name === undefined) throw systemError('EBUSY', path);
		const directory = this.#node(posix.dirname(path));
		if (directory instanceof DiskFile) throw systemError('ENOTDIR', path);
		return { directory, name };
	}
}

function filesOf(root: DiskDirectory): ReadonlySet<DiskFile> {
	const files = new Set<DiskFile>();
	walkFiles(root, (_path, file) => files.add(file));
	return files;
}

function namesOf(path: string): string[] {
	if (!path.startsWith('/')) throw systemError('EINVAL', path);
	return posix
		.normalize(path)
		.split('/')
		.filter((name) => name !== '');
}
