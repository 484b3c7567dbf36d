/**
 * Opens and closes the store: log, view, journal, settlement and file store, in the order that recovery needs (docs/format.md §7, §8).
 *
 * Promises: after `openStore` every acknowledged byte and name is there, whatever ended the last run. A view that cannot be trusted is
 * rebuilt from the log alone. A crash at any point of an open, checkpoint or close changes nothing of that.
 */
import { AppendLog, findJournalDamage } from '../append-log/append-log.js';
import type { Lane, MissingFile } from '../append-log/types.js';
import { type KvEngine, ViewDamagedError } from '../db/kv-engine.js';
import { PerigeeError } from '../errors.js';
import type { Clock } from '../io/clock.js';
import type { Randomness } from '../io/randomness.js';
import type { StorageIo } from '../io/storage-io.js';
import { LIMITS } from '../limits.js';
import type { HashPool } from '../native/hash-pool.js';
import type { SlabRing } from '../native/slab-ring.js';
import type { FlowHistory } from '../settlement/flow/flow-history.js';
import type { Journal } from '../settlement/journal.js';
import type { Settlement } from '../settlement/settlement.js';
import type { FlowId, Lsn } from '../units.js';
import { Ballast } from './ballast.js';
import { dropCheckpoint, writeCheckpoint, type Checkpoint } from './checkpoint.js';
import type { ContentChanges } from './content-changes.js';
import type { Compaction } from './compaction.js';
import type { DamageList } from './damage.js';
import { DiskSpace } from './disk-space.js';
import type { LogFileStore } from './file-store.js';
import { refuseUnfitDirectories } from './format-guard.js';
import { FullDisk } from './full-disk.js';
import { logChecksums } from './log-checksums.js';
import { LogSite } from './log-site.js';
import {
	filesUpTo,
	lastKnownFiles,
	missingFiles,
	returnedFile,
	shortenedFiles,
	unmissedFiles,
	type Losses,
} from './losses.js';
import { rowKeys } from './rows.js';
import { MinerSetting } from './miner-setting.js';
import type { SealedSegments } from './sealed-segments.js';
import type { Scrub, ScrubSettings } from './scrub.js';
import { StoreCore } from './store-core.js';
import type { StoreObserver } from './store-observer.js';
import { type ShardChoice, ShardSetting } from './shard-setting.js';
import { giveUp } from './store-identity.js';
import { openServices, type StoreServices } from './store-services.js';
import { discardView, trustedCheckpoint, viewDirectory } from './view-trust.js';

/** The settlement's driver as the store opens it. */
export interface SettlementDriver extends Settlement {
	/** Called after the replay. */
	start(): Promise<void>;
}

export interface StoreOptions extends ShardChoice {
	/** Volume 0: holds the journal, the view and the identity too. */
	readonly dataDir: string;
	/** Data directories of further volumes. */
	readonly dataDirs?: readonly string[];
	readonly io: StorageIo;
	readonly clock: Clock;
	readonly randomness: Randomness;
	/** Engine of the view; `destroy` removes its directory. */
	readonly kv: { open(directory: string): Promise<KvEngine>; destroy(directory: string): Promise<void> };
	readonly makeSettlement: (journal: Journal, historyOf: (flowId: FlowId) => FlowHistory) => SettlementDriver;
	readonly ring: SlabRing;
	readonly pool: HashPool;
	readonly observer: StoreObserver;
	/** Of each volume; 0: chosen by the size of its file system. */
	readonly reserveBytes: number;
	/** A log file ends before it grows beyond this; absent: by the reserve. */
	readonly rollBytes?: number;
	/** Room that is given up when a full disk leaves none to open the view; absent: none is kept. */
	readonly ballastBytes?: number;
	readonly maxFileBytes: number;
	readonly maxUploads: number;
	/** Closed content that no submission names is kept for so long. */
	readonly uploadExpiryMs: number;
	/** A resumable upload may be silent for so long. */
	readonly resumableExpiryMs: number;
	/** Absent: SCRUB_DEFAULTS. */
	readonly scrub?: ScrubSettings;
	/** The view of the open store turned out to be damaged; it answers what it can until it is closed, and the next open rebuilds it. */
	readonly onViewDamage?: () => void;
	/** Rest of background work: so many times its work. */
	readonly compactionTranquility: number;
	/** Dead percentage of the log at which compaction begins by itself. */
	readonly compactionDeadPercent: number;
	/** Throw the view away first. */
	readonly rebuild?: boolean;
}

export interface Store {
	readonly files: LogFileStore;
	readonly settlement: Settlement;
	readonly disk: DiskSpace;
	readonly damage: DamageList;
	readonly log: AppendLog;
	/** Deleted objects whose rows are still to be removed, objects that no submission names, and resumable uploads that may go on. */
	readonly waiting: { readonly purges: number; readonly unnamed: number; readonly resumables: number };
	/** Does now what is due in the background, and waits until it is done. */
	settle(): Promise<void>;
	readonly scrub: Scrub;
	/** The first damage found in the view, if any: the next open of the store rebuilds it. */
	readonly viewDamage: Error | undefined;
	/** What was missing when the store was opened. */
	readonly losses: Losses;
	readonly compaction: Compaction;
	/** Sealed copies of flow segments. */
	readonly sealed: SealedSegments;
	readonly minerSetting: MinerSetting;
	readonly changes: ContentChanges;
	/**
	 * What is missing or cannot be read no longer counts as part of the store, from the next open on and for good. Only after `rebuild`: the
	 * view must not point to it.
	 */
	giveUpLosses(): Promise<void>;
	/** Makes a checkpoint now. */
	checkpoint(): Promise<void>;
	/** Ends uploads, makes everything durable, makes a checkpoint, closes all files. */
	close(): Promise<void>;
}

const ROLL_MOST_BYTES = 2 ** 30;
const ROLL_LEAST_BYTES = 32 * 2 ** 20;

/** Errors: FORMAT_UNKNOWN, VOLUME_CONFLICT, JOURNAL_MISSING, JOURNAL_DAMAGED, DISK_FULL, and whatever the disk answers. */
export async function openStore(options: StoreOptions): Promise<Store> {
	const { io, dataDir, dataDirs = [] } = options;
	await refuseUnfitDirectories({ io, checksums: logChecksums, dataDir, dataDirs });
	const site = await LogSite.find({ ...options, dataDirs, checksums: logChecksums });
	for (const missing of site.volumes.missing) options.observer.volumeMissing(missing);
	for (const name of site.lostNotes) options.observer.noteLost(name);
	if (options.rebuild) {
		await refuseWithoutJournal(options, site);
		await discardView(options, site, 'it was asked for');
	}
	try {
		return await OpenStore.open(options, site);
	} catch (error) {
		if (!(error instanceof ViewDamagedError)) throw error;
		await discardView(options, site, error.message);
		return OpenStore.open(options, site);
	}
}

/** A view that works is not given away for one that a damaged journal may not carry. */
async function refuseWithoutJournal({ io, clock }: StoreOptions, site: LogSite): Promise<void> {
	const files = await site.openFiles();
	await site.assertJournal(files, undefined);
	const [lost] = await findJournalDamage({ io, clock, checksums: logChecksums, files });
	if (lost)
		throw new PerigeeError(
			'JOURNAL_DAMAGED',
			`bytes ${lost.from} to ${lost.to} of file ${lost.fileNo} of the journal cannot be read; the view was left as it is`,
		);
}

class OpenStore implements Store {
	readonly files: LogFileStore;
	readonly settlement: SettlementDriver;
	readonly disk: DiskSpace;
	readonly damage: DamageList;
	readonly log: AppendLog;
	readonly scrub: Scrub;
	readonly losses: Losses;
	readonly compaction: Compaction;
	readonly sealed: SealedSegments;
	readonly minerSetting: MinerSetting;
	readonly changes: ContentChanges;
	readonly #options: StoreOptions;
	readonly #parts: StoreCore;
	readonly #housekeeping: StoreServices['housekeeping'];
	readonly #fullDisk: FullDisk;
	#checkpointing: Promise<Checkpoint> | undefined;
	#isClosing = false;
	readonly #damageFile: StoreServices['damageFile'];
	#cancelTimer: () => void = () => undefined;

	private constructor(
		options: StoreOptions,
		parts: StoreCore,
		log: AppendLog,
		disk: DiskSpace,
		losses: Losses,
		fullDisk: FullDisk,
		{ files, scrub, damage, damageFile, housekeeping, compaction, sealed }: StoreServices,
	) {
		this.#options = options;
		this.#parts = parts;
		this.log = log;
		this.disk = disk;
		this.losses = losses;
		this.#fullDisk = fullDisk;
		this.settlement = parts.settlement;
		this.damage = damage;
		this.#damageFile = damageFile;
		this.files = files;
		this.scrub = scrub;
		this.#housekeeping = housekeeping;
		this.compaction = compaction;
		this.sealed = sealed;
		this.minerSetting = new MinerSetting(parts.journal);
		this.changes = parts.changes;
	}

	static async open(options: StoreOptions, site: LogSite): Promise<Store> {
		const { storeId, volumes } = site;
		const checkpoint = await trustedCheckpoint(options, site);
		const files = await site.openFiles();
		for (const path of files.spareCopies) options.observer.log.spareCopy(path);
		await site.assertJournal(files, checkpoint?.lanes.journal);
		const inView = checkpoint && (checkpoint.known ?? filesUpTo(checkpoint.lanes, (lane) => files.numbers(lane)));
		const returned = checkpoint && returnedFile(inView, checkpoint.lanes, (lane) => files.numbers(lane));
		if (returned)
			throw new ViewDamagedError(`log file ${returned.fileNo} of lane ${returned.lane}, which was missing, is back`);
		const ballast = new Ballast({ ...options, bytes: options.ballastBytes ?? 0 });
		await ballast.releaseIfShort();
		const kv = await options.kv.open(viewDirectory(options.dataDir));
		let parts: StoreCore | undefined;
		try {
			parts = await StoreCore.open(options, kv, storeId, checkpoint, inView);
			const { journal } = parts;
			const begun = site.manifest.files;
			const isPresent = (lane: Lane, fileNo: number): boolean => files.has(lane, fileNo);
			const missingNow = (found: readonly MissingFile[]): readonly MissingFile[] =>
				missingFiles(begun, found, isPresent, unmissedFiles(journal, site.givenUp));
			const disk = await DiskSpace.open({
				...options,
				volumes: volumes.present,
				onRefusal: (volume, error) => options.observer.volumeRefused(volume, error),
			});
			const log = await AppendLog.open({
				...options,
				observer: options.observer.log,
				checksums: logChecksums,
				files,
				shortened: await shortenedFiles(site.known, parts.applied, (lane, fileNo) => files.sizeBytes(lane, fileNo)),
				placement: disk,
				// Whoever does not know all numbers that were given keeps a distance too.
				isIncomplete: () => site.lostNotes.length > 0 || volumes.missing.length > 0 || missingNow([]).length > 0,
				begun: (lane, fileNo) => site.manifest.begun(lane, fileNo),
				storeId,
				from: parts.applied,
				lastKnown: lastKnownFiles(begun, site.givenUp),
				nextLsn: checkpoint?.nextLsn ?? (1n as Lsn),
				consumer: parts.consume,
				journalHead: () => journal.headRecords(),
				replaying: (progress) => options.observer.replaying?.(progress),
				rollBytes:
					options.rollBytes ?? Math.min(ROLL_MOST_BYTES, Math.max(ROLL_LEAST_BYTES, disk.leastReserveBytes / 4)),
			});
			// What is not written now is written with the next file that is begun, or that file is refused.
			await site.manifest.save().catch(() => undefined);
			const missing = missingNow(log.missing);
			parts.ledger.setLost(missing, checkpoint?.lanes ?? {});
			if (missing.length > 0 || volumes.missing.length > 0) files.markIncomplete();
			if (missing.length > 0) options.observer.filesMissing(missing);
			parts.useLog(log);
			await parts.view.change((turn) => Promise.resolve(turn.settleLater()));
			// A disk that has no room for them fails the open.
			await parts.view.landed();
			parts.shard = await ShardSetting.open(journal, options);
			await parts.settlement.start();
			const losses = { files: missing, volumes: volumes.missing };
			// Nothing asks for a checkpoint before the store is there.
			const services = await openServices(options, parts, log, disk, losses, () => store.#checkpointOfNow());
			const fullDisk = new FullDisk(options.clock, ballast);
			const store: OpenStore = new OpenStore(options, parts, log, disk, losses, fullDisk, services);
			parts.view.waitOutFullDisk(() => fullDisk.waitForRoom());
			await ballast.restore();
			parts.onViewDamage = () => {
				void store.#distrustView();
				options.onViewDamage?.();
			};
			store.#schedule();
			store.#housekeeping.start();
			store.compaction.schedule();
			return store;
		} catch (error) {
			await (parts ? parts.view.close() : kv.close());
			throw error;
		}
	}

	get waiting(): Store['waiting'] {
		const { purge, pending } = this.#parts;
		return { purges: purge.waiting, unnamed: pending.count - pending.resumables, resumables: pending.resumables };
	}

	async settle(): Promise<void> {
		await this.log.flush();
		await this.#housekeeping.settle();
	}

	async giveUpLosses(): Promise<void> {
		if (!this.#options.rebuild) throw new Error('losses are given up only after a rebuild');
		await giveUp(this.#options.io, this.#options.dataDir, this.losses);
		this.damage.giveUpStretches();
	}

	get viewDamage(): Error | undefined {
		return this.#parts.view.damage;
	}

	async checkpoint(): Promise<void> {
		await this.#checkpointed();
	}

	#checkpointed(): Promise<Checkpoint> {
		this.#checkpointing ??= this.#writeCheckpoint().finally(() => {
			this.#checkpointing = undefined;
		});
		return this.#checkpointing;
	}

	/** A checkpoint that stands behind all that is applied by now; its positions. */
	async #checkpointOfNow(): Promise<Checkpoint['lanes']> {
		// One that is under way may have looked at the positions before.
		await this.#checkpointing?.catch(() => undefined);
		return (await this.#checkpointed()).lanes;
	}

	async close(): Promise<void> {
		this.#cancelTimer();
		this.#fullDisk.close();
		this.#parts.onMuchLog = () => undefined;
		await this.scrub.close();
		await this.files.close();
		await this.#housekeeping.stop();
		await this.compaction.close();
		await this.settlement.close();
		// One that fails has told its caller.
		await this.#checkpointing?.catch(() => undefined);
		await this.log.close();
		this.#isClosing = true;
		if (this.#parts.view.damage) await this.#distrustView();
		else if (!this.log.failure && this.#parts.hasChanged) await this.#tryCheckpoint();
		await this.#damageFile.close();
		await this.#parts.view.close();
	}

	#schedule(): void {
		this.#parts.onMuchLog = () => void this.#tryCheckpoint();
		this.#cancelTimer = this.#options.clock.schedule(LIMITS.checkpointIntervalMs, () => {
			this.#schedule();
			if (!this.#parts.view.isStalled) this.#fullDisk.restore();
			if (this.#parts.hasChanged) void this.#tryCheckpoint();
		});
	}

	/** A checkpoint that fails costs only replay time at the next open. */
	async #tryCheckpoint(): Promise<void> {
		try {
			await this.checkpoint();
		} catch (error) {
			this.#options.observer.checkpointFailed(error);
		}
	}

	/** Without a checkpoint the next open rebuilds the view. */
	async #distrustView(): Promise<void> {
		try {
			await dropCheckpoint(this.#options.io, this.#options.dataDir);
		} catch (error) {
			this.#options.observer.checkpointFailed(error);
		}
	}

	async #writeCheckpoint(): Promise<Checkpoint> {
		const { io, clock, dataDir, observer } = this.#options;
		if (this.log.failure) throw new PerigeeError('READ_ONLY', this.log.failure.message);
		if (this.#parts.view.damage) throw this.#parts.view.damage;
		const startMs = clock.monotonicMs();
		await this.log.stateVerdicts();
		const checkpoint = this.#parts.capture(this.log.nextLsn, clock.nowMs(), this.#isClosing);
		const { removed } = this.#parts.purge;
		const change = this.#parts.view.change((turn) => {
			turn.settleLater();
			turn.put(rowKeys.checkpoint(), Buffer.from(String(checkpoint.id)));
			return Promise.resolve();
		});
		await this.#parts.view.unlessStalled(change.then(() => this.#parts.view.landed()));
		await this.#parts.view.flush();
		await writeCheckpoint(io, dataDir, checkpoint);
		// It may have been found while this was written.
		if (this.#parts.view.damage) await this.#distrustView();
		await this.#parts.purge.finish(removed);
		observer.checkpointed((clock.monotonicMs() - startMs) / 1000);
		return checkpoint;
	}
}
