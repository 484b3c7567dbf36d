/**
 * When a closed object is whole: counts its segments and builds the tree above them.
 *
 * Live, all segments stand before the record that closes their object. In a replay of a compacted log they may come behind it, a few at a
 * time: then the count goes on from where it stood, so that each row is counted once, and the tree is built once, at the end. An object that
 * is to hold some of its segments only gets no tree: each of those has its proof.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileGeometry } from '../native/addon.js';
import { ObjectTreeBuilder, zeroSegmentRoot } from './object-tree.js';
import type { OpenTrees } from './open-trees.js';
import type { ObjectId } from './records.js';
import { decodeSegmentRow, type ObjectRow } from './rows.js';
import { segmentRows } from './segment-rows.js';
import { isKept, type KeptSegments } from './shard.js';
import type { ViewTurn } from './view.js';

/** Roots of zero segments that are added at once: a file has up to a sixteenth of its segments as padding. */
const PADDING_AT_ONCE = 16_384;

/**
 * Goes on counting from `row.heldSegments`; the object's row with what was found, and whether the object is whole and its root right.
 * `row`: of a closed object.
 */
export async function completeObject(
	turn: ViewTurn,
	objectId: ObjectId,
	row: ObjectRow,
	trees: OpenTrees,
): Promise<{ readonly row: ObjectRow; readonly isWhole: boolean }> {
	const segments = segmentsOf(row);
	if (row.kept) {
		trees.forget(objectId);
		const heldSegments = await countFrom(turn, objectId, row.heldSegments, segments, row.kept);
		return { row: { ...row, heldSegments }, isWhole: heldSegments === segments };
	}
	const ready = trees.take(objectId, segments);
	if (!ready && row.heldSegments > 0) {
		const heldSegments = await countFrom(turn, objectId, row.heldSegments, segments);
		if (heldSegments < segments) return { row: { ...row, heldSegments }, isWhole: false };
	}
	const tree = ready ?? (await treeOfRows(turn, objectId, segments));
	const heldSegments = tree.count;
	if (heldSegments < segments) return { row: { ...row, heldSegments }, isWhole: false };
	while (tree.count < Number(fileGeometry(row.sizeBytes).segmentsPadded)) {
		tree.push(zeroSegmentRoot());
		if (tree.count % PADDING_AT_ONCE === 0) await nextTurn();
	}
	const isWhole = Buffer.from(tree.finish()).equals(row.root);
	await tree.write(turn, objectId);
	return { row: { ...row, heldSegments }, isWhole };
}

/** Segments that the object has when it is whole. */
export function segmentsOf({ sizeBytes }: ObjectRow): number {
	return Number(fileGeometry(sizeBytes).segments);
}

/** The first segment from `from` on that is missing, of those that are to be held; `segments` when none is. */
async function countFrom(
	turn: ViewTurn,
	objectId: ObjectId,
	from: number,
	segments: number,
	kept?: KeptSegments,
): Promise<number> {
	for await (const { first, rows } of segmentRows(turn, objectId, from, segments)) {
		const missing = rows.findIndex((row, index) => !row && isKept(kept, first + index));
		if (missing >= 0) return first + missing;
	}
	return segments;
}

/** The tree over the segments that have rows, up to the first hole: an object with one was never acknowledged, is damaged, or the rest is still to come. */
async function treeOfRows(turn: ViewTurn, objectId: ObjectId, segments: number): Promise<ObjectTreeBuilder> {
	const tree = new ObjectTreeBuilder();
	for await (const { rows } of segmentRows(turn, objectId, 0, segments)) {
		for (const row of rows) {
			if (!row) return tree;
			tree.push(decodeSegmentRow(row).root);
		}
	}
	return tree;
}
