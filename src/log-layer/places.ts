/** From a place in the log back to the file that uses it: what the scrub finds damaged matters only if the view leads there. */
import type { Place } from '../append-log/types.js';
import { rootFromBytes, type DataRoot } from '../units.js';
import type { ObjectId } from './records.js';
import { OBJECT_CLOSED, decodeObjectRow, decodeRootRow, decodeSegmentRow, rowKeys } from './rows.js';
import type { View } from './view.js';

/** The root under which the object is read; undefined when no root leads to it. */
async function rootOfObject(view: View, objectId: ObjectId): Promise<DataRoot | undefined> {
	const row = await view.get(rowKeys.object(objectId));
	const object = row && decodeObjectRow(row);
	if (object?.state !== OBJECT_CLOSED) return undefined;
	const root = rootFromBytes(object.root);
	const found = await view.get(rowKeys.root(root));
	return found && decodeRootRow(found).object?.objectId === objectId ? root : undefined;
}

/**
 * The root of the file whose segment is read from exactly this place; undefined when nothing reads it. `root`: that of the segment, which is
 * the file's for an object of one record.
 */
export async function rootReadFrom(
	view: View,
	{ objectId, segment, root }: { readonly objectId: ObjectId; readonly segment: number; readonly root: Uint8Array },
	place: Place,
): Promise<DataRoot | undefined> {
	const row = await view.get(rowKeys.segment(objectId, segment));
	if (row) {
		const stands = decodeSegmentRow(row).place;
		return stands && isSame(stands, place) ? rootOfObject(view, objectId) : undefined;
	}
	const fileRoot = rootFromBytes(root);
	const found = await view.get(rowKeys.root(fileRoot));
	const object = found && decodeRootRow(found).object;
	return object?.place && object.objectId === objectId && isSame(object.place, place) ? fileRoot : undefined;
}

function isSame(one: Place, other: Place): boolean {
	return one.lane === other.lane && one.fileNo === other.fileNo && one.offset === other.offset;
}
