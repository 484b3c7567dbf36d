/**
 * Drops what this node's shard does not own of content that came over the 0G protocol (spec log-layer §2.9, §7). Each held segment of a large
 * object gets its proof first, since the tree goes with the others. In facts of bounded effect, so that others have their turn, and again from
 * the beginning after a stop: what is done is not done twice.
 */
import type { AppendLog } from '../append-log/append-log.js';
import type { RecordInput } from '../append-log/types.js';
import { LIMITS } from '../limits.js';
import { fileGeometry } from '../native/addon.js';
import { bytesOfHex, type DataRoot } from '../units.js';
import type { DamageList } from './damage.js';
import { spent } from './file-deletion.js';
import type { HeldContent } from './held-content.js';
import type { RootLocks } from './key-locks.js';
import { keptFact, segmentProofFact } from './kept-records.js';
import { objectProof } from './object-tree.js';
import type { OwnSegments } from './own-segments.js';
import { laneOf } from './records.js';
import { rowKeys, type RootedObject } from './rows.js';
import type { SegmentRange } from './segment-ranges.js';
import { includesKept, isKept, keptCount, type KeptSegments } from './shard.js';
import { siblingsOf } from './stored-proofs.js';
import type { View } from './view.js';

export interface NarrowingParts {
	readonly log: AppendLog;
	readonly view: View;
	readonly locks: RootLocks;
	readonly held: HeldContent;
	readonly own: OwnSegments;
	readonly damage: DamageList;
}

export class Narrowing {
	readonly #parts: NarrowingParts;

	constructor(parts: NarrowingParts) {
		this.#parts = parts;
	}

	/** Leaves of submitted content what the shard owns. True when anything was dropped. Errors: those of the log and the view. */
	narrow(root: DataRoot): Promise<boolean> {
		const { locks, held, own, log, damage } = this.#parts;
		return locks.run(root, async () => {
			const { object, submissions } = (await held.rootRow(root)) ?? {};
			const owned = object && submissions && (await own.ofSubmissions(root, submissions));
			if (!owned) return false;
			if (keptCount(owned, Number(fileGeometry(BigInt(object.sizeBytes)).segments)) === 0) {
				await log.write(laneOf(object.sizeBytes), [spent(object, root)]).applied;
				damage.forget(object.objectId);
				return true;
			}
			return object.place === undefined && this.#narrowLarge({ ...object, root }, owned);
		});
	}

	async #narrowLarge(object: RootedObject, owned: KeptSegments): Promise<boolean> {
		const { log, held, damage } = this.#parts;
		const { kept: before } = await held.holding(object);
		// What is not held any more does not come back.
		const kept = includesKept(before, owned) ? owned : before;
		if (!kept) return false;
		const segments = Number(fileGeometry(BigInt(object.sizeBytes)).segments);
		let hasDropped = false;
		for (let first = 0; first < segments; first += LIMITS.dropFactSegments) {
			const range = { first, count: Math.min(LIMITS.dropFactSegments, segments - first) };
			const rows = await this.#rowsOf(object, range);
			if (!rows.some((row, at) => row && !isKept(kept, first + at))) continue;
			if (!before) await this.#storeProofs(object, kept, range);
			await log.write('bulk', [keptFact(object.objectId, kept, range)]).applied;
			hasDropped = true;
		}
		for (const segment of damage.of(object.objectId)?.keys() ?? [])
			if (!isKept(kept, segment)) damage.dropped(object.objectId, { first: segment, count: 1 });
		return hasDropped;
	}

	#rowsOf({ objectId }: RootedObject, { first, count }: SegmentRange): Promise<(Uint8Array | undefined)[]> {
		return this.#parts.view.getMany(Array.from({ length: count }, (_, at) => rowKeys.segment(objectId, first + at)));
	}

	/** Of the segments in the range that stay. */
	async #storeProofs(
		{ objectId, sizeBytes, root }: RootedObject,
		kept: KeptSegments,
		range: SegmentRange,
	): Promise<void> {
		const { log, view } = this.#parts;
		let facts: RecordInput[] = [];
		for (let segment = range.first; segment < range.first + range.count; segment++) {
			const isLast = segment + 1 === range.first + range.count;
			const proof =
				isKept(kept, segment) && (await objectProof(view, objectId, BigInt(sizeBytes), bytesOfHex(root), segment));
			if (proof) facts.push(segmentProofFact({ objectId, segment, siblings: siblingsOf(proof) }));
			if (facts.length < LIMITS.dropFactsAtOnce && !isLast) continue;
			if (facts.length > 0) await log.write('bulk', facts).applied;
			facts = [];
		}
	}
}
