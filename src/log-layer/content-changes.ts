/** Whoever keeps something that was made of content held here (a sealed copy) hears when what is held of a submitted content changes. */
import type { DataRoot } from '../units.js';

export class ContentChanges {
	readonly #listeners = new Set<(root: DataRoot) => void>();

	/** The answer ends it. `heard` must be quick: it is called while the view changes. */
	listen(heard: (root: DataRoot) => void): () => void {
		this.#listeners.add(heard);
		return () => this.#listeners.delete(heard);
	}

	/** More or less of the content is held than before. */
	tell(root: DataRoot): void {
		for (const heard of this.#listeners) heard(root);
	}
}
