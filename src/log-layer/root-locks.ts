/** One lock per data root: from the moment an upload knows its root until its content is bound to a submission. */
import type { DataRoot } from '../units.js';

export class RootLocks {
	/** Who waits for each root that is locked, in the order of the calls. */
	readonly #waiting = new Map<DataRoot, (() => void)[]>();

	/** Runs `work` alone among all work on this root, in the order of the calls. */
	async run<T>(root: DataRoot, work: () => Promise<T>): Promise<T> {
		const waiting = this.#waiting.get(root);
		if (waiting) await new Promise<void>((resolve) => waiting.push(resolve));
		else this.#waiting.set(root, []);
		try {
			return await work();
		} finally {
			const next = this.#waiting.get(root)?.shift();
			if (next) next();
			else this.#waiting.delete(root);
		}
	}
}
