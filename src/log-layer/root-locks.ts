/** One lock per data root: from the moment an upload knows its root until its content is bound to a submission. */
import type { DataRoot } from '../units.js';

export class RootLocks {
	readonly #tails = new Map<DataRoot, Promise<void>>();

	/** Runs `work` alone among all work on this root, in the order of the calls. */
	async run<T>(root: DataRoot, work: () => Promise<T>): Promise<T> {
		const before = this.#tails.get(root);
		const running = before ? before.then(work) : work();
		const tail = running.then(
			() => undefined,
			() => undefined,
		);
		this.#tails.set(root, tail);
		try {
			return await running;
		} finally {
			if (this.#tails.get(root) === tail) this.#tails.delete(root);
		}
	}
}
