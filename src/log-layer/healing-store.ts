/**
 * A store that mends its view while the node runs. Once the view is found damaged, everything that a start of the process would do is done
 * in place: intake stops (503 REBUILDING), what runs gets a moment to end, the store is closed without a checkpoint and opened again,
 * which rebuilds the view from the log. So there is one way to a rebuilt view, and it is the one that recovery takes.
 *
 * Promises: what was acknowledged before is there after; nothing is answered from a view that is known to be damaged. A crash in between is a
 * crash while recovering. Left alone, to serve what it can, is a store whose disk failed (READ_ONLY until a restart), one whose journal has
 * lost what a new view would need, and one that was mended a short while ago.
 */
import { ViewDamagedError } from '../db/kv-engine.js';
import { type Deferred, deferred } from '../deferred.js';
import { PerigeeError } from '../errors.js';
import type { Clock } from '../io/clock.js';
import { LIMITS } from '../limits.js';
import type { DataRoot, SectorIndex, TxSeq } from '../units.js';
import type { DamageEntry } from './damage.js';
import type { SegmentUploads } from './proved-segment.js';
import type { SegmentRange } from './segment-ranges.js';
import type { Store } from './store.js';
import type {
	FilePiece,
	FileStore,
	HealthReason,
	ScrubControl,
	StoreAdmin,
	FileList,
	ListOptions,
	ResumableUpload,
	ResumableUploads,
	ResumeSession,
	StoredFile,
	UploadOptions,
	UploadSession,
} from './types.js';

export interface HealingParts {
	/** Opens the store, again each time after its view was found damaged, which `onViewDamage` is to be told. */
	readonly open: (onViewDamage: () => void) => Promise<Store>;
	readonly clock: Clock;
	readonly observer: HealingObserver;
}

export interface HealingObserver {
	healing(): void;
	healed(seconds: number): void;
	/** It is tried again. */
	failed(error: unknown): void;
}

export class HealingStore implements StoreAdmin {
	readonly files: FileStore;
	readonly scrub: ScrubControl;
	readonly #parts: HealingParts;
	/** Undefined while the view is rebuilt. */
	#store: Store | undefined;
	#healing: Promise<void> | undefined;
	#healedMs: number | undefined;
	/** Calls that run on the store. */
	#running = 0;
	#whenIdle: Deferred<void> | undefined;
	#isClosed = false;
	#cancelTimer: () => void = () => undefined;
	#wake: () => void = () => undefined;

	private constructor(parts: HealingParts) {
		this.#parts = parts;
		this.files = new HealingFiles(this);
		this.scrub = {
			start: () => this.store().scrub.start(),
			pause: () => this.store().scrub.pause(),
			status: () => this.store().scrub.status(),
		};
	}

	static async open(parts: HealingParts): Promise<HealingStore> {
		const healing = new HealingStore(parts);
		await healing.#open();
		if (healing.#store?.viewDamage) healing.#viewDamaged();
		return healing;
	}

	/** The store. Errors: REBUILDING, SHUTTING_DOWN. */
	store(): Store {
		if (this.#store && !this.#healing) return this.#store;
		throw new PerigeeError(this.#isClosed ? 'SHUTTING_DOWN' : 'REBUILDING');
	}

	/** The store if there is one, for figures. */
	get current(): Store | undefined {
		return this.#store;
	}

	get isHealing(): boolean {
		return this.#healing !== undefined;
	}

	damage(after: number, most: number): readonly DamageEntry[] {
		return this.store().damage.entries(after, most);
	}

	async #open(): Promise<void> {
		const store = await this.#parts.open(() => this.#viewDamaged());
		this.#store = store;
	}

	#viewDamaged(): void {
		const { clock } = this.#parts;
		if (this.#healing || this.#isClosed || !this.#store) return;
		const sinceMs = this.#healedMs === undefined ? Number.POSITIVE_INFINITY : clock.monotonicMs() - this.#healedMs;
		// A disk that damages what was just written is not mended by writing more.
		if (sinceMs < LIMITS.healIntervalMs) return;
		this.#healing = this.#heal(this.#store).finally(() => {
			this.#healing = undefined;
		});
	}

	/** Resolves when the view is whole again, or the store was closed. */
	async healed(): Promise<void> {
		await this.#healing;
	}

	async close(): Promise<void> {
		this.#isClosed = true;
		this.#cancelTimer();
		this.#wake();
		await this.#healing;
		await this.#store?.close();
	}

	/** Runs a call on the store; a rebuild waits for it. Errors: REBUILDING, SHUTTING_DOWN, those of the call. */
	async use<T>(call: (store: Store) => Promise<T>): Promise<T> {
		const store = this.store();
		const leave = this.enter();
		try {
			return await this.explain(store, call(store));
		} finally {
			leave();
		}
	}

	/** Counts something that runs on the store until the answer is called. */
	enter(): () => void {
		this.#running++;
		return () => {
			this.#running--;
			if (this.#running === 0) this.#whenIdle?.resolve();
		};
	}

	/** The same work, its failure explained. */
	async explain<T>(store: Store, work: Promise<T>): Promise<T> {
		try {
			return await work;
		} catch (error) {
			throw this.explained(store, error);
		}
	}

	/** What a failure of a call on `store` is to its caller: while the store is mended, nothing that the caller did. */
	explained(store: Store, error: unknown): unknown {
		const isOver = this.#healing !== undefined || this.#store !== store;
		return isOver && !this.#isClosed ? new PerigeeError('REBUILDING', undefined, { cause: error }) : error;
	}

	async #heal(damaged: Store): Promise<void> {
		const { clock, observer } = this.#parts;
		// Whoever has found the damage gets its answer first.
		await new Promise((resolve) => setImmediate(resolve));
		if (!isMendable(damaged)) return;
		const startMs = clock.monotonicMs();
		observer.healing();
		await this.#quiet();
		await damaged.close().catch((error: unknown) => observer.failed(error));
		this.#store = undefined;
		while (!this.#isClosed && !this.#store) {
			try {
				await this.#open();
			} catch (error) {
				observer.failed(error);
				await new Promise<void>((resolve) => {
					this.#wake = resolve;
					this.#cancelTimer = clock.schedule(LIMITS.healRetryMs, resolve);
				});
			}
		}
		this.#healedMs = clock.monotonicMs();
		if (this.#store) observer.healed((this.#healedMs - startMs) / 1000);
	}

	/** Lets running calls end, for a while. */
	async #quiet(): Promise<void> {
		if (this.#running === 0) return;
		const idle = deferred();
		this.#whenIdle = idle;
		const cancel = this.#parts.clock.schedule(LIMITS.healDrainMs, () => idle.resolve());
		await idle.promise;
		cancel();
		this.#whenIdle = undefined;
	}
}

/** Whether closing and opening again would help: the disk works, and the log has all that a new view needs. */
function isMendable({ log, damage }: Store): boolean {
	if (log.failure && !(log.failure instanceof ViewDamagedError)) return false;
	return !damage.stretches.some(({ lane, reason }) => lane === 'journal' && reason !== 'copy');
}

/** The file store that the API holds on to. */
class HealingFiles implements FileStore {
	readonly resumables: ResumableUploads;
	readonly segmentUploads: SegmentUploads;
	readonly #healing: HealingStore;

	constructor(healing: HealingStore) {
		this.#healing = healing;
		this.resumables = {
			create: (options) => healing.use((store) => store.files.resumables.create(options)),
			find: (id) => healing.use((store) => store.files.resumables.find(id)),
			remove: (id) => healing.use((store) => store.files.resumables.remove(id)),
			resume: async (id, options) => {
				const store = healing.store();
				const session = await healing.use(() => store.files.resumables.resume(id, options));
				return new HealingSession(healing, store, session);
			},
		};
		this.segmentUploads = {
			put: (segments, options) => healing.use((store) => store.files.segmentUploads.put(segments, options)),
			progress: (root, size) => healing.use((store) => store.files.segmentUploads.progress(root, size)),
			read: (...what) => healing.use((store) => store.files.segmentUploads.read(...what)),
		};
	}

	beginUpload(options: UploadOptions): UploadSession {
		const store = this.#healing.store();
		return new HealingUpload(this.#healing, store, store.files.beginUpload(options));
	}

	fileByRoot(root: DataRoot): Promise<StoredFile | undefined> {
		return this.#healing.use((store) => store.files.fileByRoot(root));
	}

	fileBySeq(txSeq: TxSeq): Promise<StoredFile | undefined> {
		return this.#healing.use((store) => store.files.fileBySeq(txSeq));
	}

	list(options: ListOptions): Promise<FileList> {
		return this.#healing.use((store) => store.files.list(options));
	}

	async *read(file: StoredFile, from: number, to: number): AsyncGenerator<FilePiece> {
		const store = this.#healing.store();
		const leave = this.#healing.enter();
		try {
			for await (const piece of store.files.read(file, from, to)) {
				yield piece;
				// A download that outlasts the patience of the rebuild ends between two pieces.
				if (this.#healing.current !== store) throw new PerigeeError('REBUILDING');
			}
		} catch (error) {
			throw this.#healing.explained(store, error);
		} finally {
			leave();
		}
	}

	readSmall(file: StoredFile, from: number, to: number): Promise<Uint8Array> {
		return this.#healing.use((store) => store.files.readSmall(file, from, to));
	}

	segmentProof(file: StoredFile, index: number): ReturnType<FileStore['segmentProof']> {
		return this.#healing.use((store) => store.files.segmentProof(file, index));
	}

	subtreeRoots(file: StoredFile, nodes: readonly SegmentRange[]): Promise<readonly Uint8Array[]> {
		return this.#healing.use((store) => store.files.subtreeRoots(file, nodes));
	}

	deleteFile(root: DataRoot): Promise<void> {
		return this.#healing.use((store) => store.files.deleteFile(root));
	}

	dropSegments(root: DataRoot, first: number, count: number): Promise<void> {
		return this.#healing.use((store) => store.files.dropSegments(root, first, count));
	}

	flow(): ReturnType<FileStore['flow']> {
		return this.#healing.store().files.flow();
	}

	get shard(): FileStore['shard'] {
		return this.#healing.store().files.shard;
	}

	network(): ReturnType<FileStore['network']> {
		return this.#healing.store().files.network();
	}

	flowSegmentRoot(index: bigint): ReturnType<FileStore['flowSegmentRoot']> {
		return this.#healing.use((store) => store.files.flowSegmentRoot(index));
	}

	flowSegmentData(index: bigint): ReturnType<FileStore['flowSegmentData']> {
		return this.#healing.use((store) => store.files.flowSegmentData(index));
	}

	sectorProof(sector: SectorIndex, atSeq?: TxSeq): ReturnType<FileStore['sectorProof']> {
		return this.#healing.use((store) => store.files.sectorProof(sector, atSeq));
	}

	health(): readonly HealthReason[] {
		if (!this.#healing.isHealing) return this.#healing.store().files.health();
		const message = 'the index was found damaged and is rebuilt from the log';
		return [{ code: 'REBUILDING', message, ready: false }];
	}
}

/** An upload that a rebuild may break off: the client is told to send it again. */
class HealingUpload implements UploadSession {
	readonly #healing: HealingStore;
	/** The store that it began in. */
	readonly #store: Store;
	readonly #upload: UploadSession;

	constructor(healing: HealingStore, store: Store, upload: UploadSession) {
		this.#healing = healing;
		this.#store = store;
		this.#upload = upload;
	}

	write(chunk: Uint8Array, isGiven?: boolean): Promise<void> | undefined {
		if (this.#isOver()) return Promise.reject(new PerigeeError('REBUILDING'));
		const writing = this.#upload.write(chunk, isGiven);
		return writing && this.#healing.explain(this.#store, writing);
	}

	async finish(): ReturnType<UploadSession['finish']> {
		if (this.#isOver()) throw new PerigeeError('REBUILDING');
		return this.#healing.use(() => this.#upload.finish());
	}

	#isOver(): boolean {
		return this.#healing.isHealing || this.#healing.current !== this.#store;
	}

	abort(): Promise<void> {
		return this.#upload.abort();
	}
}

/** The same for a part of a resumable upload; what was durable before is there after the rebuild. */
class HealingSession implements ResumeSession {
	readonly #healing: HealingStore;
	readonly #store: Store;
	readonly #session: ResumeSession;

	constructor(healing: HealingStore, store: Store, session: ResumeSession) {
		this.#healing = healing;
		this.#store = store;
		this.#session = session;
	}

	get interrupted(): AbortSignal {
		return this.#session.interrupted;
	}

	write(chunk: Uint8Array, isGiven?: boolean): Promise<void> | undefined {
		const writing = this.#session.write(chunk, isGiven);
		return writing && this.#healing.explain(this.#store, writing);
	}

	pause(): Promise<ResumableUpload> {
		return this.#healing.explain(this.#store, this.#session.pause());
	}

	discard(): Promise<void> {
		return this.#session.discard();
	}
}
