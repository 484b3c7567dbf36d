/** View, journal and settlement as they follow the log: what a lane's records become, live or in a replay, and what a checkpoint says of it. */
import type { AppendLog } from '../append-log/append-log.js';
import type { Lane, LaneConsumer, LanePosition, LogRecord } from '../append-log/types.js';
import { type KvEngine, ViewDamagedError } from '../db/kv-engine.js';
import { LIMITS } from '../limits.js';
import { Journal } from '../settlement/journal.js';
import type { Lsn } from '../units.js';
import { applyJournalItems } from './apply-journal.js';
import { applyPayloadRecords } from './apply-payload.js';
import { ContentChanges } from './content-changes.js';
import type { Checkpoint } from './checkpoint.js';
import { flowHistory } from './flow-history.js';
import { FlowEdge } from './flow-tree.js';
import { LiveBytes } from './live-bytes.js';
import { FileLedger, retiredFiles, type KnownFiles } from './losses.js';
import { OpenTrees } from './open-trees.js';
import { PendingObjects } from './pending-objects.js';
import { Purge } from './purge.js';
import { decodeDeleted, RECORDS, type ObjectId } from './records.js';
import { rowKeys } from './rows.js';
import type { ShardSetting } from './shard-setting.js';
import type { SettlementDriver, StoreOptions } from './store.js';
import type { StoreObserver } from './store-observer.js';
import { View } from './view.js';

/** View, journal and settlement with their common position in the log. */
export class StoreCore {
	readonly view: View;
	readonly journal: Journal;
	readonly settlement: SettlementDriver;
	readonly storeId: Uint8Array;
	readonly pending: PendingObjects;
	readonly purge: Purge;
	/** Which log files the view was built from. */
	readonly ledger: FileLedger;
	/** Up to where each payload lane is in the view, and whence the journal was restored. */
	readonly applied: Partial<Record<Lane, LanePosition>>;
	readonly live: LiveBytes;
	/** Set once the log is open. */
	shard!: ShardSetting;
	readonly changes = new ContentChanges();
	readonly trees = new OpenTrees();
	readonly staged = new Map<ObjectId, boolean>();
	/** Called when enough log has gathered for a checkpoint. */
	onMuchLog: () => void = () => undefined;
	/** Called when the view turns out to be damaged. */
	onViewDamage: () => void = () => undefined;
	readonly #observer: StoreObserver;
	#edge!: FlowEdge;
	#log: AppendLog | undefined;
	#checkpointId: number;
	#bytesSince = 0;
	/** The settlement has taken submissions back since the last checkpoint. */
	#hasReverted = false;
	#reverts = 0;
	/** The replay began with an empty view: it counts each row once. */
	readonly #isViewEmpty: boolean;

	private constructor(
		options: StoreOptions,
		kv: KvEngine,
		storeId: Uint8Array,
		checkpoint: Checkpoint | undefined,
		inView: KnownFiles | undefined,
	) {
		this.storeId = storeId;
		this.#observer = options.observer;
		this.#checkpointId = checkpoint?.id ?? 0;
		this.applied = { ...checkpoint?.lanes };
		this.ledger = new FileLedger(inView);
		// Without a checkpoint the view is empty.
		this.live = new LiveBytes(checkpoint?.live, !checkpoint || checkpoint.isLiveExact === true);
		this.#isViewEmpty = !checkpoint;
		const { view } = options.observer;
		this.view = new View(kv, {
			batch: (rows) => view.batch(rows),
			stalled: (isStalled) => view.stalled(isStalled),
			// A view that cannot take durable records must not take later ones either.
			failed: (error) => {
				view.failed(error);
				this.#log?.fail('journal', error);
			},
			damaged: (error) => {
				view.damaged(error);
				this.onViewDamage();
			},
		});
		this.pending = new PendingObjects(() => options.clock.nowMs(), checkpoint?.pending);
		this.purge = new Purge(
			this.view,
			this.live,
			(error) => options.observer.housekeepingFailed(error),
			() => this.shard.current.count > 1,
		);
		this.journal = new Journal({
			write: (records) => this.#openLog().write('journal', records),
			sink: async (items) => {
				const { pending, live, changes } = this;
				await this.view.change((turn) => applyJournalItems(turn, items, { edge: this.#edge, pending, live, changes }));
				// A replay from before it would meet rows of what came later.
				if (!items.some((item) => 'event' in item && item.event.kind === 'revertedTo')) return;
				this.#hasReverted = true;
				this.#reverts++;
			},
		});
		this.settlement = options.makeSettlement(this.journal, (flowId) => flowHistory(this.view, flowId));
	}

	static async open(
		options: StoreOptions,
		kv: KvEngine,
		storeId: Uint8Array,
		checkpoint: Checkpoint | undefined,
		inView: KnownFiles | undefined,
	): Promise<StoreCore> {
		const core = new StoreCore(options, kv, storeId, checkpoint, inView);
		if (checkpoint) {
			const row = await kv.get(rowKeys.checkpoint());
			const id = row ? Number(Buffer.from(row).toString()) : 0;
			if (!(id >= checkpoint.id))
				throw new ViewDamagedError(`the view stands at checkpoint ${id}, not at ${checkpoint.id}`);
			core.journal.restoreState({ end: checkpoint.lanes.journal, state: checkpoint.journalState });
		}
		const { lengthSectors, submissions, frontier } = core.settlement.flow();
		const { flowId } = core.settlement.identity();
		core.#edge = await FlowEdge.at(kv, { flowId, lengthSectors, submissions });
		if (!Buffer.from(frontier).equals(core.#edge.frontier))
			throw new ViewDamagedError('the flow of the view is not that of the checkpoint');
		return core;
	}

	/** How often, since the start, submissions were taken back. */
	get reverts(): number {
		return this.#reverts;
	}

	useLog(log: AppendLog): void {
		this.#log = log;
	}

	get hasChanged(): boolean {
		return this.#bytesSince > 0 || this.purge.removed.length > 0;
	}

	/** Takes a lane's durable records, live or in a replay. */
	readonly consume: LaneConsumer = async (lane, records, end) => {
		if (records.length > 0) {
			// In a replay over a view that may be newer nobody knows which of the rows stand already.
			if (!this.#log && !this.#isViewEmpty) this.live.distrust();
			if (lane === 'journal') await this.journal.consume(lane, records, end);
			else await this.#applyPayload(lane, records);
			if (!this.#log) this.#observer.replayed(lane, records.length);
		}
		if (lane !== 'journal') this.live.took(lane, end.fileNo, records);
		const before = this.applied[lane];
		this.applied[lane] = end;
		this.ledger.took(lane, end);
		this.#bytesSince += before?.fileNo === end.fileNo ? end.offset - before.offset : end.offset;
		if (this.#bytesSince >= LIMITS.checkpointLogBytes || this.#hasReverted) this.onMuchLog();
		this.#hasReverted = false;
	};

	async #applyPayload(lane: Lane, records: readonly LogRecord[]): Promise<void> {
		await this.view.change((turn) => applyPayloadRecords(turn, records, this));
		if (lane !== 'bulk') return;
		for (const record of records)
			if (record.type === RECORDS.objectDeleted) this.purge.add(decodeDeleted(record).objectId);
	}

	/** What a checkpoint made now says; `isClosed`: nothing changes any more. Synchronous: all of it belongs to one moment. */
	capture(nextLsn: Lsn, timeMs: number, isClosed: boolean): Checkpoint {
		const { end, state } = this.journal.saveState();
		this.#bytesSince = 0;
		const { journal: _, ...lanes } = this.applied;
		return {
			storeId: Buffer.from(this.storeId).toString('hex'),
			id: ++this.#checkpointId,
			nextLsn,
			lanes: end ? { ...lanes, journal: end } : lanes,
			known: this.ledger.save(this.#goneFiles()),
			journalState: state,
			...(this.pending.isComplete ? { pending: this.pending.entries() } : {}),
			timeMs,
			live: this.live.save(),
			isLiveExact: isClosed && this.live.isExact,
		};
	}

	/** Files that were retired and are gone; one that is about to go still belongs to what is known. */
	#goneFiles(): (lane: Lane, fileNo: number) => boolean {
		const isRetired = retiredFiles(this.journal);
		const log = this.#openLog();
		return (lane, fileNo) => isRetired(lane, fileNo) && !log.closedFiles.has(lane, fileNo);
	}

	#openLog(): AppendLog {
		if (!this.#log) throw new Error('the journal is written before the log is open');
		return this.#log;
	}
}
