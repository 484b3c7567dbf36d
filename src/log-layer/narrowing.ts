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
import { isUploadedHere } from './held-contents.js';
import { keptFact, segmentProofFact } from './kept-records.js';
import { objectProof, treeKeys } from './object-tree.js';
import type { OwnSegments } from './own-segments.js';
import { laneOf, type ObjectId } from './records.js';
import { rowKeys, type RootedObject } from './rows.js';
import type { SegmentRange } from './segment-ranges.js';
import { isKept, keptCount, keptOfBoth, unlessAll, type KeptSegments } from './shard.js';
import { siblingsOf } from './stored-proofs.js';
import { submissionAt } from './submissions.js';
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
	#failures = 0;

	constructor(parts: NarrowingParts) {
		this.#parts = parts;
	}

	/** How often it has failed, since the start: what it failed on is held as it was. */
	get failures(): number {
		return this.#failures;
	}

	/** Leaves of submitted content what the shard owns, unless it came over REST too. Errors: those of the log and the view. */
	async narrow(root: DataRoot): Promise<void> {
		try {
			await this.#narrow(root);
		} catch (error) {
			this.#failures++;
			throw error;
		}
	}

	#narrow(root: DataRoot): Promise<void> {
		const { view, locks, held, own, log, damage } = this.#parts;
		return locks.run(root, async () => {
			const row = (await held.rootRow(root)) ?? {};
			const { object, submissions } = row;
			if (!object || !submissions) return;
			// What an operator has put here stays whole.
			const first = await submissionAt(view, submissions.flowId, submissions.firstSeq);
			const owned = isUploadedHere(row, first) ? undefined : unlessAll(await own.ofSubmissions(root, submissions));
			if (!owned) return;
			// What is not held any more does not come back.
			const { kept: before } = await held.holding(object);
			const kept = keptOfBoth(before, owned);
			if (keptCount(kept, Number(fileGeometry(BigInt(object.sizeBytes)).segments)) === 0) {
				await log.write(laneOf(object.sizeBytes), [spent(object, root)]).applied;
				damage.forget(object.objectId);
			} else if (!object.place) await this.#narrowLarge({ ...object, root }, kept);
		});
	}

	async #narrowLarge(object: RootedObject, kept: KeptSegments): Promise<void> {
		const { log, damage } = this.#parts;
		const segments = Number(fileGeometry(BigInt(object.sizeBytes)).segments);
		// All proofs before the first fact: until the last one the tree is whole, or nobody needs it.
		for (const range of stretches(segments)) await this.#storeProofs(object, kept, range);
		let hasDropped = false;
		for (const range of stretches(segments)) {
			const { first, count } = range;
			const rows = await this.#rows(object, range, rowKeys.segment);
			const isDue = rows.some((row, at) => row && !isKept(kept, first + at));
			const isLast = first + count === segments;
			if (!isDue && !(isLast && (hasDropped || (await this.#hasTree(object))))) continue;
			await log.write('bulk', [keptFact(object.objectId, kept, range)]).applied;
			hasDropped = true;
		}
		for (const segment of damage.of(object.objectId)?.keys() ?? [])
			if (!isKept(kept, segment)) damage.dropped(object.objectId, { first: segment, count: 1 });
	}

	#rows(
		{ objectId }: RootedObject,
		{ first, count }: SegmentRange,
		key: (objectId: ObjectId, segment: number) => Buffer,
	): Promise<(Uint8Array | undefined)[]> {
		return this.#parts.view.getMany(Array.from({ length: count }, (_, at) => key(objectId, first + at)));
	}

	async #hasTree({ objectId, sizeBytes }: RootedObject): Promise<boolean> {
		const [key] = treeKeys(objectId, BigInt(sizeBytes));
		return key !== undefined && (await this.#parts.view.get(key)) !== undefined;
	}

	/** Of the segments in the range that stay and have none. */
	async #storeProofs(object: RootedObject, kept: KeptSegments, range: SegmentRange): Promise<void> {
		const { log, view } = this.#parts;
		const { objectId, sizeBytes, root } = object;
		const proofs = await this.#rows(object, range, rowKeys.segmentProof);
		const missing = proofs.flatMap((proof, at) => (!proof && isKept(kept, range.first + at) ? [range.first + at] : []));
		for (let at = 0; at < missing.length; at += LIMITS.dropFactsAtOnce) {
			const facts: RecordInput[] = [];
			for (const segment of missing.slice(at, at + LIMITS.dropFactsAtOnce)) {
				const proof = await objectProof(view, objectId, BigInt(sizeBytes), bytesOfHex(root), segment);
				if (proof) facts.push(segmentProofFact({ objectId, segment, siblings: siblingsOf(proof) }));
			}
			if (facts.length > 0) await log.write('bulk', facts).applied;
		}
	}
}

function* stretches(segments: number): Generator<SegmentRange> {
	for (let first = 0; first < segments; first += LIMITS.dropFactSegments)
		yield { first, count: Math.min(LIMITS.dropFactSegments, segments - first) };
}
