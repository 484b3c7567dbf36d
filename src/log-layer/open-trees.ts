/**
 * Trees of the objects that are being written or replayed, so that closing an object of millions of segments does not read all their rows
 * again. Only a shortcut, in memory: an object that is not here (after a restart, when its segments came in a wild order, or when too many
 * others came after it) is built from its rows.
 */
import { LIMITS } from '../limits.js';
import { ObjectTreeBuilder } from './object-tree.js';
import type { ObjectId } from './records.js';

interface OpenTree {
	readonly builder: ObjectTreeBuilder;
	/** Roots that came before their turn, by segment: batches of an upload overtake each other. */
	readonly early: Map<number, Uint8Array>;
}

export class OpenTrees {
	/** In order of the last segment that came. */
	readonly #trees = new Map<ObjectId, OpenTree>();
	readonly #mostSegments: number;
	/** In all trees. */
	#segments = 0;

	/** `mostSegments`: bound of what all trees hold together. */
	constructor(mostSegments: number = LIMITS.openTreeSegments) {
		this.#mostSegments = mostSegments;
	}

	/** The next record of an object: the root of its segment, 32 bytes. */
	segment(objectId: ObjectId, segment: number, root: Uint8Array): void {
		const known = this.#remove(objectId);
		const tree = known ?? (segment < LIMITS.openTreeEarly ? newTree() : undefined);
		if (!tree) return;
		const { builder, early } = tree;
		// A segment that comes again may have another root: the rows know which counts.
		if (segment < builder.count || early.has(segment) || early.size >= LIMITS.openTreeEarly) return;
		early.set(segment, root);
		for (let next = early.get(builder.count); next; next = early.get(builder.count)) {
			early.delete(builder.count);
			builder.push(next);
		}
		this.#trees.set(objectId, tree);
		this.#segments += builder.count;
		while (this.#trees.size > LIMITS.openTrees || this.#segments > this.#mostSegments) this.#forgetOldest();
	}

	/** The tree of an object that is closed now, if all `segments` are in it; it leaves. */
	take(objectId: ObjectId, segments: number): ObjectTreeBuilder | undefined {
		const tree = this.#remove(objectId);
		return tree?.early.size === 0 && tree.builder.count === segments ? tree.builder : undefined;
	}

	/** The rows of an object are changed by something else than its next segment. */
	forget(objectId: ObjectId): void {
		this.#remove(objectId);
	}

	#forgetOldest(): void {
		const [oldest] = this.#trees.keys();
		if (oldest !== undefined) this.#remove(oldest);
	}

	#remove(objectId: ObjectId): OpenTree | undefined {
		const tree = this.#trees.get(objectId);
		if (!tree) return undefined;
		this.#trees.delete(objectId);
		this.#segments -= tree.builder.count;
		return tree;
	}
}

function newTree(): OpenTree {
	return { builder: new ObjectTreeBuilder(), early: new Map() };
}
