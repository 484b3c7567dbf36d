/** Ranges that carry their proof: `?proof=range` (docs/range-proof.md). */
import { LIMITS } from '../../limits.js';
import type { FilePiece, FileStore, StoredFile } from '../../log-layer/types.js';
import { sectorLeaves, treeRoot } from '../../native/addon.js';
import { SECTOR_BYTES, SEGMENT_BYTES, SEGMENT_SECTORS } from '../../units.js';
import { PieceCutter } from './piece-cutter.js';
import { type ProofStep, rangeProofBytes, rangeProofHeader, RangeShape, type TreeNode } from './range-proof-shape.js';
import type { ByteRange } from './ranges.js';

/** Media type of the answer. */
export const RANGE_PROOF_TYPE = 'application/vnd.perigee.range-proof';

export interface RangeProof {
	/** Of the whole answer. */
	readonly lengthBytes: number;
	/**
	 * The answer; hashes come only once the bytes behind them are there, so that an error before the first byte is still an answer.
	 * Errors: GONE, NOT_HELD, DATA_DAMAGED, READ_FAILED.
	 */
	readonly pieces: () => AsyncGenerator<FilePiece, void, undefined>;
}

/** The bytes of a range of a file, with what leads from them to its data root. */
export function rangeProof(store: FileStore, file: StoredFile, { from, to }: ByteRange): RangeProof {
	const range = { size: file.sizeBytes, from, to };
	return {
		lengthBytes: rangeProofBytes(range),
		async *pieces() {
			const shape = new RangeShape(range);
			const whole = new PieceCutter(() => wholeSegments(store, file, shape));
			let head: Uint8Array[] = [rangeProofHeader(range)];
			try {
				for (const steps of inGroups(shape.steps(), LIMITS.httpProofSegments)) {
					const beside = await rootsBeside(store, file, shape, steps);
					for (const step of steps) {
						head.push(...beside.splice(0, sentBeside(shape, step).length));
						const outside = [...shape.outside(step)];
						if (outside.length > 0) yield await partOfSegment(store, file, step, outside, head);
						else yield* headed(head, whole, step.to - step.from);
						head = [];
					}
				}
			} finally {
				await whole.close();
			}
		},
	};
}

/** The bytes of all segments that the range covers whole. */
function wholeSegments(
	store: FileStore,
	file: StoredFile,
	{ from, to, sectors }: RangeShape,
): AsyncIterable<FilePiece> {
	const first = Math.ceil(from / SEGMENT_SECTORS) * SEGMENT_BYTES;
	const end = to === sectors ? file.sizeBytes : Math.floor(to / SEGMENT_SECTORS) * SEGMENT_BYTES;
	return store.read(file, first, end);
}

function sentBeside({ sectors }: RangeShape, { beside }: ProofStep): readonly TreeNode[] {
	return beside.filter(({ first }) => first < sectors);
}

/** Hashes of the nodes beside the ways to some segments, in order. */
async function rootsBeside(
	store: FileStore,
	file: StoredFile,
	shape: RangeShape,
	steps: readonly ProofStep[],
): Promise<Uint8Array[]> {
	const nodes = steps.flatMap((step) => sentBeside(shape, step));
	const inSegments = nodes.map(({ first, count }) => ({
		first: first / SEGMENT_SECTORS,
		count: Math.ceil(count / SEGMENT_SECTORS),
	}));
	return [...(await store.subtreeRoots(file, inSegments))];
}

/** Some sectors of a segment behind `head` and the hashes of the others. At most one segment is hashed, on the main thread. */
async function partOfSegment(
	store: FileStore,
	file: StoredFile,
	step: ProofStep,
	outside: readonly TreeNode[],
	head: readonly Uint8Array[],
): Promise<FilePiece> {
	const start = step.first * SECTOR_BYTES;
	const bytes = await store.readSmall(file, start, Math.min(start + SEGMENT_BYTES, file.sizeBytes));
	const hashes = outside.map(({ first, count }) => {
		const at = first * SECTOR_BYTES - start;
		return treeRoot(sectorLeaves(bytes.subarray(at, at + count * SECTOR_BYTES), count));
	});
	return ownPiece([...head, ...hashes, bytes.subarray(step.from - start, step.to - start)]);
}

/** The next `lengthBytes` of a source behind `head`. */
async function* headed(
	head: readonly Uint8Array[],
	source: PieceCutter,
	lengthBytes: number,
): AsyncGenerator<FilePiece, void, undefined> {
	for (let left = lengthBytes; left > 0; ) {
		const piece = await source.next(left);
		// Whoever leaves between the two gives the piece back all the same.
		let isHandedOn = false;
		try {
			if (left === lengthBytes && head.length > 0) yield ownPiece(head);
			left -= piece.bytes.length;
			isHandedOn = true;
			yield piece;
		} finally {
			if (!isHandedOn) piece.release();
		}
	}
}

function ownPiece(parts: readonly Uint8Array[]): FilePiece {
	return { bytes: Buffer.concat(parts), release: () => undefined };
}

function* inGroups<T>(items: Iterable<T>, most: number): Generator<T[], undefined> {
	let group: T[] = [];
	for (const item of items) {
		group.push(item);
		if (group.length < most) continue;
		yield group;
		group = [];
	}
	if (group.length > 0) yield group;
}
