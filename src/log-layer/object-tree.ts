/**
 * The Merkle tree of an object over its segment roots, kept so that any proof reads few rows, all of them with one look-up. The tree is cut in
 * bands: the lowest of 4 levels, whose bottom are the segment rows themselves, the others of 8. A row of an upper band holds up to 256
 * neighbouring hashes of its bottom. A proof of a 1-TiB file reads 16 segment rows and three others. The carry-up rule (spec log-layer
 * §1.4) holds inside each band because 16 and 256 are powers of two.
 */
import { fileGeometry, treeProof, treeRoot, zeroHash } from '../native/addon.js';
import { HASH_BYTES, SEGMENT_SECTORS } from '../units.js';
import { decodeSegmentRow, rowKeys } from './rows.js';
import type { ObjectId } from './records.js';
import type { SegmentRange } from './segment-ranges.js';
import type { FileProof } from './types.js';
import type { View, ViewTurn } from './view.js';

const LOWEST_LEVELS = 4;
const BAND_LEVELS = 8;
const ZERO_SEGMENT = zeroHash(Math.log2(SEGMENT_SECTORS));

interface Band {
	readonly hashes: Buffer;
	count: number;
	/** Full rows of this band so far. */
	rows: number;
}

/** Levels of the tree below the bottom of a band. */
function levelsBelow(band: number): number {
	return band === 0 ? 0 : LOWEST_LEVELS + (band - 1) * BAND_LEVELS;
}

/** Hashes of one row of a band. */
function leavesOf(band: number): number {
	return 1 << (band === 0 ? LOWEST_LEVELS : BAND_LEVELS);
}

/** Row of an upper band. */
interface TreeRow {
	readonly band: number;
	readonly row: number;
	readonly hashes: Uint8Array;
}

/** Takes segment roots in order and gathers the rows of the upper bands: 8 MiB for a file of 1 TiB. */
export class ObjectTreeBuilder {
	readonly #bands: Band[] = [];
	readonly #rows: TreeRow[] = [];
	#count = 0;

	/** Roots so far. */
	get count(): number {
		return this.#count;
	}

	/** `root`: 32 bytes of the next (padded) segment. */
	push(root: Uint8Array): void {
		this.#count++;
		this.#add(0, root);
	}

	/** The data root, after all padded segments were pushed. */
	finish(): Uint8Array {
		for (let level = 0; ; level++) {
			const band = this.#bands[level];
			if (!band) throw new Error('an object without segments has no root');
			const isTop = level === this.#bands.length - 1;
			if (isTop && band.rows === 0) {
				if (level > 0) this.#keep(level, band);
				return treeRoot(filled(band));
			}
			if (band.count > 0) this.#close(level, band);
		}
	}

	/** Writes the upper bands. */
	async write(turn: ViewTurn, objectId: ObjectId): Promise<void> {
		for (const { band, row, hashes } of this.#rows) {
			turn.put(rowKeys.objectNode(objectId, band, row), hashes);
			await turn.relieve();
		}
	}

	#add(level: number, hash: Uint8Array): void {
		const leaves = leavesOf(level);
		const band = (this.#bands[level] ??= { hashes: Buffer.alloc(leaves * HASH_BYTES), count: 0, rows: 0 });
		if (band.count === leaves) this.#close(level, band);
		band.hashes.set(hash, band.count * HASH_BYTES);
		band.count++;
	}

	/** Keeps a band's row and hands its root to the band above. */
	#close(level: number, band: Band): void {
		const root = treeRoot(filled(band));
		if (level > 0) this.#keep(level, band);
		band.rows++;
		band.count = 0;
		this.#add(level + 1, root);
	}

	#keep(level: number, band: Band): void {
		this.#rows.push({ band: level, row: band.rows, hashes: Uint8Array.from(filled(band)) });
	}
}

function filled(band: Band): Buffer {
	return band.hashes.subarray(0, band.count * HASH_BYTES);
}

/** Root of a zero segment: what the padding of a file counts as. */
export function zeroSegmentRoot(): Uint8Array {
	return ZERO_SEGMENT;
}

/**
 * Proof of padded segment `index` of an object of several segments (spec log-layer §1.5).
 * Answers undefined when a row that it needs is missing.
 */
export async function objectProof(
	view: View,
	objectId: ObjectId,
	sizeBytes: bigint,
	dataRoot: Uint8Array,
	index: number,
): Promise<FileProof | undefined> {
	const geometry = fileGeometry(sizeBytes);
	const rows = rowsOfProof(Number(geometry.segmentsPadded), index);
	const leavesOfRows = await readRows(view, objectId, Number(geometry.segments), rows);
	if (!leavesOfRows) return undefined;
	const lemma: Uint8Array[] = [];
	const path: boolean[] = [];
	for (const [band, leaves] of leavesOfRows.entries()) {
		const within = Math.floor(index / 2 ** levelsBelow(band)) % leavesOf(band);
		if (band === 0) lemma.push(leaves.slice(within * HASH_BYTES, (within + 1) * HASH_BYTES));
		const part = treeProof(leaves, within);
		for (let step = 0; step < part.path.length; step++) {
			lemma.push(part.lemma.slice((step + 1) * HASH_BYTES, (step + 2) * HASH_BYTES));
			path.push(part.path[step] === 1);
		}
	}
	if (path.length > 0) lemma.push(dataRoot);
	return { lemma, path };
}

/** A row of a band: `count` hashes from the band's hash `first` on. */
interface RowPlace {
	readonly band: number;
	readonly row: number;
	readonly first: number;
	readonly count: number;
}

function rowPlace(band: number, row: number, segmentsPadded: number): RowPlace {
	const first = row * leavesOf(band);
	const ofBand = Math.ceil(segmentsPadded / 2 ** levelsBelow(band));
	return { band, row, first, count: Math.min(leavesOf(band), ofBand - first) };
}

/** Keys of all rows of the upper bands of an object. */
export function* treeKeys(objectId: ObjectId, sizeBytes: bigint): Generator<Buffer> {
	const segmentsPadded = Number(fileGeometry(sizeBytes).segmentsPadded);
	for (let band = 1; segmentsPadded > 2 ** levelsBelow(band); band++) {
		const rows = Math.ceil(segmentsPadded / 2 ** levelsBelow(band) / leavesOf(band));
		for (let row = 0; row < rows; row++) yield rowKeys.objectNode(objectId, band, row);
	}
}

/** The row of each band on the way from segment `index` to the root, from the bottom up. */
function rowsOfProof(segmentsPadded: number, index: number): readonly RowPlace[] {
	const rows: RowPlace[] = [];
	for (let band = 0; band === 0 || segmentsPadded > 2 ** levelsBelow(band); band++)
		rows.push(rowPlace(band, Math.floor(index / 2 ** levelsBelow(band) / leavesOf(band)), segmentsPadded));
	return rows;
}

/** Hashes of each row, one behind the other; undefined when one is not there in full. */
async function readRows(
	view: View,
	objectId: ObjectId,
	segments: number,
	rows: readonly RowPlace[],
): Promise<readonly Uint8Array[] | undefined> {
	const keys = rows.map(({ band, row, first, count }) => {
		if (band > 0) return [rowKeys.objectNode(objectId, band, row)];
		const held = Math.max(0, Math.min(first + count, segments) - first);
		return Array.from({ length: held }, (_, within) => rowKeys.segment(objectId, first + within));
	});
	const values = await view.getMany(keys.flat());
	let next = 0;
	const found: Uint8Array[] = [];
	for (const [index, { band, count }] of rows.entries()) {
		const taken = values.slice(next, (next += keys[index]?.length ?? 0));
		const leaves = band > 0 ? taken[0] : rootsOf(taken, count);
		if (leaves?.length !== count * HASH_BYTES) return undefined;
		found.push(leaves);
	}
	return found;
}

/** Roots out of segment rows, followed by those of zero segments; undefined when a row is missing. */
function rootsOf(rows: readonly (Uint8Array | undefined)[], count: number): Buffer | undefined {
	const roots = Buffer.alloc(count * HASH_BYTES);
	for (let index = 0; index < count; index++) {
		const row = rows[index];
		if (index < rows.length && !row) return undefined;
		roots.set(row ? decodeSegmentRow(row).root : ZERO_SEGMENT, index * HASH_BYTES);
	}
	return roots;
}

/** Root of the 2^levels segments from `first` on (aligned), zero beyond the file; undefined when rows are missing. */
export async function objectSubtree(
	view: View,
	objectId: ObjectId,
	sizeBytes: bigint,
	first: number,
	levels: number,
): Promise<Uint8Array | undefined> {
	const segmentsPadded = Number(fileGeometry(sizeBytes).segmentsPadded);
	if (first + 2 ** levels > segmentsPadded) return undefined;
	return (await objectSubtrees(view, objectId, sizeBytes, [{ first, count: 2 ** levels }]))?.[0];
}

/**
 * Roots of nodes of the tree, each over the padded segments [first, first + count): `first` is a multiple of the smallest power of two that is
 * not below `count`, and only a node that ends with the tree has another count than that power. Undefined when rows are missing.
 */
export async function objectSubtrees(
	view: View,
	objectId: ObjectId,
	sizeBytes: bigint,
	nodes: readonly SegmentRange[],
): Promise<readonly Uint8Array[] | undefined> {
	const geometry = fileGeometry(sizeBytes);
	const rows = new Map<string, RowPlace>();
	const places = nodes.map(({ first, count }) => {
		const band = bandOf(count);
		const below = 2 ** levelsBelow(band);
		const row = Math.floor(first / below / leavesOf(band));
		const name = `${band}/${row}`;
		const place = rowPlace(band, row, Number(geometry.segmentsPadded));
		rows.set(name, place);
		return { name, from: first / below - place.first, to: Math.ceil((first + count) / below) - place.first };
	});
	const found = await readRows(view, objectId, Number(geometry.segments), [...rows.values()]);
	if (!found) return undefined;
	const hashes = new Map([...rows.keys()].map((name, index) => [name, found[index] as Uint8Array]));
	return places.map(({ name, from, to }) =>
		treeRoot((hashes.get(name) as Uint8Array).subarray(from * HASH_BYTES, to * HASH_BYTES)),
	);
}

/** The highest band whose hashes are not above a node of `count` segments. */
function bandOf(count: number): number {
	let band = 0;
	while (2 ** levelsBelow(band + 1) <= count) band++;
	return band;
}
