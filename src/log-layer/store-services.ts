/** What works on an open log and its view: the file store, the list of damage, the scrub. */
import type { AppendLog } from '../append-log/append-log.js';
import type { Lane, LanePosition } from '../append-log/types.js';
import { keccak256 } from '../native/addon.js';
import type { Journal } from '../settlement/journal.js';
import type { Settlement } from '../settlement/settlement.js';
import { rootFromBytes, type FlowId } from '../units.js';
import { CheckedObjects } from './checked-objects.js';
import { Compaction, type CompactionParts } from './compaction.js';
import type { RecordDamagedError } from './copy-file.js';
import type { DamageFile } from './damage-file.js';
import type { DamageList } from './damage.js';
import type { DiskSpace } from './disk-space.js';
import { Expiry } from './expiry.js';
import type { LiveBytes } from './live-bytes.js';
import { LogFileStore } from './file-store.js';
import { knownDamage } from './known-damage.js';
import { doubtOf, type Losses } from './losses.js';
import { Housekeeping } from './housekeeping.js';
import type { PendingObjects } from './pending-objects.js';
import type { Purge } from './purge.js';
import { Pruning } from './pruning.js';
import { RootLocks } from './key-locks.js';
import { decodeWholeObject, RECORDS } from './records.js';
import { decodeObjectRow, rowKeys } from './rows.js';
import { Scrub, SCRUB_DEFAULTS } from './scrub.js';
import { decodeSealed } from './sealed-records.js';
import { SealedSegments } from './sealed-segments.js';
import type { ShardSetting } from './shard-setting.js';
import type { StoreOptions } from './store.js';
import { Unrewarded } from './unrewarded.js';
import type { View } from './view.js';

const ADDRESS_BYTES = 20;

export interface StoreServices {
	readonly files: LogFileStore;
	readonly damage: DamageList;
	readonly damageFile: DamageFile;
	readonly scrub: Scrub;
	readonly housekeeping: Housekeeping;
	readonly compaction: Compaction;
	readonly sealed: SealedSegments;
}

/** What the services share with the store. */
interface Core {
	readonly view: View;
	readonly journal: Journal;
	readonly settlement: Settlement;
	readonly storeId: Uint8Array;
	readonly pending: PendingObjects;
	readonly purge: Purge;
	readonly live: LiveBytes;
	readonly shard: ShardSetting;
	/** How often submissions were taken back. */
	readonly reverts: number;
	/** Up to where each lane is in the view. */
	readonly applied: Partial<Record<Lane, LanePosition>>;
}

/** `checkpoint`: makes one of everything applied by now and answers its positions; called once the store is open. */
export async function openServices(
	options: StoreOptions,
	core: Core,
	log: AppendLog,
	disk: DiskSpace,
	losses: Losses,
	checkpoint: CompactionParts['checkpoint'],
): Promise<StoreServices> {
	const { view, journal, settlement, pending, purge, shard } = core;
	const storeId = Buffer.from(core.storeId).toString('hex');
	const { list: damage, file: damageFile } = await knownDamage(options, storeId, view, log);
	const checked = new CheckedObjects(log, damage);
	const compaction = new Compaction({
		log,
		disk,
		view,
		journal,
		live: core.live,
		clock: options.clock,
		checkpoint,
		position: (lane) => core.applied[lane],
		damaged: (error) =>
			error.record.type === RECORDS.sealedFlowSegment
				? sealed.foundDamaged(decodeSealed(error.record).index)
				: noteDamagedRecord(view, damage, error),
		doubt: () => doubtOf(losses, damage.lostStretches),
		observer: options.observer.compaction,
		tranquility: options.compactionTranquility,
		deadPercent: options.compactionDeadPercent,
	});
	const submitter = settlement.submitter ?? keccak256(core.storeId).slice(-ADDRESS_BYTES);
	const locks = new RootLocks();
	const unrewarded = new Unrewarded({ log, view, journal, locks, damage });
	const files = new LogFileStore({
		...options,
		log,
		disk,
		locks,
		view,
		journal,
		settlement,
		damage,
		checked,
		losses,
		pending,
		shard,
		unrewarded,
		overdueFiles: () => compaction.overdue().length,
		submitter,
	});
	const sealed = new SealedSegments({
		log,
		view,
		disk,
		files,
		settlement,
		reverts: () => core.reverts,
		onError: (error) => options.observer.housekeepingFailed(error),
	});
	const isComplete = (): boolean => doubtOf(losses, damage.lostStretches) === undefined;
	const expiry = new Expiry({
		...options,
		log,
		locks,
		view,
		pending,
		isComplete,
		isAwaited: (root) => settlement.awaits?.(root) === true,
		isActive: (objectId) => files.isUploading(objectId),
		onExpired: () => options.observer.expired(),
	});
	await files.segmentUploads.load();
	const onError = (error: unknown): void => options.observer.housekeepingFailed(error);
	const { segmentUploads, narrowing, held } = files;
	const flow = (): { flowId: FlowId; submissions: number; lengthSectors: bigint } => {
		const { submissions, lengthSectors } = settlement.flow();
		return { flowId: settlement.identity().flowId, submissions, lengthSectors };
	};
	const maxSectors = options.maxSectors ?? 0;
	const pruning = new Pruning({
		...options,
		...core,
		log,
		held,
		narrowing,
		unrewarded,
		flow,
		reverts: () => core.reverts,
		firstRewardableChunk: async () => settlement.firstRewardableChunk?.(),
		maxSectors,
		isComplete,
		onError,
	});
	const housekeeping = new Housekeeping({ ...options, segmentUploads, expiry, purge, pruning, onError });
	const scrub = await Scrub.open({
		...options,
		settings: options.scrub ?? SCRUB_DEFAULTS,
		observer: options.observer.scrub,
		storeId,
		log,
		view,
		damage,
		checked,
		flow,
		completeBelow: () => files.completeBelow,
		sealedDamaged: (index) => void sealed.foundDamaged(index),
	});
	return { files, sealed, damage, damageFile, scrub, housekeeping, compaction };
}

/** Puts a record that compaction found damaged into the list. The record of a small file names its root itself. */
async function noteDamagedRecord(view: View, list: DamageList, damaged: RecordDamagedError): Promise<void> {
	const { record, objectId, segment } = damaged;
	const { place } = record;
	if (!place) return;
	let root = record.type === RECORDS.wholeObject ? decodeWholeObject(record).root : undefined;
	if (!root) {
		const row = await view.get(rowKeys.object(objectId));
		if (row) root = decodeObjectRow(row).root;
	}
	if (!root) return;
	const { lane, fileNo, offset } = place;
	list.add({
		root: rootFromBytes(root),
		objectId,
		segment,
		lane,
		fileNo,
		offset,
		reason: 'checksum',
		foundBy: 'compaction',
	});
}
