/**
 * What may have become of each root's content, as clients know it: operations on one root may overlap, and those that were not answered may or
 * may not have happened. An operation may have been the last one unless one that changes its outcome was begun after its end and answered.
 */
import type { DataRoot } from '../../src/units.js';

/** held: all of it. deleted: nothing, and the node says so. pruned: some segments are missing. */
export type ContentState = 'held' | 'deleted' | 'pruned';

interface Operation {
	readonly becomes: ContentState;
	readonly begun: number;
	readonly ended: number;
	readonly isAnswered: boolean;
}

/** An operation that has begun. */
export type OperationToken = { readonly root: DataRoot; readonly operation: Operation };

export class ContentStates {
	readonly #operations = new Map<DataRoot, Set<Operation>>();
	#now = 0;

	fork(): ContentStates {
		const copy = new ContentStates();
		copy.#now = this.#now;
		for (const [root, operations] of this.#operations) copy.#operations.set(root, new Set(operations));
		return copy;
	}

	begin(root: DataRoot, becomes: ContentState): OperationToken {
		const operation = { becomes, begun: ++this.#now, ended: Number.POSITIVE_INFINITY, isAnswered: false };
		this.#of(root).add(operation);
		return { root, operation };
	}

	answered({ root, operation }: OperationToken): void {
		const operations = this.#of(root);
		operations.delete(operation);
		operations.add({ ...operation, ended: ++this.#now, isAnswered: true });
	}

	/** It was refused in a way that leaves everything as it was. */
	withoutEffect({ root, operation }: OperationToken): void {
		this.#of(root).delete(operation);
	}

	/** The process is over: what it did not do by now it will not do. */
	processEnded(): void {
		const ended = ++this.#now;
		for (const operations of this.#operations.values()) {
			for (const operation of Array.from(operations)) {
				if (operation.ended < ended) continue;
				operations.delete(operation);
				operations.add({ ...operation, ended });
			}
		}
	}

	/** What the content of a root may be now. */
	of(root: DataRoot): ReadonlySet<ContentState> {
		const operations = [...this.#of(root)];
		const last = operations.filter(
			({ becomes, ended }) =>
				!operations.some((other) => other.isAnswered && other.becomes !== becomes && other.begun > ended),
		);
		return new Set(last.map(({ becomes }) => becomes));
	}

	/** While nothing is going on, the content was found in this state: it stays in it. */
	found(root: DataRoot, becomes: ContentState): void {
		const operations = this.#of(root);
		if ([...operations].some(({ ended }) => ended === Number.POSITIVE_INFINITY)) return;
		operations.clear();
		operations.add({ becomes, begun: this.#now, ended: ++this.#now, isAnswered: true });
	}

	#of(root: DataRoot): Set<Operation> {
		const operations = this.#operations.get(root) ?? new Set<Operation>();
		this.#operations.set(root, operations);
		return operations;
	}
}
