/** What earlier runs and the replay have found damaged, as far as it still matters when the store is opened. */
import type { AppendLog } from '../append-log/append-log.js';
import { PerigeeError } from '../errors.js';
import { DamageFile } from './damage-file.js';
import { DamageList, type DamagedSegment } from './damage.js';
import { decodeRootRow, decodeSegmentRow, rowKeys, type PlainPlace } from './rows.js';
import type { StoreOptions } from './store.js';
import type { View } from './view.js';

export interface KnownDamage {
	readonly list: DamageList;
	readonly file: DamageFile;
}

/** The list, and the file that follows it. Errors: those of StorageIo. */
export async function knownDamage(
	{ io, clock, dataDir, observer }: StoreOptions,
	storeId: string,
	view: View,
	log: AppendLog,
): Promise<KnownDamage> {
	const list = new DamageList(clock, { found: (damage) => observer.damageFound(damage) });
	const failed = (error: unknown): void => observer.damageNotSaved(error);
	const file = await DamageFile.follow({ io, clock, dataDir, storeId, failed }, list);
	const files = new Set(log.listFiles().map(({ lane, fileNo }) => `${lane}/${fileNo}`));
	const segments = list.segments;
	// Side by side: the view gathers what is looked up in one turn.
	const still = await Promise.all(segments.map((segment) => isStill(view, log, segment)));
	const kept = new Set(segments.filter((_, index) => still[index]));
	list.keepOnly(
		(segment) => kept.has(segment),
		({ lane, fileNo, reason }) => (reason === 'missing') !== files.has(`${lane}/${fileNo}`),
	);
	for (const { from, to, ...place } of log.damage)
		list.addStretch({ ...place, from, to, reason: to === 0 ? 'missing' : 'lost', foundBy: 'open' });
	return { list, file };
}

/** A file still has the segment, and what was missing is not back. */
async function isStill(view: View, log: AppendLog, damaged: DamagedSegment): Promise<boolean> {
	// What it alone tells is not known now.
	if (log.isLost(damaged.lane, damaged.fileNo)) return true;
	try {
		const place = await placeOf(view, damaged);
		if (!place) return false;
		if (damaged.reason !== 'missing') return true;
		const bytes = await log.fileBytes(place);
		return bytes === undefined || bytes < place.offset + place.lengthBytes;
	} catch (error) {
		// The view has noted its damage. What cannot be told stays in the list.
		if (!(error instanceof PerigeeError && error.code === 'DATA_DAMAGED')) throw error;
		return true;
	}
}

/** Where the segment of the object lies, if the root still leads to that; undefined also when it was dropped. */
async function placeOf(view: View, { root, objectId, segment }: DamagedSegment): Promise<PlainPlace | undefined> {
	const row = await view.get(rowKeys.root(root));
	const object = row && decodeRootRow(row).object;
	if (object?.objectId !== objectId) return undefined;
	if (object.place) return object.place;
	const found = await view.get(rowKeys.segment(objectId, segment));
	return found && decodeSegmentRow(found).place;
}
