/** A file's tree and the answers about its ranges as the documents describe them (spec log-layer §1.2, §1.4; docs/range-proof.md), all in memory. */
import { hashPair, keccak256 } from '../../src/native/addon.js';

const SECTOR = 256;
const SEGMENT_SECTORS = 1024;

/** A node of a real tree. A leaf has the bytes of its sector. */
export interface NaiveNode {
	readonly hash: Uint8Array;
	readonly left?: NaiveNode;
	readonly right?: NaiveNode;
	readonly sector?: Uint8Array;
}

export function paddedSectors(sizeBytes: number): number {
	const sectors = Math.ceil(sizeBytes / SECTOR);
	let power = 1;
	while (power < sectors) power *= 2;
	if (power === sectors) return sectors;
	const unit = power < 16 ? 1 : power / 16;
	return Math.ceil(sectors / unit) * unit;
}

function split(count: number): number {
	let left = 1;
	while (left * 2 < count) left *= 2;
	return left;
}

/** The tree of a file. */
export function naiveTree(content: Uint8Array): NaiveNode {
	const leaves: NaiveNode[] = Array.from({ length: paddedSectors(content.length) }, (_, index) => {
		const sector = new Uint8Array(SECTOR);
		sector.set(content.subarray(index * SECTOR, (index + 1) * SECTOR));
		return { hash: keccak256(sector), sector };
	});
	const over = (first: number, count: number): NaiveNode => {
		if (count === 1) return leaves[first] as NaiveNode;
		const left = over(first, split(count));
		const right = over(first + split(count), count - split(count));
		return { hash: hashPair(left.hash, right.hash), left, right };
	};
	return over(0, leaves.length);
}

/**
 * The answer about bytes [from, to) of a file of `size` bytes, with the hashes and sectors that stand in `tree` where a file of that size has them.
 * Undefined when a node that it needs is not there: nobody can make such an answer from that tree.
 */
export function naiveAnswer(tree: NaiveNode, size: number, from: number, to: number): Buffer | undefined {
	const sectors = Math.ceil(size / SECTOR);
	const [first, end] = [Math.floor(from / SECTOR), Math.ceil(to / SECTOR)];
	const isBeside = (at: number, count: number): boolean => at + count <= first || at >= end;
	const out: Uint8Array[] = [];
	let isPossible = true;
	const hash = (node: NaiveNode | undefined, at: number): void => {
		// What lies behind the file is zeros, which nobody sends.
		if (at < sectors && node) out.push(node.hash);
		isPossible &&= node !== undefined;
	};
	const inside = (node: NaiveNode | undefined, at: number, count: number): void => {
		if (at >= sectors) return;
		if (isBeside(at, count)) hash(node, at);
		else if (count > 1) {
			inside(node?.left, at, split(count));
			inside(node?.right, at + split(count), count - split(count));
		}
	};
	const data = (node: NaiveNode | undefined, at: number, count: number): void => {
		if (isBeside(at, count)) return;
		if (count > 1) {
			data(node?.left, at, split(count));
			data(node?.right, at + split(count), count - split(count));
		} else if (node?.sector) out.push(node.sector.subarray(0, Math.min(SECTOR, size - at * SECTOR)));
		else isPossible = false;
	};
	const descend = (node: NaiveNode | undefined, at: number, count: number): void => {
		if (count <= SEGMENT_SECTORS) {
			inside(node, at, count);
			data(node, at, count);
			return;
		}
		const middle = at + split(count);
		const goesLeft = first < middle;
		const goesRight = end > middle;
		hash(goesLeft ? node?.right : node?.left, goesLeft ? middle : at);
		if (goesLeft) descend(node?.left, at, split(count));
		if (goesRight) descend(node?.right, middle, count - split(count));
	};
	const header = Buffer.from('PGRP\x01\0\0\0'.padEnd(32, '\0'), 'latin1');
	[size, from, to].forEach((value, index) => header.writeBigUInt64LE(BigInt(value), 8 + 8 * index));
	descend(tree, 0, paddedSectors(size));
	return isPossible ? Buffer.concat([header, ...out]) : undefined;
}
