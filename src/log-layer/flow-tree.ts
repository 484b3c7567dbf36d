/**
 * The Merkle tree of the flow (spec log-layer §1.6, §2.1) as a pure function of the submissions and a flow length, so that a root or proof
 * at any historic length needs no versions. Complete subtrees of heights 10, 14, 18 … that are made of several submissions are stored as the
 * flow passes their end; whatever lies inside one submission follows from its nodes, and below them from the object's own tree.
 */
import { hashPair, zeroHash } from '../native/addon.js';
import type { SubmissionNode } from '../settlement/settlement.js';
import { HASH_BYTES, SEGMENT_SECTORS, type FlowId } from '../units.js';
import { rowKeys, type SubmissionRow } from './rows.js';
import { firstEndingBehind, submissionsIn, type RowReader } from './submissions.js';

const SEGMENT_HEIGHT = Math.log2(SEGMENT_SECTORS);
const STORED_EVERY = 4;
/** Heights whose complete subtrees have rows, if several submissions make them up. */
export const STORED_HEIGHTS: readonly number[] = Array.from({ length: 64 }, (_, height) => height).filter(
	isStoredHeight,
);
/** Sector 0 of every flow is an opaque leaf of 32 zero bytes. */
const FIRST_LEAF = new Uint8Array(HASH_BYTES);

/** Hash of a subtree strictly inside a submission node: known only where the data is held. `sector`: its first sector in the file. */
export type InsideHash = (submission: SubmissionRow, sector: bigint, height: number) => Promise<Uint8Array | undefined>;

/** Which part of the flow a question is about. */
export interface FlowExtent {
	readonly flowId: FlowId;
	readonly lengthSectors: bigint;
	/** Submissions that lie before that length. */
	readonly submissions: number;
}

function isStoredHeight(height: number): boolean {
	return height >= SEGMENT_HEIGHT && (height - SEGMENT_HEIGHT) % STORED_EVERY === 0;
}

/** Height of the flow's tree: the smallest h with 2^h >= length. */
export function flowHeight(lengthSectors: bigint): number {
	return lengthSectors <= 1n ? 0 : (lengthSectors - 1n).toString(2).length;
}

/** Answers hashes of subtrees of one extent. */
export class FlowTree {
	readonly #rows: RowReader;
	readonly #extent: FlowExtent;
	readonly #inside: InsideHash;
	/** Placed nodes of the flow segment that was asked for last: neighbouring questions share it. */
	#segment: { readonly index: bigint; readonly placed: readonly PlacedNode[] } | undefined;

	constructor(rows: RowReader, extent: FlowExtent, inside: InsideHash) {
		this.#rows = rows;
		this.#extent = extent;
		this.#inside = inside;
	}

	/** Root of the subtree of 2^height sectors from `index` << height on; undefined when it lies inside data that is not held. */
	async hash(height: number, index: bigint): Promise<Uint8Array | undefined> {
		const from = index << BigInt(height);
		const to = (index + 1n) << BigInt(height);
		if (from >= this.#extent.lengthSectors) return zeroHash(height);
		if (height <= SEGMENT_HEIGHT) return this.#hashInSegment(height, index);
		if (isStoredHeight(height) && to <= this.#extent.lengthSectors) {
			const stored = await this.#rows.get(rowKeys.flowNode(this.#extent.flowId, height, index));
			if (stored) return stored;
		}
		const { flowId, submissions } = this.#extent;
		const first = await firstEndingBehind(this.#rows, flowId, submissions, from);
		if (from > 0n && (!first || first.startSector >= to)) return zeroHash(height);
		const node = first && placedNodes(first).find((placed) => placed.from <= from && to <= placed.to);
		if (node) return this.#hashInNode(node, from, height);
		return this.#pair(height, index);
	}

	/** Siblings from the bottom up of `sector`, without those below `fromHeight`. */
	async siblings(sector: bigint, fromHeight: number): Promise<Uint8Array[] | undefined> {
		const siblings: Uint8Array[] = [];
		for (let height = fromHeight; height < flowHeight(this.#extent.lengthSectors); height++) {
			const sibling = await this.hash(height, (sector >> BigInt(height)) ^ 1n);
			if (!sibling) return undefined;
			siblings.push(sibling);
		}
		return siblings;
	}

	async #pair(height: number, index: bigint): Promise<Uint8Array | undefined> {
		const left = await this.hash(height - 1, index * 2n);
		const right = await this.hash(height - 1, index * 2n + 1n);
		return left && right && hashPair(left, right);
	}

	async #hashInNode(node: PlacedNode, from: bigint, height: number): Promise<Uint8Array | undefined> {
		if (node.height === height) return node.root;
		return this.#inside(node.submission, from - node.submission.startSector, height);
	}

	/** A subtree of at most one flow segment: its parts come from the nodes that lie in the segment. */
	async #hashInSegment(height: number, index: bigint): Promise<Uint8Array | undefined> {
		const segment = (index << BigInt(height)) / BigInt(SEGMENT_SECTORS);
		if (height === SEGMENT_HEIGHT && (segment + 1n) * BigInt(SEGMENT_SECTORS) <= this.#extent.lengthSectors) {
			const stored = await this.#rows.get(rowKeys.flowNode(this.#extent.flowId, height, index));
			if (stored) return stored;
		}
		if (this.#segment?.index !== segment) {
			const from = segment * BigInt(SEGMENT_SECTORS);
			const placed: PlacedNode[] = [];
			for await (const row of submissionsIn(
				this.#rows,
				this.#extent.flowId,
				this.#extent.submissions,
				from,
				from + BigInt(SEGMENT_SECTORS),
			)) {
				placed.push(...placedNodes(row));
			}
			this.#segment = { index: segment, placed };
		}
		return this.#hashOfPlaced(this.#segment.placed, height, index);
	}

	async #hashOfPlaced(placed: readonly PlacedNode[], height: number, index: bigint): Promise<Uint8Array | undefined> {
		const from = index << BigInt(height);
		const to = (index + 1n) << BigInt(height);
		const within = placed.filter((node) => node.from < to && from < node.to);
		const [only] = within;
		if (!only && from > 0n) return zeroHash(height);
		if (only && only.from <= from && to <= only.to) return this.#hashInNode(only, from, height);
		if (height === 0) return FIRST_LEAF;
		const left = await this.#hashOfPlaced(within, height - 1, index * 2n);
		const right = await this.#hashOfPlaced(within, height - 1, index * 2n + 1n);
		return left && right && hashPair(left, right);
	}
}

interface PlacedNode extends SubmissionNode {
	readonly submission: SubmissionRow;
	readonly from: bigint;
	readonly to: bigint;
}

function placedNodes(submission: SubmissionRow): PlacedNode[] {
	let from: bigint = submission.startSector;
	return submission.nodes.map((node) => {
		const placed = { ...node, submission, from, to: from + (1n << BigInt(node.height)) };
		from = placed.to;
		return placed;
	});
}

/** A complete subtree that is worth a row. */
export interface CompleteSubtree {
	readonly height: number;
	readonly index: bigint;
	readonly hash: Uint8Array;
}

/** The right edge of the flow: takes submissions in order and names the complete subtrees that their placement closes. */
export class FlowEdge {
	#lengthSectors: bigint;
	#submissions: number;
	/** Complete subtrees that make up the flow, largest first. */
	#nodes: { height: number; hash: Uint8Array }[];

	private constructor(extent: FlowExtent, nodes: { height: number; hash: Uint8Array }[]) {
		this.#lengthSectors = extent.lengthSectors;
		this.#submissions = extent.submissions;
		this.#nodes = nodes;
	}

	/** Goes to another extent, whose flow is made of these subtrees: their roots, largest first, one for each binary digit of the length. */
	reset(extent: FlowExtent, frontier: Uint8Array): void {
		this.#lengthSectors = extent.lengthSectors;
		this.#submissions = extent.submissions;
		this.#nodes = nodesOf(extent.lengthSectors, frontier);
	}

	/** As `reset` takes them. */
	get frontier(): Uint8Array {
		return Buffer.concat(this.#nodes.map(({ hash }) => hash));
	}

	/** The edge of an extent whose submissions all have rows. */
	static async at(rows: RowReader, extent: FlowExtent): Promise<FlowEdge> {
		const tree = new FlowTree(rows, extent, () => Promise.resolve(undefined));
		const nodes: { height: number; hash: Uint8Array }[] = [];
		let from = 0n;
		for (let height = extent.lengthSectors.toString(2).length - 1; height >= 0; height--) {
			if (((extent.lengthSectors >> BigInt(height)) & 1n) === 0n) continue;
			const hash = await tree.hash(height, from >> BigInt(height));
			if (!hash) throw new Error('the edge of the flow cannot lie inside a submission');
			nodes.push({ height, hash });
			from += 1n << BigInt(height);
		}
		return new FlowEdge(extent, nodes);
	}

	get lengthSectors(): bigint {
		return this.#lengthSectors;
	}

	/** Submissions so far. */
	get submissions(): number {
		return this.#submissions;
	}

	/** Places a submission where the settlement has put it. */
	append(submission: { readonly startSector: bigint; readonly nodes: readonly SubmissionNode[] }): CompleteSubtree[] {
		const complete: CompleteSubtree[] = [];
		while (this.#lengthSectors < submission.startSector) {
			const height = gapHeight(this.#lengthSectors, submission.startSector);
			this.#push(height, zeroHash(height), complete);
		}
		for (const node of submission.nodes) this.#push(node.height, node.root, complete);
		this.#submissions++;
		return complete;
	}

	#push(height: number, hash: Uint8Array, complete: CompleteSubtree[]): void {
		this.#nodes.push({ height, hash });
		this.#lengthSectors += 1n << BigInt(height);
		for (;;) {
			const right = this.#nodes.at(-1);
			const left = this.#nodes.at(-2);
			if (!left || !right || left.height !== right.height) return;
			this.#nodes.splice(-2);
			const merged = { height: left.height + 1, hash: hashPair(left.hash, right.hash) };
			this.#nodes.push(merged);
			if (isStoredHeight(merged.height))
				complete.push({ ...merged, index: (this.#lengthSectors >> BigInt(merged.height)) - 1n });
		}
	}
}

function nodesOf(lengthSectors: bigint, frontier: Uint8Array): { height: number; hash: Uint8Array }[] {
	const nodes: { height: number; hash: Uint8Array }[] = [];
	for (let height = lengthSectors.toString(2).length - 1; height >= 0; height--) {
		if (((lengthSectors >> BigInt(height)) & 1n) === 0n) continue;
		const at = nodes.length * HASH_BYTES;
		nodes.push({ height, hash: frontier.subarray(at, at + HASH_BYTES) });
	}
	return nodes;
}

/** Height of the largest aligned subtree that starts at `from` and ends at or before `to`. */
function gapHeight(from: bigint, to: bigint): number {
	let height = 0;
	while ((from & ((2n << BigInt(height)) - 1n)) === 0n && from + (2n << BigInt(height)) <= to) height++;
	return height;
}
