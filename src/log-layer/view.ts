/**
 * The view: rows derived from the log. Reads go through a small cache; changes go through one writer, which applies what the lanes bring
 * in turns. A turn counts as soon as its rows are in memory, where every read finds them; they follow into the engine in order, one or more
 * turns as one batch (docs/format.md §8). A crash may lose any batch since the last checkpoint; the replay at open brings it back.
 */
import { deferred, type Deferred } from '../deferred.js';
import { ViewDamagedError, type KvEngine, type KvOperation, type KvRange, type KvRow } from '../db/kv-engine.js';
import { TABLES } from '../db/tables.js';
import { PerigeeError } from '../errors.js';
import { LIMITS } from '../limits.js';
import { GatheredReads } from './gathered-reads.js';
import { RowCache } from './row-cache.js';
import { RowsOnTheWay } from './rows-on-the-way.js';

/** A value that may be there already. */
export type MaybeLater<T> = T | Promise<T>;

/** Changes of one turn, with the rows as they will be. */
export interface ViewTurn {
	/** The row as it stands in this turn; at once when it is in memory, which spares many changes a wait. */
	get(key: Buffer): MaybeLater<Uint8Array | undefined>;
	/** Rows in the order of the keys, as they stand in this turn. */
	getMany(keys: readonly Buffer[]): Promise<(Uint8Array | undefined)[]>;
	/** Reads rows that are about to be asked for one by one, in one call of the engine. */
	expect(keys: readonly Buffer[]): Promise<void>;
	put(key: Buffer, value: Uint8Array): void;
	/**
	 * Like `put`, for a row that is about to be put again: it is kept in memory, where every read finds it, and written with the row's
	 * next put or with the next checkpoint, whichever comes first. A crash costs what it costs other rows: the replay brings it back.
	 */
	putLater(key: Buffer, value: Uint8Array): void;
	/** Makes all rows of `putLater` part of this turn. */
	settleLater(): void;
	del(key: Buffer): void;
	/** Hands on what has gathered so far when it is much, so that one record may bring any number of rows. Safe: applying again changes nothing. */
	relieve(): Promise<void> | undefined;
	/** Hands on what has gathered so far, for a `scan` that must see it. */
	commit(): Promise<void>;
	/** Rows as of the last commit, in key order. */
	scan(range: KvRange): AsyncIterable<readonly KvRow[]>;
}

/** Told what happens to the view. */
export interface ViewObserver {
	/** A batch of rows was written. */
	batch(rows: number): void;
	/** A row or the engine's own file does not match its checksum. */
	damaged(error: Error): void;
	/** The engine refused rows for good: no further change is taken. */
	failed(error: Error): void;
	/** The disk is full: rows wait (true) until there is room again (false). */
	stalled(isStalled: boolean): void;
}

type Change = (turn: ViewTurn) => Promise<void>;

interface Waiting {
	readonly change: Change;
	readonly done: Deferred<void>;
}

const RELIEF_OPERATIONS = 4096;

export class View {
	readonly #kv: KvEngine;
	readonly #cache = new RowCache(LIMITS.cachedRows, LIMITS.cachedRowBytes);
	readonly #observer: ViewObserver;
	readonly #reads: GatheredReads;
	readonly #onTheWay = new RowsOnTheWay(
		(operations) => this.#write(operations),
		(error) => this.#failed(error),
	);
	/** Rows of `putLater` that were not put again yet; newer than those on their way. */
	readonly #later = new Map<string, LaterRow>();
	#waiting: Waiting[] = [];
	#running: Promise<void> | undefined;
	#damage: Error | undefined;
	/** Called when a stall begins, or while there is one. A promise would keep everyone who ever waited for it. */
	readonly #untilStall = new Set<() => void>();
	#isStalled = false;
	#waitForRoom: WaitForRoom = () => Promise.reject(noRoom());

	constructor(kv: KvEngine, observer: ViewObserver) {
		this.#kv = kv;
		this.#observer = observer;
		this.#reads = new GatheredReads((keys) => kv.getMany(keys));
	}

	/** The first damage found, if any: nothing in this view may be trusted beyond this run. */
	get damage(): Error | undefined {
		return this.#damage;
	}

	/** Somebody has found out that the view lacks what it should have. */
	distrust(error: ViewDamagedError): void {
		this.#noteDamage(error);
	}

	/** A full disk keeps rows from being written; changes wait. */
	get isStalled(): boolean {
		return this.#isStalled;
	}

	/** Waits for work that changes the view, but not for room on a full disk: the work then goes on by itself. Errors: DISK_FULL, and those of the work. */
	unlessStalled<T>(work: Promise<T>): Promise<T> {
		return new Promise((resolve, reject) => {
			const giveUp = (): void => reject(noRoom());
			this.#untilStall.add(giveUp);
			if (this.#isStalled) giveUp();
			work.then(resolve, reject).finally(() => this.#untilStall.delete(giveUp));
		});
	}

	/**
	 * From now on a full disk is waited out: the rows are in the log already, and no change may be left out of its order. `wait` resolves when
	 * another try is worth it; its rejection gives up. Before, a full disk fails the change.
	 */
	waitOutFullDisk(wait: WaitForRoom): void {
		this.#waitForRoom = wait;
	}

	/** Errors: DATA_DAMAGED when the row does not match its checksum; the next open then rebuilds the view. */
	async get(key: Buffer): Promise<Uint8Array | undefined> {
		const name = key.toString('latin1');
		const known = this.#inMemory(name);
		if (known !== undefined) return known ?? undefined;
		const { row, isFresh } = await this.#guarded(() => this.#reads.get(name, key));
		// Commits keep only the rows of these tables up to date.
		if (isFresh && isCached(key)) this.#cache.set(name, row ?? null);
		return row;
	}

	/** Rows in the order of the keys, past the cache: for rows that are read once in a while. */
	async getMany(keys: readonly Buffer[]): Promise<(Uint8Array | undefined)[]> {
		const known = (name: string) => this.#later.get(name)?.value ?? this.#onTheWay.find(name);
		return this.#guarded(() => getMissing(this.#kv, keys, known));
	}

	/** Rows in key order. Waits for those on their way, also for room on a full disk. Errors: as of `get`, and that of a batch that the engine refused. */
	async *scan(range: KvRange): AsyncGenerator<readonly KvRow[]> {
		await this.#onTheWay.landed();
		const rows = this.#kv.scan(range)[Symbol.asyncIterator]();
		try {
			for (let next = await this.#guarded(() => rows.next()); !next.done; next = await this.#guarded(() => rows.next()))
				yield next.value;
		} finally {
			await rows.return?.();
		}
	}

	/**
	 * Runs `change` in the next turn; resolves when every read finds its rows. Changes run in the order of the calls. Errors: those of the
	 * change, and of a batch before it that the engine refused.
	 */
	async change(change: Change): Promise<void> {
		const done = deferred();
		this.#waiting.push({ change, done });
		this.#running ??= this.#run();
		return done.promise;
	}

	/** Resolves when the rows of all changes that have resolved are in the engine. Errors: those of the engine. */
	async landed(): Promise<void> {
		await this.#onTheWay.landed();
	}

	/** Forces the rows in the engine into tables. */
	async flush(): Promise<void> {
		await this.#kv.flush();
	}

	async close(): Promise<void> {
		while (this.#running) await this.#running;
		// What the engine refused is in the log.
		await this.#onTheWay.landed().catch(() => undefined);
		await this.#kv.close();
	}

	async #guarded<T>(read: () => Promise<T>): Promise<T> {
		try {
			return await read();
		} catch (error) {
			if (!(error instanceof ViewDamagedError)) throw error;
			this.#noteDamage(error);
			throw new PerigeeError('DATA_DAMAGED', `the index is damaged: ${error.message}`, { cause: error });
		}
	}

	#noteDamage(error: ViewDamagedError): void {
		this.#damage ??= error;
		this.#observer.damaged(error);
	}

	async #run(): Promise<void> {
		while (this.#waiting.length > 0) {
			const turn = this.#waiting;
			this.#waiting = [];
			const overlay = new Overlay({
				kv: this.#kv,
				inMemory: (name) => this.#inMemory(name),
				later: this.#later,
				commit: (operations) => this.#commit(operations),
				landed: () => this.#onTheWay.landed(),
			});
			try {
				for (const { change } of turn) await change(overlay);
				if (this.#later.size > LIMITS.laterRows) overlay.settleLater();
				await overlay.commit();
				for (const { done } of turn) done.resolve();
			} catch (error) {
				const reason = error instanceof Error ? error : new Error(String(error));
				if (reason instanceof ViewDamagedError) this.#noteDamage(reason);
				for (const { done } of turn) done.reject(reason);
			}
		}
		this.#running = undefined;
	}

	/** The row as it stands; null: there is none; undefined: not in memory. */
	#inMemory(name: string): Uint8Array | null | undefined {
		const later = this.#later.get(name);
		if (later) return later.value;
		const row = this.#onTheWay.find(name);
		return row === undefined ? this.#cache.get(name) : row;
	}

	/** Makes rows visible. Waits for the engine when much is on its way, or when the disk is full. */
	async #commit(operations: ReadonlyMap<string, KvOperation>): Promise<void> {
		if (operations.size === 0) return;
		this.#onTheWay.take(operations);
		for (const [name, operation] of operations) {
			this.#later.delete(name);
			this.#reads.wrote(name);
			if (isCached(operation.key)) this.#cache.set(name, operation.type === 'put' ? operation.value : null);
		}
		if (this.#isStalled || this.#onTheWay.count >= RELIEF_OPERATIONS) await this.#onTheWay.landed();
	}

	async #write(operations: readonly KvOperation[]): Promise<void> {
		for (;;) {
			try {
				await this.#kv.batch(operations);
				break;
			} catch (error) {
				if (!(error instanceof PerigeeError && error.code === 'DISK_FULL')) throw error;
				this.#setStalled(true);
				await this.#waitForRoom();
			}
		}
		this.#setStalled(false);
		this.#observer.batch(operations.length);
	}

	#failed(error: Error): void {
		if (error instanceof ViewDamagedError) this.#noteDamage(error);
		this.#observer.failed(error);
	}

	#setStalled(isStalled: boolean): void {
		if (this.#isStalled === isStalled) return;
		this.#isStalled = isStalled;
		if (isStalled) for (const giveUp of this.#untilStall) giveUp();
		this.#observer.stalled(isStalled);
	}
}

/** The answer to what cannot wait for room. */
export function noRoom(): PerigeeError {
	return new PerigeeError('DISK_FULL', 'the disk has no room for the index');
}

/** See View.waitOutFullDisk. */
type WaitForRoom = () => Promise<void>;

interface LaterRow {
	readonly key: Buffer;
	readonly value: Uint8Array;
}

/** Only the rows that uploads and downloads look up by root and sequence stay in the cache; those of segments are many and read in runs. */
function isCached(key: Uint8Array): boolean {
	const table = key[0];
	return table === TABLES.submission || table === TABLES.root || table === TABLES.object;
}

/** Rows that `known` does not tell are read from the engine, all at once. */
async function getMissing(
	kv: KvEngine,
	keys: readonly Buffer[],
	known: (name: string) => Uint8Array | null | undefined,
): Promise<(Uint8Array | undefined)[]> {
	const rows = keys.map((key) => known(key.toString('latin1')));
	const missing = keys.filter((_, index) => rows[index] === undefined);
	const stored = missing.length > 0 ? await kv.getMany(missing) : [];
	let next = 0;
	return rows.map((row) => (row === undefined ? stored[next++] : (row ?? undefined)));
}

interface OverlayParts {
	readonly kv: KvEngine;
	/** The row before this turn; null: there is none; undefined: not in memory. */
	readonly inMemory: (name: string) => Uint8Array | null | undefined;
	readonly later: Map<string, LaterRow>;
	readonly commit: (operations: ReadonlyMap<string, KvOperation>) => Promise<void>;
	/** Resolves when what was committed is in the engine. */
	readonly landed: () => Promise<void>;
}

class Overlay implements ViewTurn {
	readonly #parts: OverlayParts;
	#operations = new Map<string, KvOperation>();
	/** Rows of the engine that this turn has not changed since; null: there is none. */
	readonly #expected = new Map<string, Uint8Array | null>();

	constructor(parts: OverlayParts) {
		this.#parts = parts;
	}

	get(key: Buffer): MaybeLater<Uint8Array | undefined> {
		const known = this.#known(key.toString('latin1'));
		return known === undefined ? this.#parts.kv.get(key) : (known ?? undefined);
	}

	getMany(keys: readonly Buffer[]): Promise<(Uint8Array | undefined)[]> {
		return getMissing(this.#parts.kv, keys, (name) => this.#known(name));
	}

	/** The row as this turn or the memory knows it; null: there is none; undefined: not known. */
	#known(name: string): Uint8Array | null | undefined {
		const own = this.#operations.get(name);
		if (own) return own.type === 'put' ? own.value : null;
		const row = this.#parts.inMemory(name);
		return row === undefined ? this.#expected.get(name) : row;
	}

	async expect(keys: readonly Buffer[]): Promise<void> {
		const missing = keys.filter((key) => this.#known(key.toString('latin1')) === undefined);
		if (missing.length === 0) return;
		const rows = await this.#parts.kv.getMany(missing);
		for (const [index, key] of missing.entries()) this.#expected.set(key.toString('latin1'), rows[index] ?? null);
	}

	put(key: Buffer, value: Uint8Array): void {
		this.#set(key, { type: 'put', key, value });
	}

	putLater(key: Buffer, value: Uint8Array): void {
		const name = key.toString('latin1');
		if (this.#operations.has(name)) this.put(key, value);
		else this.#parts.later.set(name, { key, value });
	}

	settleLater(): void {
		// What this turn has put again already is newer.
		for (const [name, { key, value }] of this.#parts.later) if (!this.#operations.has(name)) this.put(key, value);
	}

	del(key: Buffer): void {
		this.#set(key, { type: 'del', key });
	}

	#set(key: Buffer, operation: KvOperation): void {
		const name = key.toString('latin1');
		this.#expected.delete(name);
		this.#operations.set(name, operation);
	}

	relieve(): Promise<void> | undefined {
		return this.#operations.size >= RELIEF_OPERATIONS ? this.commit() : undefined;
	}

	async *scan(range: KvRange): AsyncGenerator<readonly KvRow[]> {
		await this.#parts.landed();
		yield* this.#parts.kv.scan(range);
	}

	async commit(): Promise<void> {
		const operations = this.#operations;
		this.#operations = new Map();
		await this.#parts.commit(operations);
	}
}
