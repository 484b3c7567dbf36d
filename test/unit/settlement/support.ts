/** Parts of the settlement's tests: a journal lane in memory, submissions, and a flow that is computed the long way. */
import { keccak_256 } from '@noble/hashes/sha3.js';
import type { LanePosition, LogRecord, RecordInput, WriteTicket } from '../../../src/append-log/types.js';
import type { PerigeeError } from '../../../src/errors.js';
import * as addon from '../../../src/native/addon.js';
import type { LedgerGenesis } from '../../../src/settlement/embedded/genesis.js';
import type { LedgerHashing } from '../../../src/settlement/embedded/mining/rules.js';
import type { JournalItem } from '../../../src/settlement/journal.js';
import type { Submission, SubmissionNode } from '../../../src/settlement/settlement.js';
import type { Lsn } from '../../../src/units.js';

export const hashing: LedgerHashing = addon;

export const testGenesis: LedgerGenesis = {
	chainId: 31_337n,
	firstBlock: 0,
	blocksPerEpoch: 10,
	blockIntervalMs: 5_000,
	timeMs: 1_700_000_000_000,
	pricePerSector: 0n,
	salt: new Uint8Array(32).fill(7),
};

/** A submission of full subtrees whose roots are hashes of `label`. */
export function submissionOf(heights: readonly number[], label = 'test'): Submission {
	const nodes = heights.map((height, index) => ({ height, root: keccak_256(Buffer.from(`${label}/${index}`)) }));
	const sectors = heights.reduce((sum, height) => sum + (1n << BigInt(height)), 0n);
	return { lengthBytes: sectors * 256n, tags: new Uint8Array(0), nodes, submitter: new Uint8Array(20).fill(1) };
}

/** The flow as spec log-layer §2.1 tells it, without any of our own code: placement sector by sector, the tree node by node. */
export class NaiveFlow {
	length = 1n;
	readonly #subtrees = new Map<string, Uint8Array>([['0/0', new Uint8Array(32)]]);

	/** Answers the first sector. */
	add(nodes: readonly SubmissionNode[]): bigint {
		const sizes = nodes.map((node) => 1n << BigInt(node.height));
		const total = sizes.reduce((sum, size) => sum + size, 0n);
		let start = alignUp(this.length, sizes[0] ?? 1n);
		const last = start + total - 1n;
		if (start % 1024n !== 0n && start / 1024n !== last / 1024n) {
			start = alignUp((start / 1024n + 1n) * 1024n, sizes[0] ?? 1n);
		}
		let at = start;
		for (const [index, node] of nodes.entries()) {
			const size = sizes[index] ?? 1n;
			this.#subtrees.set(`${node.height}/${at / size}`, node.root);
			at += size;
		}
		this.length = at;
		return start;
	}

	root(): Uint8Array {
		let height = 0;
		while (1n << BigInt(height) < this.length) height++;
		return this.#node(height, 0n);
	}

	#node(height: number, index: bigint): Uint8Array {
		const placed = this.#subtrees.get(`${height}/${index}`);
		if (placed) return placed;
		const begin = index << BigInt(height);
		if (begin >= this.length || !this.#holdsAny(begin, begin + (1n << BigInt(height)))) return zeroRoot(height);
		return pair(this.#node(height - 1, index * 2n), this.#node(height - 1, index * 2n + 1n));
	}

	#holdsAny(from: bigint, to: bigint): boolean {
		for (const key of this.#subtrees.keys()) {
			const [height = '0', index = '0'] = key.split('/');
			const begin = BigInt(index) << BigInt(height);
			if (begin >= from && begin < to) return true;
		}
		return false;
	}
}

function alignUp(value: bigint, size: bigint): bigint {
	return ((value + size - 1n) / size) * size;
}

const zeroRoots: Uint8Array[] = [keccak_256(new Uint8Array(256))];

function zeroRoot(height: number): Uint8Array {
	for (let level = zeroRoots.length; level <= height; level++) {
		const below = zeroRoots[level - 1] ?? new Uint8Array(0);
		zeroRoots.push(pair(below, below));
	}
	return zeroRoots[height] ?? new Uint8Array(0);
}

export function pair(left: Uint8Array, right: Uint8Array): Uint8Array {
	return keccak_256(Buffer.concat([left, right]));
}

export type Consumer = (lane: 'journal', records: readonly LogRecord[], end: LanePosition) => Promise<void>;

/** The journal lane in memory: one group at a time, durable at once unless it is held or told to fail. */
export class MemoryLane {
	/** Durable groups, oldest first. */
	readonly groups: (readonly LogRecord[])[] = [];
	consumer: Consumer = () => Promise.resolve();
	#nextLsn = 1n;
	#delivery: Promise<unknown> = Promise.resolve();
	#gate: Promise<void> = Promise.resolve();
	#open: () => void = () => undefined;
	#failure: PerigeeError | undefined;

	/** Groups written from now on wait for `release`. */
	hold(): void {
		this.#gate = new Promise((resolve) => {
			this.#open = resolve;
		});
	}

	release(): void {
		this.#open();
		this.#gate = Promise.resolve();
	}

	/** The next group fails. */
	failNext(error: PerigeeError): void {
		this.#failure = error;
	}

	readonly write = (inputs: readonly RecordInput[]): WriteTicket => {
		const failure = this.#failure;
		this.#failure = undefined;
		const gate = this.#gate;
		const applied = this.#delivery.then(async () => {
			await gate;
			if (failure) throw failure;
			const records = inputs.map((input) => this.#record(input));
			this.groups.push(records);
			await this.consumer('journal', records, { fileNo: 1, offset: this.groups.length });
			return records;
		});
		this.#delivery = applied.catch(() => undefined);
		return { written: applied, durable: applied, applied };
	};

	/** Hands the groups behind `end` to a consumer, as a replay does. */
	async replay(consumer: Consumer, end?: LanePosition, groupsAtOnce = 1): Promise<void> {
		for (let from = end?.offset ?? 0; from < this.groups.length; from += groupsAtOnce) {
			const groups = this.groups.slice(from, from + groupsAtOnce);
			await consumer('journal', groups.flat(), { fileNo: 1, offset: from + groups.length });
		}
	}

	#record(input: RecordInput): LogRecord {
		const lsn = this.#nextLsn++ as Lsn;
		const record = {
			lane: 'journal' as const,
			type: input.type,
			lsn,
			origin: lsn,
			ext: input.ext,
			blockCrcs: new Uint8Array(0),
		};
		return input.payload ? { ...record, payload: input.payload.slice() } : record;
	}
}

/** A view that only remembers. */
export class RecordingSink {
	readonly items: JournalItem[] = [];
	readonly ends: LanePosition[] = [];

	readonly take = (items: readonly JournalItem[], end: LanePosition): Promise<void> => {
		this.items.push(...items);
		this.ends.push(end);
		return Promise.resolve();
	};

	/** One short word for each item. */
	get kinds(): string[] {
		return this.items.map((item) => ('event' in item ? item.event.kind : 'upload'));
	}
}
