/** One lock per key: who comes first works alone on it, the others follow in the order of their calls. */
import type { DataRoot } from '../units.js';

export class KeyLocks<Key> {
	/** Who waits for each key that is locked. */
	readonly #waiting = new Map<Key, (() => void)[]>();

	/** Runs `work` alone among all work on this key, in the order of the calls. */
	async run<T>(key: Key, work: () => Promise<T>): Promise<T> {
		const waiting = this.#waiting.get(key);
		if (waiting) await new Promise<void>((resolve) => waiting.push(resolve));
		else this.#waiting.set(key, []);
		try {
			return await work();
		} finally {
			const next = this.#waiting.get(key)?.shift();
			if (next) next();
			else this.#waiting.delete(key);
		}
	}

	/** Somebody works on the key, or waits to. */
	has(key: Key): boolean {
		return this.#waiting.has(key);
	}
}

/** From the moment an upload knows its data root until its content is bound to a submission. */
export class RootLocks extends KeyLocks<DataRoot> {}
