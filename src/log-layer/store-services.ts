/** What works on an open log and its view: the file store, the list of damage, the scrub. */
import type { AppendLog } from '../append-log/append-log.js';
import type { Lane, LanePosition } from '../append-log/types.js';
import { PerigeeError } from '../errors.js';
import { keccak256 } from '../native/addon.js';
import type { Journal } from '../settlement/journal.js';
import type { Settlement } from '../settlement/settlement.js';
import { rootFromBytes } from '../units.js';
import { CheckedObjects } from './checked-objects.js';
import { Compaction, type CompactionParts } from './compaction.js';
import type { RecordDamagedError } from './copy-file.js';
import { DamageFile } from './damage-file.js';
import { DamageList } from './damage.js';
import type { DiskSpace } from './disk-space.js';
import { Expiry } from './expiry.js';
import type { LiveBytes } from './live-bytes.js';
import { LogFileStore } from './file-store.js';
import { doubtOf, type Losses } from './losses.js';
import { Housekeeping } from './housekeeping.js';
import type { PendingObjects } from './pending-objects.js';
import type { Purge } from './purge.js';
import { RootLocks } from './root-locks.js';
import { decodeWholeObject, RECORDS, type ObjectId } from './records.js';
import { decodeObjectRow, decodeRootRow, rowKeys } from './rows.js';
import { Scrub, SCRUB_DEFAULTS } from './scrub.js';
import type { StoreOptions } from './store.js';
import type { View } from './view.js';

const ADDRESS_BYTES = 20;

export interface StoreServices {
	readonly files: LogFileStore;
	readonly damage: DamageList;
	readonly damageFile: DamageFile;
	readonly scrub: Scrub;
	readonly housekeeping: Housekeeping;
	readonly compaction: Compaction;
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
	const { view, journal, settlement, pending, purge } = core;
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
		damaged: (error) => noteDamagedRecord(view, damage, error),
		doubt: () => doubtOf(losses, damage.lostStretches),
		observer: options.observer.compaction,
		tranquility: options.compactionTranquility,
		deadPercent: options.compactionDeadPercent,
	});
	const submitter = keccak256(core.storeId).slice(-ADDRESS_BYTES);
	const locks = new RootLocks();
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
		overdueFiles: () => compaction.overdue().length,
		submitter,
	});
	const expiry = new Expiry({
		...options,
		log,
		locks,
		view,
		pending,
		isComplete: () => doubtOf(losses, damage.lostStretches) === undefined,
		isActive: (objectId) => files.isUploading(objectId),
		onExpired: () => options.observer.expired(),
	});
	const onError = (error: unknown): void => options.observer.housekeepingFailed(error);
	const housekeeping = new Housekeeping({ ...options, expiry, purge, onError });
	const scrub = await Scrub.open({
		...options,
		settings: options.scrub ?? SCRUB_DEFAULTS,
		observer: options.observer.scrub,
		storeId,
		log,
		view,
		damage,
		checked,
		flow: () => ({ flowId: settlement.identity().flowId, submissions: settlement.flow().submissions }),
		completeBelow: () => files.completeBelow,
	});
	return { files, damage, damageFile, scrub, housekeeping, compaction };
}

interface KnownDamage {
	readonly list: DamageList;
	readonly file: DamageFile;
}

/** What earlier runs and the replay have found damaged, as far as it still matters. */
async function knownDamage(
	{ io, clock, dataDir, observer }: StoreOptions,
	storeId: string,
	view: View,
	log: AppendLog,
): Promise<KnownDamage> {
	const list = new DamageList(clock, { found: (damage) => observer.damageFound(damage) });
	const failed = (error: unknown): void => observer.damageNotSaved(error);
	const file = await DamageFile.follow({ io, clock, dataDir, storeId, failed }, list);
	const files = new Set(log.listFiles().map(({ lane, fileNo }) => `${lane}/${fileNo}`));
	const objects = await objectsStillNamed(view, list);
	list.keepOnly(
		({ objectId }) => objects.has(objectId),
		({ lane, fileNo, reason }) => (reason === 'missing') !== files.has(`${lane}/${fileNo}`),
	);
	for (const { from, to, ...place } of log.damage)
		list.addStretch({ ...place, from, to, reason: to === 0 ? 'missing' : 'lost', foundBy: 'open' });
	return { list, file };
}

/** Of the objects with damage those that their root still leads to. */
async function objectsStillNamed(view: View, list: DamageList): Promise<ReadonlySet<ObjectId>> {
	const named = new Set<ObjectId>();
	for (const [objectId, root] of list.objects()) {
		try {
			const row = await view.get(rowKeys.root(root));
			if (row && decodeRootRow(row).object?.objectId === objectId) named.add(objectId);
		} catch (error) {
			// The view has noted its damage. What cannot be told stays in the list.
			if (!(error instanceof PerigeeError && error.code === 'DATA_DAMAGED')) throw error;
			named.add(objectId);
		}
	}
	return named;
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
