/**
 * What follows what in a proved range (docs/range-proof.md). The node writes by it and `perigee/verify` reads by it: plain arithmetic, for
 * browsers too. Positions and counts are of sectors, the leaves of the file's tree; they pass 2^32, so nothing here works on bits.
 */

export const SECTOR_BYTES = 256;
export const HASH_BYTES = 32;
/** Of a whole segment. */
const SEGMENT_LEAVES = 1024;
export const HEADER_BYTES = 32;
/** `PGRP` and the version, each little-endian in 4 bytes. */
const MAGIC = 0x50524750;
const VERSION = 1;

/** Bytes [from, to) of a file of `size` bytes: 0 <= from < to <= size. */
export interface RangeOfFile {
	readonly size: number;
	readonly from: number;
	readonly to: number;
}

/** The node of the tree over the leaves [first, first + count). */
export interface TreeNode {
	readonly first: number;
	readonly count: number;
}

/** A node beside the way down to a segment. */
export interface NodeBeside extends TreeNode {
	/** It lies left of the way. */
	readonly isLeft: boolean;
	/** Bytes of the range lie below it and come later: they are held against its hash. */
	readonly isLater: boolean;
}

/** One segment of the answer: hashes, then bytes. */
export interface ProofStep extends TreeNode {
	/** From the top. Those behind the file are zeros and not sent. */
	readonly beside: readonly NodeBeside[];
	/** Bytes of the file that come with it: whole sectors, the last one up to the end of the file. */
	readonly from: number;
	readonly to: number;
}

/** Leaves left of the split of a tree of `count` leaves, at least 2 (spec log-layer §1.4). */
export function leftOf(count: number): number {
	let left = 1;
	while (2 * left < count) left *= 2;
	return left;
}

/** A range in the tree of its file. */
export class RangeShape {
	/** Sectors that hold bytes of the file; what lies behind them is zeros. */
	readonly sectors: number;
	/** Leaves of the tree: the sectors with their padding (spec log-layer §1.2). */
	readonly leaves: number;
	/** Sectors [from, to) hold the range. */
	readonly from: number;
	readonly to: number;
	readonly #size: number;

	constructor({ size, from, to }: RangeOfFile) {
		this.#size = size;
		this.from = Math.floor(from / SECTOR_BYTES);
		this.to = Math.ceil(to / SECTOR_BYTES);
		this.sectors = Math.ceil(size / SECTOR_BYTES);
		const unit = Math.max(1, leftOf(this.sectors) / 8);
		this.leaves = Math.ceil(this.sectors / unit) * unit;
	}

	/** No sector of the range lies below the node. */
	isOutside({ first, count }: TreeNode): boolean {
		return first >= this.to || first + count <= this.from;
	}

	/** The segments that hold bytes of the range, in order. */
	*steps(): Generator<ProofStep, undefined> {
		const tops: TreeNode[] = [{ first: 0, count: this.leaves }];
		for (let top = tops.pop(); top; top = tops.pop()) {
			let { first, count } = top;
			const beside: NodeBeside[] = [];
			while (count > SEGMENT_LEAVES) {
				const left = leftOf(count);
				const right = first + left;
				const isLeft = this.from >= right;
				if (isLeft) beside.push({ first, count: left, isLeft, isLater: false });
				else beside.push({ first: right, count: count - left, isLeft, isLater: right < this.to });
				count = isLeft ? count - left : left;
				if (isLeft) first = right;
			}
			tops.push(...beside.filter(({ isLater }) => isLater));
			const from = Math.max(first, this.from) * SECTOR_BYTES;
			const to = Math.min(Math.min(first + count, this.to) * SECTOR_BYTES, this.#size);
			yield { first, count, beside, from, to };
		}
	}

	/** The largest nodes below `node` that lie outside of the range and not wholly behind the file, from left to right. */
	*outside(node: TreeNode): Generator<TreeNode, undefined> {
		const { first, count } = node;
		if (first >= this.sectors) return;
		if (this.isOutside(node)) yield node;
		else if (first < this.from || first + count > this.to) {
			const left = leftOf(count);
			yield* this.outside({ first, count: left });
			yield* this.outside({ first: first + left, count: count - left });
		}
	}
}

/** Length of an answer. */
export function rangeProofBytes(range: RangeOfFile): number {
	const shape = new RangeShape(range);
	const later = Math.ceil(shape.to / SEGMENT_LEAVES) - Math.floor(shape.from / SEGMENT_LEAVES) - 1;
	const hashes = [...shape.outside({ first: 0, count: shape.leaves })].length + later;
	const bytes = Math.min(shape.to * SECTOR_BYTES, range.size) - shape.from * SECTOR_BYTES;
	return HEADER_BYTES + hashes * HASH_BYTES + bytes;
}

/** The first bytes of an answer. */
export function rangeProofHeader({ size, from, to }: RangeOfFile): Uint8Array<ArrayBuffer> {
	const words: number[] = [MAGIC, VERSION];
	for (const value of [size, from, to]) words.push(value % 2 ** 32, Math.floor(value / 2 ** 32));
	const view = new DataView(new ArrayBuffer(HEADER_BYTES));
	for (const [index, word] of words.entries()) view.setUint32(4 * index, word, true);
	return new Uint8Array(view.buffer);
}
