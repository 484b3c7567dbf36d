/**
 * The Merkle tree of an object over its segment roots, kept so that any proof reads a bounded number of rows: the tree is cut in bands of
 * 8 levels; a row holds up to 256 neighbouring hashes of one band's bottom (the lowest band's are the segment rows themselves). A proof
 * reads one row of each band: for a 1-TiB file 256 segment rows and two others. The carry-up rule (spec log-layer §1.4) holds inside each
 * band because 256 is a power of two.
 */
import { fileGeometry, treeProof, treeRoot, zeroHash } from '../native/addon.js';
import { HASH_BYTES, SEGMENT_SECTORS } from '../units.js';
import { decodeSegmentRow, rowKeys } from './rows.js';
import type { ObjectId } from './records.js';
import type { FileProof } from './types.js';
import type { View, ViewTurn } from './view.js';

const BAND_LEVELS = 8;
const BAND_LEAVES = 1 << BAND_LEVELS;
const ZERO_SEGMENT = zeroHash(Math.log2(SEGMENT_SECTORS));

interface Band {
	readonly hashes: Buffer;
	count: number;
	/** Full rows of this band so far. */
	rows: number;
}

/** Row of an upper band. */
interface TreeRow {
	readonly band: number;
	readonly row: number;
	readonly hashes: Uint8Array;
}

/** Takes segment roots in order and gathers the rows of the upper bands: 512 KiB for a file of 1 TiB. */
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
		const band = (this.#bands[level] ??= { hashes: Buffer.alloc(BAND_LEAVES * HASH_BYTES), count: 0, rows: 0 });
		if (band.count === BAND_LEAVES) this.#close(level, band);
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
	const segments = Number(geometry.segments);
	let count = Number(geometry.segmentsPadded);
	const lemma: Uint8Array[] = [];
	const path: boolean[] = [];
	let position = index;
	for (let level = 0; ; level++) {
		const row = Math.floor(position / BAND_LEAVES);
		const leaves =
			level === 0
				? await segmentRoots(view, objectId, row, segments, count)
				: await view.getMany([rowKeys.objectNode(objectId, level, row)]).then(([found]) => found);
		if (!leaves || leaves.length !== HASH_BYTES * Math.min(BAND_LEAVES, count - row * BAND_LEAVES)) return undefined;
		const within = position % BAND_LEAVES;
		if (level === 0) lemma.push(leaves.slice(within * HASH_BYTES, (within + 1) * HASH_BYTES));
		const part = treeProof(leaves, within);
		for (let step = 0; step < part.path.length; step++) {
			lemma.push(part.lemma.slice((step + 1) * HASH_BYTES, (step + 2) * HASH_BYTES));
			path.push(part.path[step] === 1);
		}
		count = Math.ceil(count / BAND_LEAVES);
		if (count === 1) break;
		position = row;
	}
	if (path.length > 0) lemma.push(dataRoot);
	return { lemma, path };
}

/** Roots of the padded segments of one row of the lowest band, one behind the other. */
async function segmentRoots(
	view: View,
	objectId: ObjectId,
	row: number,
	segments: number,
	segmentsPadded: number,
): Promise<Buffer | undefined> {
	const from = row * BAND_LEAVES;
	const to = Math.min(from + BAND_LEAVES, segmentsPadded);
	const roots = Buffer.alloc((to - from) * HASH_BYTES);
	let next = from;
	for await (const rows of view.scan({
		from: rowKeys.segment(objectId, from),
		to: rowKeys.segment(objectId, Math.min(to, segments)),
		chunkRows: BAND_LEAVES,
	})) {
		for (const { key, value } of rows) {
			if (!rowKeys.segment(objectId, next).equals(key)) return undefined;
			roots.set(decodeSegmentRow(value).root, (next - from) * HASH_BYTES);
			next++;
		}
	}
	if (next < Math.min(to, segments)) return undefined;
	for (; next < to; next++) roots.set(ZERO_SEGMENT, (next - from) * HASH_BYTES);
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
	const geometry = fileGeometry(sizeBytes);
	const segments = Number(geometry.segments);
	const segmentsPadded = Number(geometry.segmentsPadded);
	const band = Math.floor(levels / BAND_LEVELS);
	const span = 2 ** (levels - band * BAND_LEVELS);
	const firstOfBand = first / BAND_LEAVES ** band;
	const row = Math.floor(firstOfBand / BAND_LEAVES);
	const leaves =
		band === 0
			? await segmentRoots(view, objectId, row, segments, segmentsPadded)
			: (await view.getMany([rowKeys.objectNode(objectId, band, row)]))[0];
	if (!leaves) return undefined;
	const within = firstOfBand % BAND_LEAVES;
	const part = leaves.subarray(within * HASH_BYTES, (within + span) * HASH_BYTES);
	return part.length === span * HASH_BYTES ? treeRoot(part) : undefined;
}
